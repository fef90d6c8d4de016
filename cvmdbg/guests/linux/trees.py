"""What lies under a guest's files: a folder of the host, or an archive. Read only, and never outside of it."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from cvmdbg.guests import cpio
from cvmdbg.target import UserError

MAX_FILE = 1 << 30
MAX_ARCHIVE = 2 << 30


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it lies there. ``kind`` is dir, file or link; ``mtime`` in nanoseconds."""

    kind: str
    mode: int = 0o755
    size: int = 0
    mtime: int = 0
    target: str = ""


class Tree(Protocol):
    """Files below a root. Paths are relative, without ``.`` and ``..``; the root is ``""``."""

    def entry(self, path: str) -> Entry | None:
        """What lies at a path, links not followed; None where nothing (or a device) does."""

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted."""

    def content(self, path: str) -> bytes:
        """A file's bytes; OSError when the host cannot read it."""


class HostTree:
    """A folder of the host, or one file. Links inside are the guest's to follow: the host follows none of them."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._contents: dict[str, bytes] = {}

    def _path(self, path: str) -> Path | None:
        """The host's path, None where a folder on the way is none or leads out by a link."""
        if "\0" in path:
            return None
        host = self.root / path if path else self.root
        if path and host.parent.resolve() != host.parent:
            return None
        return host

    def entry(self, path: str) -> Entry | None:
        host = self._path(path)
        try:
            status = host.lstat() if host is not None else None
        except OSError:
            return None
        if host is None or status is None:
            return None
        mode, times = stat.S_IMODE(status.st_mode), status.st_mtime_ns
        if stat.S_ISDIR(status.st_mode):
            return Entry("dir", mode, 4096, times)
        if stat.S_ISREG(status.st_mode):
            return Entry("file", mode, self._size(path, status), times)
        if stat.S_ISLNK(status.st_mode):
            target = str(host.readlink())
            return Entry("link", 0o777, len(target), times, target)
        return None

    def _size(self, path: str, status: os.stat_result) -> int:
        """Files of /proc and /sys take no blocks, and their size is not what can be read of them."""
        if status.st_blocks or not status.st_size:
            return status.st_size
        try:
            return len(self.content(path))
        except OSError:
            return status.st_size

    def names(self, path: str) -> list[str]:
        host = self._path(path)
        try:
            return sorted(item.name for item in host.iterdir()) if host is not None else []
        except OSError:
            return []

    def content(self, path: str) -> bytes:
        if path not in self._contents:
            host = self._path(path)
            if host is None or host.is_symlink():
                raise OSError(f"{path} is not below {self.root}")
            if host.stat().st_size > MAX_FILE:
                raise OSError(f"{host} is larger than {MAX_FILE} bytes")
            self._contents[path] = host.read_bytes()
        return self._contents[path]


@dataclass
class ArchiveTree:
    """The files of an archive, all in memory."""

    entries: dict[str, Entry] = field(default_factory=lambda: {"": Entry("dir")})
    contents: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, set[str]] = field(default_factory=dict)

    def add(self, name: str, entry: Entry, content: bytes = b"") -> None:
        """Adds one file; ``..`` in its name is refused, its folders come to be."""
        parts = [p for p in PurePosixPath(name).parts if p not in ("/", ".")]
        if ".." in parts:
            raise UserError(f"the archive names {name!r}, which leads out of it")
        for depth, part in enumerate(parts):
            parent, path = "/".join(parts[:depth]), "/".join(parts[: depth + 1])
            self.children.setdefault(parent, set()).add(part)
            if depth < len(parts) - 1:
                self.entries.setdefault(path, Entry("dir"))
        self.entries["/".join(parts)] = entry
        self.contents["/".join(parts)] = content

    def entry(self, path: str) -> Entry | None:
        return self.entries.get(path)

    def names(self, path: str) -> list[str]:
        return sorted(self.children.get(path, ()))

    def content(self, path: str) -> bytes:
        return self.contents[path]


def open_tree(path: Path) -> Tree:
    """A folder, a tar (compressed or not) or a cpio (newc), by its content."""
    if not path.exists():
        raise UserError(f"{path}: there is no such folder or archive")
    if path.is_dir():
        return HostTree(path)
    if path.stat().st_size > MAX_ARCHIVE:
        raise UserError(f"{path}: archives may have {MAX_ARCHIVE} bytes")
    content = path.read_bytes()
    if content.startswith(cpio.MAGIC):
        return _from_cpio(path, content)
    return _from_tar(path, content)


def _from_cpio(path: Path, content: bytes) -> ArchiveTree:
    tree = ArchiveTree()
    kinds = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
    for item in cpio.entries(content, path.name):
        kind = kinds.get(stat.S_IFMT(item.mode))
        if kind is not None:
            target = item.content.decode("utf-8", "surrogateescape") if kind == "link" else ""
            entry = Entry(kind, stat.S_IMODE(item.mode), len(item.content), item.mtime * 10**9, target)
            tree.add(item.name, entry, item.content)
    return tree


def _from_tar(path: Path, content: bytes) -> ArchiveTree:
    tree = ArchiveTree()
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for item in archive:
                _add_member(tree, archive, item)
    except (tarfile.TarError, EOFError, OSError, KeyError) as error:
        raise UserError(f"{path}: expected a folder, a tar or a cpio archive (newc): {error}") from None
    return tree


def _add_member(tree: ArchiveTree, archive: tarfile.TarFile, item: tarfile.TarInfo) -> None:
    times = int(item.mtime) * 10**9
    if item.isdir():
        tree.add(item.name, Entry("dir", item.mode, 4096, times))
    elif item.issym():
        tree.add(item.name, Entry("link", 0o777, len(item.linkname), times, item.linkname))
    elif item.isfile() or item.islnk():
        stream = archive.extractfile(item)
        content = stream.read(MAX_FILE) if stream is not None else b""
        tree.add(item.name, Entry("file", item.mode, len(content), times), content)
