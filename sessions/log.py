"""The events of a recording that grows: what was appended last as values, what is older as chunks.

One thread appends and reads, another packs and writes.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from sessions.coding import unpack_events
from sessions.columns import Fetch
from sessions.event import Event

KEPT = 64
"""Chunks that stay unpacked."""


@dataclass(slots=True)
class Chunk:
    """Items with their numbers and ticks; ``packed`` is None when it must be asked for."""

    first: int
    count: int
    first_tick: int
    last_tick: int
    packed: bytes | None


class Events(Protocol):
    """The events of a recording, by number."""

    @property
    def count(self) -> int:
        """How many there are."""

    def at(self, number: int) -> Event:
        """One event."""

    def after(self, tick: int) -> int:
        """How many events have a tick up to and with this one."""


class Chunks:
    """Packed events by number and by tick; a few stay unpacked."""

    def __init__(self, fetch: Fetch, load: Callable[[Chunk], bytes] | None = None) -> None:
        self.chunks: list[Chunk] = []
        self._fetch = fetch
        self._load = load
        self._open: OrderedDict[int, list[Event]] = OrderedDict()

    @property
    def count(self) -> int:
        """How many events there are."""
        return self.chunks[-1].first + self.chunks[-1].count if self.chunks else 0

    def at(self, number: int) -> Event:
        """One event."""
        chunk = self.chunks[bisect_right(self.chunks, number, key=lambda c: c.first) - 1]
        return self.events(chunk)[number - chunk.first]

    def after(self, tick: int) -> int:
        """How many events have a tick up to and with this one."""
        index = bisect_right(self.chunks, tick, key=lambda c: c.first_tick) - 1
        if index < 0:
            return 0
        chunk = self.chunks[index]
        if chunk.last_tick <= tick:
            return chunk.first + chunk.count
        return chunk.first + bisect_right(self.events(chunk), tick, key=lambda e: e.tick)

    def events(self, chunk: Chunk) -> Sequence[Event]:
        """A chunk's events."""
        found = self._open.get(chunk.first)
        if found is None:
            packed = chunk.packed if chunk.packed is not None else self._load(chunk) if self._load else b""
            found = unpack_events(packed, self._fetch)
            self._open[chunk.first] = found
            if len(self._open) > KEPT:
                self._open.popitem(last=False)
        return found


class Log:
    """All events of a run, growing."""

    def __init__(self, fetch: Fetch) -> None:
        self._chunks = Chunks(fetch)
        self._tail: list[Event] = []
        self._first = 0  # number of the tail's first event
        self._taken = 0  # so many of the tail are being written
        self._pending: list[Chunk] = []  # packed, not written yet
        self._count = 0
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many events there are."""
        return self._count

    @property
    def waiting(self) -> int:
        """How many are not written."""
        return len(self._tail)

    @property
    def packed_count(self) -> int:
        """How many are in chunks, or about to be."""
        return self._first + self._taken

    def append(self, event: Event) -> int:
        """Take an event; how many are not written."""
        self._count += 1
        self._tail.append(event)
        return len(self._tail)

    def at(self, number: int) -> Event:
        """One event."""
        with self._lock:
            if number >= self._first:
                return self._tail[number - self._first]
            return self._chunks.at(number)

    def after(self, tick: int) -> int:
        """How many events have a tick up to and with this one."""
        with self._lock:
            if self._tail and self._tail[0].tick <= tick:
                return self._first + bisect_right(self._tail, tick, key=lambda e: e.tick)
            return self._chunks.after(tick)

    def since(self, number: int) -> Iterator[Event]:
        """Events from a number on."""
        while number < self.count:
            yield self.at(number)
            number += 1

    # ---- the writer's side ----

    def take(self, size: int) -> list[list[Event]]:
        """Everything that waits, in pieces."""
        some = self._tail[:]
        self._taken = len(some)
        return [some[at : at + size] for at in range(0, len(some), size)]

    def packed(self, events: Sequence[Event], packed: bytes) -> Chunk:
        """The chunk that some of what was taken has become."""
        first = self._first + sum(chunk.count for chunk in self._pending)
        chunk = Chunk(first, len(events), events[0].tick, events[-1].tick, packed)
        self._pending.append(chunk)
        return chunk

    def written(self) -> None:
        """What was taken is in the file."""
        with self._lock:
            self._chunks.chunks += self._pending
            self._first += self._taken
            del self._tail[: self._taken]
            self._taken = 0
            self._pending.clear()
