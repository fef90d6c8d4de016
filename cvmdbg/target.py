"""The one interface between the debugger and whatever runs the guest.

Addresses are absolute 64-bit numbers. A capability value is 129 bits: tag, high word, low word.
A fault of the guest is data in a Stop, never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from sessions.event import Observation


class UserError(Exception):
    """The user asked for something that cannot be: one sentence for the prompt."""


class TargetError(Exception):
    """This operation failed; the session lives."""


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
    """Mapped memory. ``prot`` is a set of the letters ``rwx``."""

    address: int
    size: int
    prot: str


class ThreadState(Enum):
    """What a thread does."""

    RUNNING = "running"  # the one that the machine executes
    RUNNABLE = "runnable"
    WAITING = "waiting"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Thread:
    """A guest thread. ``ids`` holds the numbers others give it: ``slot``, ``host``, ``libos``, ``pthread``."""

    number: int
    name: str
    state: ThreadState
    reason: str = ""
    ids: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A sealed-branch transfer that the engine saw, successful or failed.

    ``kind``: pair (BLRS), sentry (a sealed entry into other bounds), failed. ``failed`` names the checks that did
    not hold: cn-tag cm-tag cn-sealed cm-sealed otype bsp execute executive. ``cn``, ``cm``: register numbers, cm -1
    if none. ``pc`` is the branch, ``to`` its target; ``target``, ``paired``, ``pcc``: 129 bits before the branch.
    ``number`` is X14, ``result`` C0, ``arguments`` C0..C5, all 129 bits, as they were at the branch.
    """

    tick: int
    thread: int
    kind: str
    failed: tuple[str, ...]
    cn: int
    cm: int
    pc: int
    to: int
    target: int
    paired: int
    pcc: int
    number: int
    result: int
    arguments: tuple[int, ...]


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


class Target(Protocol):
    """A stopped or running guest. Only ``interrupt`` may be called from another thread."""

    @property
    def arch(self) -> str:
        """``morello`` or ``x86_64``."""

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

    def drain(self) -> tuple[Observation | Crossing, ...]:
        """What was observed since the last drain, in the order of ticks."""

    def interrupt(self) -> None:
        """Ask a running resume to stop; safe from any thread."""

    def close(self) -> None: ...
