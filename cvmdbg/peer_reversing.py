"""Running backwards by the power of a peer that keeps its own history: instructions, and to the last stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cvmdbg.analysis.crossings import Seen
from cvmdbg.commands.table import Progress
from cvmdbg.debugger import Debugger, Halt
from cvmdbg.judging import Judge, Plan
from cvmdbg.running import Run
from cvmdbg.target import Move, Reverse, Stop, StopKind, TargetError, UserError
from sessions.mark import Mark

ONLY = "this peer goes back by instructions (reverse-stepi) and to the last stop (reverse-continue) only"
UNDER_WAY = (StopKind.RUNNING, StopKind.BUDGET)


@dataclass
class PeerReverser:
    """Does for such a target what a Reverser does for one with a history of ours."""

    debugger: Debugger
    judge: Judge

    @property
    def _power(self) -> Reverse:
        if self.debugger.target.reverse is None:
            raise UserError("this target cannot run backwards")
        return self.debugger.target.reverse

    def continue_(self) -> Run:
        """Back to the last thing that stops a run."""
        return (yield from self._run(Move.CONTINUE))

    def stepi(self, count: int) -> Run:
        """Take back instructions."""
        halt = yield from self._run(Move.STEP)
        for _ in range(count - 1):
            if halt.stop.reason(StopKind.HISTORY) is not None:
                break
            halt = yield from self._run(Move.STEP)
        return halt

    def _run(self, move: Move) -> Run:
        thread = self.debugger.thread
        try:
            stop = self._power.resume(move, thread=thread)
            while any(stop.reason(kind) is not None for kind in UNDER_WAY):
                yield Progress(None, "running backwards")
                stop = self._power.resume(move, thread=thread)
        except TargetError:
            self.debugger.stopped(Halt(self.debugger.target.stop, "end", ""))
            raise
        self.debugger.drain()
        halt = self._meaning(stop)
        self.debugger.stopped(halt)
        return halt

    def _meaning(self, stop: Stop) -> Halt:
        ended = stop.reason(StopKind.HISTORY)
        if ended is not None:
            return Halt(stop, "history", f"at the {ended.detail} of what the peer keeps")
        return self.judge.judge(stop, Plan()) or Halt(stop, "end", "")

    def _refused(self, *_: object) -> Run:
        raise UserError(ONLY)
        yield  # a generator, as every run

    def step(self, count: int) -> Run:
        """Lines need a path that only a history of ours has."""
        return self._refused()

    next = nexti = step

    def finish(self) -> Run:
        """So do calls."""
        return self._refused()

    def to_event(self, wanted: Callable[[Seen], str | None]) -> Run:
        """And crossings."""
        return self._refused()

    def go(self, mark: Mark) -> Run:
        """And moments."""
        return self._refused()
