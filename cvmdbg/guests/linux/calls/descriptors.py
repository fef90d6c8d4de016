"""Descriptors: open, close, dup, pipes, eventfd, fcntl, ioctl."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi, paths, proc, streams
from cvmdbg.guests.linux.abi import E, Err, s32
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.nodes import Node
from cvmdbg.guests.linux.state import Counter, Open, Pipe, Program, Thread

TRANSIENT = abi.O_CREAT | abi.O_EXCL | abi.O_TRUNC | abi.O_CLOEXEC | abi.O_DIRECTORY | abi.O_NOFOLLOW
LARGEFILE = 0o400000
EFD_SEMAPHORE = 1
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


def install(kernel: Kernel, thread: Thread, opened: Open, cloexec: bool, lowest: int = 0) -> int:
    """The lowest free descriptor for an open file; EMFILE."""
    program = kernel.program(thread)
    limit = program.limits.get(7, (1024, 4096))[0]
    fd = lowest
    while fd in program.files:
        fd += 1
    if fd >= limit:
        raise Err(E.EMFILE)
    program.files[fd] = opened.number
    if cloexec:
        program.cloexec.add(fd)
    return fd


def make_open(kernel: Kernel, kind: str, target: int, flags: int, path: str = "") -> Open:
    """A new open file."""
    number = kernel.state.number()
    opened = Open(number, kind, target, flags, path)
    kernel.state.opens[number] = opened
    return opened


@call("openat")
def openat(kernel: Kernel, thread: Thread, dirfd: int, path: int, flags: int, mode: int) -> int:
    return open_path(kernel, thread, dirfd, kernel.text(thread, path), flags & 0xFFFFFFFF, mode)


@call("openat2")
def openat2(kernel: Kernel, thread: Thread, dirfd: int, path: int, how: int, size: int) -> int:
    flags, mode, resolve = kernel.words(thread, how, "<QQQ") if size >= 24 else (0, 0, 0)
    if size < 24 or resolve:
        raise Err(E.EINVAL)
    return open_path(kernel, thread, dirfd, kernel.text(thread, path), flags, mode)


def open_path(kernel: Kernel, thread: Thread, dirfd: int, path: str, flags: int, mode: int) -> int:
    """Opens or makes a file: its descriptor."""
    if flags & abi.O_TMPFILE == abi.O_TMPFILE and flags & abi.O_ACCMODE:
        raise Err(E.EOPNOTSUPP)
    found = paths.find(kernel, thread, dirfd, path, not flags & abi.O_NOFOLLOW)
    node = found.node
    if node is None:
        node = _create(kernel, thread, found, path, flags, mode)
    elif flags & abi.O_CREAT and flags & abi.O_EXCL:
        raise Err(E.EEXIST)
    _check_kind(node, flags)
    if node.kind == "file" and flags & abi.O_TRUNC and not flags & abi.O_PATH:
        kernel.files.truncate(node, 0, kernel.realtime)
    name = paths.absolute(kernel, thread, dirfd, path)
    opened = _open_node(kernel, node, flags, name)
    return install(kernel, thread, opened, bool(flags & abi.O_CLOEXEC))


def _create(kernel: Kernel, thread: Thread, found: paths.Found, path: str, flags: int, mode: int) -> Node:
    if not flags & abi.O_CREAT:
        raise Err(E.ENOENT)
    if path.endswith("/") or flags & abi.O_DIRECTORY:
        raise Err(E.EISDIR if path.endswith("/") else E.EINVAL)
    if found.folder.lower is not None and found.folder.lower[0] == proc.TREE:
        raise Err(E.EACCES)
    umask = kernel.program(thread).umask
    node = kernel.files.make("file", mode & 0o7777 & ~umask, found.folder.ino, kernel.realtime)
    node.content = bytearray()
    kernel.files.add(found.folder, found.name, node, kernel.realtime)
    return node


def _check_kind(node: Node, flags: int) -> None:
    if node.kind == "link" and not flags & abi.O_PATH:
        raise Err(E.ELOOP)
    if node.kind == "dir":
        if flags & (abi.O_ACCMODE | abi.O_CREAT | abi.O_TRUNC) and not flags & abi.O_PATH:
            raise Err(E.EISDIR)
    elif flags & abi.O_DIRECTORY:
        raise Err(E.ENOTDIR)
    if node.kind == "sock" and not flags & abi.O_PATH:
        raise Err(E.ENXIO)


def _open_node(kernel: Kernel, node: Node, flags: int, path: str) -> Open:
    kept = flags & ~TRANSIENT | LARGEFILE
    if node.kind == "anon":
        return _open_again(kernel, kernel.state.opens[node.rdev[0]], kept)
    kind = {"dir": "dir", "chr": "chr"}.get(node.kind, "file")
    if flags & abi.O_PATH:
        kind = "path"
    elif node.kind == "fifo":
        return _open_fifo(kernel, node, kept, path)
    elif node.lower is not None and node.lower[0] == proc.TREE and node.kind == "file":
        kind = "proc"
    content = proc.content(kernel, node) if kind == "proc" else b""
    opened = make_open(kernel, kind, node.ino, kept, path)
    opened.content = content
    node.opens += 1
    return opened


def _open_again(kernel: Kernel, old: Open, flags: int) -> Open:
    """/proc/self/fd/N of a pipe or the console: another open file of the same."""
    if old.kind not in ("pipe", "console"):
        raise Err(E.ENXIO)
    opened = make_open(kernel, old.kind, old.target, flags, old.path)
    if old.kind == "pipe":
        streams.join_pipe(kernel, opened)
    return opened


def _open_fifo(kernel: Kernel, node: Node, flags: int, path: str) -> Open:
    """A named pipe. Opening does not wait for the other end."""
    if node.rdev[0] not in kernel.state.pipes:
        number = kernel.state.number()
        kernel.state.pipes[number] = Pipe()
        node.rdev = (number, 0)
    opened = make_open(kernel, "pipe", node.rdev[0], flags, path)
    streams.join_pipe(kernel, opened)
    return opened


@call("close")
def close(kernel: Kernel, thread: Thread, fd: int) -> int:
    kernel.opened(thread, fd)
    streams.drop(kernel, kernel.program(thread), fd & 0xFFFFFFFF)
    return 0


@call("close_range")
def close_range(kernel: Kernel, thread: Thread, first: int, last: int, flags: int) -> int:
    first, last = first & 0xFFFFFFFF, last & 0xFFFFFFFF
    if first > last or flags & ~6:
        raise Err(E.EINVAL)
    program = kernel.program(thread)
    for fd in [fd for fd in sorted(program.files) if first <= fd <= last]:
        if flags & 4:
            program.cloexec.add(fd)
        else:
            streams.drop(kernel, program, fd)
    return 0


@call("dup")
def dup(kernel: Kernel, thread: Thread, fd: int) -> int:
    return _duplicate(kernel, thread, fd, 0, False)


def _duplicate(kernel: Kernel, thread: Thread, fd: int, lowest: int, cloexec: bool) -> int:
    opened = kernel.opened(thread, fd)
    new = install(kernel, thread, opened, cloexec, lowest)
    opened.refs += 1
    return new


@call("dup3")
def dup3(kernel: Kernel, thread: Thread, old: int, new: int, flags: int) -> int:
    opened = kernel.opened(thread, old)
    program: Program = kernel.program(thread)
    new &= 0xFFFFFFFF
    if new == old & 0xFFFFFFFF or flags & 0xFFFFFFFF & ~abi.O_CLOEXEC:
        raise Err(E.EINVAL)
    if new >= program.limits.get(7, (1024, 4096))[0]:
        raise Err(E.EBADF)
    opened.refs += 1
    if new in program.files:
        streams.drop(kernel, program, new)
    program.files[new] = opened.number
    if flags & abi.O_CLOEXEC:
        program.cloexec.add(new)
    return new


@call("pipe2")
def pipe2(kernel: Kernel, thread: Thread, fds: int, flags: int) -> int:
    if flags & 0xFFFFFFFF & ~(abi.O_CLOEXEC | abi.O_NONBLOCK | 0o40000):
        raise Err(E.EINVAL)
    if not kernel.space(thread).allows(fds, 8, "w"):
        raise Err(E.EFAULT)
    number = kernel.state.number()
    kernel.state.pipes[number] = Pipe(readers=1, writers=1)
    kept = flags & abi.O_NONBLOCK
    ends = [make_open(kernel, "pipe", number, kept | mode) for mode in (abi.O_RDONLY, abi.O_WRONLY)]
    cloexec = bool(flags & abi.O_CLOEXEC)
    pair = [install(kernel, thread, end, cloexec) for end in ends]
    kernel.write(thread, fds, struct.pack("<ii", *pair))
    return 0


@call("eventfd2")
def eventfd2(kernel: Kernel, thread: Thread, value: int, flags: int) -> int:
    if flags & 0xFFFFFFFF & ~(abi.O_CLOEXEC | abi.O_NONBLOCK | EFD_SEMAPHORE):
        raise Err(E.EINVAL)
    number = kernel.state.number()
    kernel.state.counters[number] = Counter(value & 0xFFFFFFFF, bool(flags & EFD_SEMAPHORE))
    opened = make_open(kernel, "event", number, flags & abi.O_NONBLOCK | abi.O_RDWR)
    return install(kernel, thread, opened, bool(flags & abi.O_CLOEXEC))


@call("memfd_create")
def memfd_create(kernel: Kernel, thread: Thread, name: int, flags: int) -> int:
    text = kernel.text(thread, name, 250)
    node = kernel.files.make("file", 0o777, 0, kernel.realtime)
    node.content, node.nlink, node.opens = bytearray(), 0, 1
    opened = make_open(kernel, "file", node.ino, abi.O_RDWR | LARGEFILE, f"/memfd:{text} (deleted)")
    return install(kernel, thread, opened, bool(flags & 1))


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
            return _duplicate(kernel, thread, fd, lowest, command == F_DUPFD_CLOEXEC)
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
        raise Err(E.ENOTTY)
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
