"""What registers a target has, as its description says or as a stub without one is known to have them.

    Description ── features ── registers      in the order of the ``g`` packet, numbered as ``p`` and ``T`` name them

Sources: gdb's features/aarch64-core.xml, aarch64-fpu.xml, i386/64bit-core.xml; CTSRD-CHERI/gdb's
features/aarch64-capability.xml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

CORE = "org.gnu.gdb.aarch64.core"
FPU = "org.gnu.gdb.aarch64.fpu"
CAPABILITY = "org.gnu.gdb.aarch64.capability"
CHERI = "org.gnu.gdb.aarch64.cheri"  # what older CTSRD QEMU called it
I386_CORE = "org.gnu.gdb.i386.core"


class Dialect(Enum):
    """How a capability register travels."""

    TAG_FIRST = "tag-first"  # CTSRD gdb and QEMU: 17 bytes, the tag's byte first, declared as 128 bits
    TAG_MAP = "tag-map"  # 16 bytes; all tags together in a register ``tag_map``, bit n for the n-th
    BITS129 = "129-bit"  # LLDB: 17 bytes, little-endian, the tag on top


@dataclass(frozen=True, slots=True)
class Register:
    """A register. ``name`` is the canonical one, ``spelled`` the peer's (``ecsp`` for ``csp``).

    ``number`` is what ``p``, ``P`` and stop replies call it; ``bits`` is what the description declares.
    """

    name: str
    bits: int
    type: str = "int"
    group: str = ""
    number: int = -1
    spelled: str = ""
    is_capability: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = self.bits in (128, 129) and self.name in _CAPABILITY_NAMES
        object.__setattr__(self, "is_capability", named or self.type in CAPABILITY_TYPES)


@dataclass(frozen=True, slots=True)
class Field:
    """A part of a union, structure or set of flags. ``start`` and ``end`` are bits, None for a whole member."""

    name: str
    type: str = ""
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """A type that a feature defines. ``kind``: vector, union, struct, flags, enum; ``size`` in bytes where declared."""

    kind: str
    name: str
    element: str = ""  # of a vector
    count: int = 0  # of a vector
    size: int | None = None
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Feature:
    """A named part of a description."""

    name: str
    registers: tuple[Register, ...]
    types: tuple[TypeDefinition, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """A target: ``architecture`` as gdb names it, ``osabi`` or ``""``. Every register carries its number."""

    architecture: str
    osabi: str = ""
    features: tuple[Feature, ...] = ()

    def __iter__(self) -> Iterator[Register]:
        return (register for feature in self.features for register in feature.registers)

    def numbered(self) -> Description:
        """The same, with a number for every register: its own, or one after the register before."""
        following, features = 0, []
        for feature in self.features:
            registers = []
            for register in feature.registers:
                mine = register.number if register.number >= 0 else following
                registers.append(replace(register, number=mine, spelled=register.spelled or register.name))
                following = mine + 1
            features.append(replace(feature, registers=tuple(registers)))
        return replace(self, features=tuple(features))


CAPABILITY_TYPES = ("data_capability", "code_capability")
CANONICAL = {"ecsp": "csp", "eddc": "ddc", "ectpidr": "ctpidr"}
"""Names of CTSRD gdb's own description, and what everybody else calls the same registers."""

CAPABILITIES = (*(f"c{n}" for n in range(31)), "csp", "pcc", "ddc", "ctpidr", "rcsp", "rddc", "rctpidr", "cid")
"""The capability registers of a Morello target in the order of its feature; bit n of a tag_map is the n-th."""
_CAPABILITY_NAMES = frozenset(CAPABILITIES)


# ---- AArch64 and Morello ---------------------------------------------------------------------------------

_VECTORS = (
    TypeDefinition("vector", "v2d", "ieee_double", 2),
    TypeDefinition("vector", "v2u", "uint64", 2),
    TypeDefinition("vector", "v2i", "int64", 2),
    TypeDefinition("vector", "v4f", "ieee_single", 4),
    TypeDefinition("vector", "v4u", "uint32", 4),
    TypeDefinition("vector", "v4i", "int32", 4),
    TypeDefinition("vector", "v8u", "uint16", 8),
    TypeDefinition("vector", "v8i", "int16", 8),
    TypeDefinition("vector", "v16u", "uint8", 16),
    TypeDefinition("vector", "v16i", "int8", 16),
    TypeDefinition("vector", "v1u", "uint128", 1),
    TypeDefinition("vector", "v1i", "int128", 1),
    TypeDefinition("union", "vnd", fields=(Field("f", "v2d"), Field("u", "v2u"), Field("s", "v2i"))),
    TypeDefinition("union", "vns", fields=(Field("f", "v4f"), Field("u", "v4u"), Field("s", "v4i"))),
    TypeDefinition("union", "vnh", fields=(Field("u", "v8u"), Field("s", "v8i"))),
    TypeDefinition("union", "vnb", fields=(Field("u", "v16u"), Field("s", "v16i"))),
    TypeDefinition("union", "vnq", fields=(Field("u", "v1u"), Field("s", "v1i"))),
    TypeDefinition(
        "union", "aarch64v", fields=tuple(Field(letter, f"vn{letter}") for letter in ("d", "s", "h", "b", "q"))
    ),
)

_CPSR_BITS = (("SP", 0), ("EL", 2), ("nRW", 4), ("F", 6), ("I", 7), ("A", 8), ("D", 9), ("IL", 20), ("SS", 21))
_CPSR_FLAGS = (("C64", 26), ("V", 28), ("C", 29), ("Z", 30), ("N", 31))
_CPSR = TypeDefinition(
    "flags",
    "cpsr_flags",
    size=4,
    fields=tuple(Field(n, "", bit, bit + (n == "EL")) for n, bit in (*_CPSR_BITS, *_CPSR_FLAGS)),
)

AARCH64_CORE = Feature(
    CORE,
    (
        *(Register(f"x{n}", 64) for n in range(31)),
        Register("sp", 64, "data_ptr"),
        Register("pc", 64, "code_ptr"),
        Register("cpsr", 32, "cpsr_flags"),
    ),
    (_CPSR,),
)

AARCH64_FPU = Feature(
    FPU,
    (
        *(Register(f"v{n}", 128, "aarch64v") for n in range(32)),
        Register("fpsr", 32),
        Register("fpcr", 32),
    ),
    _VECTORS,
)


def capability_feature(dialect: Dialect, typed: bool) -> Feature:
    """The capability registers in a dialect; ``typed``: with capability types, which stock gdb does not know."""
    bits = 129 if dialect is Dialect.BITS129 else 128
    registers = [Register(name, bits, _capability_type(name, typed), _group(name)) for name in CAPABILITIES]
    if dialect is Dialect.TAG_MAP:
        registers.append(Register("tag_map", 64, "uint64", "system"))
    registers.append(Register("cctlr", 64, "uint64", "system"))
    return Feature(CAPABILITY, tuple(registers))


def _capability_type(name: str, typed: bool) -> str:
    if not typed:
        return "uint128"
    return "code_capability" if name == "pcc" else "data_capability"


def _group(name: str) -> str:
    return "system" if name in ("ddc", "ctpidr", "rctpidr", "cid") else "general"


def morello(dialect: Dialect, typed: bool, osabi: str = "") -> Description:
    """A Morello target in a dialect."""
    features = (AARCH64_CORE, AARCH64_FPU, capability_feature(dialect, typed))
    return Description("aarch64", osabi, features).numbered()


AARCH64 = Description("aarch64", "", (AARCH64_CORE, AARCH64_FPU)).numbered()


# ---- x86-64 ----------------------------------------------------------------------------------------------

_GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16)))
_SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
_X87 = ("fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop")


def _x86_64(eflags_bits: int, x87: Iterable[Register]) -> Description:
    registers = (
        *(Register(name, 64, "data_ptr" if name in ("rbp", "rsp") else "int64") for name in _GENERAL),
        Register("rip", 64, "code_ptr"),
        Register("eflags", eflags_bits),
        *(Register(name, 32) for name in _SEGMENTS),
        *x87,
    )
    return Description("i386:x86-64", "", (Feature(I386_CORE, registers),)).numbered()


_STACK = tuple(Register(f"st{n}", 80, "i387_ext", "float") for n in range(8))
KM = _x86_64(32, (*_STACK, *(Register(name, 32, group="float") for name in _X87)))
"""Kontain KM's ``g``: 276 bytes; its x87 part is always zero. Source: km_gdb_stub.c."""
X86_64 = KM
"""gdb's 64-bit core feature, which is that very block."""
UHYVE = _x86_64(64, ())
"""uhyve's ``g``: 560 bytes of which 168 are registers, eflags with 64 bits. Source: uhyve-gdb.c."""


def built_in(block: bytes, architecture: str = "") -> Description | None:
    """The description of a stub that sends none, by its ``g`` packet; None when no such stub is known."""
    match len(block):
        case 276:
            return KM
        case 560 if block[140:144] == b"\0\0\0\0":
            return UHYVE  # the upper half of its eflags, where amd64 has its code segment, never zero
        case 268:
            return Description("aarch64", "", (AARCH64_CORE,)).numbered()
        case 788:
            return AARCH64
    return None
