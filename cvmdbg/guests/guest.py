"""What a guest is to the target that runs it: an initial state, and an answer to every stop at its boundary.

A guest never touches the machine. It looks through a View and returns effects; the target applies them and records
them. Its own state (semaphores, tables of threads) changes only inside ``start`` and ``boundary``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Protocol

from cvmdbg.target import Reason
from sessions.event import Effect, Observation
from sessions.served import Signature


class View(Protocol):
    """What a guest may look at while it serves a boundary."""

    @property
    def tick(self) -> int:
        """Retired instructions so far, the one at the boundary included."""

    def register(self, thread: int, name: str) -> int:
        """One register: 129 bits for ``c0`` … ``csp`` ``pcc`` ``ddc`` ``ctpidr``, 64 for ``x0`` … and ``sp``."""

    def words(self, thread: int) -> tuple[int, ...]:
        """x0 … x8 of a thread: the arguments of a system call and its number."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes at an absolute address; TargetError names the first unmapped one."""

    def read_capability(self, address: int) -> int:
        """The granule at a 16-aligned absolute address, 129 bits."""

    def input(self, size: int) -> bytes | None:
        """Takes at most ``size`` bytes of standard input: None when none is there yet, ``b""`` at its end."""


class BoundaryKind(Enum):
    """Why the target asks the guest."""

    HOSTCALL = "hostcall"  # the monitor's trap retired
    SYSCALL = "syscall"  # an SVC retired in user mode
    DEVICE = "device"  # a store to a device page retired
    FAULT = "fault"  # the user let the guest go on after a fault: what a signal would do to it
    UNSUPPORTED = "unsupported"  # an instruction that the engine does not execute
    ALARM = "alarm"  # the tick that ``Guest.alarm`` named has come, or no thread can run before it


@dataclass(frozen=True, slots=True)
class Boundary:
    """A stop at the boundary. ``thread`` is -1 for an alarm; faults and device stores give address and size."""

    kind: BoundaryKind
    thread: int
    pc: int = 0
    address: int = 0
    size: int = 0
    value: int = 0
    detail: str = ""  # a fault's kind, an unsupported instruction's clause


@dataclass(frozen=True, slots=True)
class Outcome:
    """One event and what is said about it.

    The target writes Event(tick, label, effects), applies the effects in order, publishes the observations (their
    tick is the boundary's), then reports ``stop`` when there is one. With ``again`` nothing was served: the same
    boundary is served once more when the run resumes (a guest that waits for standard input).
    """

    label: str
    effects: tuple[Effect, ...] = ()
    observations: tuple[Observation, ...] = ()
    stop: Reason | None = None
    again: bool = False
    yields: bool = False  # the thread gives the rest of its turn away


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a compartment. ``flags`` is what its ELF asks for (``r-x``), ``prot`` what its pages allow.

    ``kind`` is one of: segment, heap, store, slots, slot, guard, tp, stack, module, code.
    """

    name: str
    kind: str
    address: int
    size: int
    flags: str
    prot: str
    note: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """A capability that a compartment holds when it begins: ``ca3``, 129 bits, what it is for."""

    name: str
    title: str
    value: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Compartment:
    """A compartment of the map. ``base`` and ``size`` are its own memory, ``begin`` … ``end`` what its DDC covers.

    ``inside`` is the badge of the compartment that serves it; ``store`` the address of its capability store. ``pure``
    says whether its pointers are capabilities; None when that is not known.
    """

    badge: str
    name: str
    base: int
    size: int
    begin: int
    end: int
    inside: str | None
    pure: bool | None
    callback_out: str = ""
    callback_in: str = ""
    store: int | None = None
    parts: tuple[Part, ...] = ()
    grants: tuple[Grant, ...] = ()
    links: tuple[str, ...] = ()  # badges of the compartments inside it


@dataclass(frozen=True, slots=True)
class Module:
    """An ELF file in a compartment. ``content`` is the file, so symbols need no host path.

    ``base`` is what is added to the file's addresses, modulo 2^64: one linked above where it lies has a large one.
    """

    name: str
    path: str
    base: int
    size: int
    compartment: str
    sha256: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name in code that has no ELF file: the monitor's trampolines."""

    name: str
    address: int
    size: int
    compartment: str


class Told(IntEnum):
    """How much somebody wants to know of a call."""

    NOTHING = 0
    WORDS = 1  # where it is made of its words alone, those do; else it is an outcome
    ALL = 2  # it is always an outcome


@dataclass(frozen=True, slots=True)
class Tap:
    """A function that serves system calls inside its caller's own compartment, ``long f(number, long parameters[6])``.

    ``address`` is absolute; pointers and return addresses are relative to ``base``; ``layer`` is the path in a trace.
    """

    address: int
    layer: str
    base: int


class Calls(Protocol):
    """Optional power of a guest: system calls without ceremony."""

    view: View
    """Set by the target, once; its tick is that of the boundary."""

    def call(self, thread: int, words: tuple[int, ...], told: Told) -> int | Outcome:
        """Serves the call in ``words`` (x0 … x8): what x0 becomes when nothing else happens, else the outcome."""

    def layer(self, thread: int) -> str:
        """Where the calls of a thread go, as in Call."""

    def signature(self, number: int) -> Signature:
        """What a call is called."""


class Waits(Protocol):
    """Optional power of a guest: it knows what its threads wait for, and who holds it."""

    def who_waits(self, view: View) -> str:
        """Nobody can run: who waits for what, who holds it, which wake-up was lost."""


class Absent(Protocol):
    """Optional power of a guest: its memory stands elsewhere, and comes page by page when it is first touched."""

    def page(self, address: int) -> Outcome | None:
        """What maps the page of 4096 bytes at a physical address; None: nothing is there, and an access faults.

        TargetError says why it cannot be had now.
        """

    def give_up(self) -> None:
        """Whoever waits for a page waits no longer; from any thread."""


class Facts(Protocol):
    """What the debugger asks of what it debugs: facts for the map and for symbols."""

    @property
    def name(self) -> str: ...

    def compartments(self) -> tuple[Compartment, ...]:
        """Facts for the map, outermost first."""

    def modules(self) -> tuple[Module, ...]:
        """The ELF files that the guest's deployment put into memory."""

    def symbols(self) -> tuple[Symbol, ...]:
        """Names of code without an ELF file."""

    def file(self, path: str) -> bytes | None:
        """A file of the guest's own root (``/app1`` in its root.cpio), for symbols of what its loader maps."""


class Guest(Facts, Protocol):
    """A guest: deploys itself, serves its boundary, and knows what its memory means."""

    @property
    def arch(self) -> str:
        """``morello`` or ``x86_64``."""

    @property
    def calls(self) -> Calls | None:
        """Its quick way to serve system calls, if it has one."""

    @property
    def waits(self) -> Waits | None:
        """Its knowledge of who waits for whom, if it has any."""

    @property
    def absent(self) -> Absent | None:
        """Where its memory comes from, if it is not put there by ``start``."""

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Its functions that serve system calls without a crossing."""

    def start(self) -> tuple[Outcome, ...]:
        """The events of tick 0, in order: mappings, memory, threads. Called once."""

    def boundary(self, boundary: Boundary, view: View) -> Outcome:
        """Serves a stop. A thread that must wait gets ThreadBlock, and later its result and ThreadWake."""

    def alarm(self) -> int | None:
        """The tick at which boundary(ALARM) is due, or None. When no thread can run it is served at once."""

    def save(self) -> object:
        """The guest's own state, a copy."""

    def load(self, state: object) -> None:
        """Takes a state from ``save``; the state stays usable."""

    def thread_ids(self, thread: int) -> Mapping[str, int]:
        """The numbers others give a thread: ``cvm``, ``slot``, ``host``; empty if it is unknown."""

    def thread_name(self, thread: int) -> str:
        """How people call it: ``17/0``."""
