"""The calls that a LibOS and the monitor serve, by number.

System calls: Linux numbers of AArch64 in x14, arguments in c0..c5 (musl3 and musl-lkl LibOS of Intravisor). Hostcalls:
numbers in x14 too. Both are rows of the same kinds, so one decoder writes them.
"""

from __future__ import annotations

from types import MappingProxyType

from cvmdbg.guests.intravisor.calls import hostcalls
from cvmdbg.guests.linux import facts
from cvmdbg.guests.linux.facts import Argument, Call

ABI = "aarch64"
_ANY = tuple(Argument(f"x{n}", "hex") for n in range(6))


def names(monitor: bool) -> dict[str, int]:
    """Every call by name; the lowest number where several have it."""
    if monitor:
        return {call.name: number for number, call in reversed(list(hostcalls().items()))}
    return {name: call.numbers[ABI] for name, call in facts.calls().items() if ABI in call.numbers}


def signature(number: int, monitor: bool) -> Call:
    """The call of a number; one that is not known shows all six argument registers."""
    known = hostcalls().get(number) if monitor else facts.call_at(ABI, number)
    return known or plain(f"t5={number}?", "hex", _ANY)


def plain(name: str, result: str = "int", arguments: tuple[Argument, ...] = ()) -> Call:
    """A call that no table has."""
    return Call(name, MappingProxyType({}), result, frozenset(), arguments)


def number_of(name: str, monitor: bool) -> int | None:
    """The number of a call by name or in digits."""
    return int(name) if name.isdigit() else names(monitor).get(name)
