"""A run's time in cells: what each stretch of equal length held. What the time strip and the Time pane are drawn from.

The cost is by cells, not by calls: each cell looks its calls up by bisection and at no more than a few of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from cvmdbg.analysis.crossings import Entry, Seen
from cvmdbg.debugger import Debugger
from cvmdbg.judging import caught
from cvmdbg.rows import MarkRow, TimeCell, TimeRow
from cvmdbg.target import History
from sessions.event import Halted, ThreadExit, ThreadStart

LOOKED = 32
"""Calls and crossings of a cell that are looked at for depth and failures."""
SCANNED = 2000
"""Events that are looked at for threads each time: a long recording is looked through over several looks."""
CROSSED = 20_000
"""The same for crossings, of breakpoints."""


@dataclass
class Times:
    """Gathers, for one debugger, what is not kept by tick elsewhere: threads and halts."""

    debugger: Debugger
    _threads: list[tuple[int, str]] = field(default_factory=list)
    _scanned: int = 0
    _met: list[int] = field(default_factory=list)
    _met_of: tuple[object, ...] = ()
    _met_seen: int = 0

    def row(self, cells: int, begin: int | None = None, end: int | None = None) -> TimeRow | None:
        """``cells`` cells from ``begin`` to ``end`` (without: all that is recorded); None without history."""
        history = self.debugger.target.history
        if history is None:
            return None
        first, now, last = history.first.tick, history.now.tick, history.last.tick
        begin, end = first if begin is None else begin, max(last, first + 1) if end is None else end
        edges = [begin + (end - begin) * n // max(cells, 1) for n in range(cells + 1)]
        marks = tuple((named.mark.tick, named.name) for named in history.marks())
        calls = self.debugger.trace.whole
        return TimeRow(
            unit="tick" if self.debugger.target.stop.tick is not None else "line",
            where=history.where,
            first=first,
            now=now,
            last=last,
            begin=begin,
            end=end,
            cells=tuple(self._cells(history, edges)),
            marks=marks,
            call=bisect_right(calls, now, key=_began),
            calls=len(calls),
        )

    def _cells(self, history: History, edges: Sequence[int]) -> list[TimeCell]:
        calls, crossed, place = self.debugger.trace.whole, self.debugger.trace.crossed, self._depths()
        threads = self._seen_threads(history)
        loads = [tick for tick, _ in self.debugger.loads]
        halts = sorted({halt.tick for halt in history.observations((Halted,))} | set(self.debugger.stood))
        marks = [(named.mark.tick, named.name) for named in history.marks()]
        met = self._breaks()
        cells = []
        for begin, end in pairwise(edges):
            low, high = bisect_left(calls, begin, key=_began), bisect_left(calls, end, key=_began)
            inside = calls[low : min(high, low + LOOKED)]
            left, right = bisect_left(crossed, begin, key=_crossed), bisect_left(crossed, end, key=_crossed)
            before = crossed[left - 1].target if left else ""
            badge = _deepest(crossed[left : min(right, left + LOOKED)], place) or before
            cells.append(
                TimeCell(
                    badge=badge,
                    depth=place.get(badge, 1),
                    calls=high - low,
                    failed=any(c.failed for c in inside),
                    loads=_count(loads, begin, end),
                    threads=tuple(said for tick, said in threads if begin <= tick < end)[:4],
                    stops=_count(halts, begin, end),
                    mark=next((name for tick, name in marks if begin <= tick < end), ""),
                    breaks=_count(met, begin, end),
                )
            )
        return cells

    def _breaks(self) -> list[int]:
        """Ticks of crossings at which an enabled breakpoint stops, as far as they have been looked through."""
        enabled = [b for b in self.debugger.breakpoints if b.enabled and (b.event or b.sites)]
        crossed, of = self.debugger.trace.crossed, tuple((b.number, b.event, b.which, b.sites) for b in enabled)
        if of != self._met_of or len(crossed) < self._met_seen:
            self._met, self._met_of, self._met_seen = [], of, 0
        sites = frozenset(site for b in enabled for site in b.sites)
        end = min(len(crossed), self._met_seen + CROSSED) if enabled else 0
        for seen in crossed[self._met_seen : end]:
            if seen.crossing.to & ~1 in sites or any(caught(b, seen) for b in enabled if b.event):
                self._met.append(seen.crossing.tick)
        self._met_seen = end
        return self._met

    def _depths(self) -> dict[str, int]:
        """How deep a compartment lies: the monitor 1, a cVM in it 2, one inside that 3."""
        depth = {"M": 1}
        for compartment in self.debugger.places.compartments:
            depth.setdefault(compartment.badge, min(3, depth.get(compartment.inside or "", 0) + 1))
        return depth

    def _seen_threads(self, history: History) -> list[tuple[int, str]]:
        """Threads that began and ended, as far as the events have been looked through."""
        end = min(history.events.count, self._scanned + SCANNED)
        for number in range(self._scanned, end):
            event = history.events.at(number)
            for effect in event.effects:
                if isinstance(effect, ThreadStart | ThreadExit):
                    sign = "+" if isinstance(effect, ThreadStart) else "-"
                    self._threads.append((event.tick, sign + self.debugger.thread_name(effect.thread)))
        self._scanned = end
        return self._threads


def mark_rows(debugger: Debugger) -> tuple[MarkRow, ...]:
    """Named moments by time; none without history."""
    history = debugger.target.history
    if history is None:
        return ()
    first, size, now = history.first.tick, max(1, history.last.tick - history.first.tick), history.now
    return tuple(
        MarkRow(n.name, n.mark.tick, (n.mark.tick - first) / size, n.note, n.mark == now) for n in history.marks()
    )


def _began(entry: Entry) -> int:
    return entry.tick


def _crossed(seen: Seen) -> int:
    return seen.crossing.tick


def _deepest(crossings: Sequence[Seen], place: dict[str, int]) -> str:
    """The compartment that lies deepest of those that were left or entered."""
    badges = [badge for seen in crossings for badge in (seen.source, seen.target) if badge in place]
    return max(badges, key=lambda badge: place[badge], default="")


def _count(ticks: Sequence[int], begin: int, end: int) -> int:
    return bisect_left(ticks, end) - bisect_left(ticks, begin)
