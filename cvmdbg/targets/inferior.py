"""The emulated machine as effects see it: the one function that applies them, and the schedule's facts."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
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
from sessions.machine import Json, Saved

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
        at = self._place(number)
        if at is None:
            return self
        one = self.threads[at]
        changed = Thread(one.number, one.name, state, reason, one.ids)
        return Schedule(self.current, (*self.threads[:at], changed, *self.threads[at + 1 :]), self.exit_status)

    def _place(self, number: int) -> int | None:
        """Where a thread stands: its number, as long as none before it was forgotten."""
        threads = self.threads
        if 0 <= number < len(threads) and threads[number].number == number:
            return number
        return next((at for at, thread in enumerate(threads) if thread.number == number), None)

    def state(self, number: int) -> ThreadState | None:
        """What a thread does now; None when there is none."""
        at = self._place(number)
        return None if at is None else self.threads[at].state

    def able(self) -> list[int]:
        """Threads that can run."""
        return [t.number for t in self.threads if t.state in (ThreadState.RUNNABLE, ThreadState.RUNNING)]

    def runnable_after(self, number: int) -> int | None:
        """The next thread in turn that can run, round robin, ``number`` itself last."""
        able = self.able()
        later = [n for n in able if n > number]
        return next(iter(later or able), None)

    def plain(self) -> Json:
        """As JSON."""
        threads: list[Json] = [[t.number, t.state.value, t.reason] for t in self.threads]
        return {"current": self.current, "exit": self.exit_status, "threads": threads}

    @staticmethod
    def of(plain: Json) -> Schedule:
        """The way back; TargetError when it is something else."""
        match plain:
            case {"current": int(current), "exit": int() | None as status, "threads": list(listed)}:
                return Schedule(current, tuple(_thread(item) for item in listed), status)
        raise TargetError("the schedule of a checkpoint is not one")


def _thread(plain: Json) -> Thread:
    match plain:
        case [int(number), str(state), str(reason)] if state in {s.value for s in ThreadState}:
            return Thread(number, f"thread {number}", ThreadState(state), reason)
    raise TargetError("a thread in the schedule of a checkpoint is not one")


@dataclass(frozen=True, slots=True)
class SavedState:
    """A snapshot of the engine with the schedule."""

    snapshot: _core.Snapshot
    schedule: Schedule

    @property
    def tick(self) -> int:
        """Instructions retired."""
        return self.snapshot.ticks

    def state(self) -> Json:
        """Mappings, registers and schedule, by name."""
        regions: list[Json] = [list(region) for region in self.snapshot.regions()]
        threads: dict[str, Json] = {str(number): dict(values) for number, values in self.snapshot.threads().items()}
        return {"regions": regions, "threads": threads, "schedule": self.schedule.plain()}

    def changes(self, base: Saved | None) -> Sequence[int]:
        """Pages whose frames differ."""
        assert base is None or isinstance(base, SavedState)
        return array("Q", self.snapshot.changes(None if base is None else base.snapshot))

    def pages(self, addresses: Sequence[int]) -> bytes:
        """Bytes and tags."""
        return self.snapshot.pages(list(addresses))


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

    def save(self) -> SavedState:
        """The state now, sharing its pages."""
        return SavedState(self.machine.save(), self.schedule)

    def load(self, saved: Saved) -> None:
        """Take a state of this or another inferior."""
        assert isinstance(saved, SavedState)
        self.machine.load(saved.snapshot)
        self.schedule = saved.schedule

    def restore(self, tick: int, state: Json) -> None:
        """Take a state from a file, its pages apart; TargetError when it is not one."""
        machine = self.machine
        try:
            assert isinstance(state, dict)
            regions, threads = state["regions"], state["threads"]
            assert isinstance(regions, list) and isinstance(threads, dict)
            for number in machine.threads():
                machine.remove_thread(number)
            machine.put_regions([tuple(region) for region in regions])  # type: ignore[arg-type,misc]
            for name, values in sorted(threads.items(), key=lambda item: int(item[0])):
                machine.put_thread(int(name), values)  # type: ignore[arg-type]
        except (AssertionError, KeyError, TypeError, ValueError, OverflowError):
            raise TargetError("the state of a checkpoint is not one that this machine can take") from None
        machine.ticks = tick
        self.schedule = Schedule.of(state["schedule"])

    def put_pages(self, addresses: Sequence[int], content: bytes) -> None:
        """Set pages, bytes and tags."""
        try:
            self.machine.put_pages(list(addresses), content)
        except ValueError as error:
            raise TargetError(str(error)) from None

    def touched(self) -> Sequence[int]:
        """Pages that were accessed since the last save."""
        return array("Q", self.machine.take_touched())

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
                if now.state(now.current) is ThreadState.RUNNING:
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
