"""The target that is a live machine: everything that does not depend on how it is reached."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from typing import Any, Generic, TypeVar

from cvmdbg.target import (
    Capabilities,
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
from cvmdbg.targets.live.shown import MemoryOf, PointsOf, Shown, StateOf

SLICE = 0.02
PATIENCE = 2.0
"""Seconds after which a machine that was asked to stop is said not to answer."""
GIVEN_UP = "{} was asked to stop twice and does not answer: detach lets it go, continue waits on"

Arrival = TypeVar("Arrival")
"""What a kind of link tells when the machine comes to stand."""


class LiveTarget(Shown[StateOf, MemoryOf, PointsOf], Generic[Arrival, StateOf, MemoryOf, PointsOf]):
    """``interrupt`` may come from any thread; everything else from one."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._asked = threading.Event()
        self._asked_at = 0.0
        self._told = False
        self._ended_with = ""
        self._tagged: Capabilities | None = None
        self._reverse: Reverse | None = None

    # ---- what a kind of link gives ---------------------------------------------------------------------------------

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

    def _why_not(self) -> str:
        """Why the machine cannot be looked at now, or ``""``."""
        running = f"{self.name} runs: it can be looked at when it stands" if self.running else ""
        return self.lost or self._ended_with or running

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
