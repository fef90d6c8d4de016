"""What a recording needs of a machine, and how events are played into one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from sessions.event import Effect, Event


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
