"""Values: a C type with its bytes, where they came from, and how they are printed.

A pointer's number is what the guest's code holds. In hybrid code that is an offset from DDC.base: ``base`` says from
where it counts, and printing shows both forms. ``base`` 0 is an absolute address.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from cvmdbg.expressions import unescape
from cvmdbg.forms import VALUE, address_text, capability_text
from cvmdbg.target import TargetError, UserError
from cvmdbg.types_c import (
    ULONG,
    Array,
    Base,
    CapabilityType,
    CType,
    Enum,
    Function,
    Pointer,
    Struct,
    Void,
    bare,
    spelling,
)

MAX_ELEMENTS = 200
MAX_TEXT = 200


class Readable(Protocol):
    """Memory, as bytes."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes at an absolute address."""


class Memory(Readable, Protocol):
    """What values need of the guest to be read and printed."""

    def read_capability(self, address: int) -> int | None:
        """129 bits of the granule at an address; None where there are no tags to read."""

    def name(self, address: int) -> str:
        """``symbol+4`` for an absolute address, empty when it has none."""

    def badge(self, address: int) -> str:
        """The compartment of an absolute address."""

    def span(self, base: int) -> int:
        """How far pointers that count from ``base`` reach."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value. ``address`` is where it lies (absolute), ``register`` the register that holds it; both may be None.

    ``bits`` is the whole capability of a capability value or 16-byte pointer. ``field`` is (bit offset, width) of a
    bit-field.
    """

    type: CType
    content: bytes
    address: int | None = None
    register: str | None = None
    base: int = 0
    bits: int | None = None
    field: tuple[int, int] | None = None

    @property
    def number(self) -> int:
        """The value as an integer; UserError for structures."""
        core = bare(self.type)
        if isinstance(core, CapabilityType) or self.bits is not None:
            return (self.bits or 0) & VALUE
        if isinstance(core, Struct | Array | Void):
            raise UserError(f"a value of type {spelling(self.type)} is no number")
        if isinstance(core, Base) and core.encoding == "float":
            return int(self.real)
        raw = int.from_bytes(self.content, "little")
        if self.field is not None:
            start, width = self.field
            raw = raw >> start & (1 << width) - 1
            return _wrap(raw, width, _is_signed(core))
        return _wrap(raw, 8 * len(self.content), _is_signed(core)) if self.content else 0

    @property
    def real(self) -> float:
        """A floating value."""
        core = bare(self.type)
        if isinstance(core, Base) and core.encoding == "float" and len(self.content) in (4, 8):
            unpacked: float = struct.unpack("<f" if len(self.content) == 4 else "<d", self.content)[0]
            return unpacked
        return float(self.number)

    @property
    def floating(self) -> bool:
        """Is it a floating-point number?"""
        core = bare(self.type)
        return isinstance(core, Base) and core.encoding == "float"


def _is_signed(core: CType) -> bool:
    return isinstance(core, Base) and core.encoding in ("signed", "char")


def _wrap(raw: int, bits: int, signed: bool) -> int:
    raw &= (1 << bits) - 1
    return raw - (1 << bits) if signed and raw >> (bits - 1) else raw


def integer(number: int, ctype: CType = ULONG, base: int = 0) -> Value:
    """A number as a value of a type."""
    core = bare(ctype)
    if isinstance(core, Base) and core.encoding == "float":
        return real(float(number), core)
    size = core.size or 8
    return Value(ctype, (number & (1 << 8 * size) - 1).to_bytes(size, "little"), base=base)


def real(number: float, ctype: Base) -> Value:
    """A floating number as a value."""
    return Value(ctype, struct.pack("<f" if ctype.size == 4 else "<d", number))


def absolute(value: Value, memory: Memory) -> int:
    """The absolute address that a pointer or number means."""
    number = value.number & VALUE
    if value.bits is not None or not value.base:
        return number
    return number + value.base & VALUE if number < memory.span(value.base) else number


def load(ctype: CType, address: int, base: int, memory: Memory) -> Value:
    """The object of a type at an absolute address."""
    core = bare(ctype)
    if isinstance(core, Void):
        raise UserError("a value of type void cannot be read: cast the pointer")
    if isinstance(core, Function):
        return Value(ctype, b"", address, base=base)
    if core.size > 1 << 20:
        raise UserError(f"a value of {core.size} bytes is too large to print")
    content = memory.read(address, core.size)
    bits = None
    if isinstance(core, CapabilityType) or (isinstance(core, Pointer) and core.size == 16):
        bits = memory.read_capability(address) if address % 16 == 0 else None
        bits = int.from_bytes(content, "little") if bits is None else bits
    return Value(ctype, content, address, base=base, bits=bits)


def element(value: Value, ctype: CType, offset: int, memory: Memory) -> Value:
    """A piece of a structure or array."""
    if value.address is not None:
        return load(ctype, value.address + offset, value.base, memory)
    return Value(ctype, value.content[offset : offset + ctype.size], base=value.base)


# ---- printing ----


def show(value: Value, memory: Memory, form: str = "") -> str:
    """The value as gdb prints it; ``form`` is one of gdb's letters, empty for the type's own way."""
    if form in ("x", "d", "u", "o", "t", "c", "a", "z", "f"):
        return _formatted(value, memory, form)
    return _natural(value, memory, 0)


def _natural(value: Value, memory: Memory, depth: int) -> str:
    core = bare(value.type)
    if depth > 8:
        return "{...}"
    match core:
        case CapabilityType():
            return capability_shown(value, memory)
        case Struct():
            return "{" + ", ".join(_members(value, core, memory, depth)) + "}"
        case Array():
            return _array(value, core, memory, depth)
        case Pointer():
            return _pointer(value, core, memory)
        case Enum(_, _, values):
            return next((name for name, number in values if number == value.number), str(value.number))
        case Function():
            return f"{{{spelling(value.type)}}} {_address(value.address or 0, memory)}"
        case Base(_, size, encoding):
            return _base(value, size, encoding)
    return "void"


def _base(value: Value, size: int, encoding: str) -> str:
    if encoding == "bool":
        return "true" if value.number else "false"
    if encoding == "float":
        return f"{value.real:.9g}" if size == 4 else f"{value.real:.17g}"
    if size == 1 and encoding in ("char", "uchar"):
        return f"{value.number} {_character(value.number)}"
    return str(value.number)


def _character(number: int) -> str:
    byte = number & 255
    names = {0: "\\000", 10: "\\n", 13: "\\r", 9: "\\t", 39: "\\'", 92: "\\\\"}
    shown = names.get(byte) or (chr(byte) if 32 <= byte < 127 else "\\" + f"{byte:03o}")
    return f"'{shown}'"


def capability_shown(value: Value, memory: Memory) -> str:
    """gdb's form with the name of what it points at."""
    bits = value.bits or 0
    return f"{capability_text(bits)}{_named(bits & VALUE, memory)}"


def _address(address: int, memory: Memory) -> str:
    return address_text(address) + _named(address, memory)


def _named(address: int, memory: Memory) -> str:
    name = memory.name(address)
    return f" <{name}>" if name else ""


def pointer_number(value: Value, memory: Memory) -> str:
    """A pointer's number; a relative one with the absolute address behind it, so that both are said."""
    number = value.number & VALUE
    where = absolute(value, memory)
    if where == number:
        return _address(number, memory)
    return f"{number:#x} ({memory.badge(where) or 'absolute'}: {_address(where, memory)})"


def _pointer(value: Value, core: Pointer, memory: Memory) -> str:
    if value.bits is not None:
        return f"({spelling(value.type)}) {capability_shown(value, memory)}"
    target = bare(core.target)
    if isinstance(target, Base) and target.size == 1 and target.encoding != "bool":
        return (pointer_number(value, memory) + " " + text_at(absolute(value, memory), memory)).rstrip()
    return f"({spelling(value.type)}) {pointer_number(value, memory)}"


def text_at(address: int, memory: Readable, limit: int = MAX_TEXT) -> str:
    """The C string at an address, quoted; empty when nothing can be read."""
    content = c_string(address, memory, limit)
    return _quote(content, len(content) >= limit) if content is not None else ""


def c_string(address: int, memory: Readable, limit: int = MAX_TEXT) -> bytes | None:
    """Bytes up to the NUL, at most ``limit``; None when nothing is mapped there."""
    content = bytearray()
    while len(content) < limit:
        step = min(limit - len(content), 64 - (address + len(content)) % 64)
        try:
            part = memory.read(address + len(content), step)
        except TargetError:
            return bytes(content) or None
        head, zero, _ = part.partition(b"\0")
        content += head
        if zero:
            break
    return bytes(content)


def _quote(content: bytes, cut: bool) -> str:
    names = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 92: "\\\\"}
    body = "".join(names.get(b) or (chr(b) if 32 <= b < 127 else "\\" + f"{b:03o}") for b in content)
    return f'"{body}"' + ("..." if cut else "")


def _members(value: Value, core: Struct, memory: Memory, depth: int) -> Iterator[str]:
    for member in core.members:
        piece = element(value, member.type, member.offset, memory)
        if member.bits is not None:
            piece = replace(piece, field=(member.bit_offset, member.bits))
        yield f"{member.name or '{...}'} = {_natural(piece, memory, depth + 1)}"


def _array(value: Value, core: Array, memory: Memory, depth: int) -> str:
    inner = bare(core.element)
    if isinstance(inner, Base) and inner.size == 1 and inner.encoding in ("char", "uchar"):
        whole = value.content
        content = whole.rstrip(b"\0")
        return _quote(content[:MAX_TEXT], len(content) > MAX_TEXT)
    shown: list[tuple[str, int]] = []
    count = core.count or 0
    for index in range(min(count, MAX_ELEMENTS)):
        text = _natural(element(value, core.element, index * inner.size, memory), memory, depth + 1)
        if shown and shown[-1][0] == text:
            shown[-1] = (text, shown[-1][1] + 1)
        else:
            shown.append((text, 1))
    parts = [text if times < 10 else f"{text} <repeats {times} times>" for text, times in _spread(shown)]
    return "{" + ", ".join(parts) + ("..." if count > MAX_ELEMENTS else "") + "}"


def _spread(shown: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Short repetitions are written out."""
    for text, times in shown:
        yield from [(text, times)] if times >= 10 else [(text, 1)] * times


def _formatted(value: Value, memory: Memory, form: str) -> str:
    core = bare(value.type)
    if isinstance(core, Array) and core.count:
        parts = [
            _formatted(element(value, core.element, i * core.element.size, memory), memory, form)
            for i in range(min(core.count, MAX_ELEMENTS))
        ]
        return "{" + ", ".join(parts) + ("..." if core.count > MAX_ELEMENTS else "") + "}"
    if isinstance(core, Struct):
        fields = [
            f"{m.name} = {_formatted(element(value, m.type, m.offset, memory), memory, form)}" for m in core.members
        ]
        return "{" + ", ".join(fields) + "}"
    return number_in(form, value.number, max(1, len(value.content)), memory)


def number_in(form: str, number: int, size: int, memory: Memory) -> str:
    """A number in one of gdb's formats; ``size`` bytes wide."""
    bits = 8 * min(size, 8)
    raw = number & (1 << bits) - 1
    makers: dict[str, Callable[[], str]] = {
        "x": lambda: f"{raw:#x}",
        "z": lambda: f"0x{raw:0{bits // 4}x}",
        "d": lambda: str(_wrap(raw, bits, True)),
        "u": lambda: str(raw),
        "o": lambda: f"0{raw:o}" if raw else "0",
        "t": lambda: f"{raw:b}",
        "c": lambda: f"{_wrap(raw, 8, True)} {_character(raw)}",
        "a": lambda: _address(raw, memory),
        "f": lambda: _float_text(raw, bits),
    }
    return makers[form]()


def _float_text(raw: int, bits: int) -> str:
    if bits == 32:
        return f"{struct.unpack('<f', raw.to_bytes(4, 'little'))[0]:.9g}"
    if bits == 64:
        return f"{struct.unpack('<d', raw.to_bytes(8, 'little'))[0]:.17g}"
    return str(raw)


def format_text(form: str, evaluate: Callable[[str], Value], memory: Memory) -> str:
    """printf over expressions: ``"n = %d\\n", n``. Formats: d i u x o c s p f lx ld … and ``%%``."""
    literal, arguments = _split_format(form)
    values = iter(arguments)
    out: list[str] = []
    for index, part in enumerate(re.split(r"(%(?:%|[-0-9.]*[hlz]*[a-zA-Z]))", literal)):
        if index % 2 == 0:
            out.append(part)
        elif part == "%%":
            out.append("%")
        else:
            text = next(values, None)
            if text is None:
                raise UserError(f"the format has more conversions than there are arguments: {part}")
            out.append(_conversion(part, evaluate(text), memory))
    return "".join(out)


def _split_format(form: str) -> tuple[str, list[str]]:
    match = re.match(r'\s*"((?:[^"\\]|\\.)*)"\s*,?(.*)$', form, re.S)
    if match is None:
        raise UserError('a format is a text in quotes, then expressions: "n = %d\\n", n')
    arguments, depth, current = [], 0, ""
    for character in match[2]:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            arguments.append(current)
            current = ""
        else:
            current += character
    if current.strip():
        arguments.append(current)
    return unescape(match[1]).decode("utf-8", "replace"), arguments


def _conversion(part: str, value: Value, memory: Memory) -> str:
    letter, flags = part[-1], re.match(r"%([-0-9.]*)", part)
    width = flags[1] if flags is not None else ""
    if letter == "s":
        core = bare(value.type)
        content = value.content.rstrip(b"\0") if isinstance(core, Array) else c_string(absolute(value, memory), memory)
        return f"{(content or b'').decode('utf-8', 'replace')}"
    if letter == "p":
        return f"{absolute(value, memory):#x}"
    if letter in "diuxXoc":
        number = value.number if letter in "di" else value.number & VALUE
        return ("%" + width + letter) % (number & 255 if letter == "c" else number)
    if letter in "feg":
        return ("%" + width + letter) % value.real
    raise UserError(f"{part} is no conversion: d u x o c s p f")
