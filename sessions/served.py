"""Served calls: system calls of one thread in a row that did nothing but set x0, as columns of numbers.

Each is an event and the observation of it. They are made into those when somebody looks: FORMAT.md, "Served calls".
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

from sessions.columns import MAX_ITEMS, WORD, Column, Fetch, Malformed, Reader, Writer, unshuffled
from sessions.event import Call, Event, RegisterWrite

WORDS = 6
"""x0 … x5."""
NUMBERS = 2 + WORDS + 1
"""Numbers of a call: tick, its number, the words, the value that x0 became."""
FEW = 16
"""As many calls as that, or fewer, are not worth a chunk of their own."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Signature:
    """A call's name, and how many words are its arguments."""

    name: str
    arguments: int


@dataclass(frozen=True, slots=True)
class Served:
    """Calls of a thread in a row. ``columns`` are as the engine packs them; ``layer`` as in Call."""

    thread: int
    layer: str
    signatures: dict[int, Signature]
    count: int
    first_tick: int
    last_tick: int
    columns: bytes

    @property
    def tick(self) -> int:
        """When the first of them happened."""
        return self.first_tick

    def events(self) -> list[Event]:
        """What reached the guest: its x0."""
        ticks, numbers, *_, values = self._numbers()
        named, thread = self.signatures, self.thread
        return [
            Event(tick, named[number].name, (RegisterWrite(thread, "x0", value),))
            for tick, number, value in zip(ticks, numbers, values, strict=True)
        ]

    def calls(self) -> list[Call]:
        """What a trace shows."""
        ticks, numbers, *words, values = self._numbers()
        shown = zip(ticks, numbers, zip(*words, strict=True), values, strict=True)
        return [self._call(*one) for one in shown]

    def _call(self, tick: int, number: int, words: tuple[int, ...], value: int) -> Call:
        known = self.signatures[number]
        return call_of(tick, self.thread, self.layer, number, known, words, value - (value >> 63 << 64))

    def _numbers(self) -> list[Sequence[int]]:
        """The columns: differences summed up."""
        if len(self.columns) != self.count * NUMBERS * 8:
            raise Malformed(f"{len(self.columns)} bytes of served calls; {self.count * NUMBERS * 8} were expected")
        size = 8 * self.count
        found = [_summed(self.columns[at : at + size]) for at in range(0, NUMBERS * size, size)]
        unknown = set(found[1]) - set(self.signatures)
        if unknown:
            raise Malformed(f"a served call has number {unknown.pop()}; its chunk does not name it")
        return found


def call_of(
    tick: int, thread: int, layer: str, number: int, known: Signature, words: Sequence[int], value: int | None
) -> Call:
    """A call in numbers as an observation; ``value`` is None while it waits."""
    shown = tuple([hex(word) if word > 9 else str(word) for word in words[: known.arguments]])
    result = None if value is None else str(value) if -4096 < value < 65536 else hex(value)
    failed = value is not None and -4096 < value < 0
    return Call(tick, thread, layer, number, known.name, shown, result, failed)


def spelled(items: Iterable[T | Served]) -> Iterable[T | Call]:
    """Observations, with served calls one by one."""
    for item in items:
        if isinstance(item, Served):
            yield from item.calls()
        else:
            yield item


def _summed(column: bytes) -> Sequence[int]:
    numbers = array("Q", unshuffled(column, 8))
    if sys.byteorder == "big":
        numbers.byteswap()
    return list(accumulate(numbers, lambda before, step: before + step & WORD))


# ---- as chunks -----------------------------------------------------------------------------------------------------


def pack_served(served: Served, store: Callable[[bytes], bytes]) -> bytes:
    """A chunk of a file."""
    writer = Writer(store)
    known = served.signatures
    writer.numbers("q", [served.thread])
    writer.column(Column.TEXT, [served.layer])
    writer.numbers("I", [len(known)])
    writer.unsigned(list(known))
    writer.column(Column.TEXT, [one.name for one in known.values()])
    writer.numbers("I", [one.arguments for one in known.values()])
    writer.unsigned([served.count])
    writer.raw(served.columns)
    return writer.packed()


def unpack_served(packed: bytes, fetch: Fetch) -> Served:
    """The way back."""
    reader = Reader(packed, fetch)
    thread = reader.numbers("q", 1)[0]
    layer = str(reader.column(Column.TEXT, 1)[0])
    named = reader.numbers("I", 1)[0]
    numbers, names = reader.unsigned(named), reader.column(Column.TEXT, named)
    arguments = reader.numbers("I", named)
    count = reader.unsigned(1)[0]
    if not 0 < count <= MAX_ITEMS:
        raise Malformed(f"{count} served calls in a chunk; 1 … {MAX_ITEMS} were expected")
    columns = reader.take(count * NUMBERS * 8)
    known = {n: Signature(str(name), size) for n, name, size in zip(numbers, names, arguments, strict=True)}
    ticks = _summed(columns[: count * 8])
    return Served(thread, layer, known, count, ticks[0], ticks[-1], columns)
