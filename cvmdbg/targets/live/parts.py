"""What a live target is made of, as each kind of link gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from cvmdbg.target import Stops, Thread
from cvmdbg.targets.live.names import Names


class Sink(Protocol):
    """Whoever keeps what is read of a machine that stands."""

    def registers(self, thread: int, values: Mapping[str, int | None]) -> None:
        """Registers of a thread by the peer's names; None: the peer does not tell it."""

    def memory(self, pieces: Iterable[tuple[int, bytes]]) -> None:
        """Bytes at addresses."""

    def granules(self, values: Mapping[int, int]) -> None:
        """Capabilities with their tags, 129 bits each, by address."""


class State(Protocol):
    """Threads and registers, read once for each stop. ``sink`` is told of what is read."""

    names: Names
    sink: Sink | None

    def register(self, thread: int, name: str) -> int:
        """A register by the debugger's name."""

    def write(self, thread: int, name: str, value: int) -> None:
        """Write it and read it back."""

    def threads(self, running: int) -> tuple[Thread, ...]:
        """All of them."""

    def tell(self) -> None:
        """Give the sink what was read at this stop already."""


class Memory(Protocol):
    """Memory, read once for each stop."""

    sink: Sink | None

    def read(self, address: int, size: int) -> bytes:
        """All of it, or TargetError."""

    def write(self, address: int, content: bytes) -> None:
        """Write bytes."""

    def tell(self) -> None:
        """Give the sink what was read at this stop already."""


class Points(Stops, Protocol):
    """Breakpoints and watchpoints, put in place before the machine goes on; ``gates`` are the trace's own."""

    breakpoints: set[int]
    gates: set[int]
    crossings: bool
