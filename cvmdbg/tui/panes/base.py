"""``Rows``: the one list that every pane is. It draws only what is visible, keeps a cursor, searches, marks, copies.

header     ┐
row top    │ render_line(y) ─▶ draw(item) ─▶ spans ─▶ Strip
row top+1  │
detail     ┘ the cursor's row again, whole, when it was cut and the pane has the focus
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from cvmdbg.tui.glyphs import harmless, to_ascii
from cvmdbg.tui.snapshot import Content, Look
from cvmdbg.tui.spans import Line, Span, fit, plain, width, wrapped
from cvmdbg.tui.worker import text_of

if TYPE_CHECKING:
    from cvmdbg.tui.app import CvmApp

DETAIL_ROWS = 3
WHEEL = 3


class Rows(Widget, can_focus=True):
    """A pane of rows. Subclasses say what to look at (``look``) and how a row is drawn (``draw``)."""

    ident: ClassVar[str] = ""
    title: ClassVar[str] = ""
    live: ClassVar[bool] = False
    """Does it move while the guest runs?"""
    nothing: ClassVar[str] = "nothing here"
    about: ClassVar[str] = ""
    """What F1 says of the pane: columns, glyphs."""
    keys: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Keys that mean something special here, for F1."""
    event: ClassVar[str] = ""
    """What ``]`` runs to from here, and ``[`` back to; empty for the next crossing."""
    bigger: ClassVar[str] = ""
    """The same for ``}`` and ``{``; empty for ``event``."""
    views: ClassVar[tuple[str, ...]] = ()
    """What ``\\`` cycles through."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "first", show=False),
        Binding("end", "last", show=False),
        Binding("enter", "open", show=False),
        Binding("space", "fold", show=False),
        Binding("backslash", "cycle", show=False),
        Binding("left", "tab(-1)", show=False),
        Binding("right", "tab(1)", show=False),
    ]

    class Changed(Message):
        """Title, look or cursor of a pane changed: the title row is drawn anew, the worker told."""

        def __init__(self, pane: Rows) -> None:
            super().__init__()
            self.pane = pane

        def can_replace(self, message: Message) -> bool:
            """One is enough."""
            return isinstance(message, Rows.Changed) and message.pane is self.pane

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, pane: Rows) -> None:
            super().__init__()
            self.pane = pane

        def can_replace(self, message: Message) -> bool:
            """The last one counts."""
            return isinstance(message, Rows.Moved) and message.pane is self.pane

    def __init__(self) -> None:
        super().__init__(id=self.ident or None)
        self.items: Sequence[Any] = ()
        self.cursor = 0
        self.top = 0
        self.reason = ""
        self.ready = False
        self.stale = False
        self.view = 0
        self.hits: frozenset[int] = frozenset()
        self.needle = ""
        self.cells = self.height_cells = 0
        self._lines: dict[int, tuple[Line, bool]] = {}
        self._head: tuple[Line | None, int] | None = None

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:
        """Keep the size at hand: Textual computes it anew at every look."""
        self.cells, self.height_cells, self._head = size.width, size.height, None
        return super()._size_updated(size, virtual_size, container_size, layout)

    # ---- for subclasses ----

    def look(self) -> Look | None:
        """What the worker is asked at each stop; None when nothing is."""
        return None

    def header(self, cells: int) -> Line | None:
        """The header row, if there is one."""
        return None

    def draw(self, item: Any, cells: int) -> Line:
        """A row as spans; it is cut to the pane afterwards."""
        return ((text_of(item), "fg"),)

    def key_of(self, item: Any) -> object:
        """What a row is known by, so that the cursor stays on it; None for its index."""
        return None

    def caption(self) -> str:
        """What stands behind the pane's name in the title: counts, place, mode."""
        return ""

    def line_for(self, command: str) -> str | None:
        """The line that a command's key means on the cursor's row; None where the key means the plain command."""
        return None

    def open(self, item: Any) -> None:
        """Enter on a row."""

    def take(self, content: Content) -> None:
        """New content: all of it."""
        self.replace(content.rows)

    def detail(self, item: Any) -> str:
        """The whole of a row for the detail line."""
        return " ".join(harmless(text_of(item)).split())

    # ---- content ----

    @property
    def debugger_app(self) -> CvmApp:
        """The app, by its own type."""
        from cvmdbg.tui.app import CvmApp

        app = self.app
        assert isinstance(app, CvmApp)
        return app

    def show_content(self, content: Content) -> None:
        """Take an answer of the worker."""
        caption, self.stale, self.ready = self.caption(), False, True
        reason, self.reason = self.reason, content.reason
        self.take(content)
        if reason != self.reason:
            self.redraw()
        if caption != self.caption():
            self.post_message(self.Changed(self))

    def go_stale(self) -> None:
        """What is shown is from before: dim it."""
        if not self.stale:
            self.stale = True
            self.redraw()
            self.post_message(self.Changed(self))

    def replace(self, items: Sequence[Any]) -> None:
        """Other rows: the cursor stays on its row, only rows that differ are drawn again."""
        before, key = self.items, self._cursor_key()
        self.items, self._head = items, None
        if key is not None:
            self.cursor = next((i for i in range(len(items)) if self.key_of(items[i]) == key), self.cursor)
        self.cursor = max(0, min(self.cursor, self.count() - 1))
        old_top = self.top
        self._clamp()
        if len(before) != len(items) or old_top != self.top or not self.ready:
            self.redraw()
        else:
            self._redraw_changed(before, items)

    def _cursor_key(self) -> object:
        item = self.item(self.cursor)
        return None if item is None else self.key_of(item)

    def _redraw_changed(self, before: Sequence[Any], items: Sequence[Any]) -> None:
        if self._lines.keys() and self.stale:
            self.redraw()
            return
        for index in range(self.top, min(self.top + self.height_cells, len(items))):
            if before[index] != items[index]:
                self._lines.pop(index, None)
                self._refresh_row(index)
        self._lines = {i: line for i, line in self._lines.items() if before[i] is items[i] or before[i] == items[i]}

    def count(self) -> int:
        """How many rows there are."""
        return len(self.items)

    def item(self, index: int) -> Any | None:
        """The row at an index, None when there is none or it has not come yet."""
        return self.items[index] if 0 <= index < len(self.items) else None

    @property
    def current(self) -> Any | None:
        """The cursor's row."""
        return self.item(self.cursor)

    def plain(self) -> str:
        """All rows as text, for copying and saving."""
        return "\n".join(text_of(item) for item in self.items) if self.count() else self.sentence()

    def screen_text(self) -> list[str]:
        """What the pane shows now, row by row."""
        return [plain(self._spans(y)).rstrip() for y in range(self.height_cells)]

    def sentence(self) -> str:
        """What stands where there are no rows."""
        return self.reason or ("" if not self.ready else self.nothing)

    # ---- drawing ----

    def redraw(self) -> None:
        """Draw all of it again."""
        self._lines.clear()
        self._head = None
        self.refresh()

    def _refresh_row(self, index: int) -> None:
        y = index - self.top + self._header_rows()
        if 0 <= y < self.height_cells:
            self.refresh(Region(0, y, self.cells, 1))

    def _header_rows(self) -> int:
        return 0 if self._header_line() is None or not self.count() else 1

    def _header_line(self) -> Line | None:
        """The header, made once for what is shown."""
        if self._head is None or self._head[1] != self.count():
            self._head = (self.header(self.cells), self.count())
        return self._head[0]

    def _room(self) -> int:
        """How many rows fit."""
        return max(1, self.height_cells - self._header_rows())

    def render_line(self, y: int) -> Strip:
        """One line of the pane."""
        cells = self.cells
        spans = self._spans(y)
        ground = self._ground(y)
        palette = self.debugger_app.palette
        ascii_only = self.debugger_app.ascii
        segments = [
            Segment(to_ascii(text) if ascii_only else text, palette.style(role, ground)) for text, role in spans
        ]
        return Strip(segments).adjust_cell_length(cells, palette.style("fg", ground))

    def _index(self, y: int) -> int:
        return self.top + y - self._header_rows()

    def _ground(self, y: int) -> str:
        index = self._index(y)
        header = y < self._header_rows()
        lit = not header and self.count() and (self.marked(index) or (self.has_focus and index == self.cursor))
        line = "line" if lit and y not in self._detail_lines() else ""
        return f"stale {line}".rstrip() if self.stale else line

    def marked(self, index: int) -> bool:
        """Is this the row of the pc, the selected thread …?"""
        return False

    def _spans(self, y: int) -> Line:
        cells = self.cells
        details = self._detail_lines()
        if y in details:
            return fit(((" ↳ " if y == min(details) else "   ", "mark"), (details[y], "symbol")), cells)[0]
        if not self.count():
            return self._sentence_line(y, cells)
        if y < self._header_rows():
            return fit(self._header_line() or (), cells)[0]
        index = self._index(y)
        if not 0 <= index < self.count():
            return fit((), cells)[0]
        return self._row(index, cells)[0]

    def _sentence_line(self, y: int, cells: int) -> Line:
        rows = wrapped(harmless(self.sentence()), cells - 2)
        role = "fg" if self.reason else "dim"
        return fit(((" " + rows[y], role),) if y < len(rows) else (), cells)[0]

    def _row(self, index: int, cells: int) -> tuple[Line, bool]:
        found = self._lines.get(index)
        if found is None:
            item = self.item(index)
            raw: Line = ((" …", "dim"),) if item is None else self.draw(item, cells)
            safe = tuple((harmless(text), role) for text, role in raw)
            line, cut = fit(safe, cells)
            if self.needle and index in self.hits:
                line = _lit(line, self.needle)
            found = self._lines[index] = (line, cut)
        return found

    def _detail_lines(self) -> dict[int, str]:
        """Screen rows taken by the detail of the cursor's row: the bottom ones, when it was cut."""
        item = self.current
        if not self.has_focus or item is None or self.height_cells < 4 or not self._shows(self.cursor):
            return {}
        if not self._row(self.cursor, self.cells)[1]:
            return {}
        rows = wrapped(self.detail(item), self.cells - 4, DETAIL_ROWS)
        first = self.height_cells - len(rows)
        y = self.cursor - self.top + self._header_rows()
        return {first + i: row for i, row in enumerate(rows)} if y < first else {}

    def _shows(self, index: int) -> bool:
        return self.top <= index < self.top + self._room()

    # ---- moving ----

    def move_to(self, index: int) -> None:
        """Put the cursor on a row and bring the row into view."""
        index = max(0, min(index, self.count() - 1))
        before, top = self.cursor, self.top
        self.cursor = index
        self._clamp()
        if top != self.top or self._has_detail(before) or self._has_detail(index):
            self.refresh()
        elif before != index:
            self._refresh_row(before)
            self._refresh_row(index)
        self.post_message(self.Moved(self))

    def stand_on(self, index: int | None) -> None:
        """The cursor goes to the row that is selected, unless somebody is looking through the list."""
        if index is not None and not self.has_focus and self.cursor != index:
            self.cursor = index
            self._clamp()
            self.redraw()

    def _has_detail(self, index: int) -> bool:
        return index in self._lines and self._lines[index][1]

    def _clamp(self) -> None:
        """Keep the cursor in view, and its details below it."""
        room = self._room()
        if self.cursor < self.top:
            self.top = self.cursor
        below = room - 1
        if self.cursor > self.top + below:
            self.top = self.cursor - below
        self.top = max(0, min(self.top, max(0, self.count() - room)))
        self._make_room_for_detail()

    def _make_room_for_detail(self) -> None:
        """A cut row at the very bottom would hide under its own detail."""
        item = self.current
        if item is None or not self.has_focus or self.height_cells < 6 or self.cells < 8:
            return
        if not self._row(self.cursor, self.cells)[1]:
            return
        rows = len(wrapped(self.detail(item), self.cells - 4, DETAIL_ROWS))
        over = self.cursor - self.top - (self._room() - rows - 1)
        if over > 0:
            self.top += over

    def action_move(self, rows: int) -> None:
        """Cursor up or down."""
        self.move_to(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        """A screenful."""
        self.move_to(self.cursor + pages * max(1, self._room() - 1))

    def action_first(self) -> None:
        """The first row."""
        self.move_to(0)

    def action_last(self) -> None:
        """The last row."""
        self.move_to(self.count() - 1)

    def action_open(self) -> None:
        """Enter."""
        item = self.current
        if item is not None:
            self.open(item)

    def action_fold(self) -> None:
        """Space: nothing folds here."""

    def action_tab(self, step: int) -> None:
        """The next or previous tab of the frame."""
        self.debugger_app.turn_tab(self, step)

    def action_cycle(self) -> None:
        """The next view: order, format."""
        if self.views:
            self.view = (self.view + 1) % len(self.views)
            self.review()
            self.post_message(self.Changed(self))

    def review(self) -> None:
        """The view changed: ask again, or sort again."""
        self.redraw()

    # ---- searching ----

    def search_rows(self) -> Sequence[Any] | None:
        """The rows that a search goes through; None means the whole trace."""
        return self.items

    def found(self, needle: str, rows: tuple[int, ...], go: bool = True) -> None:
        """A search has hits: mark them, go to the first at or after the cursor."""
        self.needle, self.hits = needle, frozenset(rows)
        self.redraw()
        if rows and go:
            self.move_to(next((row for row in rows if row >= self.cursor), rows[0]))

    def next_hit(self, step: int) -> bool:
        """To the next or previous hit, around the end; False when there is none."""
        rows = sorted(self.hits)
        if not rows:
            return False
        if step > 0:
            self.move_to(next((row for row in rows if row > self.cursor), rows[0]))
        else:
            self.move_to(next((row for row in reversed(rows) if row < self.cursor), rows[-1]))
        return True

    # ---- events ----

    def on_focus(self) -> None:
        """The title turns heavy."""
        self.refresh()
        self.debugger_app.focus_moved(self)

    def on_blur(self) -> None:
        """The cursor's row is plain again."""
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """Columns follow the width; cursor and top row stay."""
        self._clamp()
        self.redraw()
        self.post_message(self.Changed(self))

    def on_click(self, event: events.Click) -> None:
        """Cursor; a double click opens."""
        event.stop()
        if event.y < self._header_rows() and self.count():
            self.action_cycle()
            return
        index = self._index(event.y)
        if 0 <= index < self.count() and event.y not in self._detail_lines():
            self.move_to(index)
            self.clicked(index, event.x)
            if event.chain == 2:
                self.action_open()

    def clicked(self, index: int, x: int) -> None:
        """A click on a row at a column, after the cursor went there."""

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three rows."""
        event.stop()
        self.scroll_rows(-WHEEL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three rows."""
        event.stop()
        self.scroll_rows(WHEEL)

    def scroll_rows(self, rows: int) -> None:
        """Move the view, and the cursor with it when it would leave."""
        room = self._room()
        top = max(0, min(self.top + rows, max(0, self.count() - room)))
        if top != self.top:
            self.top = top
            self.cursor = max(top, min(self.cursor, top + room - 1))
            self.refresh()
            self.post_message(self.Moved(self))


def _lit(line: Line, needle: str) -> Line:
    """The line with every place of ``needle`` in reverse."""
    text = plain(line).casefold()
    wanted = needle.casefold()
    if len(text) != len(plain(line)):
        return line  # case folding changed the length: the places would be wrong
    marks = [False] * len(text)
    at = text.find(wanted)
    while at >= 0:
        marks[at : at + len(wanted)] = [True] * len(wanted)
        at = text.find(wanted, at + max(1, len(wanted)))
    out: list[Span] = []
    place = 0
    for span, role in line:
        for character in span:
            kind = f"reverse:{'mark' if role == 'mark' else role}" if marks[place] else role
            if out and out[-1][1] == kind:
                out[-1] = (out[-1][0] + character, kind)
            else:
                out.append((character, kind))
            place += 1
    return tuple(out)


def cells_of(text: str) -> int:
    """Cells of a text, as the screen counts them."""
    return width(text)
