"""Descriptors: open, close, dup, pipes, eventfd."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi, paths, proc, streams
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.nodes import Node
from cvmdbg.guests.linux.state import Counter, Open, Pipe, Program, Thread

TRANSIENT = abi.O_CREAT | abi.O_EXCL | abi.O_TRUNC | abi.O_CLOEXEC | abi.O_DIRECTORY | abi.O_NOFOLLOW
LARGEFILE = 0o400000
EFD_SEMAPHORE = 1


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
    return duplicate(kernel, thread, fd, 0, False)


def duplicate(kernel: Kernel, thread: Thread, fd: int, lowest: int, cloexec: bool) -> int:
    """Another descriptor of the same open file, not below ``lowest``."""
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
