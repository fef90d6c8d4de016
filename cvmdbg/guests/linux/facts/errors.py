"""Error numbers of Linux, the same on both ABIs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cvmdbg.guests.linux.facts.tables import rows


@dataclass(frozen=True, slots=True)
class Errno:
    """``2 ENOENT No such file or directory``."""

    number: int
    name: str
    text: str


@cache
def _errors() -> dict[int, Errno]:
    found = (Errno(int(row["number"]), row["name"], row["text"]) for row in rows("errors"))
    return {error.number: error for error in found}


def errno(number: int) -> Errno | None:
    """The error of a number (positive)."""
    return _errors().get(number)


@cache
def errno_named(name: str) -> int:
    """The number of an error; KeyError for what is none."""
    return {error.name: error.number for error in _errors().values()}[name]
