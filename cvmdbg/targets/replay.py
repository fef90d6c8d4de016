"""The target that is a recording's file: it stands at its end, and can be anywhere in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from cvmdbg.guests.guest import Compartment, Module, Symbol
from cvmdbg.guests.recorded import RecordedGuest, Said, said_from
from cvmdbg.target import (
    Crossing,
    History,
    Move,
    RecordingError,
    ReplayDivergence,
    Reverse,
    Stop,
    TargetError,
)
from cvmdbg.targets.chronicle import Chronicle, recording_errors
from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.machine import InferiorTarget, Names
from cvmdbg.targets.player import Player, Where
from emulator_core import _core
from emulator_core.semantics import semantics
from sessions.event import Effect, Halted, Observation
from sessions.mark import Mark, Named
from sessions.reader import Recording
from sessions.source import Diverged, timeline_of, verify

PAST_IS_PAST = "the past cannot be edited; diverge makes a scratch copy"
SOON = 500_000_000
"""Ticks that opening may execute."""
NOBODY = Said("", (), (), (), ())


class ReplayTarget(InferiorTarget):
    """Replays one recording. RecordingError says why a file cannot be."""

    arch = "morello"

    def __init__(self, recording: Recording) -> None:
        super().__init__(Inferior())
        if recording.kind != "emulated":
            raise RecordingError(f"{recording.path.name} is of kind {recording.kind!r}: it cannot be replayed")
        self.recording = recording
        self._interrupted = threading.Event()
        self.chronicle = FileChronicle(self, recording)
        self.facts = RecordedFacts(self.chronicle, recording)
        self._stop = self.chronicle.seek(self.chronicle.opening())

    @property
    def names(self) -> Names:
        return self.facts.guest

    @property
    def reverse(self) -> Reverse | None:
        return self.chronicle.backward

    @property
    def history(self) -> History | None:
        return self.chronicle

    def arrived(self, stop: Stop) -> Stop:
        """The machine was put elsewhere."""
        self._stop = stop
        return stop

    def cancelled(self) -> bool:
        """Was it asked to stop? Asking takes the wish back."""
        if not self._interrupted.is_set():
            return False
        self._interrupted.clear()
        return True

    def edit(self, effect: Effect) -> None:
        """In a diversion only."""
        if self.chronicle.player.where is not Where.DIVERTED:
            raise TargetError(PAST_IS_PAST)
        try:
            self.inferior.apply((effect,))
        except _core.Unmapped as error:
            raise TargetError(f"{error.args[0]:#x} is not mapped") from None
        self._stop = self.chronicle.player.stopped(())

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """Runs on in the recording; its end is a stop."""
        return self.arrived(self.chronicle.resume(move, thread, budget))

    def drain(self) -> tuple[Observation | Crossing, ...]:
        return self.chronicle.drain()

    def interrupt(self) -> None:
        self._interrupted.set()
        self.inferior.machine.interrupt()

    def close(self) -> None:
        self.interrupt()
        self.recording.close()


class FileChronicle(Chronicle):
    """History of a file: its marks are kept in it when it may be written."""

    def __init__(self, target: ReplayTarget, recording: Recording) -> None:
        self._recording = recording
        with recording_errors():
            timeline = timeline_of(recording, target.inferior)
            super().__init__(
                target,
                Player(target.inferior, target.breaks, timeline, lambda: recording.end, target.cancelled, live=False),
            )
            checkpoints = recording.checkpoints
            self.player.first = checkpoints[0].mark if checkpoints else min(Mark(1, 0), recording.end)
            for halted in recording.observations((Halted,)):
                self.player.halted(halted.tick)
            self._marks = {named.name: named for named in recording.marks()}

    def opening(self) -> Mark:
        """The end; a state before it when too much would have to be executed until there."""
        points, end = self.player.timeline.points, self._recording.end
        near = points[self.player.timeline.before(end)].mark
        return end if end.tick - near.tick <= SOON else max(near, self.player.first)

    @property
    def file(self) -> Path:
        """Where it lies."""
        return self._recording.path

    @property
    def notice(self) -> str:
        """What is missing at its end."""
        return self._recording.lost

    def marks(self) -> tuple[Named, ...]:
        return tuple(sorted(self._marks.values(), key=lambda named: (named.mark, named.name)))

    def mark(self, name: str, note: str = "") -> Named:
        named = self._marks[name] = Named(name, self.now, note)
        self._recording.keep_mark(named)
        return named

    def unmark(self, name: str) -> None:
        if self._marks.pop(name, None) is None:
            raise TargetError(f"there is no mark {name}")
        self._recording.drop_mark(name)

    def observations(
        self, kinds: tuple[type, ...] = (), first: int = 0, until: int | None = None
    ) -> Iterator[Observation]:
        with recording_errors():
            yield from self._recording.observations(kinds, first, until)

    def crossings(self, first: int = 0, until: int | None = None) -> Iterator[Crossing]:
        with recording_errors():
            yield from self._recording.crossings(first, until)

    def recent(self, crossings: int) -> int:
        with recording_errors():
            return self._recording.crossing_tick(self._recording.crossing_count() - crossings)

    def observe(self, observation: Observation) -> None:
        """What is found out about a file is not written into it."""

    def save(self, path: Path) -> None:
        with recording_errors():
            self._recording.copy(path)


class RecordedFacts:
    """What the guest said at the moment where the target stands."""

    def __init__(self, chronicle: FileChronicle, recording: Recording) -> None:
        self._chronicle, self._recording = chronicle, recording
        with recording_errors():
            self._changes = recording.guest_changes()
        self._known: dict[int, RecordedGuest] = {}

    @property
    def guest(self) -> RecordedGuest:
        """The guest of this moment."""
        event = self._chronicle.now.event
        since = max(
            (number for number in self._changes if number <= event), default=self._changes[0] if self._changes else -1
        )
        if since not in self._known:
            with recording_errors():
                said = said_from(self._recording.guest(Mark(since, 0))) if since >= 0 else NOBODY
            self._known[since] = RecordedGuest(said, self._content, self.file)
        return self._known[since]

    def _content(self, key: str) -> bytes:
        with recording_errors():
            return self._recording.content(bytes.fromhex(key) if len(key) == 64 else b"")

    @property
    def name(self) -> str:
        return self.guest.name

    def file(self, path: str) -> bytes | None:
        with recording_errors():
            return self._recording.file(path)

    def compartments(self) -> tuple[Compartment, ...]:
        return self.guest.compartments()

    def modules(self) -> tuple[Module, ...]:
        return self.guest.modules()

    def symbols(self) -> tuple[Symbol, ...]:
        return self.guest.symbols()


def verified(recording: Recording) -> int:
    """Replay all of a recording and compare it at each checkpoint: how many were equal. ReplayDivergence if not."""
    with recording_errors():
        try:
            return verify(recording, Inferior())
        except Diverged as error:
            other = other_engine(recording)
            raise ReplayDivergence(f"{error}; {other}" if other else str(error)) from None


def other_engine(recording: Recording) -> str:
    """One clause when an engine of other semantics recorded it, else nothing: its replay may differ."""
    made = recording.facts.get("engine", "")
    if made == semantics():
        return ""
    return f"it was recorded by engine {made or '(unknown)'} and this is {semantics()}: the replay may differ"
