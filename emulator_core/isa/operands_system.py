"""Operand kinds of system instructions: system registers, PSTATE fields, barriers."""

import re

from emulator_core.isa import sysreg
from emulator_core.isa.operands import Kind, Place, X, number, registers, unsigned, words

# Registers of MRS and MSR: o0, op1, CRn, CRm, op2; op0 is 2 + o0.

_OP0 = 2 << 14
_GENERIC = re.compile(r"s([23])_([0-7])_c([0-9]+)_c([0-9]+)_([0-7])")


def _read_generic(text: str) -> int | None:
    match = _GENERIC.fullmatch(text)
    if match is None or int(match[3]) > 15 or int(match[4]) > 15:
        return None
    return sysreg.packed((int(match[1]), int(match[2]), int(match[3]), int(match[4]), int(match[5])))


def register(kind: str, access: str) -> Kind:
    """A system register as it reads in an instruction that reads (r) or writes (w) it."""

    def show(value: int, width: int, place: Place) -> str:
        whole = value | _OP0
        generic = f"s{whole >> 14}_{whole >> 11 & 7}_c{whole >> 7 & 15}_c{whole >> 3 & 15}_{whole & 7}"
        return sysreg.names(kind, access).get(whole, generic)

    def read(text: str, width: int, place: Place) -> int | None:
        whole = sysreg.encodings(kind).get(text)
        whole = _read_generic(text) if whole is None else whole
        return None if whole is None else whole & ~_OP0

    what = "a capability system register" if kind == "cap" else "a system register"
    return Kind(what, show, read)


# PSTATE fields of MSR: op1(3), op2(3)

_FIELDS = {
    0o03: "uao",
    0o04: "pan",
    0o05: "spsel",
    0o31: "ssbs",
    0o32: "dit",
    0o36: "daifset",
    0o37: "daifclr",
}

# Barriers: CRm

_BARRIERS = (
    None,
    "oshld",
    "oshst",
    "osh",
    None,
    "nshld",
    "nshst",
    "nsh",
    None,
    "ishld",
    "ishst",
    "ish",
    None,
    "ld",
    "st",
    "sy",
)
_BARRIER = re.compile(r"[a-z]+|#?0x[0-9a-f]+|#?[0-9]+")


def _show_barrier(value: int, width: int, place: Place) -> str:
    return _BARRIERS[value] or f"#{value:#04x}"


def _read_barrier(text: str, width: int, place: Place) -> int | None:
    if text.isalpha():
        return _BARRIERS.index(text) if text in _BARRIERS else None
    value = number(text.lstrip("#"))
    return value if value < 16 else None


def _omitting(kind: Kind, omitted: int) -> Kind:
    return Kind(kind.expects, kind.show, kind.read, kind.pattern, omitted)


KINDS: dict[str, Kind] = {
    "sysreg_r": register("reg", "r"),
    "sysreg_w": register("reg", "w"),
    "syscap_r": register("cap", "r"),
    "syscap_w": register("cap", "w"),
    "pstate": words("a field of PSTATE", [_FIELDS.get(value) for value in range(64)]),
    "barrier": Kind("a barrier's domain", _show_barrier, _read_barrier, _BARRIER),
    "n": Kind("a number", unsigned().show, unsigned().read, re.compile(r"[0-9]{1,2}")),
    "hex15": _omitting(unsigned(hexadecimal=True), 15),
    "x31": _omitting(registers("an X register", lambda place: X), 31),
}
