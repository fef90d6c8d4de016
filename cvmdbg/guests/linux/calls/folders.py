"""Names: stat, links, folders."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi, paths, proc
from cvmdbg.guests.linux.abi import E, Err, s32
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.nodes import KINDS, ROOT, Node
from cvmdbg.guests.linux.state import EPOCH, Open, Thread

TYPES = {"fifo": 1, "chr": 2, "dir": 4, "file": 8, "link": 10, "sock": 12}
SECOND = 10**9
DEVICE = 1
BLOCK = 4096


# ---- stat -------------------------------------------------------------------------------------------------


def status(node: Node) -> bytes:
    """A struct stat of AArch64: 128 bytes."""
    mode = KINDS[node.kind] | node.mode
    rdev = _device(node) if node.kind == "chr" else 0
    times = (node.atime, node.mtime, node.ctime)
    head = struct.pack(
        "<QQIIIIQQqiiq", DEVICE, node.ino, mode, node.nlink, node.uid, node.gid, rdev, 0, node.size, BLOCK, 0,
        -(-node.size // 512),
    )  # fmt: skip
    return head + b"".join(struct.pack("<qq", t // SECOND, t % SECOND) for t in times) + bytes(8)


def _device(node: Node) -> int:
    return node.rdev[0] << 8 | node.rdev[1]


def _anonymous(kernel: Kernel, opened: Open) -> Node:
    """What stat says of a pipe, a socket, the console …"""
    kind = {"pipe": "fifo", "socket": "sock", "console": "chr" if kernel.terminal else "fifo"}.get(opened.kind, "anon")
    node = Node(opened.number + (1 << 20), kind, 0o600, mtime=EPOCH, atime=EPOCH, ctime=EPOCH)
    if kind == "chr":
        node.mode, node.rdev = 0o620, (136, 0)
    return node


def stat_node(kernel: Kernel, opened: Open) -> Node:
    """What fstat speaks of."""
    if opened.kind in ("file", "dir", "chr", "proc", "path"):
        return kernel.node(opened.target)
    return _anonymous(kernel, opened)


@call("fstat")
def fstat(kernel: Kernel, thread: Thread, fd: int, buf: int) -> int:
    kernel.write(thread, buf, status(stat_node(kernel, kernel.opened(thread, fd))))
    return 0


@call("newfstatat")
def newfstatat(kernel: Kernel, thread: Thread, dirfd: int, path: int, buf: int, flags: int) -> int:
    if flags & 0xFFFFFFFF & ~(abi.AT_SYMLINK_NOFOLLOW | abi.AT_EMPTY_PATH | 0x800):
        raise Err(E.EINVAL)
    kernel.write(thread, buf, status(_stated(kernel, thread, dirfd, path, flags)))
    return 0


def _stated(kernel: Kernel, thread: Thread, dirfd: int, path: int, flags: int) -> Node:
    text = kernel.text(thread, path) if path or not flags & abi.AT_EMPTY_PATH else ""
    if not text and flags & abi.AT_EMPTY_PATH and s32(dirfd) != abi.AT_FDCWD:
        return stat_node(kernel, kernel.opened(thread, dirfd))
    if not text and flags & abi.AT_EMPTY_PATH:
        return kernel.node(kernel.program(thread).cwd)
    return paths.find(kernel, thread, dirfd, text, not flags & abi.AT_SYMLINK_NOFOLLOW).existing()


@call("statx")
def statx(kernel: Kernel, thread: Thread, dirfd: int, path: int, flags: int, mask: int, buf: int) -> int:
    node = _stated(kernel, thread, dirfd, path, flags)
    head = struct.pack(
        "<IIQIIIHHQQQQ", 0x7FF, BLOCK, 0, node.nlink, node.uid, node.gid, KINDS[node.kind] | node.mode, 0, node.ino,
        node.size, -(-node.size // 512), 0,
    )  # fmt: skip
    for time in (node.atime, 0, node.ctime, node.mtime):
        head += struct.pack("<qIi", time // SECOND, time % SECOND, 0)
    rdev = node.rdev if node.kind == "chr" else (0, 0)
    head += struct.pack("<IIII", *rdev, 0, DEVICE)
    kernel.write(thread, buf, head.ljust(256, b"\0"))
    return 0


@call("statfs")
def statfs(kernel: Kernel, thread: Thread, path: int, buf: int) -> int:
    node = paths.find(kernel, thread, abi.AT_FDCWD, kernel.text(thread, path)).existing()
    kernel.write(thread, buf, _filesystem(node))
    return 0


@call("fstatfs")
def fstatfs(kernel: Kernel, thread: Thread, fd: int, buf: int) -> int:
    kernel.write(thread, buf, _filesystem(stat_node(kernel, kernel.opened(thread, fd))))
    return 0


def _filesystem(node: Node) -> bytes:
    """A struct statfs: an overlay of one million blocks, half of them free."""
    magic = 0x9FA0 if node.lower is not None and node.lower[0] == proc.TREE else 0x794C7630
    return struct.pack(
        "<QQQQQQQiiQQQ", magic, BLOCK, 1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19, 0, 0, 255, BLOCK, 0
    ) + (bytes(32))


@call("faccessat", "faccessat2")
def faccessat(kernel: Kernel, thread: Thread, dirfd: int, path: int, mode: int, flags: int) -> int:
    if mode & 0xFFFFFFFF & ~7:
        raise Err(E.EINVAL)
    node = paths.find(kernel, thread, dirfd, kernel.text(thread, path)).existing()
    if mode & 1 and node.kind == "file" and not node.mode & 0o111:
        raise Err(E.EACCES)  # root may read and write everything, but run only what is executable
    return 0


# ---- folders ----------------------------------------------------------------------------------------------


@call("getdents64")
def getdents64(kernel: Kernel, thread: Thread, fd: int, buf: int, count: int) -> int:
    opened = kernel.opened(thread, fd)
    if opened.kind != "dir":
        raise Err(E.ENOTDIR)
    if opened.listing is None:
        opened.listing, opened.offset = _listing(kernel, thread, kernel.node(opened.target)), 0
    room, out = min(kernel.room(thread, buf, count), 1 << 20), b""
    at = opened.offset
    while at < len(opened.listing):
        ino, kind, name = opened.listing[at][1], opened.listing[at][2], opened.listing[at][0]
        text = name.encode("utf-8", "surrogateescape") + b"\0"
        size = (19 + len(text) + 7) & ~7
        if len(out) + size > room:
            if not out:
                raise Err(E.EINVAL)
            break
        out += (struct.pack("<QqHB", ino, at + 1, size, TYPES.get(kind, 0)) + text).ljust(size, b"\0")
        at += 1
    opened.offset = at
    kernel.write(thread, buf, out)
    return len(out)


def _listing(kernel: Kernel, thread: Thread, folder: Node) -> list[tuple[str, int, str]]:
    """Names, inodes and kinds, ``.`` and ``..`` first."""
    parent = kernel.files.nodes.get(folder.parent, folder)
    found = [(".", folder.ino, "dir"), ("..", parent.ino, "dir")]
    if folder.lower is not None and folder.lower[0] == proc.TREE:
        for name in proc.names(kernel, thread, folder):
            node = proc.child(kernel, thread, folder, name)
            if node is not None:
                found.append((name, node.ino, node.kind))
        return found
    for name in kernel.files.names(folder):
        node = kernel.files.child(folder, name)
        if node is not None:
            found.append((name, node.ino, node.kind))
    return found


@call("getcwd")
def getcwd(kernel: Kernel, thread: Thread, buf: int, size: int) -> int:
    text = kernel.files.path(kernel.node(kernel.program(thread).cwd)).encode("utf-8", "surrogateescape") + b"\0"
    if size < len(text):
        raise Err(E.ERANGE)
    kernel.write(thread, buf, text)
    return len(text)


@call("chdir")
def chdir(kernel: Kernel, thread: Thread, path: int) -> int:
    node = paths.find(kernel, thread, abi.AT_FDCWD, kernel.text(thread, path)).existing()
    if node.kind != "dir":
        raise Err(E.ENOTDIR)
    kernel.program(thread).cwd = node.ino
    return 0


@call("fchdir")
def fchdir(kernel: Kernel, thread: Thread, fd: int) -> int:
    opened = kernel.opened(thread, fd)
    if opened.kind not in ("dir", "path") or kernel.node(opened.target).kind != "dir":
        raise Err(E.ENOTDIR)
    kernel.program(thread).cwd = opened.target
    return 0


def vacant(kernel: Kernel, thread: Thread, dirfd: int, path: int) -> paths.Found:
    """A place for a new name; EEXIST, EACCES in /proc."""
    found = paths.find(kernel, thread, dirfd, kernel.text(thread, path).rstrip("/") or "/", follow=False)
    if found.node is not None:
        raise Err(E.EEXIST)
    changeable(found.folder)
    return found


def changeable(folder: Node) -> None:
    if folder.lower is not None and folder.lower[0] == proc.TREE:
        raise Err(E.EACCES)
    if folder.nlink <= 0:
        raise Err(E.ENOENT)


@call("mkdirat")
def mkdirat(kernel: Kernel, thread: Thread, dirfd: int, path: int, mode: int) -> int:
    found = vacant(kernel, thread, dirfd, path)
    umask = kernel.program(thread).umask
    node = kernel.files.make("dir", mode & 0o7777 & ~umask, found.folder.ino, kernel.realtime)
    kernel.files.add(found.folder, found.name, node, kernel.realtime)
    return 0


@call("mknodat")
def mknodat(kernel: Kernel, thread: Thread, dirfd: int, path: int, mode: int, device: int) -> int:
    kind = {0: "file", 0o100000: "file", 0o010000: "fifo", 0o140000: "sock"}.get(mode & 0o170000)
    if kind is None:
        raise Err(E.EPERM)
    found = vacant(kernel, thread, dirfd, path)
    umask = kernel.program(thread).umask
    node = kernel.files.make(kind, mode & 0o7777 & ~umask, found.folder.ino, kernel.realtime)
    kernel.files.add(found.folder, found.name, node, kernel.realtime)
    return 0


@call("symlinkat")
def symlinkat(kernel: Kernel, thread: Thread, target: int, dirfd: int, path: int) -> int:
    text = kernel.text(thread, target)
    if not text:
        raise Err(E.ENOENT)
    found = vacant(kernel, thread, dirfd, path)
    node = kernel.files.make("link", 0o777, found.folder.ino, kernel.realtime)
    node.target, node.size = text, len(text)
    kernel.files.add(found.folder, found.name, node, kernel.realtime)
    return 0


@call("linkat")
def linkat(kernel: Kernel, thread: Thread, olddir: int, old: int, newdir: int, new: int, flags: int) -> int:
    text = kernel.text(thread, old)
    if not text and flags & abi.AT_EMPTY_PATH:
        node = paths.described(kernel, thread, olddir)
    else:
        node = paths.find(kernel, thread, olddir, text, bool(flags & abi.AT_SYMLINK_FOLLOW)).existing()
    if node.kind == "dir":
        raise Err(E.EPERM)
    found = vacant(kernel, thread, newdir, new)
    node.nlink += 1
    node.ctime = kernel.realtime
    kernel.files.add(found.folder, found.name, node, kernel.realtime)
    return 0


@call("unlinkat")
def unlinkat(kernel: Kernel, thread: Thread, dirfd: int, path: int, flags: int) -> int:
    if flags & 0xFFFFFFFF & ~abi.AT_REMOVEDIR:
        raise Err(E.EINVAL)
    text = kernel.text(thread, path)
    found = paths.find(kernel, thread, dirfd, text.rstrip("/") or "/", follow=False)
    node = found.existing()
    changeable(found.folder)
    if flags & abi.AT_REMOVEDIR:
        if node.kind != "dir":
            raise Err(E.ENOTDIR)
        if found.name in (".", "..") or node.ino == ROOT:
            raise Err(E.EINVAL if found.name == "." else E.EBUSY)
        if kernel.files.names(node):
            raise Err(E.ENOTEMPTY)
    elif node.kind == "dir":
        raise Err(E.EISDIR)
    kernel.files.remove(found.folder, found.name, kernel.realtime)
    return 0


@call("readlinkat")
def readlinkat(kernel: Kernel, thread: Thread, dirfd: int, path: int, buf: int, size: int) -> int:
    text = kernel.text(thread, path)
    node = (
        paths.find(kernel, thread, dirfd, text, follow=False).existing()
        if text
        else (paths.described(kernel, thread, dirfd))
    )
    if node.kind != "link" or s32(size) <= 0:
        raise Err(E.EINVAL)
    target = proc.link(kernel, thread, node) if node.lower is not None else node.target
    content = target.encode("utf-8", "surrogateescape")[: s32(size)]
    kernel.write(thread, buf, content)
    return len(content)
