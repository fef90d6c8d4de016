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

from cvmdbg.analysis.crossings import Seen
from cvmdbg.breakpoints import Breakpoint
from cvmdbg.commands.table import Progress
from cvmdbg.debugger import Debugger, Halt
from cvmdbg.evaluate import evaluate
from cvmdbg.expressions import parse
from cvmdbg.forms import hexa
from cvmdbg.frames import C64, Unwinder
from cvmdbg.scope import FrameScope
from cvmdbg.target import Move, Reason, Stop, StopKind, TargetError, ThreadState, UserError
from cvmdbg.values import Value, format_text, load, show
from emulator_core.disassembler import Instruction, disassemble

SLICE = 0.02
FIRST_BUDGET = 1_000_000
Run: TypeAlias = Generator[Progress, None, Halt]
Maybe: TypeAlias = Generator[Progress, None, Halt | None]


@dataclass
class Plan:
    """What ends a run: one of ``targets`` in ``thread`` with SP at least ``low``; what ``crossing`` or ``load`` say.

    With ``turns`` only these pairs of pc and thread count.
    """

    targets: tuple[int, ...] = ()
    thread: int | None = None
    low: int | None = None
    crossing: Callable[[Seen], str | None] | None = None
    load: Callable[[], str | None] | None = None
    done: str = ""
    turns: frozenset[tuple[int, int]] = frozenset()


@dataclass
class Runner:
    """Runs one debugger's target."""

    debugger: Debugger
    feed: Callable[[], bool] | None = None
    budget: int = FIRST_BUDGET
    _last_yield: float = field(default_factory=time.monotonic)

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
        if stop.reason(StopKind.BREAKPOINT) and stop.tick == before.tick and stop.pc == before.pc:
            stop = target.resume(Move.STEP)
        self.debugger.drain()
        return self._judge(stop, Plan(), stepping=True)

    # ---- over calls ----

    def _over(self) -> Maybe:
        """One instruction; what it calls, here or across a crossing, is run to its return."""
        mine, pc = self.debugger.thread, self._pc()
        depth, sp = len(self.debugger.links(mine)), self._sp()
        sites = self._return_sites(0, pc + 4)
        called = "call" in self._instruction(pc).kinds
        halt = yield from self._one()
        if halt is not None:
            return halt
        crossed = len(self.debugger.links(mine)) > depth
        returned = len(self.debugger.links(mine)) < depth
        if returned or not (crossed or (called and self._pc() != pc + 4)):
            return None
        return (yield from self._out(sites, mine, sp))

    def _out(self, sites: tuple[int, ...], thread: int, sp: int) -> Maybe:
        """Run to a return site; None when it was reached."""
        halt = yield from self._go(Plan(sites, thread, sp, done="returned"))
        return None if halt.kind == "end" and halt.text == "returned" else halt

    def _return_sites(self, frame: int, pc: int) -> tuple[int, ...]:
        """Where a call at ``pc - 4`` comes back: behind it, or where the sealed return pair in c9 leads."""
        sites = [pc]
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
        sites = self._return_sites(0, pc + 4)
        called = "call" in self._instruction(pc).kinds
        halt = yield from self._one()
        if halt is not None or len(self.debugger.links(mine)) != depth:
            return halt if halt is not None else self._end("entered")
        if not called or self._pc() == pc + 4:
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
            return (yield from self._loop(plan))
        finally:
            for address in held:
                self.debugger.breakpoints.release(address)

    def _loop(self, plan: Plan) -> Run:
        target = self.debugger.target
        first = target.stop
        while True:
            if self.debugger.cancel.is_set():
                return Halt(target.stop, "interrupt", "interrupted")
            began = time.monotonic()
            stop = target.resume(Move.CONTINUE, budget=self.budget)
            self.debugger.drain()
            same_place = (stop.tick, stop.pc, stop.thread) == (first.tick, first.pc, first.thread)
            if not (stop.reason(StopKind.BREAKPOINT) and len(stop.reasons) == 1 and same_place):
                halt = self._judge(stop, plan)
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

    # ---- judging a stop ----

    def _judge(self, stop: Stop, plan: Plan, stepping: bool = False) -> Halt | None:
        """What a stop of the target means; None to go on. Several reasons can hold: the gravest is told first."""
        for reason in stop.reasons:
            halt = self._grave(stop, reason)
            if halt is not None:
                return halt
        halt = self._crossed(stop, plan)
        if stop.reason(StopKind.WATCHPOINT) is not None:
            halt = self._watched(stop) or halt
        if stop.reason(StopKind.BREAKPOINT) is not None or stepping:
            halt = self._broke(stop, plan) or halt
        if halt is None and stop.reason(StopKind.BREAKPOINT) is None and self._reached(stop, plan):
            halt = Halt(stop, "end", plan.done)
        if halt is None and stop.reason(StopKind.INTERRUPT) is not None:
            return Halt(stop, "interrupt", "interrupted")
        return halt

    def _grave(self, stop: Stop, reason: Reason) -> Halt | None:
        match reason.kind:
            case StopKind.FAULT if reason.fault is not None:
                fault = reason.fault
                self._count(self.debugger.breakpoints.catching("fault"))
                return Halt(stop, "fault", f"{fault.kind} fault, {fault.access} at {hexa(fault.address)}")
            case StopKind.EXIT:
                return Halt(stop, "exit", f"exited with status {reason.status or 0}")
            case StopKind.UNMODELLED:
                return Halt(stop, "unmodelled", reason.detail or "something that is not modelled")
            case StopKind.DEADLOCK:
                return Halt(stop, "deadlock", f"no thread can run: {reason.detail}")
            case StopKind.WAITING:
                if self.feed is not None and self.feed():
                    return None
                return Halt(stop, "waiting", f"waits for standard input{f': {reason.detail}' if reason.detail else ''}")
        return None

    def _count(self, hit: list[Breakpoint]) -> None:
        for breakpoint_ in hit:
            breakpoint_.hits += 1

    def _reached(self, stop: Stop, plan: Plan) -> bool:
        """Does the plan end at this place?"""
        if stop.pc not in plan.targets or (plan.thread is not None and stop.thread != plan.thread):
            return False
        if plan.turns and (stop.pc, stop.thread) not in plan.turns:
            return False
        if plan.low is None:
            return True
        return self._sp_of(stop.thread) >= plan.low

    def _broke(self, stop: Stop, plan: Plan) -> Halt | None:
        """Breakpoints at the pc: the loader's, the plan's, the person's."""
        if self.debugger.is_loader_site(stop.pc) and stop.reason(StopKind.BREAKPOINT) is not None:
            halt = self._loaded(stop, plan)
            if halt is not None:
                return halt
        found = [b for b in self.debugger.breakpoints.at(stop.pc) if self._counts(b, stop)]
        for breakpoint_ in found:
            self._act(breakpoint_, stop)
        shown = next((b for b in found if b.kind != "dprintf"), None)
        if shown is not None:
            return self._hit(shown, stop)
        if self._reached(stop, plan):
            return Halt(stop, "end", plan.done)
        return None

    def _loaded(self, stop: Stop, plan: Plan) -> Halt | None:
        """A loader says that its list changed: look again, resolve pending breakpoints, tell who waits for it."""
        before = {(e.module.path, e.module.base) for e in self.debugger.symbols.loaded}
        self.debugger.refresh()
        fresh = [e for e in self.debugger.symbols.loaded if (e.module.path, e.module.base) not in before]
        names = ", ".join(e.module.name for e in fresh)
        if plan.load is not None and fresh:
            return Halt(stop, "end", f"loaded {names}")
        wanted = [b for b in self.debugger.breakpoints.catching("load") if fresh and (not b.which or b.which in names)]
        if not wanted:
            return None
        self._count(wanted)
        return Halt(stop, "breakpoint", f"catchpoint {wanted[0].number} (loaded {names})", wanted[0].number)

    def _counts(self, breakpoint_: Breakpoint, stop: Stop) -> bool:
        """Is this hit one that counts: thread, condition, ignore count?"""
        if breakpoint_.thread is not None and breakpoint_.thread != stop.thread:
            return False
        if breakpoint_.condition and not self._holds(breakpoint_, stop):
            return False
        breakpoint_.hits += 1
        if breakpoint_.ignore > 0:
            breakpoint_.ignore -= 1
            return False
        return True

    def _holds(self, breakpoint_: Breakpoint, stop: Stop) -> bool:
        """The condition's truth; one that cannot be evaluated stops, as in gdb, and says so."""
        try:
            return _value(breakpoint_.condition, self._scope(stop.thread)).number != 0
        except (UserError, TargetError) as error:
            said = str(error).splitlines()[0]
            self.debugger.console.say(f"condition of breakpoint {breakpoint_.number}: {said}")
            return True

    def _act(self, breakpoint_: Breakpoint, stop: Stop) -> None:
        """A dprintf prints and goes on."""
        if breakpoint_.kind != "dprintf":
            return
        scope = self._scope(stop.thread)
        try:
            text = format_text(breakpoint_.format, lambda part: _value(part, scope), scope)
        except (UserError, TargetError) as error:
            text = f"dprintf {breakpoint_.number}: {str(error).splitlines()[0]}"
        for line in text.splitlines():
            self.debugger.console.say(line, tick=stop.tick)

    def _scope(self, thread: int) -> FrameScope:
        """The innermost frame of a thread, whoever is selected."""
        debugger = self.debugger
        unwinder = Unwinder(debugger.target, debugger.symbols, debugger.places, debugger.trace)
        return FrameScope(debugger, unwinder.innermost(thread))

    def _hit(self, breakpoint_: Breakpoint, stop: Stop) -> Halt:
        """A breakpoint that stops."""
        word = "temporary breakpoint" if breakpoint_.temporary else "breakpoint"
        name = self.debugger.symbols.name_at(stop.pc)
        text = f"{word} {breakpoint_.number}" + (f", {name.text}" if name is not None else "")
        if breakpoint_.temporary:
            self.debugger.breakpoints.remove(breakpoint_.number)
        return Halt(stop, "breakpoint", text, breakpoint_.number)

    def _watched(self, stop: Stop) -> Halt | None:
        """Watchpoints that the last instruction hit; a write of the same value does not stop, as in gdb."""
        for reason in stop.reasons:
            hit = reason.watch
            breakpoint_ = self.debugger.breakpoints.by_watch(hit.watchpoint) if hit is not None else None
            if hit is None or breakpoint_ is None:
                continue
            old, new = breakpoint_.old, self._watch_value(breakpoint_)
            breakpoint_.old = new
            shown = (
                ((old is not None and show(old, self.debugger.scope())) or "?"),
                (show(new, self.debugger.scope()) if new is not None else "?"),
            )
            tag = breakpoint_.access == "tag"
            if breakpoint_.access == "w" and shown[0] == shown[1]:
                continue
            if not self._counts(breakpoint_, stop):
                continue
            lines: tuple[str, ...] = (f"old value = {shown[0]}", f"new value = {shown[1]}")
            if breakpoint_.access in ("r", "rw") and shown[0] == shown[1]:
                lines = (f"value = {shown[1]}",)
            if tag:
                lines = (f"tag of {hexa(hit.address & ~15)}: {_tag_words(self.debugger, hit.address & ~15)}",)
            where = self.debugger.symbols.name_at(hit.pc)
            place = where.text if where is not None else hexa(hit.pc)
            if breakpoint_.temporary:
                self.debugger.breakpoints.remove(breakpoint_.number)
            text = f"{breakpoint_.kind} {breakpoint_.number}: {breakpoint_.spec}, {hit.access} by {place}"
            return Halt(stop, "watchpoint", text, breakpoint_.number, lines)
        return None

    def _watch_value(self, breakpoint_: Breakpoint) -> Value | None:
        if breakpoint_.old is None:
            return None
        try:
            return load(breakpoint_.old.type, breakpoint_.address, breakpoint_.old.base, self.debugger.scope())
        except (UserError, TargetError):
            return None

    def _crossed(self, stop: Stop, plan: Plan) -> Halt | None:
        """Catchpoints on crossings, and the plan's own wish."""
        for seen in self.debugger.seen:
            for breakpoint_ in self.debugger.breakpoints:
                text = caught(breakpoint_, seen)
                if breakpoint_.enabled and text and self._counts(breakpoint_, stop):
                    if breakpoint_.temporary:
                        self.debugger.breakpoints.remove(breakpoint_.number)
                    return Halt(stop, "breakpoint", f"catchpoint {breakpoint_.number} ({text})", breakpoint_.number)
            text = plan.crossing(seen) if plan.crossing is not None else None
            if text:
                return Halt(stop, "crossing", text)
        return None

    # ---- small facts ----

    def _pc(self) -> int:
        return self.debugger.pc(self.debugger.thread)

    def _sp(self) -> int:
        return self._sp_of(self.debugger.thread)

    def _sp_of(self, thread: int) -> int:
        debugger = self.debugger
        return Unwinder(debugger.target, debugger.symbols, debugger.places, debugger.trace).innermost(thread).sp or 0

    def _instruction(self, pc: int) -> Instruction:
        word = int.from_bytes(self.debugger.target.read(pc, 4), "little")
        c64 = self.debugger.target.read_register(self.debugger.thread, "cpsr") & C64
        return disassemble(word, pc, "c64" if c64 else "a64")


def _just(halt: Halt) -> Run:
    """A run that has ended already."""
    return halt
    yield  # a generator, as every run


def _value(text: str, scope: FrameScope) -> Value:
    return evaluate(parse(text, scope.is_type), scope, text)


def _tag_words(debugger: Debugger, address: int) -> str:
    power = debugger.target.capabilities
    if power is None:
        return "?"
    return "set" if power.tags(address, 16)[0] else "cleared"


def describe(seen: Seen) -> str:
    """``17 → 16 openat(…)`` or ``16 → 17 returns = 3``."""
    path = f"{seen.source or '?'} → {seen.target or '?'}"
    if seen.entry is None:
        return path
    return f"{path} {seen.entry.call}" if seen.kind == "call" else f"{path} {seen.entry.name} {seen.entry.result}"


def caught(breakpoint_: Breakpoint, seen: Seen) -> str | None:
    """What a catchpoint says about a crossing, None when it is not its kind."""
    entry = seen.entry
    match breakpoint_.event:
        case "crossing" if seen.kind in ("call", "return", "failed"):
            wanted = breakpoint_.which.replace("→", " ").replace(">", " ").split()
            if wanted and wanted != [seen.source, seen.target][: len(wanted)]:
                return None
            return f"crossing {describe(seen)}"
        case "hostcall" if seen.kind == "call" and seen.target == "M" and entry is not None:
            return f"hostcall {describe(seen)}" if _wanted(breakpoint_.which, entry.nr, entry.name) else None
        case "syscall" if seen.kind == "call" and seen.target != "M" and entry is not None:
            return f"syscall {describe(seen)}" if _wanted(breakpoint_.which, entry.nr, entry.name) else None
    return None


def _wanted(which: str, number: int, name: str) -> bool:
    return not which or any(word in (str(number), name) for word in which.split())
