"""The target that is a live machine: everything that does not depend on how it is reached."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from cvmdbg.guests.guest import Compartment, Module
from cvmdbg.target import (
    Capabilities,
    Crossing,
    History,
    Move,
    Reason,
    Region,
    Register,
    Reverse,
    Stop,
    StopKind,
    Stops,
    TargetError,
    TargetLost,
    Thread,
)
from cvmdbg.targets.live.calls import ABIS, Calls, Places, taps_of
from cvmdbg.targets.live.gates import Gates
from cvmdbg.targets.live.parts import Memory, Points, State
from cvmdbg.targets.live.witness import Witness
from cvmdbg.targets.taps import Taps
from sessions.event import Note, Observation, Output

SLICE = 0.02
PATIENCE = 2.0
"""Seconds after which a machine that was asked to stop is said not to answer."""
LOW = (1 << 64) - 1
GATES = ("ca0", "ca3")
"""The grants that lead into a compartment: its entry, and its monitor's hostcall_asm or its LibOS's syscall_handler."""
GIVEN_UP = "{} was asked to stop twice and does not answer: detach lets it go, continue waits on"

Arrival = TypeVar("Arrival")
"""What a kind of link tells when the machine comes to stand."""
PointsOf = TypeVar("PointsOf", bound=Points)
StateOf = TypeVar("StateOf", bound=State)
MemoryOf = TypeVar("MemoryOf", bound=Memory)


class LiveTarget(ABC, Generic[Arrival, StateOf, MemoryOf, PointsOf]):
    """``interrupt`` may come from any thread; everything else from one."""

    state: StateOf
    memory: MemoryOf
    points: PointsOf
    gates: Gates
    calls: Calls
    taps: Taps

    def __init__(self, name: str) -> None:
        self.name = name
        self.witness: Witness | None = None
        self._asked = threading.Event()
        self._asked_at = 0.0
        self._told = False
        self._observed: deque[Observation | Crossing] = deque()
        self._ended_with = ""
        self._tagged: Capabilities | None = None
        self._reverse: Reverse | None = None
        self.places = Places()
        self.number = -1  # of the stop, from 0
        self._stop = Stop(0, 0, None, ())

    def _follow_calls(self) -> None:
        """State and memory are there: what sees crossings and calls looks at them."""
        read, register = self.memory.read, self.state.register
        self.gates = Gates(read, register)
        self.calls = Calls(ABIS[self.arch], read, register)
        self.taps = Taps(self.places, register, read)

    # ---- what a kind of link gives ---------------------------------------------------------------------------------

    @property
    @abstractmethod
    def lost(self) -> str:
        """Why the link is gone and how to come back, or ``""``."""

    @property
    @abstractmethod
    def running(self) -> bool:
        """Does the machine run?"""

    @abstractmethod
    def _set_off(self, move: Move, thread: int, backwards: bool) -> Stop:
        """Let the machine go, and wait a slice."""

    @abstractmethod
    def _next(self, seconds: float) -> Arrival | None:
        """Wait so long for the machine to stand."""

    @abstractmethod
    def _arrived(self, arrival: Arrival) -> Stop:
        """The machine stands: what was read of the last stop holds no longer."""

    @abstractmethod
    def _halt(self) -> None:
        """Ask the machine to stop, for the first time."""

    @abstractmethod
    def _find_regions(self) -> tuple[Region, ...]:
        """What is mapped, as far as the peer tells."""

    @abstractmethod
    def _leave(self) -> None:
        """Let the machine go on without us, drop the link."""

    def _urge(self, waited: float) -> None:
        """The machine was asked to stop so many seconds ago and runs on."""

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def arch(self) -> str:
        return self.state.names.arch

    @property
    def registers(self) -> tuple[Register, ...]:
        return self.state.names.registers

    @property
    def stop(self) -> Stop:
        """The last stop; once the link is gone, with the reason why."""
        if self.lost and self._stop.reason(StopKind.LOST) is None:
            self._stop = Stop(self._stop.thread, self._stop.pc, None, (Reason(StopKind.LOST, self.lost),))
        return self._stop

    @property
    def capabilities(self) -> Capabilities | None:
        return self._tagged

    @property
    def stops(self) -> Stops | None:
        return self.points

    @property
    def reverse(self) -> Reverse | None:
        return self._reverse

    @property
    def history(self) -> History | None:
        return None

    def threads(self) -> tuple[Thread, ...]:
        found = self.state.threads(self._stop.thread)
        if self.witness is not None:
            self.witness.threads(found)
        return found

    def regions(self) -> tuple[Region, ...]:
        found = () if self._why_not() else self._find_regions()
        if self.witness is not None and found:
            self.witness.regions(found)
        return found

    def read_register(self, thread: int, name: str) -> int:
        return self.state.register(thread, name)

    def read(self, address: int, size: int) -> bytes:
        return self.memory.read(address, size)

    def drain(self) -> tuple[Observation | Crossing, ...]:
        drained = tuple(self._observed)
        self._observed.clear()
        return drained

    def _why_not(self) -> str:
        """Why the machine cannot be looked at now, or ``""``."""
        running = f"{self.name} runs: it can be looked at when it stands" if self.running else ""
        return self.lost or self._ended_with or running

    def knows(self, compartments: Sequence[Compartment], modules: Sequence[Module], trace: bool) -> None:
        """What is known of the guest: where crossings can be seen."""
        if trace:
            self.taps.arm(taps_of(compartments, modules) if self.arch != "x86_64" else ())
        grants = [grant.value for c in compartments for grant in c.grants if grant.name in GATES]
        if trace and self.state.names.capabilities:
            self.gates.entries = frozenset(value & LOW & ~1 for value in grants if value >> 128)

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

    # ---- changing --------------------------------------------------------------------------------------------------

    def write_register(self, thread: int, name: str, value: int) -> None:
        self.state.write(thread, name, value)
        if name in ("pc", "pcc", "rip") and thread == self._stop.thread:
            self._stop = Stop(thread, self.state.register(thread, "pc"), None, self._stop.reasons)

    def write(self, address: int, content: bytes) -> None:
        self.memory.write(address, content)

    def interrupt(self) -> None:
        """Ask a running machine to stop; give up a wait for an answer."""
        self._asked.set()

    def ask_again(self) -> None:
        """Whatever ``interrupt`` gave up: the next question is waited for."""
        self._asked.clear()

    def close(self) -> None:
        """Let the machine go on without us, drop the link; what was recorded is one file."""
        self._leave()
        self.stop_recording()

    # ---- running ---------------------------------------------------------------------------------------------------

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """STEP one instruction of a thread; CONTINUE until something stops it, in slices of about 20 ms.

        A machine that runs on at the end of a slice gives a RUNNING reason; nothing but waiting is possible then.
        """
        return self.go(move, thread)

    def go(self, move: Move, thread: int | None, backwards: bool = False) -> Stop:
        """The same in either direction."""
        if self.lost:
            raise TargetLost(self.lost)
        if self.running:
            return self._wait(SLICE)
        if self._ended_with:
            raise TargetError(self._ended_with)
        self._asked.clear()
        self._asked_at, self._told = 0.0, False
        return self._set_off(move, self._stop.thread if thread is None else thread, backwards)

    def _wait(self, seconds: float) -> Stop:
        if self._asked.is_set():
            self._ask()
        arrival = self._next(seconds)
        return self._still_running() if arrival is None else self._arrived(arrival)

    def _ask(self) -> None:
        """Once an interrupt; the second time the wait is given up."""
        self._asked.clear()
        if self._asked_at:
            raise TargetError(GIVEN_UP.format(self.name))
        self._halt()
        self._asked_at = time.monotonic()

    def _still_running(self) -> Stop:
        waited = time.monotonic() - self._asked_at if self._asked_at else 0.0
        self._urge(waited)
        if waited > PATIENCE and not self._told:
            self._told = True
            self.say("asked to stop, no answer yet")
        return self._at(self._stop.thread, self._stop.pc, (Reason(StopKind.RUNNING, f"{self.name} runs"),))

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

    def _over(self, reason: Reason) -> Stop:
        """The program has ended."""
        self._ended_with = f"the program of {self.name} has ended"
        return self._stands(self._stop.thread, self._stop.pc, (reason,))


class Backwards:
    """The power to run backwards of a machine that has it itself."""

    def __init__(self, target: LiveTarget[Any, Any, Any, Any]) -> None:
        self._target = target

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        return self._target.go(move, thread, backwards=True)
