"""The capability inspector: gdb's form, bars to scale, permissions, what it points at."""

from __future__ import annotations

from typing import Any, ClassVar

from cvmdbg.forms import capability_text, hexa, size_text
from cvmdbg.rows import Bar, Inspection
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import Content, InspectLook, Look
from cvmdbg.tui.spans import Line, Span, left, right
from emulator_core.capability import Capability, perm_letters, raw_text

BAR = 52
DRAWN = ("tag", "raw", "perms")
"""Facts that stand in lines of their own above."""


class Inspector(Rows):
    """All of one capability, as lines."""

    title = "Capability"
    nothing = ""
    about = (
        "The bars are to scale: compartment, part in it, bounds in that. ▲ is the value. "
        "Permissions in bit order 17 to 0."
    )
    keys: ClassVar = (("Esc", "close"), ("x", "memory"), ("=", "set"), ("y", "copy"))

    def __init__(self, expression: str) -> None:
        super().__init__()
        self.expression = expression
        self.inspection: Inspection | None = None

    def look(self) -> Look:
        """The expression, anew at each stop."""
        return InspectLook(self.expression)

    def take(self, content: Content) -> None:
        """One inspection becomes lines."""
        self.inspection = content.rows[0] if content.rows else None
        self._lines.clear()
        self.replace(inspection_lines(self.inspection) if self.inspection is not None else ())

    def draw(self, item: Any, cells: int) -> Line:
        """Lines are spans already."""
        assert isinstance(item, Lines)
        return item.spans

    def detail(self, item: Any) -> str:
        """The line as text."""
        return str(item.text)

    def line_for(self, command: str) -> str | None:
        """Memory at the value."""
        if command == "x" and self.inspection is not None:
            return f"x /8xg {Capability(self.inspection.value).value:#x}"
        return None

    def prefill_for(self, command: str) -> str | None:
        """``=``."""
        return f"set {self.expression} = " if command == "set" else None


class Lines:
    """A line of spans with its text, compared by what it says."""

    def __init__(self, *spans: Span) -> None:
        self.spans: Line = spans

    @property
    def text(self) -> str:
        """The plain text."""
        return "".join(text for text, _ in self.spans).rstrip()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lines) and other.spans == self.spans

    def __hash__(self) -> int:
        return hash(self.spans)


def inspection_lines(found: Inspection) -> tuple[Lines, ...]:
    """An inspection as lines of spans."""
    cap = Capability(found.value)
    tag = ("● tag 1", "good") if cap.tag else ("○ tag 0", "fault")
    rows = [
        Lines((f" {capability_text(found.value)}    ", "strong"), tag),
        Lines((f" raw {raw_text(cap)}", "dim")),
    ]
    bars = _levels(found.bars)
    for depth, bar in enumerate(bars):
        inner = bars[depth + 1] if depth + 1 < len(bars) else None
        rows.append(_bar_line(bar, depth, inner))
    if found.bars:
        rows.append(_value_line(cap, found.bars[-1]))
    rows.append(Lines((" perms     ", "mnemonic"), (" ".join(perm_letters(cap.perms)), "fg")))
    for label, text in found.facts:
        if label in DRAWN:
            continue
        role = "fault" if "✗" in text else "fg"
        rows.append(Lines((f" {left(label, 10)} ", "mnemonic"), (text, role)))
    return tuple(rows)


def _levels(bars: tuple[Bar, ...]) -> tuple[Bar, ...]:
    """The levels that hold the bounds whole, and the bounds."""
    if not bars:
        return ()
    bounds = bars[-1]
    return (*(b for b in bars[:-1] if b.address <= bounds.address and bounds.limit <= b.limit), bounds)


def _bar_line(bar: Bar, depth: int, inner: Bar | None) -> Lines:
    """``17 musl  440000000 ├────█──┤ 480000000  1G``: where the next level lies in this one."""
    name = left(" " + "  " * depth + ("└ " if depth else "") + bar.name, 16)
    body = "▐" + "█" * BAR + "▌"
    if inner is not None:
        body = with_inner("├" + "─" * BAR + "┤", (inner.address, inner.limit), (bar.address, bar.limit))
    role = "symbol" if inner is None else "dim"
    return Lines(
        (name, "fg"),
        (f"{right(hexa(bar.address), 11)} ", "fg"),
        (body, role),
        (f" {left(hexa(bar.limit), 11)} ", "fg"),
        (bar.note, "dim"),
    )


def scale(inner: tuple[int, int], outer: tuple[int, int], cells: int) -> tuple[int, int]:
    """Cells ``[from, to)`` of an inner range inside an outer one, at least one cell, inside the bar."""
    begin, limit = outer
    span = max(1, limit - begin)
    first = (max(inner[0], begin) - begin) * cells // span
    last = -(-(min(inner[1], limit) - begin) * cells // span)
    first = max(0, min(first, cells - 1))
    return first, max(first + 1, min(last, cells))


def with_inner(body: str, inner: tuple[int, int], outer: tuple[int, int]) -> str:
    """A bar ``├───┤`` with the inner range filled."""
    first, last = scale(inner, outer, len(body) - 2)
    return body[: 1 + first] + "█" * (last - first) + body[1 + last :]


def _value_line(cap: Capability, bounds: Bar) -> Lines:
    """``▲`` under the bounds' bar; outside of it with its distance."""
    indent = " " * 28
    if bounds.address <= cap.value < max(bounds.limit, bounds.address + 1):
        first, _ = scale((cap.value, cap.value + 1), (bounds.address, bounds.limit), BAR)
        text = f"value {hexa(cap.value)}, offset {cap.value - cap.base:,}"
        if first > BAR // 2:
            return Lines((" " * (len(indent) + first - len(text)) + text + " ", "fg"), ("▲", "mark"))
        return Lines((indent + " " * (1 + first) + "▲", "mark"), (" " + text, "fg"))
    away = bounds.address - cap.value if cap.value < bounds.address else cap.value - bounds.limit
    side = "below the base" if cap.value < bounds.address else "at or above the limit"
    text = f"▲ value {hexa(cap.value)}: {size_text(away)} {side}"
    return Lines((indent, "fg"), (text, "fault"))
