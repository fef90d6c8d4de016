"""Time as cells of the screen: pure functions from a TimeRow to spans, and from a column to a tick and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cvmdbg.forms import tick_text
from cvmdbg.rows import TimeCell, TimeRow
from cvmdbg.tui.spans import Line, Span, left, width

DEPTHS = {0: "─", 1: "▂", 2: "▄", 3: "▆"}
"""Height by depth, so that it reads without colour."""
NOW = "┃"
LANES = ("in", "calls", "load", "threads", "stops", "marks")
LABEL = 9
"""Cells of a lane's name."""


@dataclass(frozen=True)
class Scale:
    """Equal stretches of ``begin`` … ``end``, one a cell, from column ``x`` on."""

    begin: int
    end: int
    x: int
    cells: int

    def cell(self, tick: int) -> int:
        """The cell of a tick; outside: -1 or ``cells``."""
        if tick < self.begin:
            return -1
        if tick > self.end:
            return self.cells
        return min(self.cells - 1, (tick - self.begin) * self.cells // max(1, self.end - self.begin))

    def tick(self, column: int) -> int:
        """The tick at a column of the screen, the nearer end outside; the last cell means the very end."""
        cell = column - self.x
        if cell >= self.cells - 1:
            return self.end
        return self.begin + max(0, cell) * (self.end - self.begin) // max(1, self.cells)


# ---- the strip -------------------------------------------------------------------------------------------------------


def strip_parts(row: TimeRow, cells: int) -> tuple[str, str, int]:
    """What stands left and right of the strip's cells, and how many cells are between."""
    head = f" {tick_text(row.begin)} "
    end = f" {tick_text(row.end)}" if row.where != "live" else f" {tick_text(row.last)} ●REC"
    share = f"  {100 * row.share:.1f}%"
    call = f"  call {row.call} of {row.calls}" if row.calls else ""
    for tail in (end + share + call, end + share, end, ""):
        room = cells - width(head) - width(tail) - 1
        if room >= min(40, cells // 2):
            return head, tail, room
    return "", "", cells


def strip_scale(row: TimeRow, cells: int) -> Scale:
    """Where the strip's cells are."""
    head, _, room = strip_parts(row, cells)
    return Scale(row.begin, row.end, width(head), room)


def strip_line(row: TimeRow, cells: int, held: int | None = None) -> Line:
    """The strip; ``held`` is the tick under a mouse that drags in it."""
    head, tail, room = strip_parts(row, cells)
    scale = Scale(row.begin, row.end, 0, room)
    if held is not None:
        tail = left(f" {row.unit} {tick_text(held)}", width(tail)).rstrip() or tail
    now = scale.cell(row.now if held is None else held)
    spans: list[Span] = [(head, "dim")]
    spans += [_strip_cell(cell, index == now) for index, cell in enumerate(_stretched(row.cells, room))]
    return (*spans, (tail, "fg"))


def _stretched(cells: Sequence[TimeCell], room: int) -> Sequence[TimeCell]:
    """As many cells as there is room, for the moment until as many have been asked for."""
    if len(cells) == room or not cells:
        return cells
    return [cells[index * len(cells) // room] for index in range(room)]


def _strip_cell(cell: TimeCell, now: bool) -> Span:
    if now:
        return NOW, "mark"
    if cell.mark:
        return cell.mark[0], "mark"
    if cell.failed:
        return "✗", "fault"
    if cell.breaks:
        return "●", "fault"
    return DEPTHS[cell.depth], f"badge:{cell.badge}" if cell.badge else "dim"


# ---- lanes -----------------------------------------------------------------------------------------------------------


def lane_cells(cells: int) -> int:
    """How many cells a lane has in a pane."""
    return max(1, cells - LABEL - 1)


def lane_scale(row: TimeRow, cells: int) -> Scale:
    """Where the lanes' cells are."""
    return Scale(row.begin, row.end, LABEL, lane_cells(cells))


def lane_line(row: TimeRow, lane: str, cells: int, cursor: int | None = None) -> Line:
    """One lane: its name, its cells, now as a rule through it; ``cursor`` is the tick of the pane's cursor."""
    scale = lane_scale(row, cells)
    now, at = scale.cell(row.now), None if cursor is None else scale.cell(cursor)
    texts = _texts(row, lane, scale)
    spans: list[Span] = [(left(f" {lane}", LABEL), "dim")]
    for index, cell in enumerate(_stretched(row.cells, scale.cells)):
        text, role = texts.get(index) or _lane_cell(cell, lane)
        if index == now:
            text, role = ("│" if text == " " else text), "mark"
        spans.append((text, f"reverse:{role}" if index == at else role))
    return tuple(spans)


def _lane_cell(cell: TimeCell, lane: str) -> Span:
    match lane:
        case "in":
            return DEPTHS[cell.depth], f"badge:{cell.badge}" if cell.badge else "dim"
        case "calls" if cell.calls:
            return ("✗", "fault") if cell.failed else ("·" if cell.calls < 3 else "┃", "good")
        case "load" if cell.loads:
            return "◆", "symbol"
        case "stops" if cell.stops or cell.breaks:
            return "●", "fault"
    return " ", "fg"


def _texts(row: TimeRow, lane: str, scale: Scale) -> dict[int, Span]:
    """Names of threads and marks, by cell, one letter each; a name goes where the one before it leaves room."""
    named: list[tuple[int, str, str]] = []
    if lane == "threads":
        cells = _stretched(row.cells, scale.cells)
        named = [(i, " ".join(c.threads), "strong") for i, c in enumerate(cells) if c.threads]
    elif lane == "marks":
        named = [(scale.cell(tick), name, "mark") for tick, name in row.marks if row.begin <= tick <= row.end]
    found: dict[int, Span] = {}
    free = 0
    for index, text, role in named:
        for place, letter in enumerate(text if index >= free else text[:1]):
            if index + place < scale.cells:
                found[index + place] = (letter, role)
        free = max(free, index + len(text) + 1)
    return found
