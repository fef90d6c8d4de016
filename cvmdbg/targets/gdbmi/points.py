"""Breakpoints and watchpoints of a gdb. It steps over them and finds the hardware; they are laid while it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cvmdbg.target import TargetError
from cvmdbg.targets.gdbmi.records import text_of
from cvmdbg.targets.gdbmi.talk import Gdb

_OPTIONS = {"w": "", "r": "-r ", "rw": "-a "}


@dataclass(frozen=True, slots=True)
class Watched:
    """A watched range. ``own`` is the number that gdb gave it."""

    number: int
    address: int
    size: int
    access: str
    own: str


@dataclass
class Points:
    """What is to stop the machine. ``stands``: may gdb be asked now? ``read`` tells whether memory is there."""

    gdb: Gdb
    alignment: int
    stands: Callable[[], bool]
    read: Callable[[int, int], bytes]
    breakpoints: set[int] = field(default_factory=set)
    gates: set[int] = field(default_factory=set)
    watched: dict[int, Watched] = field(default_factory=dict)
    crossings: bool = False
    _inserted: dict[int, str] = field(default_factory=dict)
    _left: list[str] = field(default_factory=list)
    _next: int = 1

    def add_breakpoint(self, address: int) -> None:
        if address % self.alignment:
            raise TargetError(f"{address:#x} is no address of an instruction: it must be a multiple of 4")
        if self.stands():
            self.read(address, 1)
            self._insert(address)
        self.breakpoints.add(address)

    def remove_breakpoint(self, address: int) -> None:
        self.breakpoints.discard(address)

    def add_watchpoint(self, address: int, size: int, access: str) -> int:
        if access == "tag":
            raise TargetError(f"{self.gdb.name} watches bytes, not tags")
        if size <= 0 or access not in _OPTIONS:
            raise TargetError(f"cannot watch {size} bytes at {address:#x} for {access!r}")
        if not self.stands():
            raise TargetError(f"{self.gdb.name} runs: a watchpoint is set when it stands")
        answer = self.gdb.ask(f"-break-watch {_OPTIONS[access]}*(char(*)[{size}]){address:#x}")
        own = next((text_of(answer.payload, key, "number") for key in answer.payload if key.endswith("wpt")), "")
        number, self._next = self._next, self._next + 1
        self.watched[number] = Watched(number, address, size, access, own)
        return number

    def remove_watchpoint(self, number: int) -> None:
        watched = self.watched.pop(number, None)
        if watched is not None:
            self._left.append(watched.own)

    def catch_crossings(self, on: bool) -> None:
        self.crossings = on

    def put(self) -> None:
        """Make gdb hold what is wanted and nothing else."""
        wanted = self.breakpoints | self.gates
        self._left += [self._inserted.pop(address) for address in set(self._inserted) - wanted]
        if self._left:
            self.gdb.ask(f"-break-delete {' '.join(self._left)}")
            self._left.clear()
        for address in sorted(wanted):
            self._insert(address)

    def hit(self, own: str) -> Watched | None:
        """The watchpoint of gdb's number."""
        return next((one for one in self.watched.values() if one.own == own), None)

    def _insert(self, address: int) -> None:
        if address not in self._inserted:
            answer = self.gdb.ask(f"-break-insert *{address:#x}")
            self._inserted[address] = text_of(answer.payload, "bkpt", "number")
