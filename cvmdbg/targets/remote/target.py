"""The target that is a live machine behind a stub of the GDB remote protocol."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from cvmdbg.guests.guest import Compartment, Module
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
    WatchHit,
)
from cvmdbg.targets.remote.board import devices
from cvmdbg.targets.remote.gates import Gates
from cvmdbg.targets.remote.link import Link
from cvmdbg.targets.remote.memory import Memory, Tagged
from cvmdbg.targets.remote.names import Names
from cvmdbg.targets.remote.points import Points, Watched
from cvmdbg.targets.remote.state import State
from gdbstub import signals
from gdbstub.call import ProtocolError
from gdbstub.commands import lldb, resuming
from gdbstub.signals import Signal
from gdbstub.stops import Exited, Killed, NoneResumed, Stopped, StopReply
from sessions.event import Note, Observation, Output

SLICE = 0.02
PATIENCE = 2.0
"""Seconds after which a machine that was asked to stop is said not to answer."""
LINE = 1024
LOW = (1 << 64) - 1
GATES = ("ca0", "ca3")
"""The grants that lead into a compartment: its entry, and its monitor's hostcall_asm or its LibOS's syscall_handler."""
END = 1 << 64
MAX_REGIONS = 4096
FAULTS = frozenset({Signal.ILL, Signal.FPE, Signal.BUS, Signal.SEGV, 34})
"""Signals of the machine's own making; 34 is CheriBSD's SIGPROT."""
QUIET = frozenset({Signal.NONE, Signal.TRAP, Signal.INT, Signal.STOP})
"""Signals that are not handed on when the machine goes on."""


class RemoteTarget:
    """``link`` is connected. ``interrupt`` may come from any thread; everything else from one."""

    def __init__(self, name: str, timeout: float = 5.0) -> None:
        self.name = name
        self._asked = threading.Event()
        self._observed: deque[Observation | Crossing] = deque()
        self._line = bytearray()
        self._asked_at = 0.0
        self._told = False
        self._signal = 0
        self._ended_with = ""
        self.link = Link(name, self._printed, self._asked.is_set, timeout)
        names = Names(self.link.layout)
        self.state = State(self.link, names, self._why_not)
        self.memory = Memory(self.link, self._why_not)
        self.gates = Gates(self.memory.read, self.state.register)
        self.points = Points(self.link, 1 if names.x86 else 4, lambda: not self._why_not(), self._watched_content)
        self._tagged = Tagged(self.memory) if self.link.has("qXfer:capa:read") else None
        self._reverse = _Back(self) if self.link.has("ReverseContinue") or self.link.has("ReverseStep") else None
        try:
            with self.link.telling():
                self.state.refresh()
            self.devices = devices(self.link, any(r.name == "HCR_EL2" for r in self.registers))
            self.memory.devices = self.devices or ()
        except TargetError:
            self.link.close(detach=False)
            raise
        self._stop = Stop(0, 0, None, ())
        self._arrived(self.link.first, ())

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def arch(self) -> str:
        return self.state.names.arch

    @property
    def registers(self) -> tuple[Register, ...]:
        return self.state.names.registers

    @property
    def stop(self) -> Stop:
        """The last stop; once the link is gone, with the reason why."""
        if self.link.lost and self._stop.reason(StopKind.LOST) is None:
            self._stop = Stop(self._stop.thread, self._stop.pc, None, (Reason(StopKind.LOST, self.link.lost),))
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
        """What the stub's qMemoryRegionInfo tells; nothing where it has none."""
        found: list[Region] = []
        at = 0
        while not self._why_not() and len(found) < MAX_REGIONS:
            value = self.link.client.batch([lldb.region(at)])[0]
            if isinstance(value, ProtocolError) or value.size <= 0:
                break
            if value.prot:
                found.append(Region(value.address, value.size, value.prot))
            at = value.address + value.size
            if at >= END - 1:
                break
        return tuple(found)

    def read_register(self, thread: int, name: str) -> int:
        return self.state.register(thread, name)

    def read(self, address: int, size: int) -> bytes:
        return self.memory.read(address, size)

    def drain(self) -> tuple[Observation | Crossing, ...]:
        drained = tuple(self._observed)
        self._observed.clear()
        return drained

    def _why_not(self) -> str:
        """Why the machine cannot be looked at now, or ""."""
        if self.link.lost:
            return self.link.lost
        if self._ended_with:
            return self._ended_with
        return f"{self.name} runs: it can be looked at when it stands" if self.link.client.running else ""

    def _watched_content(self, watched: Watched) -> bytes:
        """What a watchpoint watches, as it is now: the tags of its granules, or its bytes."""
        if watched.access == "tag":
            if self._tagged is None:
                raise TargetError(f"{self.name} gives no tags (no qXfer:capa): they cannot be watched")
            first = watched.address & ~15
            return self._tagged.tags(first, -(first - watched.address - watched.size) + 15 & ~15)
        return self.memory.read(watched.address, watched.size)

    # ---- what is known of the guest --------------------------------------------------------------------------------

    def knows(self, compartments: Sequence[Compartment], modules: Sequence[Module], trace: bool) -> None:
        """Where crossings can be seen, and where memory may be read of a stub that dies elsewhere."""
        grants = [grant.value for c in compartments for grant in c.grants if grant.name in GATES]
        if trace and self.state.names.capabilities:
            self.gates.entries = frozenset(value & LOW & ~1 for value in grants if value >> 128)
        if self.memory.ranges is not None:
            spans = [(m.base, m.base + m.size) for m in modules if m.size]
            self.memory.ranges = tuple((begin, end & ~15) for begin, end in spans)

    def lacks(self) -> str:
        """What this peer cannot do, in sentences."""
        found = []
        if self.state.names.capabilities and self._tagged is None:
            found.append(f"{self.name} gives no tags (no qXfer:capa): validity and object are unknown here.")
        if not self.link.stub.interrupts:
            found.append("this stub does not listen while the machine runs: it stops at the next breakpoint.")
        return " ".join(found)

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
        """Take out what was put in, let the machine go on, drop the link."""
        if not self._why_not():
            self.points.breakpoints, self.points.gates, self.points.watched = set(), set(), {}
            try:
                self.points.put()
            except TargetLost:
                self.link.close(detach=False)
                return
        self.link.close(detach=True)

    # ---- running ---------------------------------------------------------------------------------------------------

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """STEP one instruction of a thread; CONTINUE until something stops it, in slices of about 20 ms.

        A machine that runs on at the end of a slice gives a RUNNING reason; nothing but waiting is possible then.
        """
        if self.link.lost:
            raise TargetLost(self.link.lost)
        if not self.link.client.running:
            self._may_run()
            self._asked.clear()
            who = self._stop.thread if thread is None else thread
            if move is Move.STEP or self.points.by_steps:
                return self._stepping(who, once=move is Move.STEP)
            if not self._leave(who):
                return self._stop
            self._go("c", who)
        return self._wait()

    def _may_run(self) -> None:
        if self._ended_with:
            raise TargetError(self._ended_with)

    def _leave(self, thread: int) -> bool:
        """Step off the breakpoint that the thread stands on; False when that step has itself met something."""
        pc = self._stop.pc
        self.points.gates = self.gates.places
        if pc in self.points.breakpoints or pc in self.points.gates:
            stop = self._step(thread)
            if any(reason.kind is not StopKind.STEP for reason in stop.reasons):
                return False
            self.points.gates = self.gates.places
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

    def _wait(self) -> Stop:
        """A slice of waiting."""
        if self._asked.is_set():
            self._ask()
        with self.link.telling():
            reply = self.link.client.wait(SLICE)
        if reply is None:
            return self._still_running()
        asked = self._asked_at > 0
        return self._arrived(reply, (Reason(StopKind.INTERRUPT),) if asked else ())

    def _ask(self) -> None:
        """Once an interrupt; the second time the wait is given up."""
        self._asked.clear()
        if not self.link.stub.interrupts:
            self._say("this stub does not listen while the machine runs: it stops at the next breakpoint")
            self._asked_at, self._told = time.monotonic(), True
        elif not self._asked_at:
            with self.link.telling():
                self.link.client.interrupt()
            self._asked_at = time.monotonic()
        else:
            raise TargetError(
                f"{self.name} was asked to stop twice and does not answer: detach lets it go, continue waits on"
            )

    def _still_running(self) -> Stop:
        if self._asked_at and not self._told and time.monotonic() - self._asked_at > PATIENCE:
            self._told = True
            self._say("asked to stop, no answer yet")
        self._stop = Stop(self._stop.thread, self._stop.pc, None, (Reason(StopKind.RUNNING, f"{self.name} runs"),))
        return self._stop

    def _stepping(self, thread: int, once: bool) -> Stop:
        """Steps: one, or for a slice, looking at what the stub cannot watch."""
        end = time.monotonic() + SLICE
        while True:
            stop = self._step(thread)
            if once or any(reason.kind is not StopKind.STEP for reason in stop.reasons):
                return stop
            if self._asked.is_set():
                self._asked.clear()
                self._stop = Stop(stop.thread, stop.pc, None, (Reason(StopKind.INTERRUPT),))
                return self._stop
            if time.monotonic() > end:
                self._stop = Stop(stop.thread, stop.pc, None, (Reason(StopKind.BUDGET),))
                return self._stop

    def _step(self, thread: int) -> Stop:
        """One instruction, without the breakpoint under it."""
        pc = self.state.register(thread, "pc")
        self.points.gates = self.gates.places
        with self.link.telling():
            self.points.put(lifted=pc)
            self._go("s", thread)
            reply = self.link.client.wait(self.link.client.timeout)
            if reply is None:
                self.link.client.interrupt()
                reply = self.link.client.wait(PATIENCE)
        if reply is None:
            raise TargetError(f"{self.name} does not finish a step: it still runs")
        return self._arrived(reply, (Reason(StopKind.STEP),), before=pc)

    def run_back(self, step: bool, thread: int) -> Stop:
        """Backwards, by a stub that offered it."""
        self._may_run()
        self._asked.clear()
        with self.link.telling():
            self.points.gates = set()
            self.points.put(lifted=self._stop.pc if step else None)
            self.link.select_running("b", self.state.ids[thread])
            self.link.client.resume(resuming.go_back(step))
        self._asked_at, self._told = 0.0, False
        return self._wait()

    # ---- stops -----------------------------------------------------------------------------------------------------

    def _arrived(self, reply: StopReply, planned: Sequence[Reason], before: int | None = None) -> Stop:
        """The machine stands: what was read of the last stop holds no longer."""
        if not isinstance(reply, Stopped):
            return self._ended(reply)
        self.memory.stopped()
        with self.link.telling():
            if reply.thread is not None and reply.thread.tid not in self.state.ids:
                self.state.refresh()
            thread = self.state.stopped(reply.thread)
        pc = self.state.register(thread, "pc")
        reasons = [*self._reasons(reply, thread, pc, bool(planned), before), *planned]
        self._stop = Stop(thread, pc, None, tuple(reasons))
        self._signal = reply.signal if reply.signal not in QUIET and reply.signal != 34 else 0
        self._flush()
        return self._stop

    def _reasons(self, reply: Stopped, thread: int, pc: int, planned: bool, before: int | None) -> list[Reason]:
        found: list[Reason] = []
        crossing = self.gates.look(thread, pc) if self.gates.entries and before != pc else None
        if crossing is not None:
            self._observed.append(crossing)
            found.append(Reason(StopKind.CROSSING))
        if reply.reason("replaylog") is not None:
            found.append(Reason(StopKind.HISTORY, "start" if reply.reason("replaylog") == b"begin" else "end"))
        found += self._watch_hits(reply, before if before is not None else pc)
        trapped = reply.signal in (Signal.TRAP, Signal.NONE)
        if trapped and self.points.at(pc) and not (planned and before == pc):
            found.append(Reason(StopKind.BREAKPOINT))
        if reply.signal in FAULTS:
            found.append(Reason(StopKind.FAULT, "SIGPROT" if reply.signal == 34 else signals.name(reply.signal)))
        elif reply.signal not in QUIET:
            found.append(Reason(StopKind.SIGNAL, signals.name(reply.signal)))
        elif not found and not planned:
            found.append(
                Reason(StopKind.SIGNAL, "") if trapped and pc not in self.points.gates else Reason(StopKind.INTERRUPT)
            )
        return found

    def _watch_hits(self, reply: Stopped, pc: int) -> list[Reason]:
        """Watchpoints that the stub tells of, and those that are looked after by steps."""
        found = []
        watched = reply.watched
        for one in self.points.watched.values():
            told = watched is not None and one.address <= watched[1] < one.address + one.size
            if not told and not one.stepped:
                continue
            old, one.content = one.content, self._watched_content(one)
            if told or old != one.content:
                access = watched[0] if watched is not None and told else "tag" if one.access == "tag" else "write"
                words = {"w": "write", "r": "read", "rw": "access"}
                hit = WatchHit(one.number, one.address, one.size, words.get(access, access), pc)
                found.append(Reason(StopKind.WATCHPOINT, watch=hit))
        return found

    def _ended(self, reply: StopReply) -> Stop:
        self._flush()
        self._ended_with = f"the program of {self.name} has ended"
        match reply:
            case Exited(status=status):
                known = self.link.stub.exit_status
                detail = "" if known else "its stub does not tell the status"
                reason = Reason(StopKind.EXIT, detail, status=status if known else None)
            case Killed(signal=signal):
                reason = Reason(StopKind.EXIT, f"ended by {signals.name(signal)}", status=128 + signal)
            case NoneResumed():
                reason = Reason(StopKind.DEADLOCK, "no thread is left that could run")
        self._stop = Stop(self._stop.thread, self._stop.pc, None, (reason,))
        return self._stop

    # ---- what it prints --------------------------------------------------------------------------------------------

    def _printed(self, content: bytes) -> None:
        """Output that comes as O packets, line by line."""
        self._line += content
        while b"\n" in self._line or len(self._line) > LINE:
            end = self._line.find(b"\n") + 1 or LINE
            self._observed.append(Output(0, self._stop.thread, "", "guest", bytes(self._line[:end])))
            del self._line[:end]

    def _flush(self) -> None:
        if self._line:
            self._observed.append(Output(0, self._stop.thread, "", "guest", bytes(self._line)))
            self._line.clear()

    def _say(self, text: str) -> None:
        self._observed.append(Note(0, text))


class _Back:
    """The stub's own power to run backwards."""

    def __init__(self, target: RemoteTarget) -> None:
        self._target = target

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        target = self._target
        if target.link.lost:
            raise TargetLost(target.link.lost)
        if target.link.client.running:
            return target._wait()
        needed = "ReverseStep" if move is Move.STEP else "ReverseContinue"
        if not target.link.has(needed):
            raise TargetError(f"{target.name} did not offer {needed}")
        return target.run_back(move is Move.STEP, target.stop.thread if thread is None else thread)
