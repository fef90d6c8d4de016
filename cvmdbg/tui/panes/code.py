"""Code: source lines between instructions, breakpoints in the margin, what operands mean behind them."""

from __future__ import annotations

from typing import ClassVar

from cvmdbg.forms import hexa
from cvmdbg.rows import CodeRow
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import CodeLook, Content, Look
from cvmdbg.tui.spans import Line, Span, left, right, width

ABOVE = 3
"""Rows kept above the current line where there is room."""
OPERANDS = 16
"""Cells of operands, so that comments stand in a column."""
MARGIN = 2
"""Cells of the margin: a click there sets a breakpoint."""


class Code(Rows):
    """``●▶ 40001f47c c29b412b  mrs  c11, ddc        ; c11 = 17 440000000 +1G``."""

    ident = "code"
    title = "Code"
    nothing = "no code here"
    views = ("asm+source", "asm", "source")
    about = (
        "● breakpoint, ○ disabled · ▶ where the thread stands, ▷ the selected frame · address, word, instruction; "
        "behind ; what the operands mean. Dim lines are source."
    )
    keys: ClassVar = (
        ("b", "breakpoint here, or away with it"),
        ("F4", "run to here"),
        ("Enter", "follow the operand"),
        ("\\", "asm and source, asm, source"),
        ("Backspace", "back to the place before"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.address: int | None = None
        self.place = ""
        self.mode = ""
        self._anchor: int | None = None
        self._past: list[int | None] = []
        self._ahead: list[int | None] = []
        self._moving = False

    # ---- asking ----

    def look(self) -> Look:
        """Three screens around the place."""
        rows = max(8, self.height_cells)
        view = {"asm+source": "both"}.get(self.views[self.view], self.views[self.view])
        return CodeLook(self.address, rows, 3 * rows, view)

    def go(self, address: int | None) -> None:
        """Show a place: an address, or None for where the thread stands; the one before is kept."""
        if address != self.address:
            self._past.append(self.address)
            self._ahead.clear()
        self.address, self._anchor = address, None
        self.debugger_app.ask(self)

    def back(self) -> bool:
        """To the place before; False when there is none."""
        return self._walk(self._past, self._ahead)

    def forward(self) -> bool:
        """To the place after, when there was a step back; False when there is none."""
        return self._walk(self._ahead, self._past)

    def _walk(self, source: list[int | None], other: list[int | None]) -> bool:
        if not source:
            return False
        other.append(self.address)
        self.address, self._anchor = source.pop(), None
        self.debugger_app.ask(self)
        return True

    def follow(self) -> None:
        """A new stop: show where the thread stands."""
        self.address, self._anchor = None, None
        self._past.clear()
        self._ahead.clear()

    def take(self, content: Content) -> None:
        """Rows around the place: its row stays where it was on the screen if it can."""
        self.place, self.mode = content.title, content.info
        self._lines.clear()
        self.items = content.rows
        wanted = self._anchor if self._anchor is not None else self._home(content.rows)
        index = next((i for i, r in enumerate(content.rows) if r.address == wanted and r.kind != "source"), 0)
        if self._anchor is None:
            self._bring(index)
        else:
            self.top = max(0, index - (self.cursor - self.top))
            self.cursor = index
        self._moving = False
        self._clamp()
        self.redraw()

    def _home(self, rows: tuple[CodeRow, ...]) -> int | None:
        """The address to stand on: the place asked for, the selected frame, the pc."""
        if self.address is not None:
            return next((r.address for r in rows if r.kind != "source" and r.address >= self.address), self.address)
        chosen = next((r for r in rows if r.selected), None) or next((r for r in rows if r.current), None)
        return chosen.address if chosen is not None else None

    def _bring(self, index: int) -> None:
        """Put a row into view: leave the view alone when it is there already."""
        self.cursor = index
        room = self._room()
        if not self.top + 1 <= index < self.top + room - 2 or not self._same_view():
            above = index - ABOVE if room > 6 else index - 1
            while above > 0 and above < index and self.items[above].kind == "code" and index - above > ABOVE:
                above += 1
            self.top = max(0, above)
        self._first = self.items[self.top].address if self.items else None

    _first: int | None = None

    def _same_view(self) -> bool:
        """Is the first row still the one that was shown? Then the picture may stay."""
        if not 0 <= self.top < len(self.items) or self._first is None:
            return False
        at = next((i for i, r in enumerate(self.items) if r.address == self._first), None)
        if at is None:
            return False
        room = self._room()
        if at <= self.cursor < at + room - 2:
            self.top = at
            return True
        return False

    def move_to(self, index: int) -> None:
        """Move; near an end of what is loaded, load around the cursor."""
        super().move_to(index)
        edge = len(self.items) and (index < 2 or index > len(self.items) - 3)
        item = self.current
        if edge and item is not None and not self._moving and self.views[self.view] != "source":
            self._moving = True
            self._anchor = item.address
            self.address = item.address
            self.debugger_app.ask(self)

    def review(self) -> None:
        """Another view: ask again around the cursor."""
        item = self.current
        if item is not None and self.address is not None:
            self.address = item.address
        self.debugger_app.ask(self)

    # ---- drawing ----

    def caption(self) -> str:
        """Compartment, function, mode, view."""
        mode = f"  {self.mode.upper()}" if self.mode and self.mode.upper() not in self.place.upper() else ""
        return f"{self.place}{mode}  {self.views[self.view]}" if self.place else self.views[self.view]

    def marked(self, index: int) -> bool:
        """The pc's row."""
        item = self.item(index)
        return item is not None and (item.current or item.selected)

    def draw(self, item: CodeRow, cells: int) -> Line:
        """A source line, or an instruction."""
        if item.kind == "source":
            return ((right(str(item.line or ""), 7), "dim"), (" " + item.source.expandtabs(4), "dim"))
        digits = max(9, len(hexa(item.address)))
        word = "········" if item.word is None else f"{item.word:08x}"
        role = "fault" if item.kind == "data" else "mnemonic"
        room = cells - MARGIN - 1 - digits - 1 - 8 - 2
        return (
            *_margin(item),
            (f" {right(hexa(item.address), digits)} ", "strong" if item.current else "fg"),
            (f"{word}  ", "dim"),
            (left(item.mnemonic, 5 if room < 44 else 6).rstrip() if not item.operands else _word(item.mnemonic), role),
            *self._rest(item),
        )

    def _rest(self, item: CodeRow) -> tuple[Span, ...]:
        operands = item.operands
        if not item.comment:
            return ((operands, "fg"),)
        padded = left(operands, OPERANDS) if width(operands) <= OPERANDS else operands
        return ((padded, "fg"), (f" ; {item.comment}", "symbol"))

    def detail(self, item: CodeRow) -> str:
        """What the operands mean, whole."""
        if item.kind == "source":
            return item.source.strip()
        return f"{item.mnemonic} {item.operands} ; {item.comment}" if item.comment else super().detail(item)

    # ---- keys ----

    def open(self, item: CodeRow) -> None:
        """Follow the address in the operands or in the comment."""
        for word in reversed(item.operands.replace("[", " ").replace("]", " ").replace(",", " ").split()):
            if len(word) >= 5 and all(c in "0123456789abcdef" for c in word.removeprefix("0x")):
                self.go(int(word, 16))
                return
        self.debugger_app.say("nothing to follow on this line: no operand is an address")

    def line_for(self, command: str) -> str | None:
        """Breakpoints and runs to the cursor."""
        item = self.current
        if item is None:
            return None
        if command == "break":
            return self.debugger_app.toggle_break(item.address, bool(item.margin))
        if command in ("advance", "tbreak"):
            return f"{command} *{item.address:#x}"
        return None

    def clicked(self, index: int, x: int) -> None:
        """A click in the margin toggles a breakpoint."""
        item = self.item(index)
        if item is not None and x < MARGIN and item.kind != "source":
            line = self.debugger_app.toggle_break(item.address, bool(item.margin))
            if line:
                self.debugger_app.submit(line)


def _margin(item: CodeRow) -> tuple[Span, ...]:
    arrow = "▶" if item.current else "▷" if item.selected else " "
    return ((item.margin or " ", "fault" if item.margin == "●" else "dim"), (arrow, "mark"))


def _word(mnemonic: str) -> str:
    return left(mnemonic, max(5, len(mnemonic) + 1))
