"""The events of a recording that grows: what was appended last as values, what is older as chunks.

One thread appends and reads, another packs and writes.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from sessions.coding import unpack_events
from sessions.columns import Fetch, Malformed
from sessions.event import Event
from sessions.served import Served, unpack_served

KEPT = 64
"""Chunks that stay unpacked."""
LIGHT = 8
"""So many served calls take the memory of one event."""


@dataclass(slots=True)
class Chunk:
    """Items with their numbers and ticks; ``packed`` is None when it must be asked for.

    ``served``: it holds served calls instead.
    """

    first: int
    count: int
    first_tick: int
    last_tick: int
    packed: bytes | None
    served: bool = False


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
            found = self.calls(chunk).events() if chunk.served else unpack_events(self._packed(chunk), self._fetch)
            if len(found) != chunk.count:
                raise Malformed(f"{len(found)} events from number {chunk.first} on; {chunk.count} were expected")
            self._open[chunk.first] = found
            if len(self._open) > KEPT:
                self._open.popitem(last=False)
        return found

    def calls(self, chunk: Chunk) -> Served:
        """The served calls that a chunk of them holds."""
        return unpack_served(self._packed(chunk), self._fetch)

    def _packed(self, chunk: Chunk) -> bytes:
        return chunk.packed if chunk.packed is not None else self._load(chunk) if self._load else b""


@dataclass(slots=True)
class Piece:
    """Events from a number on that are not in the file: values, or served calls."""

    first: int
    events: list[Event] = field(default_factory=list)
    served: Served | None = None

    @property
    def end(self) -> int:
        """The number behind its last event."""
        return self.first + (len(self.events) if self.served is None else self.served.count)

    @property
    def first_tick(self) -> int:
        """The tick of its first event."""
        return self.events[0].tick if self.served is None else self.served.first_tick

    def opened(self) -> Sequence[Event]:
        """Its events as values."""
        if self.served is not None and not self.events:
            self.events = self.served.events()
        return self.events


Taken: TypeAlias = "list[Event] | Served"


class Log:
    """All events of a run, growing."""

    def __init__(self, fetch: Fetch) -> None:
        self._chunks = Chunks(fetch)
        self._tail = [Piece(0)]  # the last one holds values, and grows
        self._open = self._tail[0].events
        self._taken = 0  # so many events are being written
        self._pending: list[Chunk] = []  # packed, not written yet
        self._weight = 0  # of all but the last
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many events there are."""
        with self._lock:
            return self._tail[-1].end

    @property
    def waiting(self) -> int:
        """How many are not written, as if all were values: so much memory do they take."""
        return self._weight + len(self._open)

    @property
    def packed_count(self) -> int:
        """How many are in chunks, or about to be."""
        return self._chunks.count + self._taken

    @property
    def last_tick(self) -> int:
        """When the last of what is in chunks, or about to be, happened."""
        last = (self._pending or self._chunks.chunks)[-1:]
        return last[0].last_tick if last else 0

    def append(self, event: Event) -> int:
        """Take an event; how many are not written."""
        events = self._open
        events.append(event)
        return len(events) + self._weight

    def serve(self, served: Served) -> int:
        """Take served calls; how many events are not written."""
        with self._lock:
            end = self._tail[-1].end
            self._weight += len(self._open) + served.count // LIGHT
            self._tail += (Piece(end, served=served), Piece(end + served.count))
            self._open = self._tail[-1].events
        return self._weight

    def at(self, number: int) -> Event:
        """One event."""
        with self._lock:
            if number >= self._tail[0].first:
                piece = self._tail[bisect_right(self._tail, number, key=lambda p: p.first) - 1]
                return piece.opened()[number - piece.first]
            return self._chunks.at(number)

    def after(self, tick: int) -> int:
        """How many events have a tick up to and with this one."""
        with self._lock:
            for piece in reversed(self._tail):
                if piece.end > piece.first and piece.first_tick <= tick:
                    return piece.first + bisect_right(piece.opened(), tick, key=lambda e: e.tick)
            return self._chunks.after(tick)

    def since(self, number: int) -> Iterator[Event]:
        """Events from a number on."""
        while number < self.count:
            yield self.at(number)
            number += 1

    # ---- the writer's side ----

    def take(self, size: int) -> list[Taken]:
        """Everything that waits, in pieces."""
        found: list[Taken] = []
        with self._lock:
            pieces = [(p.served, p.events if p.served is not None else p.events[:]) for p in self._tail]
        for served, events in pieces:
            if served is not None:
                found.append(served)
            else:
                found += (events[at : at + size] for at in range(0, len(events), size))
        self._taken = sum(taken.count if isinstance(taken, Served) else len(taken) for taken in found)
        return found

    def packed(self, taken: Taken, packed: bytes) -> Chunk:
        """The chunk that some of what was taken has become."""
        first = self._chunks.count + sum(chunk.count for chunk in self._pending)
        if isinstance(taken, Served):
            chunk = Chunk(first, taken.count, taken.first_tick, taken.last_tick, packed, True)
        else:
            chunk = Chunk(first, len(taken), taken[0].tick, taken[-1].tick, packed)
        self._pending.append(chunk)
        return chunk

    def written(self) -> None:
        """What was taken is in the file."""
        with self._lock:
            self._chunks.chunks += self._pending
            end = self._chunks.count
            while len(self._tail) > 1 and self._tail[0].end <= end:
                piece = self._tail.pop(0)
                self._weight -= len(piece.events) if piece.served is None else piece.served.count // LIGHT
            left = self._tail[0]
            if left.served is None and left.first < end:
                if len(self._tail) > 1:
                    self._weight -= end - left.first
                del left.events[: end - left.first]
                left.first = end
            self._taken = 0
            self._pending.clear()
