"""What a recording needs of a machine, and how events are played into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias

from sessions.event import Effect, Event

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"
PAGE = 4096
PAGE_BYTES = PAGE + PAGE // 16 // 8
"""A page as it is exported: its bytes, then a bit for each granule's tag, lowest first."""


class Saved(Protocol):
    """A state that was saved. It shares its pages with the machine, so it costs what changes later."""

    @property
    def tick(self) -> int:
        """Instructions retired when it was saved."""

    def state(self) -> Json:
        """Everything but the pages: registers by name, mappings, who runs."""

    def changes(self, base: Saved | None) -> Sequence[int]:
        """Addresses of pages that may differ from those of ``base``, ascending; without it, of pages that exist."""

    def pages(self, addresses: Sequence[int]) -> bytes:
        """PAGE_BYTES for each page; zeros where nothing was ever written."""


class Machine(Protocol):
    """A deterministic machine: equal events at equal ticks give equal states."""

    @property
    def tick(self) -> int:
        """Instructions retired since the machine was made."""

    def run_to(self, tick: int) -> None:
        """Retire instructions of the current thread until ``tick``; raises if something else stops it for good."""

    def apply(self, effects: Iterable[Effect]) -> None:
        """Change the state as the effects say, in order."""

    def digest(self) -> bytes:
        """32 bytes over the whole state: registers, memory, tags, ticks."""


class TimeMachine(Machine, Protocol):
    """A machine that can also be put back into a state."""

    def save(self) -> Saved:
        """The state now."""

    def load(self, saved: Saved) -> None:
        """Take a state; it stays usable."""

    def restore(self, tick: int, state: Json) -> None:
        """Take a state as ``Saved.state`` gave it. Pages are put afterwards."""

    def put_pages(self, addresses: Sequence[int], content: bytes) -> None:
        """Set pages, PAGE_BYTES each."""

    def touched(self) -> Sequence[int]:
        """Addresses of pages that were read or written since the last save."""


def replay(machine: Machine, events: Iterable[Event], until: int | None = None) -> None:
    """Play events into a fresh machine: run to each event's tick, then apply it; stop at ``until`` if given.

    At ``until`` itself the events of that tick have been applied.
    """
    for event in events:
        if until is not None and event.tick > until:
            break
        machine.run_to(event.tick)
        machine.apply(event.effects)
    if until is not None:
        machine.run_to(until)
