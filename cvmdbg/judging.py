"""What a stop of the target means: for the run's plan, and for the breakpoints that people set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cvmdbg.analysis.crossings import Seen
from cvmdbg.breakpoints import Breakpoint
from cvmdbg.debugger import Debugger, Halt
from cvmdbg.evaluate import evaluate
from cvmdbg.expressions import parse
from cvmdbg.forms import hexa
from cvmdbg.frames import Unwinder
from cvmdbg.scope import FrameScope
from cvmdbg.slots import bound_row, filled
from cvmdbg.target import Reason, Stop, StopKind, TargetError, UserError
from cvmdbg.values import Value, format_text, load, show


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
class Judge:
    """Decides whether a stop ends a run. ``feed`` gives a waiting guest more input, if it can."""

    debugger: Debugger
    feed: Callable[[], bool] | None = None

    def judge(self, stop: Stop, plan: Plan, stepping: bool = False) -> Halt | None:
        """What a stop of the target means; None to go on. Several reasons can hold: the gravest is told first."""
        self.debugger.asking.look(stop)
        for reason in stop.reasons:
            halt = self._grave(stop, reason)
            if halt is not None:
                return halt
        halt = self._crossed(stop, plan)
        if stop.reason(StopKind.WATCHPOINT) is not None:
            halt = self._watched(stop) or self._bound(stop) or halt
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
            case StopKind.FAULT:
                self._count(self.debugger.breakpoints.catching("fault"))
                return Halt(stop, "fault", f"stopped by {reason.detail}")
            case StopKind.SIGNAL:
                return Halt(stop, "signal", f"stopped by {reason.detail}" if reason.detail else "stopped")
            case StopKind.LOST:
                return Halt(stop, "lost", reason.detail)
            case StopKind.EXIT:
                return Halt(stop, "exit", _exited(reason))
            case StopKind.HISTORY:
                return Halt(stop, "history", f"at the {reason.detail} of the recording (tick {stop.tick})")
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
        return self.sp_of(stop.thread) >= plan.low

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
        self.debugger.refresh()
        self.debugger.asking.update()
        fresh, _ = self.debugger.announce()
        names = ", ".join(fresh)
        if plan.load is not None and fresh:
            return Halt(stop, "end", f"loaded {names}")
        wanted = self.debugger.breakpoints.waiting_for(fresh)
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
            if breakpoint_.access == "r" or (breakpoint_.access == "rw" and shown[0] == shown[1]):
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

    def _bound(self, stop: Stop) -> Halt | None:
        """Catchpoints whose slot the last instruction bound, or unbound when the run goes backwards."""
        for reason in stop.reasons:
            found = self.debugger.breakpoints.by_slot(reason.watch.watchpoint) if reason.watch is not None else None
            if found is None or reason.watch is None:
                continue
            breakpoint_, slot = found
            row = bound_row(self.debugger, slot, breakpoint_.which)
            done = row is not None and row.state == "done"
            if done == (slot in breakpoint_.filled):
                continue
            breakpoint_.filled ^= {slot}
            if not self._counts(breakpoint_, stop):
                continue
            where = self.debugger.symbols.name_at(reason.watch.pc)
            place = where.text if where is not None else hexa(reason.watch.pc)
            owner = f" of {row.module}" if row is not None else ""
            text = f"catchpoint {breakpoint_.number} ({breakpoint_.spec}, slot {hexa(slot)}{owner}, write by {place})"
            return Halt(stop, "breakpoint", text, breakpoint_.number, (row.text,) if row is not None else ())
        return None

    def look_at_watched(self) -> None:
        """What is watched is read anew before a run: it may have been set, or deployed again."""
        for breakpoint_ in self.debugger.breakpoints:
            now = self._watch_value(breakpoint_)
            breakpoint_.old = now if now is not None else breakpoint_.old
        for breakpoint_ in self.debugger.breakpoints.catching("reloc"):
            breakpoint_.filled = filled(self.debugger, breakpoint_)

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
        return self._called(stop)

    def _called(self, stop: Stop) -> Halt | None:
        """Catchpoints on system calls that no crossing shows."""
        for entry in self.debugger.called:
            for breakpoint_ in self.debugger.breakpoints.catching("syscall"):
                if not _wanted(breakpoint_.which, entry.nr, entry.name) or not self._counts(breakpoint_, stop):
                    continue
                if breakpoint_.temporary:
                    self.debugger.breakpoints.remove(breakpoint_.number)
                text = f"catchpoint {breakpoint_.number} (syscall {entry.path} {entry.call} {entry.result}".rstrip()
                return Halt(stop, "breakpoint", f"{text})", breakpoint_.number)
        return None

    def sp_of(self, thread: int) -> int:
        """The absolute SP of a thread."""
        debugger = self.debugger
        return Unwinder(debugger.target, debugger.symbols, debugger.places, debugger.trace).innermost(thread).sp or 0


def _exited(reason: Reason) -> str:
    """How a program ended, as far as its target tells."""
    if reason.status is None and reason.detail:
        return f"exited; {reason.detail}"
    return reason.detail or f"exited with status {reason.status or 0}"


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
