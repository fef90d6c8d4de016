"""Named numbers by set: flags, commands, signals, clocks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from cvmdbg.guests.linux.facts.tables import number, rows


@cache
def _sets(abi: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in rows("constants"):
        value = number(row[abi])
        if value is not None:
            found.setdefault(row["set"], {})[row["name"]] = value
    return found


def constants(group: str, abi: str = "aarch64") -> Mapping[str, int]:
    """The names of a set with their values, in the order in which they are shown; empty for an unknown set."""
    return MappingProxyType(_sets(abi).get(group, {}))


@cache
def _values(abi: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for group in _sets(abi).values():
        for name, value in group.items():
            found.setdefault(name, value)  # sets of other systems come last
    return found


def constant(name: str, abi: str = "aarch64") -> int:
    """The value of one name in the first set that has it; KeyError for what is none."""
    return _values(abi)[name]


def name_of(group: str, value: int, abi: str = "aarch64") -> str | None:
    """The first name of a set that has a value."""
    return next((name for name, known in constants(group, abi).items() if known == value), None)


def names_of(group: str, value: int, abi: str = "aarch64") -> tuple[list[str], int]:
    """The flags of a set that a value holds, in the set's order, and the bits that have no name."""
    names = []
    for name, bits in constants(group, abi).items():
        if bits and value & bits == bits:
            names.append(name)
            value &= ~bits
    return names, value
