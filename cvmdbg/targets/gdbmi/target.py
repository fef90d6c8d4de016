"""The target that is a live machine behind a gdb."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cvmdbg.target import Move, Region, Register, Stop, StopKind, TargetError
from cvmdbg.targets.gdbmi import peer
from cvmdbg.targets.gdbmi.memory import Memory, Tagged
from cvmdbg.targets.gdbmi.points import Points
from cvmdbg.targets.gdbmi.reasons import Arrival, ended, reasons
from cvmdbg.targets.gdbmi.records import text_of
from cvmdbg.targets.gdbmi.state import State
from cvmdbg.targets.gdbmi.talk import Gdb, Refused
from cvmdbg.targets.live.target import PATIENCE, SLICE, Backwards, LiveTarget

START = 30.0
"""Seconds that a program or a link may take until it stands for the first time."""
NO_MORE = "No more reverse-execution history"
"""gdb says it on its console; a reason in the record came only later."""


class GdbTarget(LiveTarget[dict[str, Any], State, Memory, Points]):
    """``command`` and ``arguments`` start a gdb; ``address`` is what it connects to, if anything."""

    def __init__(self, command: str, arguments: Sequence[str] = (), address: str = "", timeout: float = 5.0) -> None:
        super().__init__(address or command)
        self._command = command
        self._urged = False
        self._stepped_from: int | None = None
        self._backwards = False
        self._owns = False
        again = f"target remote {address}" if address else "run"
        self.gdb = Gdb(command, arguments, self._came, self._asked.is_set, timeout, again)
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
        self._follow_calls()
        self.points = Points(self.gdb, 1 if names.x86 else 4, lambda: not self._why_not(), self.memory.read)
        self._arrived(first)
        here = self.state.register(self._stop.thread, "pc")
        self._tagged = Tagged(self.memory) if names.capabilities and self.memory.has_tags(here) else None
        self._reverse = Backwards(self) if isinstance(features, list) and "reverse" in features else None

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
    def lost(self) -> str:
        return self.gdb.lost

    @property
    def running(self) -> bool:
        return self.gdb.running

    @property
    def registers(self) -> tuple[Register, ...]:
        return tuple(r for r in super().registers if not r.name.startswith("st"))

    def _find_regions(self) -> tuple[Region, ...]:
        """What ``info proc mappings`` tells; nothing where this gdb has no such thing."""
        return peer.regions(self.gdb)

    def lacks(self) -> str:
        """What this gdb cannot do, in a sentence."""
        if self.state.names.capabilities and self._tagged is None:
            return f"{self.gdb.name} tells no tags of memory (x/xgm): validity and object are unknown there."
        return ""

    # ---- the end ---------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
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

    def _set_off(self, move: Move, thread: int, backwards: bool) -> Stop:
        self._urged, self._backwards = False, backwards
        self.points.gates = set() if backwards else self._traced
        self.points.put()
        step = move is Move.STEP
        self._stepped_from = self._stop.pc if step else None
        self.gdb.stops.clear()
        option = " --reverse" if backwards else ""
        self.gdb.ask(f"-exec-step-instruction --thread {thread}{option}" if step else f"-exec-continue{option}")
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

    def _next(self, seconds: float) -> dict[str, Any] | None:
        return self.gdb.wait(seconds)

    def _halt(self) -> None:
        self.gdb.interrupt(hard=False)

    def _urge(self, waited: float) -> None:
        if waited > PATIENCE / 2 and not self._urged:
            self._urged = True
            self.gdb.interrupt(hard=True)

    # ---- stops -----------------------------------------------------------------------------------------------------

    def _arrived(self, arrival: dict[str, Any]) -> Stop:
        self._comes_to_stand()
        self.state.stopped()
        self.memory.stopped()
        if (end := ended(arrival)) is not None:
            return self._over(end)
        told = text_of(arrival, "thread-id")
        thread = int(told) if told.isdigit() else self.state.current()
        if not thread:
            raise TargetError(f"{self.name}: there is no program; --gdb-arg names one, or its number behind -p")
        said = self.gdb.said
        pc = self.state.register(thread, "pc")
        crossed = self._stepped_from != pc and self._crossed(thread, pc)
        ran_out = ("start" if self._backwards else "end") if NO_MORE in said else ""
        known = Arrival(pc, self._stepped_from, self._asked_at > 0, crossed, ran_out)
        return self._stands(thread, pc, reasons(arrival, known, self.points))

    def _came(self, content: bytes) -> None:
        for line in content.splitlines(keepends=True):
            self._printed(line)
