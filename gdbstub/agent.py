"""Conditions of breakpoints: the agent expression machine, a stack of 64-bit words.

Source: the GDB manual, appendix "The GDB Agent Expression Mechanism". Code is hostile: its
steps and stack are bounded.
"""

from __future__ import annotations

from collections.abc import Callable

U64 = (1 << 64) - 1
MAX_STEPS, MAX_STACK = 10_000, 256


class BadExpression(Exception):
    """The code cannot be run: one sentence. A condition that cannot be judged stops."""


def evaluate(code: bytes, register: Callable[[int], int], read: Callable[[int, int], bytes]) -> int:
    """The top of the stack when the code ends. ``register`` by its number, ``read`` an address and a size."""
    return _Run(code, register, read).result()


def _signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def _quotient(a: int, b: int) -> int:
    """Division as C does it: towards zero."""
    if b == 0:
        raise BadExpression("the condition divides by zero")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _remainder(a: int, b: int) -> int:
    return a - b * _quotient(a, b)


_BINARY: dict[int, Callable[[int, int], int]] = {
    0x02: lambda a, b: a + b,
    0x03: lambda a, b: a - b,
    0x04: lambda a, b: a * b,
    0x05: lambda a, b: _quotient(_signed(a), _signed(b)),
    0x06: _quotient,
    0x07: lambda a, b: _remainder(_signed(a), _signed(b)),
    0x08: _remainder,
    0x09: lambda a, b: a << b if b < 64 else 0,
    0x0A: lambda a, b: _signed(a) >> min(b, 63),
    0x0B: lambda a, b: a >> b if b < 64 else 0,
    0x0F: lambda a, b: a & b,
    0x10: lambda a, b: a | b,
    0x11: lambda a, b: a ^ b,
    0x13: lambda a, b: int(a == b),
    0x14: lambda a, b: int(_signed(a) < _signed(b)),
    0x15: lambda a, b: int(a < b),
}
_REFERENCES = {0x17: 1, 0x18: 2, 0x19: 4, 0x1A: 8}
_CONSTANTS = {0x22: 1, 0x23: 2, 0x24: 4, 0x25: 8}


class _Run:
    def __init__(self, code: bytes, register: Callable[[int], int], read: Callable[[int, int], bytes]) -> None:
        self._code, self._register, self._read = code, register, read
        self._at = 0
        self._stack: list[int] = []

    def result(self) -> int:
        for _ in range(MAX_STEPS):
            operation = self._operand(1)
            if operation == 0x27:  # end
                return self._pop()
            self._one(operation)
        raise BadExpression(f"the condition does not end within {MAX_STEPS} steps")

    def _operand(self, size: int) -> int:
        content = self._code[self._at : self._at + size]
        if len(content) < size:
            raise BadExpression("the condition's code is cut")
        self._at += size
        return int.from_bytes(content, "big")

    def _pop(self) -> int:
        if not self._stack:
            raise BadExpression("the condition's stack is empty")
        return self._stack.pop()

    def _push(self, value: int) -> None:
        if len(self._stack) >= MAX_STACK:
            raise BadExpression("the condition's stack is full")
        self._stack.append(value & U64)

    def _one(self, operation: int) -> None:
        if operation in _BINARY:
            second, first = self._pop(), self._pop()
            self._push(_BINARY[operation](first, second))
        elif operation in _REFERENCES:
            self._push(int.from_bytes(self._read(self._pop(), _REFERENCES[operation]), "little"))
        elif operation in _CONSTANTS:
            self._push(self._operand(_CONSTANTS[operation]))
        elif operation in _OTHERS:
            _OTHERS[operation](self)
        else:
            raise BadExpression(f"the condition uses operation {operation:#x}, which is not known")

    def _log_not(self) -> None:
        self._push(int(not self._pop()))

    def _bit_not(self) -> None:
        self._push(~self._pop())

    def _extend(self) -> None:
        bits = self._operand(1)
        self._push(_signed(self._pop(), min(max(bits, 1), 64)))

    def _zero_extend(self) -> None:
        bits = self._operand(1)
        self._push(self._pop() & (1 << min(bits, 64)) - 1)

    def _if_goto(self) -> None:
        target = self._operand(2)
        if self._pop():
            self._at = target

    def _goto(self) -> None:
        self._at = self._operand(2)

    def _reg(self) -> None:
        self._push(self._register(self._operand(2)))

    def _dup(self) -> None:
        value = self._pop()
        self._push(value)
        self._push(value)

    def _swap(self) -> None:
        second, first = self._pop(), self._pop()
        self._push(second)
        self._push(first)

    def _pick(self) -> None:
        depth = self._operand(1)
        if depth >= len(self._stack):
            raise BadExpression("the condition picks below its stack")
        self._push(self._stack[-1 - depth])

    def _rot(self) -> None:
        c, b, a = self._pop(), self._pop(), self._pop()
        for value in (c, a, b):
            self._push(value)


_OTHERS: dict[int, Callable[[_Run], object]] = {
    0x0E: _Run._log_not,
    0x12: _Run._bit_not,
    0x16: _Run._extend,
    0x20: _Run._if_goto,
    0x21: _Run._goto,
    0x26: _Run._reg,
    0x28: _Run._dup,
    0x29: _Run._pop,
    0x2A: _Run._zero_extend,
    0x2B: _Run._swap,
    0x32: _Run._pick,
    0x33: _Run._rot,
}
