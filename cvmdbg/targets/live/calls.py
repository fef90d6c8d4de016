"""System calls of a live machine that no crossing shows: those at which a stub stops, and those into LKL.

QCatchSyscalls    ── syscall_entry:40 ──▶ Captured … Call(result None)  ── syscall_return:40 ──▶ … Call(result 8)
lkl_syscall       ── taps: breakpoints on its entry and behind the call
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from errno import ENOSYS

from cvmdbg.elf import ElfImage
from cvmdbg.guests.guest import Compartment, Module, Tap
from cvmdbg.guests.intravisor.facts import TAPPED
from cvmdbg.guests.linux.facts import call_at
from cvmdbg.guests.linux.tracing import Served, signature
from sessions.event import Observation
from sessions.served import call_of

LOW = (1 << 64) - 1
MACHINE = "M→H"
"""From the machine to whoever runs it."""


@dataclass(frozen=True, slots=True)
class Abi:
    """Where a call's arguments and result are. Source: man 2 syscall."""

    name: str
    words: tuple[str, ...]
    result: str


ABIS = {
    "x86_64": Abi("x86_64", ("rdi", "rsi", "rdx", "r10", "r8", "r9"), "rax"),
    "aarch64": Abi("aarch64", tuple(f"x{n}" for n in range(6)), "x0"),
    "morello": Abi("aarch64", tuple(f"x{n}" for n in range(6)), "x0"),
}


@dataclass(frozen=True, slots=True)
class Open:
    """A call that has not come back: the thread will stand at ``pc`` again."""

    number: int
    words: tuple[int, ...]
    pc: int


@dataclass
class Calls:
    """``read`` and ``register`` look at the stopped machine; ``tick`` is the number of its stop."""

    abi: Abi
    read: Callable[[int, int], bytes]
    register: Callable[[int, str], int]
    _caught: dict[int, Open] = field(default_factory=dict)

    def caught(self, thread: int, number: int, entry: bool, tick: int) -> list[Observation]:
        """A thread stands before a system call, or behind one. A call that was inside already is not told.

        gdbserver counts entries and returns by itself and may begin with the wrong one: the thread's own state decides.
        """
        pc, call = self.register(thread, "pc") & LOW, self._caught.pop(thread, None)
        if call is not None and (call.number, call.pc) == (number, pc):
            return self._told(call, thread, self.register(thread, self.abi.result) & LOW, tick)
        if not self._goes_in(thread, entry):
            return []
        words = tuple(self.register(thread, name) & LOW for name in self.abi.words)
        self._caught[thread] = call = Open(number, words, pc)
        return self._told(call, thread, None, tick)

    def _goes_in(self, thread: int, told: bool) -> bool:
        """Linux shows -ENOSYS in rax, 0 in x7 before a call; 1 in x7 behind one (arm64/kernel/ptrace.c)."""
        if self.abi.name == "x86_64":
            return self.register(thread, "rax") & LOW == -ENOSYS & LOW
        direction = self.register(thread, "x7") & LOW
        return direction == 0 if direction in (0, 1) and self.abi is ABIS["aarch64"] else told

    def _told(self, call: Open, thread: int, value: int | None, tick: int) -> list[Observation]:
        known = call_at(self.abi.name, call.number)
        result = None if value is None else value - (value >> 63 << 64)
        found: list[Observation] = []
        if known is not None:
            served = Served(known, call.words, 0, self.read, (), result, tick, self.abi.name)
            found = served.captured()
        named = signature(self.abi.name, call.number)
        return [*found, call_of(tick, thread, MACHINE, call.number, named, call.words, result)]


# ---- into LKL --------------------------------------------------------------------------------------------------------


@dataclass
class Places:
    """Where the machine must stop for the taps' sake."""

    hidden: set[int] = field(default_factory=set)

    def add_hidden(self, address: int) -> None:
        """Stop there."""
        self.hidden.add(address)

    def remove_hidden(self, address: int) -> None:
        """No more."""
        self.hidden.discard(address)


def taps_of(compartments: Sequence[Compartment], modules: Sequence[Module]) -> tuple[Tap, ...]:
    """The lkl_syscall of each module that has one; in a hybrid cVM pointers are relative to its begin."""
    bases = {c.badge: c.begin for c in compartments if c.pure is False}
    return tuple(Tap(at, f"{m.compartment}→LKL", bases.get(m.compartment, 0)) for m in modules for at in _entries(m))


def _entries(module: Module) -> set[int]:
    """Addresses of lkl_syscall in a module."""
    if TAPPED.encode() not in module.content:
        return set()
    symbols = ElfImage(module.content, module.name).by_name.get(TAPPED, ())
    return {module.base + symbol.address for symbol in symbols if symbol.kind == "function"}
