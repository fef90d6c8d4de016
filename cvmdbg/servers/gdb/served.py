"""A session's guest as a server of the GDB protocol wants it: threads from 1, slices, refusals with an errno."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from cvmdbg.analysis.console import Unread
from cvmdbg.debugger import Halt
from cvmdbg.servers.gdb.objects import calls_cross
from cvmdbg.servers.gdb.powers import Backwards, Granules, Sites, refusing
from cvmdbg.servers.gdb.shown import Shown
from cvmdbg.servers.gdb.stops import number, sentence, told
from cvmdbg.session import Session
from cvmdbg.target import (
    Move,
    Reason,
    Stop,
    StopKind,
    TargetError,
    ThreadState,
)
from gdbstub.operations import Stop as Told
from gdbstub.signals import Signal
from gdbstub.verb import EINVAL, EPERM, Refused

SLICE = 0.02
FIRST_BUDGET, LEAST_BUDGET = 100_000, 1000
AT_ONCE = 1000
DRAIN = 64
"""Plain steps between two looks at what the target observed; a crossing or anything else is looked at when it stops."""
STEPPED = (Reason(StopKind.STEP),)


class Served(Shown):
    """Satisfies gdbstub's Operations for the guest of a connected session."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._budget = FIRST_BUDGET
        self._undrained = 0
        self._said: list[bytes] = []
        self._heard = session.console.changes
        self._unread = Unread(session.console, session.console.count())
        self._calls: tuple[bool, frozenset[int]] = (False, frozenset())
        self.capabilities = None if self.target.capabilities is None else Granules(self.target)
        self.points = None if self.target.stops is None else Sites(self.debugger)
        self.reverse = None if self.target.reverse is None else Backwards(self, self.target.reverse)
        self.syscalls = self if self.points is not None and calls_cross(self.debugger) else None

    # ---- running ----

    def step(self, thread: int) -> Told | None:
        target, inner = self.target, thread - 1
        before = target.stop
        if before.thread != inner and not self._can_run(inner):
            return self._wait_for(inner)
        found = self.ran(lambda: target.resume(Move.STEP, thread=inner))
        if found is None and not _same(before, target.stop):
            return self._stepped(target.stop)  # it crossed into another compartment, which nobody catches
        waits = target.stop.thread != inner and not self._can_run(inner)
        return None if waits and found is not None and found.step and found.is_plain else found

    def _wait_for(self, thread: int) -> Told | None:
        """Let the others run, an instruction at a time, until a thread that waits can be stepped."""
        for _ in range(AT_ONCE):
            found = self.ran(lambda: self.target.resume(Move.STEP))
            if found is not None and not (found.step and found.is_plain):
                return found
            if self._can_run(thread):
                break
        return None

    def _can_run(self, thread: int) -> bool:
        able = (ThreadState.RUNNING, ThreadState.RUNNABLE)
        return any(t.number == thread and t.state in able for t in self.target.threads())

    def run(self) -> Told | None:
        return self.sliced(lambda budget: self.target.resume(Move.CONTINUE, budget=budget))

    def sliced(self, resume: Callable[[int], Stop]) -> Told | None:
        """One slice of about 20 ms."""
        began = time.monotonic()
        found = self.ran(lambda: resume(self._budget))
        taken = time.monotonic() - began
        if found is None and taken < SLICE / 2:
            self._budget = min(self._budget * 2, 1 << 40)
        elif taken > SLICE * 2:
            self._budget = max(self._budget // 2, LEAST_BUDGET)
        return found

    def ran(self, resume: Callable[[], Stop]) -> Told | None:
        """Let the target run; what it observed goes to the debugger, what stopped it to the client."""
        debugger = self.debugger
        before = self.target.stop
        try:
            stop = resume()
            if len(stop.reasons) == 1 and stop.reason(StopKind.BREAKPOINT) and _same(before, stop):
                stop = resume()  # the breakpoint at which it stands, and from which it goes on
        except TargetError as error:
            debugger.drain()
            raise Refused(EINVAL, str(error)) from None
        debugger.changed()
        if stop.reasons == STEPPED:
            return self._stepped(stop)
        debugger.drain()
        self._feed(stop)
        found = told(stop)
        if self._calls[0]:
            found = self._called(stop, found)
        if debugger.is_loader_site(stop.pc) and found is not None and found.breakpoint:
            found = self._loaded(found)
        if found is not None:
            self._tell(stop)
            self.stop = found
        return found

    def _stepped(self, stop: Stop) -> Told:
        """A step with nothing to tell: what was observed is taken now and then, in the order in which it happened."""
        self._undrained += 1
        if self._undrained >= DRAIN or self._calls[0]:
            self._undrained = 0
            self.debugger.drain()
        self.stop = Told(number(stop.thread), Signal.TRAP, step=True)
        return self.stop

    def _tell(self, stop: Stop) -> None:
        text = sentence(stop)
        if text:
            self._said.append(f"{text}\n".encode())

    def _feed(self, stop: Stop) -> None:
        """A guest that waits gets what the session can ask for; the client is told of the stop all the same."""
        if stop.reason(StopKind.WAITING) is not None and self.session.ask_input is not None:
            self.session.send_input(self.session.ask_input())

    def _loaded(self, found: Told) -> Told:
        """The guest's loader announces a change: tell the client when modules came or went."""
        before = {entry.module.base for entry in self.debugger.symbols.loaded}
        self.debugger.refresh()
        changed = before != {entry.module.base for entry in self.debugger.symbols.loaded}
        return replace(found, libraries=changed)

    def _called(self, stop: Stop, found: Told | None) -> Told | None:
        """A system call among the crossings that were just seen."""
        for seen in self.debugger.seen:
            entry = seen.entry
            if entry is None or seen.kind not in ("call", "return") or "M" in (seen.source, seen.target):
                continue
            if self._calls[1] and entry.nr not in self._calls[1]:
                continue
            told_so = Told(number(stop.thread), 5) if found is None else found
            return replace(told_so, syscall=("entry" if seen.kind == "call" else "return", entry.nr or 0))
        return found

    def catch(self, on: bool, numbers: frozenset[int]) -> None:
        self._calls = (on, numbers)
        stops = self.target.stops
        assert stops is not None
        if on:
            stops.catch_crossings(True)
        else:
            self.debugger.follow_crossings()

    def output(self) -> bytes:
        """What stops had to say, and the console's new lines."""
        if not self._said and self._heard == self.session.console.changes:
            return b""
        self._heard = self.session.console.changes
        said, self._said = self._said, []
        lines = [f"{text}\n" for _, text in self._unread.take(final=True)]
        return b"".join(said) + "".join(lines).encode("utf-8", "replace")

    # ---- objects, files, commands ----

    def object(self, name: str, annex: str, thread: int) -> bytes:
        return self.objects_of.make(name)

    def file(self, path: str) -> bytes | None:
        return self.objects_of.file(path)

    def monitor(self, line: str) -> str:
        session = self.session
        with refusing():
            command, _ = session.resolve(line)
        if command.name in REFUSED:
            raise Refused(EPERM, f"{command.name} is not for a client of the server")
        self.settle()
        session.confined = True
        try:
            with refusing():
                result = session.execute(line)
        finally:
            session.confined = False
        self.stop = told(self.target.stop) or self.stop
        return "".join(f"{text}\n" for text in result.lines)

    def settle(self) -> None:
        """The debugger stands where the client has gone: selection and modules follow."""
        target = self.target
        self.debugger.drain()
        self.debugger.stopped(Halt(target.stop, "end", "a client of the gdb server has the guest"))

    def let_go(self, kill: bool) -> None:
        if self.syscalls is not None:
            self.catch(False, frozenset())
        self.settle()


REFUSED = frozenset({"run", "kill", "quit"})
"""Commands that would take the guest from under the client."""


def _same(before: Stop, after: Stop) -> bool:
    """Has nothing moved?"""
    return (before.tick, before.pc, before.thread) == (after.tick, after.pc, after.thread)
