"""C types as DWARF describes them: frozen values with a size and a C spelling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Void:
    """No value."""

    size: int = 0


@dataclass(frozen=True)
class Base:
    """A number: ``encoding`` is signed, unsigned, bool, char, uchar or float."""

    name: str
    size: int
    encoding: str


@dataclass(frozen=True)
class Pointer:
    """8 bytes, or a capability in 16."""

    target: CType
    size: int = 8


@dataclass(frozen=True)
class Array:
    """``count`` elements; None when the bound is not stated."""

    element: CType
    count: int | None

    @property
    def size(self) -> int:
        """All elements."""
        return self.element.size * (self.count or 0)


@dataclass(frozen=True)
class Member:
    """A field at a byte offset; bit-fields give their width and the bit they begin at, counted from the offset."""

    name: str
    type: CType
    offset: int
    bits: int | None = None
    bit_offset: int = 0


@dataclass(frozen=True)
class Struct:
    """A struct, union or class. ``identity`` tells recursive types apart; it is all that equality looks at."""

    kind: str
    name: str
    size: int
    identity: object
    members: tuple[Member, ...] = field(default=(), compare=False)
    complete: bool = True


@dataclass(frozen=True)
class Enum:
    """An enumeration and its constants."""

    name: str
    size: int
    values: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Typedef:
    """Another name."""

    name: str
    target: CType

    @property
    def size(self) -> int:
        """That of what it names."""
        return self.target.size


@dataclass(frozen=True)
class Qualified:
    """const, volatile, restrict or _Atomic before a type."""

    word: str
    target: CType

    @property
    def size(self) -> int:
        """That of what it qualifies."""
        return self.target.size


@dataclass(frozen=True)
class Function:
    """What a function takes and gives."""

    result: CType
    parameters: tuple[CType, ...] = ()
    size: int = 1


@dataclass(frozen=True)
class CapabilityType:
    """A bare capability: what ``$c0`` has; 16 bytes and a tag."""

    size: int = 16


CType: TypeAlias = Void | Base | Pointer | Array | Struct | Enum | Typedef | Qualified | Function | CapabilityType

VOID = Void()
CHAR = Base("char", 1, "uchar")
INT = Base("int", 4, "signed")
LONG = Base("long", 8, "signed")
ULONG = Base("unsigned long", 8, "unsigned")
CAPABILITY = CapabilityType()


def bare(ctype: CType) -> CType:
    """Without typedefs and qualifiers."""
    for _ in range(64):
        if not isinstance(ctype, Typedef | Qualified):
            return ctype
        ctype = ctype.target
    return VOID


def spelling(ctype: CType, inner: str = "") -> str:
    """The C declaration of ``inner`` with this type, as gdb prints it."""
    match ctype:
        case Pointer(target):
            wrapped = f"(*{inner})" if isinstance(target, Array | Function) else f"*{inner}"
            return spelling(target, wrapped)
        case Array(element, count):
            return spelling(element, f"{inner}[{'' if count is None else count}]")
        case Function(result, parameters):
            taken = ", ".join(spelling(p) for p in parameters) or "void"
            return spelling(result, f"{inner}({taken})")
        case Qualified(word, target) if isinstance(target, Pointer):
            return spelling(target, f" {word}{' ' + inner if inner else ''}")
        case Qualified(word, target):
            return f"{word} {spelling(target, inner)}"
    return f"{_name(ctype)} {inner}".rstrip()


def _name(ctype: CType) -> str:
    match ctype:
        case Struct(kind, name):
            return f"{kind} {name or '{...}'}"
        case Enum(name):
            return f"enum {name or '{...}'}"
        case Base(name) | Typedef(name):
            return name
        case CapabilityType():
            return "capability"
    return "void"


def definition(ctype: CType) -> list[str]:
    """The lines of ``ptype``: a struct or enum written out, typedefs looked through."""
    core = bare(ctype)
    match core:
        case Struct(kind, name, _, _, members, complete):
            if not complete:
                return [f"{kind} {name} {{...}}  (incomplete here)"]
            rows = [_member_line(m) for m in members]
            return [f"{kind} {name} {{".replace("  ", " "), *rows, "}"]
        case Enum(name, _, values):
            return [f"enum {name} {{".replace("  ", " ") + ", ".join(f"{n} = {v}" for n, v in values) + "}"]
        case Pointer(target) if isinstance(bare(target), Struct | Enum):
            *first, last = definition(target)
            return [*first, f"{last} *"]
    return [spelling(core)]


def _member_line(member: Member) -> str:
    width = f" : {member.bits}" if member.bits is not None else ""
    text = f"    {spelling(member.type, member.name)}{width};"
    return f"{text:<40} // +{member.offset}"


_PLAIN: dict[str, CType] = {
    "char": CHAR,
    "signed char": Base("signed char", 1, "char"),
    "unsigned char": Base("unsigned char", 1, "uchar"),
    "short": Base("short", 2, "signed"),
    "unsigned short": Base("unsigned short", 2, "unsigned"),
    "int": INT,
    "unsigned int": Base("unsigned int", 4, "unsigned"),
    "long": LONG,
    "unsigned long": ULONG,
    "long long": Base("long long", 8, "signed"),
    "unsigned long long": Base("unsigned long long", 8, "unsigned"),
    "float": Base("float", 4, "float"),
    "double": Base("double", 8, "float"),
    "_Bool": Base("_Bool", 1, "bool"),
    "bool": Base("bool", 1, "bool"),
    "void": VOID,
    "capability": CAPABILITY,
    "size_t": Base("size_t", 8, "unsigned"),
    "ssize_t": Base("ssize_t", 8, "signed"),
    "uintptr_t": Base("uintptr_t", 8, "unsigned"),
}
_SIZED: dict[str, CType] = {
    f"{'u' if kind == 'unsigned' else ''}int{8 * size}_t": Base(
        f"{'u' if kind == 'unsigned' else ''}int{8 * size}_t", size, kind
    )
    for size in (1, 2, 4, 8)
    for kind in ("signed", "unsigned")
}


_NUMBERS = _PLAIN | _SIZED


def builtin(words: list[str]) -> CType | None:
    """The type of keyword combinations in any order (``long unsigned int``), or None."""
    if not words:
        return None
    if len(words) == 1 and words[0] in _NUMBERS:
        return _NUMBERS[words[0]]
    known = {"signed", "unsigned", "char", "short", "int", "long"}
    if any(w not in known for w in words):
        return None
    longs = words.count("long")
    core = next((w for w in ("char", "short") if w in words), "long long" if longs > 1 else "long" if longs else "int")
    if core == "char" and "signed" in words:
        return _NUMBERS["signed char"]
    return _NUMBERS[f"unsigned {core}" if "unsigned" in words else core]


def scalar(ctype: CType) -> bool:
    """Is it a number, pointer or enumeration?"""
    return isinstance(bare(ctype), Base | Pointer | Enum)
