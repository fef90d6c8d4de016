"""Breakpoints, watchpoints and catchpoints as people know them, and the sites that the target knows.

A logical breakpoint may have several sites (one for each mapping of its place) or none yet (pending). Several
breakpoints and the debugger's own plans may share a site: the target is told once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from cvmdbg.forms import hexa
from cvmdbg.rows import BreakpointRow
from cvmdbg.target import Stops, TargetError, UserError
from cvmdbg.values import Value


@dataclass
class Breakpoint:
    """One row of ``info breakpoints``. ``kind``: breakpoint, hw watchpoint, read watchpoint, acc watchpoint,

    tag watchpoint, catchpoint, dprintf. ``spec`` is what was typed; ``event`` and ``which`` belong to catchpoints.

    ``slots`` are what ``catch reloc`` watches, ``watches`` their watchpoints, ``filled`` those that are bound.
    """

    number: int
    kind: str
    spec: str
    where: str = ""
    badge: str = ""
    sites: tuple[int, ...] = ()
    enabled: bool = True
    temporary: bool = False
    condition: str = ""
    ignore: int = 0
    hits: int = 0
    commands: list[str] = field(default_factory=list)
    thread: int | None = None
    inside: str = ""
    pending: str = ""
    event: str = ""
    which: str = ""
    address: int = 0
    size: int = 0
    access: str = ""
    watch: int | None = None
    old: Value | None = None
    format: str = ""
    slots: tuple[int, ...] = ()
    watches: dict[int, int] = field(default_factory=dict)
    filled: set[int] = field(default_factory=set)

    @property
    def named(self) -> bool:
        """Does a symbol or line give its sites, so that they follow the modules?"""
        fixed = self.spec.startswith("*") or self.spec.isdigit()
        return self.kind in ("breakpoint", "dprintf") and not fixed

    @property
    def row(self) -> BreakpointRow:
        """As a row of the pane."""
        where = self.where if self.thread is None else f"{self.where} thread {self.thread}"
        return BreakpointRow(
            number=self.number,
            kind=self.kind,
            enabled=self.enabled,
            where=where,
            badge=self.badge,
            sites=self.sites,
            condition=self.condition,
            hits=self.hits,
            ignore=self.ignore,
            commands=tuple(self.commands),
            temporary=self.temporary,
            pending=self.pending,
        )


class Breakpoints:
    """All of a session's, and which sites are set in the target."""

    def __init__(self) -> None:
        self.all: dict[int, Breakpoint] = {}
        self._next = 1
        self._stops: Stops | None = None
        self._sites: Counter[int] = Counter()

    def __iter__(self) -> Iterator[Breakpoint]:
        return iter(list(self.all.values()))

    # ---- the target's side ----

    def attach(self, stops: Stops | None) -> None:
        """Another target, where nothing is set yet. Places that were typed as names are resolved again."""
        self._stops = stops
        self._sites.clear()
        for breakpoint_ in self:
            breakpoint_.watch, breakpoint_.hits = None, 0
            breakpoint_.slots, breakpoint_.watches, breakpoint_.filled = (), {}, set()
            if breakpoint_.named:
                breakpoint_.sites = ()
            if breakpoint_.enabled and stops is not None:
                self._set(breakpoint_)

    def leave(self) -> None:
        """Take everything out of the target, which is left: another one is attached to next."""
        for breakpoint_ in self:
            if breakpoint_.enabled and self._stops is not None:
                self._unset(breakpoint_)

    @property
    def power(self) -> Stops:
        """What sets sites; UserError where the target cannot."""
        if self._stops is None:
            raise UserError("this target has no breakpoints")
        return self._stops

    def hold(self, address: int) -> None:
        """Set a site, once more."""
        self._sites[address] += 1
        if self._sites[address] == 1:
            self.power.add_breakpoint(address)

    def release(self, address: int) -> None:
        """Take a site back; the last one removes it from the target."""
        self._sites[address] -= 1
        if self._sites[address] <= 0:
            del self._sites[address]
            self.power.remove_breakpoint(address)

    def held(self, address: int) -> bool:
        """Is a site set there?"""
        return address in self._sites

    # ---- the person's side ----

    def add(self, breakpoint_: Breakpoint) -> Breakpoint:
        """Number it and set its sites."""
        breakpoint_.number = self._next
        if breakpoint_.enabled:
            self._set(breakpoint_)
        self.all[breakpoint_.number] = breakpoint_
        self._next += 1
        return breakpoint_

    def place(self, breakpoint_: Breakpoint, sites: tuple[int, ...]) -> None:
        """Move it to other sites."""
        if breakpoint_.enabled:
            self._unset(breakpoint_)
        breakpoint_.sites = sites
        if breakpoint_.enabled:
            self._set(breakpoint_)

    def cover(self, breakpoint_: Breakpoint, slots: tuple[int, ...]) -> None:
        """Watch these slots and no others."""
        if breakpoint_.enabled:
            self._unset(breakpoint_)
        breakpoint_.slots = slots
        if breakpoint_.enabled:
            self._set(breakpoint_)

    def remove(self, number: int) -> None:
        """Forget it."""
        breakpoint_ = self.get(number)
        if breakpoint_.enabled:
            self._unset(breakpoint_)
        del self.all[number]

    def enable(self, number: int, on: bool) -> None:
        """Switch it on or off."""
        breakpoint_ = self.get(number)
        if breakpoint_.enabled == on:
            return
        if on:
            self._set(breakpoint_)
        else:
            self._unset(breakpoint_)
        breakpoint_.enabled = on

    def get(self, number: int) -> Breakpoint:
        """By number; UserError when there is none."""
        if number not in self.all:
            known = ", ".join(str(n) for n in self.all) or "none is set"
            raise UserError(f"no breakpoint {number}; there are: {known}")
        return self.all[number]

    def at(self, address: int) -> list[Breakpoint]:
        """Enabled ones with a site there."""
        return [b for b in self if b.enabled and address in b.sites]

    def by_watch(self, watch: int) -> Breakpoint | None:
        """The one that a watchpoint of the target belongs to."""
        return next((b for b in self if b.watch == watch), None)

    def by_slot(self, watch: int) -> tuple[Breakpoint, int] | None:
        """The catchpoint and its slot that a watchpoint of the target belongs to."""
        return next(((b, b.watches[watch]) for b in self if watch in b.watches), None)

    def waiting_for(self, modules: list[str]) -> list[Breakpoint]:
        """Enabled ``catch load`` that want one of these modules: any, or those whose name an expression finds."""
        wanted = self.catching("load")
        return [b for b in wanted if any(re.search(b.which, name) is not None for name in modules)]

    def catching(self, event: str) -> list[Breakpoint]:
        """Enabled catchpoints of an event."""
        return [b for b in self if b.enabled and b.event == event]

    def mark(self, address: int) -> str:
        """What Code shows in its margin."""
        found = [b for b in self if address in b.sites]
        return "" if not found else "●" if any(b.enabled for b in found) else "○"

    def _set(self, breakpoint_: Breakpoint) -> None:
        done: list[int] = []
        try:
            for site in breakpoint_.sites:
                self.hold(site)
                done.append(site)
            if breakpoint_.access:
                breakpoint_.watch = self.power.add_watchpoint(breakpoint_.address, breakpoint_.size, breakpoint_.access)
            for slot in breakpoint_.slots:
                breakpoint_.watches[self.power.add_watchpoint(slot, 8, "w")] = slot
        except TargetError:
            self._unwatch(breakpoint_)
            for site in done:
                self.release(site)
            raise

    def _unset(self, breakpoint_: Breakpoint) -> None:
        for site in breakpoint_.sites:
            self.release(site)
        self._unwatch(breakpoint_)

    def _unwatch(self, breakpoint_: Breakpoint) -> None:
        if breakpoint_.watch is not None:
            self.power.remove_watchpoint(breakpoint_.watch)
            breakpoint_.watch = None
        for watch in breakpoint_.watches:
            self.power.remove_watchpoint(watch)
        breakpoint_.watches = {}


def sites_text(sites: tuple[int, ...]) -> str:
    """Addresses of sites, in a row."""
    return ", ".join(hexa(site) for site in sites)
