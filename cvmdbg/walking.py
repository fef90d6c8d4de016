"""Walking over what was observed: where nothing runs, a step goes to what happened next, or before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cvmdbg.analysis.crossings import Seen
from cvmdbg.debugger import Debugger, Halt
from cvmdbg.target import Move, Stop, StopKind, UserError
from sessions.event import Call, ModuleLoad
from sessions.mark import Mark

if TYPE_CHECKING:
    from cvmdbg.running import Run

NOTHING_RUNS = "nothing runs here: step goes to the next thing that was seen, continue to the end"


@dataclass
class _Walk:
    """What both directions share."""

    debugger: Debugger

    def _move(self, move: Move) -> Stop:
        return self.debugger.target.resume(move)

    def continue_(self) -> Run:
        """To the end of what was seen."""
        return self._ended(self._move(Move.CONTINUE))
        yield

    def stepi(self, count: int) -> Run:
        """To what was seen next, ``count`` times."""
        for _ in range(count):
            stop = self._move(Move.STEP)
            if stop.reason(StopKind.HISTORY) is not None:
                break
        return self._ended(stop)
        yield

    step = next = nexti = stepi

    def finish(self) -> Run:
        """No frame is known."""
        raise UserError(NOTHING_RUNS)

    def to_call(self) -> Run:
        """To a call or a crossing that was seen."""
        return self._until(lambda: self._saw(Call) or self._crossed())

    def to_load(self) -> Run:
        """To a load that was seen."""
        return self._until(lambda: self._saw(ModuleLoad))

    def to_thread(self) -> Run:
        """To where another number of threads is known."""
        before = len(self.debugger.threads())
        return self._until(lambda: len(self.debugger.threads()) != before)

    def _saw(self, kind: type) -> bool:
        history = self.debugger.target.history
        assert history is not None
        now = history.now.tick
        return any(True for _ in history.observations((kind,), now, now))

    def _crossed(self) -> bool:
        """Is this the stop behind a crossing? Its tick is that of the stop before it."""
        return self.debugger.target.stop.reason(StopKind.CROSSING) is not None

    def _until(self, wanted: Callable[[], bool]) -> Run:
        while True:
            stop = self._move(Move.STEP)
            if stop.reason(StopKind.HISTORY) is not None or wanted():
                return self._ended(stop)
        yield

    def _ended(self, stop: Stop) -> Halt:
        halt = Halt(stop, "end", next((r.detail for r in stop.reasons if r.detail), ""))
        self.debugger.stopped(halt)
        return halt


class Walker(_Walk):
    """Does for an observed target what a Runner does for one that runs."""

    def advance(self, addresses: tuple[int, ...], until: bool) -> Run:
        """No place is executed."""
        raise UserError(NOTHING_RUNS)

    def until(self) -> Run:
        """As a step."""
        return self.stepi(1)

    def next_crossing(self, wanted: Callable[[Seen], str | None]) -> Run:
        """To the next call."""
        return self.to_call()

    def next_load(self) -> Run:
        """To the next load."""
        return self.to_load()

    def next_thread(self) -> Run:
        """To the next thread."""
        return self.to_thread()


class BackWalker(_Walk):
    """The same towards the start: what a Reverser does for a target that ran."""

    def _move(self, move: Move) -> Stop:
        assert self.debugger.target.reverse is not None
        return self.debugger.target.reverse.resume(move)

    def to_event(self, wanted: Callable[[Seen], str | None]) -> Run:
        """To the call before."""
        return self.to_call()

    def go(self, mark: Mark) -> Run:
        """To a moment."""
        history = self.debugger.target.history
        assert history is not None
        return self._ended(history.seek(mark))
        yield
