"""A recording of what was observed, as moments: each stop is one. What was not read at a stop is not known there."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from heapq import merge
from pathlib import Path

from cvmdbg.guests.guest import Compartment, Module, Symbol
from cvmdbg.guests.observed import Seen
from cvmdbg.guests.recorded import RecordedGuest, Said, made_from, said_from
from cvmdbg.target import Crossing, Reason, RecordingError, Region, Register, StopKind, Thread, ThreadState
from cvmdbg.targets.chronicle import recording_errors
from cvmdbg.targets.live.names import Names, of_bits
from cvmdbg.targets.live.witness import GRANULE, KeptStop
from sessions.event import Observation
from sessions.mark import Mark, Named
from sessions.reader import Recording
from sessions.sight import SawGranules, SawMemory, SawRegion, SawRegisters, SawThread, Stood, sized_values, values_of

KEPT = 64
"""Stops whose sights are kept as values."""
NOBODY = Said("", (), (), (), ())
MAX_PIECES = 1 << 16
MAX_REGISTERS = 1024
MAX_BITS = 1 << 14
"""Of a register: SVE's have at most 2048."""
_ABOUT = {StopKind.SIGNAL: "stopped", StopKind.RUNNING: "it ran", StopKind.BUDGET: "steps"}


class Recalled:
    """Satisfies Moments and Facts of each moment. ``unit`` of a position is a stop, from 0."""

    unit = "stop"
    first = 0

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.name = recording.facts.get("title", "")
        self.arch = recording.facts.get("arch", "")
        self.file: Path = recording.path
        self.notice = recording.lost
        self.names = Names(of_bits(_sizes(recording)))
        self.registers: tuple[Register, ...] = self.names.registers
        self.last = recording.end.tick
        self.steps: Sequence[int] = range(self.last + 1)
        self._seen: OrderedDict[int, Seen] = OrderedDict()
        self._told: dict[int, RecordedGuest] = {}

    # ---- moments ---------------------------------------------------------------------------------------------------

    def seen(self, position: int) -> Seen:
        """What was seen at a stop."""
        found = self._seen.get(position)
        if found is None:
            with recording_errors():
                found = self._seen[position] = self._gathered(position)
            if len(self._seen) > KEPT:
                self._seen.popitem(last=False)
        return found

    def _gathered(self, position: int) -> Seen:
        values: dict[int, dict[str, int]] = {}
        pieces: list[SawMemory] = []
        granules: dict[int, int] = {}
        stood = Stood(position, -1, 0, "")
        for sight in self._recording.sights(position, position):
            match sight:
                case Stood():
                    stood = sight
                case SawRegisters(_, thread, names, packed):
                    values.setdefault(thread, {}).update(zip(names, sized_values(packed), strict=False))
                case SawMemory():
                    pieces.append(sight)
                case SawGranules(_, address, packed):
                    granules.update((address + GRANULE * at, v) for at, v in enumerate(values_of(packed)))
        registers = {thread: _Named(self.names, found) for thread, found in values.items()}
        threads = self._threads(position, stood.thread)
        reasons = self._reasons(stood)
        memory = overlaid(pieces, self.file.name)
        return Seen(stood.thread, threads, registers, memory, granules, self._regions(position), reasons)

    def _reasons(self, stood: Stood) -> tuple[Reason, ...]:
        if not stood.said:
            return ()
        try:
            kept = made_from(KeptStop, json.loads(stood.said), f"stop {stood.tick} of {self.file.name}")
            return tuple(one.reason for one in kept.reasons)
        except (ValueError, RecursionError):
            raise RecordingError(f"{self.file.name} is damaged: nobody stops as stop {stood.tick} says") from None

    def _threads(self, position: int, running: int) -> tuple[Thread, ...]:
        """As they were listed last; the one that the stop is about is among them."""
        found = [_thread(one, running) for one in self._recording.last_sights(SawThread, position)]
        if running >= 0 and all(one.number != running for one in found):
            found.append(Thread(running, str(running), ThreadState.RUNNING))
        return tuple(found)

    def _regions(self, position: int) -> tuple[Region, ...]:
        found = self._recording.last_sights(SawRegion, position)
        return tuple(Region(one.address, one.size, one.prot) for one in found)

    def about(self, position: int) -> str:
        """Why it stood there, in a few words."""
        words = [_words(reason) for reason in self.seen(position).reasons]
        return ", ".join(dict.fromkeys(filter(None, words))) or "nothing of it was kept"

    def observations(self, first: int, last: int) -> Iterator[Observation | Crossing]:
        """A crossing is seen at the stop behind it."""
        crossings = self._recording.crossings(first, last)
        others = self._recording.observations(first=first, until=last)
        with recording_errors():
            yield from merge(crossings, others, key=lambda item: item.tick)

    def missing(self, what: str) -> str:
        return f"{what}: not read at this stop"

    # ---- what was known of the guest -------------------------------------------------------------------------------

    def guest(self, position: int) -> RecordedGuest:
        """What was known at a stop."""
        with recording_errors():
            told = self._since
            at = told[max(bisect_right(told, position) - 1, 0)] if told else -1
            if at not in self._told:
                plain = self._recording.guest(Mark(at, at)) if told else None
                said = NOBODY if plain is None else said_from(plain)
                self._told[at] = RecordedGuest(said, self._content, self._recording.file)
            return self._told[at]

    @cached_property
    def _since(self) -> list[int]:
        """Stops from which on something else was known."""
        return self._recording.guest_changes()

    def _content(self, key: str) -> bytes:
        with recording_errors():
            return self._recording.content(bytes.fromhex(key))

    def compartments(self, position: int) -> tuple[Compartment, ...]:
        return self.guest(position).compartments()

    def modules(self, position: int) -> tuple[Module, ...]:
        return self.guest(position).modules()

    def symbols(self, position: int) -> tuple[Symbol, ...]:
        return self.guest(position).symbols()

    def content(self, path: str) -> bytes | None:
        """A file of the guest's root that was read while recording."""
        return self._recording.file(path)

    # ---- marks -----------------------------------------------------------------------------------------------------

    def marks(self) -> list[Named]:
        return self._recording.marks()

    def keep_mark(self, named: Named) -> None:
        self._recording.keep_mark(named)

    def drop_mark(self, name: str) -> None:
        self._recording.drop_mark(name)

    def save(self, path: Path) -> None:
        self._recording.copy(path)

    def close(self) -> None:
        self._recording.close()


class _Named(Mapping[str, int]):
    """Registers of a thread by the debugger's names, from those that the peer has."""

    def __init__(self, names: Names, values: Mapping[str, int]) -> None:
        self._names, self._values = names, values

    def __getitem__(self, name: str) -> int:
        if self._names.is_absent(name):
            return 0
        own = self._names.own(name)
        return self._names.value(name, own, self._values[own] & self._names.mask(own))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def overlaid(pieces: Sequence[SawMemory], name: str) -> tuple[tuple[int, bytes], ...]:
    """Pieces, of which a later one holds, as runs that neither overlap nor touch each other."""
    if len(pieces) > MAX_PIECES:
        raise RecordingError(f"{name}: {len(pieces)} pieces of memory at a stop; at most {MAX_PIECES} were expected")
    starts: list[int] = []
    runs: dict[int, bytes] = {}
    for piece in pieces:
        _lay(starts, runs, piece.address, piece.content)
    joined: list[tuple[int, list[bytes]]] = []
    end = -1
    for start in starts:
        if start != end:
            joined.append((start, []))
        joined[-1][1].append(runs[start])
        end = start + len(runs[start])
    return tuple((start, b"".join(parts)) for start, parts in joined)


def _lay(starts: list[int], runs: dict[int, bytes], first: int, content: bytes) -> None:
    """Put a piece over what lies there."""
    last = first + len(content)
    low = max(bisect_right(starts, first) - 1, 0)
    high = bisect_left(starts, last)
    under = [(at, runs.pop(at)) for at in starts[low:high]]
    left = [(at, old[: first - at]) for at, old in under if at < first]
    right = [(last, old[last - at :]) for at, old in under if at + len(old) > last]
    new = [(at, part) for at, part in (*left, (first, content), *right) if part]
    starts[low:high] = [at for at, _ in new]
    runs.update(new)


def _thread(sight: SawThread, running: int) -> Thread:
    state = ThreadState.RUNNING if sight.thread == running else ThreadState.RUNNABLE
    ids = {name: int(text) for name, text in sight.ids.items() if text.isascii() and text.isdigit() and len(text) < 20}
    return Thread(sight.thread, sight.name, state, sight.reason, ids)


def _words(reason: Reason) -> str:
    said = _ABOUT.get(reason.kind, reason.kind.value)
    return f"{said} {reason.detail}" if reason.detail and reason.kind not in _SPEAK else reason.detail or said


_SPEAK = {StopKind.LOST, StopKind.RUNNING}
"""Reasons whose detail is a sentence of its own."""


def _sizes(recording: Recording) -> dict[str, int]:
    """Registers of the machine: ``c0:129 c1:129 … cpsr:32``."""
    found: dict[str, int] = {}
    for word in recording.facts.get("registers", "").split()[:MAX_REGISTERS]:
        name, _, bits = word.partition(":")
        if not (name.isidentifier() and bits.isascii() and bits.isdigit() and 0 < int(bits[:6]) <= MAX_BITS):
            raise RecordingError(f"{recording.path.name} is damaged: {word[:40]!r} is no register and its size")
        found[name] = int(bits)
    return found
