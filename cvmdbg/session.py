"""The session: what a face of the debugger (the screen, batch mode) holds. One thread owns it, the worker.

    line ──▶ execute ──▶ Result             runs to its end, calling ``pause`` between slices of about 20 ms
    line ──▶ steps   ──▶ Progress* Result   the same as a generator: the owner does other work between slices
    interrupt()                             from any thread: stops the guest or cancels what is busy

The methods that return rows are snapshots: frozen values that may go to another thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cvmdbg.analysis import panes
from cvmdbg.analysis.code import code
from cvmdbg.analysis.console import Console
from cvmdbg.analysis.explain import explain
from cvmdbg.analysis.inspect import inspect
from cvmdbg.analysis.registers import grant_lines, register_rows
from cvmdbg.analysis.relocations import Relocations
from cvmdbg.analysis.times import Times, mark_rows
from cvmdbg.commands import build_table
from cvmdbg.commands.completion import candidates
from cvmdbg.commands.format import Format
from cvmdbg.commands.needs import missing
from cvmdbg.commands.table import Command, Progress, Result, Steps, Table
from cvmdbg.debugger import Debugger
from cvmdbg.guests.guest import Facts
from cvmdbg.judging import Judge
from cvmdbg.peer_reversing import PeerReverser
from cvmdbg.reversing import Reverser
from cvmdbg.rows import (
    BreakpointRow,
    Candidate,
    Code,
    DisplayRow,
    Explanation,
    FrameRow,
    Inspection,
    LoadRow,
    LocalRow,
    MapRow,
    MarkRow,
    MemoryRow,
    ModuleRow,
    OutputRow,
    RegisterRow,
    RelocationRow,
    Status,
    SummaryRow,
    ThreadRow,
    TimeRow,
    TraceRow,
)
from cvmdbg.running import Run, Runner
from cvmdbg.settings import Settings
from cvmdbg.target import History, Target, UserError
from cvmdbg.walking import BackWalker, Walker
from sessions.mark import Mark


class Recording(Protocol):
    """Control of a live guest's recording."""

    def start(self, file: Path | None) -> Path:
        """Record from here on; the file."""

    def stop(self) -> None:
        """Close the recording: there is no way back any more."""

    def written(self) -> tuple[Path, str, int] | None:
        """The file, what is counted in it (``tick``, ``stop``) and how far it has come; None when nothing is."""

    def save(self, path: Path) -> None:
        """Copy everything until now into a file of its own; OSError says why not."""


@dataclass(frozen=True, slots=True)
class Started:
    """A deployed guest: target and facts; the way into its standard input if it has one; what is to be told."""

    target: Target
    facts: Facts
    feed: Callable[[bytes | None], None] | None = None
    said: str = ""
    recording: Recording | None = None
    why_no_history: str = "recording is off; record start begins it here"


@dataclass(frozen=True, slots=True)
class Aside:
    """A live machine that stands while the emulator goes on in its place."""

    launch: Launch
    debugger: Debugger
    recording: Recording | None
    why_no_history: str


KEPT = ("breakpoints", "displays", "history", "convenience")
"""What of a debugger belongs to the session and outlives a restart of the guest."""


class Serve(Protocol):
    """How to serve the guest to a debugger of another kind: the gdb server, put here by what composes the session."""

    def __call__(self, session: Session, address: str, client: str, beyond_loopback: bool) -> Steps: ...


class Launch(Protocol):
    """How to make the guest anew: ``start`` deploys it and returns it standing at tick 0."""

    @property
    def title(self) -> str:
        """What the status row calls it."""

    @property
    def kind(self) -> str:
        """``emulator``, ``remote`` …"""

    def start(self, arguments: Sequence[str] | None) -> Started:
        """Deploy. ``arguments`` replace those of the guest's configuration; None keeps them."""


class Session:
    """Everything a face needs. ``pause`` is called between slices of ``execute``.

    ``ask_input`` is asked for bytes when the guest waits for standard input (None: the end); without it the run stops
    there, and ``send_input`` then ``continue`` go on.
    """

    def __init__(self, launch: Launch, settings: Settings | None = None) -> None:
        self.launch = launch
        self.settings = settings or Settings()
        self.pause: Callable[[Progress], None] = _no_pause
        self.table: Table = build_table()
        self.console = Console()
        self.debugger: Debugger | None = None
        self.arguments: tuple[str, ...] | None = None
        self._cancel = threading.Event()
        self._last = ""
        self.depth = 0
        self.in_list = False
        self.following: Run | None = None
        self.listed: tuple[str, int, int] | None = None
        self.last_examine = Format()
        self.next_examine = 0
        self._feed: Callable[[bytes | None], None] | None = None
        self.recording: Recording | None = None
        self.why_no_history = "no guest is loaded"
        self.been: list[Mark] = []  # where in time the session was, for back
        self.ahead: list[Mark] = []  # where back came from, for forward
        self._times: Times | None = None
        self.startup: tuple[str, ...] = ()
        self.ask_input: Callable[[], bytes | None] | None = None
        self.on_connect: Callable[[Debugger], None] | None = None
        self.serve: Serve | None = None
        self.reach: Callable[[Launch, str], Launch] | None = None  # how to come to a live machine at an address
        self.taking: Callable[[Session, Path | None], Launch] | None = None  # how the emulator takes a live machine
        self.aside: Aside | None = None  # what a hand-off has put aside
        self.confined = False  # while a client of a server has a command carried out

    # ---- life ----

    def connect(self, arguments: Sequence[str] | None = None) -> None:
        """Deploy the guest (again): it stands at tick 0. Breakpoints and settings are kept."""
        if arguments is not None:
            self.arguments = tuple(arguments)
        old = self.debugger
        if old is not None:
            old.target.close()
        self._take(self.launch.start(self.arguments), old)

    def _take(self, started: Started, old: Debugger | None) -> None:
        """Debug what was started; what belongs to the session goes from the old debugger to the new one."""
        kept = {} if old is None else {name: getattr(old, name) for name in KEPT}
        self.debugger = Debugger(started.target, started.facts, self.console, self._cancel, self.settings, **kept)
        self._feed = started.feed
        self.recording, self.why_no_history = started.recording, started.why_no_history
        self.been, self.ahead = [], []
        if self.on_connect is not None:
            self.on_connect(self.debugger)
        if started.said:
            self.console.say(started.said)
        if self.debugger.in_past:
            self.debugger.take_recorded(self.settings.number("recorded calls"))
        self.debugger.drain()

    def hand_off(self, launch: Launch) -> None:
        """Put the target aside as it stands, and debug what a launch makes of it."""
        started = launch.start(None)
        self.aside = Aside(self.launch, self.live, self.recording, self.why_no_history)
        self.launch = launch
        self.live.breakpoints.leave()
        self._take(started, self.live)

    def take_back(self) -> None:
        """Debug again what was put aside: it stands where it stood."""
        aside, here = self.aside, self.live
        assert aside is not None
        here.target.close()
        self.aside, self.launch = None, aside.launch
        there = aside.debugger
        started = Started(there.target, there.facts, recording=aside.recording, why_no_history=aside.why_no_history)
        self._take(started, here)

    def close(self) -> None:
        """Let the target go, and what was put aside for it."""
        if self.aside is not None:
            self.aside.debugger.target.close()
            self.aside = None
        if self.debugger is not None:
            self.debugger.target.close()
            self.debugger = None

    def interrupt(self) -> None:
        """Stop the guest, or cancel what is busy. Safe from any thread."""
        self._cancel.set()
        if self.debugger is not None:
            self.debugger.target.interrupt()

    def send_input(self, content: bytes | None) -> None:
        """Bytes for the guest's standard input; None is its end."""
        if self.live and self._feed is None:
            raise UserError("this guest's standard input is not ours to fill")
        assert self._feed is not None
        self._feed(content)

    @property
    def live(self) -> Debugger:
        """The debugger, or UserError when no guest is there."""
        if self.debugger is None:
            raise UserError("no guest is loaded; start with: cvmdbg run PATH")
        return self.debugger

    @property
    def runner(self) -> Runner | Walker:
        """What runs the guest, or walks over what was seen of one."""
        if self._only_seen:
            return Walker(self.live)
        return Runner(self.live, Judge(self.live, self._feed_more if self.ask_input is not None else None))

    @property
    def reverser(self) -> Reverser | BackWalker | PeerReverser:
        """What runs the guest backwards, or walks back over what was seen of one."""
        if self._only_seen:
            return BackWalker(self.live)
        if self.live.target.history is None:
            return PeerReverser(self.live, Judge(self.live))
        return Reverser(self.live, Judge(self.live))

    @property
    def _only_seen(self) -> bool:
        """Is there nothing that could be executed, only what was seen?"""
        history = self.live.target.history
        return history is not None and not history.executes

    @property
    def history(self) -> History:
        """The target's history; UserError when it has none."""
        history = self.live.target.history
        if history is None:
            raise UserError(f"no history: {self.why_no_history}")
        return history

    def _feed_more(self) -> bool:
        """Give the waiting guest more input, if there is a way to."""
        if self.ask_input is None or self._feed is None:
            return False
        self._feed(self.ask_input())
        return True

    # ---- commands ----

    def execute(self, line: str) -> Result:
        """Carry out a line to its end. UserError and TargetError say what went wrong."""
        steps = self.steps(line)
        while True:
            try:
                self.pause(next(steps))
            except StopIteration as end:
                result = end.value
                assert isinstance(result, Result)
                return result

    @property
    def cancelled(self) -> bool:
        """Was what is busy asked to stop?"""
        return self._cancel.is_set()

    def steps(self, line: str) -> Steps:
        """The same in slices: yields after every slice of the guest's run, returns the Result."""
        self._cancel.clear()
        command, rest = self.resolve(line)
        if command.name != "list":
            self.listed = None
        before = self._moment()
        result = yield from self._carry_out(command, rest)
        if before is not None and before != self._moment() and command.name not in ("back", "forward"):
            self.been.append(before)
            self.ahead.clear()
        return result

    def _moment(self) -> Mark | None:
        """Where in time the target stands, if it has a history."""
        history = None if self.debugger is None else self.debugger.target.history
        return None if history is None else history.now

    def nested(self, line: str) -> Steps:
        """A command inside a command: a script's, a breakpoint's."""
        command, rest = self.table.resolve(line)
        return (yield from self._carry_out(command, rest))

    def _carry_out(self, command: Command, rest: str) -> Steps:
        reason = missing(self, command)
        if reason is not None:
            raise UserError(reason)
        if command.run is None:
            raise UserError(f"{command.name} is for the screen: it has nothing to print")
        outcome = command.run(self, rest)
        if isinstance(outcome, Result):
            return outcome
        return (yield from outcome)

    def resolve(self, line: str) -> tuple[Command, str]:
        """The command of a line; an empty line repeats the last repeatable one, as gdb does."""
        text = line.strip() or self._last
        command, rest = self.table.resolve(text)
        self._last = text if command.repeats else ""
        return command, rest

    def why_not(self, command: Command) -> str | None:
        """The one sentence why a command cannot be used now, or None: what greys keys and palette rows."""
        return missing(self, command)

    def complete(self, text: str) -> tuple[Candidate, ...]:
        """What could stand in place of the last word of ``text``, best first, at most 50."""
        return candidates(self, text)

    # ---- snapshots ----

    def status(self) -> Status:
        """The status row."""
        if self.debugger is None:
            return Status(self.launch.title, self.launch.kind, "none", "no guest yet", "", None, "", None)
        return panes.status(self.debugger, self.launch.title, self.launch.kind)

    def map_rows(
        self, unfolded: frozenset[str] = frozenset(), folded: frozenset[str] = frozenset()
    ) -> tuple[MapRow, ...]:
        """The compartments, outermost first, with their parts; the keys in the sets override the default folding."""
        return panes.compartment_rows(self.live, unfolded, folded)

    def grants(self, badge: str) -> tuple[str, ...]:
        """What a compartment was given at entry (ca0 …), one line each."""
        return grant_lines(self.live, badge)

    def register_rows(self, kind: str = "capabilities") -> tuple[RegisterRow, ...]:
        """``capabilities``, ``integer``, ``vector`` or ``system`` registers of the selected frame and thread."""
        return register_rows(self.live, kind)

    def code(self, address: int | None = None, before: int = 8, count: int = 32, view: str = "both") -> Code:
        """``count`` rows around an address (default the selected frame's pc), ``before`` of them above it.

        ``view``: ``asm``, ``both`` or ``source``.
        """
        return code(self.live, address, before, count, view)

    def thread_rows(self) -> tuple[ThreadRow, ...]:
        """All threads."""
        return panes.thread_rows(self.live)

    def frame_rows(self, limit: int = 64) -> tuple[FrameRow, ...]:
        """The backtrace of the selected thread, innermost first."""
        return panes.frame_rows(self.live, limit)

    def local_rows(self) -> tuple[LocalRow, ...]:
        """Arguments and locals of the selected frame; UserError says why there are none."""
        return panes.local_rows(self.live)

    def breakpoint_rows(self) -> tuple[BreakpointRow, ...]:
        """Breakpoints, watchpoints and catchpoints."""
        return panes.breakpoint_rows(self.live)

    def memory_rows(self, address: int, count: int) -> tuple[MemoryRow, ...]:
        """``count`` granules from the 16-aligned address at or below ``address``."""
        return panes.memory_rows(self.live, address, count)

    def module_rows(self) -> tuple[ModuleRow, ...]:
        """ELF files in memory, those that the guest's loader mapped included."""
        return panes.module_rows(self.live, self.live.loading.dynamics)

    def relocation_count(self) -> int:
        """How many relocations the modules in memory have."""
        return len(Relocations(self.live, self.live.loading.dynamics))

    def relocation_rows(self, start: int = 0, count: int | None = None, only: str = "") -> tuple[RelocationRow, ...]:
        """Relocations from index ``start``; ``only`` is a part of a module's, a type's or a symbol's name."""
        return Relocations(self.live, self.live.loading.dynamics).rows(start, count, only)

    def load_rows(self) -> tuple[LoadRow, ...]:
        """The steps of loading so far."""
        return self.live.loading.rows(self.live)

    def trace_count(self) -> int:
        """How many calls the trace holds."""
        return len(self.live.trace)

    def trace_named(self, text: str) -> tuple[int, ...]:
        """Which calls of the trace have a name that holds a text (case folded)."""
        return self.live.trace.named(text)

    def trace_texts(self, start: int, count: int) -> tuple[str, ...]:
        """The text of some rows of the trace."""
        return self.live.trace.texts(start, count, self.live.thread_name)

    def trace_rows(self, start: int = 0, count: int | None = None, only: str = "") -> tuple[TraceRow, ...]:
        """Rows of the trace from index ``start``; ``only`` is a filter as the trace pane has it."""
        return panes.trace_rows(self.live, start, count, only)

    def summary_rows(self) -> tuple[SummaryRow, ...]:
        """Counts and costs of the calls in the trace."""
        return panes.summary_rows(self.live)

    def time_row(self, cells: int, begin: int | None = None, end: int | None = None) -> TimeRow | None:
        """The run's time in cells, all of it or a part; None when nothing is recorded."""
        if self._times is None or self._times.debugger is not self.live:
            self._times = Times(self.live)
        return self._times.row(cells, begin, end)

    def mark_rows(self) -> tuple[MarkRow, ...]:
        """Named moments by time."""
        return mark_rows(self.live)

    def progress(self) -> str:
        """How far a seek has come. Safe from any thread."""
        debugger = self.debugger
        way = debugger.target.history.way if debugger is not None and debugger.target.history is not None else None
        if way is None:
            return "busy: Ctrl-C cancels"
        done, goal = way
        return f"seeking {100 * done // max(1, goal)}% of the way: Ctrl-C cancels"

    def output_rows(self, start: int = 0) -> tuple[OutputRow, ...]:
        """Console lines from index ``start``, none that the guest printed after the moment that is looked at.

        Safe from any thread; the last row may still grow.
        """
        return self.console.shown(start)[0]

    def output_count(self) -> int:
        """How many console lines there are at that moment."""
        return self.console.shown()[1]

    def display_rows(self) -> tuple[DisplayRow, ...]:
        """Expressions shown at every stop."""
        return panes.display_rows(self.live)

    def explain(self) -> Explanation:
        """Why the guest stopped."""
        return explain(self.live)

    def inspect(self, expression: str) -> Inspection:
        """Everything about a capability: an expression, a register name."""
        return inspect(self.live, expression)


def _no_pause(progress: Progress) -> None:
    """Nothing to do between slices."""
