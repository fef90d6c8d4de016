"""What a live machine shows: what happens while it runs, stop by stop, and who writes it down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from cvmdbg.guests.guest import Compartment, Module
from cvmdbg.target import Crossing, Reason, Stop
from cvmdbg.targets.live.calls import ABIS, Calls, Places, taps_of
from cvmdbg.targets.live.gates import Gates
from cvmdbg.targets.live.parts import Memory, Points, State
from cvmdbg.targets.live.witness import Witness
from cvmdbg.targets.taps import Taps
from sessions.event import Note, Observation, Output

LOW = (1 << 64) - 1
GATES = ("ca0", "ca3")
"""The grants that lead into a compartment: its entry, and its monitor's hostcall_asm or its LibOS's syscall_handler."""

PointsOf = TypeVar("PointsOf", bound=Points)
StateOf = TypeVar("StateOf", bound=State)
MemoryOf = TypeVar("MemoryOf", bound=Memory)


class Shown(ABC, Generic[StateOf, MemoryOf, PointsOf]):
    """``number`` is that of the stop at which it stands, from 0."""

    state: StateOf
    memory: MemoryOf
    points: PointsOf
    gates: Gates
    calls: Calls
    taps: Taps

    def __init__(self, name: str) -> None:
        self.name = name
        self.witness: Witness | None = None
        self.number = -1
        self.places = Places()
        self._observed: deque[Observation | Crossing] = deque()
        self._stop = Stop(0, 0, None, ())

    @property
    @abstractmethod
    def lost(self) -> str:
        """Why the link is gone and how to come back, or ``""``."""

    @property
    @abstractmethod
    def running(self) -> bool:
        """Does the machine run?"""

    @property
    @abstractmethod
    def stop(self) -> Stop:
        """The last stop; once the link is gone, with the reason why."""

    def drain(self) -> tuple[Observation | Crossing, ...]:
        drained = tuple(self._observed)
        self._observed.clear()
        return drained

    # ---- crossings and calls ---------------------------------------------------------------------------------------

    def _follow_calls(self) -> None:
        """State and memory are there: what sees crossings and calls looks at them."""
        read, register = self.memory.read, self.state.register
        self.gates = Gates(read, register)
        self.calls = Calls(ABIS[self.state.names.arch], read, register)
        self.taps = Taps(self.places, register, read)

    def knows(self, compartments: Sequence[Compartment], modules: Sequence[Module], trace: bool) -> None:
        """What is known of the guest: where crossings can be seen."""
        if trace:
            self.taps.arm(taps_of(compartments, modules) if not self.state.names.x86 else ())
        grants = [grant.value for c in compartments for grant in c.grants if grant.name in GATES]
        if trace and self.state.names.capabilities:
            self.gates.entries = frozenset(value & LOW & ~1 for value in grants if value >> 128)

    def _crossed(self, thread: int, pc: int) -> bool:
        """Has a crossing or a call just brought a thread here? It is noted. Backwards there are no gates."""
        if pc not in self.points.gates:
            return False
        crossing = self.gates.look(thread, pc)
        found = [crossing] if crossing is not None else self.taps.stands(thread, pc, self.number)
        self.taps.leaves(thread)
        for item in found:
            self._happened(item)
        return bool(found)

    @property
    def _traced(self) -> set[int]:
        """Where the machine must stop for the trace."""
        return self.gates.places | self.places.hidden

    # ---- what is kept ----------------------------------------------------------------------------------------------

    def record(self, witness: Witness) -> None:
        """Write down what is seen from this stop on, and what was seen at it."""
        self.number = witness.tick
        self.gates.tick = max(self.number - 1, 0)
        self.witness = self.state.sink = self.memory.sink = witness
        self.state.tell()
        self.memory.tell()
        witness.stands(self._stop)

    def stop_recording(self) -> None:
        """Close the recording."""
        if self.witness is None:
            return
        if self.lost and self.running:
            self._comes_to_stand()
            self.witness.stands(self.stop)
        self.witness.close()
        self.witness = self.state.sink = self.memory.sink = None

    def observe(self, observation: Observation) -> None:
        """What the debugger found out is kept too."""
        if self.witness is not None:
            self.witness.observe(observation)

    def _happened(self, item: Observation | Crossing) -> None:
        self._observed.append(item)
        if self.witness is not None:
            self.witness.observe(item)

    def _printed(self, line: bytes) -> None:
        self._happened(Output(self._next_number, self._stop.thread, "", "guest", line))

    def say(self, text: str) -> None:
        """A line about the machine, for the console."""
        self._happened(Note(self._next_number, text))

    @property
    def _next_number(self) -> int:
        """Of the stop at which what happens now has happened."""
        return self.number + 1 if self.number < 0 or self.running else self.number

    # ---- stops -----------------------------------------------------------------------------------------------------

    def _at(self, thread: int, pc: int, reasons: Sequence[Reason]) -> Stop:
        self._stop = Stop(thread, pc, None, tuple(reasons))
        return self._stop

    def _comes_to_stand(self) -> None:
        """What is read from now on belongs to another stop."""
        self.gates.tick = max(self.number, 0)
        self.number += 1
        if self.witness is not None:
            self.witness.tick = self.number

    def _stands(self, thread: int, pc: int, reasons: Sequence[Reason]) -> Stop:
        """Another stop: it is told to who writes down what is seen."""
        stop = self._at(thread, pc, reasons)
        if self.witness is not None:
            self.witness.stands(stop)
            if self.witness.failure:
                said = self.witness.failure
                self.stop_recording()
                self.say(said)
        return stop
