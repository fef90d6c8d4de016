"""The top row, the key line, and the sentence that stands above it for a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from cvmdbg.forms import tick_text
from cvmdbg.rows import Status, TimeRow
from cvmdbg.tui.glyphs import harmless, to_ascii
from cvmdbg.tui.keys import hints
from cvmdbg.tui.lanes import strip_line, strip_parts, strip_scale
from cvmdbg.tui.snapshot import Content, TimeLook
from cvmdbg.tui.spans import Line, Span, fit, width, wrapped

if TYPE_CHECKING:
    from cvmdbg.tui.app import CvmApp

STATES = {
    "none": ("◷ BUSY", "mark"),
    "stop": ("■ STOP", "mark"),
    "run": ("▶ RUN", "good"),
    "fault": ("✗ FAULT", "fault"),
    "wait": ("■ WAIT", "mark"),
    "past": ("REPLAY", "mark"),
    "diverted": ("DIVERGED", "mark"),
    "back": ("◀ BACK", "good"),
    "exit": ("○ EXIT", "dim"),
    "lost": ("≈ LOST", "fault"),
    "busy": ("◷ BUSY", "mark"),
}


class Row(Widget):
    """One or more rows of spans over the whole width."""

    DEFAULT_CSS = "Row { height: 1; width: 1fr; }"

    def spans(self, y: int, cells: int) -> Line:
        """The spans of a row."""
        return ()

    @property
    def cvm_app(self) -> CvmApp:
        """The app, by its own type."""
        from cvmdbg.tui.app import CvmApp

        app = self.app
        assert isinstance(app, CvmApp)
        return app

    def ground(self) -> str:
        """What is behind the row."""
        return ""

    def render_line(self, y: int) -> Strip:
        """The spans in the palette's styles."""
        app = self.cvm_app
        cells = self.size.width
        line, _ = fit(tuple((harmless(text), role) for text, role in self.spans(y, cells)), cells)
        ground = self.ground()
        segments = [
            Segment(to_ascii(text) if app.ascii else text, app.palette.style(role, ground)) for text, role in line
        ]
        return Strip(segments).adjust_cell_length(cells, app.palette.style("fg", ground))

    def screen_text(self) -> list[str]:
        """What it shows, as text."""
        cells = self.size.width
        return ["".join(t for t, _ in fit(self.spans(y, cells), cells)[0]).rstrip() for y in range(self.size.height)]


class StatusRow(Row):
    """Name, session, target, state, reason, place, thread, tick: dropped from the right when narrow."""

    def __init__(self) -> None:
        super().__init__(id="status")
        self.status: Status | None = None
        self.stopping = False
        self.busy: str | None = None

    def show(self, status: Status) -> None:
        """Another status."""
        if status != self.status or self.busy is not None:
            self.status, self.busy = status, None
            self.refresh()

    def show_busy(self, doing: str | None) -> None:
        """What takes long and how far it is; None when it is done."""
        if doing != self.busy:
            self.busy = doing
            self.refresh()

    def spans(self, y: int, cells: int) -> Line:
        """As much as fits."""
        status = self.status
        if status is None:
            return ((" cvmdbg", "strong"), (f"   {self.cvm_app.session.launch.title}   ", "fg"), ("◷ BUSY", "mark"))
        wide = [" cvmdbg", f"  {status.session} {status.target}   "] if cells >= 100 else [" cvmdbg", "   "]
        head: list[Span] = [(wide[0], "strong"), (wide[1], "fg")]
        if self.busy is not None:
            status = replace(status, state="busy", reason=self.busy)
        parts = _parts(status, self.stopping, brief=False)
        if sum(width(text) for group in (head, *parts) for text, _ in group) > cells:
            parts = _parts(status, self.stopping, brief=True)
        for group in parts:
            size = sum(width(text) for text, _ in (*head, *group))
            if size > cells:
                break
            head += group
        return tuple(head)


def _parts(status: Status, stopping: bool, brief: bool) -> list[list[Span]]:
    """The groups behind the name; ``brief`` names where it came from by badge only."""
    word, role = STATES.get(status.state, (status.state.upper(), "fg"))
    if status.state == "exit" and status.exit_status is not None:
        word = f"{word} {status.exit_status}"
    parts: list[list[Span]] = [[(word, role)]]
    reason = "stopping" if stopping else status.reason
    if reason:
        parts.append([(f"  {reason}", "fault" if status.state == "fault" else "fg")])
    if status.place:
        place: list[Span] = [("  ", "fg"), (status.place, f"badge:{status.place.split(' ')[0]}")]
        if status.entered:
            badge = status.entered.split(" ")[0]
            place += [(" ← ", "dim"), (badge if brief else status.entered, f"badge:{badge}")]
        parts.append(place)
    if status.thread:
        parts.append([("    thread ", "dim"), (status.thread.removeprefix("thread "), "fg")])
    if status.tick is not None:
        parts.append([("  tick ", "dim"), (tick_text(status.tick), "fg")])
    return parts


class TimeStrip(Row):
    """The run's time in one row: what is run where by height, marks, now. Dragging in it seeks on release."""

    def __init__(self) -> None:
        super().__init__(id="strip")
        self.row: TimeRow | None = None
        self.reason = ""
        self.held: int | None = None
        self._room = 0

    def look(self) -> TimeLook:
        """A cell of time for each of the screen's: how many these are is known once the texts beside them are."""
        return TimeLook(self._room or max(1, self.size.width // 2))

    def on_resize(self, event: events.Resize) -> None:
        """Another number of cells."""
        self._room = strip_parts(self.row, event.size.width)[2] if self.row is not None else 0
        self.cvm_app.ask_strip()

    def show_content(self, content: Content) -> bool:
        """Another moment; True when there is another number of cells to be asked for."""
        row = content.rows[0] if content.rows else None
        if (row, content.reason) != (self.row, self.reason):
            self.row, self.reason = row, content.reason
            self.refresh()
        room = strip_parts(row, self.size.width)[2] if row is not None else self._room
        changed, self._room = room != self._room, room
        return changed

    def spans(self, y: int, cells: int) -> Line:
        """The strip, or why there is none."""
        if self.row is None:
            return ((f" {self.reason}", "dim"),) if self.reason else ()
        return strip_line(self.row, cells, self.held)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Hold a moment: its tick is shown."""
        if self.row is not None:
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
            self.refresh()
            self.cvm_app.go_time(f"@{held}")

    def _hold(self, column: int) -> None:
        assert self.row is not None
        self.held = strip_scale(self.row, self.size.width).tick(column)
        self.refresh()


class KeyLine(Row):
    """Keys with their words, by priority; greyed where the command cannot be used now."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self.reasons: Mapping[str, str] = {}
        self.running = False

    def show(self, reasons: Mapping[str, str], running: bool) -> None:
        """Another state."""
        if (dict(reasons), running) != (dict(self.reasons), self.running):
            self.reasons, self.running = reasons, running
            self.refresh()

    def spans(self, y: int, cells: int) -> Line:
        """``n next  s step …  F1 help``."""
        spans: list[Span] = [(" ", "fg")]
        for hint in hints(self.running, cells, self.cvm_app.session.table):
            grey = hint.command in self.reasons
            spans += [(hint.key, "dim" if grey else "strong"), (f" {hint.word}  ", "dim" if grey else "fg")]
        return tuple(spans)


class Notice(Row):
    """A sentence above the key line, until the next key: nothing moves for it."""

    DEFAULT_CSS = "Notice { layer: over; height: 1; display: none; }"

    def __init__(self) -> None:
        super().__init__(id="notice")
        self.sentence = ""
        self.role = "fg"
        self.caret: int | None = None

    def say(self, sentence: str, role: str = "fg") -> None:
        """Show a sentence."""
        self.sentence, self.role = sentence, role
        self.lay()

    def lay(self) -> None:
        """Take as many rows as the sentence needs, at the bottom."""
        rows = self.rows()
        self.display = bool(self.sentence)
        self.styles.height = max(1, len(rows))
        self.styles.offset = (0, max(0, self.screen.size.height - 1 - len(rows)))
        self.refresh()

    def clear(self) -> None:
        """Away with it."""
        if self.display:
            self.sentence = ""
            self.display = False

    def rows(self) -> tuple[str, ...]:
        """The sentence in rows."""
        return wrapped(harmless(self.sentence), max(8, self.screen.size.width - 4), 5) if self.sentence else ()

    def ground(self) -> str:
        """Set off from the panes."""
        return "line"

    def spans(self, y: int, cells: int) -> Line:
        """One row of it."""
        rows = self.rows()
        mark = "▸ " if y == 0 else "  "
        return ((f" {mark}", "mark"), (rows[y] if y < len(rows) else "", self.role))
