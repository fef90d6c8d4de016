"""A target that is only what was seen: a console log line by line, a remote run stop by stop.

moment 0 ── 1 ── 2 ── … ── n      each one a value: threads, registers, memory as far as they were seen
                 ▲ now            nothing is executed between them, nothing that was not seen is made up
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from cvmdbg.guests.guest import Compartment, Module, Symbol
from cvmdbg.guests.observed import Moments, Seen
from cvmdbg.target import (
    Access,
    Capabilities,
    Crossing,
    History,
    Moment,
    Move,
    Reason,
    Region,
    Register,
    Reverse,
    Step,
    Stop,
    StopKind,
    Stops,
    TargetError,
    Thread,
    Unknown,
)
from sessions.event import Event, Observation
from sessions.log import Events
from sessions.machine import Json
from sessions.mark import Mark, Named


class Marks(Protocol):
    """Named moments, and a file of its own for all of it. ConsoleLog needs none of it kept, a recording does."""

    def marks(self) -> list[Named]: ...
    def keep_mark(self, named: Named) -> None: ...
    def drop_mark(self, name: str) -> None: ...
    def save(self, path: Path) -> None: ...
    def close(self) -> None: ...


class ObservedTarget:
    """Stands at one moment of a sequence; opened at the last one. ``kept`` is where marks go."""

    def __init__(self, moments: Moments, kept: Marks | None = None) -> None:
        self.moments, self.kept = moments, kept
        self.position = moments.last
        self.marks = {named.name: named for named in kept.marks()} if kept is not None else {}
        self._told = moments.first  # the next position whose observations were not drained
        self._stop = self._arrived(Reason(StopKind.HISTORY, "end"))

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def arch(self) -> str:
        return self.moments.arch

    @property
    def registers(self) -> tuple[Register, ...]:
        return self.moments.registers

    @property
    def stop(self) -> Stop:
        return self._stop

    @property
    def capabilities(self) -> Capabilities | None:
        return _Granules(self) if self.arch == "morello" and self.registers else None

    @property
    def stops(self) -> Stops | None:
        return None

    @property
    def history(self) -> History | None:
        return ObservedHistory(self)

    @property
    def reverse(self) -> Reverse | None:
        return _Back(self)

    def threads(self) -> tuple[Thread, ...]:
        return self.seen.threads

    def regions(self) -> tuple[Region, ...]:
        return self.seen.regions

    @property
    def seen(self) -> Seen:
        """The moment at which it stands."""
        return self.moments.seen(self.position)

    def read_register(self, thread: int, name: str) -> int:
        found = self.seen.registers.get(thread, {}).get(name)
        if found is None:
            raise Unknown(self.moments.missing("registers"))
        return found

    def read(self, address: int, size: int) -> bytes:
        """Bytes of one piece that was seen whole."""
        for start, content in self.seen.memory:
            if start <= address and address + size <= start + len(content):
                return content[address - start : address - start + size]
        raise Unknown(self.moments.missing("memory"))

    def drain(self) -> tuple[Observation | Crossing, ...]:
        found = tuple(self.moments.observations(self._told, self.position)) if self._told <= self.position else ()
        self._told = max(self._told, self.position + 1)
        return found

    # ---- changing --------------------------------------------------------------------------------------------------

    def write_register(self, thread: int, name: str, value: int) -> None:
        raise TargetError(_UNCHANGED)

    def write(self, address: int, content: bytes) -> None:
        raise TargetError(_UNCHANGED)

    def interrupt(self) -> None:
        """A move takes no time that could be cut short."""

    def close(self) -> None:
        if self.kept is not None:
            self.kept.close()

    # ---- moving ----------------------------------------------------------------------------------------------------

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """STEP goes to the next position that one walks by, CONTINUE to the end."""
        last, steps = self.moments.last, self.moments.steps
        at = bisect_right(steps, self.position)
        if move is Move.STEP and at < len(steps):
            return self.go(steps[at], Reason(StopKind.STEP))
        return self.go(last, Reason(StopKind.HISTORY, "end"))

    def resume_back(self, move: Move) -> Stop:
        """The same in the other direction."""
        steps = self.moments.steps
        at = bisect_left(steps, self.position)
        if move is Move.STEP and at > 0:
            return self.go(steps[at - 1], Reason(StopKind.STEP))
        return self.go(self.moments.first, Reason(StopKind.HISTORY, "start"))

    def go(self, position: int, *reasons: Reason) -> Stop:
        """Stand at a position, the nearer end when it is outside."""
        self.position = min(max(position, self.moments.first), self.moments.last)
        self._stop = self._arrived(*reasons)
        return self._stop

    def _arrived(self, *reasons: Reason) -> Stop:
        """The stop of a moment; its reasons carry what is to be said of it. Without a pc that was seen it is 0."""
        seen, moments = self.seen, self.moments
        pc = seen.registers.get(seen.thread, {}).get("pc", 0)
        said = f"{moments.unit} {self.position} of {moments.last}: {moments.about(self.position)}"
        return Stop(seen.thread, pc, None, (*(replace(r, detail=said) for r in reasons), *seen.reasons))


_UNCHANGED = "what was observed cannot be changed: nothing runs here"


class _Granules:
    """Capabilities in memory, where they were seen."""

    def __init__(self, target: ObservedTarget) -> None:
        self._target = target

    def read(self, address: int) -> int:
        found = self._target.seen.granules.get(address)
        if found is None:
            raise Unknown(self._target.moments.missing("tags"))
        return found

    def write(self, address: int, value: int) -> None:
        raise TargetError(_UNCHANGED)

    def tags(self, address: int, size: int) -> bytes:
        return bytes(self.read(at) >> 128 for at in range(address, address + size, 16))


class _Back:
    """Walks back over the positions."""

    def __init__(self, target: ObservedTarget) -> None:
        self._target = target

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        return self._target.resume_back(move)


class ObservedHistory:
    """The moments as a history: a position stands where a tick is, what one walks by where an event is."""

    where = "past"
    way = None
    executes = False

    def __init__(self, target: ObservedTarget) -> None:
        self._target, self._moments = target, target.moments

    @property
    def events(self) -> Events:
        """What one walks by."""
        return _Steps(self._moments)

    @property
    def now(self) -> Mark:
        return self.at(self._target.position)

    @property
    def first(self) -> Mark:
        return self.at(self._moments.first)

    @property
    def last(self) -> Mark:
        return self.at(self._moments.last)

    @property
    def file(self) -> Path:
        return self._moments.file

    @property
    def notice(self) -> str:
        return self._moments.notice

    def at(self, tick: int, turn: bool = False) -> Mark:
        position = min(max(tick, self._moments.first), self._moments.last)
        return Mark(self.events.after(position), position)

    def seek(self, mark: Mark) -> Stop:
        end = {self._moments.first: "start", self._moments.last: "end"}.get(mark.tick)
        return self._target.go(mark.tick, Reason(StopKind.STEP) if end is None else Reason(StopKind.HISTORY))

    def diverge(self) -> None:
        raise TargetError(_UNCHANGED)

    def end_diversion(self) -> Stop:
        raise TargetError("there is no diversion")

    def marks(self) -> tuple[Named, ...]:
        return tuple(sorted(self._target.marks.values(), key=lambda named: (named.mark, named.name)))

    def mark(self, name: str, note: str = "") -> Named:
        named = self._target.marks[name] = Named(name, self.now, note)
        if self._target.kept is not None:
            self._target.kept.keep_mark(named)
        return named

    def unmark(self, name: str) -> None:
        if self._target.marks.pop(name, None) is None:
            raise TargetError(f"there is no mark {name}")
        if self._target.kept is not None:
            self._target.kept.drop_mark(name)

    def observations(
        self, kinds: tuple[type, ...] = (), first: int = 0, until: int | None = None
    ) -> Iterator[Observation]:
        last = self._moments.last if until is None else until
        for found in self._moments.observations(first, last):
            if not isinstance(found, Crossing) and (not kinds or isinstance(found, kinds)):
                yield found

    def crossings(self, first: int = 0, until: int | None = None) -> Iterator[Crossing]:
        last = self._moments.last if until is None else until
        return (found for found in self._moments.observations(first, last) if isinstance(found, Crossing))

    def recent(self, crossings: int) -> int:
        return self._moments.first

    def path(self, first: int, last: int) -> list[Step]:
        raise self._not_executed()

    def difference(self, first: Mark, second: Mark) -> tuple[tuple[str, ...], dict[str, Json]] | None:
        raise self._not_executed()

    def last_access(self, address: int, size: int, access: str, before: Mark) -> Access | None:
        raise self._not_executed()

    def next_access(self, address: int, size: int, access: str, after: Mark) -> Access | None:
        raise self._not_executed()

    def last_change(self, thread: int, register: str, before: Mark, bounds: bool = False) -> Access | None:
        raise self._not_executed()

    def next_change(self, thread: int, register: str, after: Mark, bounds: bool = False) -> Access | None:
        raise self._not_executed()

    def _not_executed(self) -> Unknown:
        return Unknown(f"{self._moments.name} is what was seen, not a machine: nothing between can be executed again")

    def observe(self, observation: Observation) -> None:
        """What is found out about it is not written into it."""

    def moment(self, tick: int) -> Moment:
        raise self._not_executed()

    def save(self, path: Path) -> None:
        if self._target.kept is None:
            raise TargetError(f"{self._moments.file.name} is a file already: copy it")
        self._target.kept.save(path)


@dataclass(frozen=True, slots=True)
class _Steps:
    """What one walks by, as events without effects."""

    moments: Moments

    @property
    def count(self) -> int:
        return len(self.moments.steps)

    def at(self, number: int) -> Event:
        position = self.moments.steps[number]
        return Event(position, self.moments.about(position), ())

    def after(self, tick: int) -> int:
        return bisect_right(self.moments.steps, tick)


class FactsSeen:
    """The facts at the moment where an observed target stands."""

    def __init__(self, target: ObservedTarget) -> None:
        self._target = target

    @property
    def name(self) -> str:
        return self._target.moments.name

    def compartments(self) -> tuple[Compartment, ...]:
        return self._target.moments.compartments(self._target.position)

    def modules(self) -> tuple[Module, ...]:
        return self._target.moments.modules(self._target.position)

    def symbols(self) -> tuple[Symbol, ...]:
        return self._target.moments.symbols(self._target.position)

    def file(self, path: str) -> bytes | None:
        return self._target.moments.content(path)
