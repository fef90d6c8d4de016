"""The past of a run: going to any moment of its recording, running forwards in it, searching backwards.

    live end ──seek──▶ past ──diverge──▶ diversion          The live end is kept as a state; nothing that happens in the
        ▲───────seek────┘  ◀──end────────────┘              past changes it. A diversion applies no recorded events.

The visible machine is the one that has the stops. A scout without stops goes to the moment first, so that no breakpoint
on the way costs anything; both share their pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from cvmdbg.target import Move, Reason, ReplayDivergence, Stop, StopKind, TargetError, ThreadState
from cvmdbg.targets import translate
from cvmdbg.targets.breaks import Breaks
from cvmdbg.targets.inferior import Inferior, SavedState
from cvmdbg.targets.registers import read_register
from emulator_core import _core
from sessions.coding import crossings_of
from sessions.event import Crossing, Event, ThreadSwitch
from sessions.mark import Mark
from sessions.timeline import Cancelled, Point, Timeline

CAP = 256
"""Hits that a search takes from one stretch before it halves it."""
SCAN = 20_000_000
"""Ticks between two looks at whether a search is to end."""
NO_CALLS = "a diversion is served by nobody: {} ends it; diverge end throws it away"


class Where(Enum):
    """Which kind of moment the target stands at."""

    LIVE = "live"
    PAST = "past"
    DIVERTED = "diverted"


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that stops a run, and the moment before it happened."""

    mark: Mark
    reasons: tuple[Reason, ...]


class Player:
    """Plays a recording in an inferior. ``last`` gives its end; ``interrupted`` says whether to give up.

    ``now`` is where the inferior stands; at the live end only ``last`` knows.
    """

    def __init__(
        self,
        inferior: Inferior,
        breaks: Breaks,
        timeline: Timeline,
        last: Callable[[], Mark],
        interrupted: Callable[[], bool],
        live: bool = True,
    ) -> None:
        self.inferior, self.timeline = inferior, timeline
        self.first = Mark(0, 0)
        self.where = Where.LIVE if live else Where.PAST
        self._goes_live = live
        self._breaks, self._last, self.interrupted = breaks, last, interrupted
        self._scout = Inferior()
        self._goal: tuple[int, int] | None = None
        self._now = self.first
        self._live: tuple[Mark, SavedState] | None = None
        self._before_diversion: tuple[Where, Mark, SavedState] | None = None
        self._told: Mark | None = None
        self._reported: set[int] = set()
        self._probes: set[int] = set()
        self._turns: dict[Mark, int] = {}
        self._crossed = bytearray()

    # ---- where -----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> Mark:
        """The moment at which the inferior stands."""
        return self.last if self.where is Where.LIVE else self._now

    @property
    def last(self) -> Mark:
        """The end of what is recorded."""
        return self._live[0] if self._live is not None else self._last()

    def halted(self, tick: int) -> None:
        """A thread could not go on at this tick: who comes back there is told why."""
        self._probes.add(tick)

    # ---- going -----------------------------------------------------------------------------------------------------

    def settled(self, tick: int) -> Mark:
        """Where a run stops that has come to a tick: its events have happened, but for turns that follow."""
        mark = self.timeline.settled(tick)
        number = mark.event
        while number > self.first.event and self._is_turn(self.timeline.events.at(number - 1), tick):
            number -= 1
        return Mark(number, tick)

    def _is_turn(self, event: Event, tick: int) -> bool:
        return event.tick == tick and bool(event.effects) and all(isinstance(e, ThreadSwitch) for e in event.effects)

    def seek(self, mark: Mark, quiet: bool = False) -> Stop:
        """Stand at a moment; outside of the recording: at its nearer end. A ``quiet`` one cannot be interrupted."""
        if self.where is Where.DIVERTED:
            self.end_diversion()
        if mark >= self.last and self._goes_live:
            self._to_end()
        else:
            self._to(min(max(mark, self.first), self.last), quiet)
        return self.arrived()

    def _to_end(self) -> None:
        if self._live is not None:
            self.inferior.load(self._live[1])
            self._now, self._live = self._live[0], None
            self.where = Where.LIVE

    def _leave_live(self) -> None:
        if self.where is Where.LIVE:
            mark = self._last()
            self._live = (mark, self.inferior.save())
            self._now, self.where = mark, Where.PAST

    def _to(self, mark: Mark, quiet: bool) -> None:
        self._leave_live()
        try:
            self._sought(mark, quiet)
        except Cancelled:
            raise TargetError("interrupted: it stands where it stood") from None
        self.inferior.load(self._scout.save())
        self._now = mark
        self._reported.clear()

    @property
    def way(self) -> tuple[int, int] | None:
        """While a seek executes: ticks done and to do. May be asked from another thread."""
        goal = self._goal
        return None if goal is None else (max(0, self._scout.tick - goal[0]), goal[1] - goal[0])

    def _sought(self, mark: Mark, quiet: bool = False) -> None:
        self._goal = (self.timeline.points[self.timeline.before(mark)].mark.tick, mark.tick)
        try:
            self.timeline.seek(self._scout, mark, (lambda: False) if quiet else self.interrupted)
        except TargetError as error:
            tick = self._scout.tick
            raise ReplayDivergence(
                f"replay differs at tick {tick}: expected to run to tick {mark.tick}, {error}"
            ) from None
        finally:
            self._goal = None

    def arrived(self) -> Stop:
        """Where it stands, and what holds there: an exit, a fault that comes next."""
        status = self.inferior.schedule.exit_status
        if status is not None:
            return self.stopped((Reason(StopKind.EXIT, status=status),))
        reasons = self._probed() if self.inferior.tick in self._probes else ()
        self._told = self._now if reasons else None
        return self.stopped(reasons)

    def _probed(self) -> tuple[Reason, ...]:
        """The fault that the next instruction takes, if it does."""
        before = self.inferior.save()
        stop = self.inferior.machine.run(self.inferior.schedule.current, 1)
        self.inferior.machine.crossings_packed()
        self.inferior.load(before)
        if stop.kind == _core.StopKind.FAULT and stop.fault is not None:
            return (Reason(StopKind.FAULT, fault=translate.fault(stop.fault)),)
        return ()

    def stopped(self, reasons: Iterable[Reason]) -> Stop:
        """A stop at this place."""
        thread = self.inferior.schedule.current
        return Stop(thread, self._pc(thread), self.inferior.tick, tuple(reasons))

    def _pc(self, thread: int) -> int:
        return read_register(self.inferior.machine, thread, "pc") if thread >= 0 else 0

    def turn_at(self, point: Point) -> int:
        """Whose turn it is at a point."""
        found = self._turns.get(point.mark)
        if found is None:
            self.timeline.load(self._scout, point)
            found = self._turns[point.mark] = self._scout.schedule.current
        return found

    # ---- searching -------------------------------------------------------------------------------------------------

    def scan(self, start: Mark, end: Mark, cap: int) -> tuple[list[Hit], bool]:
        """What stops a run from one moment up to another, at most ``cap`` hits; and whether that is all.

        The inferior stands anywhere afterwards. TargetError when it was interrupted.
        """
        self._leave_live()
        self._sought(start)
        self.inferior.load(self._scout.save())
        self._now, self._told, self._reported = start, None, set()
        hits: list[Hit] = []
        self._crossed.clear()
        while len(hits) < cap:
            if self.interrupted():
                raise Cancelled
            event = self._due(end.tick) if self._now.event < end.event else None
            mark = Mark(self._now.event, self.inferior.tick)
            reasons = self._fault_here()
            if reasons and mark < end:
                hits.append(Hit(mark, reasons))
            if event is not None:
                self._apply(event)
            elif mark >= end or mark.tick >= end.tick:
                return hits, True
            else:
                self._take(hits, mark, end)
        return hits, False

    def _take(self, hits: list[Hit], before: Mark, end: Mark) -> None:
        """Run on; what stops it before the end is a hit."""
        limit = self.timeline.events.at(before.event).tick if before.event < self.last.event else end.tick
        reasons = self._slice(min(limit, end.tick, before.tick + SCAN))
        if not reasons:
            return
        retired = any(r.kind in (StopKind.WATCHPOINT, StopKind.CROSSING) for r in reasons)
        mark = Mark(before.event, self.inferior.tick - (1 if retired else 0))
        if mark < end:
            hits.append(Hit(mark, reasons))

    # ---- diversions ------------------------------------------------------------------------------------------------

    def diverge(self) -> None:
        """From here on a scratch copy is changed; what was here comes back at its end."""
        if self.where is Where.DIVERTED:
            raise TargetError("this is a diversion already; diverge end throws it away")
        self._before_diversion = (self.where, self.now, self.inferior.save())
        self._leave_live()
        self.where = Where.DIVERTED

    def end_diversion(self) -> Stop:
        """Throw the scratch copy away."""
        if self._before_diversion is None:
            raise TargetError("there is no diversion to end")
        self.where, self._now, saved = self._before_diversion
        self._before_diversion = None
        self.inferior.load(saved)
        if self.where is Where.LIVE:
            self._live = None
        return self.arrived()

    # ---- running forwards ------------------------------------------------------------------------------------------

    def resume(self, move: Move, thread: int | None, budget: int | None) -> Stop:
        """Run on in the past, or in a diversion."""
        if thread is not None and thread != self.inferior.schedule.current and self.where is Where.DIVERTED:
            self._turn_to(thread)
        tick = self.inferior.tick
        if move is Move.STEP:
            return self._run(self._own_step(thread), StopKind.STEP)
        return self._run(tick + budget if budget is not None else 1 << 63, StopKind.BUDGET)

    def _turn_to(self, thread: int) -> None:
        states = {t.number: t.state for t in self.inferior.schedule.threads}
        if states.get(thread) not in (ThreadState.RUNNABLE, ThreadState.RUNNING):
            raise TargetError(f"thread {thread} cannot run: {states.get(thread, 'there is none')}")
        self.inferior.apply((ThreadSwitch(thread),))

    def _own_step(self, thread: int | None) -> int:
        """The tick behind the next instruction: of the thread that is asked for, when its recorded turn comes."""
        tick = self.inferior.tick
        if thread is None or thread == self.inferior.schedule.current or self.where is Where.DIVERTED:
            return tick + 1
        number, last = self._now.event, self.last.event
        while number < last:
            event = self.timeline.events.at(number)
            if any(isinstance(e, ThreadSwitch) and e.thread == thread for e in event.effects):
                return event.tick + 1
            number += 1
        raise TargetError(f"thread {thread} has no turn any more in this recording")

    def take_crossings(self) -> tuple[Crossing, ...]:
        """What the last runs in the past came over."""
        found = tuple(crossings_of(bytes(self._crossed)))
        self._crossed.clear()
        return found

    def _run(self, end: int, at_end: StopKind) -> Stop:
        self._reported = {self.inferior.schedule.current}
        while True:
            if self.interrupted():
                return self.stopped((Reason(StopKind.INTERRUPT),))
            event = self._due(end)
            reasons = self._fault_here()
            if event is not None and not reasons:
                self._apply(event)
                continue
            reasons = reasons or self._ends(end, at_end) or self._slice(self._limit(end))
            if reasons:
                return self._reached(reasons)

    def _due(self, end: int) -> Event | None:
        """The event that happens now; turns wait for the next run."""
        if self.where is Where.DIVERTED or self._now.event >= self.last.event:
            return None
        event = self.timeline.events.at(self._now.event)
        tick = self.inferior.tick
        if event.tick > tick or (tick >= end and self._is_turn(event, tick)):
            return None
        return event

    def _fault_here(self) -> tuple[Reason, ...]:
        """A fault that was reported at this moment, once each time it is reached."""
        mark = Mark(self._now.event, self.inferior.tick)
        if self.where is Where.DIVERTED or mark.tick not in self._probes or self._told == mark:
            return ()
        self._told = mark
        return self._probed()

    def _apply(self, event: Event) -> None:
        self.inferior.apply(event.effects)
        self._now = Mark(self._now.event + 1, event.tick)

    def _ends(self, end: int, at_end: StopKind) -> tuple[Reason, ...]:
        tick = self.inferior.tick
        if self.inferior.schedule.exit_status is not None:
            return (Reason(StopKind.EXIT, status=self.inferior.schedule.exit_status),)
        if tick >= end:
            return (Reason(at_end),)
        if self.where is not Where.DIVERTED and Mark(self._now.event, tick) >= self.last:
            return (Reason(StopKind.HISTORY, "end"),)
        return ()

    def _limit(self, end: int) -> int:
        if self.where is Where.DIVERTED:
            return end
        if self._now.event < self.last.event:
            return min(end, self.timeline.events.at(self._now.event).tick)
        return min(end, self.last.tick)

    def _reached(self, reasons: tuple[Reason, ...]) -> Stop:
        """A stop; the end of the recording is where the live run goes on."""
        if self.where is not Where.DIVERTED:
            self._now = Mark(self._now.event, self.inferior.tick)
            if self._now >= self.last and self._goes_live:
                self._to_end()
        thread = self.inferior.schedule.current
        at_break = self._pc(thread) in self._breaks.breakpoints
        if at_break and thread not in self._reported and all(r.kind is not StopKind.BREAKPOINT for r in reasons):
            reasons = (*reasons, Reason(StopKind.BREAKPOINT))
        return self.stopped(reasons)

    def _slice(self, limit: int) -> tuple[Reason, ...]:
        """Run the current thread to a tick, or to what stops it before."""
        machine, thread, tick = self.inferior.machine, self.inferior.schedule.current, self.inferior.tick
        if thread < 0:
            raise TargetError("no thread runs here")
        if thread not in self._reported and self._pc(thread) in self._breaks.breakpoints:
            self._reported.add(thread)
            return (Reason(StopKind.BREAKPOINT),)
        stop = machine.run(thread, min(limit - tick, (1 << 63) - 1))
        packed = machine.crossings_packed()
        crossed = bool(packed)
        self._crossed += packed
        if machine.ticks > tick:
            self._reported.discard(thread)
        reasons = self._reasons(stop)
        return (*reasons, Reason(StopKind.CROSSING)) if crossed and self._breaks.crossings else reasons

    def _reasons(self, stop: _core.Stop) -> tuple[Reason, ...]:
        kind = stop.kind
        if kind == _core.StopKind.BREAKPOINT:
            return (Reason(StopKind.BREAKPOINT),)
        if kind == _core.StopKind.WATCHPOINT:
            return (Reason(StopKind.WATCHPOINT, watch=translate.watch_hit(stop)),)
        if kind == _core.StopKind.FAULT and stop.fault is not None:
            return self._faulted(stop)
        if self.where is Where.DIVERTED and kind in translate.BOUNDARIES:
            return (Reason(StopKind.UNMODELLED, NO_CALLS.format(translate.BOUNDARIES[kind])),)
        return ()

    def _faulted(self, stop: _core.Stop) -> tuple[Reason, ...]:
        """A recorded run has no faults but those that were reported: those are looked for before they come."""
        assert stop.fault is not None
        fault = translate.fault(stop.fault)
        if self.where is Where.DIVERTED:
            return (Reason(StopKind.FAULT, fault=fault),)
        expected = f"to run to tick {self._limit(1 << 63)}"
        raise ReplayDivergence(
            f"replay differs at tick {stop.tick}: expected {expected}, found a {fault.kind} fault at {stop.pc:#x}"
        )
