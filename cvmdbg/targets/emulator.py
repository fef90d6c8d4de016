"""The target that runs a guest in the emulator: engine stops become effects of the guest, or stops of the debugger."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from cvmdbg.guests.guest import Boundary, BoundaryKind, Calls, Guest, Outcome, Told
from cvmdbg.target import (
    Crossing,
    History,
    Move,
    Reason,
    Reverse,
    Stop,
    StopKind,
    TargetError,
    ThreadState,
)
from cvmdbg.targets import translate
from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.keeping import Keeping
from cvmdbg.targets.machine import InferiorTarget, Names, T
from cvmdbg.targets.player import Where
from cvmdbg.targets.stdin import Input
from cvmdbg.targets.taps import Taps
from emulator_core import _core
from sessions.coding import crossings_of
from sessions.event import CapabilityWrite, Effect, Event, Halted, MemoryWrite, Note, Observation, ThreadSwitch
from sessions.recorder import Recorder
from sessions.served import FEW, Served

PHYSICAL = 1 << 48
"""Bytes of addresses that memory can have."""
QUANTUM = 100_000
"""Ticks a thread runs before the next runnable one has its turn."""

NO_BUDGET = LOW = (1 << 64) - 1
FULL = 2
"""What the machine answers when its served calls must be taken."""
PAST_IS_PAST = "the past cannot be edited; diverge makes a scratch copy"


class EmulatorTarget(InferiorTarget):
    """Runs one guest. Each event goes to ``record`` (if given) and to the recorder before its effects are applied."""

    def __init__(
        self,
        guest: Guest,
        record: Callable[[Event], None] | None = None,
        recorder: Recorder | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(Inferior())
        self.guest = guest
        self.input = Input()
        self._record = record
        self._observed: deque[Observation | Crossing | Served] = deque()
        self._interrupted = threading.Event()
        self._reported: set[int] = set()  # threads that stand at a breakpoint which has been reported
        self._turn_ends = 0
        self._dice = random.Random(seed) if seed else None
        self._again: Boundary | None = None  # what the guest did not serve yet
        self.observing = True  # are observations wanted? Without them, and unrecorded, system calls cost less
        self._layer = ""  # of the calls that wait to be taken
        self._view = _View(self)
        self._taps = Taps(self.breaks, self.read_register, self.read)
        self._fault: Boundary | None = None  # a reported fault: going on from it is the guest's affair
        self.keeping = None if recorder is None else Keeping(self, guest, recorder, self._cancelled)
        if guest.absent is not None:
            self.inferior.machine.set_absent(0, PHYSICAL, True)
        for outcome in guest.start():
            self._commit(outcome)
        self._give_turn()
        if self.keeping is not None:
            self.keeping.begin()
        self._stop = self._stopped(())

    # ---- looking ------------------------------------------------------------------------------------

    @property
    def arch(self) -> str:
        return self.guest.arch

    @property
    def names(self) -> Names:
        return self.guest if self.keeping is None else self.keeping.guest

    @property
    def reverse(self) -> Reverse | None:
        return None if self.keeping is None else self.keeping.backward

    @property
    def history(self) -> History | None:
        return self.keeping

    def drain(self) -> tuple[Observation | Crossing | Served, ...]:
        if self._past is not None:
            return self._past.drain()
        self._collect_crossings()
        drained = tuple(self._observed)
        self._observed.clear()
        return drained

    @property
    def _past(self) -> Keeping | None:
        """What is asked while the target does not stand at its live end."""
        kept = self.keeping
        return kept if kept is not None and kept.player.where is not Where.LIVE else None

    def _cancelled(self) -> bool:
        """Was the run asked to stop? Asking takes the wish back."""
        if not self._interrupted.is_set():
            return False
        self._interrupted.clear()
        return True

    def arrived(self, stop: Stop) -> Stop:
        """The machine was put elsewhere in its history."""
        self._stop = stop
        self._reported = {stop.thread}
        return stop

    # ---- changing -----------------------------------------------------------------------------------

    def edit(self, effect: Effect) -> None:
        """A change made by the user: an event like any other. A fault may have been mended, so it is tried again."""
        past = self._past
        if past is not None and past.player.where is Where.PAST:
            raise TargetError(PAST_IS_PAST)
        if isinstance(effect, MemoryWrite | CapabilityWrite):
            size = len(effect.content) if isinstance(effect, MemoryWrite) else _core.GRANULE
            self.peek(lambda machine: machine.read(effect.address, size))
        if past is not None:
            self.inferior.apply((effect,))
        else:
            self._commit(Outcome("set", (effect,)))
        if past is None:
            self._fault = None
        self._stop = replace(self._stop, pc=self._pc(self._stop.thread))

    def record(self, recorder: Recorder) -> None:
        """Record from here on."""
        self.keeping = Keeping(self, self.guest, recorder, self._cancelled)
        self.keeping.begin()

    def stop_recording(self) -> None:
        """Close the recording, from wherever the target stands: it stands at its live end then."""
        if self.keeping is not None:
            self.keeping.close()
            self.keeping = None
            self._stop = self._stopped(self._stop.reasons)

    def interrupt(self) -> None:
        self._interrupted.set()
        if self.guest.absent is not None:
            self.guest.absent.give_up()
        self.inferior.machine.interrupt()

    def close(self) -> None:
        self.interrupt()
        if self.keeping is not None:
            self.keeping.close()

    # ---- running ------------------------------------------------------------------------------------

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """Runs one instruction (STEP) or until something stops it (CONTINUE), at most ``budget`` ticks."""
        if self._past is not None:
            self._stop = self._past.resume(move, thread, budget)
            return self._stop
        if self.inferior.schedule.exit_status is not None:
            raise TargetError("the guest has ended; run starts it again")
        if thread is not None and thread != self.inferior.schedule.current:
            self._switch_to(thread)
        end = self.tick + (1 if move is Move.STEP else NO_BUDGET if budget is None else budget)
        taps = self.guest.taps if self._told() is not Told.NOTHING else ()
        self._taps.arm(taps)
        try:
            self._stop = self._run(end, StopKind.STEP if move is Move.STEP else StopKind.BUDGET)
        finally:
            self._taps.disarm()
        self._keep()
        return self._stop

    def _keep(self) -> None:
        """Tells the recorder how far the run has come; a recording that failed is given up with a word."""
        if self.keeping is None:
            return
        said = self.keeping.reached()
        if said is not None:
            self._observed.append(Note(self.tick, said))
            self.keeping.close()
            self.keeping = None

    def _run(self, end: int, at_end: StopKind) -> Stop:
        while True:
            if self._cancelled():
                return self._stopped((Reason(StopKind.INTERRUPT),))
            if self.keeping is not None and self.inferior.machine.ticks >= self.keeping.due:
                self._keep()
            reasons = self._wake_or_turn(end)
            if not reasons and self._current_runs():  # serving what was due may have ended or blocked it
                reasons = self._slice(end)
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
        due = min(end, NO_BUDGET if self.keeping is None else self.keeping.due)
        alarm = self.guest.alarm()
        if alarm is not None:
            due = min(due, alarm)
        if due > self._turn_ends and not self._alone(thread):
            due = self._turn_ends
        if self._meets_breakpoint(thread):
            return (Reason(StopKind.BREAKPOINT),)
        self._reported.discard(thread)
        self._tell_taps(thread)
        self._taps.leaves(thread)
        stop = self._calls(thread, due)
        if stop is None:
            stop = self._runs(thread, due)
        self._pass_turns()
        crossed = self._collect_crossings()
        reasons = self._reasons(stop) if isinstance(stop, _core.Stop) else stop
        if crossed and self.breaks.crossings:
            reasons = (*reasons, Reason(StopKind.CROSSING))
        return reasons

    def _runs(self, thread: int, end: int) -> _core.Stop | tuple[Reason, ...]:
        """Runs up to a tick; pages that are missing are fetched on the way."""
        start = self.tick
        while (stop := self.inferior.machine.run(thread, end - self.tick)).kind == _core.StopKind.ABSENT:
            try:
                self._brings(stop.address)
            except TargetError as error:
                return (Reason(StopKind.INTERRUPT) if self._cancelled() else Reason(StopKind.UNMODELLED, str(error)),)
            if self.tick > start and self._meets_breakpoint(thread):
                return (Reason(StopKind.BREAKPOINT),)
        return stop

    def peek(self, look: Callable[[_core.Machine], T], /) -> T:
        """Looks at memory; pages that are missing are fetched first."""
        while True:
            try:
                return look(self.inferior.machine)
            except _core.Unmapped as error:
                self._brings_for(error.args[0])

    def _brings_for(self, address: int) -> None:
        """Fetches the page that a person or the guest's model looks for; TargetError where there is none."""
        if self.guest.absent is None or address >= PHYSICAL or not self._brings(address & -_core.PAGE):
            raise TargetError(f"{address:#x} is not mapped") from None

    def _brings(self, address: int) -> bool:
        """Fetches a page, as an event where the run is live; False where none is."""
        assert self.guest.absent is not None
        found = self.guest.absent.page(address)
        if found is None:
            self.inferior.machine.set_absent(address, _core.PAGE, False)
        elif self._past is None:
            self._commit(found)
        else:
            self.inferior.apply(found.effects)
        return found is not None

    def _calls(self, thread: int, end: int) -> _core.Stop | tuple[Reason, ...] | None:
        """Runs through system calls, as long as the thread goes on and nothing comes before ``end``.

        None when the guest has no quick way to serve them, else what ended that.
        """
        calls = self.guest.calls
        if calls is None:
            return None
        calls.view, told = self._view, self._told()
        try:
            return self._served(calls, told, thread, end)
        finally:
            if told is Told.WORDS:
                self._take_served(calls, thread)

    def _told(self) -> Told:
        """How much somebody wants to know of each call."""
        if self._record is not None:
            return Told.ALL
        return Told.WORDS if self.observing or self.keeping is not None else Told.NOTHING

    def _served(self, calls: Calls, told: Told, thread: int, end: int) -> _core.Stop | tuple[Reason, ...]:
        inferior, view, call, kept = self.inferior, self._view, calls.call, told is Told.WORDS
        machine = inferior.machine
        run, answer, set_word = machine.run_call, machine.answer, machine.set_word
        while (tick := machine.ticks) < end:
            stop = run(thread, end - tick)
            if not isinstance(stop, tuple):
                return stop
            view.tick = machine.ticks
            served = call(thread, stop, told)
            if not isinstance(served, int):
                if kept:
                    self._take_served(calls, thread)
                before = inferior.schedule
                reasons = self._committed(served, thread)
                if reasons or served.yields or inferior.schedule is not before:
                    return reasons
                alarm = self.guest.alarm()
                if alarm is not None and alarm < end:
                    break
            elif not kept:
                set_word(thread, 0, served & LOW)
            elif news := answer(thread, served & LOW):
                if news == FULL:
                    self._take_served(calls, thread)
                else:
                    self._layer = calls.layer(thread)
            if self.breaks.breakpoints:
                break
        return ()

    def _take_served(self, calls: Calls, thread: int) -> None:
        """The calls that were answered go to who records and who observes."""
        count, first, last, numbers, columns = self.inferior.machine.take_served()
        if not count:
            return
        known = {number: calls.signature(number) for number in numbers}
        served = Served(thread, self._layer, known, count, first, last, columns)
        self._observed.append(served)
        if self.keeping is None:
            return
        if count > FEW:
            self.keeping.served(served)
            return
        for event, seen in zip(served.events(), served.calls(), strict=True):
            self.keeping.event(event)
            self.keeping.observe(seen)

    def _reasons(self, stop: _core.Stop) -> tuple[Reason, ...]:
        kind = stop.kind
        if kind in translate.BOUNDARIES:
            return self._serve(_boundary(stop))
        if kind == _core.StopKind.FAULT and stop.fault is not None:
            return (self._faulted(stop),)
        if kind == _core.StopKind.BREAKPOINT:
            self._tell_taps(stop.thread)
            if stop.pc not in self.breaks.breakpoints:
                return ()
            self._reported.add(stop.thread)
            return (Reason(StopKind.BREAKPOINT),)
        if kind == _core.StopKind.WATCHPOINT:
            return (Reason(StopKind.WATCHPOINT, watch=translate.watch_hit(stop)),)
        return ()

    def _tell_taps(self, thread: int) -> None:
        """Publishes what begins or ends where a thread stands, if it is a call without a crossing."""
        if not self.breaks.hidden:
            return
        for seen in self._taps.stands(thread, self._pc(thread), self.tick):
            self._observed.append(seen)
            if self.keeping is not None:
                self.keeping.observe(seen)

    def _faulted(self, stop: _core.Stop) -> Reason:
        assert stop.fault is not None
        fault = translate.fault(stop.fault)
        where = {"pc": stop.pc, "address": fault.address, "size": fault.size}
        self._fault = Boundary(BoundaryKind.FAULT, stop.thread, **where, detail=fault.kind)
        if self.keeping is not None:
            detail = f"{fault.kind} {fault.access} {fault.address:#x}"
            self.keeping.halted(Halted(self.tick, stop.thread, stop.pc, "fault", detail))
        return Reason(StopKind.FAULT, fault=fault)

    def _stopped(self, reasons: tuple[Reason, ...]) -> Stop:
        thread = self.inferior.schedule.current
        self._tell_taps(thread)
        if reasons and self._meets_breakpoint(thread):
            reasons = (*reasons, Reason(StopKind.BREAKPOINT))
        return Stop(thread, self._pc(thread), self.tick, reasons)

    def _meets_breakpoint(self, thread: int) -> bool:
        """Does it stand at a breakpoint that has not been reported? From now on it has."""
        places = self.breaks.breakpoints
        if not places or thread in self._reported or self._pc(thread) not in places:
            return False
        self._reported.add(thread)
        return True

    # ---- the guest's boundary -----------------------------------------------------------------------

    def _serve(self, boundary: Boundary) -> tuple[Reason, ...]:
        self._view.tick = self.tick
        outcome = self.guest.boundary(boundary, self._view)
        self._again = boundary if outcome.again else None
        return self._committed(outcome, boundary.thread)

    def _committed(self, outcome: Outcome, thread: int) -> tuple[Reason, ...]:
        """Commits what a boundary came to; the reasons to stop there."""
        self._commit(outcome)
        if outcome.yields:
            self._turn_ends = self.tick
        status = self.inferior.schedule.exit_status
        if status is not None:
            if self.keeping is not None:
                self.keeping.halted(Halted(self.tick, thread, self._pc(thread), "exit", str(status)))
            return (Reason(StopKind.EXIT, status=status),)
        return (outcome.stop,) if outcome.stop is not None else ()

    def _commit(self, outcome: Outcome) -> None:
        """Writes the event, applies it, publishes what is said about it."""
        if outcome.effects:
            event = Event(self.tick, outcome.label, outcome.effects)
            if self._record is not None:
                self._record(event)
            if self.keeping is not None:
                self.keeping.event(event)
            self.inferior.apply(event.effects)
        self._observed.extend(outcome.observations)
        if self.keeping is not None:
            self.keeping.happened(outcome)

    # ---- the schedule -------------------------------------------------------------------------------

    def _current_runs(self) -> bool:
        schedule = self.inferior.schedule
        return schedule.state(schedule.current) is ThreadState.RUNNING

    def _someone_runs(self) -> bool:
        schedule = self.inferior.schedule
        return schedule.runnable_after(schedule.current) is not None

    def _give_turn(self) -> None:
        schedule = self.inferior.schedule
        following = self._following()
        if following is not None and (following != schedule.current or not self._current_runs()):
            self._switch_to(following)
        self._turn_ends = self.tick + self._quantum()

    def _alone(self, thread: int) -> bool:
        """Would each turn that ends begin again with the same thread? Then no run is cut for it."""
        return self._dice is None and self.inferior.schedule.able() == [thread]

    def _pass_turns(self) -> None:
        """Ends the turns that a thread alone ran through, so that the next one ends where it would have anyway."""
        if self._turn_ends < self.tick:
            self._turn_ends = self.tick + (self._turn_ends - self.tick) % QUANTUM

    def _following(self) -> int | None:
        """Who has the next turn: round robin, or any runnable thread as a seed has it."""
        schedule = self.inferior.schedule
        if self._dice is None:
            return schedule.runnable_after(schedule.current)
        able = schedule.able()
        return self._dice.choice(able) if able else None

    def _quantum(self) -> int:
        """Ticks of a turn."""
        return QUANTUM if self._dice is None else self._dice.randrange(1, 2 * QUANTUM)

    def _switch_to(self, thread: int) -> None:
        state = self.inferior.schedule.state(thread)
        if state not in (ThreadState.RUNNABLE, ThreadState.RUNNING):
            raise TargetError(f"thread {thread} cannot run: {state or 'there is none'}")
        self._commit(Outcome("schedule", (ThreadSwitch(thread),)))
        self._turn_ends = self.tick + self._quantum()

    def _who_waits(self) -> str:
        if self.guest.waits is not None:
            self._view.tick = self.tick
            return self.guest.waits.who_waits(self._view)
        waiting = [t for t in self.threads() if t.state is ThreadState.WAITING]
        return ", ".join(f"{t.name} waits for {t.reason}" for t in waiting) or "no thread is left"

    # ---- small facts --------------------------------------------------------------------------------

    def _collect_crossings(self) -> bool:
        packed = self.inferior.machine.crossings_packed()
        if packed:
            self._observed.extend(crossings_of(packed))
            if self.keeping is not None:
                self.keeping.crossed(packed)
        return bool(packed)


class _View:
    """What the guest may look at while it serves a boundary."""

    def __init__(self, target: EmulatorTarget) -> None:
        self.tick = target.tick
        self.register = target.read_register
        self.words = target.inferior.machine.words
        self.read = target.read
        self.read_capability = target.read_capability
        self.input = target.input.take


def _boundary(stop: _core.Stop) -> Boundary:
    return Boundary(
        translate.BOUNDARIES[stop.kind],
        stop.thread,
        pc=stop.pc,
        address=stop.address,
        size=stop.size,
        value=stop.value,
        detail=_core.clause_name(stop.clause) if stop.kind == _core.StopKind.UNSUPPORTED else "",
    )
