"""From a path to a file: folders, links, ``..``, /proc. Source: Linux Documentation/filesystems/path-lookup."""

from __future__ import annotations

from dataclasses import dataclass

from cvmdbg.guests.linux import abi, proc
from cvmdbg.guests.linux.abi import E, Err, s32
from cvmdbg.guests.linux.kernel import Kernel
from cvmdbg.guests.linux.nodes import ROOT, Node
from cvmdbg.guests.linux.state import Program, Thread

MAX_LINKS = 40
MAX_NAME = 255


@dataclass(slots=True)
class Found:
    """Where a path leads: its folder, its last name, and the file if there is one."""

    folder: Node
    name: str
    node: Node | None

    def existing(self) -> Node:
        """The file; ENOENT."""
        if self.node is None:
            raise Err(E.ENOENT)
        return self.node


def start(kernel: Kernel, thread: Thread | None, dirfd: int, path: str) -> Node:
    """The folder from which a path begins."""
    if path.startswith("/") or thread is None:
        return kernel.node(ROOT)
    if s32(dirfd) == abi.AT_FDCWD:
        return kernel.node(kernel.program(thread).cwd)
    opened = kernel.opened(thread, dirfd)
    if opened.kind not in ("dir", "path") or kernel.node(opened.target).kind != "dir":
        raise Err(E.ENOTDIR)
    return kernel.node(opened.target)


def find(kernel: Kernel, thread: Thread | None, dirfd: int, path: str, follow: bool = True) -> Found:
    """Walks a path. The last name may be missing; every folder before it must be there."""
    if not path:
        raise Err(E.ENOENT)
    return _walk(kernel, thread, start(kernel, thread, dirfd, path), path, follow or path.endswith("/"), 0)


def real(kernel: Kernel, program: Program, path: str) -> str:
    """The path of a file without links, as /proc/self/exe gives it."""
    place = kernel.node(ROOT if path.startswith("/") else program.cwd)
    found = _walk(kernel, None, place, path, True, 0)
    return f"{kernel.files.path(found.folder).rstrip('/')}/{found.name}"


def walk(kernel: Kernel, thread: Thread | None, path: str) -> Node:
    """The file of a path; ENOENT …"""
    return find(kernel, thread, abi.AT_FDCWD, path).existing()


def _walk(kernel: Kernel, thread: Thread | None, folder: Node, path: str, follow: bool, links: int) -> Found:
    parts = [p for p in path.split("/") if p]
    if not parts:
        return Found(folder, ".", folder)
    found = Found(folder, ".", folder)
    for depth, name in enumerate(parts):
        last = depth == len(parts) - 1
        found = _step(kernel, thread, folder, name)
        node = found.node
        if node is not None and node.kind == "link" and (not last or follow):
            if links >= MAX_LINKS:
                raise Err(E.ELOOP)
            links += 1
            target = proc.link(kernel, thread, node) if node.lower is not None else node.target
            if not target:
                raise Err(E.ENOENT)
            where = kernel.node(ROOT) if target.startswith("/") else found.folder
            found = _walk(kernel, thread, where, target, True, links)
            node = found.node
        if not last or path.endswith("/"):
            if node is None:
                if not last or not path.endswith("/"):
                    raise Err(E.ENOENT)
            elif node.kind != "dir":
                raise Err(E.ENOTDIR)
            else:
                folder = node
    return found


def _step(kernel: Kernel, thread: Thread | None, folder: Node, name: str) -> Found:
    if folder.kind != "dir":
        raise Err(E.ENOTDIR)
    if name == ".":
        return Found(folder, name, folder)
    if name == "..":
        parent = kernel.files.nodes.get(folder.parent, folder)
        return Found(parent, name, parent)
    if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME:
        raise Err(E.ENAMETOOLONG)
    if folder.lower is not None and folder.lower[0] == proc.TREE:
        return Found(folder, name, proc.child(kernel, thread, folder, name))
    return Found(folder, name, kernel.files.child(folder, name))


def at(kernel: Kernel, thread: Thread, dirfd: int, pointer: int, flags: int = 0) -> Node:
    """The file that an …at call means: a path, or with AT_EMPTY_PATH the descriptor itself."""
    path = kernel.text(thread, pointer)
    if not path and flags & abi.AT_EMPTY_PATH:
        return described(kernel, thread, dirfd)
    return find(kernel, thread, dirfd, path, not flags & abi.AT_SYMLINK_NOFOLLOW).existing()


def described(kernel: Kernel, thread: Thread, fd: int) -> Node:
    """The file behind a descriptor; pipes and sockets have none: EBADF."""
    if s32(fd) == abi.AT_FDCWD:
        return kernel.node(kernel.program(thread).cwd)
    opened = kernel.opened(thread, fd)
    if opened.kind not in ("file", "dir", "path", "chr", "proc"):
        raise Err(E.EBADF)
    return kernel.node(opened.target)


def absolute(kernel: Kernel, thread: Thread, dirfd: int, path: str) -> str:
    """How an opened file is called in /proc/self/fd."""
    if not path.startswith("/"):
        folder = kernel.files.path(start(kernel, thread, dirfd, path))
        path = f"{folder.rstrip('/')}/{path}"
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
