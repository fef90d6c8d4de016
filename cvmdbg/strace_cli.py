"""``cvmdbg strace [OPTIONS] PATH -- ARGS``: run a guest and print its calls as strace prints those of a program.

Lines go to standard error, or to the file of ``-o``; what the guest prints goes to standard output. The exit status is
the guest's. Time is the guest's: one nanosecond an instruction.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from cvmdbg import guest_options
from cvmdbg.analysis.crossings import Entry, Trace
from cvmdbg.analysis.lines import Counts, Form, Lines
from cvmdbg.analysis.selecting import Selection, signal_set, status_set, trace_set
from cvmdbg.batch import TARGET, run_batch
from cvmdbg.debugger import Debugger
from cvmdbg.guests.linux.decoder import Style
from cvmdbg.guests.linux.decoder.special import siginfo_text
from cvmdbg.guests.linux.facts import constant
from cvmdbg.session import Session
from cvmdbg.target import Fault, StopKind, UserError
from sessions.event import Note

MAX_STRING = 256
"""The longest string that -s may ask for: as many bytes of a buffer as are kept."""
SIGNALS = {"alignment": "SIGBUS", "undefined": "SIGILL", "system": "SIGILL", "brk": "SIGTRAP"}
"""The signal that a fault is; all others are SIGSEGV."""


def add_parser(tools: Any) -> None:
    """Add ``strace`` to a command line."""
    parser = tools.add_parser(
        "strace", help="run a guest and print its calls as strace does", epilog="Words behind -- are its arguments."
    )
    parser.add_argument("path", metavar="PATH")
    add = parser.add_argument
    add(
        "-e",
        dest="expressions",
        metavar="EXPR",
        action="append",
        default=[],
        help="trace=SET, status=SET, signal=SET, or a SET",
    )
    add("-o", dest="output", metavar="FILE", help="write the lines there")
    add("-s", dest="limit", metavar="SIZE", type=int, default=32, help=f"bytes of a string, at most {MAX_STRING}")
    add("-f", dest="threads", action="store_true", help="say which thread")
    add("-c", dest="counts", action="store_true", help="only count time, calls and errors")
    add("-C", dest="both", action="store_true", help="lines and counts")
    add("-P", dest="paths", metavar="PATH", action="append", default=[], help="only calls that touch a path")
    add("-z", dest="successful", action="store_true", help="only calls that succeeded")
    add("-Z", dest="failed", action="store_true", help="only calls that failed")
    add("-t", dest="clock", action="count", default=0, help="the time; -tt with microseconds, -ttt in seconds")
    add("-r", dest="relative", action="store_true", help="the time since the line before")
    add("-T", dest="inside", action="store_true", help="the time inside each call")
    add("-v", dest="verbose", action="store_true", help="structs whole")
    add("-n", dest="number", action="store_true", help="the numbers of calls")
    add("-a", dest="column", metavar="COLUMN", type=int, default=40, help="where results stand")
    add("-q", dest="quiet", action="store_true", help="no line about an exit")
    add("--ticks", action="store_true", help="times in instructions")
    add("--thread", action="append", default=[], help="only this thread, as 17/0 or its number")
    add("--cvm", action="append", default=[], help="only calls out of this compartment, by its badge")
    add("--layers", action="store_true", help="calls of inner layers too, each with its path")
    add("--caps", action="store_true", help="the capability in front of what a pointer points at")
    add("--json", action="store_true", help="one JSON object a call, a signal, an exit")
    guest_options.add_root(parser)


def main(args: argparse.Namespace) -> int:
    """Run it; the guest's exit status."""
    selection, verbose = _selection(args)
    if not 0 <= args.limit <= MAX_STRING:
        raise UserError(f"-s {args.limit}: a string has 0 to {MAX_STRING} bytes")
    args.record, args.no_record = None, True
    session = guest_options.session(args)
    with ExitStack() as stack:
        out = stack.enter_context(_opened(args.output)) if args.output else sys.stderr
        style = Style(args.limit, args.verbose or verbose, pointers=args.caps)
        face = _Face(args, session, selection, style, out)
        session.on_connect = face.attach
        run_batch(session, face.commands(), False, face.leave)
    return face.status


def _opened(path: str) -> TextIO:
    try:
        return Path(path).open("w", encoding="utf-8")
    except OSError as error:
        raise UserError(f"-o {path}: {error.strerror}") from None


def _selection(args: argparse.Namespace) -> tuple[Selection, bool]:
    """What the options select, and whether structs are shown whole."""
    selection = Selection(
        paths=tuple(args.paths), threads=frozenset(args.thread), cvms=frozenset(args.cvm), layers=args.layers
    )
    verbose = False
    for expression in args.expressions:
        kind, equals, value = expression.partition("=")
        kind = {"t": "trace", "v": "verbose", "a": "abbrev", "s": "signal", "signals": "signal"}.get(kind, kind)
        if not equals:
            selection.names = trace_set(expression)
        elif kind == "trace":
            selection.names = trace_set(value)
        elif kind == "status":
            selection.statuses = status_set(value)
        elif (kind, value) in (("abbrev", "none"), ("verbose", "all")):
            verbose = True
        elif kind == "signal":
            selection.signals = signal_set(value)
        elif kind != "quiet":
            raise UserError(
                f"-e {expression}: expected trace=SET, status=SET, signal=SET, abbrev=none or a SET of calls"
            )
    if args.successful or args.failed:
        selection.statuses = frozenset(["successful"] if args.successful else ["failed"])
    return selection, verbose


class _Face:
    """The lines of one run."""

    def __init__(
        self, args: argparse.Namespace, session: Session, selection: Selection, style: Style, out: TextIO
    ) -> None:
        self._args, self._session, self._style, self._out = args, session, style, out
        self._selection = selection
        self.status = 0
        self._ended = False
        self._fault: tuple[int, int, Fault] | None = None
        form = Form(
            column=args.column,
            clock=args.clock,
            relative=args.relative,
            inside=args.inside,
            number=args.number,
            threads=args.threads,
            to_file=bool(args.output),
            ticks=args.ticks,
            badges=args.layers,
        )
        self._lines = Lines(self._write, form, selection, self._thread_name, self._thread_id)
        self._counts = Counts(selection, self._thread_name)

    def attach(self, debugger: Debugger) -> None:
        """Listen to a guest that has just been deployed."""
        trace: Trace = debugger.trace
        trace.style, trace.keep = self._style, False
        listeners: list[Callable[[str, Entry], None]] = []
        if self._args.json:
            listeners.append(self._object)
        elif not self._args.counts:
            listeners.append(self._lines.event)
        if self._args.counts or self._args.both:
            listeners.append(self._counts.event)
        trace.listeners = listeners
        trace.note_listeners = [self._note]

    def commands(self) -> Iterator[str]:
        """Run; a signal or a call that is not modelled stops a debugger, here the guest goes on."""
        yield "run"
        while self._goes_on():
            yield "continue"

    def _goes_on(self) -> bool:
        stop = self._session.live.target.stop
        fault = stop.reason(StopKind.FAULT)
        if fault is not None and fault.fault is not None:
            self._fault = (stop.thread, stop.tick or 0, fault.fault)
        return fault is not None or stop.reason(StopKind.UNMODELLED) is not None

    def leave(self) -> None:
        """The run has ended: say how."""
        debugger = self._session.live
        plain = not (self._args.json or self._args.counts)
        if plain:
            self._lines.finish()
        stop = debugger.target.stop
        ended = stop.reason(StopKind.EXIT)
        if self._fault is not None and not self._ended:
            self._died(*self._fault, plain)
        elif ended is not None:
            self.status = ended.status or 0
            if plain and not self._args.quiet and not self._ended:
                self._lines.say(stop.thread, stop.tick or 0, f"+++ exited with {self.status} +++")
        else:
            halt = debugger.halt
            sys.stderr.write(f"cvmdbg: {halt.text if halt is not None else 'stopped'}\n")
            self.status = TARGET
        if self._args.counts or self._args.both:
            for line in self._counts.table():
                self._write(line)

    def _died(self, thread: int, tick: int, fault: Fault, plain: bool) -> None:
        signal = SIGNALS.get(fault.kind, "SIGSEGV")
        number = constant(signal)
        self.status = 128 + number
        if plain:
            code = 1 if fault.kind == "unmapped" or signal != "SIGSEGV" else 2
            values = {"si_signo": number, "si_code": code, "si_addr": fault.address}
            self._lines.say(thread, tick, f"--- {signal} {siginfo_text(values)} ---")
            self._lines.say(thread, tick, f"+++ killed by {signal} +++")

    def _note(self, note: Note) -> None:
        """A signal that came to a thread, or the end of one."""
        thread, end = int(note.facts.get("thread", -1)), note.facts.get("end")
        first = "first" in note.facts
        self._ended |= first
        if end is not None:
            shown, line = (self._args.threads or first) and not self._args.quiet, f"+++ {end} +++"
        elif "signal" in note.facts:
            shown = self._selection.signals(note.facts["signal"])
            line = f"--- {note.facts['signal']} {note.facts['info']} ---"
        else:
            return
        if not shown or (
            self._selection.threads and not self._selection.threads & {str(thread), self._thread_name(thread)}
        ):
            return
        if self._args.json:
            said = {"signal": note.facts.get("signal"), "end": end, "line": line}
            self._write(json.dumps({"tick": note.tick, "thread": self._thread_id(thread), **said}))
        elif not self._args.counts:
            self._lines.say(thread, note.tick, line)

    # ---- writing ----

    def _write(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()

    def _thread_name(self, thread: int) -> str:
        return self._session.live.thread_name(thread)

    def _thread_id(self, thread: int) -> int:
        found = self._session.live.thread_info(thread)
        ids = found.ids if found is not None else {}
        return next((ids[name] for name in ("tid", "libos", "host") if name in ids), thread + 1)

    def _object(self, what: str, entry: Entry) -> None:
        """A call as JSON, when it has ended."""
        never = entry.entry.result == "none"
        if (what == "begin") is not never or not self._selection.begins(entry, self._thread_name(entry.thread)):
            return
        if self._selection.ends(entry):
            self._write(json.dumps(self._body(entry), ensure_ascii=False))
        self._selection.follow(entry)

    def _body(self, entry: Entry) -> dict[str, Any]:
        frame = entry.decoded.frame if entry.decoded is not None else None
        return {
            "tick": entry.tick,
            "ticks": None if entry.ended is None else entry.ended - entry.tick,
            "thread": self._thread_id(entry.thread),
            "path": entry.path,
            "layer": entry.layer,
            "number": entry.nr,
            "call": entry.name,
            "arguments": {row.name: row.value for row in entry.arguments},
            "words": [f"{bits:#x}" for bits in frame.bits] if frame is not None else [],
            "line": entry.call,
            "result": entry.result.removeprefix("= "),
            "value": frame.result if frame is not None else None,
            "failed": entry.failed,
        }
