"""Operand kinds: how one value of an instruction is printed and read.

A kind turns the value of its fields (joined, most significant first) into text and back.  Its number of bits is that
of the fields, so `<imm9:s>` and `<imm7:s>` are the same kind.  Parameters stand in the name: `u*16` scales by 16.

Add a kind by putting it into KINDS (fixed name) or FAMILIES (name*number).  `omitted` is the value that `{...}`
leaves out.  show() may be handed any value and gives None where the value has no spelling: then the row does not print
the word.  read() is handed text that pattern matched and gives None where the text means nothing here.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MASK64 = (1 << 64) - 1


@dataclass(frozen=True)
class Place:
    """Where an instruction stands: what pc-relative and mode-aware operands need."""

    pc: int
    c64: bool


@dataclass(frozen=True)
class Kind:
    """One way to spell a value. `expects` is what an error message says."""

    expects: str
    show: Callable[[int, int, Place], str | None]
    read: Callable[[str, int, Place], int | None]
    pattern: re.Pattern[str] = re.compile(r"[a-z0-9_]+")
    omitted: int = 0
    words: Sequence[str] = ()  # all spellings, where they are few: needed inside a mnemonic
    canonical: Callable[[int, int], int] | None = None  # (value, width) to the value that the same text reads as
    target: bool = False  # the text is an address that the instruction names
    base: bool = False  # the register is the base of a memory access
    choices: Callable[[str], Sequence[int]] | None = None  # all values of a text that has several

    def values(self, text: str, width: int, place: Place) -> Sequence[int]:
        """What a text that the pattern matched may stand for, the likeliest first."""
        if self.choices:
            return self.choices(text)
        value = self.read(text, width, place)
        return () if value is None else (value,)


# Text of fixed lists

CONDITIONS = ("eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv")


def words(expects: str, names: Sequence[str | None], omitted: int = 0) -> Kind:
    """Value n is names[n]; None has no spelling; equal names read as the first. An empty name is the omitted form."""
    index = {name: value for value, name in reversed(list(enumerate(names))) if name is not None}

    def show(value: int, width: int, place: Place) -> str | None:
        return names[value] if value < len(names) else None

    spelt = sorted(index, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(name) + r"(?![a-z0-9_])" * bool(name) for name in spelt))
    return Kind(expects, show, lambda text, width, place: index.get(text), pattern, omitted, spelt)


def suffix(names: Sequence[str]) -> Kind:
    """Letters inside a mnemonic."""
    index = {name: value for value, name in enumerate(names)}
    longest = sorted(index, key=len, reverse=True)
    return Kind(
        "a mnemonic",
        lambda value, width, place: names[value],
        lambda text, width, place: index.get(text),
        re.compile("|".join(longest)),
        words=longest,
    )


# Registers


def _register_names(letter: str, last: str) -> list[str]:
    return [f"{letter}{n}" for n in range(31)] + [last]


X = _register_names("x", "xzr")
W = _register_names("w", "wzr")
C = _register_names("c", "czr")
X_SP = _register_names("x", "sp")
W_SP = _register_names("w", "wsp")
C_SP = _register_names("c", "csp")
_ALSO = {"lr": "x30", "fp": "x29", "clr": "c30", "cfp": "c29", "ip0": "x16", "ip1": "x17"}


def registers(expects: str, pick: Callable[[Place], Sequence[str]], base: bool = False) -> Kind:
    """A register whose names depend on the mode."""

    def show(value: int, width: int, place: Place) -> str | None:
        names = pick(place)
        return names[value] if value < len(names) else None

    def read(text: str, width: int, place: Place) -> int | None:
        names = pick(place)
        name = _ALSO.get(text, text)
        return names.index(name) if name in names else None

    return Kind(expects, show, read, re.compile(r"[a-z]+[0-9]*(?![a-z0-9_])"), base=base)


def _always(names: Sequence[str]) -> Callable[[Place], Sequence[str]]:
    return lambda place: names


def _by_mode(a64: Sequence[str], c64: Sequence[str]) -> Callable[[Place], Sequence[str]]:
    return lambda place: c64 if place.c64 else a64


def vector_scalar(letter: str) -> Kind:
    return registers(f"a register {letter}0 to {letter}31", _always([f"{letter}{n}" for n in range(32)]))


# Numbers

_ADDRESS = re.compile(r"(?:0x)?[0-9a-f]+(?![a-z0-9_])")
_NUMBER = re.compile(r"[+-]?(?:0x[0-9a-f]+|[0-9]+)(?![a-z0-9_])")


def number(text: str) -> int:
    """A decimal or 0x number with a sign."""
    digits = text.lstrip("+-")
    value = int(digits, 16) if digits.startswith("0x") else int(digits)
    return -value if text.startswith("-") else value


def signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> (width - 1) else value


def numbers(
    expects: str, decode: Callable[[int, int], int], encode: Callable[[int, int], int | None], hexadecimal: bool = False
) -> Kind:
    """A number: decode(field value, width) is what is written, encode the way back."""

    def show(value: int, width: int, place: Place) -> str | None:
        return f"{decode(value, width):#x}" if hexadecimal else str(decode(value, width))

    def read(text: str, width: int, place: Place) -> int | None:
        value = encode(number(text), width)
        return value if value is not None and 0 <= value < 1 << width else None

    return Kind(expects, show, read, _NUMBER)


def unsigned(scale: int = 1, hexadecimal: bool = False) -> Kind:
    of = f" multiple of {scale}" if scale > 1 else " number"
    return numbers(
        f"an unsigned{of} in range",
        lambda value, width: value * scale,
        lambda value, width: None if value % scale else value // scale,
        hexadecimal,
    )


def signed_number(scale: int = 1) -> Kind:
    def encode(value: int, width: int) -> int | None:
        half = 1 << (width - 1)
        scaled = value // scale
        return None if value % scale or not -half <= scaled < half else scaled & (2 * half - 1)

    of = f" multiple of {scale}" if scale > 1 else " number"
    return numbers(f"a signed{of} in range", lambda value, width: signed(value, width) * scale, encode)


def target(scale: int) -> Kind:
    """A pc-relative address, printed absolute in hexadecimal without 0x."""

    def show(value: int, width: int, place: Place) -> str | None:
        return f"{(place.pc + signed(value, width) * scale) & MASK64:x}"

    def read(text: str, width: int, place: Place) -> int | None:
        offset = signed((int(text, 16) - place.pc) & MASK64, 64)
        half = scale << (width - 1)
        return None if offset % scale or not -half <= offset < half else offset // scale & ((1 << width) - 1)

    return Kind("a hexadecimal address in reach", show, read, _ADDRESS, target=True)


def page(expects: str) -> Kind:
    """The address of a 4 KiB page, pc-relative in pages."""

    def show(value: int, width: int, place: Place) -> str | None:
        return f"{((place.pc & ~0xFFF) + (signed(value, width) << 12)) & MASK64:x}"

    def read(text: str, width: int, place: Place) -> int | None:
        offset = signed((int(text, 16) - (place.pc & ~0xFFF)) & MASK64, 64)
        half = 1 << (width + 11)
        return None if offset & 0xFFF or not -half <= offset < half else offset >> 12 & ((1 << width) - 1)

    return Kind(expects, show, read, _ADDRESS, target=True)


# Index registers

_EXTENDS = ("uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx")
_INDEX = re.compile(
    r"(?P<register>[wx](?:zr|[0-9]+))(?:\s*,\s*(?P<extend>[a-z]+)(?:\s*#?(?P<shift>[0-9]+))?)?(?![a-z0-9])"
)


def index(shift: int) -> Kind:
    """A register offset: joined Rm(5), option(3), S(1); `x3`, `x3, lsl #4`, `w3, uxtw #4`. S scales by shift."""

    def show(value: int, width: int, place: Place) -> str | None:
        register, option, scaled = value >> 4, value >> 1 & 7, value & 1
        if not option & 2:
            return None
        name = (X if option & 1 else W)[register]
        amount = f" #{shift}" if scaled else ""
        if option == 3:
            return f"{name}, lsl{amount}" if scaled else name
        return f"{name}, {_EXTENDS[option]}{amount}"

    def read(text: str, width: int, place: Place) -> int | None:
        match = _INDEX.fullmatch(text)
        if match is None:
            return None
        extend = match["extend"] or "lsl"
        option = 3 if extend == "lsl" else _EXTENDS.index(extend) if extend in _EXTENDS else 0
        names = X if option & 1 else W
        scaled = match["shift"] is not None and (extend == "lsl" or shift == 0 or match["shift"] != "0")
        plain = extend == "lsl" and match["extend"] and not match["shift"]
        wrong = not option & 2 or match["register"] not in names or plain
        if wrong or (scaled and int(match["shift"]) != shift):
            return None
        return names.index(match["register"]) << 4 | option << 1 | scaled

    return Kind(f"an index register, shifted by {shift} or not", show, read, _INDEX)


_EXTENDED = re.compile(
    r"(?P<register>[wx](?:zr|[0-9]+))\s*,\s*(?P<extend>[us]xt[bhwx])(?:\s*#?(?P<shift>[0-7]))?(?![a-z0-9])"
)


def extended(bits: int) -> Kind:
    """A register with its extension: Rm(5), option(3), shift(3). Only 64-bit extensions of 64-bit code name X."""

    def names(option: int) -> Sequence[str]:
        return X if option & 3 == 3 and bits == 64 else W

    def show(value: int, width: int, place: Place) -> str | None:
        register, option, shift = value >> 6, value >> 3 & 7, value & 7
        amount = f" #{shift}" if shift else ""
        return f"{names(option)[register]}, {_EXTENDS[option]}{amount}"

    def read(text: str, width: int, place: Place) -> int | None:
        match = _EXTENDED.fullmatch(text)
        if match is None or match["register"] not in names(_EXTENDS.index(match["extend"])):
            return None
        option = _EXTENDS.index(match["extend"])
        return names(option).index(match["register"]) << 6 | option << 3 | int(match["shift"] or 0)

    return Kind("an extended register", show, read, _EXTENDED)


def granule(scale: int) -> Kind:
    """A pc-relative address counted from the granule of the pc."""
    plain = target(scale)

    def at(place: Place) -> Place:
        return Place(place.pc & -scale, place.c64)

    def show(value: int, width: int, place: Place) -> str | None:
        return plain.show(value, width, at(place))

    def read(text: str, width: int, place: Place) -> int | None:
        return plain.read(text, width, at(place))

    return Kind(plain.expects, show, read, plain.pattern, target=True)


_ELEMENT = re.compile(r"v(?P<register>[0-9]+)\.(?P<size>[bhsd])\[(?P<index>[0-9]+)\]")


def _show_element(value: int, width: int, place: Place) -> str | None:
    register, imm5 = value >> 5, value & 31
    size = (imm5 & -imm5).bit_length() - 1
    return f"v{register}.{'bhsd'[size]}[{imm5 >> size + 1}]" if 0 <= size < 4 else None


def _read_element(text: str, width: int, place: Place) -> int | None:
    match = _ELEMENT.fullmatch(text)
    if match is None:
        return None
    size, register = "bhsd".index(match["size"]), int(match["register"])
    imm5 = (int(match["index"]) << 1 | 1) << size
    return register << 5 | imm5 if register < 32 and imm5 < 32 else None


BASE = _by_mode(X_SP, C_SP)
ALTERNATE_BASE = _by_mode(C_SP, X_SP)

KINDS: dict[str, Kind] = {
    "x": registers("an X register", _always(X)),
    "w": registers("a W register", _always(W)),
    "c": registers("a C register", _always(C)),
    "xsp": registers("an X register or sp", _always(X_SP)),
    "wsp": registers("a W register or wsp", _always(W_SP)),
    "csp": registers("a C register or csp", _always(C_SP)),
    "wx": registers("a W or X register", _always(W + X)),
    "xw": registers("an X or W register", _always(X + W)),
    "wxsp": registers("a W or X register or the stack pointer", _always(W_SP + X_SP)),
    "xc": registers("a register: X in A64, C in C64", _by_mode(X, C)),
    "base": registers("a base register: X or sp in A64, C or csp in C64", BASE, base=True),
    "altbase": registers("a base register: C or csp in A64, X or sp in C64", ALTERNATE_BASE, base=True),
    "basec": registers("a base register: C or csp", _always(C_SP), base=True),
    "b": vector_scalar("b"),
    "h": vector_scalar("h"),
    "s": vector_scalar("s"),
    "d": vector_scalar("d"),
    "q": vector_scalar("q"),
    # Rn(5), imm5: the lowest set bit is the size, what is above it the index
    "element": Kind("an element of a vector register", _show_element, _read_element, _ELEMENT),
    "cond": words("a condition", CONDITIONS),
    "lsl12": words("lsl #12", ("lsl #0", "lsl #12")),
    "sealform": words("a form of seal", (None, "rb", "lpb", "lb")),
    "permset": words("a set of permissions", ("#0", "x", "w", "wx", "r", "rx", "rw", "rwx")),
    "page": page("the hexadecimal address of a page in reach"),
}

# name*N: N is the number behind the star, 1 without.
FAMILIES: dict[str, Callable[[int], Kind]] = {
    "u": unsigned,
    "hex": lambda scale: unsigned(scale, hexadecimal=True),
    "simm": signed_number,
    "pc": target,
    "pcalign": granule,
    "index": index,
    "extended": extended,
}
