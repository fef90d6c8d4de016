"""What is set and asked about descriptors: fcntl, locks, ioctl."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi, streams
from cvmdbg.guests.linux.abi import E, Err, s32
from cvmdbg.guests.linux.calls.descriptors import duplicate
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.state import Open, Program, Thread

(F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_SETOWN, F_GETOWN) = range(10)
F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ = 1030, 1031, 1032
F_OFD = (36, 37, 38)
F_UNLCK = 2
TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGPGRP, TIOCSPGRP = 0x5401, 0x5402, 0x5403, 0x5404, 0x540F, 0x5410
TIOCGWINSZ, TIOCSWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, FIOASYNC = (
    0x5413, 0x5414, 0x541B, 0x5421, 0x5450, 0x5451, 0x5452,
)  # fmt: skip
TERMINAL = struct.pack("<4IB", 0x500, 0x5, 0xBF, 0x8A3B, 0) + bytes(
    (3, 0x1C, 0x7F, 0x15, 4, 0, 1, 0, 0x11, 0x13, 0x1A, 0, 0x12, 0xF, 0x17, 0x16, 0, 0, 0)
)
"""A sane terminal: icrnl ixon, opost onlcr, b38400 cs8 cread, isig icanon echo …, line 0, control letters."""
WINDOW = struct.pack("<4H", 24, 80, 0, 0)


# ---- fcntl ------------------------------------------------------------------------------------------------


@call("fcntl")
def fcntl(kernel: Kernel, thread: Thread, fd: int, command: int, argument: int) -> int:
    opened = kernel.opened(thread, fd)
    program = kernel.program(thread)
    fd &= 0xFFFFFFFF
    match command & 0xFFFFFFFF:
        case 0 | 1030:
            lowest = argument & 0xFFFFFFFF
            if lowest >= program.limits.get(7, (1024, 4096))[0]:
                raise Err(E.EINVAL)
            return duplicate(kernel, thread, fd, lowest, command == F_DUPFD_CLOEXEC)
        case 1:
            return int(fd in program.cloexec)
        case 2:
            (program.cloexec.add if argument & 1 else program.cloexec.discard)(fd)
            return 0
        case 3:
            return opened.flags
        case 4:
            changeable = abi.O_APPEND | abi.O_NONBLOCK | 0o20000
            opened.flags = opened.flags & ~changeable | argument & changeable
            return 0
        case 5 | 6 | 7 | 36 | 37 | 38:
            return _lock(kernel, thread, opened, command, argument)
        case 8:
            opened.owner = s32(argument)
            return 0
        case 9:
            return opened.owner
        case 1031 | 1032 if opened.kind == "pipe":
            return _pipe_size(kernel, opened, command, argument)
    raise Err(E.EINVAL)


def _pipe_size(kernel: Kernel, opened: Open, command: int, size: int) -> int:
    pipe = kernel.state.pipes[opened.target]
    if command == F_SETPIPE_SZ:
        if size > 1 << 20:
            raise Err(E.EPERM)
        pipe.capacity = max(4096, 1 << (max(size, 1) - 1).bit_length())
    return pipe.capacity


def _lock(kernel: Kernel, thread: Thread, opened: Open, command: int, argument: int) -> int:
    """Record locks: one owner for a whole file is enough for what runs here; ``l_type`` at 0, 2 bytes."""
    content = kernel.read(thread, argument, 32)
    kind = int.from_bytes(content[:2], "little")
    if kind > F_UNLCK:
        raise Err(E.EINVAL)
    if opened.kind != "file":
        raise Err(E.EBADF)
    pid = thread.pid
    holders = {
        o.locks[p]: p
        for o in kernel.state.opens.values()
        if o.kind == "file" and o.target == opened.target
        for p in o.locks
        if p != pid
    }
    conflict = bool(holders) and (kind == 1 or 1 in holders) and kind != F_UNLCK
    if command in (F_GETLK, 36):
        if conflict:
            owner = next(iter(holders.values()))
            kernel.write(thread, argument, content[:24] + struct.pack("<ii", owner, 0))
        else:
            kernel.write(thread, argument, F_UNLCK.to_bytes(2, "little"))
        return 0
    if conflict:
        if command in (F_SETLK, 37):
            raise Err(E.EAGAIN)
        raise abi.Wait(f"a lock on {opened.path}")
    if kind == F_UNLCK:
        for other in kernel.state.opens.values():
            if other.target == opened.target and other.kind == "file":
                other.locks.pop(pid, None)
        kernel.poked = True
    else:
        opened.locks[pid] = kind
    return 0


@call("flock")
def flock(kernel: Kernel, thread: Thread, fd: int, operation: int) -> int:
    opened = kernel.opened(thread, fd)
    key = -opened.number
    wanted = {1: 0, 2: 1, 8: F_UNLCK}.get(operation & 0xFFFFFFFF & ~4)
    if wanted is None:
        raise Err(E.EINVAL)
    others = [
        kind
        for o in kernel.state.opens.values()
        if o is not opened and o.kind == opened.kind and o.target == opened.target
        for k, kind in o.locks.items()
        if k < 0
    ]
    if wanted != F_UNLCK and others and (wanted == 1 or 1 in others):
        if operation & 4:
            raise Err(E.EAGAIN)
        raise abi.Wait(f"flock on {opened.path}")
    opened.locks.pop(key, None)
    if wanted == F_UNLCK:
        kernel.poked = True
    else:
        opened.locks[key] = wanted
    return 0


# ---- ioctl ------------------------------------------------------------------------------------------------


def is_terminal(kernel: Kernel, opened: Open) -> bool:
    """Is it the console, and shown as a terminal?"""
    if opened.kind == "console":
        return kernel.terminal
    return opened.kind == "chr" and kernel.node(opened.target).rdev in (streams.CONSOLE, (5, 1))


@call("ioctl")
def ioctl(kernel: Kernel, thread: Thread, fd: int, request: int, argument: int) -> int:
    opened = kernel.opened(thread, fd)
    program = kernel.program(thread)
    request &= 0xFFFFFFFF
    if request in (FIOCLEX, FIONCLEX):
        (program.cloexec.add if request == FIOCLEX else program.cloexec.discard)(fd & 0xFFFFFFFF)
        return 0
    if request == FIONBIO:
        on = kernel.word(thread, argument)
        opened.flags = opened.flags | abi.O_NONBLOCK if on else opened.flags & ~abi.O_NONBLOCK
        return 0
    if request == FIONREAD:
        kernel.write(thread, argument, struct.pack("<i", _waiting(kernel, opened)))
        return 0
    if not is_terminal(kernel, opened):
        random = opened.kind == "chr" and kernel.node(opened.target).rdev in (streams.RANDOM, streams.URANDOM)
        raise Err(E.EINVAL if random else E.ENOTTY)
    return _terminal(kernel, thread, program, request, argument)


def _waiting(kernel: Kernel, opened: Open) -> int:
    """Bytes that can be read at once."""
    if opened.kind == "pipe":
        return len(kernel.state.pipes[opened.target].content)
    if opened.kind == "socket":
        sock = kernel.state.sockets[opened.target]
        return len(sock.content) or (len(sock.packets[0][0]) if sock.packets else 0)
    if opened.kind == "file":
        return max(0, kernel.node(opened.target).size - opened.offset)
    if opened.kind in ("console", "chr"):
        return 0
    raise Err(E.ENOTTY)


def _terminal(kernel: Kernel, thread: Thread, program: Program, request: int, argument: int) -> int:
    kept = kernel.state.terminal
    match request:
        case 0x5401:
            kernel.write(thread, argument, kept.get("settings", TERMINAL))
        case 0x5402 | 0x5403 | 0x5404:
            kept["settings"] = kernel.read(thread, argument, len(TERMINAL))
        case 0x5413:
            kernel.write(thread, argument, kept.get("window", WINDOW))
        case 0x5414:
            kept["window"] = kernel.read(thread, argument, len(WINDOW))
        case 0x540F:
            kernel.write(thread, argument, struct.pack("<i", int(kept.get("group", b"%d" % program.group))))
        case 0x5410:
            kept["group"] = b"%d" % kernel.word(thread, argument)
        case 0x540E:
            return 0
        case 0x5429:
            kernel.write(thread, argument, struct.pack("<i", program.session))
        case _:
            raise Err(E.ENOTTY)
    return 0
