"""The recording of a live run: what is kept of it, when its state is, and the way into its past."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cvmdbg.guests.guest import Compartment, Guest, Module, Outcome, Symbol
from cvmdbg.guests.recorded import RecordedGuest, Said, said_by, to_plain
from cvmdbg.target import TargetError
from cvmdbg.targets.chronicle import Chronicle
from cvmdbg.targets.player import Player, Where
from sessions.event import Crossing, Event, Halted, ModuleLoad, Observation, ThreadExit, ThreadStart
from sessions.machine import PAGE_BYTES
from sessions.mark import Mark, Named
from sessions.recorder import Recorder
from sessions.served import Served
from sessions.timeline import Point, Timeline

if TYPE_CHECKING:
    from cvmdbg.targets.emulator import EmulatorTarget

NEWS = {ThreadStart, ThreadExit, ModuleLoad}
"""After these a guest has something else to say of itself."""
FIRST_INTERVAL = 1_000_000
SHORTEST, LONGEST = 200_000, 200_000_000
SECONDS = 0.025
"""Run time between two states, so that any moment is no more than that away."""
PAGE_COST = 1.5e-6
"""Seconds that a page costs which is written after its state was kept."""
SHARE = 50
"""Keeping states may cost one part in so many."""
SLOWEST = 0.3
MEMORY = 512 << 20
"""Bytes of pages that states in memory may hold."""


class Keeping(Chronicle):
    """History of a live target: the player of its past, its marks, its file."""

    def __init__(
        self, target: EmulatorTarget, guest: Guest, recorder: Recorder, interrupted: Callable[[], bool]
    ) -> None:
        self._target, self._guest, self._recorder = target, guest, recorder
        inferior = target.inferior
        inferior.machine.follow_touched(True)
        self._timeline = Timeline(recorder.log, inferior.save())
        super().__init__(target, Player(inferior, target.breaks, self._timeline, self._live_end, interrupted))
        self.event: Callable[[Event], None] = recorder.event
        """Before its effects are applied."""
        self.observe_all: Callable[[Sequence[Observation]], None] = recorder.observe_all
        """What was seen beside them."""
        self.due = FIRST_INTERVAL
        self._marks: dict[str, Named] = {}
        self._said: list[tuple[int, Said]] = []
        self._touched: list[int] = []  # since the last state that went to the file
        self._since = (0, time.perf_counter())
        self._files: dict[str, bytes | None] = {}
        self._key_of: dict[int, str] = {}  # by the identity of a content, which the guest keeps
        self._content_of: dict[str, bytes] = {}

    def begin(self) -> None:
        """The guest is deployed."""
        self._say()
        self.player.first = self._live_end()
        self._keep_state(True)

    # ---- what happens --------------------------------------------------------------------------------

    def happened(self, outcome: Outcome) -> None:
        """After an event's effects were applied."""
        observations = outcome.observations
        if observations:
            self.observe_all(observations)
        if self._said and not NEWS.isdisjoint(map(type, outcome.effects + observations)):
            self._say()

    def served(self, served: Served) -> None:
        """After calls that did nothing but set x0."""
        self._recorder.served(served)

    def crossed(self, packed: bytes) -> None:
        """As the engine packs them."""
        self._recorder.crossings(packed)

    def halted(self, halted: Halted) -> None:
        """A thread cannot go on by itself."""
        self._recorder.observe(halted)
        self.player.halted(halted.tick)

    def observe(self, observation: Observation) -> None:
        """What the debugger found out."""
        self._recorder.observe(observation)

    def reached(self) -> str | None:
        """The run has come this far; a sentence when the recording has ended by itself."""
        self._recorder.reached(self._target.tick)
        if self._target.tick >= self.due:
            self._keep_state(self._recorder.wants_checkpoint)
        return self._recorder.failure

    def _live_end(self) -> Mark:
        return Mark(self._recorder.log.count, self._target.inferior.tick)

    # ---- what the guest says -------------------------------------------------------------------------

    @property
    def guest(self) -> RecordedGuest | Guest:
        """The guest at its live end, else what it said at the moment that is looked at."""
        if self.player.where is Where.LIVE or not self._said:
            return self._guest
        event = self.player.now.event
        said = next((s for number, s in reversed(self._said) if number <= event), self._said[0][1])
        return RecordedGuest(said, self._content, self._guest.file)

    def _content(self, key: str) -> bytes:
        return self._content_of[key]

    def _say(self) -> None:
        said = said_by(self._guest, len(self._target.inferior.schedule.threads), self._keep)
        if not self._said or said != self._said[-1][1]:
            self._said.append((self._recorder.log.count, said))
            self._recorder.guest(lambda: to_plain(said))

    def _keep(self, content: bytes) -> str:
        key = self._key_of.get(id(content))
        if key is None:
            key = self._key_of[id(content)] = self._recorder.content(content)
            self._content_of[key] = content
        return key

    def file_of_guest(self, path: str) -> bytes | None:
        """A file of the guest's root; whoever opens the recording finds it too."""
        if path not in self._files:
            content = self._files[path] = self._guest.file(path)
            if content is not None:
                self._recorder.file(path, content)
        return self._files[path]

    # ---- states --------------------------------------------------------------------------------------

    def _keep_state(self, into_file: bool) -> None:
        inferior, mark = self._target.inferior, self._live_end()
        touched = inferior.touched()
        saved = inferior.save()
        before = self._timeline.points[-1]
        changed = len(saved.changes(before.saved)) if before.saved is not None else 0
        number = -1
        self._touched += touched
        if into_file:
            number = self._recorder.checkpoint(mark, saved, self._touched)
            self._touched = []
        self._timeline.add(Point(mark, saved, number, touched, changed * PAGE_BYTES))
        self._timeline.thin(MEMORY)
        self.due = mark.tick + self._interval(changed)

    def _interval(self, changed: int) -> int:
        """Ticks until the next state: some run time, more where states cost much."""
        tick, then = self._since
        now, here = time.perf_counter(), self._target.inferior.tick
        self._since = (here, now)
        speed = (here - tick) / (now - then) if here > tick and now > then else FIRST_INTERVAL / SECONDS
        seconds = min(max(SECONDS, changed * PAGE_COST * SHARE), SLOWEST)
        return int(min(max(speed * seconds, SHORTEST), LONGEST))

    # ---- the past --------------------------------------------------------------------------------------

    @property
    def file(self) -> Path:
        return self._recorder.path

    @property
    def notice(self) -> str:
        return ""

    def marks(self) -> tuple[Named, ...]:
        return tuple(sorted(self._marks.values(), key=lambda named: (named.mark, named.name)))

    def mark(self, name: str, note: str = "") -> Named:
        named = self._marks[name] = Named(name, self.now, note)
        self._recorder.mark(name, named.mark, note)
        return named

    def unmark(self, name: str) -> None:
        if self._marks.pop(name, None) is None:
            raise TargetError(f"there is no mark {name}")
        self._recorder.unmark(name)

    def observations(
        self, kinds: tuple[type, ...] = (), first: int = 0, until: int | None = None
    ) -> Iterator[Observation]:
        recording = self._recorder.read()
        try:
            yield from recording.observations(kinds, first, until)
        finally:
            recording.close()

    def crossings(self, first: int = 0, until: int | None = None) -> Iterator[Crossing]:
        recording = self._recorder.read()
        try:
            yield from recording.crossings(first, until)
        finally:
            recording.close()

    def recent(self, crossings: int) -> int:
        recording = self._recorder.read()
        try:
            return recording.crossing_tick(recording.crossing_count() - crossings)
        finally:
            recording.close()

    def save(self, path: Path) -> None:
        if self.player.where is Where.LIVE and self._timeline.points[-1].mark < self._live_end():
            self._keep_state(True)
        self._recorder.copy(path)

    def close(self) -> None:
        """The end of the recording."""
        if self.player.where is not Where.LIVE:
            self.player.seek(self.player.last, quiet=True)
        if self._recorder.failure is None and self._timeline.points[-1].mark < self._live_end():
            self._keep_state(True)
        self._recorder.close(self._target.inferior.tick)


class FactsNow:
    """What the guest says, at the moment where its target stands."""

    def __init__(self, target: EmulatorTarget) -> None:
        self._target = target

    @property
    def _guest(self) -> RecordedGuest | Guest:
        keeping = self._target.keeping
        return self._target.guest if keeping is None else keeping.guest

    @property
    def name(self) -> str:
        return self._guest.name

    def compartments(self) -> tuple[Compartment, ...]:
        return self._guest.compartments()

    def modules(self) -> tuple[Module, ...]:
        return self._guest.modules()

    def symbols(self) -> tuple[Symbol, ...]:
        return self._guest.symbols()

    def file(self, path: str) -> bytes | None:
        keeping = self._target.keeping
        return self._target.guest.file(path) if keeping is None else keeping.file_of_guest(path)
