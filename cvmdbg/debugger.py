"""The debugger of one guest: what is selected, what names mean, what was seen. No threads of its own, no UI."""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass, field

from cvmdbg.analysis.asked import Asking
from cvmdbg.analysis.calls import ABI
from cvmdbg.analysis.compartments import Places
from cvmdbg.analysis.console import Console
from cvmdbg.analysis.crossings import Entry, Seen, Trace
from cvmdbg.analysis.loader import Loader
from cvmdbg.analysis.loading import Loading
from cvmdbg.analysis.past import Past
from cvmdbg.breakpoints import Breakpoints
from cvmdbg.evaluate import evaluate
from cvmdbg.expressions import Node, parse
from cvmdbg.forms import VALUE
from cvmdbg.frames import Frame, Link, Unwinder
from cvmdbg.guests.guest import Facts, Module
from cvmdbg.scope import FrameScope
from cvmdbg.settings import Settings
from cvmdbg.slots import loads_something, watch_slots
from cvmdbg.symbols import Loaded, Symbols
from cvmdbg.target import (
    Crossing,
    Keeps,
    Stop,
    StopKind,
    Target,
    TargetError,
    Thread,
    ThreadState,
    TwoEngines,
    Unknown,
    UserError,
)
from cvmdbg.twins import adopt
from cvmdbg.values import Value
from sessions.event import Call, Captured, Halted, ModuleLoad, Note, Observation, Output, Pointed, Wait
from sessions.served import Served

CROSSING = ("syscall", "hostcall", "crossing", "reloc")
"""Catchpoints that look at each crossing."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Why a run ended, for people and programs. ``kind`` is a StopKind's word or ``end`` (a step or plan is done).

    ``number`` is the breakpoint that stopped it; ``lines`` are what else is to say (old and new values).
    """

    stop: Stop
    kind: str
    text: str
    number: int | None = None
    lines: tuple[str, ...] = ()


@dataclass
class Debugger:
    """A target with everything that is known about it."""

    target: Target
    facts: Facts
    console: Console
    cancel: threading.Event
    settings: Settings
    breakpoints: Breakpoints = field(default_factory=Breakpoints)
    displays: dict[int, tuple[str, str]] = field(default_factory=dict)
    history: list[Value] = field(default_factory=list)
    convenience: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.symbols = Symbols()
        self.places = Places(())
        self.captured: dict[tuple[int, int, int], bytes] = {}
        abi = "x86_64" if self.target.arch == "x86_64" else ABI
        self.trace = Trace(self._read_for_trace, lambda: self.places, abi)
        self.loading = Loading()
        self.loader = Loader(self.target, self.facts.file)
        self.asking = Asking(self)
        self.halt: Halt | None = None
        self.stood: list[int] = []  # ticks at which runs stopped
        self.seen: list[Seen] = []
        self.called: list[Entry] = []  # calls that began and that no crossing showed
        self.selected_frame = 0
        self.registers_before: dict[int, list[dict[str, int]]] = {}
        self._loader_sites: tuple[int, ...] = ()
        self.announced: dict[tuple[str, int], str] = {}  # what the link maps listed when the guest last stood
        self.loads: list[tuple[int, str]] = []  # ticks at which modules came, with their names
        self._frames: tuple[int, list[Frame]] | None = None
        self._thread = self.target.stop.thread
        self.breakpoints.attach(self.target.stops)
        self.follow_crossings()
        self.use_engine()
        self.refresh()

    def follow_crossings(self) -> None:
        """Stop at each crossing when the trace is exact or something catches crossings."""
        if self.target.stops is not None:
            caught = any(b.event in CROSSING for b in self.breakpoints)
            self.target.stops.catch_crossings(caught or self.settings.on("trace exact"))

    def use_engine(self) -> None:
        """Let the engine that the settings name run the guest, where the guest is the emulator's."""
        if isinstance(self.target, TwoEngines):
            self.target.use_engine(self.settings.text("engine"))

    @property
    def past(self) -> Past | None:
        """Scratch copies of earlier moments, where the target has a history."""
        history = self.target.history
        return None if history is None else Past(history)

    # ---- what happened ----

    def drain(self) -> tuple[Observation | Crossing | Served, ...]:
        """Take what was observed, and return it: calls into the trace, output to the console.

        What comes by again in the past is only seen.
        """
        self.seen, self.called = [], []
        drained = self.target.drain()
        if self.in_past:
            found = [self.trace.recall(item) for item in drained if isinstance(item, Crossing)]
            self.seen = [seen for seen in found if seen is not None]
        else:
            for item in drained:
                self._take(item)
        if self.breakpoints.catching("reloc") and loads_something(self.seen):
            self.look_at_now()
            self.refresh()
        return drained

    @property
    def in_past(self) -> bool:
        """Does the target run over what it has run before?"""
        history = self.target.history
        return history is not None and history.where != "live"

    def _take(self, item: Observation | Crossing | Served) -> None:
        match item:
            case Crossing():
                self.seen.append(self.trace.crossing(item))
            case Captured():
                self.trace.captured(item)
            case Call():
                self._take_call(item)
            case Served():
                for call in item.calls():
                    self._take_call(call)
            case Output():
                self.console.output(item)
            case ModuleLoad():
                self.refresh()
            case Note(tick, text):
                if text:
                    self.console.say(text, "monitor", tick)
                self.trace.noted(item)
                self.asking.recall(item)
            case Wait() | Halted() | Pointed():
                pass  # threads() tells who waits, stops who cannot go on, decoded calls what was captured

    def _take_call(self, call: Call) -> None:
        entry = self.trace.observed(call)
        if entry is not None:
            self.called.append(entry)

    def moved(self) -> None:
        """The target was put elsewhere: what is derived from registers and memory is looked at anew."""
        self._thread = self.target.stop.thread
        self.selected_frame = 0
        self.asking.forget()
        self.look_at_now()
        self.refresh()
        self.announce()

    def look_at_now(self) -> None:
        """Trace and console show what had happened where the target stands, and nothing after it."""
        history = self.target.history
        tick = history.now.tick if history is not None and history.where != "live" else None
        self.trace.look_at(tick)
        self.console.look_at(tick)

    def _read_for_trace(self, tick: int, address: int, size: int) -> bytes:
        """Memory that a crossing points at: as it is, and it is kept; of a recording, as it was kept."""
        history = self.target.history
        if history is not None and self.in_past:
            content = self.captured.get((tick, address, size), b"")
            if not content:
                raise TargetError(f"{address:#x} was not captured at tick {tick}")
            return content
        try:
            content = self.target.read(address, size)
        except TargetError:
            content = b""
        self._keep(Pointed(tick, address, size, content))
        if not content:
            raise TargetError(f"{address:#x} is not mapped")
        return content

    def _keep(self, observation: Observation) -> None:
        """Keep what was found out, where something is kept."""
        history = self.target.history
        if history is not None:
            history.observe(observation)
        elif isinstance(self.target, Keeps):
            self.target.observe(observation)

    def take_recorded(self, calls: int) -> None:
        """Fill trace and console from a recording: about its last ``calls`` crossings (0: all), and what is there."""
        history = self.target.history
        assert history is not None
        self.trace.look_at(None)
        first = history.recent(calls) if calls else 0
        self.captured = {
            (item.tick, item.address, item.size): item.content
            for item in history.observations((Pointed,), first)
            if isinstance(item, Pointed)
        }
        others = history.observations((Captured, Call, Output, Note), first)
        for item in heapq.merge(
            history.crossings(first), others, key=lambda item: (item.tick, isinstance(item, Crossing))
        ):
            self._take(item)
        self.captured = {}
        self.loads = [(o.tick, o.path) for o in history.observations((ModuleLoad,)) if isinstance(o, ModuleLoad)]
        self.moved()

    def refresh(self) -> None:
        """Look again at what is in memory: compartments, modules, pending breakpoints, loader sites."""
        deployed = [(module, "") for module in self.facts.modules()]
        changed = self.symbols.update(deployed, self.facts.symbols())
        places = Places(self.facts.compartments())
        self.loading.follow(self.trace)
        mapped = self._mapped(places)
        if mapped:
            changed |= self.symbols.update([*deployed, *mapped], self.facts.symbols())
        self.places = Places(self.facts.compartments(), self.symbols.loaded)
        self._frames = None
        if changed:
            self._note_loads()
            self._adopt_twins()
        if changed or not self._loader_sites:
            self._follow_loaders()
        self._resolve_pending()

    def _mapped(self, places: Places) -> list[tuple[Module, str]]:
        """Modules that the guest's loaders list, and those whose segments are in memory before they are listed."""
        listed = self.loader.modules(self.symbols, places)
        there = self.facts.modules()
        known = {module.base for module, _ in listed} | {module.base for module in there}
        named = {(module.compartment, module.path) for module in there}
        mapped = (m for m in self.loading.modules(self.facts.file) if (m.compartment, m.path) not in named)
        fresh = [(m, "mapped") for m in mapped if m.base not in known]
        return [*listed, *fresh]

    def _note_loads(self) -> None:
        """Keep when a module was first seen, and tell the recording."""
        tick = self.target.stop.tick
        known = {name for _, name in self.loads}
        for entry in self.symbols.loaded:
            module = entry.module
            if module.path in known or tick is None or self.in_past:
                continue
            self.loads.append((tick, module.path))
            if tick:
                load = ModuleLoad(tick, module.name, module.path, module.base, module.size, module.compartment)
                self._keep(load)

    def _adopt_twins(self) -> None:
        """Symbol files beside the guest lend their names to modules that came without DWARF."""
        for entry in self.symbols.loaded:
            said = adopt(entry, self.settings.text("directories"))
            if said is not None:
                self.console.say(said)

    def _follow_loaders(self) -> None:
        sites = self.loader.sites(self.symbols) if self.target.stops is not None else ()
        for site in set(sites) - set(self._loader_sites):
            self.breakpoints.hold(site)
        for site in set(self._loader_sites) - set(sites):
            self.breakpoints.release(site)
        self._loader_sites = sites

    def announce(self) -> tuple[list[str], list[str]]:
        """Look at the link maps again: names that are on them since the guest last stood, and that have gone.

        A map that is being changed lists nothing new yet, and a loader does not tell of itself.
        """
        loader = self.symbols.module_at(self.target.stop.pc)
        own = (loader.module.compartment, loader.module.base) if loader is not None else None
        before = self.announced
        now, settled = self.loader.listed(self.symbols, self.places)
        self.announced = now if settled else {key: name for key, name in before.items() if key in now}
        came = [name for key, name in self.announced.items() if key not in before and name and key != own]
        return came, [name for key, name in before.items() if key not in now and name and key != own]

    def is_loader_site(self, address: int) -> bool:
        """Does a loader announce its changes there?"""
        return address in self._loader_sites

    def _resolve_pending(self) -> None:
        from cvmdbg.locations import resolve_pending

        if self.target.stops is not None:
            resolve_pending(self)
            watch_slots(self)

    def changed(self) -> None:
        """Registers or memory were set: forget what was derived from them."""
        self._frames = None

    def stopped(self, halt: Halt) -> None:
        """The run has ended: select where it stands."""
        self.halt = halt
        self._note_stop(halt)
        self._thread = halt.stop.thread
        self.selected_frame = 0
        self.look_at_now()
        self.refresh()
        self._say_what_was_found()
        self.announce()
        self._remember_registers()

    def _say_what_was_found(self) -> None:
        """What looking at the stopped guest has brought up is said at this stop, not at the next."""
        if not self.in_past:
            for item in self.target.drain():
                self._take(item)

    def _note_stop(self, halt: Halt) -> None:
        """Where a run stopped, for the time line: the last thousand places."""
        if halt.stop.tick is not None and halt.kind in ("breakpoint", "watchpoint", "fault", "exit", "interrupt"):
            self.stood.append(halt.stop.tick)
            del self.stood[:-1000]

    def _remember_registers(self) -> None:
        """Keep the capability registers of the last two stops, for change marks."""
        if self._thread < 0:
            return
        now = {
            r.name: value
            for r in self.target.registers
            if r.kind != "vector" and (value := self._seen_register(r.name)) is not None
        }
        self.registers_before.setdefault(self._thread, []).append(now)
        del self.registers_before[self._thread][:-3]

    def _seen_register(self, name: str) -> int | None:
        try:
            return self.target.read_register(self._thread, name)
        except Unknown:
            return None

    # ---- selection ----

    @property
    def thread(self) -> int:
        """The selected thread."""
        return self._thread

    def select_thread(self, number: int) -> None:
        """Select a thread for panes and steps."""
        if all(t.number != number for t in self.target.threads()):
            raise UserError(f"there is no thread {number}")
        self._thread, self.selected_frame, self._frames = number, 0, None

    def threads(self) -> tuple[Thread, ...]:
        """All threads."""
        return self.target.threads()

    def thread_info(self, number: int) -> Thread | None:
        """One thread."""
        return next((t for t in self.target.threads() if t.number == number), None)

    def thread_name(self, number: int) -> str:
        """``17/0``."""
        found = self.thread_info(number)
        return found.name if found is not None else ("·" if number < 0 else str(number))

    def frames(self, limit: int = 64) -> list[Frame]:
        """The selected thread's frames, innermost first."""
        if self._thread < 0:
            raise UserError("no thread has started yet")
        if self._frames is None or (self._frames[0] < limit and len(self._frames[1]) == self._frames[0]):
            unwinder = Unwinder(self.target, self.symbols, self.places, self.trace)
            self._frames = (limit, unwinder.frames(self._thread, max(limit, 1)))
        return self._frames[1][:limit]

    def frame(self) -> Frame:
        """The selected frame."""
        frames = self.frames(max(64, self.selected_frame + 1))
        return frames[min(self.selected_frame, len(frames) - 1)]

    def cfa(self, frame: Frame) -> int | None:
        """The CFA of a frame (it is known once its caller has been looked for)."""
        if frame.cfa is None and self._thread >= 0:
            self.frames(frame.number + 2)
        return frame.cfa

    def frame_register(self, frame: Frame, name: str) -> int | None:
        """A register as a frame has it: 129 bits for capabilities; None when it is not known there."""
        if frame.live:
            return self.target.read_register(frame.thread, name)
        if name in frame.known:
            return frame.known[name]
        special = {"cctlr", "ctpidr", "rctpidr", "rddc", "rcsp", "cid", "fpcr", "fpsr"}
        return self.target.read_register(frame.thread, name) if name in special else None

    # ---- looking ----

    def read(self, address: int, size: int) -> bytes:
        """Bytes; a failure says what the address is."""
        try:
            return self.target.read(address, size)
        except TargetError as error:
            raise TargetError(self._explain_unreadable(address, str(error))) from None

    def _explain_unreadable(self, address: int, message: str) -> str:
        """A small number may have been an offset in a hybrid compartment: say how to name it."""
        frame_base = self.frame().ddc_base if self._thread >= 0 else 0
        if frame_base and address < 1 << 32:
            badge = self.places.badge(frame_base + address)
            if badge:
                return f"{message}; in {badge} it is {frame_base + address:#x}: write {badge}:{address:x}"
        return message

    def scope(self) -> FrameScope:
        """The selected frame as expressions see it."""
        return FrameScope(self, self.frame())

    def parse(self, text: str) -> Node:
        """The tree of an expression, typedefs known."""
        scope = self.scope()
        return parse(text, scope.is_type)

    def evaluate(self, text: str) -> Value:
        """The value of an expression in the selected frame."""
        scope = self.scope()
        return evaluate(parse(text, scope.is_type), scope, text)

    def history_value(self, name: str) -> Value:
        """``$`` the last, ``$$`` the one before, ``$$n`` n back, ``$n`` the nth."""
        if name.startswith("$"):
            index = len(self.history) - 1 - (int(name[1:]) if name[1:] else 1)
        else:
            index = int(name) - 1 if name else len(self.history) - 1
        if not 0 <= index < len(self.history):
            raise UserError("no value has been printed yet" if not self.history else f"there is no value ${name}")
        return self.history[index]

    def remember(self, value: Value) -> int:
        """Put a value into the history; its number."""
        self.history.append(value)
        return len(self.history)

    def select_modules(self, where: str) -> list[Loaded]:
        """Modules by compartment (badge or name) or module name; UserError when there is none."""
        compartment = self.places.named(where)
        found = self.symbols.select(compartment.badge if compartment is not None else where)
        if not found:
            names = ", ".join(sorted({e.module.name for e in self.symbols.loaded}))
            raise UserError(f"no compartment or module is called {where}; modules: {names}")
        return found

    def no_symbol(self, name: str) -> str:
        """The sentence for a name that nothing has."""
        names = ", ".join(sorted({e.module.name for e in self.symbols.loaded})) or "nothing loaded"
        return f"no symbol {name!r} in {names}"

    def links(self, thread: int) -> list[Link]:
        """Open crossings of a thread."""
        return self.trace.open_links(thread)

    def is_waiting(self, number: int) -> bool:
        """Does a thread wait?"""
        found = self.thread_info(number)
        return found is not None and found.state is ThreadState.WAITING

    def pc(self, thread: int) -> int:
        """The absolute pc of a thread."""
        return self.target.read_register(thread, "pc") & VALUE

    def known_pc(self, thread: int) -> int | None:
        """The same, None where it was not seen."""
        try:
            return self.pc(thread)
        except Unknown:
            return None

    @property
    def ended(self) -> bool:
        """Has the guest ended?"""
        return self.target.stop.reason(StopKind.EXIT) is not None
