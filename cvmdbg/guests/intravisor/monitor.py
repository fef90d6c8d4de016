"""The Intravisor guest: deploys the cVMs of a cvm.yaml and serves the one trap of their monitor.

The monitor's main starts the cVMs in the order of the file. ``wait: -1`` holds the next one back until this one's first
thread has ended, ``wait: N`` for N seconds of the guest's clock. The program is over when all first threads are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path

from cvmdbg.guests.cpio import unpack
from cvmdbg.guests.guest import Boundary, BoundaryKind, Compartment, Module, Outcome, Symbol, Tap, View
from cvmdbg.guests.intravisor import capfiles, config, console, facts, thread, trampolines
from cvmdbg.guests.intravisor.config import ConfigError
from cvmdbg.guests.intravisor.deploy import Deployment
from cvmdbg.guests.intravisor.folder import Folder
from cvmdbg.guests.intravisor.hostcalls import spawning
from cvmdbg.guests.intravisor.layout import PAGE
from cvmdbg.guests.intravisor.planning import deploy_all, link_lines
from cvmdbg.guests.intravisor.serve import serve, time_out
from cvmdbg.guests.intravisor.state import FIRST_HOST_ID, GuestThread, State
from cvmdbg.target import Reason, StopKind, UserError
from sessions.event import Effect, Map, MemoryWrite, ModuleLoad, Observation, Output, ProgramExit, RegisterWrite

SECOND = 1_000_000_000
SIGPROT, SIGSEGV, SIGTRAP, SIGILL, SIGBUS = 34, 11, 5, 4, 10
_SIGNALS = {
    "tag": SIGPROT,
    "sealed": SIGPROT,
    "bounds": SIGPROT,
    "permission": SIGPROT,
    "page": SIGSEGV,
    "unmapped": SIGSEGV,
    "alignment": SIGBUS,
    "undefined": SIGILL,
    "system": SIGILL,
    "brk": SIGTRAP,
}
_SHELL = {
    SIGPROT: "In-address space security exception",
    SIGSEGV: "Segmentation fault",
    SIGTRAP: "Trace/BPT trap",
    SIGILL: "Illegal instruction",
    SIGBUS: "Bus error",
}
"""What the shell of CheriBSD says about a program that a signal ended."""


class Intravisor:
    """A guest of cVMs. ``args`` replace the words behind the first in the last cVM's ``args``."""

    arch = "morello"
    calls = None
    waits = None
    absent = None

    def __init__(self, path: Path, args: tuple[str, ...] = ()) -> None:
        path = path.resolve()
        self._folder = Folder(path.parent)
        self._config = config.parse(self._folder.read(path.name), path.name)
        if args:
            self._replace_args(args)
        self._planned = deploy_all(self._config, self._folder)
        self._cvms = dict(self._planned)  # and those that cVMs have deployed since
        self._state = State(capfiles=capfiles.advertised(self._config))
        self._files: dict[str, bytes] | None = None
        self._fixed: tuple[tuple[Deployment, ...], tuple[Compartment, ...]] = (), ()

    def _replace_args(self, args: tuple[str, ...]) -> None:
        for word in args:
            if not word or " " in word or "\0" in word:
                raise ConfigError(f"{word!r} cannot be an argument: the monitor splits args at spaces")
        self._config.cvms[-1].args = " ".join((thread.PROGRAM, *args))

    # ---- facts ----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The folder's name: what its people call the configuration."""
        return self._folder.root.name or self._config.file

    def compartments(self) -> tuple[Compartment, ...]:
        cvms = tuple(self._cvms.values())
        if self._fixed[0] != cvms:
            self._fixed = cvms, tuple(facts.fixed(made, cvms) for made in cvms)
        return facts.compartments(*self._fixed, self._state)

    def modules(self) -> tuple[Module, ...]:
        return tuple(facts.module(made) for made in self._cvms.values())

    def symbols(self) -> tuple[Symbol, ...]:
        return tuple(symbol for build in _builds(self._cvms.values()) for symbol in build.symbols())

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The lkl_syscall of each cVM that has its kernel inside."""
        return tuple(facts.tap(made) for made in self._cvms.values() if made.elf.symbols.get(facts.TAPPED))

    def file(self, path: str) -> bytes | None:
        """A file of the root.cpio in the folder; None when it has no such file, or no readable archive."""
        if self._files is None:
            try:
                self._files = unpack(self._folder.read("root.cpio"), "root.cpio")
            except UserError:
                self._files = {}
        return self._files.get("/" + path.lstrip("/"))

    def thread_ids(self, number: int) -> Mapping[str, int]:
        if number >= len(self._state.threads):
            return {}
        found = self._state.threads[number]
        return {"cvm": found.cid, "slot": found.slot, "host": found.host}

    def thread_name(self, number: int) -> str:
        if number >= len(self._state.threads):
            return str(number)
        found = self._state.threads[number]
        return f"{found.cid}/{found.slot}"

    # ---- state ----------------------------------------------------------------------------------

    def save(self) -> object:
        return copy.deepcopy(self._state)

    def load(self, state: object) -> None:
        assert isinstance(state, State)
        if state.spawned != self._state.spawned:
            self._cvms = spawning.again(state.spawned, self._folder, self._planned)
        self._state = copy.deepcopy(state)

    def alarm(self) -> int | None:
        moments = self._state.deadlines()
        return max(0, min(moments) - self._state.idle) if moments else None

    # ---- start ----------------------------------------------------------------------------------

    def start(self) -> tuple[Outcome, ...]:
        """Monitor, one deployment for each cVM, then the threads that may run at once."""
        return (
            self._start_monitor(),
            *(self._start_cvm(made) for made in self._cvms.values()),
            self._outcome("link", (), link_lines(self._config), 0),
            self._run_next(0),
        )

    def _start_monitor(self) -> Outcome:
        effects: list[Effect] = []
        for build in _builds(self._cvms.values()):
            effects += [Map(build.page, PAGE, "rx"), MemoryWrite(*build.write())]
        effects += capfiles.memory(self._config, self._state.capfiles)
        warnings = tuple(self._config.warnings)
        said = (console.using(self._config.file), *warnings, *capfiles.lines(self._config))
        return self._outcome("start monitor", tuple(effects), said, 0)

    def _start_cvm(self, made: Deployment) -> Outcome:
        outcome = self._outcome(f"deploy {made.layout.badge}", made.effects, made.lines, 0)
        known = facts.module(made)
        loaded = ModuleLoad(0, known.name, known.path, known.base, known.size, known.compartment, known.sha256)
        return Outcome(outcome.label, outcome.effects, (*outcome.observations, loaded))

    def _run_next(self, tick: int) -> Outcome:
        """Starts cVMs until one has to be waited for."""
        effects: list[Effect] = []
        lines: list[str] = []
        names = []
        deployments = list(self._planned.values())
        while self._state.started < len(deployments) and not self._holds():
            made = deployments[self._state.started]
            beginning = self._begin(made, tick)
            effects += beginning.effects
            lines += beginning.lines
            names.append(made.layout.badge)
        return self._outcome(f"run {' '.join(names)}", tuple(effects), tuple(lines), tick)

    def _holds(self) -> bool:
        return self._state.waits_for is not None or self._state.sleeps_until is not None

    def _begin(self, made: Deployment, tick: int) -> thread.Beginning:
        state, number = self._state, len(self._state.threads)
        state.threads.append(GuestThread(number, made.layout.cid, 0, FIRST_HOST_ID + number, main=True))
        state.started += 1
        if made.config.wait == -1:
            state.waits_for = number
        elif made.config.wait > 0:
            state.sleeps_until = state.now(tick) + made.config.wait * SECOND
        return thread.begin(made, number)

    # ---- the boundary ---------------------------------------------------------------------------

    def boundary(self, boundary: Boundary, view: View) -> Outcome:
        if boundary.kind is BoundaryKind.HOSTCALL:
            return self._continue(serve(boundary.thread, view, self._state, self._cvms, self._folder), view)
        if boundary.kind is BoundaryKind.ALARM:
            return self._ring(view)
        if boundary.kind is BoundaryKind.FAULT:
            return self._die(boundary, view)
        return self._unmodelled(boundary)

    def _continue(self, outcome: Outcome, view: View) -> Outcome:
        """A served hostcall; when it ended what the monitor's main waits for, the next cVM starts too."""
        waits_for = self._state.waits_for
        if waits_for is None or not self._state.threads[waits_for].exited:
            return outcome
        self._state.waits_for = None
        following = self._run_next(view.tick)
        return Outcome(
            outcome.label,
            outcome.effects + following.effects,
            outcome.observations + following.observations,
            outcome.stop,
        )

    def _ring(self, view: View) -> Outcome:
        """A deadline has come; if no thread could run until then, the clock jumps to it."""
        state = self._state
        due = min(state.deadlines())
        state.idle += max(0, due - state.now(view.tick))
        if state.sleeps_until is not None and state.sleeps_until <= due:
            state.sleeps_until = None
            return self._run_next(view.tick)
        return time_out(view, state, self._cvms, self._folder, due)

    def _die(self, boundary: Boundary, view: View) -> Outcome:
        """The monitor catches no signal: the host ends the whole program, all its cVMs with it."""
        signal = _SIGNALS.get(boundary.detail, SIGSEGV)
        said = Output(view.tick, boundary.thread, "M", "monitor", _SHELL[signal].encode() + b"\n")
        return Outcome(f"signal {signal}", (ProgramExit(128 + signal),), (said,))

    def _unmodelled(self, boundary: Boundary) -> Outcome:
        """What no cVM does: it is named, and going on from it finds -1 in c0."""
        what = {
            BoundaryKind.SYSCALL: f"svc #{boundary.value:#x}: a system call of the host",
            BoundaryKind.DEVICE: f"a store to a device at {boundary.address:#x}",
        }.get(boundary.kind, f"the instruction {boundary.detail}".rstrip())
        minus_one = RegisterWrite(boundary.thread, "c0", (1 << 64) - 1)
        effects = (minus_one,) if boundary.kind is BoundaryKind.SYSCALL else ()
        return Outcome("unmodelled", effects, (), Reason(StopKind.UNMODELLED, f"{what} is not modelled"))

    def _outcome(self, label: str, effects: tuple[Effect, ...], lines: Iterable[str], tick: int) -> Outcome:
        said: tuple[Observation, ...] = tuple(
            Output(tick, -1, "M", "monitor", line.encode("utf-8", "replace") + b"\n") for line in lines
        )
        return Outcome(label, effects, said)


def _builds(cvms: Iterable[Deployment]) -> list[trampolines.Trampolines]:
    """The builds of the monitor that the cVMs need: one kind of cVM wants one."""
    kinds = sorted({made.layout.pure for made in cvms}, reverse=True)
    return [trampolines.for_abi(pure) for pure in kinds]
