"""The console: what guest, monitor and debugger print, in the order in which it was printed."""

from __future__ import annotations

from typing import Any, ClassVar

from cvmdbg.forms import tick_text
from cvmdbg.guests.intravisor.imported.forms import meaning
from cvmdbg.rows import OutputRow
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import Content, Look, OutputLook
from cvmdbg.tui.spans import Line

ROLES = {"guest": "fg", "monitor": "dim", "debugger": "symbol", "prompt": "strong"}


class Console(Rows):
    """Lines; the view follows the end while the cursor stands there."""

    ident = "console"
    title = "Console"
    live = True
    nothing = "nothing has been printed yet"
    about = "Guest output, the monitor's own lines, and what the debugger said. Bytes that are no text show as \\x1b."
    keys: ClassVar = (
        (">", "a line to the guest's standard input (Ctrl+D ends it)"),
        ("End", "follow the newest line"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[OutputRow] = []
        self._first = 0
        self._open = 0
        self._following = True
        self._moment = ""
        self.waiting = False

    def look(self) -> Look:
        """From the first line that may still grow."""
        return OutputLook(self._open)

    def take(self, content: Content) -> None:
        """Lines from a number on take the place of those that were there; at another moment all are other ones."""
        if content.info != self._moment:
            self._moment = content.info
            if self._open:
                self._open = 0
                self.debugger_app.ask(self)
                return
        place = content.start - self._first
        if place < 0 or place > len(self._rows):
            self._rows, self._first, place = [], content.start, 0
        grown = len(self._rows) != place or bool(content.rows)
        del self._rows[place:]
        self._rows.extend(content.rows)
        self._open = next(
            (content.start + i for i, row in enumerate(content.rows) if not row.whole),
            content.start + len(content.rows),
        )
        self.items = self._rows
        if grown:
            for index in [i for i in self._lines if i >= place]:
                del self._lines[index]
            if self._following:
                self.cursor = max(0, len(self._rows) - 1)
            self._clamp()
            self.refresh()

    def move_to(self, index: int) -> None:
        """At the last line the view follows."""
        super().move_to(index)
        self._following = self.cursor >= len(self._rows) - 1

    def scroll_rows(self, rows: int) -> None:
        """The wheel lets go of the end, and finds it again."""
        super().scroll_rows(rows)
        self._following = self.top + self._room() >= len(self._rows)

    def caption(self) -> str:
        """Who waits for input."""
        return "it waits: >" if self.waiting else ""

    def draw(self, item: OutputRow, cells: int) -> Line:
        """Where it comes from by colour; a failure stands out."""
        return ((item.line, ROLES.get(item.source, "fg")),)

    def detail(self, item: OutputRow) -> str:
        """The whole line, and its tick."""
        tick = f"   tick {tick_text(item.tick)}" if item.tick is not None else ""
        told = meaning(item.line) if item.source in ("guest", "monitor") else ""
        return f"{item.line}{tick}{'   · ' + told if told else ''}"

    def open(self, item: Any) -> None:
        """To the write that printed it."""
        if item.tick is None:
            self.debugger_app.say("the debugger said this line: it was printed at no tick")
        else:
            self.debugger_app.go_time(f"@{item.tick}")
