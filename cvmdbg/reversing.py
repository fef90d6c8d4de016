"""Running the guest backwards: continue, steps, lines, finish. Every run is a generator, as those forwards are.

One step back is the target's. Lines and calls are found in the path that the thread took: a window of retired
instructions with their SP, walked from behind, which grows until the answer is in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from cvmdbg.analysis.crossings import Seen
from cvmdbg.commands.table import Progress
from cvmdbg.debugger import Debugger, Halt
from cvmdbg.judging import Judge, Plan, caught
from cvmdbg.running import SLICE, Maybe, Run
from cvmdbg.target import History, Move, Reverse, Step, Stop, StopKind, TargetError, UserError
from sessions.mark import Mark

BUDGET = 20_000_000
WINDOWS = (400, 4_000, 40_000, 400_000)
"""Ticks of the path that are looked at, nearest first."""


@dataclass
class Reverser:
    """Runs one debugger's target backwards."""

    debugger: Debugger
    judge: Judge
    _last_yield: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.judge.look_at_watched()

    @property
    def history(self) -> History:
        """The target's history; UserError without."""
        if self.debugger.target.history is None:
            raise UserError("this target has no history")
        return self.debugger.target.history

    @property
    def _reverse(self) -> Reverse:
        assert self.debugger.target.reverse is not None
        return self.debugger.target.reverse

    # ---- commands ----

    def continue_(self) -> Run:
        """Back to the last thing that stops a run."""
        return (yield from self._finished(self._back_to(Plan())))

    def stepi(self, count: int) -> Run:
        """Take back one instruction of the selected thread, ``count`` times."""
        return (yield from self._repeat(count, self._one))

    def nexti(self, count: int) -> Run:
        """The same; what a call did is taken back as one."""
        return (yield from self._repeat(count, self._instruction_over))

    def step(self, count: int) -> Run:
        """To the beginning of the line before, into calls."""
        return (yield from self._repeat(count, lambda: self._line(into=True)))

    def next(self, count: int) -> Run:
        """To the beginning of the line before, over calls."""
        return (yield from self._repeat(count, lambda: self._line(into=False)))

    def finish(self) -> Run:
        """To the call of the selected frame's function."""
        return (yield from self._repeat(1, self._to_call))

    def to_event(self, wanted: Callable[[Seen], str | None]) -> Run:
        """To the crossing before that is wanted."""
        return (yield from self._finished(self._back_to(Plan(crossing=wanted), stops=False)))

    # ---- the shape of a command ----

    def _repeat(self, count: int, once: Callable[[], Maybe]) -> Run:
        for _ in range(count):
            halt = yield from once()
            if halt is not None:
                return (yield from self._finished(_just(halt)))
        return (yield from self._finished(_just(Halt(self.debugger.target.stop, "end", ""))))

    def _finished(self, run: Run) -> Run:
        try:
            halt = yield from run
        except TargetError:
            self.debugger.stopped(Halt(self.debugger.target.stop, "end", ""))
            raise
        self.debugger.stopped(halt)
        return halt

    def _breathe(self) -> Generator[Progress, None, None]:
        now = time.monotonic()
        if now - self._last_yield >= SLICE:
            yield Progress(self.debugger.target.stop.tick, "reversing")
            self._last_yield = time.monotonic()

    # ---- one instruction ----

    def _one(self) -> Maybe:
        """Take back one instruction of the selected thread."""
        yield from self._breathe()
        if self.debugger.cancel.is_set():
            return Halt(self.debugger.target.stop, "interrupt", "interrupted")
        mine = self.debugger.thread
        stop = self._reverse.resume(Move.STEP, thread=mine)
        self.debugger.look_at_now()
        return _edge(stop)

    # ---- to the last stop ----

    def _back_to(self, plan: Plan, stops: bool = True) -> Run:
        """Search; a crossing that is wanted is known without executing anything."""
        power, crossed = self.debugger.target.stops, self._last_crossing(plan)
        low = crossed.crossing.tick if crossed is not None else -1
        if not stops and crossed is not None:
            return self._stand_at(crossed, plan)
        if power is not None:
            power.catch_crossings(False)
        for address in plan.targets:
            self.debugger.breakpoints.hold(address)
        try:
            halt = yield from self._search(plan, low)
        finally:
            for address in plan.targets:
                self.debugger.breakpoints.release(address)
            self.debugger.follow_crossings()
        return halt if halt is not None or crossed is None else self._stand_at(crossed, plan)  # type: ignore[return-value]

    def _search(self, plan: Plan, low: int) -> Generator[Progress, None, Halt | None]:
        """The last stop above a tick; None when there is none and something stands at that tick."""
        site: Mark | None = None  # where a loader announced last what it had, on the way here
        while True:
            if self.debugger.cancel.is_set():
                return Halt(self.debugger.target.stop, "interrupt", "interrupted")
            stop = self._reverse.resume(Move.CONTINUE, budget=BUDGET)
            self.debugger.look_at_now()
            if stop.tick is not None and stop.tick <= low:
                return None
            edge = _edge(stop)
            halt = (edge and self._first_load(site)) or edge or self._loaded(stop) or self.judge.judge(stop, plan)
            if halt is not None:
                return halt
            if self.debugger.is_loader_site(stop.pc):
                site = self.history.now
            yield from self._breathe()

    def _last_crossing(self, plan: Plan) -> Seen | None:
        """The last crossing before now at which something stops."""
        catching = [b for b in self.debugger.breakpoints if b.enabled and b.event]
        if plan.crossing is None and not catching:
            return None
        now = self.history.now.tick
        for seen in reversed(self.debugger.trace.seen()):
            if seen.crossing.tick >= now:
                continue
            if plan.crossing is not None and plan.crossing(seen):
                return seen
            if any(caught(b, seen) for b in catching):
                return seen
        return None

    def _stand_at(self, seen: Seen, plan: Plan) -> Halt:
        """Before a crossing; why it is a stop."""
        stop = self.history.seek(self.history.at(seen.crossing.tick, turn=True))
        self.debugger.look_at_now()
        text = plan.crossing(seen) if plan.crossing is not None else None
        if text:
            return Halt(stop, "crossing", text)
        for breakpoint_ in self.debugger.breakpoints:
            said = caught(breakpoint_, seen) if breakpoint_.enabled else None
            if said:
                breakpoint_.hits += 1
                return Halt(stop, "breakpoint", f"catchpoint {breakpoint_.number} ({said})", breakpoint_.number)
        return Halt(stop, "crossing", "")

    def _loaded(self, stop: Stop) -> Halt | None:
        """At a loader's announcement: what is not loaded here yet, if somebody wants to know."""
        if not self.debugger.is_loader_site(stop.pc) or stop.reason(StopKind.BREAKPOINT) is None:
            return None
        return self._load_halt(stop, self._gone())

    def _first_load(self, site: Mark | None) -> Halt | None:
        """At the start: what a loader announced first is not loaded here; stand where it said so."""
        if site is None:
            return None
        names = self._gone()
        if not self.debugger.breakpoints.waiting_for(names):
            return None
        stop = self.history.seek(site)
        self.debugger.look_at_now()
        self.debugger.refresh()
        self.debugger.announce()
        return self._load_halt(stop, names)

    def _gone(self) -> list[str]:
        """What is on no link map here and was where the search came from."""
        self.debugger.refresh()
        return self.debugger.announce()[1]

    def _load_halt(self, stop: Stop, names: list[str]) -> Halt | None:
        wanted = self.debugger.breakpoints.waiting_for(names)
        if not wanted:
            return None
        text = f"catchpoint {wanted[0].number} (before {', '.join(names)} was loaded)"
        return Halt(stop, "breakpoint", text, wanted[0].number)

    # ---- the path ----

    def _path(self) -> Iterator[Step]:
        """What the selected thread retired before now, last first."""
        end, mine = self.history.now.tick, self.debugger.thread
        top = end
        for size in WINDOWS:
            start = max(self.history.first.tick, end - size)
            if start < top:
                yield from (s for s in reversed(self.history.path(start, top)) if s.thread == mine)
            top = min(top, start)

    def _levels(self) -> Iterator[tuple[Step, bool]]:
        """The same with whether it is deeper: called from the current frame, and returned since."""
        debugger = self.debugger
        function, cfa = debugger.symbols.function_start(debugger.pc(debugger.thread)), self._cfa()
        sp = self.judge.sp_of(debugger.thread)
        now = self.history.now.tick
        crossings = [s for s in debugger.trace.spans(debugger.thread) if s.ended is not None and s.ended < now]
        for step in self._path():
            same = debugger.symbols.function_start(step.pc) == function
            crossed = any(s.begun < step.tick <= (s.ended or 0) for s in crossings)
            yield step, crossed or step.sp < (sp if same else cfa)

    def _cfa(self) -> int:
        """The caller's SP: what is called from here stays below it."""
        frame = self.debugger.frames(2)[0]
        return self.debugger.cfa(frame) or self.judge.sp_of(self.debugger.thread)

    def _stand(self, tick: int) -> Maybe:
        """Stand before the instruction that was retired at a tick; breakpoints that lie between stop before."""
        halt = yield from self._passing(tick)
        if halt is not None:
            return halt
        self.history.seek(self.history.at(tick, turn=True))
        self.debugger.look_at_now()
        return None

    def _passing(self, tick: int) -> Maybe:
        """A breakpoint of the user on the way back to a tick."""
        yield from self._breathe()
        if not any(b.enabled and (b.sites or b.access) for b in self.debugger.breakpoints):
            return None
        return (yield from self._search_above(tick))

    def _search_above(self, tick: int) -> Maybe:
        power = self.debugger.target.stops
        if power is not None:
            power.catch_crossings(False)
        try:
            return (yield from self._search(Plan(), tick))
        finally:
            self.debugger.follow_crossings()

    # ---- over calls, lines ----

    def _instruction_over(self) -> Maybe:
        step = next((step for step, deeper in self._levels() if not deeper), None)
        return (yield from (self._stand(step.tick) if step is not None else self._one()))

    def _line(self, into: bool) -> Maybe:
        """To where the line before was begun: the last place at which a step forwards would have ended."""
        symbols, found = self.debugger.symbols, None
        for step, deeper in self._levels():
            block = symbols.line_block(step.pc)
            if deeper and (not into or block is None):
                continue
            if found is None and block is None:
                found = step
                break
            if found is not None and block != symbols.line_block(found.pc) and self._begins(found):
                break
            found = step
        return (yield from (self._stand(found.tick) if found is not None else self._one()))

    def _begins(self, step: Step) -> bool:
        """Would a step forwards have ended there? It goes past the beginning of a function to its body."""
        symbols = self.debugger.symbols
        line = symbols.line_at(step.pc)
        if line is None:
            return True
        entry = symbols.function_start(step.pc) == step.pc and symbols.body(step.pc) != step.pc
        return line.start == step.pc and line.statement and not entry

    def _to_call(self) -> Maybe:
        """To the instruction that called this function, or that crossed into this compartment."""
        debugger = self.debugger
        number = debugger.selected_frame
        frames = debugger.frames(number + 2)
        if len(frames) < number + 2:
            raise UserError("reverse-finish is not meaningful here: no frame has called this one")
        links = debugger.links(debugger.thread)
        if frames[number + 1].link is not None and links:
            return (yield from self._stand(links[-1].crossing.tick))
        low = frames[number].cfa or 0
        for step in self._path():
            if step.sp >= low and step.pc == frames[number + 1].pc - 4:
                return (yield from self._stand(step.tick))
        return (yield from self._back_to(Plan((frames[number + 1].pc - 4,), debugger.thread, low, done="the call")))

    # ---- going to moments ----

    def go(self, mark: Mark) -> Run:
        """Stand at a moment."""
        stop = self.history.seek(mark)
        return (yield from self._finished(_just(arrival(stop))))


def arrival(stop: Stop) -> Halt:
    """What is said where a target was put."""
    exit_, fault = stop.reason(StopKind.EXIT), stop.reason(StopKind.FAULT)
    if exit_ is not None:
        return Halt(stop, "exit", f"exited with status {exit_.status or 0}")
    if fault is not None and fault.fault is not None:
        found = fault.fault
        return Halt(stop, "fault", f"{found.kind} fault, {found.access} at {found.address:x}")
    return Halt(stop, "end", "")


def _edge(stop: Stop) -> Halt | None:
    """The start of the recording is a stop."""
    reason = stop.reason(StopKind.HISTORY)
    if reason is None:
        return None
    where = "start" if reason.detail == "start" else "end"
    return Halt(stop, "history", f"at the {where} of the recording (tick {stop.tick})")


def _just(halt: Halt) -> Run:
    return halt
    yield  # a generator, as every run
