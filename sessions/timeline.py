"""Where a machine stands in its recording, and how it goes elsewhere: the nearest checkpoint, then forward.

├──●─────────●───────────────●──────┬──┤        ● checkpoint     ┬ where we go
   └ load the last one before ───▶──┘           run, applying events at their ticks
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sessions.log import Events
from sessions.machine import Saved, TimeMachine
from sessions.mark import START, Mark

NEAR = 1_000_000
"""A seek leaves a state so many ticks before where it goes: the next steps back are short."""
PIECE = 20_000_000
"""Ticks between two looks at whether somebody wants the seek to end."""
RECENT = 24
LOADED = 48
"""States of a file that stay in memory."""


@dataclass(slots=True)
class Point:
    """A moment whose state is kept, in memory (``saved``) or behind ``Source.load``.

    ``touched`` are the pages that were read or written since the point before, None when they must be asked for.
    """

    mark: Mark
    saved: Saved | None
    number: int = -1
    touched: Sequence[int] | None = field(default=(), repr=False)
    cost: int = 0


class Source(Protocol):
    """Gives states that are not in memory."""

    def load(self, point: Point, near: Point | None, machine: TimeMachine) -> None:
        """Put a machine, which stands at ``near`` if that is given, into a point's state."""

    def touched(self, point: Point) -> Sequence[int]:
        """Pages that were read or written since the point before."""


class Cancelled(Exception):
    """A seek was given up; the machine stands somewhere on the way."""


class Timeline:
    """The points of one recording, and its events.

    ``fresh`` makes the machine empty again; without a checkpoint before a mark the way begins there.
    """

    def __init__(self, events: Events, empty: Saved, source: Source | None = None) -> None:
        self.events = events
        self.points: list[Point] = [Point(START, empty)]
        self._source = source
        self._recent: OrderedDict[Mark, Saved] = OrderedDict()
        self._loaded: list[Point] = []

    # ---- points ----

    def add(self, point: Point) -> None:
        """A new point at the end."""
        self.points.append(point)

    def before(self, mark: Mark) -> int:
        """The index of the last point at or before a mark."""
        return bisect_right(self.points, mark, key=lambda p: p.mark) - 1

    def settled(self, tick: int) -> Mark:
        """The mark of a tick at which all its events have happened."""
        return Mark(self.events.after(tick), tick)

    def touched(self, point: Point) -> Sequence[int]:
        """Pages that were read or written since the point before."""
        if point.touched is None:
            assert self._source is not None
            point.touched = self._source.touched(point)
        return point.touched

    def thin(self, budget: int) -> None:
        """Forget states in memory until those that are left cost no more: every second of the older ones first."""
        kept = [p for p in self.points[1:] if p.saved is not None]
        if sum(p.cost for p in kept) <= budget:
            return
        drop = {id(p) for p in kept[: -(len(kept) // 4) or None : 2]}
        for before, point in zip(self.points[1:], self.points[2:], strict=False):
            if id(before) in drop:
                point.touched = sorted({*self.touched(before), *self.touched(point)})
                point.cost += before.cost // 2
        self.points = [p for p in self.points if id(p) not in drop or (self._source is not None and p.number >= 0)]
        for point in self.points:
            if id(point) in drop:
                point.saved = None

    # ---- going ----

    def seek(self, machine: TimeMachine, mark: Mark, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Put a machine at a mark. Cancelled when it was asked for on the way."""
        at = self.nearest(machine, mark)
        near = Mark(0, mark.tick - NEAR)
        if at.tick < near.tick:
            at = self.forward(machine, at, self.settled(near.tick), cancelled)
            self._remember(at, machine.save())
        self.forward(machine, at, mark, cancelled)

    def nearest(self, machine: TimeMachine, mark: Mark) -> Mark:
        """Load the nearest state at or before a mark; where it is."""
        point = self.points[self.before(mark)]
        recent = max((m for m in self._recent if m <= mark), default=None)
        if recent is not None and recent >= point.mark:
            self._recent.move_to_end(recent)
            machine.load(self._recent[recent])
            return recent
        self.load(machine, point)
        return point.mark

    def load(self, machine: TimeMachine, point: Point) -> None:
        """Put a machine into a point's state."""
        if point.saved is not None:
            machine.load(point.saved)
            return
        assert self._source is not None
        near = min(
            (p for p in self.points if p.saved is not None and p.number >= 0),
            key=lambda p: abs(p.number - point.number),
            default=None,
        )
        if near is not None and near.saved is not None:
            machine.load(near.saved)
        else:
            machine.load(self.points[0].saved)  # type: ignore[arg-type]
        self._source.load(point, near, machine)
        point.saved = machine.save()
        self._loaded.append(point)
        if len(self._loaded) > LOADED:
            self._loaded.pop(0).saved = None

    def forward(self, machine: TimeMachine, at: Mark, mark: Mark, cancelled: Callable[[], bool]) -> Mark:
        """Run from a mark to a later one, applying the events between."""
        number, last = at.event, mark.event
        while number < last:
            event = self.events.at(number)
            self._run(machine, event.tick, cancelled)
            machine.apply(event.effects)
            number += 1
        self._run(machine, mark.tick, cancelled)
        return mark

    def _run(self, machine: TimeMachine, tick: int, cancelled: Callable[[], bool]) -> None:
        while machine.tick < tick:
            if cancelled():
                raise Cancelled
            machine.run_to(min(tick, machine.tick + PIECE))

    def _remember(self, mark: Mark, saved: Saved) -> None:
        self._recent[mark] = saved
        self._recent.move_to_end(mark)
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
