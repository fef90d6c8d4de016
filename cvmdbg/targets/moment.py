"""A scratch copy of a recorded guest at an earlier time."""

from __future__ import annotations

from cvmdbg.target import TargetError
from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.registers import NUMBERS, read_register
from emulator_core import _core
from sessions.mark import Mark
from sessions.timeline import Timeline

EDIT = "set"
"""The label of events that the user made."""


class ScratchMoment:
    """A machine of its own that follows recorded events."""

    def __init__(self, timeline: Timeline, mark: Mark) -> None:
        self._timeline, self._number = timeline, mark.event
        self.edited = False
        self._inferior = Inferior()
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

    def registers(self, thread: int) -> dict[str, int]:
        """All registers of a thread by name, ``pcc`` with the absolute pc in its low word."""
        values = self._inferior.machine.registers(thread)
        return {name: values[number] for name, number in NUMBERS.items()}

    def read(self, address: int, size: int) -> bytes:
        """Bytes."""
        try:
            return self._inferior.machine.read(address, size)
        except _core.Unmapped:
            raise TargetError(f"{address:#x} is not mapped") from None

    def tag(self, address: int) -> bool:
        """The tag of a granule."""
        try:
            return bool(self._inferior.machine.read_tags(address & ~15, 16)[0])
        except _core.Unmapped:
            raise TargetError(f"{address:#x} is not mapped") from None

    def pc(self, thread: int) -> int:
        """The absolute pc of a thread."""
        return read_register(self._inferior.machine, thread, "pc")
