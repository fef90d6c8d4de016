"""What the LibOS remembers between calls. Plain values that name each other by number: a copy is a snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field

from cvmdbg.guests.linux.nodes import Node
from cvmdbg.guests.linux.space import Space

EPOCH = 1_700_000_000 * 10**9
"""CLOCK_REALTIME at tick 0, in nanoseconds: the same for every run."""


CONTINUED = 0xFFFF
"""The wait status of a program that goes on."""


@dataclass(slots=True)
class Action:
    """What a signal does: 0 its default, 1 nothing, else the address of the program's own code."""

    where: int = 0
    flags: int = 0
    restorer: int = 0
    mask: int = 0


@dataclass(slots=True)
class Pending:
    """A signal that waits for a thread to take it: number, si_code, and the words of siginfo behind them."""

    signal: int
    code: int = 0
    pid: int = 0
    value: int = 0
    address: int = 0


@dataclass(slots=True)
class Waiting:
    """A call that has not come back. ``arguments`` are x0 … x5 as they were; ``timeout`` its result at the deadline."""

    number: int
    arguments: tuple[int, ...]
    reason: str
    deadline: int | None
    timeout: int
    restart: bool
    polls: bool  # it is made again whenever something happened
    since: int  # tick
    limit: int | None  # the call's own deadline; ``deadline`` may come before it


@dataclass(slots=True)
class Thread:
    """A thread of a program. ``number`` is the machine's, ``tid`` the one that programs speak of."""

    number: int
    tid: int
    pid: int
    mask: int = 0  # blocked signals, bit 0 is signal 1
    saved_mask: int | None = None  # of sigsuspend, ppoll, pselect, epoll_pwait: put back when they end
    pending: list[Pending] = field(default_factory=list)
    stack: int = 0  # sigaltstack
    stack_size: int = 0
    stack_flags: int = 2
    clear_tid: int = 0
    robust: int = 0
    name: str = ""
    waiting: Waiting | None = None
    halted: bool = False  # it would run if its program were not stopped
    exited: bool = False


@dataclass(slots=True)
class Program:
    """A running program, one pid. ``cvm`` is the number of the cVM that it lives in."""

    pid: int
    parent: int
    cvm: int
    path: str = ""
    arguments: list[str] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)
    group: int = 0
    session: int = 0
    cwd: int = 2  # inode
    umask: int = 0o022
    files: dict[int, int] = field(default_factory=dict)  # descriptor: open file
    cloexec: set[int] = field(default_factory=set)
    actions: dict[int, Action] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)  # machine's numbers of those alive
    vfork_parent: int | None = None  # the machine thread that waits until this one executes or ends
    status: int | None = None  # as wait4 gives it, once ended
    stopped: int = 0  # the signal that did
    report: int = 0  # a wait status that nobody has been told of: of a stop, or CONTINUED
    exit_signal: int = 17
    limits: dict[int, tuple[int, int]] = field(default_factory=dict)
    itimer: tuple[int, int] = (0, 0)  # moment of CLOCK_MONOTONIC, interval
    usage: int = 0


@dataclass(slots=True)
class Open:
    """An open file description. ``target`` is an inode, or the number of a pipe, socket, epoll … of that kind."""

    number: int
    kind: str
    target: int
    flags: int
    path: str = ""
    offset: int = 0
    refs: int = 1
    content: bytes = b""  # of a file of /proc, as it was when opened
    listing: list[tuple[str, int, str]] | None = None  # of a folder, since its last rewind
    owner: int = 0
    locks: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Pipe:
    """Bytes on their way. ``generation`` counts what arrived, for edge-triggered epoll."""

    content: bytearray = field(default_factory=bytearray)
    readers: int = 0
    writers: int = 0
    capacity: int = 65536
    generation: int = 0


@dataclass(slots=True)
class Socket:
    """A socket on the loopback that lives inside the LibOS. ``peer`` is another socket's number."""

    number: int
    domain: int
    kind: int
    protocol: int = 0
    address: tuple[str, int] | None = None
    peer: int | None = None
    peer_address: tuple[str, int] | None = None
    backlog: int = -1  # at least 0 when it listens
    queue: list[int] = field(default_factory=list)  # connections that nobody accepted yet
    content: bytearray = field(default_factory=bytearray)
    packets: list[tuple[bytes, tuple[str, int] | None]] = field(default_factory=list)
    passed: list[list[int]] = field(default_factory=list)  # open files on their way (SCM_RIGHTS)
    read_shut: bool = False
    write_shut: bool = False
    peer_gone: bool = False
    error: int = 0
    options: dict[tuple[int, int], bytes] = field(default_factory=dict)
    owner: int = 0
    generation: int = 0


@dataclass(slots=True)
class Watched:
    """What an epoll instance watches: the open file, its wanted events, the user's word, and what was told last."""

    open: int
    events: int
    word: int
    told: int = 0
    generation: int = -1
    off: bool = False


@dataclass(slots=True)
class Counter:
    """An eventfd, or a timerfd: ``due`` is a moment of its clock in nanoseconds, 0 when disarmed."""

    value: int = 0
    semaphore: bool = False
    clock: int = 1
    due: int = 0
    interval: int = 0
    generation: int = 0
    mask: int = 0  # of a signalfd


@dataclass(slots=True)
class Timer:
    """A POSIX timer of a program: ``due`` is a moment of CLOCK_MONOTONIC, 0 when disarmed."""

    pid: int
    signal: int
    value: int
    thread: int  # tid that gets the signal, 0 for the program
    due: int = 0
    interval: int = 0
    overruns: int = 0


@dataclass(slots=True)
class Sleeper:
    """A thread in a futex's queue."""

    thread: int
    bits: int


@dataclass(slots=True)
class State:
    """Everything that changes."""

    threads: dict[int, Thread] = field(default_factory=dict)  # by the machine's number
    programs: dict[int, Program] = field(default_factory=dict)  # by pid
    spaces: dict[int, Space] = field(default_factory=dict)  # by cVM
    nodes: dict[int, Node] = field(default_factory=dict)
    next_ino: int = 2
    opens: dict[int, Open] = field(default_factory=dict)
    pipes: dict[int, Pipe] = field(default_factory=dict)
    sockets: dict[int, Socket] = field(default_factory=dict)
    epolls: dict[int, dict[int, Watched]] = field(default_factory=dict)
    counters: dict[int, Counter] = field(default_factory=dict)
    futexes: dict[int, list[Sleeper]] = field(default_factory=dict)  # by absolute address
    gone: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # threads that ended: cVM, tid, pid
    missed: dict[int, tuple[int, int]] = field(default_factory=dict)  # futex woken with nobody there: tick, tid
    timers: dict[int, Timer] = field(default_factory=dict)
    ports: dict[tuple[int, int], int] = field(default_factory=dict)  # TCP: domain and port to socket
    datagram_ports: dict[tuple[int, int], int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)  # AF_UNIX names to sockets
    next_number: int = 1
    next_pid: int = 1000
    next_thread: int = 0
    next_port: int = 32768
    next_cvm: int = 0
    random: int = 0
    idle: int = 0  # nanoseconds that passed while no thread could run
    terminal: dict[str, bytes] = field(default_factory=dict)
    hostname: str = "cvm"

    def number(self) -> int:
        """A new number for an open file, a pipe, a socket."""
        self.next_number += 1
        return self.next_number - 1

    def now(self, tick: int) -> int:
        """CLOCK_MONOTONIC in nanoseconds: one for each instruction, and what was slept through."""
        return tick + self.idle
