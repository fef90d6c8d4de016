"""What a server needs of a target; optional powers are objects that may be None, and the offers follow from them.

Threads are numbered from 1. Failures are Refused (an errno and a sentence); a fault of the program is a Stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gdbstub.description import Description, Dialect


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """A thread: how people call it, and what it does."""

    number: int
    name: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the target stands. Several reasons can hold at once.

    ``step``: an instruction was stepped, as asked.

    ``watch``: number and address of a watchpoint that was hit; ``log``: ``begin`` or ``end`` of what is recorded;
    ``syscall``: ``entry`` or ``return`` and its number; ``exit``: the program's status, or its end by ``-signal``.
    """

    thread: int
    signal: int
    step: bool = False
    breakpoint: bool = False
    watch: tuple[int, int] | None = None
    log: str = ""
    syscall: tuple[str, int] | None = None
    libraries: bool = False
    exit: int | None = None

    @property
    def is_plain(self) -> bool:
        """Has it no reason besides its signal and a step?"""
        return not (self.breakpoint or self.watch or self.log or self.syscall or self.libraries)


class Capabilities(Protocol):
    """Optional power: capabilities in memory, 129 bits, at 16-aligned addresses."""

    def read(self, address: int) -> int: ...

    def write(self, address: int, value: int) -> None: ...


class Points(Protocol):
    """Optional power: breakpoints and watchpoints."""

    @property
    def watchpoints(self) -> int:
        """How many watchpoints there can be."""

    def insert_breakpoint(self, address: int) -> None: ...

    def remove_breakpoint(self, address: int) -> None: ...

    def insert_watchpoint(self, address: int, size: int, access: str) -> int:
        """Watch a range for ``r``, ``w`` or ``rw``; its number."""

    def remove_watchpoint(self, number: int) -> None: ...


class Reverse(Protocol):
    """Optional power: running backwards, in slices as forwards."""

    def step(self, thread: int) -> Stop | None: ...

    def run(self) -> Stop | None: ...


class Syscalls(Protocol):
    """Optional power: stopping at system calls."""

    def catch(self, on: bool, numbers: frozenset[int]) -> None:
        """All calls when ``numbers`` is empty."""


class Operations(Protocol):
    """A target that stands, or runs a slice. ``objects`` names what ``object`` can give for qXfer."""

    @property
    def triple(self) -> str:
        """What lldb calls the machine: ``aarch64-unknown-linux-gnu``."""

    @property
    def stop(self) -> Stop: ...

    @property
    def objects(self) -> frozenset[str]: ...

    @property
    def capabilities(self) -> Capabilities | None: ...

    @property
    def points(self) -> Points | None: ...

    @property
    def reverse(self) -> Reverse | None: ...

    @property
    def syscalls(self) -> Syscalls | None: ...

    def description(self, dialect: Dialect, typed: bool) -> Description:
        """Its registers; ``typed``: with capability types."""

    def threads(self) -> Sequence[ThreadFacts]: ...

    def regions(self) -> Sequence[tuple[int, int, str]]:
        """Address, size and protection (letters of ``rwx``) of what is mapped."""

    def registers(self, thread: int, names: Sequence[str]) -> Sequence[int | None]:
        """Values by canonical names; 129 bits for capabilities; None for what is not known."""

    def write_register(self, thread: int, name: str, value: int) -> None: ...

    def plain(self, thread: int, address: int) -> int | None:
        """Where a plain load or store of a thread finds an address, when that is elsewhere: relative to its DDC."""

    def read(self, address: int, size: int) -> bytes:
        """As many bytes as can be read from there on; Refused when the first cannot."""

    def write(self, address: int, content: bytes) -> None: ...

    def step(self, thread: int) -> Stop | None:
        """One instruction of a thread; None when the slice ended before it could retire one."""

    def run(self) -> Stop | None:
        """A slice of about 20 ms of all threads; None when nothing stopped it."""

    def output(self) -> bytes:
        """What the program has printed since the last time."""

    def object(self, name: str, annex: str, thread: int) -> bytes: ...

    def file(self, path: str) -> bytes | None:
        """A file of the program's own world; nothing outside of it."""

    def monitor(self, line: str) -> str:
        """Carry out a command of the stub's own; what it says."""

    def let_go(self, kill: bool) -> None:
        """The client detaches, or ends the program."""
