"""Rows that are too many to be held: a window of them around what is seen, asked for anew where it is left."""

from __future__ import annotations

from typing import Any

from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import Content

WINDOW = 256
"""Rows of a window."""


class Window(Rows):
    """``items`` holds rows from ``start`` on, of ``total``; ``only`` is what the person filters by."""

    def __init__(self) -> None:
        super().__init__()
        self.only = ""
        self.total = 0
        self.whole = ""
        self._start = 0

    @property
    def window_start(self) -> int:
        """The first row of the window around what is seen."""
        return max(0, self.top - WINDOW // 2)

    def take(self, content: Content) -> None:
        """A window, or all that pass the filter."""
        if self.ready and (content.rows, content.start, content.total) == (self.items, self._start, self.total):
            return
        self.total, self.whole = content.total, content.info
        self._start, self.items = content.start, content.rows
        self._lines.clear()
        self.follow()
        self.cursor = max(0, min(self.cursor, self.count() - 1))
        self._clamp()
        self.redraw()
        self.post_message(self.Moved(self))

    def follow(self) -> None:
        """Where the cursor goes when new rows have come: nowhere."""

    def count(self) -> int:
        """All, also those not here yet."""
        return self.total

    def item(self, index: int) -> Any | None:
        """A row of the window."""
        place = index - self._start
        return self.items[place] if 0 <= place < len(self.items) else None

    def move_to(self, index: int) -> None:
        """A window that is left is asked for anew."""
        super().move_to(index)
        self.came_to(newest=self.cursor >= self.total - 1)
        self._ask_window()

    def scroll_rows(self, rows: int) -> None:
        """As the cursor does."""
        super().scroll_rows(rows)
        self.came_to(newest=self.top + self._room() >= self.total)
        self._ask_window()

    def came_to(self, *, newest: bool) -> None:
        """What is seen was moved; ``newest`` when the last row is reached. Called before a window is asked for."""

    def _ask_window(self) -> None:
        if self.item(self.top) is None or self.item(min(self.total - 1, self.top + self._room() - 1)) is None:
            self.debugger_app.ask(self)

    def filter(self, text: str) -> None:
        """Show only rows that fit."""
        self.only = text.strip()
        self.top = 0
        self.debugger_app.ask(self)

    def notes(self) -> list[str]:
        """What the caption says behind count and filter."""
        return []

    def caption(self) -> str:
        """How many, and the filter."""
        shown = [self.whole] if self.whole and self.whole != "0" else []
        return " ╱ ".join([*shown, *([self.only] if self.only else []), *self.notes()])
