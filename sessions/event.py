"""Events: everything that reaches a guest from outside, as values.

An event is a tick, a label and effects. Applying the effects of a recording at their ticks, in order, is the whole of a
replay; nothing else changes a guest. Observations stand beside events: they describe, they change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class RegisterWrite:
    """Set one register. Capability registers (``c0``, ``csp``, ``ddc`` …) take 129 bits: tag, high word, low word."""

    thread: int
    register: str
    value: int


@dataclass(frozen=True, slots=True)
class MemoryWrite:
    """Write bytes at an absolute address. Tags of touched granules are cleared."""

    address: int
    content: bytes


@dataclass(frozen=True, slots=True)
class CapabilityWrite:
    """Write one granule with its tag. ``raw`` is 128 bits (high word, low word); ``address`` is 16-aligned."""

    address: int
    raw: int
    tag: bool


@dataclass(frozen=True, slots=True)
class Map:
    """Map zeroed pages. ``prot`` is a set of the letters ``rwx``; a device page reports stores, it keeps none."""

    address: int
    size: int
    prot: str
    device: bool = False


@dataclass(frozen=True, slots=True)
class Protect:
    """Change the protection of mapped pages."""

    address: int
    size: int
    prot: str


@dataclass(frozen=True, slots=True)
class Unmap:
    """Forget pages, their tags included."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class ThreadStart:
    """A register context comes to life. Its number is the next free one and must equal ``thread``.

    ``mode`` is ``user`` (system calls and faults stop the run) or ``system`` (bare metal from EL3).
    """

    thread: int
    mode: str = "user"


@dataclass(frozen=True, slots=True)
class ThreadExit:
    """A thread ends; its registers stay readable until the machine goes."""

    thread: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class ThreadSwitch:
    """Another thread runs from now on."""

    thread: int


@dataclass(frozen=True, slots=True)
class ThreadBlock:
    """A thread waits until it is woken. ``reason`` is what a person reads: ``lock 3``, ``join 1``."""

    thread: int
    reason: str


@dataclass(frozen=True, slots=True)
class ThreadWake:
    """A waiting thread may run again."""

    thread: int


@dataclass(frozen=True, slots=True)
class ProgramExit:
    """The whole guest ended."""

    status: int


Effect: TypeAlias = (
    RegisterWrite
    | MemoryWrite
    | CapabilityWrite
    | Map
    | Protect
    | Unmap
    | ThreadStart
    | ThreadExit
    | ThreadSwitch
    | ThreadBlock
    | ThreadWake
    | ProgramExit
)


@dataclass(frozen=True, slots=True)
class Event:
    """Effects that happened at a tick, under one label (``hostcall 1 write_out``, ``deploy 16``, ``schedule``)."""

    tick: int
    label: str
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that the guest or the monitor printed. ``source`` is ``guest``, ``monitor``; thread -1 is none."""

    tick: int
    thread: int
    compartment: str
    source: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A decoded call into the monitor or the host, as the boundary served it.

    ``layer`` is the path in badges (``17→M``, ``M→H``); ``arguments`` are printed forms; ``result`` is None inside.
    """

    tick: int
    thread: int
    layer: str
    number: int
    name: str
    arguments: tuple[str, ...]
    result: str | None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ModuleLoad:
    """A file was mapped: ``base`` is absolute; ``compartment`` is the badge that owns it."""

    tick: int
    name: str
    path: str
    base: int
    size: int
    compartment: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A thread began (``reason`` given) or stopped (None) waiting."""

    tick: int
    thread: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line that no other observation says: a relocation pass, a corrupted canary."""

    tick: int
    text: str
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Halted:
    """A thread could not go on by itself: a fault, or the end. ``kind`` is a stop's word: ``fault``, ``exit``.

    ``detail`` says which: a fault's kind, access and address, an exit's status.
    """

    tick: int
    thread: int
    pc: int
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Captured:
    """Bytes of memory as they were at a tick: what a decoded call pointed at. Empty where nothing could be read."""

    tick: int
    address: int
    size: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Pointed:
    """Bytes that a crossing's arguments pointed at when it was decoded; empty where nothing could be read."""

    tick: int
    address: int
    size: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Crossing:
    """A sealed-branch transfer that the engine saw, successful or failed.

    ``kind``: pair (BLRS), sentry (a sealed entry into other bounds), failed. ``failed`` names the checks that did
    not hold: cn-tag cm-tag cn-sealed cm-sealed otype bsp execute executive. ``cn``, ``cm``: register numbers, cm -1
    if none. ``pc`` is the branch, ``to`` its target; ``target``, ``paired``, ``pcc``: 129 bits before the branch.
    ``number`` is X14, ``result`` C0, ``arguments`` C0..C5, all 129 bits, as they were at the branch. ``tick`` counts
    what retired before the branch.
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


Observation: TypeAlias = Output | Call | ModuleLoad | Wait | Note | Halted | Captured | Pointed
