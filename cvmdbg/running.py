"""Running the guest: continue, steps, finish. Every run is a generator that yields after each slice of about 20 ms.

A plan says what ends the run besides the target's own reasons: addresses (with a thread and a lowest SP), crossings.
Other threads follow the schedule while one is stepped: the target steps whoever has the turn, and the plan waits with
a site at the stepped thread's pc until it has the turn again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeAlias

from cvmdbg import x86
from cvmdbg.analysis.crossings import Seen
from cvmdbg.commands.table import Progress
from cvmdbg.debugger import Debugger, Halt
from cvmdbg.frames import C64
from cvmdbg.judging import Judge, Plan
from cvmdbg.target import Move, StopKind, TargetError, ThreadState, UserError
from emulator_core.disassembler import Instruction, disassemble

SLICE = 0.02
FIRST_BUDGET = 1_000_000
Run: TypeAlias = Generator[Progress, None, Halt]
Maybe: TypeAlias = Generator[Progress, None, Halt | None]


@dataclass
class Runner:
    """Runs one debugger's target."""

    debugger: Debugger
    judge: Judge
    budget: int = FIRST_BUDGET
    _last_yield: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.judge.look_at_watched()

    # ---- commands ----

    def continue_(self) -> Run:
        """Until something stops it."""
        return (yield from self._finished(self._go(Plan())))

    def stepi(self, count: int) -> Run:
        """One instruction of the selected thread, ``count`` times."""
        return (yield from self._repeat(count, self._one))

    def nexti(self, count: int) -> Run:
        """The same, over calls and crossings."""
        return (yield from self._repeat(count, self._over))

    def step(self, count: int) -> Run:
        """One source line, into calls and crossings; one instruction where there is no line."""
        return (yield from self._repeat(count, lambda: self._line(into=True)))

    def next(self, count: int) -> Run:
        """One source line, over calls and crossings."""
        return (yield from self._repeat(count, lambda: self._line(into=False)))

    def advance(self, addresses: tuple[int, ...], until: bool) -> Run:
        """To a place; ``until`` also stops when the current frame returns."""
        targets, low = addresses, None
        frames = self.debugger.frames(2)
        plan = Plan(targets, None, low, done="location reached")
        if until and len(frames) > 1:
            plan = Plan((*addresses, frames[1].pc), self.debugger.thread, None, done="location reached")
        return (yield from self._finished(self._go(plan)))

    def until(self) -> Run:
        """As next, but never backwards: a loop is run to its end."""
        start, function = self._pc(), self.debugger.symbols.function_start(self._pc())
        while True:
            halt = yield from self._line(into=False)
            if halt is not None:
                return (yield from self._finished(_just(halt)))
            pc = self._pc()
            if pc > start or self.debugger.symbols.function_start(pc) != function:
                return (yield from self._finished(_just(self._end())))

    def finish(self) -> Run:
        """Until the selected frame returns."""
        number = self.debugger.selected_frame
        frames = self.debugger.frames(number + 2)
        if len(frames) < number + 2:
            raise UserError("finish is not meaningful here: no frame has called this one")
        inner, outer = frames[number], frames[number + 1]
        plan = Plan(self._return_sites(inner.number, outer.pc), inner.thread, inner.cfa, done="finished")
        return (yield from self._finished(self._go(plan)))

    def next_crossing(self, wanted: Callable[[Seen], str | None]) -> Run:
        """Until a crossing that ``wanted`` names."""
        return (yield from self._finished(self._go(Plan(crossing=wanted))))

    def next_load(self) -> Run:
        """Until a loader has changed its list."""
        return (yield from self._finished(self._go(Plan(load=lambda: "the guest's loader changed its list"))))

    def next_thread(self) -> Run:
        """Until another thread runs."""
        mine = self.debugger.target.stop.thread
        others = [t for t in self.debugger.threads() if t.number != mine and t.state is not ThreadState.EXITED]
        if not others:
            raise UserError("there is no other thread")
        turns = frozenset((self.debugger.pc(t.number), t.number) for t in others)
        plan = Plan(tuple({pc for pc, _ in turns}), turns=turns, done="another thread runs")
        return (yield from self._finished(self._go(plan)))

    # ---- the shape of a command ----

    def _repeat(self, count: int, once: Callable[[], Maybe]) -> Run:
        for _ in range(count):
            halt = yield from once()
            if halt is not None:
                return (yield from self._finished(_just(halt)))
        return (yield from self._finished(_just(self._end())))

    def _finished(self, run: Run) -> Run:
        """Tell the debugger where it stands when a run has ended, however it did."""
        try:
            halt = yield from run
        except TargetError:
            self.debugger.drain()
            self.debugger.stopped(Halt(self.debugger.target.stop, "end", ""))
            raise
        self.debugger.stopped(halt)
        return halt

    def _end(self, text: str = "") -> Halt:
        return Halt(self.debugger.target.stop, "end", text)

    # ---- one instruction ----

    def _one(self) -> Maybe:
        """One instruction of the selected thread; a Halt when something stopped it there or on the way."""
        mine = self.debugger.thread
        self._alive(mine)
        while True:
            if self.debugger.is_waiting(mine) or (self._turn() != mine and self._turned):
                waited = yield from self._go(Plan((self._pc(),), mine, done="turn"))
                if waited.text != "turn":
                    return waited
            before = self._retired(mine)
            halt = yield from self._single(None if self._turn() == mine else mine)
            if halt is not None:
                return halt
            self._turned = True
            if self._retired(mine) != before or self._turn() == mine:
                self._turned = False
                return None

    _turned: bool = False

    def _retired(self, thread: int) -> int:
        return self.debugger.pc(thread)

    def _turn(self) -> int:
        return self.debugger.target.stop.thread

    def _alive(self, thread: int) -> None:
        found = self.debugger.thread_info(thread)
        if found is None or found.state is ThreadState.EXITED:
            raise UserError(f"thread {self.debugger.thread_name(thread)} has ended; thread selects another")

    def _single(self, thread: int | None = None) -> Maybe:
        """One instruction of whoever has the turn (or of ``thread``)."""
        yield from self._breathe()
        if self.debugger.cancel.is_set():
            return Halt(self.debugger.target.stop, "interrupt", "interrupted")
        target = self.debugger.target
        before = target.stop
        stop = target.resume(Move.STEP, thread=thread)
        if (
            stop.reason(StopKind.BREAKPOINT)
            and stop.tick is not None
            and stop.tick == before.tick
            and stop.pc == before.pc
        ):
            stop = target.resume(Move.STEP)
        self.debugger.drain()
        return self.judge.judge(stop, Plan(), stepping=True)

    # ---- over calls ----

    def _over(self) -> Maybe:
        """One instruction; what it calls, here or across a crossing, is run to its return."""
        mine, pc = self.debugger.thread, self._pc()
        depth, sp = len(self.debugger.links(mine)), self._sp()
        behind, called = self._behind(pc)
        sites = self._return_sites(0, behind)
        halt = yield from self._one()
        if halt is not None:
            return halt
        crossed = len(self.debugger.links(mine)) > depth
        returned = len(self.debugger.links(mine)) < depth
        if returned or not (crossed or (called and self._pc() != behind)):
            return None
        return (yield from self._out(sites, mine, sp))

    def _out(self, sites: tuple[int, ...], thread: int, sp: int) -> Maybe:
        """Run to a return site; None when it was reached."""
        halt = yield from self._go(Plan(sites, thread, sp, done="returned"))
        return None if halt.kind == "end" and halt.text == "returned" else halt

    def _return_sites(self, frame: int, pc: int) -> tuple[int, ...]:
        """Where a call at ``pc - 4`` comes back: behind it, or where the sealed return pair in c9 leads."""
        sites = [pc]
        if self.debugger.target.arch == "x86_64":
            return (pc,)
        c9 = self.debugger.target.read_register(self.debugger.thread, "c9")
        if frame == 0 and self._instruction(pc - 4).mnemonic == "blrs":
            address = c9 & ~1 & (1 << 64) - 1
            if self.debugger.places.badge(address) == self.debugger.places.badge(pc - 4):
                sites.append(address)
        return tuple(dict.fromkeys(sites))

    # ---- lines ----

    def _line(self, into: bool) -> Maybe:
        """To the beginning of another line."""
        block = self.debugger.symbols.line_block(self._pc())
        if block is None:
            return (yield from (self._one() if into else self._over()))
        function = self.debugger.symbols.function_start(self._pc())
        mine = self.debugger.thread
        while True:
            pc, depth, sp = self._pc(), len(self.debugger.links(mine)), self._sp()
            halt = yield from (self._into(pc, depth, sp) if into else self._over())
            if halt is not None:
                return None if halt.kind == "end" and halt.text == "entered" else halt
            now = self._pc()
            if block[0] <= now < block[1]:
                continue
            if len(self.debugger.links(mine)) != depth or self._is_line_start(now):
                return None
            if self.debugger.symbols.function_start(now) != function:
                return None
            block = self.debugger.symbols.line_block(now) or (now, now + 4)

    def _is_line_start(self, pc: int) -> bool:
        line = self.debugger.symbols.line_at(pc)
        return line is None or (line.start == pc and line.statement)

    def _into(self, pc: int, depth: int, sp: int) -> Maybe:
        """One instruction; a call is entered when its function has lines, a crossing always."""
        mine = self.debugger.thread
        behind, called = self._behind(pc)
        sites = self._return_sites(0, behind)
        halt = yield from self._one()
        if halt is not None or len(self.debugger.links(mine)) != depth:
            return halt if halt is not None else self._end("entered")
        if not called or self._pc() == behind:
            return None
        for _ in range(8):
            if self.debugger.symbols.function_start(self._pc()) is not None:
                break
            halt = yield from self._one()
            if halt is not None:
                return halt
        start = self._pc()
        if self.debugger.symbols.line_at(start) is None:
            return (yield from self._out(sites, mine, sp))
        body = self.debugger.symbols.body(start)
        if body != start:
            halt = yield from self._go(Plan((body,), mine, done="entered"))
            return halt
        return self._end("entered")

    # ---- running until something ----

    def _go(self, plan: Plan) -> Run:
        """The loop of every run."""
        sites = [address for address in plan.targets if self.debugger.target.stops is not None]
        held: list[int] = []
        try:
            for address in sites:
                self.debugger.breakpoints.hold(address)
                held.append(address)
            self.debugger.asking.begin()
            return (yield from self._loop(plan))
        finally:
            self.debugger.asking.end()
            for address in held:
                self.debugger.breakpoints.release(address)

    def _loop(self, plan: Plan) -> Run:
        target = self.debugger.target
        first = target.stop
        while True:
            if self.debugger.cancel.is_set() and target.stop.reason(StopKind.RUNNING) is None:
                return Halt(target.stop, "interrupt", "interrupted")
            began = time.monotonic()
            stop = target.resume(Move.CONTINUE, budget=self.budget)
            self.debugger.drain()
            same_place = stop.tick is not None and (stop.tick, stop.pc, stop.thread) == (
                first.tick,
                first.pc,
                first.thread,
            )
            if not (stop.reason(StopKind.BREAKPOINT) and len(stop.reasons) == 1 and same_place):
                halt = self.judge.judge(stop, plan)
                if halt is not None:
                    return halt
            if stop.reason(StopKind.BUDGET) is not None:
                self._tune(time.monotonic() - began)
            yield from self._breathe()

    def _tune(self, taken: float) -> None:
        """Keep a slice near 20 ms, whatever the machine's speed."""
        if taken < SLICE / 2:
            self.budget = min(self.budget * 2, 1 << 40)
        elif taken > SLICE * 2:
            self.budget = max(self.budget // 2, 1000)

    def _breathe(self) -> Generator[Progress, None, None]:
        """Give way to the owner of the session at least every 20 ms."""
        now = time.monotonic()
        if now - self._last_yield >= SLICE:
            yield Progress(self.debugger.target.stop.tick, "running")
            self._last_yield = time.monotonic()

    # ---- small facts ----

    def _pc(self) -> int:
        return self.debugger.pc(self.debugger.thread)

    def _sp(self) -> int:
        return self.judge.sp_of(self.debugger.thread)

    def _behind(self, pc: int) -> tuple[int, bool]:
        """The address behind the instruction at pc, and whether that one calls."""
        if self.debugger.target.arch == "x86_64":
            found = x86.first(self.debugger.target.read(pc, x86.LONGEST), pc)
            return pc + found.size, found.calls
        return pc + 4, "call" in self._instruction(pc).kinds

    def _instruction(self, pc: int) -> Instruction:
        word = int.from_bytes(self.debugger.target.read(pc, 4), "little")
        c64 = self.debugger.target.read_register(self.debugger.thread, "cpsr") & C64
        return disassemble(word, pc, "c64" if c64 else "a64")


def _just(halt: Halt) -> Run:
    """A run that has ended already."""
    return halt
    yield  # a generator, as every run
