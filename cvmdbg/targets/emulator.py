"""The target that runs a guest in the emulator: engine stops become effects of the guest, or stops of the debugger."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from cvmdbg.guests.guest import Boundary, BoundaryKind, Guest, Outcome
from cvmdbg.target import (
    Capabilities,
    Crossing,
    Move,
    Reason,
    Region,
    Register,
    Reverse,
    Stop,
    StopKind,
    Stops,
    TargetError,
    Thread,
    ThreadState,
)
from cvmdbg.targets import translate
from cvmdbg.targets.inferior import Inferior, prot_letters
from cvmdbg.targets.registers import REGISTERS, read_register
from cvmdbg.targets.stdin import Input
from emulator_core import _core
from sessions.event import (
    CapabilityWrite,
    Effect,
    Event,
    MemoryWrite,
    Observation,
    RegisterWrite,
    ThreadSwitch,
)

QUANTUM = 100_000
"""Ticks a thread runs before the next runnable one has its turn."""

NO_BUDGET = (1 << 64) - 1
RAW = (1 << 128) - 1

T = TypeVar("T")

_BOUNDARIES = {
    _core.StopKind.SYSCALL: BoundaryKind.SYSCALL,
    _core.StopKind.HOSTCALL: BoundaryKind.HOSTCALL,
    _core.StopKind.DEVICE: BoundaryKind.DEVICE,
    _core.StopKind.UNSUPPORTED: BoundaryKind.UNSUPPORTED,
    _core.StopKind.HALT: BoundaryKind.UNSUPPORTED,
}


class _Memory:
    """Capabilities and tags in memory."""

    def __init__(self, target: EmulatorTarget) -> None:
        self._target = target

    def read(self, address: int) -> int:
        raw, tag = self._target.peek(lambda machine: machine.read_capability(address))
        return int(tag) << 128 | raw

    def write(self, address: int, value: int) -> None:
        self._target.edit(CapabilityWrite(address, value & RAW, bool(value >> 128)))

    def tags(self, address: int, size: int) -> bytes:
        return self._target.peek(lambda machine: machine.read_tags(address, size))


class _Stops:
    """Breakpoints and watchpoints in the engine."""

    def __init__(self, machine: _core.Machine) -> None:
        self._machine = machine
        self.breakpoints: set[int] = set()
        self.crossings = False

    def add_breakpoint(self, address: int) -> None:
        if address & 3:
            raise TargetError(f"{address:#x} is no address of an instruction: it must be a multiple of 4")
        self._machine.add_breakpoint(address)
        self.breakpoints.add(address)

    def remove_breakpoint(self, address: int) -> None:
        self._machine.remove_breakpoint(address)
        self.breakpoints.discard(address)

    def add_watchpoint(self, address: int, size: int, access: str) -> int:
        if size <= 0 or access not in translate.WATCH:
            raise TargetError(f"cannot watch {size} bytes at {address:#x} for {access!r}")
        return self._machine.add_watchpoint(address, size, translate.WATCH[access])

    def remove_watchpoint(self, number: int) -> None:
        self._machine.remove_watchpoint(number)

    def catch_crossings(self, on: bool) -> None:
        self.crossings = on
        self._machine.set_ring_limit(1 if on else translate.RING)


class EmulatorTarget:
    """Runs one guest. Each event goes to ``record`` (if given) before its effects are applied."""

    def __init__(self, guest: Guest, record: Callable[[Event], None] | None = None) -> None:
        self.guest = guest
        self.inferior = Inferior()
        self.input = Input()
        self._memory = _Memory(self)
        self._breaks = _Stops(self.inferior.machine)
        self._breaks.catch_crossings(False)
        self._record = record
        self._observed: deque[Observation | Crossing] = deque()
        self._interrupted = threading.Event()
        self._reported: set[int] = set()  # threads that stand at a breakpoint which has been reported
        self._turn_ends = 0
        self._again: Boundary | None = None  # what the guest did not serve yet
        self._fault: Boundary | None = None  # a reported fault: going on from it is the guest's affair
        for outcome in guest.start():
            self._commit(outcome)
        self._give_turn()
        self._stop = self._stopped(())

    # ---- looking ------------------------------------------------------------------------------------

    @property
    def arch(self) -> str:
        return self.guest.arch

    @property
    def registers(self) -> tuple[Register, ...]:
        return REGISTERS

    @property
    def stop(self) -> Stop:
        return self._stop

    @property
    def capabilities(self) -> Capabilities | None:
        return self._memory

    @property
    def stops(self) -> Stops | None:
        return self._breaks

    @property
    def reverse(self) -> Reverse | None:
        return None

    @property
    def tick(self) -> int:
        """Instructions retired over all threads."""
        return self.inferior.tick

    def threads(self) -> tuple[Thread, ...]:
        return tuple(
            replace(t, name=self.guest.thread_name(t.number), ids=dict(self.guest.thread_ids(t.number)))
            for t in self.inferior.schedule.threads
        )

    def regions(self) -> tuple[Region, ...]:
        return tuple(Region(a, size, prot_letters(prot)) for a, size, prot, _ in self.inferior.machine.regions())

    def read_register(self, thread: int, name: str) -> int:
        """129 bits for a capability register, 128 for a vector, 64 otherwise."""
        return read_register(self.inferior.machine, thread, name)

    def read(self, address: int, size: int) -> bytes:
        return self.peek(lambda machine: machine.read(address, size))

    def read_capability(self, address: int) -> int:
        """The granule at a 16-aligned address, 129 bits (a guest's View)."""
        return self._memory.read(address)

    def peek(self, look: Callable[[_core.Machine], T]) -> T:
        """Looks at memory; an unmapped address becomes a TargetError that names it."""
        try:
            return look(self.inferior.machine)
        except _core.Unmapped as error:
            raise TargetError(f"{error.args[0]:#x} is not mapped") from None

    def drain(self) -> tuple[Observation | Crossing, ...]:
        self._collect_crossings()
        drained = tuple(self._observed)
        self._observed.clear()
        return drained

    # ---- changing -----------------------------------------------------------------------------------

    def write_register(self, thread: int, name: str, value: int) -> None:
        self.edit(RegisterWrite(thread, name, value))

    def write(self, address: int, content: bytes) -> None:
        self.edit(MemoryWrite(address, content))

    def edit(self, effect: Effect) -> None:
        """A change made by the user: an event like any other. A fault may have been mended, so it is tried again."""
        try:
            self._commit(Outcome("set", (effect,)))
        except _core.Unmapped as error:
            raise TargetError(f"{error.args[0]:#x} is not mapped") from None
        self._fault = None
        self._stop = replace(self._stop, pc=self._pc(self._stop.thread))

    def interrupt(self) -> None:
        self._interrupted.set()
        self.inferior.machine.interrupt()

    def close(self) -> None:
        self.interrupt()

    # ---- running ------------------------------------------------------------------------------------

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """Runs one instruction (STEP) or until something stops it (CONTINUE), at most ``budget`` ticks."""
        if self.inferior.schedule.exit_status is not None:
            raise TargetError("the guest has ended; run starts it again")
        if thread is not None and thread != self.inferior.schedule.current:
            self._switch_to(thread)
        end = self.tick + (1 if move is Move.STEP else NO_BUDGET if budget is None else budget)
        self._stop = self._run(end, StopKind.STEP if move is Move.STEP else StopKind.BUDGET)
        return self._stop

    def _run(self, end: int, at_end: StopKind) -> Stop:
        while True:
            if self._interrupted.is_set():
                self._interrupted.clear()
                return self._stopped((Reason(StopKind.INTERRUPT),))
            reasons = self._wake_or_turn(end) or self._slice(end)
            if reasons:
                return self._stopped(reasons)
            if self.tick >= end:
                return self._stopped((Reason(at_end),))

    def _wake_or_turn(self, end: int) -> tuple[Reason, ...]:
        """Serves what is due before the next instruction; reasons when the run cannot go on."""
        if self._fault is not None:
            fault, self._fault = self._fault, None
            return self._serve(fault)
        if self._again is not None:
            return self._serve(self._again)
        alarm, runs = self.guest.alarm(), self._current_runs()
        someone = runs or self._someone_runs()
        if alarm is not None and (alarm <= self.tick or not someone):
            return self._serve(Boundary(BoundaryKind.ALARM, -1))
        if not someone:
            return (Reason(StopKind.DEADLOCK, self._who_waits()),)
        if not runs or self.tick >= self._turn_ends:
            self._give_turn()
        return ()

    def _slice(self, end: int) -> tuple[Reason, ...]:
        """Lets the current thread run up to the next thing that is due."""
        thread = self.inferior.schedule.current
        due = [end, self._turn_ends]
        alarm = self.guest.alarm()
        if alarm is not None:
            due.append(alarm)
        if self._meets_breakpoint(thread):
            return (Reason(StopKind.BREAKPOINT),)
        self._reported.discard(thread)
        stop = self.inferior.machine.run(thread, min(min(due) - self.tick, NO_BUDGET))
        crossed = self._collect_crossings()
        reasons = self._reasons(stop)
        if crossed and self._breaks.crossings:
            reasons = (*reasons, Reason(StopKind.CROSSING))
        return reasons

    def _reasons(self, stop: _core.Stop) -> tuple[Reason, ...]:
        kind = stop.kind
        if kind in _BOUNDARIES:
            return self._serve(_boundary(stop))
        if kind == _core.StopKind.FAULT and stop.fault is not None:
            return (self._faulted(stop),)
        if kind == _core.StopKind.BREAKPOINT:
            self._reported.add(stop.thread)
            return (Reason(StopKind.BREAKPOINT),)
        if kind == _core.StopKind.WATCHPOINT:
            return (Reason(StopKind.WATCHPOINT, watch=translate.watch_hit(stop)),)
        return ()

    def _faulted(self, stop: _core.Stop) -> Reason:
        assert stop.fault is not None
        fault = translate.fault(stop.fault)
        self._fault = Boundary(BoundaryKind.FAULT, stop.thread, pc=stop.pc, detail=fault.kind)
        return Reason(StopKind.FAULT, fault=fault)

    def _stopped(self, reasons: tuple[Reason, ...]) -> Stop:
        thread = self.inferior.schedule.current
        if reasons and self._meets_breakpoint(thread):
            reasons = (*reasons, Reason(StopKind.BREAKPOINT))
        return Stop(thread, self._pc(thread), self.tick, reasons)

    def _meets_breakpoint(self, thread: int) -> bool:
        """Does it stand at a breakpoint that has not been reported? From now on it has."""
        places = self._breaks.breakpoints
        if not places or thread in self._reported or self._pc(thread) not in places:
            return False
        self._reported.add(thread)
        return True

    # ---- the guest's boundary -----------------------------------------------------------------------

    def _serve(self, boundary: Boundary) -> tuple[Reason, ...]:
        outcome = self.guest.boundary(boundary, _View(self))
        self._again = boundary if outcome.again else None
        self._commit(outcome)
        status = self.inferior.schedule.exit_status
        if status is not None:
            return (Reason(StopKind.EXIT, status=status),)
        return (outcome.stop,) if outcome.stop is not None else ()

    def _commit(self, outcome: Outcome) -> None:
        """Writes the event, applies it, publishes what is said about it."""
        if outcome.effects:
            event = Event(self.tick, outcome.label, outcome.effects)
            if self._record is not None:
                self._record(event)
            self.inferior.apply(event.effects)
        self._observed.extend(outcome.observations)

    # ---- the schedule -------------------------------------------------------------------------------

    def _current_runs(self) -> bool:
        schedule = self.inferior.schedule
        return any(t.number == schedule.current and t.state is ThreadState.RUNNING for t in schedule.threads)

    def _someone_runs(self) -> bool:
        schedule = self.inferior.schedule
        return schedule.runnable_after(schedule.current) is not None

    def _give_turn(self) -> None:
        schedule = self.inferior.schedule
        following = schedule.runnable_after(schedule.current)
        if following is not None and (following != schedule.current or not self._current_runs()):
            self._switch_to(following)
        self._turn_ends = self.tick + QUANTUM

    def _switch_to(self, thread: int) -> None:
        states = {t.number: t.state for t in self.inferior.schedule.threads}
        if states.get(thread) not in (ThreadState.RUNNABLE, ThreadState.RUNNING):
            raise TargetError(f"thread {thread} cannot run: {states.get(thread, 'there is none')}")
        self._commit(Outcome("schedule", (ThreadSwitch(thread),)))
        self._turn_ends = self.tick + QUANTUM

    def _who_waits(self) -> str:
        waiting = [t for t in self.threads() if t.state is ThreadState.WAITING]
        return ", ".join(f"{t.name} waits for {t.reason}" for t in waiting) or "no thread is left"

    # ---- small facts --------------------------------------------------------------------------------

    def _pc(self, thread: int) -> int:
        return read_register(self.inferior.machine, thread, "pc") if thread >= 0 else 0

    def _collect_crossings(self) -> bool:
        records = self.inferior.machine.crossings()
        self._observed.extend(translate.crossing(record) for record in records)
        return bool(records)


class _View:
    """What the guest may look at while it serves a boundary."""

    def __init__(self, target: EmulatorTarget) -> None:
        self.tick = target.tick
        self.register = target.read_register
        self.read = target.read
        self.read_capability = target.read_capability
        self.input = target.input.take


def _boundary(stop: _core.Stop) -> Boundary:
    return Boundary(
        _BOUNDARIES[stop.kind],
        stop.thread,
        pc=stop.pc,
        address=stop.address,
        size=stop.size,
        value=stop.value,
        detail=_core.clause_name(stop.clause) if stop.kind == _core.StopKind.UNSUPPORTED else "",
    )
