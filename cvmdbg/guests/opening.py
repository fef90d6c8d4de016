"""From what a user names to a guest: the content decides, never the suffix."""

from __future__ import annotations

import struct
from pathlib import Path

from cvmdbg import demo
from cvmdbg.guests.bare import Bare
from cvmdbg.guests.guest import Guest
from cvmdbg.guests.intravisor import config
from cvmdbg.guests.intravisor.config import MAX_BYTES
from cvmdbg.guests.intravisor.elf import EM_AARCH64
from cvmdbg.guests.intravisor.folder import Folder
from cvmdbg.guests.intravisor.monitor import Intravisor
from cvmdbg.guests.linux.opening import Root, open_linux
from cvmdbg.guests.linux.yaml import is_program, linux_of
from cvmdbg.target import UserError

CONFIG = "cvm.yaml"
NO_ROOT = Root()
_SHARED_OBJECT = 3


def open_guest(name: str, args: tuple[str, ...] = (), root: Root = NO_ROOT) -> Guest:
    """A guest, not yet started. ``name``: a folder with a cvm.yaml, a cvm.yaml, an ELF, ``demo:NAME``.

    ``args`` are the words of the guest's command line behind its program; ``root`` the files of a Linux program. An ELF
    is taken for bare metal or for Linux by its content. UserError says in one sentence what is wrong.
    """
    try:
        if root.given:
            return open_linux(name, args, root)
        return _open(resolve(name), args)
    except OSError as error:
        raise UserError(f"{name}: {error.strerror or error}") from None


def resolve(name: str) -> Path:
    """The file or folder that a name means."""
    if demo.is_demo(name):
        return demo.path(name)
    path = Path(name)
    if not path.exists():
        raise UserError(f"{name}: there is no such file or folder; demo:NAME is one of {', '.join(demo.names())}")
    return path


def source_directories(name: str) -> tuple[Path, ...]:
    """Where the sources of a guest may lie: its folder and the two above it, from which its build was started."""
    path = resolve(name).resolve()
    folder = path if path.is_dir() else path.parent
    return (folder, *folder.parents[:2])


def _open(path: Path, args: tuple[str, ...]) -> Guest:
    if path.is_dir():
        if not (path / CONFIG).is_file():
            raise UserError(f"{path}: the folder holds no {CONFIG}")
        return _open_config(path / CONFIG, args)
    if not path.is_file():
        raise UserError(f"{path}: expected a file or a folder")
    with path.open("rb") as stream:
        head = stream.read(MAX_BYTES)
    if head.startswith(b"\x7fELF"):
        return _open_elf(path, head, args)
    if b"\0" in head:
        raise UserError(f"{path}: neither an ELF file nor a {CONFIG}")
    return _open_config(path, args)


def _open_config(path: Path, args: tuple[str, ...]) -> Guest:
    """A cvm.yaml: of Linux programs if its runtime is one, else of Intravisor's cVMs."""
    folder = Folder(path.resolve().parent)
    parsed = config.parse(folder.read(path.name), path.name)
    return linux_of(parsed, folder, args) or Intravisor(path, args)


def _open_elf(path: Path, head: bytes, args: tuple[str, ...]) -> Guest:
    if is_program(path.read_bytes(), path.name):
        return open_linux(str(path), args, NO_ROOT)
    if len(head) >= 20:
        kind, machine = struct.unpack_from("<HH", head, 16)
        if machine == EM_AARCH64 and kind == _SHARED_OBJECT:
            raise UserError(
                f"{path}: a shared object runs inside a cVM: name the {CONFIG} whose runtime it is, or its folder"
            )
    return Bare(path, args)
