"""Other names for files. Source: rename(2)."""

from __future__ import annotations

from cvmdbg.guests.linux import paths
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.calls.folders import changeable
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.nodes import ROOT, Node
from cvmdbg.guests.linux.state import Thread

NOREPLACE, EXCHANGE = 1, 2
KNOWN = (0, NOREPLACE, EXCHANGE)
"""RENAME_WHITEOUT is for the lower layers of an overlay, which a guest has none of."""


@call("renameat")
def renameat(kernel: Kernel, thread: Thread, olddir: int, old: int, newdir: int, new: int) -> int:
    return _rename(kernel, _named(kernel, thread, olddir, old), _named(kernel, thread, newdir, new), 0)


@call("renameat2")
def renameat2(kernel: Kernel, thread: Thread, olddir: int, old: int, newdir: int, new: int, flags: int) -> int:
    if flags & 0xFFFF_FFFF not in KNOWN:
        raise Err(E.EINVAL)
    return _rename(kernel, _named(kernel, thread, olddir, old), _named(kernel, thread, newdir, new), flags)


def _named(kernel: Kernel, thread: Thread, dirfd: int, path: int) -> paths.Found:
    return paths.find(kernel, thread, dirfd, kernel.text(thread, path).rstrip("/") or "/", follow=False)


def _rename(kernel: Kernel, source: paths.Found, target: paths.Found, flags: int) -> int:
    node = source.existing()
    changeable(source.folder)
    changeable(target.folder)
    if node.ino == ROOT or "." in (source.name, target.name) or ".." in (source.name, target.name):
        raise Err(E.EBUSY)
    if flags & NOREPLACE and target.node is not None:
        raise Err(E.EEXIST)
    if flags & EXCHANGE:
        return _exchange(kernel, source, target)
    if _holds(kernel, node, target.folder):
        raise Err(E.EINVAL)
    if target.node is not None:
        if _holds(kernel, target.node, source.folder):
            raise Err(E.ENOTEMPTY)
        _check_replaced(kernel, node, target.node)
        if target.node.ino == node.ino:
            return 0
        kernel.files.remove(target.folder, target.name, kernel.realtime)
    _take(kernel, source)
    kernel.files.add(target.folder, target.name, node, kernel.realtime)
    return 0


def _exchange(kernel: Kernel, source: paths.Found, target: paths.Found) -> int:
    one, other = source.existing(), target.existing()
    if _holds(kernel, one, target.folder) or _holds(kernel, other, source.folder):
        raise Err(E.EINVAL)
    if one.ino != other.ino:
        _take(kernel, source)
        _take(kernel, target)
        kernel.files.add(target.folder, target.name, one, kernel.realtime)
        kernel.files.add(source.folder, source.name, other, kernel.realtime)
    return 0


def _take(kernel: Kernel, found: paths.Found) -> None:
    """Out of its folder; the file stays, for its next name."""
    node = found.existing()
    node.nlink += 2 if node.kind == "dir" else 1
    kernel.files.remove(found.folder, found.name, kernel.realtime)


def _holds(kernel: Kernel, node: Node, folder: Node) -> bool:
    """Is it this folder, or one above it? No folder goes below itself."""
    place: Node | None = folder
    while node.kind == "dir" and place is not None and place.ino != ROOT:
        if place.ino == node.ino:
            return True
        place = kernel.files.nodes.get(place.parent)
    return False


def _check_replaced(kernel: Kernel, node: Node, there: Node) -> None:
    if there.kind == "dir" and node.kind != "dir":
        raise Err(E.EISDIR)
    if node.kind == "dir" and there.kind != "dir":
        raise Err(E.ENOTDIR)
    if there.kind == "dir" and there.ino != node.ino and kernel.files.names(there):
        raise Err(E.ENOTEMPTY)
