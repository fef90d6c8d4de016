"""What an expression's tree means over a stopped guest."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from cvmdbg.expressions import (
    Binary,
    Cast,
    Choice,
    Dollar,
    ExpressionError,
    Float,
    MemberOf,
    Name,
    Node,
    Number,
    Relative,
    Text,
    TypeName,
    Unary,
)
from cvmdbg.forms import VALUE
from cvmdbg.target import UserError
from cvmdbg.types_c import (
    CHAR,
    INT,
    LONG,
    ULONG,
    VOID,
    Array,
    Base,
    CapabilityType,
    CType,
    Enum,
    Function,
    Member,
    Pointer,
    Struct,
    bare,
    builtin,
    spelling,
)
from cvmdbg.values import Memory, Value, absolute, element, integer, load, real
from emulator_core.capability import Capability

DOUBLE = Base("double", 8, "float")


class Scope(Memory, Protocol):
    """Names, registers and history of the selected frame."""

    def dollar(self, name: str) -> Value:
        """A register, ``$_`` or a value of the history; UserError when there is none."""

    def symbol(self, name: str, where: str) -> Value:
        """A local, a file variable, a function or a bare symbol; UserError when there is none."""

    def relative(self, where: str, address: int) -> int:
        """The absolute address that a number means in a compartment."""

    def base_at(self, address: int) -> int:
        """What pointers that lie at an address count from: its compartment's base when that is hybrid, else 0."""

    def type_named(self, name: str, kind: str) -> CType | None:
        """A type of the debug information."""

    def assign(self, value: Value, content: Value) -> Value:
        """Write where a value lies; returns the new value."""

    def keep(self, name: str, value: Value) -> None:
        """Set a convenience variable."""


_CAPABILITY_FIELDS: dict[str, Callable[[Capability], int]] = {
    "base": lambda c: c.base,
    "limit": lambda c: c.limit,
    "length": lambda c: c.length,
    "offset": lambda c: c.offset,
    "value": lambda c: c.value,
    "address": lambda c: c.value,
    "perms": lambda c: c.perms,
    "otype": lambda c: c.otype,
    "tag": lambda c: int(c.tag),
    "sealed": lambda c: int(c.sealed),
    "flags": lambda c: c.flags,
}
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(node: Node, scope: Scope, text: str) -> Value:
    """The value of a tree; ExpressionError says where it went wrong."""
    return _Evaluator(scope, text).value(node)


class _Evaluator:
    """One walk over a tree."""

    def __init__(self, scope: Scope, text: str) -> None:
        self.scope, self.text = scope, text

    def value(self, node: Node) -> Value:
        """Any node; mistakes without a column get the node's."""
        try:
            return self._value(node)
        except ExpressionError:
            raise
        except UserError as error:
            raise ExpressionError(str(error), self.text, node.column) from None

    def _value(self, node: Node) -> Value:
        match node:
            case Number(number, _, suffix):
                return integer(number, _literal_type(number, suffix))
            case Float(number):
                return real(number, DOUBLE)
            case Text(content):
                return Value(Array(CHAR, len(content) + 1), content + b"\0")
            case Dollar(name):
                return self.scope.dollar(name)
            case Name(name, where):
                return self.scope.symbol(name, where)
            case Relative(where, address):
                return integer(self.scope.relative(where, address), Pointer(VOID))
            case Unary():
                return self._unary(node)
            case Binary():
                return self._binary(node)
            case Choice(condition, yes, no):
                return self.value(yes if _truth(self.value(condition)) else no)
            case MemberOf():
                return self._member(node)
            case Cast(name, operand) if operand is not None:
                return self._cast(self.type(name), self.value(operand))
        raise ExpressionError("a value is expected, this is a type", self.text, node.column)

    # ---- types ----

    def type(self, name: TypeName) -> CType:
        """The type that a type name means."""
        words = list(name.words)
        found: CType | None
        if words and words[0] in ("struct", "union", "enum"):
            found = self.scope.type_named(" ".join(words[1:]), words[0])
        else:
            found = builtin(words) or self.scope.type_named(" ".join(words), "")
        if found is None:
            raise ExpressionError(f"no type {' '.join(words)} is known", self.text, name.column)
        for _ in range(name.stars):
            found = Pointer(found)
        for bound in reversed(name.bounds):
            found = Array(found, bound)
        return found

    def _cast(self, ctype: CType, value: Value) -> Value:
        core = bare(ctype)
        if isinstance(core, CapabilityType) or (isinstance(core, Pointer) and value.bits is not None):
            if value.bits is None:
                raise UserError("only a capability can be cast to one")
            return replace(value, type=ctype, address=None, register=None)
        if isinstance(core, Struct | Array):
            if value.address is None:
                raise UserError(f"only what lies in memory can be cast to {spelling(ctype)}")
            return load(ctype, value.address, value.base, self.scope)
        if isinstance(core, Base) and core.encoding == "float":
            return real(value.real, core)
        number = int(value.real) if value.floating else value.number
        pointed = self._decayed(value)
        return integer(number if pointed is value else pointed.number, ctype, base=pointed.base)

    # ---- operators ----

    def _unary(self, node: Unary) -> Value:
        if node.operator == "sizeof":
            return integer(self._sizeof(node.operand), ULONG)
        if node.operator == "&":
            return self._address(self.value(node.operand))
        operand = self.value(node.operand)
        if node.operator == "*":
            return self._pointed(operand)
        if node.operator == "!":
            return integer(int(not _truth(operand)), INT)
        if operand.floating:
            return real(-operand.real if node.operator == "-" else operand.real, DOUBLE)
        number = {"-": lambda n: -n, "~": lambda n: ~n, "+": lambda n: n}[node.operator](operand.number)
        return integer(number, _promoted(operand))

    def _sizeof(self, node: Node) -> int:
        if isinstance(node, Cast) and node.operand is None:
            return self.type(node.type).size
        return self.value(node).type.size

    def _address(self, value: Value) -> Value:
        if value.address is None:
            where = f": it is in ${value.register}" if value.register else ""
            raise UserError(f"this value has no address{where}")
        return integer(value.address, Pointer(value.type))

    def _pointed(self, value: Value) -> Value:
        value = self._decayed(value)
        core = bare(value.type)
        target: CType = LONG
        if isinstance(core, Pointer):
            target = core.target
        elif isinstance(core, Function):
            return value
        where = absolute(value, self.scope)
        return load(target, where, value.base or self.scope.base_at(where), self.scope)

    def _decayed(self, value: Value) -> Value:
        """Arrays and functions become pointers; 8-byte ones count absolute."""
        core = bare(value.type)
        if isinstance(core, Array) and value.address is not None:
            return Value(Pointer(core.element), value.address.to_bytes(8, "little"))
        if isinstance(core, Function) and value.address is not None:
            return Value(Pointer(value.type), value.address.to_bytes(8, "little"))
        return value

    def _binary(self, node: Binary) -> Value:
        if node.operator == "=":
            return self._assign(node)
        left = self._decayed(self.value(node.left))
        if node.operator in ("&&", "||"):
            stop = node.operator == "||"
            truth = _truth(left)
            return integer(int(truth if truth is stop else _truth(self.value(node.right))), INT)
        if node.operator == "@":
            return self._many(self.value(node.left), self.value(node.right).number)
        right = self._decayed(self.value(node.right))
        if node.operator in _COMPARE:
            return integer(int(self._compare(node.operator, left, right)), INT)
        if isinstance(bare(left.type), Pointer) or isinstance(bare(right.type), Pointer):
            return self._pointer_arithmetic(node.operator, left, right)
        if left.floating or right.floating:
            return real(_real_result(node.operator, left.real, right.real), DOUBLE)
        number, ctype = _result(node.operator, left, right), _common(left, right)
        if node.operator == "<<" and number.bit_length() > 8 * ctype.size - 1:
            ctype = ULONG if number >> 63 else LONG  # a person who shifts wants the bits, as gdb gives them
        return integer(number, ctype, base=left.base or right.base)

    def _assign(self, node: Binary) -> Value:
        right = self.value(node.right)
        if isinstance(node.left, Dollar) and node.left.name and not node.left.name.isdigit():
            try:
                left = self.scope.dollar(node.left.name)
            except UserError:
                left = None
            if left is None or left.register is None:
                self.scope.keep(node.left.name, right)
                return right
            return self.scope.assign(left, right)
        left = self.value(node.left)
        ready = right if left.bits is not None or left.register else self._cast(left.type, right)
        return self.scope.assign(left, ready)

    def _many(self, first: Value, count: int) -> Value:
        if first.address is None or not 0 < count <= 1 << 16:
            raise UserError("@ needs something in memory before it and a count of 1 to 65536 after it")
        return load(Array(first.type, count), first.address, first.base, self.scope)

    def _compare(self, name: str, left: Value, right: Value) -> bool:
        if left.floating or right.floating:
            return _COMPARE[name](left.real, right.real)
        if isinstance(bare(left.type), Pointer) and isinstance(bare(right.type), Pointer):
            return _COMPARE[name](absolute(left, self.scope), absolute(right, self.scope))
        first, second = left.number, right.number
        if not _is_signed(_common(left, right)):
            first, second = first & VALUE, second & VALUE
        return _COMPARE[name](first, second)

    def _pointer_arithmetic(self, name: str, left: Value, right: Value) -> Value:
        if isinstance(bare(left.type), Pointer) and isinstance(bare(right.type), Pointer) and name == "-":
            size = max(1, _pointed_size(left.type))
            return integer((absolute(left, self.scope) - absolute(right, self.scope)) // size, LONG)
        pointer, number, sign = (left, right, -1 if name == "-" else 1)
        if not isinstance(bare(left.type), Pointer):
            pointer, number = right, left
        if name not in ("+", "-") or (pointer is right and name == "-"):
            raise UserError(f"{name} does not work on pointers")
        step = sign * number.number * max(1, _pointed_size(pointer.type))
        if pointer.bits is not None:
            moved = pointer.bits & ~VALUE | (pointer.bits + step) & VALUE
            return replace(pointer, bits=moved, content=(moved & (1 << 128) - 1).to_bytes(16, "little"), address=None)
        return integer(pointer.number + step, pointer.type, base=pointer.base)

    # ---- members ----

    def _member(self, node: MemberOf) -> Value:
        operand = self.value(node.operand)
        if isinstance(bare(operand.type), CapabilityType) and not node.arrow:
            return self._capability_field(operand, node)
        if node.arrow or isinstance(bare(operand.type), Pointer):
            operand = self._pointed(operand)
        core = bare(operand.type)
        if not isinstance(core, Struct):
            raise ExpressionError(f"a {spelling(operand.type)} has no members", self.text, node.column)
        found = _find_member(core, node.name, 0)
        if found is None:
            raise ExpressionError(f"{spelling(core)} has no member {node.name}", self.text, node.column)
        member, offset = found
        piece = element(operand, member.type, offset, self.scope)
        return piece if member.bits is None else replace(piece, field=(member.bit_offset, member.bits))

    def _capability_field(self, operand: Value, node: MemberOf) -> Value:
        make = _CAPABILITY_FIELDS.get(node.name)
        if make is None:
            names = " ".join(_CAPABILITY_FIELDS)
            raise ExpressionError(f"a capability has no {node.name}: it has {names}", self.text, node.column)
        number = make(Capability(operand.bits or 0))
        return integer(number, ULONG if number <= VALUE else Base("unsigned __int128", 16, "unsigned"))


def _find_member(core: Struct, name: str, offset: int) -> tuple[Member, int] | None:
    """A member by name, through unnamed structures."""
    for member in core.members:
        if member.name == name:
            return member, offset + member.offset
        inner = bare(member.type)
        if not member.name and isinstance(inner, Struct):
            found = _find_member(inner, name, offset + member.offset)
            if found is not None:
                return found
    return None


def _pointed_size(ctype: CType) -> int:
    core = bare(ctype)
    return bare(core.target).size if isinstance(core, Pointer) else 1


def _truth(value: Value) -> bool:
    return value.real != 0 if value.floating else value.number != 0


def _literal_type(number: int, suffix: str) -> CType:
    if suffix == "c":
        return CHAR
    if "u" in suffix:
        return ULONG if "l" in suffix or number >> 32 else Base("unsigned int", 4, "unsigned")
    if number >> 63:
        return ULONG
    return LONG if "l" in suffix or number >> 31 else INT


def _is_signed(ctype: CType) -> bool:
    core = bare(ctype)
    return isinstance(core, Enum) or (isinstance(core, Base) and core.encoding in ("signed", "char", "bool"))


def _promoted(value: Value) -> CType:
    core = bare(value.type)
    if isinstance(core, CapabilityType | Pointer):
        return ULONG
    return INT if core.size < 4 or isinstance(core, Enum) else core


def _common(left: Value, right: Value) -> CType:
    """The usual arithmetic conversions (C17 6.3.1.8)."""
    first, second = _promoted(left), _promoted(right)
    wide = first if first.size >= second.size else second
    if first.size == second.size and not (_is_signed(first) and _is_signed(second)):
        wide = first if not _is_signed(first) else second
    return wide


def _result(name: str, left: Value, right: Value) -> int:
    if name in _ARITHMETIC:
        return _ARITHMETIC[name](left.number, right.number)
    if name in ("<<", ">>"):
        shift = right.number
        if not 0 <= shift < 128:
            raise UserError(f"a shift by {shift} is outside of 0 to 127")
        return left.number << shift if name == "<<" else left.number >> shift
    if right.number == 0:
        raise UserError("division by zero")
    quotient = abs(left.number) // abs(right.number)
    quotient = quotient if (left.number < 0) == (right.number < 0) else -quotient
    return quotient if name == "/" else left.number - quotient * right.number


def _real_result(name: str, left: float, right: float) -> float:
    if name == "/" and right == 0:
        raise UserError("division by zero")
    table: dict[str, Callable[[float, float], float]] = {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
    }
    if name not in table:
        raise UserError(f"{name} does not work on floating numbers")
    return table[name](left, right)
