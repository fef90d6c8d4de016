"""The emulated machine as effects see it: the one function that applies them, and the schedule's facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cvmdbg.target import TargetError, Thread, ThreadState
from cvmdbg.targets.registers import write_register
from emulator_core import _core
from sessions.event import (
    CapabilityWrite,
    Effect,
    Map,
    MemoryWrite,
    ProgramExit,
    Protect,
    RegisterWrite,
    ThreadBlock,
    ThreadExit,
    ThreadStart,
    ThreadSwitch,
    ThreadWake,
    Unmap,
)

PROT = {"r": 1, "w": 2, "x": 4}


def prot_bits(letters: str) -> int:
    """``rwx`` letters as the engine's bits."""
    return sum(PROT[letter] for letter in letters)


def prot_letters(bits: int) -> str:
    """The engine's bits as letters, absent ones as ``-``."""
    return "".join(letter if bits & bit else "-" for letter, bit in PROT.items())


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who runs. Saved with every checkpoint, since a replay continues from it."""

    current: int = -1
    threads: tuple[Thread, ...] = ()
    exit_status: int | None = None

    def with_state(self, number: int, state: ThreadState, reason: str = "") -> Schedule:
        """The same schedule with one thread in another state."""
        threads = tuple(replace(t, state=state, reason=reason) if t.number == number else t for t in self.threads)
        return replace(self, threads=threads)

    def runnable_after(self, number: int) -> int | None:
        """The next thread in turn that can run, round robin, ``number`` itself last."""
        able = [t.number for t in self.threads if t.state in (ThreadState.RUNNABLE, ThreadState.RUNNING)]
        later = [n for n in able if n > number]
        return next(iter(later or able), None)


class Inferior:
    """The engine's machine with its schedule; changed by effects and by running, by nothing else."""

    def __init__(self) -> None:
        self.machine = _core.Machine()
        self.schedule = Schedule()

    @property
    def tick(self) -> int:
        """Instructions retired over all threads."""
        return self.machine.ticks

    def apply(self, effects: Iterable[Effect]) -> None:
        """Change registers, memory, mappings and schedule as the effects say, in order."""
        for effect in effects:
            self._apply(effect)

    def run_to(self, tick: int) -> None:
        """Retire instructions of the current thread until ``tick``, whatever stops on the way."""
        while self.tick < tick:
            before = self.tick
            stop = self.machine.run(self.schedule.current, tick - before)
            self.machine.crossings()
            if self.tick == before and stop.kind != _core.StopKind.RING_FULL:
                raise TargetError(f"the replay cannot pass tick {before}: {stop.kind.name.lower()} at {stop.pc:#x}")

    def digest(self) -> bytes:
        """32 bytes over registers, memory, tags and ticks."""
        return self.machine.digest()

    def _apply(self, effect: Effect) -> None:
        machine = self.machine
        match effect:
            case RegisterWrite(thread, register, value):
                write_register(machine, thread, register, value)
            case MemoryWrite(address, content):
                machine.write(address, content)
            case CapabilityWrite(address, raw, tag):
                machine.write_capability(address, raw, tag)
            case Map(address, size, _, True):
                machine.map_device(address, size)
            case Map(address, size, prot):
                machine.map(address, size, prot_bits(prot))
            case Protect(address, size, prot):
                machine.protect(address, size, prot_bits(prot))
            case Unmap(address, size):
                machine.unmap(address, size)
            case _:
                self._schedule(effect)

    def _schedule(self, effect: Effect) -> None:
        now = self.schedule
        match effect:
            case ThreadStart(thread, mode):
                self._start(thread, mode)
            case ThreadSwitch(thread):
                if any(t.number == now.current and t.state is ThreadState.RUNNING for t in now.threads):
                    now = now.with_state(now.current, ThreadState.RUNNABLE)
                self.schedule = replace(now.with_state(thread, ThreadState.RUNNING), current=thread)
            case ThreadBlock(thread, reason):
                self.schedule = now.with_state(thread, ThreadState.WAITING, reason)
            case ThreadWake(thread):
                self.schedule = now.with_state(thread, ThreadState.RUNNABLE)
            case ThreadExit(thread, status):
                self.schedule = now.with_state(thread, ThreadState.EXITED, f"exited {status}")
            case ProgramExit(status):
                self.schedule = replace(now, exit_status=status)
            case _:
                raise TargetError(f"unknown effect {effect!r}")

    def _start(self, thread: int, mode: str) -> None:
        number = self.machine.add_thread(mode)
        if number != thread:
            raise TargetError(f"thread {thread} was to start, but the next free context is {number}")
        started = Thread(number, f"thread {number}", ThreadState.RUNNABLE)
        self.schedule = replace(self.schedule, threads=(*self.schedule.threads, started))
