"""Templates of rows, compiled: an instruction's fields to text and back.

A template is literal text, operands `<fields:kind>` and optional parts `{...}` (see table.py).  Reading is forgiving
where the printed form is strict: case, blanks around punctuation and a missing `#` do not matter.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from emulator_core.isa.kinds import kind
from emulator_core.isa.operands import Kind, Place
from emulator_core.isa.table import Encoding, Row, RowError

_TOKEN = re.compile(r"\w+|\W")
_PIECE = re.compile(r"<(?P<fields>[^<>:]+):(?P<kind>[^<>]+)>|(?P<open>\{)|(?P<close>\})|(?P<text>[^<>{}]+)")


@dataclass(frozen=True)
class Operand:
    """Fields (or single bits "0" and "1") joined into one value, and how it is spelt."""

    fields: tuple[tuple[str, int], ...]
    kind: Kind
    width: int

    def value(self, fields: Mapping[str, int]) -> int:
        value = 0
        for name, width in self.fields:
            value = value << width | (fields[name] if name not in ("0", "1") else int(name))
        return value

    def split(self, value: int) -> Iterator[tuple[str, int]]:
        """The parts of value, with their fields."""
        for name, width in reversed(self.fields):
            yield name, value & ((1 << width) - 1)
            value >>= width

    def assign(self, value: int, fields: dict[str, int]) -> bool:
        """Give the fields their parts of value; false when one already differs."""
        parts = self.split(value)
        return all(part == (int(n) if n in ("0", "1") else fields.setdefault(n, part)) for n, part in parts)


Node = str | Operand | tuple["Node", ...]


@dataclass
class Failure:
    """How far the best attempt at reading came, and what would have let it go on."""

    position: int = -1
    expected: list[str] = field(default_factory=list)

    def at(self, position: int, expected: str) -> None:
        if position > self.position:
            self.position, self.expected = position, []
        if position == self.position and expected not in self.expected:
            self.expected.append(expected)


@dataclass(frozen=True)
class Form:
    """A row with its template compiled."""

    row: Row

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        return _compile(self.row)

    @cached_property
    def operands(self) -> list[Operand]:
        return list(_operands(self.nodes))

    @cached_property
    def marked(self) -> list[Operand]:
        """The operands that name an address or a base register."""
        return [operand for operand in self.operands if operand.kind.target or operand.kind.base]

    @cached_property
    def mnemonics(self) -> list[str]:
        """Every mnemonic that the template can spell; most spell one, which needs no compiling."""
        if not re.search("[<{]", self.row.mnemonic):
            return [self.row.mnemonic]
        parts: list[list[str]] = []
        for node in self.nodes:
            if isinstance(node, str):
                parts.append([node.partition(" ")[0]])
                if " " in node:
                    break
            elif isinstance(node, Operand):
                parts.append(list(node.kind.words))
            else:
                break
        return ["".join(choice) for choice in product(*parts)]

    def show(self, fields: Mapping[str, int], place: Place) -> str | None:
        """The text; None when a value has no spelling."""
        return _show(self.nodes, fields, place)

    def read(self, text: str, place: Place, failure: Failure) -> int | None:
        """The word that text (lower case) says; None notes in failure why not."""
        for fields in _read(self.nodes, 0, text, 0, {}, place, failure):
            word = self._word(fields, place)
            if word is not None:
                return word
            failure.at(len(text), "operands that go together")
        return None

    def canonical(self, word: int) -> int:
        """The word of the same text that this form assembles: its ignored bits as declared."""
        bits = self.row.encoding.bits
        word = word & ~bits.ignored | bits.canonical
        for name, value in self.row.ignored.items():
            word = bits.fields[name].put(word, value)
        for operand in self.operands:
            if operand.kind.canonical:
                fields = self.row.encoding.fields(word)
                value = operand.kind.canonical(operand.value(fields), operand.width)
                for name, part in operand.split(value):
                    word = bits.fields[name].put(word, part) if name in bits.fields else word
        return word

    def _word(self, fields: dict[str, int], place: Place) -> int | None:
        bits = self.row.encoding.bits
        for name, fixed in self.row.fixed.items():
            value = fixed.value(fields) & ((1 << bits.fields[name].width) - 1)
            if fields.setdefault(name, value) != value:
                return None
        fields = self.row.ignored | fields
        word = bits.value | bits.canonical
        for name, value in fields.items():
            word = bits.fields[name].put(word, value)
        whole = self.row.encoding.fields(word) | {"c64": int(place.c64)}
        return word if self.row.encoding.matches(word) and self.row.holds(whole) else None


def _compile(row: Row) -> tuple[Node, ...]:
    stack: list[list[Node]] = [[]]
    for match in _PIECE.finditer(row.template):
        if match["open"]:
            stack.append([])
        elif match["close"]:
            group = tuple(stack.pop())
            stack[-1].append(group)
        elif match["text"]:
            stack[-1].append(match["text"])
        else:
            stack[-1].append(_operand(match["fields"], match["kind"], row.encoding, row.place))
    if len(stack) != 1:
        raise RowError(f"{row.place}: a brace is not closed")
    return tuple(stack[0])


def _operand(names: str, kind_name: str, encoding: Encoding, place: str) -> Operand:
    parts = encoding.bits.fields
    try:
        fields = tuple((n, 1 if n in ("0", "1") else parts[n].width) for n in names.split("."))
        return Operand(fields, kind(kind_name), sum(width for _, width in fields))
    except KeyError as error:
        raise RowError(f"{place}: there is no field or operand kind {error}") from error


def _operands(nodes: tuple[Node, ...]) -> Iterator[Operand]:
    for node in nodes:
        if isinstance(node, Operand):
            yield node
        elif isinstance(node, tuple):
            yield from _operands(node)


def _show(nodes: tuple[Node, ...], fields: Mapping[str, int], place: Place) -> str | None:
    text = ""
    for node in nodes:
        if isinstance(node, str):
            text += node
            continue
        if isinstance(node, Operand):
            part = node.kind.show(node.value(fields), node.width, place)
        elif all(operand.value(fields) == operand.kind.omitted for operand in _operands(node)):
            part = ""
        else:
            part = _show(node, fields, place)
        if part is None:
            return None
        text += part
    return text


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] == " ":
        position += 1
    return position


def _literal(literal: str, text: str, position: int, failure: Failure) -> int | None:
    """The position after a literal. A blank between two words is needed; other blanks and `#` are not."""
    for token in _TOKEN.findall(literal.lower()):
        if token == " ":
            after = _skip(text, position)
            if after == position and text[position - 1 : position + 1].isalnum() and position < len(text):
                failure.at(position, "a blank")
                return None
            position = after
            continue
        start = position if token.isalnum() and position and text[position - 1].isalnum() else _skip(text, position)
        if text.startswith(token, start):
            position = start + len(token)
        elif token != "#":
            failure.at(start, repr(token))
            return None
    return position


def _read(
    nodes: tuple[Node, ...],
    at: int,
    text: str,
    position: int,
    fields: dict[str, int],
    place: Place,
    failure: Failure,
) -> Iterator[dict[str, int]]:
    """All ways to read nodes[at:] at position."""
    if at == len(nodes):
        end = _skip(text, position)
        if end == len(text):
            yield fields
        else:
            failure.at(end, "the end")
        return
    node = nodes[at]
    if isinstance(node, str):
        after = _literal(node, text, position, failure)
        if after is not None:
            yield from _read(nodes, at + 1, text, after, fields, place, failure)
    elif isinstance(node, Operand):
        for after, taken in _read_operand(node, text, position, fields, place, failure):
            yield from _read(nodes, at + 1, text, after, taken, place, failure)
    else:
        rest = nodes[at + 1 :]
        yield from _read(node + rest, 0, text, position, fields, place, failure)
        left_out = dict(fields)
        if all(operand.assign(operand.kind.omitted, left_out) for operand in _operands(node)):
            yield from _read(rest, 0, text, position, left_out, place, failure)


def _read_operand(
    operand: Operand, text: str, position: int, fields: dict[str, int], place: Place, failure: Failure
) -> Iterator[tuple[int, dict[str, int]]]:
    """The end of an operand and the fields with it, for every value that agrees with them."""
    start = _skip(text, position) if position and not text[position - 1].isalnum() else position
    match = operand.kind.pattern.match(text, start)
    values = operand.kind.values(match[0], operand.width, place) if match else ()
    agreeing = False
    for value in values:
        taken = dict(fields)
        if match and operand.assign(value, taken):
            agreeing = True
            yield match.end(), taken
    if not agreeing:
        failure.at(start, operand.kind.expects + (" that agrees with the others" if values else ""))
