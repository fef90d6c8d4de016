"""The target that is a live machine behind a gdb."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from cvmdbg.guests.guest import Compartment
from cvmdbg.target import (
    Capabilities,
    Crossing,
    History,
    Move,
    Reason,
    Region,
    Register,
    Reverse,
    Stop,
    StopKind,
    Stops,
    TargetError,
    TargetLost,
    Thread,
)
from cvmdbg.targets.gdbmi import peer
from cvmdbg.targets.gdbmi.memory import Memory, Tagged
from cvmdbg.targets.gdbmi.points import Points
from cvmdbg.targets.gdbmi.reasons import Arrival, ended, reasons
from cvmdbg.targets.gdbmi.records import text_of
from cvmdbg.targets.gdbmi.state import State
from cvmdbg.targets.gdbmi.talk import Gdb, Refused
from cvmdbg.targets.remote.gates import Gates
from cvmdbg.targets.remote.target import GATES, LOW, PATIENCE
from sessions.event import Note, Observation, Output

SLICE = 0.02
START = 30.0
"""Seconds that a program or a link may take until it stands for the first time."""


NO_MORE = "No more reverse-execution history"
"""gdb says it on its console; a reason in the record came only later."""


class GdbTarget:
    """``command`` and ``arguments`` start a gdb; ``address`` is what it connects to, if anything.

    ``interrupt`` may come from any thread; everything else from one.
    """

    def __init__(self, command: str, arguments: Sequence[str] = (), address: str = "", timeout: float = 5.0) -> None:
        self.name, self._command = address or command, command
        self._asked = threading.Event()
        self._observed: deque[Observation | Crossing] = deque()
        self._asked_at, self._urged, self._told = 0.0, False, False
        self._stepped_from: int | None = None
        self._backwards = False
        self._ended_with, self._owns = "", False
        self._stop = Stop(0, 0, None, ())
        again = f"target remote {address}" if address else "run"
        self.gdb = Gdb(command, arguments, self._printed, self._asked.is_set, timeout, again)
        try:
            self._connect(address)
        except TargetError:
            self.gdb.close(detach=False)
            raise

    # ---- the first stop ----

    def _connect(self, address: str) -> None:
        for setting in ("confirm off", "pagination off", "width 0", "language c", "print repeats 0"):
            self.gdb.ask(f"-gdb-set {setting}")
        first = self._stand(address)
        self._try("-gdb-set scheduler-locking step")  # a step is one of one thread; some targets do not know how
        features = self.gdb.ask("-list-target-features").payload.get("features")
        self.state = State(self.gdb, self._why_not)
        self.memory = Memory(self.gdb, self._why_not)
        names = self.state.names
        self.gates = Gates(self.memory.read, self.state.register)
        self.points = Points(self.gdb, 1 if names.x86 else 4, lambda: not self._why_not(), self.memory.read)
        self._arrived(first)
        here = self.state.register(self._stop.thread, "pc")
        self._tagged = Tagged(self.memory) if names.capabilities and self.memory.has_tags(here) else None
        self._reverse = _Back(self) if isinstance(features, list) and "reverse" in features else None

    def _stand(self, address: str) -> dict[str, Any]:
        """Bring the machine before us: a link, a program that gdb has attached to, or one that it starts."""
        if address:
            self.gdb.ask(f"-target-select remote {address.removeprefix('unix:')}", timeout=START)
        elif not self._has_program():
            self._start()
        stop = (
            self.gdb.wait(START if not address else 1.0) if self._owns or self.gdb.stops or self.gdb.running else None
        )
        if stop is None and self.gdb.running:
            raise TargetError(f"{self.name} does not stand within {START:g} s")
        while self.gdb.stops:
            stop = self.gdb.stops.popleft()
        return stop or {}

    def _has_program(self) -> bool:
        """Is there a machine already?"""
        return bool(self.gdb.ask("-thread-info").payload.get("threads"))

    def _start(self) -> None:
        """Start the program that gdb was given. It must not read the commands that are meant for gdb."""
        arguments = text_of(self.gdb.ask("-gdb-show args").payload, "value")
        self.gdb.ask(f"-gdb-set args {arguments} < /dev/null")
        self._owns = True
        self.gdb.console("starti")

    def _try(self, command: str) -> bool:
        try:
            self.gdb.ask(command)
        except Refused:
            return False
        return True

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def arch(self) -> str:
        return self.state.names.arch

    @property
    def registers(self) -> tuple[Register, ...]:
        return tuple(r for r in self.state.names.registers if not r.name.startswith("st"))

    @property
    def stop(self) -> Stop:
        """The last stop; once gdb is gone, with the reason why."""
        if self.gdb.lost and self._stop.reason(StopKind.LOST) is None:
            self._stop = Stop(self._stop.thread, self._stop.pc, None, (Reason(StopKind.LOST, self.gdb.lost),))
        return self._stop

    @property
    def capabilities(self) -> Capabilities | None:
        return self._tagged

    @property
    def stops(self) -> Stops | None:
        return self.points

    @property
    def reverse(self) -> Reverse | None:
        return self._reverse

    @property
    def history(self) -> History | None:
        return None

    def threads(self) -> tuple[Thread, ...]:
        return self.state.threads(self._stop.thread)

    def regions(self) -> tuple[Region, ...]:
        """What ``info proc mappings`` tells; nothing where this gdb has no such thing."""
        return () if self._why_not() else peer.regions(self.gdb)

    def read_register(self, thread: int, name: str) -> int:
        return self.state.register(thread, name)

    def read(self, address: int, size: int) -> bytes:
        return self.memory.read(address, size)

    def drain(self) -> tuple[Observation | Crossing, ...]:
        drained = tuple(self._observed)
        self._observed.clear()
        return drained

    def _why_not(self) -> str:
        """Why the machine cannot be looked at now, or ``""``."""
        running = f"{self.name} runs: it can be looked at when it stands" if self.gdb.running else ""
        return self.gdb.lost or self._ended_with or running

    def knows(self, compartments: Sequence[Compartment], trace: bool) -> None:
        """Where crossings can be seen."""
        grants = [grant.value for c in compartments for grant in c.grants if grant.name in GATES]
        if trace and self.state.names.capabilities:
            self.gates.entries = frozenset(value & LOW & ~1 for value in grants if value >> 128)

    def lacks(self) -> str:
        """What this gdb cannot do, in a sentence."""
        if self.state.names.capabilities and self._tagged is None:
            return f"{self.gdb.name} tells no tags of memory (x/xgm): validity and object are unknown there."
        return ""

    # ---- changing --------------------------------------------------------------------------------------------------

    def write_register(self, thread: int, name: str, value: int) -> None:
        self.state.write(thread, name, value)
        if name in ("pc", "pcc", "rip") and thread == self._stop.thread:
            self._stop = Stop(thread, self.state.register(thread, "pc"), None, self._stop.reasons)

    def write(self, address: int, content: bytes) -> None:
        self.memory.write(address, content)

    def interrupt(self) -> None:
        """Ask a running machine to stop; give up a wait for an answer."""
        self._asked.set()

    def ask_again(self) -> None:
        """Whatever ``interrupt`` gave up: the next question is waited for."""
        self._asked.clear()

    def close(self) -> None:
        """End the program that this gdb has started, or let the machine go on; end gdb."""
        self._asked.clear()
        if self.gdb.running and not self._owns and not self.gdb.lost:
            try:
                self.gdb.interrupt(hard=False)
                self.gdb.wait(1.0)
            except TargetError as error:
                self.gdb.leave(str(error))
        self.gdb.close(detach=not self._owns and not self._ended_with)

    # ---- running ---------------------------------------------------------------------------------------------------

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """STEP one instruction of a thread; CONTINUE until something stops it, in slices of about 20 ms.

        A machine that runs on at the end of a slice gives a RUNNING reason; nothing but waiting is possible then.
        """
        return self.go(move, thread, "")

    def go(self, move: Move, thread: int | None, option: str) -> Stop:
        """``option`` is `` --reverse`` or nothing."""
        if self.gdb.lost:
            raise TargetLost(self.gdb.lost)
        if self.gdb.running:
            return self._wait(SLICE)
        if self._ended_with:
            raise TargetError(self._ended_with)
        self._asked.clear()
        self._asked_at, self._urged, self._told = 0.0, False, False
        self._backwards = bool(option)
        self.points.gates = set() if option else self.gates.places
        self.points.put()
        self._stepped_from = self._stop.pc if move is Move.STEP else None
        who = self._stop.thread if thread is None else thread
        self.gdb.stops.clear()
        step = move is Move.STEP
        self.gdb.ask(f"-exec-step-instruction --thread {who}{option}" if step else f"-exec-continue{option}")
        return self._step_through() if step else self._wait(SLICE)

    def _step_through(self) -> Stop:
        """A step that lasts is interrupted; a system call may wait."""
        stop = self._wait(self.gdb.timeout)
        if stop.reason(StopKind.RUNNING):
            self.gdb.interrupt(hard=False)
            stop = self._wait(PATIENCE)
        if stop.reason(StopKind.RUNNING):
            raise TargetError(f"{self.name} does not finish a step: it still runs")
        return stop

    def _wait(self, seconds: float) -> Stop:
        if self._asked.is_set():
            self._ask()
        arrived = self.gdb.wait(seconds)
        return self._arrived(arrived) if arrived is not None else self._still_running()

    def _ask(self) -> None:
        """Once an interrupt; the second time the wait is given up."""
        self._asked.clear()
        if self._asked_at:
            raise TargetError(
                f"{self.name} was asked to stop twice and does not answer: detach lets it go, continue waits on"
            )
        self.gdb.interrupt(hard=False)
        self._asked_at = time.monotonic()

    def _still_running(self) -> Stop:
        waited = time.monotonic() - self._asked_at if self._asked_at else 0.0
        if waited > PATIENCE / 2 and not self._urged:
            self._urged = True
            self.gdb.interrupt(hard=True)
        if waited > PATIENCE and not self._told:
            self._told = True
            self._observed.append(Note(0, "asked to stop, no answer yet"))
        self._stop = Stop(self._stop.thread, self._stop.pc, None, (Reason(StopKind.RUNNING, f"{self.name} runs"),))
        return self._stop

    # ---- stops -----------------------------------------------------------------------------------------------------

    def _arrived(self, payload: dict[str, Any]) -> Stop:
        """The machine stands: what was read of the last stop holds no longer."""
        self.state.stopped()
        self.memory.stopped()
        if (end := ended(payload)) is not None:
            self._ended_with = f"the program of {self.name} has ended"
            self._stop = Stop(self._stop.thread, self._stop.pc, None, (end,))
            return self._stop
        told = text_of(payload, "thread-id")
        thread = int(told) if told.isdigit() else self.state.current()
        if not thread:
            raise TargetError(f"{self.name}: there is no program; --gdb-arg names one, or its number behind -p")
        said = self.gdb.said
        pc = self.state.register(thread, "pc")
        crossing = None
        if self.gates.entries and self._stepped_from != pc and not self._backwards:
            crossing = self.gates.look(thread, pc)
        if crossing is not None:
            self._observed.append(crossing)
        ran_out = ("start" if self._backwards else "end") if NO_MORE in said else ""
        arrival = Arrival(pc, self._stepped_from, self._asked_at > 0, crossing is not None, ran_out)
        self._stop = Stop(thread, pc, None, reasons(payload, arrival, self.points))
        return self._stop

    def _printed(self, content: bytes) -> None:
        for line in content.splitlines(keepends=True):
            self._observed.append(Output(0, self._stop.thread, "", "guest", line))


class _Back:
    """The power to run backwards of a gdb whose target has it."""

    def __init__(self, target: GdbTarget) -> None:
        self._target = target

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        return self._target.go(move, thread, " --reverse")
