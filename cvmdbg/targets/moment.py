"""A scratch copy of a recorded guest at an earlier time."""

from __future__ import annotations

from cvmdbg.target import Step
from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.registers import LOW, NUMBERS, read_register
from cvmdbg.targets.translation import Virtual
from emulator_core import _core
from emulator_core.capability import Capability
from sessions.mark import Mark
from sessions.timeline import Timeline

_PCC, _CSP, _DDC, _CPSR, _CCTLR = (NUMBERS[name] for name in ("pcc", "csp", "ddc", "cpsr", "cctlr"))
_C64, _DDCBO = 1 << 26, 1 << 2
EDIT = "set"
"""The label of events that the user made."""


class ScratchMoment:
    """A machine of its own that follows recorded events."""

    def __init__(self, timeline: Timeline, mark: Mark) -> None:
        self._timeline, self._number = timeline, mark.event
        self.edited = False
        self._ddc = (0, 0, 0)  # the last one, with its base and length
        self._inferior = Inferior()
        self._virtual = Virtual(self._inferior)
        timeline.seek(self._inferior, mark)

    @property
    def tick(self) -> int:
        """Instructions retired."""
        return self._inferior.tick

    @property
    def thread(self) -> int:
        """Who has the turn."""
        return self._inferior.schedule.current

    def step(self) -> None:
        """Retire one instruction, then apply the events of that tick."""
        self.edited = False
        self._inferior.run_to(self.tick + 1)
        events = self._timeline.events
        while self._number < events.count and events.at(self._number).tick <= self.tick:
            event = events.at(self._number)
            self._inferior.apply(event.effects)
            self.edited |= event.label == EDIT
            self._number += 1

    def path(self, last: int) -> list[Step]:
        """What is retired up to a tick."""
        machine, schedule, found = self._inferior.machine, self._inferior, []
        while machine.ticks < last:
            thread = schedule.schedule.current
            found.append(Step(machine.ticks, thread, machine.get(thread, _PCC) & LOW, self._sp(machine, thread)))
            self.step()
        return found

    def _sp(self, machine: _core.Machine, thread: int) -> int:
        """Absolute: in A64 under CCTLR.DDCBO an untagged SP counts from DDC.base."""
        csp = machine.get(thread, _CSP)
        if csp >> 128 or machine.get(thread, _CPSR) & _C64 or not machine.get(thread, _CCTLR) & _DDCBO:
            return csp & LOW
        ddc = machine.get(thread, _DDC)
        if ddc != self._ddc[0]:
            found = Capability(ddc)
            self._ddc = (ddc, found.base, found.length)
        _, base, length = self._ddc
        return csp & LOW if csp & LOW >= length else (csp + base) & LOW

    def registers(self, thread: int) -> dict[str, int]:
        """All registers of a thread by name, ``pcc`` with the absolute pc in its low word."""
        values = self._inferior.machine.registers(thread)
        return {name: values[number] for name, number in NUMBERS.items()}

    def read(self, address: int, size: int) -> bytes:
        """Bytes."""
        return self._virtual.read(address, size)

    def tag(self, address: int) -> bool:
        """The tag of a granule."""
        return bool(self._virtual.tags(address & ~15, 16)[0])

    def pc(self, thread: int) -> int:
        """The absolute pc of a thread."""
        return read_register(self._inferior.machine, thread, "pc")
