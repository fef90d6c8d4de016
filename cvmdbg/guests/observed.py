"""What was seen of a guest, moment by moment: the shape of an observed recording, whatever it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cvmdbg.guests.guest import Compartment, Module, Symbol
from cvmdbg.target import Crossing, Reason, Region, Register, Thread
from sessions.event import Observation


@dataclass(frozen=True, slots=True)
class Seen:
    """One moment: what was seen at it. What is absent was not seen.

    ``registers`` by thread and name; ``memory`` as pieces at addresses; ``granules`` are capabilities with their tags
    (129 bits) by address. ``thread`` is the one that ran, -1 when that is not known.
    """

    thread: int = -1
    threads: tuple[Thread, ...] = ()
    registers: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    memory: tuple[tuple[int, bytes], ...] = ()
    granules: Mapping[int, int] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()
    reasons: tuple[Reason, ...] = ()


class Moments(Protocol):
    """A sequence of moments at positions ``first`` … ``last``, and what is known at each."""

    @property
    def name(self) -> str:
        """What the guest is called."""

    @property
    def arch(self) -> str: ...

    @property
    def file(self) -> Path:
        """Where it was read from."""

    @property
    def notice(self) -> str:
        """What of the file is left out, or empty."""

    @property
    def unit(self) -> str:
        """What a position counts: ``line``, ``stop``."""

    @property
    def registers(self) -> tuple[Register, ...]:
        """Those that were seen anywhere."""

    @property
    def first(self) -> int: ...

    @property
    def last(self) -> int: ...

    @property
    def steps(self) -> Sequence[int]:
        """Positions that one walks by, ascending."""

    def seen(self, position: int) -> Seen:
        """The moment at a position."""

    def about(self, position: int) -> str:
        """What happened there, in a few words."""

    def observations(self, first: int, last: int) -> Iterable[Observation | Crossing]:
        """What was observed at positions from ``first`` to ``last``, both included, in order."""

    def compartments(self, position: int) -> tuple[Compartment, ...]: ...

    def modules(self, position: int) -> tuple[Module, ...]: ...

    def symbols(self, position: int) -> tuple[Symbol, ...]: ...

    def content(self, path: str) -> bytes | None:
        """A file of the guest's own root, if it is known."""

    def missing(self, what: str) -> str:
        """The sentence why registers, code or memory are not known: ``what`` is one of these words."""
