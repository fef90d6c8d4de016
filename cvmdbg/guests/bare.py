"""Bare-metal Morello programs: one ELF, loaded by physical address, entered at EL3 with the MMU off.

An ELF may be linked at virtual addresses of its own (p_vaddr), for when its page tables put it there.

    0 … 0x13000000    RAM
    0x13000000        the tube: a byte stored here is printed, the byte 4 ends the run

Source: the harness of rems-project/morello-generated-tests.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cvmdbg.guests import tube
from cvmdbg.guests.guest import Boundary, BoundaryKind, Compartment, Module, Outcome, Part, Symbol, View
from cvmdbg.guests.intravisor import elf
from cvmdbg.guests.intravisor.elf import Elf, ElfError
from cvmdbg.guests.tube import TUBE
from cvmdbg.target import Reason, StopKind, UserError
from emulator_core._core import Capability
from sessions.event import Effect, Map, MemoryWrite, ModuleLoad, RegisterWrite, ThreadStart

RAM = 0x13000000
EL3H_MASKED = 0x3CD  # PSTATE at entry: EL3 with its own stack pointer, interrupts masked
C64 = 1 << 26


@dataclass(slots=True)
class _State:
    """Output that has no newline yet."""

    line: bytearray


class Bare:
    """One program on a bare machine."""

    arch = "morello"
    calls = None
    waits = None
    absent = None
    taps = ()

    def __init__(self, path: Path, args: tuple[str, ...] = ()) -> None:
        if args:
            raise UserError(f"{path.name} is a bare-metal program: it takes no arguments")
        self._elf = elf.read(path.read_bytes(), path.name)
        _check(self._elf)
        self._state = _State(bytearray())

    @property
    def name(self) -> str:
        return self._elf.name

    # ---- facts ----------------------------------------------------------------------------------

    def compartments(self) -> tuple[Compartment, ...]:
        """The whole machine is one compartment."""
        places = {(s.paddr, s) for s in self._elf.segments} | {(s.vaddr, s) for s in self._elf.segments}
        parts = tuple(
            Part("text" if s.flags & elf.PF_X else "data", "segment", address, s.memsz, s.letters, "rwx")
            for address, s in sorted(places, key=lambda place: place[0])
        )
        pure = bool(self._elf.entry & 1)
        return (Compartment("M", "bare machine", 0, RAM, 0, 1 << 64, None, pure, parts=parts),)

    def modules(self) -> tuple[Module, ...]:
        """The program where it is loaded; and where it is linked, for when its page tables put it there."""
        segments, content = self._elf.segments, self._elf.content
        sha256 = hashlib.sha256(content).hexdigest()
        moved = segments[0].paddr - segments[0].vaddr
        ends = {moved: max(s.paddr + s.memsz for s in segments)} | {0: max(s.vaddr + s.memsz for s in segments)}
        return tuple(
            Module(self.name, self.name, base % (1 << 64), end - base, "M", sha256, content)
            for base, end in ends.items()
        )

    def symbols(self) -> tuple[Symbol, ...]:
        return ()

    def file(self, path: str) -> bytes | None:
        return None

    def thread_ids(self, number: int) -> Mapping[str, int]:
        return {}

    def thread_name(self, number: int) -> str:
        return "cpu"

    # ---- state ----------------------------------------------------------------------------------

    def save(self) -> object:
        return copy.deepcopy(self._state)

    def load(self, state: object) -> None:
        assert isinstance(state, _State)
        self._state = copy.deepcopy(state)

    def alarm(self) -> int | None:
        return None

    # ---- running --------------------------------------------------------------------------------

    def start(self) -> tuple[Outcome, ...]:
        module = self.modules()[0]
        loaded = ModuleLoad(0, module.name, module.path, module.base, module.size, "M", module.sha256)
        return (Outcome("load", self._memory(), (loaded,)), Outcome("reset", self._reset()))

    def _memory(self) -> tuple[Effect, ...]:
        content = self._elf.content
        loads = (MemoryWrite(s.paddr, content[s.offset : s.offset + s.filesz]) for s in self._elf.segments if s.filesz)
        return (Map(0, RAM, "rwx"), Map(TUBE, 0x1000, "rw", device=True), *loads)

    def _reset(self) -> tuple[Effect, ...]:
        """PCC at the entry, PCC and DDC over everything; an odd entry begins in C64."""
        entry = entry_of(self._elf)
        mode = [RegisterWrite(0, "cpsr", EL3H_MASKED | C64)] if entry & 1 else []
        everything = Capability.almighty()
        return (
            ThreadStart(0, "system"),
            *mode,
            RegisterWrite(0, "ddc", everything.bits),
            RegisterWrite(0, "pcc", everything.set_value(entry & ~1).bits),
        )

    def boundary(self, boundary: Boundary, view: View) -> Outcome:
        if boundary.kind is BoundaryKind.DEVICE:
            return tube.store(boundary, view, self._state.line)
        if boundary.kind is BoundaryKind.FAULT:
            return Outcome("exception")  # the machine has its own vectors
        detail = f"the instruction {boundary.detail}".rstrip()
        return Outcome("unmodelled", stop=Reason(StopKind.UNMODELLED, f"{detail} is not modelled"))


def _check(program: Elf) -> None:
    for segment in program.segments:
        if segment.paddr + segment.memsz > RAM:
            raise ElfError(
                f"{program.name}: program header {segment.index} reaches {segment.paddr + segment.memsz:#x}, "
                f"past the end of RAM, {RAM:#x}"
            )
    entry = entry_of(program)
    if entry >= RAM:
        raise ElfError(f"{program.name}: its entry point, {entry:#x}, lies past the end of RAM, {RAM:#x}")


def entry_of(program: Elf) -> int:
    """Where it begins: an entry in a segment of code lies where that segment is loaded, as QEMU has it."""
    for s in program.segments:
        if s.flags & elf.PF_X and s.vaddr <= program.entry < s.vaddr + s.filesz:
            return program.entry - s.vaddr + s.paddr
    return program.entry
