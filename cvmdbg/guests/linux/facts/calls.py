"""System calls: names, numbers, arguments, results, classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from cvmdbg.guests.linux.facts.tables import ABIS, number, rows

CLASSES = (
    *("file", "process", "network", "signal", "ipc", "desc", "memory", "creds"),
    *("stat", "lstat", "fstat", "statfs", "fstatfs", "pure", "clock"),
)
"""The classes that calls are in."""

_ARGUMENT = re.compile(r"(?P<name>\w+):(?P<kind>\w+)(\.(?P<direction>in|out|inout))?(\((?P<parameters>[\w,]+)\))?")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call: ``buf:buffer.out(count)``."""

    name: str
    kind: str
    direction: str = ""
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A system call: ``numbers`` by ABI.

    ``result``: int, fd, hex (an address), mode, sched_policy, none (it does not come back).
    """

    name: str
    numbers: Mapping[str, int]
    result: str
    classes: frozenset[str]
    arguments: tuple[Argument, ...]

    def index(self, name: str) -> int | None:
        """Which argument has a name."""
        return next((place for place, argument in enumerate(self.arguments) if argument.name == name), None)


def argument(text: str) -> Argument:
    """``count:size`` read; ValueError for what is none."""
    match = _ARGUMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no argument (name:kind.direction(parameters))")
    parameters = tuple(match["parameters"].split(",")) if match["parameters"] else ()
    return Argument(match["name"], match["kind"], match["direction"] or "", parameters)


def _call(row: dict[str, str]) -> Call:
    numbers = {abi: found for abi in ABIS if (found := number(row[abi])) is not None}
    classes = frozenset(row["classes"].split(",")) - {"-"}
    return Call(
        row["name"],
        MappingProxyType(numbers),
        row["result"],
        classes,
        tuple(argument(word) for word in row["arguments"].split()),
    )


@cache
def calls() -> Mapping[str, Call]:
    """Every call by name."""
    return MappingProxyType({row["name"]: _call(row) for row in rows("calls")})


@cache
def _by_number(abi: str) -> dict[int, Call]:
    return {known.numbers[abi]: known for known in calls().values() if abi in known.numbers}


def call(name: str) -> Call | None:
    """A call by name."""
    return calls().get(name)


def call_at(abi: str, number: int) -> Call | None:
    """The call that a number means on an ABI."""
    return _by_number(abi).get(number)
