"""The past of an emulated guest: its events played into a scratch machine up to a tick."""

from __future__ import annotations

from collections.abc import Sequence

from cvmdbg.target import TargetError
from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.registers import NUMBERS, read_register
from emulator_core import _core
from sessions.event import Event, MemoryWrite

MAX_BYTES = 256 << 20
MAX_TICKS = 500_000_000
"""Playing to a tick takes about a second for so many; whoever looks back waits for it."""
EDIT = "set"
"""The label of events that the user made."""
EVENT_BYTES = 400
"""What an event without memory is taken to cost."""


class EventLog:
    """Events of the run, kept while they are small enough to be kept; a full log forgets itself and says so."""

    def __init__(self) -> None:
        self.events: list[Event] | None = []
        self._bytes = 0

    def record(self, event: Event) -> None:
        """Take an event before its effects are applied."""
        if self.events is None:
            return
        self._bytes += EVENT_BYTES + sum(len(e.content) for e in event.effects if isinstance(e, MemoryWrite))
        if self._bytes > MAX_BYTES:
            self.events = None
            return
        self.events.append(event)

    def at(self, tick: int) -> ScratchMoment:
        """A scratch copy of the guest at a tick."""
        if self.events is None or tick > MAX_TICKS:
            raise TargetError("the run was too long to be looked back at")
        return ScratchMoment(self.events, tick)


class ScratchMoment:
    """A machine of its own that follows recorded events."""

    def __init__(self, events: Sequence[Event], tick: int) -> None:
        self._events, self._next = events, 0
        self.edited = False
        self._inferior = Inferior()
        self._go(tick)

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
        self._go(self.tick + 1)

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

    def _go(self, tick: int) -> None:
        """Run to a tick; its own events are applied."""
        while self._next < len(self._events) and self._events[self._next].tick <= tick:
            event = self._events[self._next]
            self._inferior.run_to(event.tick)
            self._inferior.apply(event.effects)
            self.edited |= event.label == EDIT
            self._next += 1
        self._inferior.run_to(tick)
