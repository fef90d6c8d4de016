"""The second half of a search: one stretch of a recording, in a machine and a thread of its own, beside another's.

A stretch without events is all that this can do: what happens there is the engine's alone, which lets Python go on.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from cvmdbg.target import Access
from cvmdbg.targets import translate
from cvmdbg.targets.inferior import Inferior
from emulator_core import _core
from sessions.mark import Mark

PIECE = 20_000_000
"""Ticks between two looks at whether the search is given up."""
CAP = 256
"""Hits that are kept; a stretch with more is for who can halve it."""
WORTH = 5_000_000
"""Ticks of a stretch from which a thread is worth its start."""


def suits(start: Mark, end: Mark) -> bool:
    """Is a stretch without events, and long?"""
    return start.event == end.event and end.tick - start.tick >= WORTH


class Ahead:
    """Searches one stretch at a time. The caller puts ``inferior`` at its start, with nobody else in it."""

    def __init__(self) -> None:
        self.inferior = Inferior()
        self._pool = ThreadPoolExecutor(1, "search")
        self._job: Future[list[Access] | None] | None = None
        self._given_up = False

    def begin(self, start: Mark, end: Mark, address: int, size: int, access: str) -> None:
        """Search from here up to ``end``."""
        self._given_up = False
        self._job = self._pool.submit(self._hits, start.event, end.tick, address, size, access)

    def hits(self) -> list[Access] | None:
        """Waits for all accesses of the stretch, in order; None where that was not begun, or are too many."""
        job, self._job = self._job, None
        return None if job is None else job.result()

    def give_up(self) -> None:
        """Nobody wants to know any more. The machine is free afterwards."""
        self._given_up = True
        self.hits()

    def _hits(self, event: int, end: int, address: int, size: int, access: str) -> list[Access] | None:
        machine, thread = self.inferior.machine, self.inferior.schedule.current
        watch = machine.add_watchpoint(address, size, translate.WATCH[access])
        found: list[Access] = []
        try:
            while machine.ticks < end and len(found) < CAP and not self._given_up:
                before = machine.ticks
                stop = machine.run(thread, min(end - before, PIECE))
                crossed = bool(machine.crossings_packed())
                if machine.ticks == before and not crossed:
                    return None
                if stop.kind == _core.StopKind.WATCHPOINT:
                    hit = translate.watch_hit(stop)
                    mark = Mark(event, machine.ticks - 1)
                    found.append(Access(mark, thread, hit.pc, hit.access, hit.address, hit.size))
        finally:
            machine.remove_watchpoint(watch)
        return found if machine.ticks >= end else None
