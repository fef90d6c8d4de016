"""History over a player: what a live recording and an opened one have in common."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from cvmdbg.target import Access, Move, RecordingError, Step, Stop
from cvmdbg.targets.backward import Backward
from cvmdbg.targets.comparing import moment_difference
from cvmdbg.targets.finder import Finder
from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.moment import ScratchMoment
from cvmdbg.targets.player import Player
from emulator_core import _core
from sessions.columns import Malformed
from sessions.event import Crossing
from sessions.log import Events
from sessions.machine import Json
from sessions.mark import Mark
from sessions.reader import RecordingFault


@contextmanager
def recording_errors() -> Iterator[None]:
    """What is wrong with a file, or with an event that the machine cannot take, is an error of this target."""
    try:
        yield
    except RecordingFault as error:
        raise RecordingError(str(error)) from None
    except (Malformed, sqlite3.Error) as error:
        raise RecordingError(f"the recording is damaged: {error}") from None
    except _core.Unmapped as error:
        raise RecordingError(f"the recording cannot be replayed: {error.args[0]:#x} is not mapped") from None
    except (KeyError, IndexError, OverflowError, TypeError, ValueError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecordingError(f"the recording cannot be replayed: {said}") from None


class Arrives(Protocol):
    """A target that is told where its machine was put."""

    def arrived(self, stop: Stop) -> Stop: ...


class Chronicle:
    """Going to moments, running in the past, diversions."""

    executes = True

    def __init__(self, target: Arrives, player: Player) -> None:
        self._arrives, self.player = target, player
        self.backward = Traveller(Backward(player), target.arrived)
        self._finder = Finder(player)

    @property
    def where(self) -> str:
        """``live``, ``past`` or ``diverted``."""
        return self.player.where.value

    @property
    def now(self) -> Mark:
        """Where the target stands."""
        return self.player.now

    @property
    def first(self) -> Mark:
        """The guest is deployed and has run nothing."""
        return self.player.first

    @property
    def last(self) -> Mark:
        """The end."""
        return self.player.last

    @property
    def events(self) -> Events:
        """What reached the guest."""
        return self.player.timeline.events

    @property
    def way(self) -> tuple[int, int] | None:
        """How far a seek has come."""
        return self.player.way

    def at(self, tick: int, turn: bool = False) -> Mark:
        """The moment at which a run stops that has come to a tick."""
        if tick >= self.last.tick:
            return self.last
        with recording_errors():
            found = self.player.timeline.settled(tick) if turn else self.player.settled(tick)
        return max(found, self.first)

    def seek(self, mark: Mark) -> Stop:
        """Stand at a moment."""
        with recording_errors():
            return self._arrives.arrived(self.player.seek(mark))

    def resume(self, move: Move, thread: int | None, budget: int | None) -> Stop:
        """Run on in the past."""
        with recording_errors():
            return self.player.resume(move, thread, budget)

    def drain(self) -> tuple[Crossing, ...]:
        """Crossings that the last run in the past came over."""
        return self.player.take_crossings()

    def diverge(self) -> None:
        """From here on a scratch copy is changed."""
        self.player.diverge()

    def end_diversion(self) -> Stop:
        """Throw it away."""
        return self._arrives.arrived(self.player.end_diversion())

    def moment(self, tick: int) -> ScratchMoment:
        """A scratch copy at a tick."""
        timeline = self.player.timeline
        with recording_errors():
            return ScratchMoment(timeline, min(timeline.settled(tick), self.last))

    def difference(self, first: Mark, second: Mark) -> tuple[tuple[str, ...], dict[str, Json]] | None:
        """How two moments differ."""
        sides = []
        with recording_errors():
            for mark in (first, second):
                side = Inferior()
                self.player.timeline.seek(side, mark, self.player.interrupted)
                sides.append(side)
        found = moment_difference(sides[0], sides[1], second.tick)
        return None if found is None else (found.lines, found.value)

    def path(self, first: int, last: int) -> list[Step]:
        """What was retired between two ticks."""
        return self.moment(first).path(last)

    def last_access(self, address: int, size: int, access: str, before: Mark) -> Access | None:
        """Who last accessed a range before a moment."""
        with recording_errors():
            return self._finder.last_access(address, size, access, before)

    def next_access(self, address: int, size: int, access: str, after: Mark) -> Access | None:
        """Who accesses a range first from a moment on."""
        with recording_errors():
            return self._finder.next_access(address, size, access, after)

    def last_change(self, thread: int, register: str, before: Mark, bounds: bool = False) -> Access | None:
        """What last changed a register before a moment."""
        with recording_errors():
            return self._finder.last_change(thread, register, before, bounds)

    def next_change(self, thread: int, register: str, after: Mark, bounds: bool = False) -> Access | None:
        """What changes a register first from a moment on."""
        with recording_errors():
            return self._finder.next_change(thread, register, after, bounds)


class Traveller:
    """Runs backwards, and tells the target where it stands then."""

    def __init__(self, backward: Backward, arrived: Callable[[Stop], Stop]) -> None:
        self._backward, self._arrived = backward, arrived

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """As Backward."""
        with recording_errors():
            return self._arrived(self._backward.resume(move, thread=thread, budget=budget))
