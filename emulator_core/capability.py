"""Capabilities for people: short and long text, permission letters, and the text forms that are read.

The arithmetic is the C core's (``Capability``); nothing here computes bounds.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from emulator_core._core import Capability

__all__ = [
    "PAIR_CHECKS",
    "PERMISSIONS",
    "Capability",
    "Permission",
    "attributes",
    "explain",
    "fields_line",
    "parse",
    "perm_columns",
    "perm_letters",
    "perm_names",
    "perm_set",
    "place",
    "raw_text",
    "seal_name",
    "seal_words",
    "short",
    "size_text",
]


class Permission(NamedTuple):
    """One bit of the 18: its number in CapGetPermissions, its letter here, its name in the architecture."""

    bit: int
    letter: str
    name: str


PERMISSIONS = (
    Permission(17, "r", "Load"),
    Permission(16, "w", "Store"),
    Permission(15, "x", "Execute"),
    Permission(14, "R", "LoadCap"),
    Permission(13, "W", "StoreCap"),
    Permission(12, "l", "StoreLocalCap"),
    Permission(11, "k", "Seal"),
    Permission(10, "u", "Unseal"),
    Permission(9, "s", "System"),
    Permission(8, "b", "BranchSealedPair"),
    Permission(7, "c", "CompartmentID"),
    Permission(6, "m", "MutableLoad"),
    Permission(5, "3", "User3"),
    Permission(4, "2", "User2"),
    Permission(3, "1", "User1"),
    Permission(2, "0", "User0"),
    Permission(1, "E", "Executive"),
    Permission(0, "g", "Global"),
)
_BY_LETTER = {p.letter: p for p in PERMISSIONS}
_SHORT_LETTERS = "rwxRWE"

# The checks of a sealed pair (BLRS, BRS, RETS Cn, Cm), by the number that cap_pair_check returns.
PAIR_CHECKS = (
    "the pair unseals",
    "the target lacks Executive, so it loses its tag first",
    "the target has no tag",
    "the data capability has no tag",
    "the target is not sealed",
    "the data capability is not sealed",
    "the object type is one of the reserved ones (3 and below)",
    "the object types differ",
    "the target lacks BranchSealedPair",
    "the data capability lacks BranchSealedPair",
    "the target lacks Execute",
    "the data capability has Execute",
)

_SEAL_NAMES = {0: "", 1: "RB", 2: "LPB", 3: "LB"}
_SEAL_WORDS = {
    0: "unsealed, otype 0",
    1: "a sentry (RB, otype 1): a branch to it unseals it",
    2: "LPB, otype 2: LDPBR and LDPBLR unseal it, loading a pair through it",
    3: "LB, otype 3: BR and BLR [Cn] unseal it, loading the target through it",
}


# ---- permissions and seals ----


def _letters(perms: int, wanted: str, absent: str) -> str:
    return "".join(letter if perms >> _BY_LETTER[letter].bit & 1 else absent for letter in wanted)


def perm_letters(perms: int) -> str:
    """All 18 bits in fixed places, bit 17 first: ``r-xR-----b-m---0Eg``."""
    return _letters(perms, "".join(p.letter for p in PERMISSIONS), "-")


def perm_columns(perms: int) -> str:
    """The six that gdb shows, in fixed places: ``rw-RW-``."""
    return _letters(perms, _SHORT_LETTERS, "-")


def perm_set(perms: int) -> str:
    """The six that gdb shows, as gdb writes them: ``rwRW``."""
    return _letters(perms, _SHORT_LETTERS, "")


def perm_names(perms: int) -> list[str]:
    """The names of the bits that are set, bit 17 first."""
    return [p.name for p in PERMISSIONS if perms >> p.bit & 1]


def seal_name(otype: int) -> str:
    """For a column: empty (unsealed), ``RB``, ``LPB``, ``LB`` or ``s`` and the type."""
    return _SEAL_NAMES.get(otype, f"s{otype}")


def seal_words(otype: int) -> str:
    """The seal and what opens it."""
    by_key = f"sealed, otype {otype} (0x{otype:x}): UNSEAL with a key of that value or a sealed pair opens it"
    return _SEAL_WORDS.get(otype, by_key)


# ---- one line ----


def attributes(cap: Capability) -> str:
    """gdb's words after the bounds: empty, ``(invalid)``, ``(sentry)``, ``(invalid,sealed)`` …"""
    seal = "" if not cap.sealed else "sentry" if cap.otype == 1 else "sealed"
    words = [word for word in ("" if cap.tag else "invalid", seal) if word]
    return f"({','.join(words)})" if words else ""


def short(cap: Capability) -> str:
    """gdb's form: ``0x410268 [rwRW,0x410260-0x410270] (sentry)``; the bare value of an integer.

    A limit of 2^64 is shown as 0xffffffffffffffff, as gdb does.
    """
    if not cap.tag and cap.high == 0:
        return f"0x{cap.value:x}"
    limit = min(cap.limit, 0xFFFFFFFFFFFFFFFF)
    text = f"0x{cap.value:x} [{perm_set(cap.perms)},0x{cap.base:x}-0x{limit:x}]"
    return f"{text} {attributes(cap)}".rstrip()


def raw_text(cap: Capability) -> str:
    """Tag, high word, low word: ``1:dc5140007880b840:000000047fffb840``."""
    return f"{cap.tag:d}:{cap.high:016x}:{cap.low:016x}"


def fields_line(cap: Capability) -> str:
    """Every field as ``key=value``, one line: the form of the test vectors."""
    return (
        f"hex={cap.high:016x}{cap.low:016x} tag={cap.tag:d} addr=0x{cap.value:x} base=0x{cap.base:x} "
        f"top=0x{cap.limit:x} len=0x{cap.length:x} off=0x{cap.offset:x} perms=0x{cap.perms:05x} "
        f"otype=0x{cap.otype:x} exp={cap.exponent} valid={cap.valid:d} inbounds={cap.in_bounds:d}"
    )


# ---- reading ----

_CAPABILITY_TEXT = re.compile(r"(?:(?P<tag>[01]):)?(?:0x)?(?P<high>[0-9a-f]{16}):?(?P<low>[0-9a-f]{16})", re.I | re.A)


def parse(text: str, tag: bool = False) -> Capability:
    """A capability from its hex: 32 digits (high word first), ``1:`` and 32 digits, or ``1:HIGH:LOW``.

    ``tag`` is for text that does not say. ValueError, one sentence, if it is none of these.
    """
    match = _CAPABILITY_TEXT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"a capability is 32 hex digits, high word first, or 1: and these; this is {text[:80]!r}")
    tagged = match["tag"] == "1" if match["tag"] else tag
    return Capability.from_words(int(match["low"], 16), int(match["high"], 16), tagged)


# ---- the explanation ----


def size_text(size: int) -> str:
    """A size as a person says it: exact, in the largest unit that divides it (``64 bytes``, ``512K``)."""
    for shift, unit in ((60, "E"), (50, "P"), (40, "T"), (30, "G"), (20, "M"), (10, "K")):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift}{unit}"
    return f"{size} bytes" if size != 1 else "1 byte"


def place(cap: Capability) -> str:
    """Where the value stands to the bounds: ``in bounds, offset 0x8``, ``0x10 below the base`` …"""
    if not cap.valid:
        return "never in bounds: the exponent is out of range"
    if cap.value < cap.base:
        return f"0x{cap.base - cap.value:x} below the base"
    if cap.value == cap.limit:
        return "at the limit, one past the last byte"
    if cap.value > cap.limit:
        return f"0x{cap.value - cap.limit:x} above the limit"
    return f"in bounds, offset 0x{cap.offset:x}"


def _bounds_words(cap: Capability) -> str:
    if not cap.valid:
        return f"none: exponent {cap.exponent} is out of range (51 to 62)"
    if cap.base_above_limit:
        return f"0x{cap.base:x} to 0x{cap.limit:x}: the base is above the limit, nothing can be reached"
    if cap.length == 1 << 64:
        return "0x0 to 0x10000000000000000, all of the address space"
    return f"0x{cap.base:x} to 0x{cap.limit:x}, length 0x{cap.length:x} ({size_text(cap.length)})"


def _encoding_words(cap: Capability) -> str:
    if not cap.internal_exponent:
        return "exponent 0, mantissas whole: bounds to the byte"
    if cap.exponent == 63:
        return "exponent 63: all of the address space, whatever the value"
    if not cap.valid:
        return f"exponent {cap.exponent}"
    return f"exponent {cap.exponent}: bounds are multiples of {size_text(8 << cap.exponent)}"


def _tag_words(cap: Capability) -> str:
    if not cap.tag:
        return "0: bits only; a load, store or branch through it faults"
    if cap.sealed:
        return "1: valid but sealed; only what opens the seal can use it"
    return "1: valid"


def _names(perms: int) -> str:
    return " ".join(perm_names(perms)) or "none"


def explain(cap: Capability) -> str:
    """All of one capability for a person, several lines."""
    lacking = ~cap.perms & 0x3FFFF
    rows = [
        ("raw", raw_text(cap)),
        ("tag", _tag_words(cap)),
        ("value", f"0x{cap.value:x}: {place(cap)}"),
        ("bounds", _bounds_words(cap)),
        ("coded", _encoding_words(cap)),
        ("seal", seal_words(cap.otype)),
        ("perms", f"0x{cap.perms:05x} {perm_letters(cap.perms)}"),
        ("  has", _names(cap.perms)),
        ("  lacks", _names(lacking)),
    ]
    if cap.flags:
        rows.insert(3, ("flags", f"0x{cap.flags:02x}: the value's top byte"))
    return "\n".join([short(cap), *(f" {name:<8}{words}" for name, words in rows)])
