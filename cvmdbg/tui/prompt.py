"""The prompt on the last row: a line for the debugger, for the guest, for a search or a filter.

It covers the key line while it is open, so nothing shifts. Candidates stand above it, errors too, with a caret.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from cvmdbg.rows import Candidate
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.spans import Line, left

if TYPE_CHECKING:
    from cvmdbg.tui.app import CvmApp

KINDS = {":": "line", ">": "input", "/": "search", "&": "filter"}
MAX_HISTORY = 2000
SHOWN = 8


class History:
    """Lines that were typed, oldest first; kept in a file when there is one."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lines: list[str] = []
        self.at = 0
        if path is not None and path.is_file():
            content = path.read_text(encoding="utf-8", errors="replace")
            self.lines = [line for line in content.splitlines() if line][-MAX_HISTORY:]
        self.rewind()

    def rewind(self) -> None:
        """Behind the newest line."""
        self.at = len(self.lines)

    def add(self, line: str) -> None:
        """Keep a line; the same twice counts once."""
        if line.strip() and (not self.lines or self.lines[-1] != line):
            self.lines.append(line)
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")
        self.rewind()

    def walk(self, step: int, begun: str) -> str | None:
        """The next older (-1) or newer (1) line that begins like ``begun``; None at the ends."""
        at = self.at + step
        while 0 <= at < len(self.lines):
            if self.lines[at].startswith(begun):
                self.at = at
                return self.lines[at]
            at += step
        if step > 0:
            self.rewind()
            return begun
        return None

    def search(self, part: str) -> str | None:
        """The newest line before the place that holds a text."""
        for at in range(min(self.at, len(self.lines)) - 1, -1, -1):
            if part in self.lines[at]:
                self.at = at
                return self.lines[at]
        return None


class _Ghost(Suggester):
    """The rest of the newest line of the history that begins so, after two letters."""

    def __init__(self, history: History) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.history = history

    async def get_suggestion(self, value: str) -> str | None:
        """A whole line."""
        if len(value) < 2:
            return None
        return next((line for line in reversed(self.history.lines) if line.startswith(value) and line != value), None)


class Entry(Input):
    """The text of the prompt."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("up", "older", show=False),
        Binding("down", "newer", show=False),
        Binding("tab", "complete", show=False),
        Binding("ctrl+r", "search_history", show=False),
        Binding("ctrl+d", "end_input", show=False),
    ]

    @property
    def prompt(self) -> Prompt:
        """The prompt around it."""
        parent = self.parent
        assert isinstance(parent, Prompt)
        return parent

    async def action_submit(self) -> None:
        """Enter."""
        self.prompt.enter()

    def action_leave(self) -> None:
        """Close; what was typed is gone."""
        self.prompt.leave()

    def action_older(self) -> None:
        """An older line, or the candidate above."""
        self.prompt.older()

    def action_newer(self) -> None:
        """A newer line, or the candidate below."""
        self.prompt.newer()

    def action_complete(self) -> None:
        """Complete the last word."""
        self.prompt.tab()

    def action_search_history(self) -> None:
        """The newest line that holds what is typed."""
        self.prompt.search_history()

    def action_end_input(self) -> None:
        """The end of the guest's standard input."""
        self.prompt.end_input()


class Candidates(Rows):
    """Completions above the prompt."""

    DEFAULT_CSS = "Candidates { layer: over; display: none; height: 1; width: 64; }"
    can_focus = False
    nothing = ""

    def __init__(self) -> None:
        super().__init__()
        self.id = "candidates"
        self.can_focus = False

    def show(self, candidates: Sequence[Candidate], column: int) -> None:
        """Show some, above the prompt's row at a column."""
        self.items, self.cursor, self.top, self.ready = tuple(candidates), 0, 0, True
        rows = min(SHOWN, len(candidates))
        self.display = rows > 0
        screen = self.screen.size
        cells = min(screen.width, 72)
        self.styles.width, self.styles.height = cells, max(1, rows)
        self.styles.offset = (max(0, min(column, screen.width - cells)), max(0, screen.height - 1 - rows))
        self.redraw()

    def marked(self, index: int) -> bool:
        """The one that Tab would take."""
        return index == self.cursor

    def _ground(self, y: int) -> str:
        return "line" if self._index(y) == self.cursor else ""

    def draw(self, item: Candidate, cells: int) -> Line:
        """Text, kind, what it is."""
        name = left(item.text, max(20, min(34, len(item.text))))
        return ((f" {name} ", "symbol"), (f"{left(item.kind, 11)} ", "dim"), (item.about, "dim"))


class Prompt(Horizontal):
    """``:``, ``>``, ``/`` or ``&`` and the text behind it."""

    DEFAULT_CSS = """
    Prompt { layer: over; height: 1; width: 100%; display: none; background: $background; }
    Prompt > Static { width: auto; height: 1; color: $primary; background: $background; text-style: bold; }
    Prompt > Entry { width: 1fr; height: 1; border: none; padding: 0; background: $background; color: $foreground; }
    Prompt > Entry:focus { border: none; background: $background; background-tint: $background 0%; }
    """

    class Typed(Message):
        """The text changed."""

        def __init__(self, kind: str, text: str) -> None:
            super().__init__()
            self.kind, self.text = kind, text

    def __init__(self, history: History) -> None:
        super().__init__(id="prompt")
        self.history = history
        self.kind = "line"
        self._begun: str | None = None
        self._candidates: tuple[Candidate, ...] = ()
        self._applied = ""
        self.entry = Entry(compact=True, suggester=_Ghost(history), select_on_focus=False)
        self.entry.cursor_blink = False
        self.sign = Static(":", markup=False)

    def compose(self) -> ComposeResult:
        """The sign and the text."""
        yield self.sign
        yield self.entry

    @property
    def _app(self) -> CvmApp:
        from cvmdbg.tui.app import CvmApp

        app = self.app
        assert isinstance(app, CvmApp)
        return app

    @property
    def candidates(self) -> Candidates:
        """The list above."""
        return self.screen.query_one("#candidates", Candidates)

    def begin(self, sign: str, text: str = "") -> None:
        """Open."""
        self.kind = KINDS[sign]
        self.sign.update(" " + {"line": ":", "input": "stdin> ", "search": "/", "filter": "& "}[self.kind])
        self.display = True
        self.place()
        self.entry.value = text
        self.entry.cursor_position = len(text)
        self.history.rewind()
        self._begun = None
        self._app.set_focus(self.entry)

    def place(self) -> None:
        """On the last row."""
        self.styles.offset = (0, max(0, self.screen.size.height - 1))

    def leave(self) -> None:
        """Close; the focus goes back to where it was."""
        self.hide_candidates()
        self.display = False
        self.entry.value = ""
        self._app.notice.clear()
        self._app.restore_focus()
        if self.kind == "search":
            self._app.search_left()

    @property
    def is_open(self) -> bool:
        """Is it there?"""
        return bool(self.display)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell who completes and who searches."""
        event.stop()
        if self.is_open:
            self._app.notice.clear()
            if event.value != self._applied:
                self.hide_candidates()
            self.post_message(self.Typed(self.kind, event.value))

    def enter(self) -> None:
        """Enter: the line goes out."""
        text = self.entry.value
        self.hide_candidates()
        if self.kind == "line":
            self.history.add(text)
        self._app.entered(self.kind, text)

    # ---- history ----

    def older(self) -> None:
        """Up."""
        if self.candidates.display:
            self._pick(-1)
            return
        self._walk(-1)

    def newer(self) -> None:
        """Down."""
        if self.candidates.display:
            self._pick(1)
            return
        self._walk(1)

    def _walk(self, step: int) -> None:
        if self.kind != "line":
            return
        if self._begun is None or self.history.at == len(self.history.lines):
            self._begun = self.entry.value
        found = self.history.walk(step, self._begun)
        if found is not None:
            self._put(found)

    def search_history(self) -> None:
        """Ctrl+R."""
        found = self.history.search(self._begun if self._begun is not None else self.entry.value)
        if self._begun is None:
            self._begun = self.entry.value
        if found is not None:
            self._put(found)

    def _put(self, text: str) -> None:
        self._applied = text
        self.entry.value = text
        self.entry.cursor_position = len(text)

    # ---- completion ----

    def tab(self) -> None:
        """Tab: ask for candidates; with the list open take the next."""
        if self.kind != "line":
            return
        if self.candidates.display and self._candidates:
            self._pick(1)
            return
        self._app.worker.complete(self.entry.value[: self.entry.cursor_position])

    def offer(self, text: str, candidates: tuple[Candidate, ...]) -> None:
        """Candidates came: one is taken at once, several are listed and their common beginning is put in."""
        if not self.is_open or not self.entry.value.startswith(text):
            return
        self._candidates = candidates
        self._stem = text
        if not candidates:
            self._app.notice.say("nothing completes this", "dim")
            return
        if len(candidates) == 1:
            self._apply(candidates[0].text + " ")
            self.hide_candidates()
            return
        common = _common([c.text for c in candidates])
        word = _last_word(text)
        if len(common) > len(word):
            self._apply(common)
        self.candidates.show(candidates, len(text) - len(word))
        self._first = True

    _stem = ""
    _first = False

    def _pick(self, step: int) -> None:
        listing = self.candidates
        if self._first:
            self._first = False
            step = 0 if step > 0 else -1
        listing.move_to((listing.cursor + step) % listing.count())
        self._apply(self._candidates[listing.cursor].text)

    def _apply(self, word: str) -> None:
        stem = self._stem[: len(self._stem) - len(_last_word(self._stem))]
        self._put(stem + word)

    def hide_candidates(self) -> None:
        """Away with the list."""
        self.candidates.display = False
        self._candidates = ()

    def end_input(self) -> None:
        """Ctrl+D."""
        if self.kind == "input":
            self._app.send_input(None)
            self.leave()


def _last_word(text: str) -> str:
    """What completion replaces: behind the last blank or operator."""
    for at in range(len(text) - 1, -1, -1):
        if text[at] in " \t,()=+*[]":
            return text[at + 1 :]
    return text


def _common(words: list[str]) -> str:
    first, last = min(words), max(words)
    for index, letter in enumerate(first):
        if index >= len(last) or last[index] != letter:
            return first[:index]
    return first
