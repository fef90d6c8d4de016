"""Operand kinds of floating point and vectors: registers with arrangements, elements, lists, shifts, constants.

Where an encoding says the size of elements in a number that says more (`immh` of shifts, `imm5` of elements), the
text of one operand stands for several values; the other operands decide which.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, partial

from emulator_core.isa.operands import Kind, Place, number, suffix, unsigned

Size = Callable[[int], int]  # the size n of elements that a field says: 8 << n bits; negative for none

_SIZES = "bhsdq"
_VECTOR = re.compile(r"v[0-9]+\.[0-9]*[bhsdq](?![a-z0-9_\[])")
_LANE = re.compile(r"v[0-9]+\.[0-9]*[bhsd]\[[0-9]+\]")
_SCALAR = re.compile(r"[bhsdq][0-9]+(?![a-z0-9_])")


def spelt(
    expects: str,
    bits: int,
    spell: Callable[[int], str | None],
    pattern: re.Pattern[str],
    plain: Callable[[str], str] = str,
    canonical: Callable[[int, int], int] | None = None,
) -> Kind:
    """A value of so many bits that spell() writes; texts that plain() makes equal read alike."""

    named = cache(spell)

    @cache
    def values() -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for value in range(1 << bits):
            name = spell(value)
            if name is not None:
                found[plain(name)].append(value)
        return dict(found)

    def choices(text: str) -> Sequence[int]:
        return values().get(plain(text), ())

    def show(value: int, width: int, place: Place) -> str | None:
        return named(value)

    def read(text: str, width: int, place: Place) -> int | None:
        return next(iter(choices(text)), None)

    return Kind(expects, show, read, pattern, canonical=canonical, choices=choices)


# Sizes: a field of two bits, the highest bit of immh, the lowest bit of imm5


def _two_bits(size: int) -> int:
    return size


def _highest(immh: int) -> int:
    return immh.bit_length() - 1


def _lowest(imm5: int) -> int:
    return (imm5 & -imm5).bit_length() - 1


# Registers


def _vector(register: int, size: int, q: int) -> str | None:
    """v0.8b, v0.16b, v0.4h ...: as many elements as fill 64 or 128 bits, if at least one does."""
    count = (8 << q) >> size if size >= 0 else 0
    return f"v{register}.{count}{_SIZES[size]}" if count else None


def vectors(bits: int, size: Size, canonical: Callable[[int, int], int] | None = None) -> Kind:
    """A field with the size, Q, register."""

    def spell(value: int) -> str | None:
        return _vector(value & 31, size(value >> 6), value >> 5 & 1)

    return spelt("a vector", bits + 6, spell, _VECTOR, canonical=canonical)


def _pair_sums(size: int) -> int:
    return size + 1


def _least_imm5(value: int, width: int) -> int:
    """imm5, Q, register: imm5 without the bits above its lowest."""
    return value & 63 | (value >> 6 & -(value >> 6)) << 6


def long_vectors(bits: int, size: Size) -> Kind:
    """A field with the size, register: all 128 bits of it in elements of twice the size."""

    def spell(value: int) -> str | None:
        return _vector(value & 31, size(value >> 5) + 1, 1) if size(value >> 5) >= 0 else None

    return spelt("a vector of 128 bits", bits + 5, spell, _VECTOR)


def scalars(bits: int, size: Size, letters: str) -> Kind:
    """A field with the size, register. letters by size, a blank where there is no such register."""

    def spell(value: int) -> str | None:
        n = size(value >> 5)
        return f"{letters[n]}{value & 31}" if 0 <= n < len(letters) and letters[n] != " " else None

    return spelt("a scalar register", bits + 5, spell, _SCALAR)


# Elements


def lanes(shape: str, index_bits: int, bits: int = 7) -> Kind:
    """Register, index."""

    def spell(value: int) -> str:
        return f"v{value >> index_bits}.{shape}[{value & ((1 << index_bits) - 1)}]"

    return spelt(f"an element v0.{shape}[0]", bits, spell, _LANE)


def _spell_source(value: int) -> str | None:
    """Register, imm5, imm4: the size in imm5, the index in imm4 above as many bits that mean nothing."""
    size = _lowest(value >> 4 & 31)
    return f"v{value >> 9}.{_SIZES[size]}[{(value & 15) >> size}]" if 0 <= size < 4 else None


def _canonical_source(value: int, width: int) -> int:
    return value & ~((1 << _lowest(value >> 4 & 31)) - 1)


# Lists of registers

_LIST = re.compile(r"\{[^{}]*\}")
_RANGE = re.compile(r"\{ ?v([0-9]{1,2})\.([0-9a-z]+) ?- ?v([0-9]{1,2})\.\2 ?\}")


def _list(first: int, count: int, shape: str) -> str:
    """`{v0.8b, v1.8b}` for up to two and where the numbers turn over, else `{v0.8b-v2.8b}`."""
    names = [f"v{(first + n) % 32}.{shape}" for n in range(count)]
    ranged = count > 2 and first + count <= 32
    return "{" + (f"{names[0]}-{names[-1]}" if ranged else ", ".join(names)) + "}"


def _plain_list(text: str) -> str:
    """Every register, without braces and blanks."""
    ranged = _RANGE.fullmatch(text)
    if ranged is None:
        return text.strip("{} ").replace(" ", "")
    first, last = int(ranged[1]), int(ranged[3])
    return ",".join(f"v{(first + n) % 32}.{ranged[2]}" for n in range((last - first) % 32 + 1))


def lists(count: int) -> Kind:
    """Size, Q, first register."""

    def spell(value: int) -> str | None:
        vector = _vector(0, value >> 6, value >> 5 & 1)
        return _list(value & 31, count, vector[3:]) if vector else None

    return spelt(f"a list of {count} vectors", 8, spell, _LIST, _plain_list)


def lane_lists(letter: str, count: int) -> Kind:
    """First register; an index stands behind the list."""
    return spelt(f"a list of {count} vectors", 5, lambda value: _list(value, count, letter), _LIST, _plain_list)


# Numbers

_REAL = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]{1,3})?(?![a-z0-9_.])")


def amounts(expects: str, bits: int, spell: Callable[[int], str | None]) -> Kind:
    return spelt(expects, bits, spell, unsigned().pattern, lambda text: str(number(text)))


def _shift_left(value: int) -> str | None:
    """immh, immb: the bits of an element and the amount."""
    return str(value - (8 << _highest(value >> 3))) if value >> 3 else None


def _shift_right(value: int) -> str | None:
    """immh, immb: twice the bits of an element less the amount."""
    return str((16 << _highest(value >> 3)) - value) if value >> 3 else None


def power(scale: int) -> Kind:
    return amounts(f"{scale} times a power of two", 2, lambda value: str(scale << value))


def _real(value: int) -> str:
    """Sign, a bit that makes the exponent small, two bits of exponent, four of fraction."""
    exponent = (value >> 4 & 3) + (-3 if value & 64 else 1)
    return f"{(-1 if value & 128 else 1) * (16 + (value & 15)) / 16 * 2.0**exponent:.18e}"


def _byte_mask(value: int) -> str:
    """Every bit eight times."""
    return hex(sum(0xFF << 8 * n for n in range(8) if value >> n & 1))


KINDS: dict[str, Kind] = {
    "two": suffix(("", "2")),  # after the mnemonic: works on the upper half
    "v": vectors(2, _two_bits),
    "vp": vectors(2, _pair_sums),
    "vl": long_vectors(2, _two_bits),
    "bhsd": scalars(2, _two_bits, "bhsd"),
    "hsdq": scalars(2, _two_bits, "hsdq"),
    "fp": scalars(2, _two_bits, "sd h"),
    "v2h": spelt("a vector v0.2h", 5, lambda value: f"v{value}.2h", _VECTOR),
    # the size is the highest bit of immh
    "vs": vectors(4, _highest),
    "vls": long_vectors(4, _highest),
    "bhsds": scalars(4, _highest, "bhsd"),
    "hsdqs": scalars(4, _highest, "hsdq"),
    "shl": amounts("a shift below the bits of an element", 7, _shift_left),
    "shr": amounts("a shift up to the bits of an element", 7, _shift_right),
    # the size is the lowest bit of imm5
    "vi": vectors(5, _lowest),
    "vdup": vectors(5, _lowest, _least_imm5),
    "bhsdi": scalars(5, _lowest, "bhsd"),
    "source": spelt("an element of a vector", 14, _spell_source, _LANE, canonical=_canonical_source),
    "laneh": lanes("h", 3),
    "lanes": lanes("s", 2),
    "laned": lanes("d", 1, 6),
    "lane4b": lanes("4b", 2),
    "fraction": amounts("a number of fraction bits", 6, lambda value: str(64 - value)),
    "real": spelt("a floating-point constant of 8 bits", 8, _real, _REAL, lambda text: str(float(text))),
    "bytes": amounts("a constant whose bytes are 0 or 0xff", 8, _byte_mask),
}

FAMILIES: dict[str, Callable[[int], Kind]] = {
    "list": lists,
    "power": power,
} | {f"list{letter}": partial(lane_lists, letter) for letter in "bhsd"}
