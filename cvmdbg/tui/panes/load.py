"""Dynamic loading: the steps of a load, and relocations with what they minted."""

from __future__ import annotations

from typing import ClassVar

from cvmdbg.forms import hexa, minted_text, tick_text
from cvmdbg.rows import LoadRow, RelocationRow
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.panes.window import WINDOW, Window
from cvmdbg.tui.snapshot import LoadLook, Look, RelocationsLook
from cvmdbg.tui.spans import Line, left, right

WIDE = 90
"""Cells from which the capability is shown."""
MINTED = 28
MARKS = {"done": ("✓", "good"), "failed": ("✗", "fault"), "now": ("▶", "mark")}


class Load(Rows):
    """``✓ 2 101 204 17 app1  open  /app1``: what the loader did, step by step."""

    ident = "load"
    title = "Load"
    event = "load"
    nothing = "nothing loaded dynamically yet; the modules that the monitor deployed are in Modules"
    about = (
        "Steps of loading: tried and opened paths, reads, mappings, needs, relocations done, init functions. "
        "✓ done · ✗ failed · ▶ under way · a tick only where a call of the trace did it."
    )
    keys: ClassVar = (("Enter", "its memory, or its call"), ("]", "run to the next load"))

    def look(self) -> Look:
        """All steps."""
        return LoadLook()

    def key_of(self, item: LoadRow) -> object:
        """What it is about."""
        return (item.kind, item.badge, item.module, item.tick, item.address)

    def caption(self) -> str:
        """How many modules are under way."""
        modules = len({(item.badge, item.module) for item in self.items})
        return f"{modules} modules" if modules else ""

    def header(self, cells: int) -> Line:
        """Column names."""
        return ((f"  {right('tick', 11)} in {left('module', 16)} {left('step', 9)} what", "dim"),)

    def draw(self, item: LoadRow, cells: int) -> Line:
        """One step."""
        mark, role = MARKS.get(item.state, ("·", "dim"))
        tick = "" if item.tick is None else tick_text(item.tick)
        return (
            (f"{mark} ", role),
            (f"{right(tick, 11)} ", "dim"),
            (f"{right(item.badge, 2)} ", f"badge:{item.badge}"),
            (f"{left(item.module, 16)} ", "symbol"),
            (f"{left(item.kind, 9)} ", "mnemonic"),
            (item.what, "fault" if item.state == "failed" else "fg"),
        )

    def open(self, item: LoadRow) -> None:
        """Its call in the trace, else its memory."""
        if item.address is not None:
            self.debugger_app.show_memory(item.address)
        elif item.tick is not None:
            self.debugger_app.filter_trace(f"tick={item.tick}")


class RelocationsPane(Window):
    """``3 app1 CAPINIT 440114c10 ← 44009b831 ● RB [rxRE,440000000 +1G] puts 17 libldso ✓``."""

    ident = "relocations"
    title = "Relocations"
    event = "load"
    nothing = "no module in memory has relocations"
    about = (
        "Slots that loaders fill, read from memory: done ✓, lazy (bound at the first call), expected ·, failed ✗ with "
        "the reason. ● is a capability that was minted, with its permissions, bounds and seal."
    )
    keys: ClassVar = (("Enter", "the slot in memory"), ("&", "filter by module, type or symbol"))

    def look(self) -> Look:
        """The window around the first visible row, or all that pass the filter."""
        if self.only:
            return RelocationsLook(0, 0, self.only)
        return RelocationsLook(self.window_start, WINDOW)

    def header(self, cells: int) -> Line:
        """Column names."""
        made = left("minted", MINTED) if cells >= WIDE else ""
        head = f"{right('#', 6)} {left('module', 13)} {left('type', 10)} {right('slot', 11)}   {left('value', 11)} "
        return ((f"{head}{made}symbol", "dim"),)

    def draw(self, item: RelocationRow, cells: int) -> Line:
        """One relocation."""
        mark, role = MARKS.get(item.state, ("·", "dim"))
        made = minted_text(item.minted) if item.minted is not None else ""
        value = "" if item.value is None else hexa(item.value)
        columns = left(made, MINTED) if cells >= WIDE else ""
        note = f" {item.note}" if item.note else ""
        state = f" {item.state}" if item.state in ("lazy", "expected") else ""
        return (
            (mark, role),
            (f"{right(str(item.number), 5)} ", "dim"),
            (f"{left(item.module, 13)} ", f"badge:{item.badge}"),
            (f"{left(item.kind, 10)} ", "mnemonic"),
            (f"{right(hexa(item.slot), 11)} ← {left(value, 11)} ", "fg"),
            (columns, "fg"),
            (f"{item.symbol or '·'} ", "symbol"),
            (item.provider, "dim"),
            (f"{state}{note}", "fault" if item.state == "failed" else "dim"),
        )

    def open(self, item: RelocationRow) -> None:
        """Its slot."""
        self.debugger_app.show_memory(item.slot)
