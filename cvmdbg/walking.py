"""Walking over what was observed: where nothing runs, a step goes to the next thing that happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cvmdbg.analysis.crossings import Seen
from cvmdbg.debugger import Debugger, Halt
from cvmdbg.target import Move, Stop, StopKind, UserError
from sessions.event import Call, Crossing, ModuleLoad, Observation

if TYPE_CHECKING:
    from cvmdbg.running import Run

NOTHING_RUNS = "nothing runs here: step goes to the next thing that was seen, continue to the end"


@dataclass
class Walker:
    """Does for an observed target what a Runner does for one that runs."""

    debugger: Debugger

    def continue_(self) -> Run:
        """To the end."""
        return self._ended(self.debugger.target.resume(Move.CONTINUE))
        yield

    def stepi(self, count: int) -> Run:
        """To the next thing that was seen, ``count`` times."""
        for _ in range(count):
            stop = self.debugger.target.resume(Move.STEP)
            if stop.reason(StopKind.HISTORY) is not None:
                break
        return self._ended(stop)
        yield

    step = next = nexti = stepi

    def advance(self, addresses: tuple[int, ...], until: bool) -> Run:
        """No place is executed."""
        raise UserError(NOTHING_RUNS)

    def until(self) -> Run:
        """As a step."""
        return self.stepi(1)

    def finish(self) -> Run:
        """No frame is known."""
        raise UserError(NOTHING_RUNS)

    def next_crossing(self, wanted: Callable[[Seen], str | None]) -> Run:
        """To the next call that was printed."""
        return self._until(lambda seen: isinstance(seen, Call))

    def next_load(self) -> Run:
        """To the next load."""
        return self._until(lambda seen: isinstance(seen, ModuleLoad))

    def next_thread(self) -> Run:
        """To where one more thread is known."""
        before = len(self.debugger.threads())
        return self._until(lambda seen: len(self.debugger.threads()) != before)

    def _until(self, wanted: Callable[[Observation | Crossing], bool]) -> Run:
        target = self.debugger.target
        while True:
            stop = target.resume(Move.STEP)
            found = self.debugger.drain()
            if stop.reason(StopKind.HISTORY) is not None or any(wanted(seen) for seen in found):
                return self._ended(stop)
        yield

    def _ended(self, stop: Stop) -> Halt:
        self.debugger.drain()
        text = next((r.detail for r in stop.reasons if r.detail), "")
        halt = Halt(stop, "end", text)
        self.debugger.stopped(halt)
        return halt
