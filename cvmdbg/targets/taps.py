"""Calls that cross no boundary, seen by symbol: a LibOS inside its own cVM is called like any function.

While somebody wants to know, the engine stops where such a function begins and where it goes back to; in between, and
when nobody wants to know, the guest runs as fast as without. What was seen are observations, so a recording has them.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from cvmdbg.guests.guest import Tap
from cvmdbg.guests.linux import facts
from cvmdbg.guests.linux.tracing import Served, signature
from cvmdbg.target import TargetError
from sessions.event import Observation
from sessions.served import call_of

ABI = "aarch64"
_PARAMETERS = struct.Struct("<6Q")
WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Inside:
    """A call that has not come back: where it will, with which SP, and its arguments; None where none could be read."""

    tap: Tap
    back: int
    sp: int
    number: int
    words: tuple[int, ...] | None


class Hidden(Protocol):
    """Places at which the machine stops for the taps' sake, unseen by anybody else."""

    @property
    def hidden(self) -> set[int]: ...
    def add_hidden(self, address: int) -> None: ...
    def remove_hidden(self, address: int) -> None: ...


class Taps:
    """The tapped functions of one guest, and who is in them. ``read_register`` and ``read`` look at the machine."""

    def __init__(
        self,
        breaks: Hidden,
        read_register: Callable[[int, str], int],
        read: Callable[[int, int], bytes],
    ) -> None:
        self._breaks = breaks
        self._register, self._read = read_register, read
        self._taps: dict[int, Tap] = {}
        self._inside: defaultdict[int, list[Inside]] = defaultdict(list)
        self._told: set[int] = set()  # threads that stand at a place which has been told

    def arm(self, taps: tuple[Tap, ...]) -> None:
        """Stop at these functions, and where those that are inside come back to."""
        self._taps = {tap.address: tap for tap in taps}
        for address in self._places():
            self._breaks.add_hidden(address)

    def disarm(self) -> None:
        """Stop at none."""
        for address in list(self._breaks.hidden):
            self._breaks.remove_hidden(address)

    def _places(self) -> set[int]:
        return {*self._taps, *(call.back for calls in self._inside.values() for call in calls)}

    def stands(self, thread: int, pc: int, tick: int) -> list[Observation]:
        """A thread stands somewhere: what begins or ends there, once."""
        if pc not in self._breaks.hidden or thread in self._told:
            return []
        self._told.add(thread)
        said = self._ended(thread, pc, tick)
        if pc in self._taps:
            said += self._begun(thread, self._taps[pc], tick)
        return said

    def leaves(self, thread: int) -> None:
        """The thread goes on."""
        self._told.discard(thread)

    def _begun(self, thread: int, tap: Tap, tick: int) -> list[Observation]:
        number = self._register(thread, "x0") & WORD
        where = tap.base + self._register(thread, "x1") & WORD
        try:
            words: tuple[int, ...] | None = _PARAMETERS.unpack(self._read(where, _PARAMETERS.size))
        except TargetError:
            words = None
        back = (tap.base + self._register(thread, "x30") & WORD) & ~1
        call = Inside(tap, back, self._register(thread, "sp"), number, words)
        self._inside[thread].append(call)
        if back % 4 == 0:
            self._breaks.add_hidden(back)
        return self._said(thread, call, None, tick)

    def _ended(self, thread: int, pc: int, tick: int) -> list[Observation]:
        """The innermost call that comes back here; those inside it were left for good."""
        calls, sp = self._inside[thread], self._register(thread, "sp")
        at = next((n for n in reversed(range(len(calls))) if (calls[n].back, calls[n].sp) == (pc, sp)), None)
        if at is None:
            return []
        call = calls[at]
        del calls[at:]
        if pc not in self._places():
            self._breaks.remove_hidden(pc)
        return self._said(thread, call, self._register(thread, "x0") & WORD, tick)

    def _said(self, thread: int, call: Inside, result: int | None, tick: int) -> list[Observation]:
        """The call as it goes in or comes back, behind the memory that it points at."""
        known = facts.call_at(ABI, call.number)
        value = None if result is None else result - (1 << 64) if result >> 63 else result
        named = signature(ABI, call.number)
        shown = ("?",) if call.words is None else tuple(hex(word) for word in call.words[: named.arguments])
        captured: list[Observation] = []
        if known is not None and call.words is not None:
            captured = Served(known, call.words, call.tap.base, self._read, (), value, tick).captured()
        told = call_of(tick, thread, call.tap.layer, call.number, named, call.words or (), value)
        return [*captured, replace(told, arguments=shown)]
