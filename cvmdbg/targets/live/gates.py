"""Crossings on a live machine, where no engine sees them: breakpoints at the entries of LibOS and monitor, and where
they return to.

    17 c_out ──BLRS c29,c22,c23──▶ gate (breakpoint)      c30 is behind the branch, c9 where the answer will land
    17 c_out ◀──BLRS c29,c9,c10─── …                      (breakpoint at c9, while the call is open)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from cvmdbg.target import Crossing, TargetError
from emulator_core.disassembler import disassemble

LOW = (1 << 64) - 1
_PAIR = re.compile(r"c29, ?c(\d+), ?c(\d+)")
_LONGEST = 64
"""Instructions of a gate in which its return is looked for."""


@dataclass
class _Open:
    """A call that has not returned: where it will, and the gate that it went to."""

    thread: int
    returns: int
    gate: int


@dataclass
class Gates:
    """``entries`` are the gates. ``read`` and ``register`` look at the stopped machine."""

    read: Callable[[int, int], bytes]
    register: Callable[[int, str], int]
    entries: frozenset[int] = frozenset()
    tick: int = 0  # of the next crossing
    _open: list[_Open] = field(default_factory=list)
    _leaves: dict[int, int] = field(default_factory=dict)

    @property
    def places(self) -> set[int]:
        """Where the machine must stop to be seen."""
        return set(self.entries) | {call.returns for call in self._open}

    def look(self, thread: int, pc: int) -> Crossing | None:
        """The crossing that has just brought a thread here, if one has."""
        call = next((c for c in reversed(self._open) if (c.thread, c.returns) == (thread, pc)), None)
        if call is not None:
            del self._open[self._open.index(call) :]
            return self._returned(call, pc)
        return self._entered(thread, pc) if pc in self.entries else None

    def _entered(self, thread: int, pc: int) -> Crossing | None:
        read = self.register
        link, back = read(thread, "c30"), read(thread, "c9")
        branch = (link & LOW & ~1) - 4
        cn, cm = self._pair(branch)
        if cn is None or cm is None:
            return None  # somebody else jumped here: no crossing
        if back >> 128:  # the monitor's own entries bring no way back
            self._open.append(_Open(thread, back & LOW & ~1, pc))
        return self._crossing(thread, branch, pc, cn, cm, read(thread, f"c{cn}"), read(thread, f"c{cm}"), link)

    def _returned(self, call: _Open, pc: int) -> Crossing:
        read, thread = self.register, call.thread
        branch = self._leaves.get(call.gate)
        if branch is None:
            branch = self._leaves[call.gate] = self._leaving(call.gate)
        pcc = read(thread, "pcc")
        return self._crossing(thread, branch, pc, 9, 10, read(thread, "c9"), read(thread, "c10"), pcc)

    def _crossing(
        self, thread: int, branch: int, to: int, cn: int, cm: int, target: int, paired: int, pcc: int
    ) -> Crossing:
        read = self.register
        arguments = tuple(read(thread, f"c{n}") for n in range(6))
        number = read(thread, "c14")
        return Crossing(
            self.tick, thread, "pair", (), cn, cm, branch, to, target, paired, pcc, number, arguments[0], arguments
        )

    def _pair(self, address: int) -> tuple[int | None, int | None]:
        """The registers of the BLRS at an address."""
        try:
            word = int.from_bytes(self.read(address, 4), "little")
        except TargetError:
            return None, None
        found = disassemble(word, address, "c64")
        match = _PAIR.search(found.operands) if found.mnemonic == "blrs" else None
        return (int(match[1]), int(match[2])) if match is not None else (None, None)

    def _leaving(self, gate: int) -> int:
        """Where the code behind a gate branches back; the gate itself when it is not found there."""
        for address in range(gate, gate + 4 * _LONGEST, 4):
            if self._pair(address) == (9, 10):
                return address
        return gate

    def forget(self) -> None:
        """Another connection: which calls are open is not known."""
        self._open.clear()
