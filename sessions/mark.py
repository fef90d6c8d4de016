"""A point in time is a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """So many events have been applied, so many ticks have been retired. Several marks can share a tick."""

    event: int
    tick: int


START = Mark(0, 0)
"""Before the first event: an empty machine."""


@dataclass(frozen=True, slots=True)
class Named:
    """A mark that somebody set, with what they wrote."""

    name: str
    mark: Mark
    note: str
