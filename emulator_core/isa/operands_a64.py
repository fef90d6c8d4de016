"""Operand kinds of plain A64's integer instructions: shifts, extensions, bit masks, bit fields, wide moves."""

import re
from collections.abc import Callable, Iterator
from functools import cache

from emulator_core.isa.operands import (
    CONDITIONS,
    Kind,
    Place,
    W,
    X,
    number,
    numbers,
    suffix,
    unsigned,
    words,
)

# Shifted registers: shift(2), amount(6)

_SHIFTS = ("lsl", "lsr", "asr", "ror")
_SHIFT = re.compile(r"(?P<shift>lsl|lsr|asr|ror)\s*#?(?P<amount>[0-9]+)(?![a-z0-9])")


def _show_shift(value: int, width: int, place: Place) -> str:
    return f"{_SHIFTS[value >> 6]} #{value & 63}"


def _read_shift(text: str, width: int, place: Place) -> int | None:
    match = _SHIFT.fullmatch(text)
    if match is None or int(match["amount"]) > 63:
        return None
    return _SHIFTS.index(match["shift"]) << 6 | int(match["amount"])


# Bit masks: N(1), immr(6), imms(6). An element of 2, 4 ... 64 bits holds imms + 1 ones, rotated right by immr.


def _element_size(value: int) -> int:
    """Bits of the element; 0 or 1 when the encoding is reserved."""
    return 1 << ((value >> 12 << 6 | ~value & 63).bit_length() - 1) if value >> 12 or value & 63 != 63 else 0


def _mask_of(value: int, bits: int) -> int | None:
    size = _element_size(value)
    ones = (value & (size - 1)) + 1 if size else 0
    if size < 2 or size > bits or ones == size:
        return None
    turn = value >> 6 & (size - 1)
    element = (1 << ones) - 1
    element = (element >> turn | element << (size - turn)) & ((1 << size) - 1)
    return sum(element << at for at in range(0, bits, size))


def _canonical_mask(value: int, width: int) -> int:
    """immr counts within the element."""
    size = _element_size(value)
    return value & ~(63 << 6) | (value >> 6 & (size - 1)) << 6


def _mask_values(bits: int) -> Iterator[int]:
    """All encodings in canonical form, of the smallest element first."""
    for size in (1 << n for n in range(1, bits.bit_length())):
        top = 1 << 12 if size == 64 else ~(2 * size - 1) & 63
        yield from (top | turn << 6 | ones for turn in range(size) for ones in range(size - 1))


@cache
def _masks(bits: int) -> dict[int, int]:
    """The encoding of every bit mask of so many bits."""
    return {mask: value for value in _mask_values(bits) if (mask := _mask_of(value, bits)) is not None}


def bit_mask(bits: int) -> Kind:
    def show(value: int, width: int, place: Place) -> str | None:
        mask = _mask_of(value, bits)
        return f"{mask:#x}" if mask is not None else None

    def read(text: str, width: int, place: Place) -> int | None:
        return _masks(bits).get(number(text) & ((1 << bits) - 1))

    return Kind(f"a bit mask of {bits} bits", show, read, unsigned().pattern, canonical=_canonical_mask)


# Bit fields: immr(6), imms(6)

_FIELD = re.compile(r"#?(?P<lsb>0x[0-9a-f]+|[0-9]+)\s*,\s*#?(?P<width>0x[0-9a-f]+|[0-9]+)(?![a-z0-9])")


def _read_field(text: str) -> tuple[int, int]:
    """Lowest bit and number of bits."""
    match = _FIELD.fullmatch(text)
    return (number(match["lsb"]), number(match["width"])) if match else (64, 64)


def _show_extract(value: int, width: int, place: Place) -> str | None:
    immr, imms = value >> 6, value & 63
    return f"#{immr}, #{imms - immr + 1}" if imms >= immr else None


def _read_extract(text: str, width: int, place: Place) -> int | None:
    lsb, length = _read_field(text)
    return lsb << 6 | (lsb + length - 1) if length and lsb + length <= 64 else None


def insert(bits: int) -> Kind:
    """A field put at a bit: immr is minus that bit."""

    def show(value: int, width: int, place: Place) -> str | None:
        immr, imms = value >> 6, value & 63
        return f"#{-immr & (bits - 1)}, #{imms + 1}"

    def read(text: str, width: int, place: Place) -> int | None:
        lsb, length = _read_field(text)
        return (-lsb & (bits - 1)) << 6 | (length - 1) if length and lsb + length <= bits else None

    return Kind(f"the lowest bit and the length of a field in {bits} bits", show, read, _FIELD)


def shift_left(bits: int) -> Kind:
    """A shift by immediate: immr is minus the amount, imms what is left of the width."""
    return numbers(
        f"a shift below {bits}",
        lambda value, width: bits - 1 - (value & 63),
        lambda amount, width: (-amount & (bits - 1)) << 6 | (bits - 1 - amount) if 0 <= amount < bits else None,
    )


# Wide moves: hw(2), imm16


def wide(bits: int, inverted: bool) -> Kind:
    """A constant with 16 bits that are set, or all but 16."""
    whole = (1 << bits) - 1

    def decode(value: int, width: int) -> int:
        constant = (value & 0xFFFF) << 16 * (value >> 16)
        return constant ^ whole if inverted else constant

    def encode(constant: int, width: int) -> int | None:
        if not -(whole + 1) // 2 <= constant <= whole:
            return None
        plain = constant & whole ^ (whole if inverted else 0)
        places = (hw for hw in range(bits // 16) if not plain & ~(0xFFFF << 16 * hw))
        hw = next(places, None)
        return None if hw is None else hw << 16 | plain >> 16 * hw

    return numbers(f"a constant of {bits} bits that one move makes", decode, encode, hexadecimal=True)


# Pairs of CASP: size(1), an even register(5)

_PAIR = re.compile(r"(?P<first>[wx][0-9]+)\s*,\s*(?P<second>[wx](?:zr|[0-9]+))(?![a-z0-9])")
_FIRSTS = W + X


def _show_pair(value: int, width: int, place: Place) -> str:
    return f"{_FIRSTS[value]}, {_FIRSTS[value | 1]}"


def _read_pair(text: str, width: int, place: Place) -> int | None:
    match = _PAIR.fullmatch(text)
    first = _FIRSTS.index(match["first"]) if match and match["first"] in _FIRSTS else 1
    return first if match and first % 2 == 0 and match["second"] == _FIRSTS[first + 1] else None


# Prefetches: type(2), level(2), policy(1)

_PREFETCH = re.compile(r"p[a-z]+[1-3][a-z]+|#?0x[0-9a-f]+|#?[0-9]+")


def _show_prefetch(value: int, width: int, place: Place) -> str:
    kind, level, policy = value >> 3, value >> 1 & 3, value & 1
    if kind == 3 or level == 3:
        return f"#{value:#04x}"
    return f"{('pld', 'pli', 'pst')[kind]}l{level + 1}{('keep', 'strm')[policy]}"


_PREFETCHES = {_show_prefetch(value, 5, Place(0, False)): value for value in range(32)}


def _read_prefetch(text: str, width: int, place: Place) -> int | None:
    if text.startswith("p"):
        return _PREFETCHES.get(text)
    value = number(text.lstrip("#"))
    return value if value < 32 else None


KINDS: dict[str, Kind] = {
    "pair": Kind("an even register and its next", _show_pair, _read_pair, _PAIR),
    "prefetch": Kind("a prefetch operation", _show_prefetch, _read_prefetch, _PREFETCH),
    "order": suffix(("", "l", "a", "al")),
    "l": suffix(("", "l")),
    "shift": Kind("a shift", _show_shift, _read_shift, _SHIFT),
    "extract": Kind("the lowest bit and the length of a field", _show_extract, _read_extract, _FIELD),
    "lsl16": words("lsl #16, #32 or #48", ("lsl #0", "lsl #16", "lsl #32", "lsl #48")),
    "notcond": words("a condition", [CONDITIONS[n ^ 1] for n in range(16)]),
    "ab": suffix(("a", "b")),
    "bhw": suffix(("b", "h", "w")),
}

FAMILIES: dict[str, Callable[[int], Kind]] = {
    "bitmask": bit_mask,
    "insert": insert,
    "lsl": shift_left,
    "movz": lambda bits: wide(bits, inverted=False),
    "movn": lambda bits: wide(bits, inverted=True),
}
