"""The guest of unmodified Linux programs: each in a hybrid cVM, all served by one LibOS.

    16   the LibOS: its page is where every system call crosses to, and comes back from
    17 … the programs; one that a vfork child executes, or a fork, gets the next free cVM

Addresses of a program are offsets from the base of its PCC and DDC, as Intravisor deploys hybrid cVMs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache

from cvmdbg.guests.guest import (
    Boundary,
    BoundaryKind,
    Calls,
    Compartment,
    Module,
    Outcome,
    Symbol,
    Tap,
    Told,
    View,
    Waits,
)
from cvmdbg.guests.linux import abi, chart, deadlock, image, life, loading, paths, signals
from cvmdbg.guests.linux.abi import E, Err, Wait
from cvmdbg.guests.linux.calls import clocks
from cvmdbg.guests.linux.calls.descriptors import make_open
from cvmdbg.guests.linux.chart import GATE, LIBOS, LIBOS_BASE
from cvmdbg.guests.linux.facts import call_at, calls
from cvmdbg.guests.linux.kernel import CALLS, Kernel, Unmodelled
from cvmdbg.guests.linux.nodes import Overlay
from cvmdbg.guests.linux.setup import Setup, make_root
from cvmdbg.guests.linux.snapshot import freeze, thaw
from cvmdbg.guests.linux.space import PAGE
from cvmdbg.guests.linux.state import Pending, Program, State, Thread
from cvmdbg.guests.linux.tracing import Served, captured, pointers, signature
from cvmdbg.target import Reason, StopKind, TargetError, UserError
from sessions.event import Call, Effect, Map, MemoryWrite, Observation, RegisterWrite
from sessions.served import Signature, call_of

ABSENT = frozenset({"rseq", "clone3", "io_uring_setup", "userfaultfd", "perf_event_open", "bpf", "keyctl", "seccomp"})
"""What this kernel does not offer, as an older one would not: programs do without."""
SEGV_ACCERR = 2
_FAULTS = {"alignment": abi.SIGBUS, "undefined": abi.SIGILL, "system": abi.SIGILL, "brk": abi.SIGTRAP}


class Linux:
    """Programs of Linux and the LibOS that serves them."""

    arch = "morello"
    absent = None

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        trees = [tree for tree, _ in setup.binds]
        self._files = Overlay(trees if setup.root is None else [*trees, setup.root])
        numbers = {
            known.numbers["aarch64"]: CALLS[name]
            for name, known in calls().items()
            if name in CALLS and "aarch64" in known.numbers
        }
        self._plain = frozenset(n for n, entry in numbers.items() if not pointers(entry.name))
        self._kernel = Kernel(self._files, numbers, first_base=setup.base, size=setup.size, first_badge=setup.badge)
        self._kernel.terminal, self._kernel.network = setup.terminal, setup.network
        self._kernel.state.random = setup.seed << 64
        make_root(self._kernel, setup)
        try:
            node = paths.walk(self._kernel, None, setup.path)
            self._program = loading.find(self._kernel, node, setup.path, (setup.path, *setup.arguments))
            self._cwd = paths.walk(self._kernel, None, setup.cwd).ino
        except Err as error:
            raise UserError(self._why(error)) from None

    def _why(self, error: Err) -> str:
        """Why the first program cannot run."""
        setup, number = self._setup, error.args[0]
        if number == E.ENOENT:
            try:
                content = self._files.read(paths.walk(self._kernel, None, setup.path), 0, 1 << 20)
                wanted = image.read(content).interpreter
            except (Err, image.ImageError):
                return f"{setup.path}: there is no such file in the guest's root"
            return f"{setup.path}: its interpreter {wanted} is not in the guest's root: give one with --rootfs"
        says = {E.EACCES: "it may not be executed", E.ENOEXEC: "it is no AArch64 program for Linux"}
        return f"{setup.path}: {says.get(number, f'it cannot be executed (error {number})')}"

    # ---- facts ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._setup.name or self._setup.path.rpartition("/")[2]

    def compartments(self) -> tuple[Compartment, ...]:
        return chart.compartments(self._kernel)

    def modules(self) -> tuple[Module, ...]:
        return chart.modules(self._kernel)

    def symbols(self) -> tuple[Symbol, ...]:
        return chart.symbols(self._kernel)

    def file(self, path: str) -> bytes | None:
        try:
            node = paths.walk(self._kernel, None, path)
            return self._files.read(node, 0, node.size) if node.kind == "file" else None
        except Err:
            return None

    def thread_ids(self, thread: int) -> Mapping[str, int]:
        known = self._kernel.state.threads.get(thread)
        if known is None:
            return self._gone(thread)
        cvm = self._kernel.first_badge + self._kernel.program(known).cvm
        return {"cvm": cvm, "tid": known.tid, "pid": known.pid}

    def _gone(self, thread: int) -> Mapping[str, int]:
        """The numbers that a thread had before it ended."""
        if thread not in self._kernel.state.gone:
            return {}
        cvm, tid, pid = self._kernel.state.gone[thread]
        return {"cvm": self._kernel.first_badge + cvm, "tid": tid, "pid": pid}

    def thread_name(self, thread: int) -> str:
        ids = self.thread_ids(thread)
        return f"{ids['cvm']}/{ids['tid']}" if ids else f"thread {thread}"

    # ---- state ----------------------------------------------------------------------------------------

    def save(self) -> object:
        state = self._kernel.state
        state.nodes, state.next_ino = self._files.nodes, self._files.next_ino
        return freeze(state)

    def load(self, state: object) -> None:
        loaded = thaw(state)
        assert isinstance(loaded, State)
        self._kernel.state = loaded
        self._files.nodes, self._files.next_ino = loaded.nodes, loaded.next_ino
        self._kernel.alarm_known = False

    # ---- running --------------------------------------------------------------------------------------

    def start(self) -> tuple[Outcome, ...]:
        kernel = self._kernel
        gate = b"".join(word.to_bytes(4, "little") for word in GATE)
        libos = Outcome("start LibOS", (Map(LIBOS_BASE, PAGE, "rx"), MemoryWrite(LIBOS_BASE, gate)))
        kernel.tick = 0
        effects = life.start_first(kernel, self._program, list(self._setup.environment), self._cwd)
        program = next(iter(kernel.state.programs.values()))
        kernel.first_pid = program.pid
        for fd, mode in enumerate((abi.O_RDONLY, abi.O_WRONLY, abi.O_WRONLY)):
            opened = make_open(kernel, "console", fd, abi.O_RDWR if self._setup.terminal else mode)
            opened.path = "/dev/tty" if self._setup.terminal else ""
            program.files[fd] = opened.number
        said, kernel.said = [*self._first_call(program, effects), *kernel.said], []
        return (libos, Outcome(f"execve {program.path}", tuple(effects), tuple(said)))

    def _first_call(self, program: Program, effects: list[Effect]) -> list[Observation]:
        """The execve that whoever started the session has made, as if out of the program's own memory."""
        known, base = calls()["execve"], self._kernel.state.spaces[program.cvm].base
        number, words = known.numbers["aarch64"], (*self._kernel.begun, 0, 0, 0)
        thread = self._kernel.state.threads[program.threads[0]]
        served = Served(known, words, base, _written(effects), (), 0, 0)
        return [*served.captured(), self._call(thread, number, words, 0)]

    def alarm(self) -> int | None:
        return self._kernel.alarm()

    def boundary(self, boundary: Boundary, view: View) -> Outcome:
        kernel = self._kernel
        kernel.view, kernel.tick = view, view.tick
        kernel.effects, kernel.said = [], []
        if boundary.kind is BoundaryKind.SYSCALL:
            thread = kernel.state.threads[boundary.thread]
            words = view.words(boundary.thread)
            return self._syscall(thread, words[8], words[:6])
        if boundary.kind is BoundaryKind.ALARM:
            return self._ring()
        return self._signal(boundary)

    @property
    def calls(self) -> Calls:
        """Itself: ``call`` below."""
        return self

    @property
    def taps(self) -> tuple[Tap, ...]:
        """None: programs cross into the LibOS."""
        return ()

    @property
    def waits(self) -> Waits:
        """Itself: ``who_waits`` below."""
        return self

    def who_waits(self, view: View) -> str:
        self._kernel.view = view
        return deadlock.explain(self._kernel)

    @property
    def view(self) -> View:
        """What the LibOS looks through."""
        return self._kernel.view

    @view.setter
    def view(self, view: View) -> None:
        self._kernel.view = view

    def call(self, thread: int, words: tuple[int, ...], told: Told) -> int | Outcome:
        """One system call; what its caller finds in x0 when nothing else came of it and its words say it all."""
        kernel = self._kernel
        kernel.tick = kernel.view.tick
        entry = kernel.numbers.get(words[8])
        if entry is None:
            return self.boundary(Boundary(BoundaryKind.SYSCALL, thread), kernel.view)
        if kernel.effects or kernel.said:
            kernel.effects, kernel.said = [], []
        known = kernel.state.threads[thread]
        try:
            value = entry.serve(kernel, known, *words[: entry.arity])
        except Err as error:
            value = -int(error.args[0])
        except (Wait, Unmodelled) as other:
            return self._odd(known, words, other)
        odd = value is None or kernel.poked or kernel.signalled or kernel.yielded or kernel.said
        if told and (told is Told.ALL or kernel.effects or words[8] not in self._plain):
            odd = True
        if odd or value is None or not kernel.alarm_known:
            if value is not None:
                kernel.result(known, value)
            return self._finish(entry.name, known, words[8], words[:6], value)
        if kernel.effects:
            kernel.result(known, value)
            return Outcome(entry.name, tuple(kernel.effects))
        return value

    def layer(self, thread: int) -> str:
        """From the program of a thread to the LibOS."""
        kernel = self._kernel
        return _layer(kernel.first_badge + kernel.program(kernel.state.threads[thread]).cvm)

    def signature(self, number: int) -> Signature:
        """The name of a call."""
        return signature("aarch64", number)

    def _odd(self, thread: Thread, words: tuple[int, ...], why: Wait | Unmodelled) -> Outcome:
        """A call that waits, or is not modelled."""
        if isinstance(why, Unmodelled):
            return self._refuse(thread, words[8], words[:6], str(why.args[0]))
        self._kernel.block(thread, words[8], words[:6], why)
        return self._finish(self._kernel.numbers[words[8]].name, thread, words[8], words[:6], None)

    def _syscall(self, thread: Thread, number: int, arguments: tuple[int, ...]) -> Outcome:
        kernel = self._kernel
        entry = kernel.numbers.get(number)
        if entry is None:
            return self._unknown(thread, number, arguments)
        try:
            value = kernel.serve(thread, number, arguments)
        except Unmodelled as missing:
            return self._refuse(thread, number, arguments, str(missing.args[0]))
        return self._finish(entry.name, thread, number, arguments, value)

    def _finish(
        self, label: str, thread: Thread, number: int, arguments: tuple[int, ...], value: int | None
    ) -> Outcome:
        kernel = self._kernel
        if kernel.answer is not None:
            value, kernel.answer = kernel.answer, None
        said: list[Observation] = self._captured(thread, number, arguments, value)
        said.append(self._call(thread, number, arguments, value))
        kernel.left = None
        if kernel.poked:
            kernel.settle()
        if kernel.signalled:
            signals.deliver_all(kernel)
        yields, kernel.yielded = kernel.yielded, False
        return Outcome(label, tuple(kernel.effects), (*said, *self._said()), yields=yields)

    def _said(self) -> Iterable[Observation]:
        """What serving has brought about: ends, calls that came back, then the signals that broke them off."""
        told, self._kernel.told = self._kernel.told, []
        return (*self._kernel.said, *self._returned(), *told)

    def _returned(self) -> Iterable[Observation]:
        """The calls that have come back after a wait."""
        done, self._kernel.returned = self._kernel.returned, []
        said: list[Observation] = []
        for thread, waited, value in done:
            said += self._captured(thread, waited.number, waited.arguments, value)
            said.append(self._call(thread, waited.number, waited.arguments, value))
        return said

    def _captured(self, thread: Thread, number: int, words: tuple[int, ...], value: int | None) -> list[Observation]:
        """What the call points at, for who traces."""
        known = call_at("aarch64", number)
        kernel = self._kernel
        program = kernel.state.programs.get(thread.pid)
        space = kernel.state.spaces.get(program.cvm) if program is not None else None
        if known is None or space is None:
            return []  # it has ended: its memory is gone
        base = space.base if kernel.left is None else kernel.left[0]
        return captured(known, words, base, kernel.view.read, kernel.effects, value, kernel.tick)

    def _call(self, thread: Thread, number: int, arguments: tuple[int, ...], value: int | None) -> Call:
        program = self._kernel.state.programs.get(thread.pid)
        layer = f"?→{LIBOS}"
        if program is not None:
            left = self._kernel.left
            layer = _layer(self._kernel.first_badge + (program.cvm if left is None else left[1]))
        return call_of(self._kernel.tick, thread.number, layer, number, signature("aarch64", number), arguments, value)

    def _unknown(self, thread: Thread, number: int, arguments: tuple[int, ...]) -> Outcome:
        known = call_at("aarch64", number)
        if known is not None and known.name in ABSENT:
            self._kernel.result(thread, -E.ENOSYS)
            return self._finish(known.name, thread, number, arguments, -E.ENOSYS)
        return self._refuse(thread, number, arguments, "")

    def _refuse(self, thread: Thread, number: int, arguments: tuple[int, ...], what: str) -> Outcome:
        """It stops; going on finds -ENOSYS in x0."""
        kernel = self._kernel
        kernel.effects = [RegisterWrite(thread.number, "x0", -E.ENOSYS & abi.WORD)]
        call = self._call(thread, number, arguments, -E.ENOSYS)
        detail = f"{call.name}({', '.join(call.arguments)})" + (f": {what}" if what else "")
        reason = Reason(StopKind.UNMODELLED, f"system call {detail} is not modelled")
        return Outcome(f"unmodelled {call.name}", tuple(kernel.effects), (call,), reason)

    # ---- moments --------------------------------------------------------------------------------------

    def _ring(self) -> Outcome:
        """Something is due; if no thread could run until then, the clock jumps to it."""
        kernel = self._kernel
        if kernel.input_wanted:
            kernel.input_wanted, kernel.alarm_known, kernel.poked = False, False, True
            kernel.settle()
            if kernel.effects:
                return Outcome("input", tuple(kernel.effects), tuple(self._said()))
            if kernel.input_wanted:
                waits = Reason(StopKind.WAITING, "the guest reads standard input")
                return Outcome("input", stop=waits, again=True)
        moments = kernel.deadlines()
        if moments:
            kernel.state.idle += max(0, min(moments) - kernel.now)
        clocks.ring(kernel)
        kernel.alarm_known = False
        kernel.settle()
        signals.deliver_all(kernel)
        return Outcome("timeout", tuple(kernel.effects), tuple(self._said()))

    def _signal(self, boundary: Boundary) -> Outcome:
        """A fault that the user let go on: what the program does about the signal."""
        kernel = self._kernel
        thread = kernel.state.threads[boundary.thread]
        number = abi.SIGILL if boundary.kind is BoundaryKind.UNSUPPORTED else _FAULTS.get(boundary.detail, abi.SIGSEGV)
        program, space = kernel.program(thread), kernel.space(thread)
        thread.mask &= ~(1 << number - 1)
        action = program.actions.get(number)
        if action is not None and action.where == 1:
            program.actions[number] = replace(action, where=0)
        address = (boundary.address if boundary.size else boundary.pc) - space.base
        code = SEGV_ACCERR if number == abi.SIGSEGV and boundary.detail in ("page", "permission") else 1
        signals.send(kernel, program, Pending(number, code, address=address & abi.WORD), thread)
        signals.deliver_all(kernel)
        return Outcome(f"signal {number}", tuple(kernel.effects), tuple(self._said()))


def _written(effects: list[Effect]) -> Callable[[int, int], bytes]:
    """Reads what effects write, before they are applied."""
    pieces = [effect for effect in effects if isinstance(effect, MemoryWrite)]

    def read(address: int, size: int) -> bytes:
        for piece in pieces:
            offset = address - piece.address
            if offset >= 0 and offset + size <= len(piece.content):
                return piece.content[offset : offset + size]
        raise TargetError(f"{address:#x} is not mapped")

    return read


@cache
def _layer(badge: int) -> str:
    return f"{badge}→{LIBOS}"
