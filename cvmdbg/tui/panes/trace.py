"""Calls across compartments with decoded arguments, one call whole, and counts and costs."""

from __future__ import annotations

from typing import Any, ClassVar

from cvmdbg.forms import hexa, tick_text
from cvmdbg.rows import SummaryRow, TraceRow
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.panes.window import WINDOW, Window
from cvmdbg.tui.snapshot import Content, Look, SummaryLook, TraceLook
from cvmdbg.tui.spans import Line, Span, left, right, width

NARROW = 86
"""Cells from which the ticks inside a call are shown."""
TICKED = 76
"""Cells from which the tick of a call is shown."""


class Trace(Window):
    """``▶ 118  2 418 914 17/0 17→16   writev(1, …)   ▶ inside``."""

    ident = "trace"
    title = "Trace"
    event = "call"
    bigger = "syscall"
    live = True
    nothing = "no calls yet. Calls appear when a thread crosses into the LibOS; c continues."
    about = (
        "Crossings between compartments as calls: number, tick, thread, path, call, result, ticks inside. "
        "└ an inner call of the one above · ✗ failed · ▶ still inside · ○addr a pointer without its tag."
    )
    keys: ClassVar = (
        ("p", "the whole call"),
        ("Enter", "go to its time, where it is recorded"),
        ("&", "filter: call=open* nr=56 thread=17/0 err ticks>1000, ! negates"),
        ("Space", "fold inner calls"),
        ("] [", "run to the next call, back to the one before"),
        ("} {", "the same for the calls of the app alone"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.folded = False
        self._following = True

    # ---- asking: a window of the calls ----

    def look(self) -> Look:
        """The newest while the cursor follows, else the window around it."""
        filters = self.filters
        if filters:
            return TraceLook(0, 0, filters)
        if self._following:
            return TraceLook(None, WINDOW)
        return TraceLook(self.window_start, WINDOW)

    @property
    def filters(self) -> str:
        """What the person filters by, and the fold."""
        return " ".join(part for part in (self.only, "layer=0" if self.folded else "") if part)

    def follow(self) -> None:
        """At the newest call the view follows."""
        if self._following:
            self.cursor = max(0, self.total - 1)

    def came_to(self, *, newest: bool) -> None:
        """At the newest call the view follows."""
        self._following = newest

    def filter(self, text: str) -> None:
        """Show only calls that fit, the newest first seen."""
        self._following = True
        super().filter(text)

    def action_fold(self) -> None:
        """Hide or show calls of inner layers."""
        self.folded = not self.folded
        self.debugger_app.ask(self)
        self.post_message(self.Changed(self))

    def search_rows(self) -> None:
        """All calls, by the worker."""

    # ---- drawing ----

    def notes(self) -> list[str]:
        """Are inner calls folded?"""
        return ["inner folded"] if self.folded else []

    def _columns(self, cells: int) -> tuple[bool, int, int, int]:
        """Are ticks shown; cells of path, call, result."""
        deep = max((row.layer for row in self.items), default=0)
        path = 8 + 2 * min(deep, 3)
        ticks = cells >= NARROW
        result = 16 if cells >= NARROW else 13
        fixed = 1 + 5 + 1 + (12 if cells >= TICKED else 0) + 5 + 1 + path + 1 + result + (8 if ticks else 0)
        return ticks, path, max(12, cells - fixed), result

    def header(self, cells: int) -> Line:
        """Column names."""
        ticks, path, call, result = self._columns(cells)
        tick = right("tick", 11) + " " if cells >= TICKED else ""
        end = right("ticks", 8) if ticks else ""
        head = f"{right('#', 6)} {tick}{left('thr', 5)} {left('path', path)}"
        return ((f"{head}{left('call', call)} {left('result', result)}{end}", "dim"),)

    def draw(self, item: TraceRow, cells: int) -> Line:
        """One call."""
        ticks, path, call, result = self._columns(cells)
        mark = ("✗", "fault") if item.failed else ("▶", "mark") if item.inside else (" ", "fg")
        number = right(str(item.number), 5) if item.layer == 0 else right(f"└{item.number}", 5)
        tick = ((f"{right(tick_text(item.tick), 11)} ", "fg"),) if cells >= TICKED else ()
        outcome = "▶ inside" if item.inside else item.result
        role = "fault" if item.failed else "mark" if item.inside else "good"
        taken = "·" if item.ticks is None else tick_text(item.ticks)
        return (
            mark,
            (f"{number} ", "dim" if item.layer else "fg"),
            *tick,
            (f"{left(item.thread_name, 5)} ", "fg"),
            *_path(item, path),
            *_call(item.call, call),
            (f" {left(outcome, result)}", role),
            (right(taken, 8) if ticks else "", "dim"),
        )

    def open(self, item: TraceRow) -> None:
        """To the time of the call; the whole call where nothing is recorded."""
        if self.debugger_app.has_history:
            self.debugger_app.go_time(f"@{item.tick}")
        else:
            self.debugger_app.show_call(item)

    def line_for(self, command: str) -> str | None:
        """``p`` shows the whole call."""
        if command == "print" and self.current is not None:
            self.debugger_app.show_call(self.current)
            return ""
        return None


def _path(item: TraceRow, cells: int) -> tuple[Span, ...]:
    """``17→16`` with each badge in its colour, indented by layer."""
    source, arrow, target = item.path.partition("→")
    indent = "  " * item.layer
    used = width(indent + source + arrow + target)
    return (
        (indent, "fg"),
        (source, f"badge:{source}"),
        (arrow, "dim"),
        (target, f"badge:{target}"),
        (" " * max(1, cells - used), "fg"),
    )


def _call(call: str, cells: int) -> tuple[Span, ...]:
    name, bracket, rest = left(call, cells).partition("(")
    return ((name, "symbol"), (bracket + rest, "fg"))


class CallDetail(Rows):
    """One call, nothing cut: the crossing, its checks, each argument."""

    ident = "call"
    title = "Call"
    nothing = "no call is selected"
    about = "The call under the trace's cursor: how the crossing went, each argument with what it points at."

    def __init__(self, call: TraceRow | None = None) -> None:
        super().__init__()
        self.call: TraceRow | None = None
        self.ready = True
        if call is not None:
            self.show_call(call)

    def show_call(self, call: TraceRow | None) -> None:
        """Show another call."""
        if call == self.call:
            return
        self.call = call
        self.items = call_lines(call) if call is not None else ()
        self.cursor = self.top = 0
        if self.is_attached:
            self.redraw()
            self.post_message(self.Changed(self))

    def caption(self) -> str:
        """Which."""
        return f"{self.call.number} ╱ {self.call.name}" if self.call is not None else ""

    def draw(self, item: Any, cells: int) -> Line:
        """Label, then the rest."""
        text = str(item)
        label, rest = text[:12], text[12:]
        role = "fault" if "✗" in rest else "good" if rest.lstrip().startswith("✓") else "fg"
        return ((f" {label}", "mnemonic"), (rest, role))


def call_lines(call: TraceRow) -> tuple[str, ...]:
    """A call as lines: crossing, arguments, result."""
    known = call.origin is not None and call.target is not None
    where = f"  {hexa(call.origin or 0)} → {hexa(call.target or 0)}" if known else ""
    lines = [f"{'crossing':<12}{call.path}{where}  {call.checks}".rstrip(), f"{'call':<12}{call.call}"]
    for argument in call.arguments:
        head = f"{argument.register:<3} {argument.name}"
        lines.append(f"{head:<11} {argument.value}  {argument.meaning}".rstrip())
    outcome = "▶ inside" if call.inside else call.result
    taken = "" if call.ticks is None else f"   {tick_text(call.ticks)} ticks"
    lines.append(f"{'result':<12}{outcome}{taken}")
    lines.append(f"{'when':<12}tick {tick_text(call.tick)}, thread {call.thread_name}")
    return tuple(lines)


class Summary(Rows):
    """Counts and costs, as strace -c, by ticks."""

    ident = "summary"
    title = "Summary"
    nothing = "no calls yet"
    views = ("ticks", "calls", "failed", "name")
    about = "Calls by path and name: how many, how many failed, ticks inside, share, average, maximum."
    keys: ClassVar = (("Enter", "filter the trace by it"), ("\\", "sort by ticks, calls, failed, name"))

    def __init__(self) -> None:
        super().__init__()
        self._all: tuple[SummaryRow, ...] = ()

    def look(self) -> Look:
        """All calls."""
        return SummaryLook()

    def key_of(self, item: SummaryRow) -> object:
        """Path and name."""
        return (item.path, item.name)

    def take(self, content: Content) -> None:
        """In the order of the view."""
        self._all = content.rows
        self.review()

    def review(self) -> None:
        """Sort again."""
        orders: dict[str, Any] = {
            "ticks": lambda r: (-r.ticks, r.name),
            "calls": lambda r: (-r.calls, r.name),
            "failed": lambda r: (-r.failed, r.name),
            "name": lambda r: (r.name, r.path),
        }
        self.replace(tuple(sorted(self._all, key=orders[self.views[self.view]])))
        self._lines.clear()

    def caption(self) -> str:
        """The order."""
        return f"as strace -c, by {self.views[self.view]}"

    def header(self, cells: int) -> Line:
        """Column names."""
        numbers = f"{right('calls', 7)}{right('failed', 8)}{right('ticks', 12)}{right('%', 7)}"
        more = f"{right('avg', 9)}{right('max', 9)}" if cells >= 80 else ""
        return ((f" {left('call', 18)}{left('path', 8)}{numbers}{more}", "dim"),)

    def draw(self, item: SummaryRow, cells: int) -> Line:
        """One kind of call."""
        total = sum(row.ticks for row in self._all if row.path == item.path) or 1
        share = f"{100 * item.ticks / total:.1f}"
        source, arrow, target = item.path.partition("→")
        pad = " " * max(1, 8 - width(item.path))
        more = f"{right(tick_text(item.average), 9)}{right(tick_text(item.maximum), 9)}" if cells >= 80 else ""
        return (
            (f" {left(item.name, 18)}", "symbol"),
            (source, f"badge:{source}"),
            (arrow, "dim"),
            (target + pad, f"badge:{target}"),
            (right(str(item.calls), 7), "fg"),
            (right(str(item.failed), 8), "fault" if item.failed else "dim"),
            (right(tick_text(item.ticks), 12) + right(share, 7) + more, "fg"),
        )

    def open(self, item: SummaryRow) -> None:
        """Filter the trace."""
        self.debugger_app.filter_trace(f"call={item.name}")
