"""The instruction rows: how they are written, loaded and checked.

A file `*.isa` holds encodings, each followed by its assembly forms:

    CLAUSE  BITS...  [ : KIND ...]
      [=] TEMPLATE  [| FIELD=VALUE ... [if CONDITION]]

An unindented line is an *encoding*.  CLAUSE is the name of the specification's decode clause that executes it, `-`
when the specification leaves it undefined and it is only printed.  BITS stand most significant first and add up to
32:

    0110          fixed bits
    Rd:5          a field of 5 bits; `sf` alone is a field of one bit
    immh:4>0      a field that is not 0
    (11111)       ignored bits with their canonical value: any value decodes, this one is assembled
    Rt2:(11111)   ignored bits that conditions and operands may name

A clause may have several encodings.  Where encodings of different clauses overlap, one must be a subset of the
other, and the narrower one executes; any other overlap is an error.  KIND says what a debugger wants to know:
`load`, `store`, `branch`, `call`, `return`, `conditional`, `syscall`, `trap`.

An indented line is a *row*: one assembly form.  `=` marks an alias.  Of an encoding's rows the first whose fixed
fields and condition hold prints the word, so aliases stand before what they stand for; all are tried in order to
assemble.  Rows never decide what executes.  In a TEMPLATE

    <imm12:u>     is an operand: a field, its kind (see operands.py)
    <N.immr:k>    joins fields, most significant first, into one value; a digit 0 or 1 is a bit of its own
    { ... }       is left out where all its operands are at their kind's default (0)

and everything else is literal text.  After `|`, `Rd=31` fixes a field (or ties it: `Rm=Rn`), `Rt~31` says that the
form ignores a field and assembles it so, and `if` begins a condition (see conditions.py), which may also name `c64`,
1 in that mode.  Every field is printed, fixed or ignored.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from emulator_core.isa.conditions import Condition

FOLDER = Path(__file__).parent
FILES = ("morello.isa", "a64.isa", "fpsimd.isa")
UNDEFINED = "-"
KINDS = frozenset({"load", "store", "branch", "call", "return", "conditional", "syscall", "trap"})

_TOKEN = re.compile(
    r"(?P<fixed>[01]+)$|(?:(?P<ignored>\w+):)?\((?P<canon>[01]+)\)$|(?P<name>\w+)(?::(?P<width>\d+)(?P<nonzero>>0)?)?$"
)


class RowError(ValueError):
    """A row file breaks its own rules; names file and line."""


@dataclass(frozen=True, eq=False)
class Field:
    """Named bits of an encoding."""

    name: str
    lsb: int
    width: int

    def of(self, word: int) -> int:
        return word >> self.lsb & ((1 << self.width) - 1)

    def put(self, word: int, value: int) -> int:
        """The word with this field set."""
        return word & ~(((1 << self.width) - 1) << self.lsb) | value << self.lsb


@dataclass(frozen=True, eq=False)
class Bits:
    """What the BITS of an encoding say."""

    mask: int
    value: int
    fields: Mapping[str, Field]
    ignored: int
    canonical: int
    nonzero: int  # at least one of these bits is set, if there are any


@dataclass(frozen=True, eq=False)
class Row:
    """One assembly form."""

    index: int
    encoding: "Encoding"
    text: str
    place: str

    @property
    def alias(self) -> bool:
        return self.text.startswith("=")

    @cached_property
    def template(self) -> str:
        return self.text.partition(" |")[0].lstrip("=").strip()

    @cached_property
    def fixed(self) -> dict[str, Condition]:
        """Fields that the form fixes, in order."""
        pairs = (item.partition("=") for item in self._items)
        return {name: Condition(value) for name, equals, value in pairs if equals}

    @cached_property
    def ignored(self) -> dict[str, int]:
        """Fields that mean nothing in this form, with the value that is assembled."""
        pairs = (item.partition("~") for item in self._items)
        return {name: int(value) for name, tilde, value in pairs if tilde}

    @cached_property
    def condition(self) -> Condition | None:
        text = self._constraint.partition(" if ")[2].strip()
        return Condition(text) if text else None

    @property
    def _items(self) -> list[str]:
        return self._constraint.partition(" if ")[0].split()

    @property
    def _constraint(self) -> str:
        return " " + self.text.partition(" |")[2].strip()

    @property
    def mnemonic(self) -> str:
        return self.template.partition(" ")[0]

    def holds(self, fields: Mapping[str, int]) -> bool:
        """Whether this form may print an instruction with these fields and `c64`."""
        if any(fields[name] != value.value(fields) for name, value in self.fixed.items()):
            return False
        return self.condition is None or bool(self.condition.value(fields))


@dataclass(frozen=True, eq=False)
class Encoding:
    """One line of bits, the clause that executes it and the forms that print it."""

    clause: str
    tokens: str
    kinds: frozenset[str]
    place: str
    rows: list[Row] = field(default_factory=list)

    @cached_property
    def bits(self) -> Bits:
        return _parse_bits(self.tokens.split(), self.place)

    def fields(self, word: int) -> dict[str, int]:
        return {name: part.of(word) for name, part in self.bits.fields.items()}

    def matches(self, word: int) -> bool:
        bits = self.bits
        return word & bits.mask == bits.value and (not bits.nonzero or bool(word & bits.nonzero))


@dataclass(frozen=True, eq=False)
class Table:
    """All encodings and their rows, in file order."""

    encodings: list[Encoding]
    rows: list[Row]
    digest: int

    @cached_property
    def clauses(self) -> list[str]:
        """Clause names in order of first use; the undefined one is first."""
        return [UNDEFINED, *dict.fromkeys(e.clause for e in self.encodings if e.clause != UNDEFINED)]

    @cached_property
    def _buckets(self) -> dict[int, list[Encoding]]:
        """Encodings by bits 31..21 of the words that they may hold, most specific first."""
        buckets: dict[int, list[Encoding]] = {}
        for encoding in sorted(self.encodings, key=lambda e: -e.bits.mask.bit_count()):
            for top in _fillings(encoding.bits.mask >> 21, encoding.bits.value >> 21, 11):
                buckets.setdefault(top, []).append(encoding)
        return buckets

    def encoding(self, word: int) -> Encoding | None:
        """The encoding that a word is of; None when it is unallocated."""
        return next((e for e in self._buckets.get(word >> 21, ()) if e.matches(word)), None)

    def row(self, word: int, c64: bool) -> Row | None:
        """The form that prints a word in a mode."""
        encoding = self.encoding(word)
        if encoding is None:
            return None
        fields = encoding.fields(word) | {"c64": int(c64)}
        return next((row for row in encoding.rows if row.holds(fields)), None)

    def row_index(self, word: int, c64: bool) -> int:
        """The place of that form among all rows, -1 when there is none: what the compiled decoder says."""
        row = self.row(word, c64)
        return row.index if row else -1


def _fillings(mask: int, value: int, width: int) -> Iterator[int]:
    """All numbers of width bits that agree with value where mask is set."""
    free = ~mask & ((1 << width) - 1)
    part = free
    while True:
        yield value | part
        if part == 0:
            return
        part = (part - 1) & free


def _parse_bits(tokens: Iterable[str], place: str) -> Bits:
    mask = value = ignored = canonical = nonzero = 0
    fields: dict[str, Field] = {}
    position = 32
    for token in tokens:
        match = _TOKEN.match(token)
        if match is None:
            raise RowError(f"{place}: {token!r} is neither bits nor a field")
        digits = match["fixed"] or match["canon"]
        width = len(digits) if digits else int(match["width"] or 1)
        position -= width
        name = match["name"] or match["ignored"]
        if match["fixed"]:
            mask |= ((1 << width) - 1) << position
            value |= int(digits, 2) << position
        elif digits:
            ignored |= ((1 << width) - 1) << position
            canonical |= int(digits, 2) << position
        if match["nonzero"]:
            nonzero |= ((1 << width) - 1) << position
        if name in fields:
            raise RowError(f"{place}: the field {name!r} stands twice")
        if name:
            fields[name] = Field(name, position, width)
    if position != 0:
        raise RowError(f"{place}: the bits add up to {32 - position}, expected 32")
    return Bits(mask, value, fields, ignored, canonical, nonzero)


def parse(sources: Iterable[tuple[str, str]]) -> Table:
    """The table of (file name, text) pairs."""
    encodings: list[Encoding] = []
    rows: list[Row] = []
    digest = 0
    for name, text in sources:
        digest = zlib.crc32(text.encode(), digest)
        for number, line in enumerate(text.splitlines(), 1):
            if not line or line.lstrip().startswith("#"):
                continue
            if not line[0].isspace():
                encodings.append(_parse_encoding(line, f"{name}:{number}"))
            elif not encodings:
                raise RowError(f"{name}:{number}: a row stands before the first encoding")
            else:
                row = Row(len(rows), encodings[-1], line.strip(), f"{name}:{number}")
                encodings[-1].rows.append(row)
                rows.append(row)
    return Table(encodings, rows, digest)


def _parse_encoding(line: str, place: str) -> Encoding:
    bits, _, kinds = line.partition(" : ")
    clause, *tokens = bits.split(None, 1)
    if not tokens:
        raise RowError(f"{place}: {clause} has no bits")
    unknown = frozenset(kinds.split()) - KINDS
    if unknown:
        raise RowError(f"{place}: {min(unknown)!r} is no kind, expected {', '.join(sorted(KINDS))}")
    return Encoding(clause, tokens[0], frozenset(kinds.split()), place)


def check(table: Table) -> None:
    """Refuse encodings that overlap without one being part of the other, and rows with unsettled fields."""
    for first, second in _overlaps(table.encodings):
        shared = first.bits.mask & second.bits.mask
        if shared in (first.bits.mask, second.bits.mask) and first.bits.mask != second.bits.mask:
            continue
        raise RowError(f"{second.place}: {second.clause} overlaps {first.clause} ({first.place}) undecidedly")
    for row in table.rows:
        _check_row(row)


def _overlaps(encodings: list[Encoding]) -> Iterator[tuple[Encoding, Encoding]]:
    known = [(e, e.bits.mask, e.bits.value) for e in encodings]
    for i, (second, mask, value) in enumerate(known):
        for first, other_mask, other_value in known[:i]:
            if not (value ^ other_value) & mask & other_mask and not _denied(first, second):
                yield first, second


def _denied(first: Encoding, second: Encoding) -> bool:
    """Whether one fixes to 0 what the other wants not to be 0."""
    pairs = ((first.bits, second.bits), (second.bits, first.bits))
    return any(a.nonzero and b.mask & a.nonzero == a.nonzero and not b.value & a.nonzero for a, b in pairs)


def _check_row(row: Row) -> None:
    fields = row.encoding.bits.fields
    operands = re.findall(r"<([^<>:]+):[^<>]+>", row.template)
    printed = {name for operand in operands for name in operand.split(".") if not name.isdigit()}
    named = printed | set(row.fixed) | set(row.ignored)
    named |= {name for value in row.fixed.values() for name in value.names}
    named |= row.condition.names if row.condition else set()
    for name in sorted(named - set(fields) - {"c64"}):
        raise RowError(f"{row.place}: there is no field {name!r}")
    for name, value in row.fixed.items():
        if not value.names and value.value({}) >> fields[name].width:
            raise RowError(f"{row.place}: {value.text} does not fit the field {name!r}")
    for name, part in fields.items():
        settled = (
            name in printed or name in row.fixed or name in row.ignored or row.encoding.bits.ignored >> part.lsb & 1
        )
        if not settled:
            raise RowError(f"{row.place}: the field {name!r} is neither printed nor fixed")


@cache
def load() -> Table:
    """The rows of this folder."""
    return parse((name, (FOLDER / name).read_text(encoding="utf-8")) for name in FILES)
