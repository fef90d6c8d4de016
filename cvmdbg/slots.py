"""Slots that catchpoints wait for: those of the modules in memory that bind a symbol, each with a watchpoint.

    catch reloc puts ──▶ module mapped ──▶ its slots watched ──▶ written and bound: a stop (backwards: unbound)

A module is looked for whenever a call of its loader has read or mapped something, since a loader announces some
modules only once they are relocated. A slot may be written before it is bound (zeroed, copied from the file, pointed
into the PLT): only the write that binds it stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvmdbg.analysis.crossings import Seen
from cvmdbg.analysis.loading import CALLS
from cvmdbg.analysis.relocations import Relocations
from cvmdbg.breakpoints import Breakpoint
from cvmdbg.rows import RelocationRow
from cvmdbg.target import TargetError

if TYPE_CHECKING:
    from cvmdbg.debugger import Debugger

MOST = 256
"""Slots of one catchpoint that are watched."""


def bound_row(debugger: Debugger, slot: int, symbol: str) -> RelocationRow | None:
    """The relocation of a slot as it stands; None when its module is not in memory."""
    return next((row for row in slot_rows(debugger, symbol) if row.slot == slot), None)


def slot_rows(debugger: Debugger, symbol: str) -> tuple[RelocationRow, ...]:
    """The relocations that bind a symbol, of all modules in memory."""
    return Relocations(debugger, debugger.loading.dynamics).binding(symbol)


def filled(debugger: Debugger, breakpoint_: Breakpoint) -> set[int]:
    """Which slots of a catchpoint are bound now."""
    return {row.slot for row in slot_rows(debugger, breakpoint_.which) if row.state == "done"}


def watch_slots(debugger: Debugger) -> None:
    """Watch the slots of modules that have come, and no longer those of modules that have gone.

    In the past they stay: a module that is not there yet comes again.
    """
    for breakpoint_ in debugger.breakpoints.catching("reloc"):
        rows = slot_rows(debugger, breakpoint_.which)
        slots = {row.slot for row in rows} | (set(breakpoint_.slots) if debugger.in_past else set())
        if slots == set(breakpoint_.slots):
            continue
        fresh = slots - set(breakpoint_.slots)
        breakpoint_.filled |= {row.slot for row in rows if row.slot in fresh and row.state == "done"}
        try:
            debugger.breakpoints.cover(breakpoint_, tuple(sorted(slots))[:MOST])
        except TargetError as error:
            debugger.console.say(f"catchpoint {breakpoint_.number}: {error}")


def loads_something(seen: list[Seen]) -> bool:
    """Did a call of a loader end that may have brought a module?"""
    return any(one.entry is not None and one.kind == "return" and one.entry.name in CALLS for one in seen)
