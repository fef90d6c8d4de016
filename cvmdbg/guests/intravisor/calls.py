"""Hostcalls as a trace shows them: names and arguments, in the kinds of ``cvmdbg.guests.linux.facts``.

One row a number, beside this file. A result is an address (``hex``), a descriptor (``fd``), nothing (``none``), or a
``status``: negative means that it failed, and -1 says no more than that. The class ``plain`` marks calls whose pointers
the monitor hands on as they are, also those of a hybrid cVM. Source: Intravisor src/hostcalls.c.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from cvmdbg.guests.linux.facts import Call
from cvmdbg.guests.linux.facts.calls import argument

HOSTCALL, PLAIN = "hostcall", "plain"
"""The name under which a hostcall's number stands in ``Call.numbers``, and the one class."""


@cache
def hostcalls() -> Mapping[int, Call]:
    """Every hostcall by number."""
    lines = files(__package__).joinpath("calls.tsv").read_text("utf-8").splitlines()[1:]
    found = (_call(line) for line in lines)
    return MappingProxyType({call.numbers[HOSTCALL]: call for call in found})


def _call(line: str) -> Call:
    number, name, result, *arguments = line.split("\t")
    words = arguments[0].split() if arguments else []
    numbers = MappingProxyType({HOSTCALL: int(number)})
    return Call(name, numbers, result, frozenset(arguments[1:]), tuple(argument(word) for word in words))
