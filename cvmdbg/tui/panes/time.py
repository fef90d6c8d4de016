"""Time: lanes of what happened when, with zoom; and the list of marks."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType

from cvmdbg.forms import tick_text
from cvmdbg.rows import MarkRow, TimeRow
from cvmdbg.tui.lanes import LANES, lane_cells, lane_line, lane_scale
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import Content, MarksLook, TimeLook
from cvmdbg.tui.spans import Line, left, right

DEEPEST = 24
"""Zooms: each halves what is shown."""
EVENTS = {"in": "crossing", "calls": "call", "load": "load", "threads": "thread", "stops": "stop"}
"""What the arrows go to in a lane."""


class Time(Rows):
    """Lanes: in, calls, load, threads, stops, marks; one cell is a stretch of equal length."""

    ident = "time"
    title = "Time"
    nothing = "no history: no guest is loaded"
    about = (
        "One cell is a stretch of time. in: ▂ monitor ▄ outer ▆ inner compartment · calls: · few ┃ many ✗ one failed · "
        "load ◆ · threads + begin - end · stops ●, ahead too where a crossing meets a breakpoint · marks by name · "
        "│ is now. The arrows go to the event before and after in the cursor's lane; a click, or a drag's end, goes."
    )
    keys: ClassVar = (
        ("← →", "the event before, after, of the lane"),
        ("< >", "zoom out, in"),
        ("Home End", "start, end of the recording"),
        ("g 50%", "a share, @TICK, 'MARK"),
        ("m '", "set a mark, list marks"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "event(-1)", show=False),
        Binding("right", "event(1)", show=False),
        Binding("less_than_sign", "zoom(-1)", show=False),
        Binding("greater_than_sign", "zoom(1)", show=False),
        Binding("home", "edge('start')", show=False),
        Binding("end", "edge('end')", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.row: TimeRow | None = None
        self.zoom = 0
        self.held: int | None = None

    def look(self) -> TimeLook:
        """As many cells as the pane has, of the part that the zoom shows."""
        cells = lane_cells(self.cells)
        if not self.zoom or self.row is None:
            return TimeLook(cells)
        begin, end = self._window(self.row)
        return TimeLook(cells, begin, end)

    def _window(self, row: TimeRow) -> tuple[int, int]:
        """Now in the middle, moved into the recording where it would leave it."""
        size = max(self.cells, (row.last - row.first) >> self.zoom)
        begin = max(row.first, min(row.now - size // 2, row.last - size))
        return begin, min(max(row.last, begin + 1), begin + size)

    def take(self, content: Content) -> None:
        """The row as lanes."""
        before = self.row
        self.row = content.rows[0] if content.rows else None
        self._lines.clear()
        self.replace(LANES if self.row is not None else ())
        self.redraw()
        if self.zoom and self.row is not None and (before is None or before.now != self.row.now):
            self.debugger_app.ask(self)

    def caption(self) -> str:
        """What is shown, and the zoom."""
        row = self.row
        if row is None:
            return ""
        return f"{tick_text(row.begin)} … {tick_text(row.end)} ╱ zoom {self.zoom + 1}"

    def key_of(self, item: Any) -> object:
        """A lane is its name."""
        return item

    def draw(self, item: str, cells: int) -> Line:
        """A lane."""
        assert self.row is not None
        return lane_line(self.row, item, cells, self.held)

    def detail(self, item: str) -> str:
        """Where it stands."""
        return self.row.text if self.row is not None else ""

    def on_resize(self, event: events.Resize) -> None:
        """Another number of cells."""
        super().on_resize(event)
        self.debugger_app.ask(self)

    # ---- keys ----

    def action_zoom(self, step: int) -> None:
        """Show half of it, or twice as much."""
        self.zoom = max(0, min(DEEPEST, self.zoom + step))
        self.debugger_app.ask(self)
        self.post_message(self.Changed(self))

    def action_edge(self, where: str) -> None:
        """The start or the end."""
        self.debugger_app.go_time(where)

    def action_event(self, step: int) -> None:
        """The event before or after, of the lane under the cursor."""
        lane = self.current
        if lane == "marks" and self.row is not None:
            self._to_mark(self.row, step)
        elif lane is not None:
            self.debugger_app.submit(f"{'next' if step > 0 else 'previous'}-event {EVENTS[lane]}")

    def _to_mark(self, row: TimeRow, step: int) -> None:
        beyond = [(t, n) for t, n in row.marks if (t > row.now if step > 0 else t < row.now)]
        if beyond:
            self.debugger_app.go_time("'" + (min(beyond) if step > 0 else max(beyond))[1])
        else:
            self.debugger_app.say(f"no mark {'after' if step > 0 else 'before'} this moment; m sets one")

    # ---- mouse ----

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Hold a moment."""
        if self.row is not None and self.count():
            self.capture_mouse()
            self._hold(event.x)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Another one."""
        if self.held is not None:
            self._hold(event.x)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Go there."""
        held, self.held = self.held, None
        if held is not None:
            self.release_mouse()
            self._lines.clear()
            self.debugger_app.go_time(f"@{held}")

    def _hold(self, column: int) -> None:
        assert self.row is not None
        self.held = lane_scale(self.row, self.cells).tick(column)
        self._lines.clear()
        self.refresh()


class Marks(Rows):
    """Named moments: a sheet."""

    nothing = "no marks yet; m NAME TEXT names this moment"
    about = "Named moments by time. ▶ is now. Enter goes to one; Del takes it away."
    keys: ClassVar = (("Enter", "go there"), ("Del", "take it away"))

    def look(self) -> MarksLook:
        """All of them."""
        return MarksLook()

    def key_of(self, item: MarkRow) -> object:
        """Its name."""
        return item.name

    def header(self, cells: int) -> Line:
        """Column names."""
        return ((f"   {left('mark', 12)} {right('at', 15)}  share  note", "dim"),)

    def draw(self, item: MarkRow, cells: int) -> Line:
        """One mark."""
        return (
            (" ▶ " if item.here else "   ", "mark"),
            (f"{left(item.name, 12)} ", "strong"),
            (right(tick_text(item.tick), 15), "fg"),
            (right(f"{100 * item.share:.1f}%", 7), "dim"),
            (f"  {item.note}", "fg"),
        )

    def open(self, item: MarkRow) -> None:
        """Go there."""
        self.debugger_app.close_sheet()
        self.debugger_app.go_time("'" + item.name)

    def line_for(self, command: str) -> str | None:
        """Del takes the mark away."""
        if command == "delete" and self.current is not None:
            return f"mark -d {self.current.name}"
        return None
