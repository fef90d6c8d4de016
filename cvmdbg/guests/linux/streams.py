"""What an open file does when it is read, written, polled and closed, by its kind."""

from __future__ import annotations

from collections.abc import Callable

from cvmdbg.guests.linux import abi, signals, sockets
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.calls import polling
from cvmdbg.guests.linux.kernel import Kernel, patience
from cvmdbg.guests.linux.state import Counter, Open, Program, Thread
from sessions.event import Output

IN, OUT = abi.POLLIN | abi.POLLRDNORM, abi.POLLOUT | abi.POLLWRNORM
LARGEST = (1 << 64) - 2
NULL, ZERO, FULL, RANDOM, URANDOM = (1, 3), (1, 5), (1, 7), (1, 8), (1, 9)
CONSOLE = (5, 0)


def access(opened: Open, wanted: int) -> None:
    """EBADF unless the file was opened for reading (O_RDONLY) or writing (O_WRONLY)."""
    mode = opened.flags & abi.O_ACCMODE
    if opened.flags & abi.O_PATH or mode not in (wanted, abi.O_RDWR):
        raise Err(E.EBADF)


# ---- reading ----------------------------------------------------------------------------------------------


def read(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    """At most ``size`` bytes from where the file stands; Wait or EAGAIN when none are there yet."""
    access(opened, abi.O_RDONLY)
    return _READ[opened.kind](kernel, thread, opened, size)


def _read_file(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    found = kernel.files.read(kernel.node(opened.target), opened.offset, size)
    opened.offset += len(found)
    return found


def _read_proc(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    found = opened.content[opened.offset : opened.offset + size]
    opened.offset += len(found)
    return found


def _read_pipe(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    pipe = kernel.state.pipes[opened.target]
    if not size:
        return b""
    if not pipe.content:
        if not pipe.writers:
            return b""
        raise patience(opened, f"data in pipe {opened.target}")
    found = bytes(pipe.content[:size])
    del pipe.content[:size]
    kernel.poked = True
    return found


def _read_device(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    device = kernel.node(opened.target).rdev
    if device in (ZERO, FULL):
        return bytes(size)
    if device in (RANDOM, URANDOM):
        return kernel.random(size)
    if device == NULL:
        return b""
    return read_console(kernel, thread, opened, size)


def read_console(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    """Standard input. Without input the whole session waits once no other thread can run."""
    if not size:
        return b""
    found = kernel.view.input(size)
    if found is None:
        if not opened.flags & abi.O_NONBLOCK:
            kernel.input_wanted = True
        raise patience(opened, "standard input")
    return found


def _read_event(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    counter = kernel.state.counters[opened.target]
    if size < 8:
        raise Err(E.EINVAL)
    if not counter.value:
        raise patience(opened, f"eventfd {opened.target}")
    taken = 1 if counter.semaphore else counter.value
    counter.value -= taken
    kernel.poked = True
    return taken.to_bytes(8, "little")


def expirations(kernel: Kernel, counter: Counter) -> int:
    """How often a timerfd has run out since it was last read; it is moved on to its next moment."""
    now = kernel.clock(counter.clock)
    if counter.due and counter.due <= now:
        times = 1 + ((now - counter.due) // counter.interval if counter.interval else 0)
        counter.due = counter.due + times * counter.interval if counter.interval else 0
        counter.value += times
        counter.generation += 1
    return counter.value


def due_moment(kernel: Kernel, counter: Counter) -> int | None:
    """The moment of CLOCK_MONOTONIC at which a timerfd runs out next."""
    return counter.due - kernel.clock(counter.clock) + kernel.now if counter.due else None


def _read_timer(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    counter = kernel.state.counters[opened.target]
    if size < 8:
        raise Err(E.EINVAL)
    if not expirations(kernel, counter):
        raise patience(opened, f"timerfd {opened.target}", due_moment(kernel, counter))
    value, counter.value = counter.value, 0
    return value.to_bytes(8, "little")


def _read_signal(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    mask = kernel.state.counters[opened.target].mask
    if size < 128:
        raise Err(E.EINVAL)
    signal = signals.take(kernel, thread, mask)
    if signal is None:
        raise patience(opened, "a signal in a signalfd")
    head = signal.signal.to_bytes(4, "little") + bytes(4) + (signal.code & 0xFFFFFFFF).to_bytes(4, "little")
    return (head + signal.pid.to_bytes(4, "little")).ljust(128, b"\0")


def _read_folder(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    raise Err(E.EISDIR)


def _not_readable(kernel: Kernel, thread: Thread, opened: Open, size: int) -> bytes:
    raise Err(E.EINVAL)


_READ: dict[str, Callable[[Kernel, Thread, Open, int], bytes]] = {
    "file": _read_file,
    "proc": _read_proc,
    "dir": _read_folder,
    "pipe": _read_pipe,
    "chr": _read_device,
    "console": read_console,
    "event": _read_event,
    "timer": _read_timer,
    "signal": _read_signal,
    "socket": lambda kernel, thread, opened, size: sockets.receive(kernel, opened, size, 0)[0],
    "epoll": _not_readable,
}


# ---- writing ----------------------------------------------------------------------------------------------


def write(kernel: Kernel, thread: Thread, opened: Open, content: bytes) -> int:
    """Writes bytes: how many; Wait or EAGAIN while there is no room."""
    access(opened, abi.O_WRONLY)
    return _WRITE[opened.kind](kernel, thread, opened, content)


def _write_file(kernel: Kernel, thread: Thread, opened: Open, content: bytes) -> int:
    node = kernel.node(opened.target)
    if opened.flags & abi.O_APPEND:
        opened.offset = node.size
    kernel.files.write(node, opened.offset, content, kernel.realtime)
    opened.offset += len(content)
    return len(content)


def _write_pipe(kernel: Kernel, thread: Thread, opened: Open, content: bytes) -> int:
    pipe = kernel.state.pipes[opened.target]
    if not pipe.readers:
        raise signals.broken_pipe(kernel, thread)
    room = pipe.capacity - len(pipe.content)
    if not content:
        return 0
    if room <= 0 or (len(content) <= 4096 and room < len(content)):
        raise patience(opened, f"room in pipe {opened.target}")
    taken = content[:room]
    pipe.content += taken
    pipe.generation += 1
    kernel.poked = True
    return len(taken)


def _write_device(kernel: Kernel, thread: Thread, opened: Open, content: bytes) -> int:
    device = kernel.node(opened.target).rdev
    if device == FULL:
        raise Err(E.ENOSPC)
    if device in (NULL, ZERO, RANDOM, URANDOM):
        return len(content)
    return write_console(kernel, thread, opened, content)


def write_console(kernel: Kernel, thread: Thread, opened: Open, content: bytes) -> int:
    """Standard output and error: what a person sees."""
    if content:
        badge = kernel.badge(kernel.program(thread).cvm)
        kernel.said.append(Output(kernel.tick, thread.number, badge, "guest", content))
    return len(content)


def _write_event(kernel: Kernel, thread: Thread, opened: Open, content: bytes) -> int:
    counter = kernel.state.counters[opened.target]
    value = int.from_bytes(content[:8], "little")
    if len(content) < 8 or value > LARGEST:
        raise Err(E.EINVAL)
    if counter.value + value > LARGEST:
        raise patience(opened, f"room in eventfd {opened.target}")
    counter.value += value
    counter.generation += 1
    kernel.poked = True
    return 8


def send(kernel: Kernel, thread: Thread, opened: Open, content: bytes, to: sockets.Address | None, flags: int) -> int:
    """Sends bytes on a socket: how many; SIGPIPE when nobody can read them, unless MSG_NOSIGNAL is set."""
    try:
        return sockets.send(kernel, opened, content, to, flags)
    except Err as error:
        if error.args[0] != E.EPIPE or flags & sockets.MSG_NOSIGNAL:
            raise
        raise signals.broken_pipe(kernel, thread) from None


def _not_writable(kernel: Kernel, thread: Thread, opened: Open, content: bytes) -> int:
    raise Err(E.EINVAL)


_WRITE: dict[str, Callable[[Kernel, Thread, Open, bytes], int]] = {
    "file": _write_file,
    "proc": lambda kernel, thread, opened, content: len(content),
    "dir": _not_writable,
    "pipe": _write_pipe,
    "chr": _write_device,
    "console": write_console,
    "event": _write_event,
    "timer": _not_writable,
    "signal": _not_writable,
    "socket": lambda kernel, thread, opened, content: send(kernel, thread, opened, content, None, 0),
    "epoll": _not_writable,
}


# ---- readiness --------------------------------------------------------------------------------------------


def ready(kernel: Kernel, thread: Thread, opened: Open) -> int:
    """The POLL… bits that hold now."""
    probe = _READY.get(opened.kind)
    return probe(kernel, thread, opened) if probe is not None else IN | OUT


def _ready_pipe(kernel: Kernel, thread: Thread, opened: Open) -> int:
    pipe = kernel.state.pipes[opened.target]
    found = 0
    if opened.flags & abi.O_ACCMODE != abi.O_WRONLY:
        found |= (IN if pipe.content else 0) | (0 if pipe.writers else abi.POLLHUP)
    if opened.flags & abi.O_ACCMODE != abi.O_RDONLY:
        found |= (OUT if len(pipe.content) + 4096 <= pipe.capacity else 0) | (0 if pipe.readers else abi.POLLERR)
    return found


def _ready_console(kernel: Kernel, thread: Thread, opened: Open) -> int:
    if opened.flags & abi.O_ACCMODE == abi.O_WRONLY:
        return OUT
    if kernel.view.input(0) is None:
        kernel.input_wanted = True
        return OUT
    return IN | OUT


def _ready_device(kernel: Kernel, thread: Thread, opened: Open) -> int:
    if kernel.node(opened.target).rdev == CONSOLE:
        return _ready_console(kernel, thread, opened)
    return IN | OUT


def _ready_event(kernel: Kernel, thread: Thread, opened: Open) -> int:
    value = kernel.state.counters[opened.target].value
    return (IN if value else 0) | (OUT if value < LARGEST else 0)


def _ready_timer(kernel: Kernel, thread: Thread, opened: Open) -> int:
    return IN if expirations(kernel, kernel.state.counters[opened.target]) else 0


def _ready_signal(kernel: Kernel, thread: Thread, opened: Open) -> int:
    return IN if signals.pending_set(kernel, thread) & kernel.state.counters[opened.target].mask else 0


def _ready_epoll(kernel: Kernel, thread: Thread, opened: Open) -> int:
    return IN if polling.epoll_ready(kernel, thread, opened.target, 1, peek=True) else 0


_READY: dict[str, Callable[[Kernel, Thread, Open], int]] = {
    "pipe": _ready_pipe,
    "console": _ready_console,
    "chr": _ready_device,
    "event": _ready_event,
    "timer": _ready_timer,
    "signal": _ready_signal,
    "epoll": _ready_epoll,
    "socket": lambda kernel, thread, opened: sockets.ready(kernel, opened),
}


def generation(kernel: Kernel, opened: Open) -> int:
    """Counts what arrived at an open file: what edge-triggered epoll tells of."""
    state = kernel.state
    if opened.kind == "pipe":
        return state.pipes[opened.target].generation
    if opened.kind == "socket":
        return state.sockets[opened.target].generation
    if opened.kind in ("event", "timer"):
        return state.counters[opened.target].generation
    return 0


# ---- the end ----------------------------------------------------------------------------------------------


def drop(kernel: Kernel, program: Program, fd: int) -> None:
    """A descriptor is given up; with the last one its open file."""
    opened = kernel.state.opens[program.files.pop(fd)]
    program.cloexec.discard(fd)
    if opened.locks.pop(program.pid, None) is not None:
        kernel.poked = True
    opened.refs -= 1
    if not opened.refs:
        close(kernel, opened)


def close(kernel: Kernel, opened: Open) -> None:
    """The last descriptor of an open file is gone."""
    state = kernel.state
    del state.opens[opened.number]
    for watched in state.epolls.values():
        for key in [key for key, w in watched.items() if w.open == opened.number]:
            del watched[key]
    match opened.kind:
        case "file" | "dir" | "chr" | "proc" | "path":
            node = kernel.files.nodes.get(opened.target)
            if node is not None:
                node.opens -= 1
                kernel.files.release(node)
        case "pipe":
            leave_pipe(kernel, opened)
        case "socket":
            sockets.close(kernel, opened.target)
        case "epoll":
            del state.epolls[opened.target]
        case "event" | "timer" | "signal":
            del state.counters[opened.target]
            kernel.alarm_known = False
    kernel.poked = True


def join_pipe(kernel: Kernel, opened: Open) -> None:
    """Counts an end of a pipe."""
    pipe = kernel.state.pipes[opened.target]
    pipe.readers += opened.flags & abi.O_ACCMODE != abi.O_WRONLY
    pipe.writers += opened.flags & abi.O_ACCMODE != abi.O_RDONLY


def leave_pipe(kernel: Kernel, opened: Open) -> None:
    """The end of a pipe is closed; with its last end it is gone."""
    pipe = kernel.state.pipes[opened.target]
    pipe.readers -= opened.flags & abi.O_ACCMODE != abi.O_WRONLY
    pipe.writers -= opened.flags & abi.O_ACCMODE != abi.O_RDONLY
    pipe.generation += 1
    if not pipe.readers and not pipe.writers:
        del kernel.state.pipes[opened.target]
