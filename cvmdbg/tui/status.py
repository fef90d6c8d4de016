"""The top row, the key line, and the sentence that stands above it for a moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from cvmdbg.forms import tick_text
from cvmdbg.rows import Status
from cvmdbg.tui.glyphs import harmless, to_ascii
from cvmdbg.tui.keys import hints
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

    def show(self, status: Status) -> None:
        """Another status."""
        if status != self.status:
            self.status = status
            self.refresh()

    def spans(self, y: int, cells: int) -> Line:
        """As much as fits."""
        status = self.status
        if status is None:
            return ((" cvmdbg", "strong"), (f"   {self.cvm_app.session.launch.title}   ", "fg"), ("◷ BUSY", "mark"))
        wide = [" cvmdbg", f"  {status.session} {status.target}   "] if cells >= 100 else [" cvmdbg", "   "]
        head: list[Span] = [(wide[0], "strong"), (wide[1], "fg")]
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
