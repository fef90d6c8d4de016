"""A machine made of dictionaries: applies effects, so that a deployment can be looked at without the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from cvmdbg.guests.guest import Guest, Outcome
from cvmdbg.target import TargetError
from emulator_core._core import Capability
from sessions.event import (
    CapabilityWrite,
    Effect,
    Map,
    MemoryWrite,
    Output,
    ProgramExit,
    Protect,
    RegisterWrite,
    ThreadBlock,
    ThreadExit,
    ThreadStart,
    ThreadWake,
)

PAGE = 0x1000
LOW = (1 << 64) - 1


@dataclass
class Plan:
    """Memory by page, tags by granule, registers by thread. It is a View as well."""

    pages: dict[int, bytearray] = field(default_factory=dict)
    ranges: list[tuple[int, int, str]] = field(default_factory=list)
    tags: set[int] = field(default_factory=set)
    registers: dict[tuple[int, str], int] = field(default_factory=dict)
    blocked: dict[int, str] = field(default_factory=dict)
    ended: dict[int, int] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)
    exit_status: int | None = None
    tick: int = 0
    stdin: bytes | None = None
    observations: list[object] = field(default_factory=list)

    def take(self, outcome: Outcome) -> Outcome:
        for effect in outcome.effects:
            self.apply(effect)
        self.observations += outcome.observations
        return outcome

    def start(self, guest: Guest) -> Plan:
        for outcome in guest.start():
            self.take(outcome)
        return self

    def apply(self, effect: Effect) -> None:
        match effect:
            case Map(address, size, prot, _):
                assert address % PAGE == 0 and size % PAGE == 0 and size > 0 and set(prot) <= set("rwx")
                self.ranges.append((address, address + size, prot))
            case Protect(address, size, prot):
                assert self.prot(address) and self.prot(address + size - 1)
                self.ranges.append((address, address + size, prot))
            case MemoryWrite(address, content):
                self._write(address, content)
            case CapabilityWrite(address, raw, tag):
                assert address % 16 == 0
                self._write(address, raw.to_bytes(16, "little"))
                if tag:
                    self.tags.add(address)
            case RegisterWrite(thread, register, value):
                assert 0 <= value < 1 << 129
                self.registers[thread, register] = value
            case ThreadStart(thread, _):
                assert thread == len(self.started)
                self.started.append(thread)
            case ThreadBlock(thread, reason):
                assert thread not in self.blocked
                self.blocked[thread] = reason
            case ThreadWake(thread):
                del self.blocked[thread]
            case ThreadExit(thread, status):
                self.ended[thread] = status
            case ProgramExit(status):
                self.exit_status = status
            case _:
                raise AssertionError(effect)

    def prot(self, address: int) -> str:
        """What the last mapping or protection over an address allows; empty when it is unmapped."""
        return next((prot for start, end, prot in reversed(self.ranges) if start <= address < end), "")

    def _write(self, address: int, content: bytes) -> None:
        assert content
        while content:
            assert self.prot(address), f"{address:#x} is not mapped"
            at = address % PAGE
            part, content = content[: PAGE - at], content[PAGE - at :]
            self.pages.setdefault(address // PAGE, bytearray(PAGE))[at : at + len(part)] = part
            self.tags -= set(range(address // 16 * 16, address + len(part), 16))
            address += len(part)

    def read(self, address: int, size: int) -> bytes:
        for page in range(address // PAGE, (address + max(size, 1) - 1) // PAGE + 1):
            if not self.prot(page * PAGE):
                raise TargetError(f"{max(address, page * PAGE):#x} is not mapped")
        first, last = address // PAGE, (address + size) // PAGE
        whole = b"".join(self.pages.get(page, bytes(PAGE)) for page in range(first, last + 1))
        return whole[address % PAGE : address % PAGE + size]

    def word(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def read_capability(self, address: int) -> int:
        raw = int.from_bytes(self.read(address, 16), "little")
        return (address in self.tags) << 128 | raw

    def capability(self, address: int) -> Capability:
        return Capability(self.read_capability(address))

    def register(self, thread: int, name: str) -> int:
        if name[0] == "x" or name == "sp":
            name = "c" + name[1:] if name[0] == "x" else "csp"
            return self.registers.get((thread, name), 0) & LOW
        return self.registers.get((thread, name), 0)

    def input(self, size: int) -> bytes | None:
        if self.stdin is None:
            return None
        taken, self.stdin = self.stdin[:size], self.stdin[size:]
        return taken

    def console(self, source: str) -> str:
        said = [o.text for o in self.observations if isinstance(o, Output) and o.source == source]
        return b"".join(said).decode()
