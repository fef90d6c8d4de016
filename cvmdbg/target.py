"""The one interface between the debugger and whatever runs the guest.

Addresses are absolute 64-bit numbers. A capability value is 129 bits: tag, high word, low word.
A fault of the guest is data in a Stop, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol, runtime_checkable

from sessions.event import Crossing as Crossing  # the target observes it, recordings keep it
from sessions.event import Observation
from sessions.log import Events
from sessions.machine import Json
from sessions.mark import Mark, Named
from sessions.served import Served


class UserError(Exception):
    """The user asked for something that cannot be: one sentence for the prompt."""


class TargetError(Exception):
    """This operation failed; the session lives."""


class Unknown(TargetError):
    """This was not seen, and what is left cannot tell it: one sentence why."""


class NotMapped(TargetError):
    """Nothing is at this address: what a live machine says, not what came between."""


def absence(error: TargetError) -> str:
    """Why nothing stands where memory should, in a few words."""
    return "not read at this stop" if isinstance(error, Unknown) else "not mapped"


class TargetLost(TargetError):
    """The link or the machine behind the target is gone."""


class RecordingError(TargetError):
    """A recording cannot be read or written."""


class ReplayDivergence(TargetError):
    """A replay went another way than its recording: says the tick, what was expected and what was found."""


class StopKind(Enum):
    """Why a run ended. Several reasons can hold at once."""

    STEP = "step"
    BUDGET = "budget"
    INTERRUPT = "interrupt"
    BREAKPOINT = "breakpoint"
    WATCHPOINT = "watchpoint"
    FAULT = "fault"
    CROSSING = "crossing"  # a caught call or crossing
    UNMODELLED = "unmodelled"  # a call or instruction that is not modelled; `detail` names it
    WAITING = "waiting"  # the guest reads standard input and none is there
    DEADLOCK = "deadlock"
    HISTORY = "history"  # the start or the end of what is recorded; `detail` says which
    EXIT = "exit"
    SIGNAL = "signal"  # a live program was stopped by a signal that is no fault; `detail` names it, or is empty
    RUNNING = "running"  # nothing stopped it: a live machine runs on by itself, and `resume` waits on
    LOST = "lost"  # the link to it is gone; `detail` says how to come back


@dataclass(frozen=True, slots=True)
class Fault:
    """What a check refused. ``register`` is a name (``c0``, ``ddc``, ``pcc``) or None; ``capability`` 129 bits or None.

    ``kind``: tag, sealed, bounds, permission, page, unmapped, alignment, undefined, brk, system.
    ``access``: fetch, read, write, read-cap, write-cap. ``needed``: permission bits that the access wanted.
    """

    kind: str
    access: str
    address: int
    size: int
    register: str | None
    capability: int | None
    needed: int
    esr: int
    immediate: int = 0


@dataclass(frozen=True, slots=True)
class WatchHit:
    """A watched range was accessed by the instruction at ``pc``. ``access``: read, write, tag."""

    watchpoint: int
    address: int
    size: int
    access: str
    pc: int


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a stop, with what belongs to it."""

    kind: StopKind
    detail: str = ""
    fault: Fault | None = None
    watch: WatchHit | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Where and why the target stands. ``tick`` counts retired instructions of all threads; None if unknown."""

    thread: int
    pc: int
    tick: int | None
    reasons: tuple[Reason, ...]

    def reason(self, kind: StopKind) -> Reason | None:
        """The reason of this kind, if it holds."""
        return next((r for r in self.reasons if r.kind is kind), None)


class Move(Enum):
    """How to resume: one instruction of the selected thread, or until something stops it."""

    STEP = "step"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Register:
    """A register of the architecture. ``kind``: capability (129 bits), integer, flags, vector."""

    name: str
    bits: int
    kind: str


@dataclass(frozen=True, slots=True)
class Region:
    """Mapped memory. ``prot`` is a set of the letters ``rwx``.

    Where page tables map it: ``capabilities`` is what they let tags do (``R`` loads see them, ``F`` loads fault on
    them, ``W`` stores may hold them), and ``physical`` the address behind it.
    """

    address: int
    size: int
    prot: str
    capabilities: str = ""
    physical: int | None = None

    @property
    def letters(self) -> str:
        """``rwxRW``."""
        return self.prot + self.capabilities


class ThreadState(Enum):
    """What a thread does."""

    RUNNING = "running"  # the one that the machine executes
    RUNNABLE = "runnable"
    WAITING = "waiting"
    EXITED = "exited"
    UNKNOWN = "unknown"  # it was seen, but not what it does


@dataclass(frozen=True, slots=True)
class Thread:
    """A guest thread. ``ids`` holds the numbers others give it: ``slot``, ``host``, ``libos``, ``pthread``.

    ``tid`` stands for ``libos`` where the LibOS prints it in hex.
    """

    number: int
    name: str
    state: ThreadState
    reason: str = ""
    ids: dict[str, int] = field(default_factory=dict)


class Capabilities(Protocol):
    """Optional power: tags and capabilities in memory."""

    def read(self, address: int) -> int:
        """The granule at a 16-aligned address, 129 bits."""

    def write(self, address: int, value: int) -> None:
        """Store 129 bits at a 16-aligned address."""

    def tags(self, address: int, size: int) -> bytes:
        """One byte, 0 or 1, for each granule of ``[address, address + size)``; address is 16-aligned."""


class Stops(Protocol):
    """Optional power: breakpoints and watchpoints at absolute addresses."""

    def add_breakpoint(self, address: int) -> None: ...

    def remove_breakpoint(self, address: int) -> None: ...

    def add_watchpoint(self, address: int, size: int, access: str) -> int:
        """Watch a range for ``r``, ``w``, ``rw`` or ``tag``; returns its number."""

    def remove_watchpoint(self, number: int) -> None: ...

    def catch_crossings(self, on: bool) -> None:
        """While on, every sealed-branch transfer stops the run just after it, with a CROSSING reason."""


class Reverse(Protocol):
    """Optional power: running backwards. What stops a run forwards stops it here, standing before it happened."""

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """STEP takes back one instruction of ``thread``; CONTINUE goes back to the last thing that stops a run.

        Returns with a BUDGET reason after about ``budget`` ticks, standing where the search has come to, and with a
        HISTORY reason at the start of what is recorded.
        """


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction that was retired: the tick before it, its thread, absolute pc and SP before it."""

    tick: int
    thread: int
    pc: int
    sp: int


@dataclass(frozen=True, slots=True)
class Access:
    """Who accessed memory or a register: the moment before, its thread and pc; ``kind``: read, write, tag, event.

    ``event`` accesses come from outside: their label stands in ``label``, pc is that of the thread.
    """

    mark: Mark
    thread: int
    pc: int
    kind: str
    address: int = 0
    size: int = 0
    label: str = ""


class History(Protocol):
    """Optional power: a recording of this run. Moments are values: ``Mark(event, tick)``.

    ``where`` is ``live`` (at the end of a run that can go on), ``past`` (its registers and memory cannot be changed),
    or ``diverted`` (a scratch copy that ``end_diversion`` throws away; going elsewhere does too).
    """

    @property
    def where(self) -> str: ...

    @property
    def executes(self) -> bool:
        """Can what lies between two moments be executed again? Else one walks from one thing seen to the next."""

    @property
    def now(self) -> Mark:
        """Where the target stands."""

    @property
    def first(self) -> Mark:
        """The start: the guest is deployed and has run nothing."""

    @property
    def last(self) -> Mark:
        """The end of what is recorded."""

    @property
    def events(self) -> Events:
        """What reached the guest, by number."""

    @property
    def file(self) -> Path:
        """Where it is recorded."""

    @property
    def notice(self) -> str:
        """What is missing in it, or empty."""

    @property
    def way(self) -> tuple[int, int] | None:
        """While a seek executes: ticks done and to do. May be asked from another thread; None when nothing is."""

    def at(self, tick: int, turn: bool = False) -> Mark:
        """The moment at which a run stops that has come to a tick; outside: the nearer end.

        With ``turn``, behind a switch of threads at this tick, so that whoever executes next has the turn.
        """

    def recent(self, crossings: int) -> int:
        """A tick from which on there are about so many crossings."""

    def seek(self, mark: Mark) -> Stop:
        """Stand at a moment; TargetError when interrupted on the way."""

    def diverge(self) -> None:
        """From here on a scratch copy is changed."""

    def end_diversion(self) -> Stop:
        """Throw it away; stand where it began."""

    def marks(self) -> tuple[Named, ...]:
        """Named moments by time."""

    def mark(self, name: str, note: str = "") -> Named:
        """Name this moment; a name that exists moves here."""

    def unmark(self, name: str) -> None: ...

    def observations(
        self, kinds: tuple[type, ...] = (), first: int = 0, until: int | None = None
    ) -> Iterator[Observation]:
        """What was observed, of some kinds (without any: of all), between two ticks, both included, in order."""

    def crossings(self, first: int = 0, until: int | None = None) -> Iterator[Crossing]:
        """Crossings between two ticks, both included, in order."""

    def observe(self, observation: Observation) -> None:
        """Keep what the debugger found out beside what the target saw."""

    def moment(self, tick: int) -> Moment:
        """A scratch copy at a tick, all its events applied, for whoever asks; the target stays where it is."""

    def difference(self, first: Mark, second: Mark) -> tuple[tuple[str, ...], dict[str, Json]] | None:
        """How two moments differ, for people and programs; None when they do not."""

    def path(self, first: int, last: int) -> list[Step]:
        """What was retired between two ticks, in order."""

    def last_access(self, address: int, size: int, access: str, before: Mark) -> Access | None:
        """Who last accessed a range (``r``, ``w``, ``rw``, ``tag``) before a moment; TargetError when interrupted."""

    def next_access(self, address: int, size: int, access: str, after: Mark) -> Access | None:
        """Who accesses a range first from a moment on."""

    def last_change(self, thread: int, register: str, before: Mark, bounds: bool = False) -> Access | None:
        """What last changed a register of a thread before a moment; with ``bounds``, all of it but its value."""

    def next_change(self, thread: int, register: str, after: Mark, bounds: bool = False) -> Access | None:
        """What changes a register of a thread first from a moment on."""

    def save(self, path: Path) -> None:
        """Copy everything until now into a file of its own."""


class Moment(Protocol):
    """A scratch copy of the guest at an earlier time; it belongs to whoever asked for it."""

    @property
    def tick(self) -> int:
        """Instructions retired."""

    @property
    def thread(self) -> int:
        """Who has the turn."""

    @property
    def edited(self) -> bool:
        """Did the user change something behind the last step?"""

    def step(self) -> None:
        """Retire one instruction, with the events that belong to it."""

    def registers(self, thread: int) -> dict[str, int]:
        """All registers of a thread by name."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes."""

    def tag(self, address: int) -> bool:
        """The tag of a granule."""


@runtime_checkable
class ManyRegisters(Protocol):
    """What a target may have besides: many registers of a thread in one call."""

    def read_registers(self, thread: int, names: Sequence[str]) -> list[int]:
        """The values of ``read_register`` for each name."""


@runtime_checkable
class Keeps(Protocol):
    """What a target without a history may have besides: what the debugger finds out is kept."""

    def observe(self, observation: Observation) -> None:
        """Keep it beside what the target saw."""


@runtime_checkable
class TwoEngines(Protocol):
    """What a target may have besides: two engines that do the same, one faster than the other."""

    @property
    def engine(self) -> str:
        """The one that runs the guest: ``jit`` or ``interp``."""

    def use_engine(self, name: str) -> None:
        """``jit``, ``interp``, or ``auto`` for what new guests have; UserError says why there is no ``jit``."""


class Target(Protocol):
    """A stopped or running guest. Only ``interrupt`` may be called from another thread."""

    @property
    def arch(self) -> str:
        """``morello``, ``aarch64`` (no capability registers) or ``x86_64``."""

    @property
    def registers(self) -> tuple[Register, ...]:
        """Every register, in the order in which they are shown."""

    @property
    def stop(self) -> Stop:
        """Where and why the target stands now."""

    @property
    def capabilities(self) -> Capabilities | None: ...

    @property
    def stops(self) -> Stops | None: ...

    @property
    def reverse(self) -> Reverse | None: ...

    @property
    def history(self) -> History | None: ...

    def threads(self) -> tuple[Thread, ...]: ...

    def regions(self) -> tuple[Region, ...]: ...

    def read_register(self, thread: int, name: str) -> int: ...

    def write_register(self, thread: int, name: str, value: int) -> None: ...

    def read(self, address: int, size: int) -> bytes:
        """Bytes of memory; TargetError names the first unmapped address."""

    def write(self, address: int, content: bytes) -> None: ...

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """Run. STEP retires one instruction of ``thread`` (the running one by default); CONTINUE follows the schedule.

        Returns at the budget (in ticks) with a BUDGET reason when nothing else stopped it.
        """

    def drain(self) -> tuple[Observation | Crossing | Served, ...]:
        """What was observed since the last drain, in the order of ticks."""

    def interrupt(self) -> None:
        """Ask a running resume to stop; safe from any thread."""

    def close(self) -> None: ...
