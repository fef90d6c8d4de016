"""What is known of a guest that runs elsewhere: from files that the user names, from its peer's list of libraries.

--symbols PATH   a cvm.yaml or its folder: the whole map of an Intravisor
                 an ELF file: names for what the peer lists as a library, or for the program itself; one that has the
                 table of an Intravisor tells where to read its cVMs in the machine
--log FILE       the console log of its Intravisor: compartments as they were printed
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cvmdbg.elf import ElfImage
from cvmdbg.guests.guest import Compartment, Facts, Module, Symbol
from cvmdbg.guests.intravisor.imported.log import open_log
from cvmdbg.guests.intravisor.monitor import Intravisor
from cvmdbg.guests.intravisor.running import RunningIntravisor
from cvmdbg.guests.opening import CONFIG
from cvmdbg.target import Target, UserError

KINDS = ("auto", "intravisor", "bare")
ALL = 1 << 64
MACHINE = "M"
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Library:
    """What a peer lists: a file's name as the peer has it, and what is added to the addresses in it."""

    path: str
    base: int


@dataclass(frozen=True, slots=True)
class Device:
    """What is no memory: reading it is an act."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Peer:
    """What of a live machine its facts are made of. ``bias``: how far its program is moved, None when not known."""

    name: str
    libraries: tuple[Library, ...] = ()
    program: str = ""
    bias: int | None = None
    entry: int = 0  # where the kernel says that the program begins, 0 when it does not
    open: Callable[[str], bytes | None] = field(default=lambda path: None)
    say: Callable[[str], None] = field(default=lambda text: None)


class Attached:
    """Satisfies Facts."""

    def __init__(self, name: str, compartments: Sequence[Compartment], modules: Sequence[Module]) -> None:
        self.name = name
        self._compartments, self._modules = tuple(compartments), tuple(modules)
        self._symbols: tuple[Symbol, ...] = ()
        self._file: Callable[[str], bytes | None] = lambda path: None

    def compartments(self) -> tuple[Compartment, ...]:
        return self._compartments

    def modules(self) -> tuple[Module, ...]:
        return self._modules

    def symbols(self) -> tuple[Symbol, ...]:
        return self._symbols

    def file(self, path: str) -> bytes | None:
        return self._file(path)


def attached(peer: Peer, machine: Target, kind: str, symbols: Sequence[Path], log: Path | None) -> Facts:
    """The facts of a peer; UserError says what a named file is not."""
    configs = [path / CONFIG if path.is_dir() else path for path in symbols if _is_config(path)]
    images = [_image(path) for path in symbols if not _is_config(path)]
    if configs and kind != "bare":
        return _configured(peer, configs[0], images)
    if log is not None and kind != "bare":
        told = open_log(log)
        return Attached(peer.name, told.compartments(told.last), _with_files(told.modules(told.last), images))
    whole = _machine(peer, images)
    monitor = next((m for m in whole.modules() if RunningIntravisor.is_monitor(m.content, m.name)), None)
    if monitor is not None and kind != "bare":
        running = _running(peer, machine, monitor, whole, images)
        if running.trouble and kind == "intravisor":
            raise UserError(running.trouble)
        return running
    if kind == "intravisor":
        raise UserError(NO_INTRAVISOR)
    return whole


NO_INTRAVISOR = (
    "--guest intravisor needs its cvm.yaml (--symbols FOLDER), its console log (--log FILE) or the monitor's own file, "
    "whose symbol cvms tells where its table is (--symbols FILE)"
)


def _running(
    peer: Peer, machine: Target, monitor: Module, whole: Attached, images: Sequence[tuple[Path, bytes]]
) -> RunningIntravisor:
    """The cVMs that the machine's own table tells of; other files are their runtimes, or libraries of the monitor."""
    listed = {library.path.rpartition("/")[2] for library in peer.libraries}
    others = [m for m in whole.modules() if m.name in listed and m is not monitor]
    runtimes = [(path.name, content) for path, content in images if path.name not in {monitor.name, *listed}]
    return RunningIntravisor(peer.name, machine, monitor, others, runtimes, peer.say)


def _is_config(path: Path) -> bool:
    if path.is_dir():
        if not (path / CONFIG).is_file():
            raise UserError(f"{path}: the folder holds no {CONFIG}")
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(4) != b"\x7fELF"
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None


def _image(path: Path) -> tuple[Path, bytes]:
    content = path.read_bytes()
    ElfImage(content, path.name)  # says what is wrong with it
    return path, content


def _configured(peer: Peer, config: Path, images: Sequence[tuple[Path, bytes]]) -> Attached:
    """The deployment that a cvm.yaml describes: the board is expected to have made the same."""
    guest = Intravisor(config)
    found = Attached(peer.name, guest.compartments(), _with_files(guest.modules(), images))
    found._symbols, found._file = guest.symbols(), guest.file
    return found


def _with_files(modules: Sequence[Module], images: Sequence[tuple[Path, bytes]]) -> tuple[Module, ...]:
    """Modules without content take that of a file of the same name."""
    files = {path.name: content for path, content in images}
    return tuple(
        replace(module, content=files[module.name]) if not module.content and module.name in files else module
        for module in modules
    )


def _machine(peer: Peer, images: Sequence[tuple[Path, bytes]]) -> Attached:
    """A program or a machine that is one whole: its program, its libraries."""
    left = {path.name: (path.name, content) for path, content in images}
    modules = []
    for library in peer.libraries:
        name = library.path.rpartition("/")[2]
        path, content = left.pop(name, (library.path, peer.open(library.path) or b""))
        modules.append(_module(name, path, content, library.base))
    for name, (path, content) in left.items():
        modules.append(_module(name, path, content, _base(content, peer)))
    if not images and peer.program:
        content = peer.open(peer.program) or b""
        modules.insert(0, _module(peer.program.rpartition("/")[2], peer.program, content, _base(content, peer)))
    whole = Compartment(MACHINE, peer.name, 0, ALL, 0, ALL, None, None)
    return Attached(peer.name, (whole,), modules)


def _base(content: bytes, peer: Peer) -> int:
    """An executable lies where it was linked for; a movable one where the peer says, or where its entry tells."""
    if content[16:18] != b"\x03\x00":
        return 0
    if peer.bias is not None:
        return peer.bias
    moved = peer.entry - int.from_bytes(content[24:32], "little")
    return moved if peer.entry and moved >= 0 and moved % PAGE == 0 else 0


def _module(name: str, path: str, content: bytes, base: int) -> Module:
    size = 0
    if content:
        try:
            image = ElfImage(content, name)
            size = image.image_base + image.image_size
        except UserError:
            content = b""
    return Module(name, path, base, size, MACHINE, hashlib.sha256(content).hexdigest() if content else "", content)
