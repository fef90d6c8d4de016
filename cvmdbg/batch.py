"""Batch mode: commands from the command line and from scripts, results as text or as one JSON object each.

Standard output carries what the guest and the monitor print and what commands say; in JSON mode only the objects, with
the console lines of each command inside. Mistakes go to standard error as one sentence.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TextIO

from cvmdbg.analysis.console import Unread
from cvmdbg.commands.session import join_lists, script_lines
from cvmdbg.commands.table import Json, Progress, Result
from cvmdbg.rows import OutputRow
from cvmdbg.session import Session
from cvmdbg.target import TargetError, UserError

OK, USER, TARGET = 0, 1, 2
MAX_INPUT = 1 << 16


class Batch:
    """Carries out lines on a session and prints what comes of them."""

    def __init__(self, session: Session, out: TextIO, err: TextIO, as_json: bool, quiet: bool = False) -> None:
        self.session, self.out, self.err, self.json, self.quiet = session, out, err, as_json, quiet
        self._unread = Unread(session.console)
        self.status = OK

    def connect(self) -> bool:
        """Deploy the guest; False after a mistake has been told."""
        return self._guarded("", self._connect)

    def _connect(self) -> Result:
        self.session.connect()
        return Result()

    def run(self, lines: Iterable[str]) -> int:
        """Carry out lines until one quits or fails; the exit status."""
        for line in lines:
            if not self._guarded(line, partial(self.session.execute, line)):
                break
            if self._leaves:
                break
        self.console(final=True)
        return self.status

    _leaves = False

    def _guarded(self, line: str, action: Callable[[], Result]) -> bool:
        try:
            result = action()
        except UserError as error:
            self._fail(line, str(error), USER)
            return False
        except TargetError as error:
            self._fail(line, str(error), TARGET)
            return False
        self._leaves = result.opens == "quit"
        self._show(line, result)
        return True

    # ---- printing ----

    def progress(self, _: Progress) -> None:
        """Between slices: show what the guest has printed so far."""
        if not self.json:
            self.console()

    def console(self, final: bool = False) -> None:
        """Print console lines that are new; an open line is held back until it is whole, or the guest stands."""
        if self.json:
            return
        for row, text in self._unread.take(final):
            if not self.quiet or row.source == "guest":
                self._write(text)

    def _show(self, line: str, result: Result) -> None:
        if self.json:
            if line:
                self._object(line, {"ok": True, "result": result.value, "text": list(result.lines)})
            return
        self.console(final=True)
        for text in () if self.quiet else result.lines:
            self._write(text)

    def _write(self, text: str) -> None:
        """A line; a full disk is a mistake that can be told, a closed pipe the end."""
        try:
            self.out.write(text + "\n")
            self.out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            quiet_pipe()
            raise UserError(f"standard output cannot be written: {error.strerror}") from None

    def _fail(self, line: str, message: str, status: int) -> None:
        self.status = status
        if self.json:
            kind = "user" if status == USER else "target"
            self._object(line, {"ok": False, "error": {"kind": kind, "message": message}})
            return
        self.console(final=True)
        self.err.write(f"cvmdbg: {message}\n")
        self.err.flush()

    def _object(self, line: str, body: dict[str, Json]) -> None:
        """One object, with the console lines since the last one."""
        console: list[Json] = [_console(row, text) for row, text in self._unread.take(final=True)]
        self._write(json.dumps({"command": line, **body, "console": console}, ensure_ascii=False))


def _console(row: OutputRow, text: str) -> Json:
    return {"source": row.source, "compartment": row.badge, "tick": row.tick, "line": text}


def lines_of(commands: Iterable[str], scripts: Iterable[str]) -> list[str]:
    """Scripts first, then ``-ex`` commands, as gdb does; a ``commands`` list may span several of them."""
    found: list[str] = []
    for path in scripts:
        found += [line for _, line in script_lines(path)]
    found += [line for _, line in join_lists(list(enumerate(commands, 1)))]
    return found


def run_batch(session: Session, lines: Iterable[str], as_json: bool, leave: Callable[[], None] | None = None) -> int:
    """Everything: deploy, run the lines, print; Ctrl-C stops the guest, a second one the program.

    With ``leave``, which is called at the end while the guest is still there, nothing is said about the commands.
    """
    batch = Batch(session, sys.stdout, sys.stderr, as_json, quiet=leave is not None)
    session.pause = batch.progress
    session.ask_input = partial(_ask, batch)
    try:
        with _interrupts(session):
            if batch.connect():
                batch.run(lines)
            batch.console(final=True)
            if leave is not None and session.debugger is not None:
                leave()
    except BrokenPipeError:
        quiet_pipe()
        return batch.status or OK
    finally:
        session.close()
    return batch.status


def run_server(session: Session, turns: Iterator[None]) -> int:
    """Serve: what guest and monitor print goes to standard output; Ctrl-C ends it."""
    batch = Batch(session, sys.stdout, sys.stderr, as_json=False)
    try:
        with _interrupts(session):
            for _ in turns:
                batch.console(final=True)
    except BrokenPipeError:
        quiet_pipe()
    finally:
        session.close()
    return OK


def _ask(batch: Batch) -> bytes | None:
    """What a waiting guest is given: standard input, as it comes; its question is shown first."""
    batch.console(final=True)
    try:
        content = os.read(sys.stdin.fileno(), MAX_INPUT)
    except (OSError, ValueError):
        return None
    return content or None


def quiet_pipe() -> None:
    """The reader has left: let Python's own flush at exit go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _interrupts(session: Session) -> Iterator[None]:
    """Ctrl-C asks the session to stop; when nothing comes of it, the second one ends the program."""

    def stop(number: int, frame: FrameType | None) -> None:
        if session.cancelled:
            raise KeyboardInterrupt
        session.interrupt()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
