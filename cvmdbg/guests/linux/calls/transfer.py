"""read, write and their kin."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi, streams
from cvmdbg.guests.linux.abi import E, Err, Wait, s64
from cvmdbg.guests.linux.kernel import MAX_TRANSFER, Kernel, call
from cvmdbg.guests.linux.state import Open, Thread

MAX_VECTOR = 1024
SEEKABLE = ("file", "dir", "proc")


@call("read")
def read(kernel: Kernel, thread: Thread, fd: int, buf: int, count: int) -> int:
    opened = kernel.opened(thread, fd)
    streams.access(opened, abi.O_RDONLY)
    found = streams.read(kernel, thread, opened, kernel.room(thread, buf, count))
    kernel.write(thread, buf, found)
    return len(found)


@call("write")
def write(kernel: Kernel, thread: Thread, fd: int, buf: int, count: int) -> int:
    opened = kernel.opened(thread, fd)
    streams.access(opened, abi.O_WRONLY)
    return streams.write(kernel, thread, opened, kernel.readable(thread, buf, count))


def vector(kernel: Kernel, thread: Thread, iov: int, count: int) -> list[tuple[int, int]]:
    """The (address, size) pairs of an iovec array; EINVAL, EFAULT."""
    if not 0 <= count <= MAX_VECTOR:
        raise Err(E.EINVAL)
    pairs = list(struct.iter_unpack("<QQ", kernel.read(thread, iov, 16 * count)))
    if sum(size for _, size in pairs) >= 1 << 63:
        raise Err(E.EINVAL)
    return pairs


def gather(kernel: Kernel, thread: Thread, pairs: list[tuple[int, int]]) -> bytes:
    """The bytes of all pieces, up to the first that cannot be read."""
    pieces: list[bytes] = []
    for address, size in pairs:
        if not size:
            continue
        try:
            piece = kernel.readable(thread, address, size)
        except Err:
            if not pieces:
                raise
            break
        pieces.append(piece)
        if len(piece) < size:
            break
    return b"".join(pieces)


def scatter(kernel: Kernel, thread: Thread, pairs: list[tuple[int, int]], content: bytes) -> None:
    """Bytes into the pieces, in turn."""
    at = 0
    for address, size in pairs:
        part = content[at : at + size]
        kernel.write(thread, address, part)
        at += len(part)


def writable(kernel: Kernel, thread: Thread, pairs: list[tuple[int, int]]) -> int:
    """How many bytes the pieces can take, up to the first that cannot be written."""
    total = 0
    for address, size in pairs:
        if not size:
            continue
        try:
            reach = kernel.room(thread, address, size)
        except Err:
            if not total:
                raise
            break
        total += reach
        if reach < size:
            break
    return min(total, MAX_TRANSFER)


@call("readv")
def readv(kernel: Kernel, thread: Thread, fd: int, iov: int, count: int) -> int:
    opened = kernel.opened(thread, fd)
    pairs = vector(kernel, thread, iov, count)
    found = streams.read(kernel, thread, opened, writable(kernel, thread, pairs))
    scatter(kernel, thread, pairs, found)
    return len(found)


@call("writev")
def writev(kernel: Kernel, thread: Thread, fd: int, iov: int, count: int) -> int:
    opened = kernel.opened(thread, fd)
    streams.access(opened, abi.O_WRONLY)
    return streams.write(kernel, thread, opened, gather(kernel, thread, vector(kernel, thread, iov, count)))


def _at(opened: Open, offset: int, wanted: int) -> None:
    """Can the file be read or written at a place? ESPIPE, EBADF, EINVAL."""
    if opened.kind not in SEEKABLE:
        raise Err(E.ESPIPE)
    streams.access(opened, wanted)
    if s64(offset) < 0:
        raise Err(E.EINVAL)


def read_at(kernel: Kernel, thread: Thread, opened: Open, size: int, offset: int) -> bytes:
    """Bytes at a place; where the file stands does not change."""
    _at(opened, offset, abi.O_RDONLY)
    if opened.kind == "file":
        return kernel.files.read(kernel.files.nodes[opened.target], offset, size)
    kept, opened.offset = opened.offset, offset
    try:
        return streams.read(kernel, thread, opened, size)
    finally:
        opened.offset = kept


def write_at(kernel: Kernel, thread: Thread, opened: Open, content: bytes, offset: int) -> int:
    """Writes at a place; where the file stands does not change."""
    _at(opened, offset, abi.O_WRONLY)
    kept, opened.offset = opened.offset, offset
    try:
        return streams.write(kernel, thread, opened, content)
    finally:
        opened.offset = kept


@call("pread64")
def pread64(kernel: Kernel, thread: Thread, fd: int, buf: int, count: int, offset: int) -> int:
    opened = kernel.opened(thread, fd)
    found = read_at(kernel, thread, opened, kernel.room(thread, buf, count), offset)
    kernel.write(thread, buf, found)
    return len(found)


@call("pwrite64")
def pwrite64(kernel: Kernel, thread: Thread, fd: int, buf: int, count: int, offset: int) -> int:
    opened = kernel.opened(thread, fd)
    return write_at(kernel, thread, opened, kernel.readable(thread, buf, count), offset)


@call("preadv", "preadv2")
def preadv(kernel: Kernel, thread: Thread, fd: int, iov: int, count: int, offset: int) -> int:
    opened = kernel.opened(thread, fd)
    pairs = vector(kernel, thread, iov, count)
    size = writable(kernel, thread, pairs)
    if offset == abi.WORD:
        found = streams.read(kernel, thread, opened, size)
    else:
        found = read_at(kernel, thread, opened, size, offset)
    scatter(kernel, thread, pairs, found)
    return len(found)


@call("pwritev", "pwritev2")
def pwritev(kernel: Kernel, thread: Thread, fd: int, iov: int, count: int, offset: int) -> int:
    opened = kernel.opened(thread, fd)
    content = gather(kernel, thread, vector(kernel, thread, iov, count))
    if offset == abi.WORD:
        return streams.write(kernel, thread, opened, content)
    return write_at(kernel, thread, opened, content, offset)


@call("lseek")
def lseek(kernel: Kernel, thread: Thread, fd: int, offset: int, whence: int) -> int:
    opened = kernel.opened(thread, fd)
    if opened.kind == "chr":
        return 0
    if opened.kind not in SEEKABLE:
        raise Err(E.ESPIPE)
    size = len(opened.content) if opened.kind == "proc" else kernel.node(opened.target).size
    start = {0: 0, 1: opened.offset, 2: size, 3: 0, 4: 0}.get(whence & 0xFFFFFFFF)
    if start is None:
        raise Err(E.EINVAL)
    place = start + s64(offset)
    if whence in (3, 4):
        if not 0 <= place < size:
            raise Err(E.ENXIO)
        place = place if whence == 3 else size  # one extent: no holes
    if not 0 <= place < 1 << 63:
        raise Err(E.EINVAL)
    opened.offset = place
    if opened.kind == "dir":
        opened.listing = None if place == 0 else opened.listing
    return place


@call("sendfile")
def sendfile(kernel: Kernel, thread: Thread, out: int, source: int, offset: int, count: int) -> int:
    there, here = kernel.opened(thread, out), kernel.opened(thread, source)
    place = kernel.words(thread, offset, "<q")[0] if offset else here.offset
    content = read_at(kernel, thread, here, min(count, 1 << 20), place & abi.WORD)
    try:
        done = streams.write(kernel, thread, there, content) if content else 0
    except Wait as wait:
        raise Wait(wait.reason, wait.deadline, wait.timeout) from None
    if offset:
        kernel.write(thread, offset, struct.pack("<q", place + done))
    else:
        here.offset = place + done
    return done


@call("copy_file_range")
def copy_file_range(kernel: Kernel, thread: Thread, source: int, at: int, out: int, to: int, count: int) -> int:
    here, there = kernel.opened(thread, source), kernel.opened(thread, out)
    if here.kind != "file" or there.kind != "file":
        raise Err(E.EINVAL)
    place = kernel.words(thread, at, "<Q")[0] if at else here.offset
    target = kernel.words(thread, to, "<Q")[0] if to else there.offset
    content = read_at(kernel, thread, here, min(count, 1 << 24), place)
    done = write_at(kernel, thread, there, content, target)
    for pointer, opened, now in ((at, here, place + done), (to, there, target + done)):
        if pointer:
            kernel.write(thread, pointer, struct.pack("<Q", now))
        else:
            opened.offset = now
    return done


@call("fsync", "fdatasync", "syncfs")
def fsync(kernel: Kernel, thread: Thread, fd: int) -> int:
    if kernel.opened(thread, fd).kind in ("pipe", "socket", "epoll", "event"):
        raise Err(E.EINVAL)
    return 0


@call("sync")
def sync(kernel: Kernel, thread: Thread) -> int:
    return 0


@call("fadvise64", "readahead", "sync_file_range")
def advise(kernel: Kernel, thread: Thread, fd: int) -> int:
    opened = kernel.opened(thread, fd)
    if opened.kind in ("pipe", "socket"):
        raise Err(E.ESPIPE)
    return 0


@call("ftruncate")
def ftruncate(kernel: Kernel, thread: Thread, fd: int, length: int) -> int:
    opened = kernel.opened(thread, fd)
    if opened.kind != "file" or s64(length) < 0:
        raise Err(E.EINVAL)
    if opened.flags & abi.O_ACCMODE == abi.O_RDONLY:
        raise Err(E.EINVAL)
    kernel.files.truncate(kernel.node(opened.target), length, kernel.realtime)
    return 0


@call("fallocate")
def fallocate(kernel: Kernel, thread: Thread, fd: int, mode: int, offset: int, length: int) -> int:
    opened = kernel.opened(thread, fd)
    if s64(offset) < 0 or s64(length) <= 0:
        raise Err(E.EINVAL)
    if mode or opened.kind != "file":
        raise Err(E.EOPNOTSUPP)
    streams.access(opened, abi.O_WRONLY)
    node = kernel.node(opened.target)
    if offset + length > node.size:
        kernel.files.truncate(node, offset + length, kernel.realtime)
    return 0
