"""Breakpoints, watchpoints, catchpoints; expressions shown at every stop; modules."""

from __future__ import annotations

from typing import ClassVar

from cvmdbg.forms import count_text, hexa, size_text
from cvmdbg.rows import BreakpointRow, DisplayRow, ModuleRow
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import BreakpointsLook, DisplaysLook, Look, ModulesLook
from cvmdbg.tui.spans import Line, left, right


class Breakpoints(Rows):
    """``● 2 breakpoint  16 syscall_handler  40001f47c  2 hits``."""

    ident = "breakpoints"
    title = "Breakpoints"
    event = "stop"
    nothing = "no breakpoints; b in Code sets one, so does :break NAME"
    about = "● enabled, ○ disabled · number, kind, compartment, place, sites, condition, hits."
    keys: ClassVar = (("Space", "enable, disable"), ("Del", "delete"), ("Enter", "show the place"))

    def look(self) -> Look:
        """All of them."""
        return BreakpointsLook()

    def key_of(self, item: BreakpointRow) -> object:
        """Its number."""
        return item.number

    def caption(self) -> str:
        """How many."""
        return str(len(self.items)) if self.items else ""

    def draw(self, item: BreakpointRow, cells: int) -> Line:
        """One of them."""
        where = item.where if not item.pending else f"{item.where} <{item.pending}>"
        more = [f"if {item.condition}"] if item.condition else []
        more += [f"ignore {item.ignore}"] if item.ignore else []
        more += [count_text(item.hits, "hit")] if item.hits else []
        more += [count_text(len(item.commands), "command")] if item.commands else []
        sites = " ".join(hexa(site) for site in item.sites)
        kind = item.kind.replace("breakpoint", "break").replace("watchpoint", "watch").replace("catchpoint", "catch")
        return (
            ("● " if item.enabled else "○ ", "fault" if item.enabled else "dim"),
            (f"{left(str(item.number), 3)}{left(kind, 9 if cells < 60 else 14)} ", "fg"),
            (f"{right(item.badge, 2)} ", f"badge:{item.badge}"),
            (f"{left(where, 20) if len(where) <= 20 else where} ", "symbol"),
            (f"{sites} ", "fg"),
            (" ".join(more) + (" once" if item.temporary else ""), "dim"),
        )

    def open(self, item: BreakpointRow) -> None:
        """Its first site in Code."""
        if item.sites:
            self.debugger_app.show_code(item.sites[0])
        else:
            self.debugger_app.say(f"{item.number} has no place yet: {item.pending or 'it waits for an event'}")

    def action_fold(self) -> None:
        """Space: enable or disable."""
        if self.current is not None:
            word = "disable" if self.current.enabled else "enable"
            self.debugger_app.submit(f"{word} {self.current.number}")

    def line_for(self, command: str) -> str | None:
        """The one under the cursor."""
        return f"delete {self.current.number}" if command == "delete" and self.current is not None else None


class Watch(Rows):
    """Expressions shown at every stop."""

    ident = "watch"
    title = "Watch"
    nothing = "nothing is displayed; :display EXPRESSION shows one at every stop"
    about = "Expressions that are shown at every stop (display, undisplay)."

    def look(self) -> Look:
        """Their values."""
        return DisplaysLook()

    def key_of(self, item: DisplayRow) -> object:
        """Its number."""
        return item.number

    def draw(self, item: DisplayRow, cells: int) -> Line:
        """``1: $c1 = …``."""
        return ((f" {item.number}: ", "dim"), (item.expression, "symbol"), (f" = {item.value}", "fg"))


WIDE = 110
"""Cells from which a module's segments and needs are shown."""


def _asks(item: ModuleRow, cells: int) -> Line:
    """Segments and the libraries that a module needs, where there is room."""
    if cells < WIDE:
        return ()
    needs = ", ".join(item.needs) or "·"
    return ((f"{left(' '.join(item.segments), 20)} ", "fg"), (f"{left(needs, 24)} ", "fg"))


class Modules(Rows):
    """ELF files in memory."""

    ident = "modules"
    title = "Modules"
    event = "load"
    nothing = "nothing is loaded"
    about = "ELF files in memory, those that the guest's loader mapped included, and what is known of their symbols."
    keys: ClassVar = (("Enter", "its memory"),)

    def look(self) -> Look:
        """All of them."""
        return ModulesLook()

    def key_of(self, item: ModuleRow) -> object:
        """Its base."""
        return item.base

    def header(self, cells: int) -> Line:
        """Column names."""
        head = f"  {left('module', 16)}{right('base', 12)}{right('size', 7)} in symbols  "
        more = f"{left('segments', 20)} {left('needs', 24)} " if cells >= WIDE else ""
        return ((f"{head}{more}file", "dim"),)

    def draw(self, item: ModuleRow, cells: int) -> Line:
        """One module."""
        return (
            (f"  {left(item.name, 16)}", "symbol"),
            (f"{right(hexa(item.base), 12)}{right(size_text(item.size), 7)} ", "fg"),
            (f"{right(item.badge, 2)} ", f"badge:{item.badge}"),
            (f"{left(item.symbols, 8)} ", "good" if item.symbols == "dwarf" else "dim"),
            *_asks(item, cells),
            (f"{item.path} {item.state}", "dim"),
        )

    def open(self, item: ModuleRow) -> None:
        """Its memory."""
        self.debugger_app.show_memory(item.base)
