"""The address space of a program: which pages are mapped, with what protection, from which file.

Addresses are the program's own, relative to its cVM. Changing it returns effects at absolute addresses.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace

from sessions.event import Effect, Map, Protect, Unmap

PAGE = 0x1000
LOWEST = 0x10000  # mmap_min_addr: null pointers stay unmapped
GAP = 256 * PAGE  # between the stack's limit and the mappings below it


@dataclass(frozen=True, slots=True)
class Area:
    """Pages of one kind. ``prot`` are letters; ``inode`` 0 is anonymous; ``shared`` writes go back to the file."""

    start: int
    end: int
    prot: str
    name: str = ""
    inode: int = 0
    offset: int = 0
    shared: bool = False

    def cut(self, start: int, end: int) -> Area:
        """The part of it between two addresses inside it."""
        return replace(self, start=start, end=end, offset=self.offset + start - self.start if self.inode else 0)


@dataclass(slots=True)
class Space:
    """The mappings of one cVM. ``base`` is absolute; addresses below ``size`` are the program's."""

    base: int
    size: int
    starts: list[int] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    brk_start: int = 0
    brk: int = 0
    top: int = 0  # mappings are placed below this
    entry: int = 0
    users: int = 1  # programs that live in it: 2 while a vfork child has not called execve

    def find(self, address: int) -> Area | None:
        """The area that holds an address."""
        at = bisect_right(self.starts, address) - 1
        if at >= 0:
            area = self.areas[at]
            if address < area.end:
                return area
        return None

    def allows(self, address: int, size: int, letter: str) -> bool:
        """May the program read or write (``letter``) all these bytes?"""
        return self.reach(address, size, letter) >= size

    def reach(self, address: int, size: int, letter: str) -> int:
        """How many of these bytes, from the first on, the program may read or write."""
        at = bisect_right(self.starts, address) - 1
        if at < 0:
            return 0
        area = self.areas[at]
        end = address + size
        reached = address
        while reached < area.end and letter in area.prot:
            if end <= area.end:
                return size
            reached = area.end
            at += 1
            if at == len(self.areas) or self.areas[at].start != reached:
                break
            area = self.areas[at]
        return reached - address

    def between(self, start: int, end: int) -> list[Area]:
        """The parts of areas that lie in a range."""
        at = max(bisect_right(self.starts, start) - 1, 0)
        found: list[Area] = []
        if start >= end:
            return found
        for area in self.areas[at:]:
            if area.start >= end:
                break
            if area.end > start:
                found.append(area.cut(max(start, area.start), min(end, area.end)))
        return found

    def covered(self, start: int, end: int) -> bool:
        """Is every page of a range mapped?"""
        return sum(a.end - a.start for a in self.between(start, end)) == end - start

    def gap(self, size: int, below: int | None = None) -> int | None:
        """The highest free range of this size below ``below`` (default: where mappings go), or None."""
        ceiling = self.top if below is None else below
        for area in reversed(self.areas):
            if area.start >= ceiling:
                continue
            if area.end <= ceiling and ceiling - area.end >= size:
                return ceiling - size
            ceiling = min(ceiling, area.start)
        return ceiling - size if ceiling - size >= LOWEST else None

    def valid(self, start: int, size: int) -> bool:
        """Can a range be mapped at all?"""
        return start >= LOWEST and size > 0 and start + size <= self.size

    # ---- changes ----------------------------------------------------------------------------------

    def map(self, area: Area) -> list[Effect]:
        """Zeroed pages over whatever was there."""
        self._cut_out(area.start, area.end)
        self._insert(area)
        return [Map(self.base + area.start, area.end - area.start, area.prot)]

    def unmap(self, start: int, end: int) -> list[Effect]:
        """Forgets the pages of a range."""
        gone = self.between(start, end)
        self._cut_out(start, end)
        return [Unmap(self.base + a.start, a.end - a.start) for a in gone]

    def protect(self, start: int, end: int, prot: str) -> list[Effect]:
        """Changes the protection of a mapped range."""
        changed = self.between(start, end)
        self._cut_out(start, end)
        for area in changed:
            self._insert(replace(area, prot=prot))
        return [Protect(self.base + a.start, a.end - a.start, prot) for a in changed if a.prot != prot]

    def clear(self) -> list[Effect]:
        """Forgets everything: an execve, an exit."""
        gone: list[Effect] = [Unmap(self.base + a.start, a.end - a.start) for a in self.areas]
        self.starts.clear()
        self.areas.clear()
        return gone

    def _cut_out(self, start: int, end: int) -> None:
        low = max(bisect_right(self.starts, start) - 1, 0)
        high = low
        kept: list[Area] = []
        while high < len(self.areas) and self.areas[high].start < end:
            area = self.areas[high]
            if area.end <= start:
                kept.append(area)
            else:
                if area.start < start:
                    kept.append(area.cut(area.start, start))
                if area.end > end:
                    kept.append(area.cut(end, area.end))
            high += 1
        self.areas[low:high] = kept
        self.starts[low:high] = [a.start for a in kept]

    def _insert(self, area: Area) -> None:
        """Adds an area into a hole; one that goes on in a neighbour of its kind becomes one with it."""
        at = bisect_right(self.starts, area.start)
        if at < len(self.areas) and _joins(area, self.areas[at]):
            area = replace(area, end=self.areas[at].end)
            del self.areas[at], self.starts[at]
        if at and _joins(self.areas[at - 1], area):
            at -= 1
            area = replace(self.areas[at], end=area.end)
            del self.areas[at], self.starts[at]
        self.areas.insert(at, area)
        self.starts.insert(at, area.start)


def _joins(one: Area, other: Area) -> bool:
    """Does the second go on where the first ends?"""
    return (
        one.end == other.start
        and (one.prot, one.name, one.inode, one.shared) == (other.prot, other.name, other.inode, other.shared)
        and (not one.inode or one.offset + one.end - one.start == other.offset)
    )


def round_up(size: int) -> int:
    """To whole pages."""
    return -(-size // PAGE) * PAGE
