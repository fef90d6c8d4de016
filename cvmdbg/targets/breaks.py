"""Breakpoints and watchpoints in an engine."""

from __future__ import annotations

from cvmdbg.target import TargetError
from cvmdbg.targets import translate
from emulator_core import _core


class Breaks:
    """What stops a run of one machine."""

    def __init__(self, machine: _core.Machine) -> None:
        self._machine = machine
        self.breakpoints: set[int] = set()
        self.hidden: set[int] = set()  # the target's own, which are no stops for anybody else
        self.crossings = False
        self.catch_crossings(False)

    def add_breakpoint(self, address: int) -> None:
        if address & 3:
            raise TargetError(f"{address:#x} is no address of an instruction: it must be a multiple of 4")
        if address not in self.breakpoints | self.hidden:
            self._machine.add_breakpoint(address)
        self.breakpoints.add(address)

    def remove_breakpoint(self, address: int) -> None:
        self.breakpoints.discard(address)
        if address not in self.hidden:
            self._machine.remove_breakpoint(address)

    def add_hidden(self, address: int) -> None:
        """Stop the engine at an address for the target's own sake."""
        if address not in self.breakpoints | self.hidden:
            self._machine.add_breakpoint(address)
        self.hidden.add(address)

    def remove_hidden(self, address: int) -> None:
        """The same no more."""
        self.hidden.discard(address)
        if address not in self.breakpoints:
            self._machine.remove_breakpoint(address)

    def add_watchpoint(self, address: int, size: int, access: str) -> int:
        if size <= 0 or access not in translate.WATCH:
            raise TargetError(f"cannot watch {size} bytes at {address:#x} for {access!r}")
        return self._machine.add_watchpoint(address, size, translate.WATCH[access])

    def remove_watchpoint(self, number: int) -> None:
        self._machine.remove_watchpoint(number)

    def catch_crossings(self, on: bool) -> None:
        self.crossings = on
        self._machine.set_ring_limit(1 if on else translate.RING)
