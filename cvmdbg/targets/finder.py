"""Who accessed what, asked of a recording: only stretches that touched the page are executed again.

touched:  ──┼──────┼──p───┼──────┼──p───┤ now      the last stretch with the page is run with a watchpoint
                                 └──────┘
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from cvmdbg.target import Access, TargetError, WatchHit
from cvmdbg.targets import translate
from cvmdbg.targets.ahead import CAP, PIECE, Ahead, suits
from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.player import Player
from cvmdbg.targets.registers import number, read_register
from cvmdbg.targets.translation import Virtual
from emulator_core import _core
from sessions.event import CapabilityWrite, Effect, Event, Map, MemoryWrite, RegisterWrite, Unmap
from sessions.mark import Mark
from sessions.timeline import Cancelled

PAGE = 4096
STEPS = 2_000_000
"""Ticks between two looks at whether a search is to end, of a thread that is stepped."""
WINDOWS = (1_000, 20_000, 400_000, 4_000_000)
"""Ticks that are stepped for a register, nearest first; then whole stretches."""


class Finder:
    """Searches in a machine of its own; the player stays where it is."""

    def __init__(self, player: Player) -> None:
        self._player, self._timeline = player, player.timeline
        self._inferior = Inferior()
        self._ahead = Ahead()

    # ---- memory ------------------------------------------------------------------------------------------------------

    def last_access(self, address: int, size: int, access: str, before: Mark) -> Access | None:
        """Who last accessed a range before a moment. Two stretches at a time."""
        stretches = self._stretches(self._player.first, before, address, size, backwards=True)
        try:
            while pair := list(islice(stretches, 2)):
                if len(pair) == 2 and suits(*pair[1]):
                    self._go(pair[1][0], self._ahead.inferior)
                    self._ahead.begin(*pair[1], address, size, access)
                found = self._last_in(*pair[0], address, size, access)
                if found is None and len(pair) == 2:
                    hits = self._ahead.hits()
                    found = hits[-1] if hits else None
                    if hits is None:
                        found = self._last_in(*pair[1], address, size, access)
                if found is not None:
                    return found
        finally:
            self._ahead.give_up()
        return None

    def next_access(self, address: int, size: int, access: str, after: Mark) -> Access | None:
        """Who accesses a range first from a moment on."""
        for start, end in self._stretches(after, self._player.last, address, size, backwards=False):
            found = next(self._accesses(start, end, address, size, access), None)
            if found is not None:
                return found
        return None

    def _stretches(
        self, first: Mark, last: Mark, address: int, size: int, backwards: bool
    ) -> Iterator[tuple[Mark, Mark]]:
        """Stretches between kept states in which a page of the range was touched."""
        points = self._timeline.points
        pages = set(range(address & ~(PAGE - 1), address + size, PAGE))
        low, high = self._timeline.before(first), self._timeline.before(last)
        order = range(high, low - 1, -1) if backwards else range(low, high + 1)
        for index in order:
            start = max(points[index].mark, first)
            following = points[index + 1] if index + 1 < len(points) else None
            end = last if following is None else min(following.mark, last)
            if start < end and (following is None or self._touches(index + 1, pages)):
                yield start, end

    def _touches(self, index: int, pages: set[int]) -> bool:
        """Was a page accessed by the guest, or written from outside, before the point of this index?"""
        point, before = self._timeline.points[index], self._timeline.points[index - 1]
        if not pages.isdisjoint(self._timeline.touched(point)):
            return True
        first, length = min(pages), max(pages) + PAGE - min(pages)
        if Virtual(self._player.inferior).translates:
            first, length = 0, 1 << 64  # events say physical addresses; where the pages were then is not known here
        return any(
            _writes(event, first, length)
            for event in map(self._timeline.events.at, range(before.mark.event, point.mark.event))
        )

    def _last_in(self, start: Mark, end: Mark, address: int, size: int, access: str) -> Access | None:
        """The last access of a stretch; one with many is halved."""
        found: list[Access] = []
        for one in self._accesses(start, end, address, size, access):
            found.append(one)
            if len(found) == CAP:
                break
        else:
            return found[-1] if found else None
        last = found[-1]
        middle = self._timeline.settled((last.mark.tick + end.tick + 1) // 2)
        if not last.mark < middle < end:
            return max(self._accesses(start, end, address, size, access), key=lambda a: a.mark)
        later = self._last_in(middle, end, address, size, access)
        return later or self._last_in(last.mark, middle, address, size, access) or last

    def _accesses(self, start: Mark, end: Mark, address: int, size: int, access: str) -> Iterator[Access]:
        """All accesses from one moment up to another, in order."""
        machine = self._inferior.machine
        self._go(start)
        watch = machine.add_watchpoint(address, size, translate.WATCH[access])
        try:
            for mark, what in self._play(start, end):
                if isinstance(what, Event):
                    if access != "r" and self._written(what, address, size):
                        yield Access(mark, self._current, self._pc(self._current), "event", address, size, what.label)
                elif what is not None:
                    yield Access(mark, self._current, what.pc, what.access, what.address, what.size)
        finally:
            machine.remove_watchpoint(watch)

    def _written(self, event: Event, address: int, size: int) -> bool:
        """Does an event, which says physical addresses, write into a virtual range?"""
        try:
            return any(_writes(event, *piece) for piece in Virtual(self._inferior).pieces(address, size))
        except TargetError:
            return False  # nothing is mapped there now

    @property
    def _current(self) -> int:
        return self._inferior.schedule.current

    def _pc(self, thread: int) -> int:
        return read_register(self._inferior.machine, thread, "pc") if thread >= 0 else 0

    def _go(self, mark: Mark, inferior: Inferior | None = None) -> None:
        try:
            self._timeline.seek(inferior or self._inferior, mark, self._player.interrupted)
        except Cancelled:
            raise TargetError("the search was interrupted") from None

    def _play(self, start: Mark, end: Mark) -> Iterator[tuple[Mark, Event | WatchHit | None]]:
        """Run on; events before they are applied, hits with the moment before them."""
        machine, events, event = self._inferior.machine, self._timeline.events, start.event
        while True:
            if self._player.interrupted():
                raise TargetError("the search was interrupted")
            tick = machine.ticks
            due = events.at(event) if event < end.event else None
            if due is not None and due.tick <= tick:
                yield Mark(event, tick), due
                self._inferior.apply(due.effects)
                event += 1
                continue
            if tick >= end.tick:
                return
            limit = min(end.tick, tick + PIECE, due.tick if due is not None else end.tick)
            stop = machine.run(self._current, limit - tick)
            machine.crossings_packed()
            if stop.kind == _core.StopKind.WATCHPOINT:
                yield Mark(event, machine.ticks - 1), translate.watch_hit(stop)

    # ---- registers ---------------------------------------------------------------------------------------------------

    def last_change(self, thread: int, register: str, before: Mark, bounds: bool = False) -> Access | None:
        """What last changed a register before a moment."""
        for start, end in self._windows(before):
            changes = deque(self._changes(thread, register, bounds, start, end), maxlen=1)
            if changes:
                return changes[0]
        return None

    def next_change(self, thread: int, register: str, after: Mark, bounds: bool = False) -> Access | None:
        """What changes a register first from a moment on."""
        return next(self._changes(thread, register, bounds, after, self._player.last), None)

    def _windows(self, before: Mark) -> Iterator[tuple[Mark, Mark]]:
        """Pieces of the past, nearest and shortest first."""
        end = before
        for size in WINDOWS:
            if end <= self._player.first:
                return
            start = max(self._timeline.settled(before.tick - size), self._player.first)
            if start < end:
                yield start, end
                end = start
        for index in range(self._timeline.before(end), -1, -1):
            start = max(self._timeline.points[index].mark, self._player.first)
            if start < end:
                yield start, end
                end = start

    def _changes(self, thread: int, register: str, bounds: bool, start: Mark, end: Mark) -> Iterator[Access]:
        """All changes of a register, in order: its thread is stepped, the others run."""
        machine, events, event = self._inferior.machine, self._timeline.events, start.event
        self._go(start)
        index = number(register)
        while True:
            tick = machine.ticks
            due = events.at(event) if event < end.event else None
            if due is not None and due.tick <= tick:
                if any(_sets(effect, thread, index) for effect in due.effects):
                    yield Access(Mark(event, tick), thread, self._pc(thread), "event", label=due.label)
                self._inferior.apply(due.effects)
                event += 1
                continue
            if tick >= end.tick:
                return
            limit = min(end.tick, due.tick if due is not None else end.tick)
            yield from self._changes_until(thread, index, bounds, event, limit)

    def _changes_until(self, thread: int, index: int, bounds: bool, event: int, limit: int) -> Iterator[Access]:
        machine = self._inferior.machine
        while (tick := machine.ticks) < limit:
            if self._player.interrupted():
                raise TargetError("the search was interrupted")
            if self._current != thread:
                changed, pc = False, 0
                machine.run(self._current, min(limit - tick, PIECE))
            else:
                changed, pc = machine.run_until_changed(thread, index, bounds, min(limit - tick, STEPS))
            full = bool(machine.crossings_packed())
            if changed:
                yield Access(Mark(event, machine.ticks - 1), thread, pc, "write")
            elif machine.ticks == tick and not full:
                raise TargetError(f"the search cannot pass tick {tick}")


def _sets(effect: Effect, thread: int, index: int) -> bool:
    return isinstance(effect, RegisterWrite) and effect.thread == thread and number(effect.register) == index


def _writes(event: Event, address: int, size: int) -> bool:
    """Does an event write into a range?"""
    for effect in event.effects:
        match effect:
            case MemoryWrite(at, content):
                start, length = at, len(content)
            case CapabilityWrite(at):
                start, length = at, 16
            case Map(at, length) | Unmap(at, length):
                start = at
            case _:
                continue
        if start < address + size and address < start + length:
            return True
    return False
