"""A sheet: a frame with a title over the panes, around one list. It is a pane too: search, copy, cursor work in it."""

from __future__ import annotations

from rich.segment import Segment
from textual.app import ComposeResult
from textual.strip import Strip
from textual.widget import Widget

from cvmdbg.tui.glyphs import harmless, to_ascii
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.spans import Span, fit, width

MOST = 112
"""Cells that a sheet takes at most."""


class Sheet(Widget):
    """The frame: a heavy title, rules at the sides, a rule below."""

    DEFAULT_CSS = "Sheet { layer: sheet; padding: 1 1; }  Sheet > Rows { width: 1fr; height: 1fr; }"

    def __init__(self, title: str, body: Rows, keys: str = "Esc close   y copy") -> None:
        super().__init__()
        self.heading, self.body, self.keys = title, body, keys

    def compose(self) -> ComposeResult:
        """The list."""
        yield self.body

    def on_mount(self) -> None:
        """Size it for what is there."""
        self.lay()

    def lay(self) -> None:
        """The middle of the screen, below the status row; as high as its rows need."""
        screen = self.screen.size
        cells = screen.width if screen.width < 100 else min(screen.width - 4, MOST)
        most = max(3, screen.height - 3)
        rows = min(most, max(4, self.body.count() + (1 if self.body.header(cells) else 0) + 2))
        if not self.body.ready:
            rows = min(most, 12)
        self.styles.width, self.styles.height = cells, rows
        self.styles.offset = ((screen.width - cells) // 2, max(1, (screen.height - 1 - rows) // 3))

    def render_line(self, y: int) -> Strip:
        """Title, sides, lower rule."""
        from cvmdbg.tui.app import CvmApp

        app = self.app
        assert isinstance(app, CvmApp)
        cells = self.size.width
        spans = self._spans(y, cells)
        return Strip(
            [
                Segment(to_ascii(harmless(text)) if app.ascii else harmless(text), app.palette.style(role))
                for text, role in fit(spans, cells)[0]
            ]
        ).adjust_cell_length(cells, app.palette.style("fg"))

    def render_lines(self, crop: object) -> list[Strip]:
        """The frame also covers its padding: it is drawn over the whole widget."""
        from textual.geometry import Region

        assert isinstance(crop, Region)
        rows = []
        for y in range(crop.y, crop.y + crop.height):
            rows.append(self._frame_line(y).crop(crop.x, crop.x + crop.width))
        return rows

    def _frame_line(self, y: int) -> Strip:
        from cvmdbg.tui.app import CvmApp

        app = self.app
        assert isinstance(app, CvmApp)
        cells = self.outer_size.width
        spans = fit(self._spans(y, cells), cells)[0]
        return Strip(
            [
                Segment(to_ascii(harmless(text)) if app.ascii else harmless(text), app.palette.style(role))
                for text, role in spans
            ]
        ).adjust_cell_length(cells, app.palette.style("fg"))

    def _spans(self, y: int, cells: int) -> tuple[Span, ...]:
        height = self.outer_size.height
        if y == 0:
            room = cells - width(self.heading) - 3
            keys = f"{self.keys}" if width(self.keys) < room - 4 else ""
            fill = cells - 1 - width(self.heading) - width(keys) - (1 if keys else 0)
            return (
                ("━", "heavy"),
                (self.heading, "focus"),
                ("━" * max(0, fill), "heavy"),
                (keys, "dim"),
                ("━" if keys else "", "heavy"),
            )
        if y == height - 1:
            return (("─" * cells, "heavy"),)
        return (("│", "heavy"), (" " * (cells - 2), "fg"), ("│", "heavy"))
