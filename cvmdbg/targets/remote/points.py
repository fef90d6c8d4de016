"""Breakpoints and watchpoints of a stub. They are put in place before the machine goes on, as gdb does it.

A watchpoint that the stub does not have is looked after by stepping: only writes and tags can be seen so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cvmdbg.target import TargetError
from cvmdbg.targets.remote.link import Link
from gdbstub.call import ProtocolError, StubError, Unsupported
from gdbstub.commands import breakpoints
from gdbstub.commands.breakpoints import PointKind

_KINDS = {"w": PointKind.WRITE, "r": PointKind.READ, "rw": PointKind.ACCESS}
Place = tuple[PointKind, int, int]


@dataclass
class Watched:
    """A watched range. ``stepped``: the stub does not watch it. ``content`` is what was there the last time."""

    number: int
    address: int
    size: int
    access: str
    stepped: bool
    content: bytes = b""


@dataclass
class Points:
    """What is to stop the machine, and what of it the stub holds now."""

    link: Link
    size: int  # of the instruction that a breakpoint replaces, as Z0 wants it
    stands: Callable[[], bool]
    look: Callable[[Watched], bytes]
    breakpoints: set[int] = field(default_factory=set)
    gates: set[int] = field(default_factory=set)
    watched: dict[int, Watched] = field(default_factory=dict)
    crossings: bool = False
    _inserted: dict[int, PointKind] = field(default_factory=dict)
    _watching: dict[int, Place] = field(default_factory=dict)
    _next: int = 1

    # ---- the debugger's side ----

    def add_breakpoint(self, address: int) -> None:
        if self.size == 4 and address & 3:
            raise TargetError(f"{address:#x} is no address of an instruction: it must be a multiple of 4")
        self.breakpoints.add(address)
        if self.stands():
            try:
                self._insert(address)
            except TargetError:
                self.breakpoints.discard(address)
                raise

    def remove_breakpoint(self, address: int) -> None:
        self.breakpoints.discard(address)

    def add_watchpoint(self, address: int, size: int, access: str) -> int:
        if size <= 0 or access not in (*_KINDS, "tag"):
            raise TargetError(f"cannot watch {size} bytes at {address:#x} for {access!r}")
        if not self.stands():
            raise TargetError(f"{self.link.name} runs: a watchpoint is set when it stands")
        number, self._next = self._next, self._next + 1
        place = None if access == "tag" else (_KINDS[access], address, size)
        if place is not None and not self._watch(number, place):
            place = None
        if place is None and access in ("r", "rw"):
            raise TargetError(
                f"{self.link.name} has no watchpoint left for reading, and reading cannot be seen by steps"
            )
        self.watched[number] = Watched(number, address, size, access, place is None)
        self.watched[number].content = self.look(self.watched[number])
        return number

    def remove_watchpoint(self, number: int) -> None:
        self.watched.pop(number, None)

    def catch_crossings(self, on: bool) -> None:
        self.crossings = on

    # ---- the stub's side ----

    @property
    def by_steps(self) -> bool:
        """Must every instruction be looked at?"""
        return any(w.stepped for w in self.watched.values())

    def put(self, lifted: int | None = None) -> None:
        """Make the stub hold what is wanted, without the breakpoint at ``lifted`` and with nothing else."""
        wanted = (self.breakpoints | self.gates) - {lifted}
        for address in [a for a in self._inserted if a not in wanted]:
            self._remove((self._inserted.pop(address), address, self.size))
        for number in [n for n in self._watching if n not in self.watched]:
            self._remove(self._watching.pop(number))
        for address in sorted(wanted - set(self._inserted)):
            self._insert(address)

    def lift_watchpoints(self) -> None:
        """Take them out for a step over the access that was reported before it happened."""
        for place in self._watching.values():
            self._remove(place)

    def lay_watchpoints(self) -> None:
        """Put them back."""
        for number, place in self._watching.items():
            self._watch(number, place)

    def at(self, address: int) -> bool:
        """Does a breakpoint of the debugger stand there?"""
        return address in self.breakpoints

    def take(self, older: Points) -> None:
        """What another connection was to hold."""
        self.breakpoints, self.gates, self.crossings = older.breakpoints, older.gates, older.crossings

    def _insert(self, address: int) -> None:
        if address in self._inserted:
            return
        for kind in (PointKind.SOFTWARE, PointKind.HARDWARE):
            try:
                self.link.client.call(breakpoints.insert(kind, address, self.size))
            except Unsupported:
                continue
            except StubError as error:
                raise TargetError(f"{self.link.name} refuses a breakpoint at {address:#x}: {error}") from None
            except ProtocolError:
                with self.link.telling():
                    raise
            self._inserted[address] = kind
            return
        raise TargetError(f"{self.link.name} has no breakpoints (neither Z0 nor Z1)")

    def _watch(self, number: int, place: Place) -> bool:
        """False where the stub has no such watchpoint, or none left."""
        try:
            self.link.client.call(breakpoints.insert(*place))
        except (Unsupported, StubError):
            return False
        self._watching[number] = place
        return True

    def _remove(self, place: Place) -> None:
        with self.link.telling():
            value = self.link.client.batch([breakpoints.remove(*place)])[0]
        if isinstance(value, ProtocolError) and not isinstance(value, StubError | Unsupported):
            raise TargetError(f"{self.link.name}: {value}")
