"""A cvm.yaml whose runtime is a Linux program: its cVM, its root, its network.

    runtime: /usr/bin/lua5.4      a file of the disk, else of the folder
    disk: rootfs.tar              a folder, a tar or a cpio in the folder of the cvm.yaml
    net: loopback                 without it there is no AF_INET
    args: /ld.so -e print(1)      words behind the first, as for every cVM

Isolation says where the cVM lies. Source: the keys are Intravisor's (src/libyaml/intra_parser.c).
"""

from __future__ import annotations

from cvmdbg.guests.intravisor import elf
from cvmdbg.guests.intravisor.config import Config, ConfigError, CvmConfig, shown
from cvmdbg.guests.intravisor.folder import Folder, FolderError
from cvmdbg.guests.intravisor.layout import CVM_MAX_SIZE, PAGE
from cvmdbg.guests.linux.chart import LIBOS_BASE, LIBOS_SIZE
from cvmdbg.guests.linux.guest import Linux
from cvmdbg.guests.linux.image import is_linux
from cvmdbg.guests.linux.setup import Setup
from cvmdbg.guests.linux.trees import HostTree, Tree, open_tree

LOOPBACK = "loopback"


def linux_of(config: Config, folder: Folder, args: tuple[str, ...]) -> Linux | None:
    """The Linux guest that a cvm.yaml means; None when its runtimes are Intravisor's own."""
    if len(config.cvms) != 1 or config.cvms[0].runtime is None:
        return None
    cvm = config.cvms[0]
    where = f"{config.file}:{cvm.line}: cVM '{shown(cvm.name)}'"
    tree = _disk(cvm, folder, where)
    path = _program(cvm, folder, tree)
    if path is None:
        return None
    if cvm.net not in (None, LOOPBACK):
        raise ConfigError(f"{where} has net '{shown(cvm.net)}', expected {LOOPBACK}, or no net at all")
    base, size = _place(cvm, where)
    binds: tuple[tuple[Tree, str], ...] = ()
    if tree is None or tree.entry(path.lstrip("/")) is None:
        binds = ((HostTree(folder.path(cvm.runtime or "")), path),)
    words = args or tuple((cvm.args or "").split()[1:])
    return Linux(
        Setup(path, words, tree, binds, name=cvm.name or path.rpartition("/")[2], base=base, size=size,
              badge=base // CVM_MAX_SIZE, network=cvm.net == LOOPBACK)
    )  # fmt: skip


def _disk(cvm: CvmConfig, folder: Folder, where: str) -> Tree | None:
    if cvm.disk is None:
        return None
    path = (folder.root / cvm.disk).resolve()
    if not path.is_relative_to(folder.root) or not path.exists():
        raise ConfigError(f"{where}: disk '{shown(cvm.disk)}' is no folder or archive in {folder.root}")
    return open_tree(path)


def _program(cvm: CvmConfig, folder: Folder, tree: Tree | None) -> str | None:
    """The guest's path of the runtime if that is a Linux program."""
    runtime = cvm.runtime or ""
    inside = runtime.lstrip("/")
    entry = tree.entry(inside) if tree is not None else None
    if tree is not None and entry is not None and entry.kind == "file" and is_linux(tree.content(inside)):
        return "/" + inside
    try:
        content = folder.read(runtime)
    except FolderError:
        return None
    return "/" + runtime.rpartition("/")[2] if is_program(content, runtime) else None


def is_program(content: bytes, name: str) -> bool:
    """Is it a program for Linux, and no runtime of Intravisor's, which its monitor comes back to by a symbol?"""
    return is_linux(content) and "ret_from_monitor" not in elf.read(content, name).symbols


def _place(cvm: CvmConfig, where: str) -> tuple[int, int]:
    """Base and size of the cVM; sizes are powers of two of at least a GiB, so that its capabilities are exact."""
    base, size = cvm.base, cvm.size
    if size < CVM_MAX_SIZE or size & size - 1 or base % size or base % PAGE or not base:
        raise ConfigError(
            f"{where} lies at {base:#x} with size {size:#x}, expected a size of at least {CVM_MAX_SIZE:#x} that is a "
            "power of two, and a base that is a multiple of it"
        )
    if (cvm.begin, cvm.end) != (base, base + size):
        raise ConfigError(f"{where}: begin and end must be its base and its end, {base:#x} and {base + size:#x}")
    if base < LIBOS_BASE + LIBOS_SIZE:
        raise ConfigError(f"{where} lies at {base:#x}, expected a base above the LibOS, {LIBOS_BASE + LIBOS_SIZE:#x}")
    return base, size
