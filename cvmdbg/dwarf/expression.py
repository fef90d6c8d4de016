"""DWARF location expressions, evaluated over a frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cvmdbg.target import UserError

MAX_STEPS = 1000
_MASK = (1 << 64) - 1


class Machine(Protocol):
    """What an expression looks at. Registers are DWARF numbers of AArch64 (0..30, 31 SP), values 64 bits."""

    def register(self, number: int) -> int:
        """The value of a register in the frame."""

    def memory(self, address: int, size: int) -> bytes:
        """Bytes at an address as the frame's code means it."""

    def frame_base(self) -> int:
        """What DW_OP_fbreg counts from."""

    def cfa(self) -> int:
        """The canonical frame address, as the frame's code means addresses."""

    def relocate(self, address: int) -> int:
        """An address of the file, as the frame's code means addresses."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is: ``memory`` at ``number``, in ``register`` ``number``, or is ``value`` ``number``."""

    kind: str
    number: int


def _uleb(code: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = code[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def _sleb(code: bytes, at: int) -> tuple[int, int]:
    start = at
    value, at = _uleb(code, at)
    bits = 7 * (at - start)
    return (value - (1 << bits) if code[at - 1] & 0x40 else value), at


_CONSTANTS = {0x08: (1, False), 0x09: (1, True), 0x0A: (2, False), 0x0B: (2, True)} | {
    0x0C: (4, False),
    0x0D: (4, True),
    0x0E: (8, False),
    0x0F: (8, True),
}
_BINARY: dict[int, Callable[[int, int], int]] = {
    0x1A: lambda a, b: a & b,
    0x1C: lambda a, b: a - b,
    0x1E: lambda a, b: a * b,
    0x21: lambda a, b: a | b,
    0x22: lambda a, b: a + b,
    0x24: lambda a, b: a << min(b, 64),
    0x25: lambda a, b: a >> min(b, 64),
    0x26: lambda a, b: _signed(a) >> min(b, 64),
    0x27: lambda a, b: a ^ b,
    0x29: lambda a, b: int(_signed(a) == _signed(b)),
    0x2A: lambda a, b: int(_signed(a) >= _signed(b)),
    0x2B: lambda a, b: int(_signed(a) > _signed(b)),
    0x2C: lambda a, b: int(_signed(a) <= _signed(b)),
    0x2D: lambda a, b: int(_signed(a) < _signed(b)),
    0x2E: lambda a, b: int(_signed(a) != _signed(b)),
}
_UNARY: dict[int, Callable[[int], int]] = {
    0x19: lambda a: abs(_signed(a)),
    0x1F: lambda a: -_signed(a),
    0x20: lambda a: ~a,
}
"""DW_OP_* without operands (DWARF 5, 7.7.1)."""


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def locate(code: bytes, machine: Machine) -> Place:
    """Evaluate a location; UserError when it is empty, broken, or uses what is not there in this frame."""
    try:
        return _Evaluation(code, machine).run()
    except IndexError:
        raise UserError("its location expression is broken") from None


class _Evaluation:
    """One run over the operations of an expression."""

    def __init__(self, code: bytes, machine: Machine) -> None:
        self.code, self.machine, self.at = code, machine, 0
        self.stack: list[int] = []

    def run(self) -> Place:
        if not self.code:
            raise UserError("optimised out")
        for _ in range(MAX_STEPS):
            if self.at >= len(self.code):
                return Place("memory", self.stack[-1] & _MASK)
            operation = self.code[self.at]
            self.at += 1
            place = self._terminal(operation)
            if place is not None:
                return place
            self._step(operation)
        raise UserError("its location expression does not end")

    def _terminal(self, operation: int) -> Place | None:
        if 0x50 <= operation <= 0x6F:
            return Place("register", operation - 0x50)
        if operation == 0x90:
            number, self.at = _uleb(self.code, self.at)
            return Place("register", number)
        if operation == 0x9F:
            return Place("value", self.stack[-1] & _MASK)
        if operation == 0x9E:
            size, self.at = _uleb(self.code, self.at)
            return Place("value", int.from_bytes(self.code[self.at : self.at + size], "little"))
        return None

    def _step(self, operation: int) -> None:
        push = self.stack.append
        if operation in _BINARY:
            second, first = self.stack.pop(), self.stack.pop()
            push(_BINARY[operation](first, second) & _MASK)
        elif operation in _UNARY:
            push(_UNARY[operation](self.stack.pop()) & _MASK)
        elif 0x30 <= operation <= 0x4F:
            push(operation - 0x30)
        elif 0x70 <= operation <= 0x8F:
            offset, self.at = _sleb(self.code, self.at)
            push(self.machine.register(operation - 0x70) + offset & _MASK)
        elif operation in _CONSTANTS:
            size, signed = _CONSTANTS[operation]
            push(int.from_bytes(self._bytes(size), "little", signed=signed) & _MASK)
        else:
            self._special(operation)

    def _special(self, operation: int) -> None:
        push, machine = self.stack.append, self.machine
        match operation:
            case 0x03:
                push(machine.relocate(int.from_bytes(self._bytes(8), "little")))
            case 0x06:
                push(int.from_bytes(machine.memory(self.stack.pop(), 8), "little"))
            case 0x10:
                value, self.at = _uleb(self.code, self.at)
                push(value & _MASK)
            case 0x11:
                value, self.at = _sleb(self.code, self.at)
                push(value & _MASK)
            case 0x12:
                push(self.stack[-1])
            case 0x13:
                self.stack.pop()
            case 0x14:
                push(self.stack[-2])
            case 0x16:
                self.stack[-1], self.stack[-2] = self.stack[-2], self.stack[-1]
            case 0x23:
                value, self.at = _uleb(self.code, self.at)
                push(self.stack.pop() + value & _MASK)
            case 0x91:
                offset, self.at = _sleb(self.code, self.at)
                push(machine.frame_base() + offset & _MASK)
            case 0x94:
                push(int.from_bytes(machine.memory(self.stack.pop(), self._bytes(1)[0]), "little"))
            case 0x96:
                pass
            case 0x9C:
                push(machine.cfa())
            case 0x93 | 0x9D:
                raise UserError("it is spread over several places")
            case 0xA3 | 0xF3:
                raise UserError("optimised out (its value at entry is not kept)")
            case _:
                raise UserError(f"its place needs DW_OP {operation:#x}, which is not known here")

    def _bytes(self, size: int) -> bytes:
        content = self.code[self.at : self.at + size]
        if len(content) < size:
            raise IndexError
        self.at += size
        return content
