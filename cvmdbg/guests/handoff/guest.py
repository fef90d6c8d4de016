"""The machine that was taken over, as the emulator's guest."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Protocol

from cvmdbg.guests import tube
from cvmdbg.guests.attached import Device
from cvmdbg.guests.guest import Boundary, BoundaryKind, Compartment, Module, Outcome, Symbol, View
from cvmdbg.guests.handoff import registers
from cvmdbg.guests.handoff.boundary import named
from cvmdbg.guests.handoff.pages import Pages
from cvmdbg.guests.handoff.registers import Taken
from cvmdbg.target import Reason, StopKind, Target, TargetError, Thread, UserError
from sessions.event import Effect, Note, ThreadBlock, ThreadStart, ThreadSwitch

SVC, SVC_MASK = 0xD4000001, 0xFFE0001F
HLT_HOSTCALL = 0xD4581BC0
TUBE = Device("tube", tube.TUBE, 4096)
WFI, WFE = 0xD503207F, 0xD503205F


class Said(Protocol):
    """What is known of the machine's program."""

    def compartments(self) -> tuple[Compartment, ...]: ...
    def modules(self) -> tuple[Module, ...]: ...
    def symbols(self) -> tuple[Symbol, ...]: ...
    def file(self, path: str) -> bytes | None: ...


class Live(Target, Protocol):
    """A live machine."""

    def ask_again(self) -> None:
        """Whatever ``interrupt`` gave up: the next question is waited for."""


class HandedOff:
    """``remote`` stands. UserError says why it cannot be taken over; ``lacking`` what was not carried over."""

    arch = "morello"
    calls = None
    waits = None
    taps = ()

    def __init__(self, name: str, remote: Live, facts: Said, devices: Sequence[Device] | None = None) -> None:
        registers.refuse(remote, name)
        self.name, self._remote, self._facts = name, remote, facts
        self._line = bytearray()
        self._notes: list[str] = []
        self._fetching = False
        current = remote.stop.thread
        self._threads = sorted(remote.threads(), key=lambda thread: (thread.number != current, thread.number))
        system = registers.is_system(remote, current)
        if system and registers.translates(remote, current):
            raise UserError(
                f"the MMU of {name} is on, and its stub gives tags by virtual address alone: it cannot be handed off"
            )
        known = devices if devices is not None else (TUBE,) if system else ()
        self._pages = Pages(remote, name, known, self._notes.append)
        self._taken = Taken(system)
        for number, thread in enumerate(self._threads):
            self._taken.effects += self._thread(number, thread)
        self._taken.effects.append(ThreadSwitch(0))
        self.lacking = tuple(self._lacking(devices))

    def _thread(self, number: int, thread: Thread) -> list[Effect]:
        """A context; one that waits in a call or for an interrupt does not run here."""
        start = ThreadStart(number, "system" if self._taken.system else "user")
        taken = Taken(self._taken.system, untold=self._taken.untold, halves=self._taken.halves)
        registers.take(self._remote, thread.number, number, taken)
        why = self._waits(thread.number) if number else ""
        return [start, *taken.effects, *([ThreadBlock(number, why)] if why else [])]

    def _waits(self, thread: int) -> str:
        """What the instruction that it has just retired waits for; nothing is known where that cannot be read."""
        try:
            before = self._remote.read(self._remote.read_register(thread, "pc") - 4, 4)
        except TargetError:
            return ""
        word = int.from_bytes(before, "little")
        if word & SVC_MASK == SVC or word == HLT_HOSTCALL:
            return "a call that it made before"
        return "an interrupt" if word in (WFI, WFE) else ""

    def _lacking(self, devices: Sequence[Device] | None) -> list[str]:
        found = self._taken.sentences(self.name)
        if self._remote.capabilities is None:
            found.append(f"{self.name} gives no tags: capabilities that are loaded from its memory are invalid here")
        if self._taken.system and registers.translates(self._remote, self._remote.stop.thread) is None:
            found.append(f"{self.name} tells no system registers: they begin as at reset, with the MMU off")
        if self._taken.system and devices is None:
            found.append(f"{self.name} does not tell where its devices are: what is not the tube is taken for RAM")
        others = len(self._threads) - 1
        if others and not self._taken.system:
            found.append(f"{others} more thread{'s' * (others > 1)}: those in a call stay there")
        return found

    # ---- pages ----------------------------------------------------------------------------------

    @property
    def absent(self) -> HandedOff:
        """Itself."""
        return self

    def page(self, address: int) -> Outcome | None:
        """Fetched on its first touch."""
        self._fetching = True
        try:
            effects = self._pages.page(address)
        finally:
            self._fetching = False
            self._remote.ask_again()
        notes = tuple(Note(0, note) for note in self._notes)
        self._notes.clear()
        return None if effects is None else Outcome(f"page {address:#x}", effects, notes)

    def give_up(self) -> None:
        """Ctrl-C while a page is waited for."""
        if self._fetching:
            self._remote.interrupt()

    @property
    def fetched(self) -> int:
        """Pages so far."""
        return self._pages.count

    # ---- running --------------------------------------------------------------------------------

    def start(self) -> tuple[Outcome, ...]:
        return (Outcome("handoff", tuple(self._taken.effects)),)

    def boundary(self, boundary: Boundary, view: View) -> Outcome:
        """What the machine met. Going on behind a call that is not modelled leaves its registers as they are."""
        if boundary.kind is BoundaryKind.DEVICE:
            return tube.store(boundary, view, self._line)
        if boundary.kind is BoundaryKind.FAULT and self._taken.system:
            return Outcome("exception")
        what = named(boundary, view)
        return Outcome("unmodelled", stop=Reason(StopKind.UNMODELLED, f"{what} is not modelled in a hand-off"))

    def alarm(self) -> int | None:
        return None

    def save(self) -> object:
        return bytes(self._line)

    def load(self, state: object) -> None:
        assert isinstance(state, bytes)
        self._line = bytearray(copy.copy(state))

    # ---- facts ----------------------------------------------------------------------------------

    def thread_ids(self, number: int) -> Mapping[str, int]:
        return self._threads[number].ids if number < len(self._threads) else {}

    def thread_name(self, number: int) -> str:
        return self._threads[number].name if number < len(self._threads) else str(number)

    def compartments(self) -> tuple[Compartment, ...]:
        return self._facts.compartments()

    def modules(self) -> tuple[Module, ...]:
        return self._facts.modules()

    def symbols(self) -> tuple[Symbol, ...]:
        return self._facts.symbols()

    def file(self, path: str) -> bytes | None:
        return self._facts.file(path)
