"""The target that is a live machine behind a stub of the GDB remote protocol."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cvmdbg.guests.guest import Compartment, Module
from cvmdbg.target import Move, Reason, Region, Stop, StopKind, TargetError, TargetLost
from cvmdbg.targets.live.faults import Scene
from cvmdbg.targets.live.names import Names, of_layout
from cvmdbg.targets.live.target import PATIENCE, SLICE, Backwards, LiveTarget
from cvmdbg.targets.remote.board import devices
from cvmdbg.targets.remote.link import Link
from cvmdbg.targets.remote.memory import Memory, Tagged
from cvmdbg.targets.remote.peer import regions
from cvmdbg.targets.remote.points import Points, Watched
from cvmdbg.targets.remote.reasons import Arrival, ended, fault_of, handed_on, reasons
from cvmdbg.targets.remote.state import State
from gdbstub import hexadecimal
from gdbstub.commands import resuming, syscalls
from gdbstub.stops import Stopped, StopReply

LINE = 1024
DEAF = "this stub does not listen while the machine runs: it stops at the next breakpoint"


class RemoteTarget(LiveTarget[StopReply, State, Memory, Points]):
    """``link`` is connected."""

    def __init__(self, name: str, timeout: float = 5.0) -> None:
        super().__init__(name)
        self._line = bytearray()
        self._signal = 0
        self._stepped_from: int | None = None
        self._catches = False
        self.link = Link(name, self._came, self._asked.is_set, timeout)
        names = Names(of_layout(self.link.layout))
        self.state = State(self.link, names, self._why_not)
        self.memory = Memory(self.link, self._why_not)
        self._follow_calls()
        self.points = Points(self.link, 1 if names.x86 else 4, lambda: not self._why_not(), self._watched_content)
        self._tags = self._tagged = Tagged(self.memory) if self.link.has("qXfer:capa:read") else None
        self._reverse = Backwards(self) if self.link.has("ReverseContinue") or self.link.has("ReverseStep") else None
        try:
            with self.link.telling():
                self.state.refresh()
            self.devices = devices(self.link, any(r.name == "HCR_EL2" for r in self.registers))
            self.memory.devices = self.devices or ()
        except TargetError:
            self.link.close(detach=False)
            raise
        self._arrived(self.link.first)

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def lost(self) -> str:
        return self.link.lost

    @property
    def running(self) -> bool:
        return self.link.client.running

    def _find_regions(self) -> tuple[Region, ...]:
        return regions(self.link)

    def _watched_content(self, watched: Watched) -> bytes:
        """What a watchpoint watches, as it is now: the tags of its granules, or its bytes."""
        if watched.access == "tag":
            if self._tags is None:
                raise TargetError(f"{self.name} gives no tags (no qXfer:capa): they cannot be watched")
            first = watched.address & ~15
            return self._tags.tags(first, -(first - watched.address - watched.size) + 15 & ~15)
        return self.memory.read(watched.address, watched.size)

    # ---- what is known of the guest --------------------------------------------------------------------------------

    def knows(self, compartments: Sequence[Compartment], modules: Sequence[Module], trace: bool) -> None:
        """Where crossings can be seen, and where memory may be read of a stub that dies elsewhere."""
        super().knows(compartments, modules, trace)
        self._catch_calls(trace and not self._traced)
        if self.memory.ranges is not None:
            spans = [(m.base, m.base + m.size) for m in modules if m.size]
            self.memory.ranges = tuple((begin, end & ~15) for begin, end in spans)

    def _catch_calls(self, on: bool) -> None:
        """Let the stub stop at system calls, where it can and nothing else shows them."""
        if on != self._catches and self.link.has("QCatchSyscalls") and not self._why_not():
            with self.link.telling():
                self.link.client.call(syscalls.catch(on))
            self._catches = on

    def lacks(self) -> str:
        """What this peer cannot do, in sentences."""
        found = []
        if self.state.names.capabilities and self._tags is None:
            found.append(f"{self.name} gives no tags (no qXfer:capa): validity and object are unknown here.")
        if not self.link.stub.interrupts:
            found.append(f"{DEAF}.")
        return " ".join(found)

    # ---- the end ---------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Take out what was put in, let the machine go on, drop the link."""
        if not self._why_not():
            self.points.breakpoints, self.points.gates, self.points.watched = set(), set(), {}
            try:
                self.points.put()
                self._catch_calls(False)
            except TargetLost:
                self.link.close(detach=False)
                return
        self.link.close(detach=True)

    # ---- running ---------------------------------------------------------------------------------------------------

    def _set_off(self, move: Move, thread: int, backwards: bool) -> Stop:
        if backwards:
            return self._run_back(move is Move.STEP, thread)
        if move is Move.STEP or self.points.by_steps:
            return self._stepping(thread, once=move is Move.STEP)
        if not self._step_off(thread):
            return self._stop
        self._go("c", thread)
        return self._wait(SLICE)

    def _step_off(self, thread: int) -> bool:
        """Leave the breakpoint that the thread stands on; False when that step has itself met something."""
        pc = self._stop.pc
        self.points.gates = self._traced
        if pc in self.points.breakpoints or pc in self.points.gates:
            stop = self._step(thread)
            if any(reason.kind is not StopKind.STEP for reason in stop.reasons):
                return False
            self.points.gates = self._traced
        with self.link.telling():
            self.points.put()
        return True

    def _go(self, action: str, thread: int) -> None:
        signal, self._signal = self._signal, 0
        own = self.state.ids[thread]
        with self.link.telling():
            self.link.select_running(action, own)
            self.link.client.resume(self.link.resume(action, own, signal))
        self._asked_at, self._told = 0.0, False

    def _next(self, seconds: float) -> StopReply | None:
        with self.link.telling():
            return self.link.client.wait(seconds)

    def _halt(self) -> None:
        if self.link.stub.interrupts:
            with self.link.telling():
                self.link.client.interrupt()
        else:
            self.say(DEAF)
            self._told = True

    def _stepping(self, thread: int, once: bool) -> Stop:
        """Steps: one, or for a slice, looking at what the stub cannot watch."""
        end = time.monotonic() + SLICE
        while True:
            stop = self._step(thread)
            if once or any(reason.kind is not StopKind.STEP for reason in stop.reasons):
                return stop
            if self._asked.is_set():
                self._asked.clear()
                return self._at(stop.thread, stop.pc, (Reason(StopKind.INTERRUPT),))
            if time.monotonic() > end:
                return self._at(stop.thread, stop.pc, (Reason(StopKind.BUDGET),))

    def _step(self, thread: int) -> Stop:
        """One instruction, without the breakpoint under it."""
        self._stepped_from = pc = self.state.register(thread, "pc")
        self.points.gates = self._traced
        with self.link.telling():
            self.points.put(lifted=pc)
            self._go("s", thread)
            reply = self.link.client.wait(self.link.client.timeout)
            if reply is None:
                self.link.client.interrupt()
                reply = self.link.client.wait(PATIENCE)
        if reply is None:
            raise TargetError(f"{self.name} does not finish a step: it still runs")
        return self._arrived(reply)

    def _run_back(self, step: bool, thread: int) -> Stop:
        """Backwards, by a stub that offered it."""
        needed = "ReverseStep" if step else "ReverseContinue"
        if not self.link.has(needed):
            raise TargetError(f"{self.name} did not offer {needed}")
        with self.link.telling():
            self.points.gates = set()
            self.points.put(lifted=self._stop.pc if step else None)
            self.link.select_running("b", self.state.ids[thread])
            self.link.client.resume(resuming.go_back(step))
        return self._wait(SLICE)

    # ---- stops -----------------------------------------------------------------------------------------------------

    def _arrived(self, arrival: StopReply) -> Stop:
        self._comes_to_stand()
        self._flush()
        before, self._stepped_from = self._stepped_from, None
        end = ended(arrival, self.link.stub.exit_status)
        if end is not None or not isinstance(arrival, Stopped):
            return self._over(end or Reason(StopKind.EXIT))
        self.memory.stopped()
        with self.link.telling():
            if arrival.thread is not None and arrival.thread.tid not in self.state.ids:
                self.state.refresh()
            thread = self.state.stopped(arrival.thread)
        pc = self.state.register(thread, "pc")
        planned = (Reason(StopKind.STEP),) if before is not None else ()
        if before is None and self._asked_at:
            planned = (Reason(StopKind.INTERRUPT),)
        crossed = self._called(arrival, thread) or (before != pc and self._crossed(thread, pc))
        scene = Scene(thread, self.memory.read, self.state.register)
        fault, where = fault_of(self.link, arrival.signal, scene if self.arch == "morello" else None)
        known = Arrival(pc, before, planned, crossed, fault, where)
        self._signal = handed_on(arrival.signal)
        return self._stands(thread, pc, reasons(arrival, known, self.points, self._watched_content))

    def _called(self, arrival: Stopped, thread: int) -> bool:
        """Does the stub stop at a system call that was asked for?"""
        entry, back = arrival.reason("syscall_entry"), arrival.reason("syscall_return")
        told = entry if entry is not None else back
        if told is None or not self._catches:
            return False
        for item in self.calls.caught(thread, hexadecimal.number(told), entry is not None, self.number):
            self._happened(item)
        return True

    # ---- what it prints --------------------------------------------------------------------------------------------

    def _came(self, content: bytes) -> None:
        """Output that comes as O packets, line by line."""
        self._line += content
        while b"\n" in self._line or len(self._line) > LINE:
            end = self._line.find(b"\n") + 1 or LINE
            self._printed(bytes(self._line[:end]))
            del self._line[:end]

    def _flush(self) -> None:
        if self._line:
            self._printed(bytes(self._line))
            self._line.clear()
