"""What the lines of a log have told so far of cVMs, modules and threads. What no line told is None."""

from __future__ import annotations

from dataclasses import dataclass, field

from cvmdbg.guests.intravisor.imported.printed import Block, Printed

NULL = "(null)"
MONITOR = "monitor"


@dataclass
class Segment:
    """A segment that load_elf copied. ``writable`` follows from where the line ``end of RO`` stood."""

    index: int
    address: int
    size: int
    writable: bool


@dataclass
class CvmTold:
    """A cVM. Offsets are those of its file, addresses absolute."""

    cid: int
    name: str
    runtime: str = ""
    base: int | None = None
    size: int = 0
    begin: int = 0
    end: int = 0
    callback_in: str = ""
    callback_out: str = MONITOR
    wait: int = 0
    image_size: int | None = None
    entry: int | None = None
    returns: int | None = None
    gate: int | None = None
    pure: bool | None = None
    heap: tuple[int, int] | None = None
    stacks: tuple[int, int] | None = None
    store: int | None = None
    sha256: str = ""
    read_only_ended: bool = False
    segments: list[Segment] = field(default_factory=list)
    capabilities: list[Printed] = field(default_factory=list)

    def holds(self, address: int) -> bool:
        """Is an absolute address in its own memory?"""
        return self.base is not None and self.base <= address < self.base + self.size

    @property
    def badge(self) -> str:
        """Its number."""
        return str(self.cid)


@dataclass
class Entering:
    """A thread between its first line and the one with which it enters its cVM."""

    number: int
    cvm: CvmTold | None
    capabilities: Block = field(default_factory=Block)
    words: bool = False


@dataclass
class ThreadTold:
    """A thread: its slot, or a pthread whose slot no line tells."""

    number: int
    cvm: CvmTold | None
    slot: int | None = None
    stack: tuple[int, int] | None = None
    ids: dict[str, int] = field(default_factory=dict)
    said: str = ""
    ended: bool = False

    @property
    def name(self) -> str:
        """``17/0``, ``16/?``."""
        cvm = self.cvm.badge if self.cvm is not None else "?"
        return f"{cvm}/{'?' if self.slot is None else self.slot}"


@dataclass
class ModuleTold:
    """A file that a guest's loader mapped. ``base`` is absolute; None when the log does not say."""

    path: str
    base: int | None
    size: int
    cvm: CvmTold | None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class RelocationTold:
    """A relocation as the loader printed it; both addresses absolute."""

    line: int
    kind: str
    value: int
    slot: int
    tag: bool
