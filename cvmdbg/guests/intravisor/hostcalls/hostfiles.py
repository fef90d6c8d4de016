"""Hostcalls 800 to 814: files of the host, which is the cvm.yaml's folder under an overlay that nothing leaves.

Absolute and relative paths both begin at that folder, links included; what is written stays in the model. A failure is
-1 with FreeBSD's number in the thread's errno. Source: Intravisor src/hostcalls.c; struct stat: FreeBSD sys/stat.h.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from cvmdbg.guests.intravisor.hostcalls.request import WORD, Answer, Hostcall, Refusal, Request, Show, words
from cvmdbg.guests.intravisor.hostcalls.shared import keyed
from cvmdbg.guests.intravisor.state import HostFile
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.nodes import KINDS, ROOT, Node, Overlay
from sessions.event import MemoryWrite

P = ParamSpec("P")
SECOND = 1_000_000_000
STREAMS = (0, 1, 2)
MOST_OPEN, MOST_LINKS, NAME_MAX = 1024, 32, 255
STAT = struct.Struct("<QQQHHIIIQ8qqqII88x")
FREEBSD = {E.ENAMETOOLONG: 63, E.ELOOP: 62}
"""Numbers that are others than Linux's; those up to ERANGE but EAGAIN are the same."""
O_RDWR, X_OK = 2, 1


def failing(serve: Callable[Concatenate[Request, P], Answer]) -> Callable[Concatenate[Request, P], Answer]:
    """An error number becomes -1, and the thread's errno."""

    @functools.wraps(serve)
    def guarded(request: Request, /, *more: P.args, **named: P.kwargs) -> Answer:
        try:
            return serve(request, *more, **named)
        except Err as error:
            request.thread.errno = FREEBSD.get(error.args[0], error.args[0])
            return Answer(result=WORD)

    return guarded


# ---- paths ----


def overlay_of(request: Request) -> Overlay:
    """The overlay over the folder, with the nodes of the guest's state."""
    found = Overlay([request.folder.tree])
    found.nodes, found.next_ino = request.state.nodes, request.state.next_ino
    if not found.nodes:
        found.mount(0, "", ROOT)
        request.state.next_ino = found.next_ino
    return found


def _find(request: Request, index: int, follow: bool = True) -> tuple[Overlay, Node, str, Node | None]:
    """The folder, the last name, and what it names, if anything; a folder without a name is named ``.``."""
    overlay = overlay_of(request)
    path = request.text(request.address(index)).decode("utf-8", "surrogateescape")
    if not path:
        raise Err(E.ENOENT)
    try:
        return (overlay, *_walk(overlay, path, follow))
    finally:
        request.state.next_ino = overlay.next_ino


def _walk(overlay: Overlay, path: str, follow: bool) -> tuple[Node, str, Node | None]:
    folder, links = overlay.nodes[ROOT], 0
    rest = _names(path)
    while rest:
        name = rest.pop(0)
        if folder.kind != "dir":
            raise Err(E.ENOTDIR)
        if name == "..":
            folder = overlay.nodes[folder.parent]
            continue
        if len(name.encode("utf-8", "surrogateescape")) > NAME_MAX:
            raise Err(E.ENAMETOOLONG)
        node = overlay.child(folder, name)
        if node is not None and node.kind == "link" and (rest or follow):
            links += 1
            if links > MOST_LINKS:
                raise Err(E.ELOOP)
            folder = overlay.nodes[ROOT] if node.target.startswith("/") else folder
            rest = _names(node.target) + rest
            continue
        if not rest:
            return folder, name, node
        if node is None:
            raise Err(E.ENOENT)
        folder = node
    return folder, ".", folder


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _existing(request: Request, index: int, follow: bool = True) -> tuple[Overlay, Node]:
    overlay, _, _, node = _find(request, index, follow)
    if node is None:
        raise Err(E.ENOENT)
    return overlay, node


def _opened(request: Request) -> tuple[Overlay, HostFile, Node]:
    """The open file of argument 0."""
    file = request.state.files.get(request.number_of(0))
    if file is None:
        raise Err(E.EBADF)
    overlay = overlay_of(request)
    return overlay, file, overlay.nodes[file.ino]


def _now(request: Request) -> int:
    return request.state.now(request.view.tick)


# ---- open files ----


@failing
def open_(request: Request) -> Answer:
    """open(path): for reading and writing, made if it is not there; flags are ignored, as in the original."""
    overlay, folder, name, node = _find(request, 0)
    if node is not None and node.kind == "dir":
        raise Err(E.EISDIR)
    number = next((n for n in range(3, MOST_OPEN) if n not in request.state.files), None)
    if number is None:
        raise Err(E.EMFILE)
    if node is None:
        node = overlay.make("file", 0o644, folder.ino, _now(request))
        overlay.add(folder, name, node, _now(request))
        request.state.next_ino = overlay.next_ino
    node.opens += 1
    request.state.files[number] = HostFile(node.ino)
    return Answer(result=number)


@failing
def close(request: Request) -> Answer:
    if request.number_of(0) in STREAMS:
        raise Refusal(f"hostcall {request.number} close: the monitor's own standard streams are not modelled as closed")
    overlay, _, node = _opened(request)
    del request.state.files[request.number_of(0)]
    node.opens -= 1
    overlay.release(node)
    return Answer()


@failing
def read(request: Request, address: int) -> Answer:
    """At most so many bytes from the file's position on."""
    overlay, file, node = _opened(request)
    size = request.number_of(2)
    if size < 0:
        raise Err(E.EINVAL)
    content = overlay.read(node, file.offset, min(size, max(node.size - file.offset, 0)))
    request.check_writable(address, len(content))
    file.offset += len(content)
    return Answer(result=len(content), effects=[MemoryWrite(address, content)] if content else [])


@failing
def write(request: Request, address: int) -> Answer:
    """Bytes from the file's position on."""
    overlay, file, node = _opened(request)
    size = request.number_of(2)
    if size < 0:
        raise Err(E.EINVAL)
    content = request.read(address, size) if size else b""
    if content:
        overlay.write(node, file.offset, content, _now(request))
    file.offset += len(content)
    return Answer(result=len(content))


@failing
def lseek(request: Request) -> Answer:
    """lseek(fd, offset, whence): the new position."""
    if request.number_of(0) in STREAMS:
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
    """fcntl(fd, command): descriptor and status flags, which change nothing here."""
    if request.number_of(0) not in STREAMS:
        _opened(request)
    command = request.number_of(1)
    if command not in (1, 2, 3, 4):
        raise Refusal(f"hostcall {request.number} fcntl: command {command} is not modelled, only 1 to 4 are")
    return Answer(result=O_RDWR if command == 3 else 0)


# ---- by name ----


@failing
def unlink(request: Request) -> Answer:
    overlay, folder, name, node = _find(request, 0, follow=False)
    if node is None:
        raise Err(E.ENOENT)
    if node.kind == "dir":
        raise Err(E.EPERM)
    overlay.remove(folder, name, _now(request))
    return Answer()


@failing
def access(request: Request) -> Answer:
    """access(path, mode): who runs the monitor may read and write all, and run what has an x."""
    _, node = _existing(request, 0)
    if request.number_of(1) & X_OK and not node.mode & 0o111:
        raise Err(E.EACCES)
    return Answer()


@failing
def truncate(request: Request) -> Answer:
    length = request.word(1)
    if length >> 63:
        raise Err(E.EINVAL)
    overlay, node = _existing(request, 0)
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
    return _stat(request, _existing(request, 0)[1])


@failing
def lstat(request: Request) -> Answer:
    return _stat(request, _existing(request, 0, follow=False)[1])


@failing
def fstat(request: Request) -> Answer:
    if request.number_of(0) in STREAMS:
        return _stat(request, Node(0, "chr", 0o620))
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
