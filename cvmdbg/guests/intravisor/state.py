"""What the monitor and its host remember between hostcalls. Plain values: a copy is a snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field

from cvmdbg.guests.linux.nodes import ROOT, Node
from cvmdbg.guests.linux.state import State as Loopback

FIRST_HOST_ID = 100001
"""Host thread numbers as CheriBSD gives them to its first user threads."""


@dataclass(slots=True)
class Pending:
    """A hostcall that has not come back: what a trace said about it when it went in."""

    number: int
    name: str
    arguments: tuple[str, ...]
    layer: str


@dataclass(slots=True)
class GuestThread:
    """A thread of a cVM. ``number`` is the machine's, ``host`` the one that hostcalls speak of."""

    number: int
    cid: int
    slot: int
    host: int
    main: bool = False  # the monitor's own main waits for these
    exited: bool = False
    status: int = 0
    joined: bool = False
    detached: bool = False
    pending: Pending | None = None
    tls: dict[int, int] = field(default_factory=dict)
    clear_tid: int = 0
    errno: int = 0  # FreeBSD's number of the last file call that failed


@dataclass(slots=True)
class Semaphore:
    count: int
    waiters: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Mutex:
    recursive: bool
    owner: int | None = None
    depth: int = 0
    waiters: list[int] = field(default_factory=list)


@dataclass(slots=True)
class FutexWaiter:
    """``deadline`` in nanoseconds of the guest's clock, None for ever."""

    thread: int
    address: int
    deadline: int | None


@dataclass(slots=True)
class Creation:
    """A thread that was asked for while all slots were taken."""

    creator: int
    cid: int
    entry: int  # absolute
    argument: int  # 129 bits


@dataclass(slots=True)
class Advertised:
    """A buffer that is shared by name; ``address`` is absolute."""

    name: str
    address: int
    size: int


@dataclass(slots=True)
class Stream:
    """A function of cVM ``cid`` that others find by name; ``woken`` is a cap_wake that nobody waited for."""

    name: str
    function: int
    device: int
    cid: int
    woken: bool = False
    waiters: list[int] = field(default_factory=list)
    armed: bool = False  # its function runs
    buffer: int = 0  # of the last make_cap_call, absolute, and its size
    size: int = 0


@dataclass(slots=True)
class Disk:
    """A cVM's disk: bytes in all, and the sectors of 512 bytes that were written."""

    size: int
    sectors: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class HostFile:
    """A descriptor of the host: its node and where the next byte is read or written; or ``channel``, an open socket,
    pipe or tap of the loopback."""

    ino: int
    offset: int = 0
    channel: int = 0


@dataclass(slots=True)
class Polling:
    """A hostcall that is made again whenever something happened; at ``deadline`` for the last time."""

    thread: int
    deadline: int | None


@dataclass(slots=True)
class State:
    """Everything that changes. Threads are indexed by the machine's number."""

    threads: list[GuestThread] = field(default_factory=list)
    semaphores: dict[int, Semaphore] = field(default_factory=dict)
    mutexes: dict[int, Mutex] = field(default_factory=dict)
    keys: set[int] = field(default_factory=set)
    timers: set[int] = field(default_factory=set)
    futexes: list[FutexWaiter] = field(default_factory=list)
    joins: dict[int, tuple[int, int]] = field(default_factory=dict)  # waiting thread: (its target, result address)
    creations: list[Creation] = field(default_factory=list)
    capfiles: list[Advertised] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    polling: list[Polling] = field(default_factory=list)
    poked: bool = False  # something happened that a waiting hostcall may wait for
    loopback: Loopback = field(default_factory=Loopback)
    files: dict[int, HostFile] = field(default_factory=dict)
    nodes: dict[int, Node] = field(default_factory=dict)
    next_ino: int = ROOT
    next_handle: int = 1
    disks: dict[int, Disk] = field(default_factory=dict)  # by cVM
    heap: int = 0  # bytes of the monitor's heap that its getaddrinfo has taken
    spawned: list[bytes] = field(default_factory=list)  # the yaml texts that cVMs handed over
    started: int = 0  # cVMs that run or have run, in the order of the file
    waits_for: int | None = None  # the thread whose end starts the next cVM
    sleeps_until: int | None = None  # or the moment of the guest's clock
    idle: int = 0  # nanoseconds that passed while no thread could run

    def handle(self) -> int:
        """A new number for a semaphore, a mutex, a key or a timer; never 0, which means failure."""
        self.next_handle += 1
        return self.next_handle - 1

    def now(self, tick: int) -> int:
        """The guest's clock in nanoseconds: one for each instruction, and what was slept through."""
        return tick + self.idle

    def free_slot(self, cid: int) -> int | None:
        """The lowest slot of a cVM that no living thread has."""
        taken = {t.slot for t in self.threads if t.cid == cid and not t.exited}
        return next((slot for slot in range(63) if slot not in taken), None)

    def by_host(self, host: int) -> GuestThread | None:
        """The thread that hostcalls call ``host``."""
        return next((t for t in self.threads if t.host == host), None)

    def deadlines(self) -> list[int]:
        """Moments of the guest's clock at which something is due."""
        moments = [w.deadline for w in self.futexes if w.deadline is not None]
        moments += [w.deadline for w in self.polling if w.deadline is not None]
        return moments if self.sleeps_until is None else [*moments, self.sleeps_until]
