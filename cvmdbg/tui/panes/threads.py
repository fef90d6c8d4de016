"""Threads, with their ids in the four spaces."""

from __future__ import annotations

from typing import ClassVar

from cvmdbg.rows import ThreadRow
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import Content, Look, ThreadsLook
from cvmdbg.tui.spans import Line, left, right

NARROW = 60


class Threads(Rows):
    """``▶ 17/0  100002  550000  4400dbc60  break 2   16``."""

    ident = "threads"
    title = "Threads"
    event = "thread"
    nothing = "no thread has started yet"
    about = (
        "▶ selected · slot: compartment and number · ids given by host, LibOS and pthread (— unknown) · state · "
        "in: the compartment it runs in · ! its stack is on the heap."
    )
    keys: ClassVar = (("Enter", "select: all panes follow"),)

    def look(self) -> Look:
        """All of them."""
        return ThreadsLook()

    def take(self, content: Content) -> None:
        """Threads; the selected one is in view."""
        super().take(content)
        self.stand_on(next((i for i, row in enumerate(content.rows) if row.selected), None))

    def key_of(self, item: ThreadRow) -> object:
        """Its number."""
        return item.number

    def caption(self) -> str:
        """How many."""
        return str(len(self.items)) if self.items else ""

    def marked(self, index: int) -> bool:
        """The selected one."""
        item = self.item(index)
        return item is not None and bool(item.selected)

    def _pthread_cells(self) -> int:
        return max(9, *(len(r.pthread) for r in self.items), 0)

    def _state_cells(self, cells: int) -> int:
        longest = max((len(r.state) for r in self.items), default=0)
        return max(8, min(longest, 24 if cells >= NARROW else cells - 34))

    def header(self, cells: int) -> Line:
        """Column names."""
        ids = f"{left('slot', 5)} {left('host', 7)} {left('LibOS', 6)} {left('pthread', self._pthread_cells())}"
        stack = " stack" if cells >= NARROW else ""
        return ((f"  {ids} {left('state', self._state_cells(cells))} in{stack}", "dim"),)

    def draw(self, item: ThreadRow, cells: int) -> Line:
        """One thread."""
        ids = f"{left(_id(item.host), 7)} {left(_id(item.libos), 6)} {left(_id(item.pthread), self._pthread_cells())} "
        role = "fault" if item.state.startswith("fault") else "good" if item.selected else "fg"
        return (
            ("▶ " if item.selected else "  ", "mark"),
            (f"{left(item.name, 5)} ", "strong"),
            (ids, "fg"),
            (f"{left(item.state, self._state_cells(cells))} ", role),
            (right(item.badge, 2), f"badge:{item.badge}"),
            (f" {item.stack} " if cells >= NARROW else " ", "dim"),
            (item.note, "mark"),
        )

    def open(self, item: ThreadRow) -> None:
        """Select it."""
        self.debugger_app.submit(f"thread {item.number}")


def _id(text: str) -> str:
    return "—" if text in ("", "-") else text
