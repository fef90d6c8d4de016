"""Attributes of files: modes, owners, times, lengths; there are no extended ones."""

from __future__ import annotations

from cvmdbg.guests.linux import abi, paths
from cvmdbg.guests.linux.abi import E, Err, s32, s64
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.nodes import Node
from cvmdbg.guests.linux.state import Thread

SECOND = 10**9
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


@call("fchmod")
def fchmod(kernel: Kernel, thread: Thread, fd: int, mode: int) -> int:
    return _change_mode(kernel, paths.described(kernel, thread, fd), mode)


@call("fchmodat")
def fchmodat(kernel: Kernel, thread: Thread, dirfd: int, path: int, mode: int) -> int:
    return _change_mode(kernel, paths.at(kernel, thread, dirfd, path), mode)


def _change_mode(kernel: Kernel, node: Node, mode: int) -> int:
    node.mode, node.ctime = mode & 0o7777, kernel.realtime
    return 0


@call("fchown")
def fchown(kernel: Kernel, thread: Thread, fd: int, uid: int, gid: int) -> int:
    return _change_owner(kernel, paths.described(kernel, thread, fd), uid, gid)


@call("fchownat")
def fchownat(kernel: Kernel, thread: Thread, dirfd: int, path: int, uid: int, gid: int, flags: int) -> int:
    return _change_owner(kernel, paths.at(kernel, thread, dirfd, path, flags), uid, gid)


def _change_owner(kernel: Kernel, node: Node, uid: int, gid: int) -> int:
    node.uid = node.uid if s32(uid) == -1 else uid & 0xFFFFFFFF
    node.gid = node.gid if s32(gid) == -1 else gid & 0xFFFFFFFF
    node.ctime = kernel.realtime
    return 0


@call("umask")
def umask(kernel: Kernel, thread: Thread, mask: int) -> int:
    program = kernel.program(thread)
    old, program.umask = program.umask, mask & 0o777
    return old


@call("utimensat")
def utimensat(kernel: Kernel, thread: Thread, dirfd: int, path: int, times: int, flags: int) -> int:
    node = paths.at(kernel, thread, dirfd, path, flags) if path else paths.described(kernel, thread, dirfd)
    now = kernel.realtime
    moments = [now, now]
    if times:
        words = kernel.words(thread, times, "<qqqq")
        for index, old in enumerate((node.atime, node.mtime)):
            moments[index] = _moment(words[2 * index], words[2 * index + 1], old, now)
    node.atime, node.mtime = moments
    node.ctime = now
    return 0


def _moment(seconds: int, nanoseconds: int, old: int, now: int) -> int:
    if nanoseconds == UTIME_NOW:
        return now
    if nanoseconds == UTIME_OMIT:
        return old
    if not 0 <= nanoseconds < SECOND or abs(seconds) >= 1 << 33:
        raise Err(E.EINVAL)
    return seconds * SECOND + nanoseconds


@call("truncate")
def truncate(kernel: Kernel, thread: Thread, path: int, length: int) -> int:
    node = paths.find(kernel, thread, abi.AT_FDCWD, kernel.text(thread, path)).existing()
    if node.kind == "dir":
        raise Err(E.EISDIR)
    if node.kind != "file" or s64(length) < 0:
        raise Err(E.EINVAL)
    kernel.files.truncate(node, length, kernel.realtime)
    return 0


@call(
    "getxattr", "lgetxattr", "fgetxattr", "setxattr", "lsetxattr", "fsetxattr", "listxattr", "llistxattr", "flistxattr",
    "removexattr", "lremovexattr", "fremovexattr",
)  # fmt: skip
def no_attributes(kernel: Kernel, thread: Thread) -> int:
    raise Err(E.EOPNOTSUPP)
