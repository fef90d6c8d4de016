"""The trace as strace prints it: a line a call when it ends, two when another thread comes between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from cvmdbg.analysis.crossings import Entry
from cvmdbg.analysis.selecting import Selection

TICKS_A_SECOND = 1_000_000_000
"""An instruction takes one nanosecond of the guest's clock."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a line is laid out: strace's -a, -t (0…3), -r, -T, -n, -f; ``ticks`` writes instructions for seconds."""

    column: int = 40
    clock: int = 0
    relative: bool = False
    inside: bool = False
    number: bool = False
    threads: bool = False
    to_file: bool = False
    ticks: bool = False
    badges: bool = False


class Lines:
    """Takes the events of a trace and writes lines."""

    def __init__(
        self,
        write: Callable[[str], None],
        form: Form,
        selection: Selection,
        thread_name: Callable[[int], str],
        thread_id: Callable[[int], int],
    ) -> None:
        self._write, self._form, self._selection = write, form, selection
        self._thread_name, self._thread_id = thread_name, thread_id
        self._pending: Entry | None = None
        self._unfinished: dict[int, str] = {}  # by index of the entry: what was printed of it
        self._seen: set[int] = set()
        self._last: int | None = None

    def event(self, what: str, entry: Entry) -> None:
        """A call has begun or ended."""
        if what == "begin":
            self._begin(entry)
        else:
            self._end(entry)
            self._selection.follow(entry)

    def finish(self) -> None:
        """Nothing more comes: what has not come back is said so."""
        if self._pending is not None and self._selection.ends(self._pending):
            pending, self._pending = self._pending, None
            self._put(pending, pending.tick, pending.call, "= ?")

    def say(self, thread: int, tick: int, text: str) -> None:
        """A line that is no call: ``+++ exited with 0 +++``."""
        self._interrupt()
        self._write(self._head(thread, tick, None) + text)

    # ---- one call ----

    def _begin(self, entry: Entry) -> None:
        self._seen.add(entry.thread)
        if not self._selection.begins(entry, self._thread_name(entry.thread)):
            return
        self._interrupt()
        if entry.entry.result != "none":
            self._pending = entry
        elif self._selection.ends(entry):
            self._put(entry, entry.tick, entry.call, "= ?")

    def _interrupt(self) -> None:
        """Another line comes before the pending call has ended."""
        pending, self._pending = self._pending, None
        if pending is None or self._selection.statuses:
            return
        begun = pending.decoded.begun if pending.decoded is not None else pending.call.removesuffix(")")
        self._unfinished[pending.index] = begun
        self._put(pending, pending.tick, f"{begun} <unfinished ...>")

    def _end(self, entry: Entry) -> None:
        if not self._selection.begins(entry, self._thread_name(entry.thread)) or entry.entry.result == "none":
            return
        begun = self._unfinished.pop(entry.index, None)
        if self._pending is entry:
            self._pending = None
        elif begun is not None:
            self._interrupt()
        if not self._selection.ends(entry):
            return
        if begun is None:
            self._put(entry, entry.tick, entry.call, entry.result or "= ?")
        else:
            resumed = f"<... {entry.name} resumed>{entry.call.removeprefix(begun)}"
            self._put(entry, entry.ended or entry.tick, resumed, entry.result)

    # ---- around it ----

    def _put(self, entry: Entry, tick: int, text: str, result: str = "") -> None:
        """A line; its result stands in a column that counts from the line's first letter, as strace's does."""
        line = self._head(entry.thread, tick, entry) + text
        if result:
            line = f"{line:<{self._form.column - 1}} {result}"
        if self._form.inside and result and entry.ended is not None:
            cost = entry.ended - entry.tick
            line += f" <{cost}>" if self._form.ticks else f" <{seconds(cost)}>"
        self._write(line)

    def _head(self, thread: int, tick: int, entry: Entry | None) -> str:
        parts = [self._thread(thread), self._time(tick)]
        if entry is not None and self._form.badges:
            parts.append(f"[{entry.path}] ")
        if entry is not None and self._form.number:
            parts.append(f"[{entry.nr:4}] ")
        return "".join(parts)

    def _thread(self, thread: int) -> str:
        if not self._form.threads:
            return ""
        number = self._thread_id(thread)
        if self._form.to_file:
            return f"{number:<5} "
        return f"[pid {number:5}] " if len(self._seen) > 1 else ""

    def _time(self, tick: int) -> str:
        form, last = self._form, self._last
        self._last = tick
        shown = max(0, tick - (last if last is not None else tick)) if form.relative else tick
        if not form.clock and not form.relative:
            return ""
        if form.ticks:
            return f"{shown:>12} "
        if form.relative:
            return f"{seconds(shown):>13} "
        if form.clock > 2:
            return f"{seconds(shown)} "
        whole, part = divmod(shown, TICKS_A_SECOND)
        clock = f"{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"
        return f"{clock}.{part // 1000:06} " if form.clock == 2 else f"{clock} "


def seconds(ticks: int) -> str:
    """``0.000212`` of a number of ticks."""
    return f"{ticks // TICKS_A_SECOND}.{ticks % TICKS_A_SECOND // 1000:06}"


class Counts:
    """What ``-c`` counts."""

    def __init__(self, selection: Selection, thread_name: Callable[[int], str]) -> None:
        self._selection, self._thread_name = selection, thread_name
        self._ticks: defaultdict[str, int] = defaultdict(int)
        self._calls: defaultdict[str, int] = defaultdict(int)
        self._errors: defaultdict[str, int] = defaultdict(int)

    def event(self, what: str, entry: Entry) -> None:
        """Count a call that has ended, or that never does."""
        if not self._selection.begins(entry, self._thread_name(entry.thread)):
            return
        if (what == "begin") is (entry.entry.result == "none") and self._selection.ends(entry):
            self._calls[entry.name] += 1
            self._errors[entry.name] += entry.failed
            self._ticks[entry.name] += (entry.ended or entry.tick) - entry.tick

    def table(self) -> list[str]:
        """strace's table, most time first."""
        total = sum(self._ticks.values())
        rule = "------ ----------- ----------- --------- --------- ----------------"
        names = sorted(self._calls, key=lambda name: (-self._ticks[name], -self._calls[name], name))
        rows = [self._row(name, self._ticks[name], self._calls[name], self._errors[name], total) for name in names]
        calls, errors = sum(self._calls.values()), sum(self._errors.values())
        return [
            "% time     seconds  usecs/call     calls    errors syscall",
            rule,
            *rows,
            rule,
            self._row("total", total, calls, errors, total),
        ]

    @staticmethod
    def _row(name: str, ticks: int, calls: int, errors: int, total: int) -> str:
        share = 100 * ticks / total if total else 100.0 if name == "total" else 0.0
        each = ticks // max(1, calls) // 1000
        return f"{share:6.2f} {seconds(ticks):>11} {each:11} {calls:9} {errors or '':>9} {name}"
