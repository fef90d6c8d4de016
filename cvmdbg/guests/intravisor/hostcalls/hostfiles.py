"""Hostcalls 800 to 814, 302, 511, 520, 533: files of the host, its folder that of the cvm.yaml under an overlay.

Absolute and relative paths both begin at that folder, links included; what is written stays in the model. A failure is
-1 with FreeBSD's number in the thread's errno. Source: Intravisor src/hostcalls.c; struct stat: FreeBSD sys/stat.h.
"""

from __future__ import annotations

import struct

from cvmdbg.guests.intravisor import freebsd
from cvmdbg.guests.intravisor.hostcalls import descriptors
from cvmdbg.guests.intravisor.hostcalls.descriptors import STREAMS, channel, failing, install, overlay_of
from cvmdbg.guests.intravisor.hostcalls.paths import existing, find
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, Show, quoted, words
from cvmdbg.guests.intravisor.hostcalls.shared import keyed
from cvmdbg.guests.intravisor.state import HostFile
from cvmdbg.guests.linux import abi
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.nodes import KINDS, Node, Overlay
from cvmdbg.guests.linux.state import Open
from sessions.event import MemoryWrite

SECOND = 1_000_000_000
STAT = struct.Struct("<QQQHHIIIQ8qqqII88x")
O_RDWR, X_OK = 2, 1
FREEBSD_WRITE = 4
F_GETFL, F_SETFL = 3, 4
MOST_VECTORS = 1024


# ---- open files ----


def _opened(request: Request) -> tuple[Overlay, HostFile, Node]:
    """The open file of argument 0."""
    file = request.state.files.get(request.number_of(0))
    if file is None:
        raise Err(E.EBADF)
    overlay = overlay_of(request)
    return overlay, file, overlay.nodes[file.ino]


def _now(request: Request) -> int:
    return request.state.now(request.view.tick)


@failing
def open_(request: Request) -> Answer:
    """open(path): for reading and writing, made if it is not there; flags are ignored, as in the original."""
    overlay, folder, name, node = find(request, 0)
    if node is not None and node.kind == "dir":
        raise Err(E.EISDIR)
    if node is not None and node.kind == "sock":
        raise Err(E.EOPNOTSUPP)
    if not descriptors.has_room(request, 1):
        raise Err(E.EMFILE)
    if node is None:
        node = overlay.make("file", 0o644, folder.ino, _now(request))
        overlay.add(folder, name, node, _now(request))
        request.state.next_ino = overlay.next_ino
    node.opens += 1
    return Answer(result=install(request, ino=node.ino))


@failing
def close(request: Request) -> Answer:
    if request.number_of(0) in STREAMS or channel(request) is not None:
        return descriptors.close(request)
    overlay, _, node = _opened(request)
    del request.state.files[request.number_of(0)]
    node.opens -= 1
    overlay.release(node)
    return Answer()


@failing
def read(request: Request, address: int) -> Answer:
    """At most so many bytes from the file's position on, or from a socket or a pipe."""
    opened, size = channel(request), request.length(2)
    content = _read_file(request, size) if opened is None else descriptors.read(request, opened, size)
    request.check_writable(address, len(content))
    return Answer(result=len(content), effects=[MemoryWrite(address, content)] if content else [])


def _read_file(request: Request, size: int) -> bytes:
    overlay, file, node = _opened(request)
    content = overlay.read(node, file.offset, min(size, max(node.size - file.offset, 0)))
    file.offset += len(content)
    return content


@failing
def write(request: Request, address: int) -> Answer:
    """Bytes from the file's position on, or to a socket or a pipe."""
    return _write_bytes(request, request.sized(address, request.word(2)))


def _write_bytes(request: Request, content: bytes) -> Answer:
    opened = channel(request)
    if opened is not None:
        return _write_channel(request, opened, content)
    overlay, file, node = _opened(request)
    if content:
        overlay.write(node, file.offset, content, _now(request))
    file.offset += len(content)
    return Answer(result=len(content))


def _write_channel(request: Request, opened: Open, content: bytes) -> Answer:
    try:
        return Answer(result=descriptors.write(request, opened, content))
    except Err as error:
        return descriptors.broken(request, opened, error)


@failing
def writev(request: Request) -> Answer:
    """writev(fd, vector, count): all pointers as they are."""
    count = request.number_of(2)
    if not 0 < count <= MOST_VECTORS:
        raise Err(E.EINVAL)
    vector = struct.iter_unpack("<QQ", request.read(request.word(1), 16 * count))
    content = b"".join(request.sized(where, size) for where, size in vector)
    return _print(request, content) if request.number_of(0) in STREAMS else _write_bytes(request, content)


def _print(request: Request, content: bytes) -> Answer:
    """Standard output and error; input is not written."""
    if not request.number_of(0):
        raise Err(E.EBADF)
    shown = (str(request.number_of(0)), quoted(content), str(len(content)))
    done = request.host_call(FREEBSD_WRITE, "write", shown, len(content))
    printed = [request.say(content, request.caller, "guest")] if content else []
    return Answer(result=len(content), observations=[*printed, done])


@failing
def lseek(request: Request) -> Answer:
    """lseek(fd, offset, whence): the new position."""
    if request.number_of(0) in STREAMS or channel(request) is not None:
        raise Err(E.ESPIPE)
    _, file, node = _opened(request)
    offset, whence = request.word(1), request.number_of(2)
    if whence not in (0, 1, 2):
        raise Err(E.EINVAL)
    moved = (0, file.offset, node.size)[whence] + offset - (1 << 64 if offset >> 63 else 0)
    if not 0 <= moved < 1 << 63:
        raise Err(E.EINVAL)
    file.offset = moved
    return Answer(result=moved)


@failing
def fcntl(request: Request) -> Answer:
    """fcntl(fd, command, nothing, argument): descriptor and status flags; the argument is translated like a pointer."""
    return _fcntl(request, request.number_of(1), request.address(3))


@failing
def plain_fcntl(request: Request) -> Answer:
    """fcntl(fd, command, argument) as newer monitors hand it on."""
    return _fcntl(request, request.number_of(1), request.word(2))


@failing
def set_nonblocking(request: Request) -> Answer:
    """fcntl(fd, F_SETFL, O_NONBLOCK)."""
    return _fcntl(request, F_SETFL, freebsd.O_NONBLOCK)


def _fcntl(request: Request, command: int, argument: int) -> Answer:
    opened = channel(request)
    if command not in (1, 2, F_GETFL, F_SETFL):
        raise Refusal(f"hostcall {request.number} fcntl: command {command} is not modelled, only 1 to 4 are")
    if opened is None:
        return Answer(result=O_RDWR if command == F_GETFL else 0)
    if command == F_SETFL:
        descriptors.set_nonblocking(opened, bool(argument & freebsd.O_NONBLOCK))
    waits = freebsd.O_NONBLOCK if opened.flags & abi.O_NONBLOCK else 0
    return Answer(result=opened.flags & abi.O_ACCMODE | waits if command == F_GETFL else 0)


# ---- by name ----


@failing
def unlink(request: Request) -> Answer:
    overlay, folder, name, node = find(request, 0, follow=False)
    if node is None:
        raise Err(E.ENOENT)
    if node.kind == "dir":
        raise Err(E.EPERM)
    overlay.remove(folder, name, _now(request))
    return Answer()


@failing
def access(request: Request) -> Answer:
    """access(path, mode): who runs the monitor may read and write all, and run what has an x."""
    _, node = existing(request, 0)
    if request.number_of(1) & X_OK and not node.mode & 0o111:
        raise Err(E.EACCES)
    return Answer()


@failing
def truncate(request: Request) -> Answer:
    length = request.word(1)
    if length >> 63:
        raise Err(E.EINVAL)
    overlay, node = existing(request, 0)
    if node.kind == "dir":
        raise Err(E.EISDIR)
    overlay.truncate(node, length, _now(request))
    return Answer()


def _stat(request: Request, node: Node) -> Answer:
    """FreeBSD's struct stat, 224 bytes."""
    times = [part for moment in (node.atime, node.mtime, node.ctime, node.mtime) for part in divmod(moment, SECOND)]
    mode = KINDS[node.kind] | node.mode
    found = STAT.pack(
        *(1, node.ino, max(node.nlink, 0), mode, 0, node.uid, node.gid, 0, 0),
        *(*times, node.size, -(-node.size // 512), 4096, 0),
    )
    where = request.address(1)
    request.check_writable(where, len(found))
    return Answer(effects=[MemoryWrite(where, found)])


@failing
def stat(request: Request) -> Answer:
    return _stat(request, existing(request, 0)[1])


@failing
def lstat(request: Request) -> Answer:
    return _stat(request, existing(request, 0, follow=False)[1])


@failing
def fstat(request: Request) -> Answer:
    if request.number_of(0) in STREAMS:
        return _stat(request, Node(0, "chr", 0o620))
    opened = channel(request)
    if opened is not None:
        return _stat(request, Node(opened.number, {"pipe": "fifo", "socket": "sock"}.get(opened.kind, "chr"), 0o600))
    return _stat(request, _opened(request)[2])


# ---- the rest ----


def gettimeofday(request: Request) -> Answer:
    """gettimeofday(tv): the guest's clock, which begins at 0."""
    where = request.address(0)
    if not where:
        return Answer()
    request.check_writable(where, 16)
    seconds, rest = divmod(_now(request), SECOND)
    return Answer(effects=[MemoryWrite(where, struct.pack("<qq", seconds, rest // 1000))])


def errno(request: Request) -> Answer:
    """The number of the thread's last failure."""
    return Answer(result=request.thread.errno)


_PATH: Show = keyed(2, 0)
TABLE = {
    302: Hostcall("set_nonblock", set_nonblocking, words(1)),
    511: Hostcall("close", close, words(1)),
    520: Hostcall("writev", writev, words(3)),
    533: Hostcall("fcntl", plain_fcntl, words(3)),
    800: Hostcall("gettimeofday", gettimeofday, words(2)),
    801: Hostcall("lstat", lstat, _PATH),
    802: Hostcall("unlink", unlink, keyed(1, 0)),
    803: Hostcall("close", close, words(1)),
    804: Hostcall("access", access, _PATH),
    806: Hostcall("stat", stat, _PATH),
    807: Hostcall("fstat", fstat, words(2)),
    808: Hostcall("truncate", truncate, _PATH),
    811: Hostcall("open", open_, keyed(3, 0)),
    812: Hostcall("lseek", lseek, words(3)),
    813: Hostcall("errno", errno, words(0)),
    814: Hostcall("fcntl", fcntl, words(4)),
}
