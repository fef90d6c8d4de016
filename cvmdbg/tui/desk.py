"""The desk: all panes side by side, their title rows with tabs, and the rules between them.

Panes are never moved between parents: the desk gives each visible one a region and hides the others, so cursor, top
row and focus outlive every change of size or workspace.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.strip import Strip
from textual.widget import Widget

from cvmdbg.tui.glyphs import harmless, to_ascii
from cvmdbg.tui.layout import ORDER, WORKSPACES, Box, Placed, boxes_of, place, width_class
from cvmdbg.tui.layouts import Kept
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.spans import Span, fit, left, width


@dataclass(frozen=True)
class Tab:
    """A tab's name in a title row: cells ``begin`` to ``end``."""

    begin: int
    end: int
    pane: str


class _Tiling(Layout):
    """Children where the desk's boxes are."""

    name = "tiling"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """A placement for each pane that is shown."""
        assert isinstance(parent, Desk)
        placed: list[WidgetPlacement] = []
        for child in children:
            region = parent.pane_region(child.id or "")
            if region is not None:
                placed.append(WidgetPlacement(region, NULL_OFFSET, NULL_SPACING, child))
        return placed


class Desk(Widget):
    """Holds every pane; paints titles and rules itself."""

    DEFAULT_CSS = "Desk { width: 1fr; height: 1fr; overflow: hidden hidden; }"

    def __init__(self, panes: Iterable[Rows]) -> None:
        super().__init__()
        self.panes: dict[str, Rows] = {pane.ident: pane for pane in panes}
        self._tiling = _Tiling()
        self.workspace = "debug"
        self.front: dict[str, str] = {}
        self.hidden: frozenset[str] = frozenset()
        self.zoomed: str | None = None
        self.scale: dict[str, float] = {}
        self.placed = Placed()
        self._drag: int | None = None

    def compose(self) -> ComposeResult:
        """The panes."""
        yield from self.panes.values()

    @property
    def layout(self) -> Layout:
        """Where the boxes are."""
        return self._tiling

    # ---- arranging ----

    def arrange_for(self, size: Size) -> None:
        """Place boxes for a size; show the front pane of each and hide the rest."""
        region = Region(0, 0, size.width, size.height)
        tree = WORKSPACES[self.workspace][width_class(size.width)]
        if self.zoomed is not None:
            box = next((b for b in boxes_of(tree) if self.zoomed in b.tabs), Box("zoom", (self.zoomed,)))
            self.front[self._key(box)] = self.zoomed
            self.placed = Placed({box.name: (box, region)})
        else:
            shown = self.hidden if len(self.hidden) < len(list(boxes_of(tree))) else frozenset()
            self.placed = place(tree, region, shown, self.scale)
        visible = {self.front_of(box) for box, _ in self.placed.boxes.values()}
        for ident, pane in self.panes.items():
            pane.display = ident in visible
        self._clear_arrangement_cache()  # Textual keeps arrangements by size, ours also change at one size
        self.refresh(layout=True)

    def _key(self, box: Box) -> str:
        return f"{box.name}:{len(box.tabs)}"

    def front_of(self, box: Box) -> str:
        """The pane that a box shows."""
        chosen = self.front.get(self._key(box))
        return chosen if chosen in box.tabs else box.tabs[0]

    def pane_region(self, ident: str) -> Region | None:
        """Where a pane's rows are, below its title."""
        for box, region in self.placed.boxes.values():
            if self.front_of(box) == ident and region.height > 1 and region.width > 0:
                return Region(region.x, region.y + 1, region.width, region.height - 1)
        return None

    def box_of(self, ident: str) -> Box | None:
        """The box that holds a pane now."""
        return next((box for box, _ in self.placed.boxes.values() if ident in box.tabs), None)

    def shown(self) -> list[str]:
        """Panes that are shown, in the order of Tab."""
        order = {name: i for i, name in enumerate(ORDER[self.workspace])}
        boxes = sorted(self.placed.boxes.values(), key=lambda entry: order.get(entry[0].name, 99))
        return [self.front_of(box) for box, _ in boxes]

    def bring(self, ident: str) -> bool:
        """Make a pane the front of its box; in another workspace or hidden box if it must be. False if it has none."""
        if self.box_of(ident) is None and self.zoomed is not None:
            self.zoomed = None
            self.arrange_for(self.size)
        box = self.box_of(ident) or self._elsewhere(ident)
        if box is None:
            return False
        self.front[self._key(box)] = ident
        if self.zoomed is not None:
            self.zoomed = ident
        self.arrange_for(self.size)
        return True

    def _elsewhere(self, ident: str) -> Box | None:
        """Unhide the box of a pane, or change the workspace."""
        kind = width_class(self.size.width)
        for name in (self.workspace, *(w for w in WORKSPACES if w != self.workspace)):
            for box in boxes_of(WORKSPACES[name][kind]):
                if ident in box.tabs:
                    self.workspace, self.hidden = name, self.hidden - {box.name}
                    return box
        return None

    def turn(self, ident: str, step: int) -> str:
        """The next tab of a pane's box."""
        box = self.box_of(ident)
        if box is None or len(box.tabs) < 2:
            return ident
        following = box.tabs[(box.tabs.index(ident) + step) % len(box.tabs)]
        self.bring(following)
        return following

    def resize_box(self, ident: str, wider: float, higher: float) -> None:
        """Grow or shrink the box of a pane."""
        box = self.box_of(ident)
        if box is not None:
            for key, factor in ((f"|{box.name}", wider), (box.name, higher)):
                self.scale[key] = max(0.2, min(5.0, self.scale.get(key, 1.0) * factor))
            self.arrange_for(self.size)

    def kept(self) -> Kept:
        """What ``layout save`` keeps."""
        return Kept(self.workspace, dict(self.front), tuple(self.hidden), dict(self.scale))

    def restore(self, kept: Kept) -> None:
        """A saved layout."""
        self.workspace = kept.workspace if kept.workspace in WORKSPACES else "debug"
        self.front, self.hidden, self.scale = dict(kept.front), frozenset(kept.hidden), dict(kept.scale)
        self.zoomed = None
        self.arrange_for(self.size)

    def on_resize(self, event: events.Resize) -> None:
        """Another size: place anew, keep what is shown where it can be."""
        self.keep_in_front()
        self.arrange_for(event.size)

    def keep_in_front(self) -> None:
        """The focused pane stays visible in whatever box will hold it."""
        focused = self.app.focused
        if isinstance(focused, Rows) and focused.ident in self.panes:
            for sizes in WORKSPACES[self.workspace].values():
                for box in boxes_of(sizes):
                    if focused.ident in box.tabs:
                        self.front[self._key(box)] = focused.ident

    # ---- painting ----

    def retitle(self) -> None:
        """Draw the title rows again, nothing else."""
        self.refresh(*(Region(r.x, r.y, r.width, 1) for _, r in self.placed.boxes.values()))

    def render_line(self, y: int) -> Strip:
        """Titles and rules; panes cover the rest."""
        from cvmdbg.tui.app import CvmApp

        app = self.app
        assert isinstance(app, CvmApp)
        line: list[Segment] = []
        at = 0
        for x, spans in sorted(self._pieces(y), key=lambda piece: piece[0]):
            if x > at:
                line.append(Segment(" " * (x - at), app.palette.style("fg")))
            for text, role in spans:
                shown = harmless(text)
                line.append(Segment(to_ascii(shown) if app.ascii else shown, app.palette.style(role)))
            at = x + sum(width(text) for text, _ in spans)
        return Strip(line).adjust_cell_length(self.size.width, app.palette.style("fg"))

    def _pieces(self, y: int) -> list[tuple[int, tuple[Span, ...]]]:
        pieces: list[tuple[int, tuple[Span, ...]]] = []
        for box, region in self.placed.boxes.values():
            if region.y == y:
                pieces.append((region.x, self.title_spans(box, region.width)))
        for x, top, height in self.placed.rules:
            if top <= y < top + height:
                pieces.append((x, (("│", "rule"),)))
        return pieces

    def title_spans(self, box: Box, cells: int) -> tuple[Span, ...]:
        """``─Backtrace ╱ breakpoints 2 ╱ locals───``."""
        front = self.panes[self.front_of(box)]
        focused = front.has_focus
        rule, role = ("━", "heavy") if focused else ("─", "rule")
        spans: list[Span] = [(rule, role)]
        tabs, cut = self._shown_tabs(box, cells)
        for index, ident in enumerate(tabs):
            if index:
                spans.append((" ╱ ", "rule"))
            name, caption = self._tab_name(box, ident)
            shown = ident == front.ident
            spans.append((name, ("focus" if focused else "title") if shown else "dim"))
            if caption:
                spans.append((caption, "dim"))
        if cut:
            spans.append((" ╱ ▸", "rule"))
        taken = sum(width(text) for text, _ in spans)
        note = self._note(front, len(box.tabs) == 1, cells - taken)
        fill = cells - taken - width(note)
        if len(box.tabs) == 1:
            spans += [(note, "dim"), (rule * max(0, fill), role)]
        else:
            last = 1 if note and fill > 1 else 0
            spans += [(rule * max(0, fill - last), role), (note, "dim"), (rule * last, role)]
        return fit(spans, cells)[0]

    def _note(self, front: Rows, single: bool, room: int) -> str:
        """What stands behind the tabs: where the pane is, and ``stale``."""
        caption = front.caption()
        if not single and front.ident in COUNTED:
            caption = ""
        words = " ╱ ".join(part for part in (caption, "stale" if front.stale else "") if part)
        if not words:
            return ""
        text = f" ╱ {words}" if single else f" {words} "
        return left(text, room).rstrip() if width(text) > room > 8 else text if width(text) <= room else ""

    def _tab_name(self, box: Box, ident: str) -> tuple[str, str]:
        pane = self.panes[ident]
        name = pane.title if ident == self.front_of(box) else pane.title.lower()
        if ident == "map" and ident != self.front_of(box):
            name = "map"
        counted = len(box.tabs) > 1 and ident in COUNTED and pane.caption()
        return name, f" {pane.caption().split(' ╱ ')[0]}" if counted else ""

    def _shown_tabs(self, box: Box, cells: int) -> tuple[list[str], bool]:
        """The tabs that fit, the front one among them; whether some did not."""
        front = self.front_of(box)

        def size(tabs: list[str]) -> int:
            return 1 + sum(width("".join(self._tab_name(box, ident))) + 3 for ident in tabs)

        tabs = list(box.tabs)
        if size(tabs) <= cells - 4:
            return tabs, False
        while len(tabs) > 1 and size(tabs) > cells - 5:
            at = len(tabs) - 1 if tabs[-1] != front else len(tabs) - 2
            del tabs[at]
        return tabs, True

    def tabs_of(self, box: Box, cells: int) -> list[Tab]:
        """Where each tab's name stands in its title row."""
        found: list[Tab] = []
        at = 1
        for ident in self._shown_tabs(box, cells)[0]:
            cells_of = width("".join(self._tab_name(box, ident)))
            found.append(Tab(at, at + cells_of, ident))
            at += cells_of + 3
        return found

    def title_of(self, ident: str) -> tuple[int, int] | None:
        """Where a pane's tab begins on the desk: x and y."""
        for box, region in self.placed.boxes.values():
            for tab in self.tabs_of(box, region.width):
                if tab.pane == ident:
                    return region.x + tab.begin, region.y
        return None

    # ---- mouse ----

    def on_click(self, event: events.Click) -> None:
        """A click on a tab brings it to the front."""
        from cvmdbg.tui.app import CvmApp

        app = self.app
        assert isinstance(app, CvmApp)
        for box, region in self.placed.boxes.values():
            if event.y == region.y and region.x <= event.x < region.x + region.width:
                for tab in self.tabs_of(box, region.width):
                    if tab.begin <= event.x - region.x < tab.end:
                        app.focus_pane(tab.pane)
                        return
                app.focus_pane(self.front_of(box))
                return

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """On a rule: begin to drag it."""
        for x, top, height in self.placed.rules:
            if event.x == x and top <= event.y < top + height:
                self._drag = x
                self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the rule."""
        if self._drag is None or event.x == self._drag:
            return
        box = next((b for b, r in self.placed.boxes.values() if r.x + r.width == self._drag), None)
        if box is not None:
            region = self.placed.boxes[box.name][1]
            wanted = max(20, event.x - region.x)
            self.resize_box(self.front_of(box), (wanted / max(1, region.width)) ** 2, 1.0)
            self._drag = next((x for x, _, _ in self.placed.rules if abs(x - event.x) < 12), None)

    def on_mouse_up(self) -> None:
        """The rule stays where it is."""
        if self._drag is not None:
            self._drag = None
            self.release_mouse()


COUNTED = frozenset({"trace", "breakpoints", "threads"})
"""Panes whose tab carries a count."""
