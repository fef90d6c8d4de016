"""The folder of a cvm.yaml: the only place that its paths, and its guests' host files, lead to."""

from __future__ import annotations

from pathlib import Path

from cvmdbg.guests.intravisor.config import shown
from cvmdbg.guests.linux.trees import HostTree
from cvmdbg.target import UserError

MAX_FILE = 256 << 20


class FolderError(UserError):
    """A file of the folder cannot be read: one sentence."""


class Folder:
    """Reads files below one directory. Links that leave it do not count as below."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.tree = HostTree(self.root)

    def path(self, name: str) -> Path:
        """The file that a name means."""
        if not name.isprintable() or not name or len(name) > 1024:
            raise FolderError(f"'{shown(name)}' is no file name")
        try:
            path = (self.root / name).resolve()
            if path.is_relative_to(self.root) and path.is_file():
                return path
        except (OSError, RuntimeError, ValueError) as error:
            raise FolderError(f"{name}: {error}") from None
        if not path.is_relative_to(self.root):
            raise FolderError(f"{name}: it leads out of the folder of the cvm.yaml, {self.root}")
        raise FolderError(f"{name}: there is no such file in {self.root}")

    def size(self, name: str) -> int:
        """How many bytes a file has."""
        path = self.path(name)
        try:
            return path.stat().st_size
        except OSError as error:
            raise FolderError(f"{name}: {error.strerror or error}") from None

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        """Bytes of a file, fewer at its end."""
        path = self.path(name)
        try:
            with path.open("rb") as stream:
                stream.seek(offset)
                return stream.read(size)
        except OSError as error:
            raise FolderError(f"{name}: {error.strerror or error}") from None

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        path = self.path(name)
        try:
            size = path.stat().st_size
            if size > MAX_FILE:
                raise FolderError(f"{name}: {size} bytes are too many: at most {MAX_FILE}")
            return path.read_bytes()
        except OSError as error:
            raise FolderError(f"{name}: {error.strerror or error}") from None
