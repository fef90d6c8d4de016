"""What every target shows whose guest stands in an inferior of ours: registers, memory, threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from cvmdbg.target import Capabilities, Region, Register, Stop, Stops, Thread, UserError
from cvmdbg.targets.breaks import Breaks
from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.registers import REGISTERS, read_register, read_registers
from cvmdbg.targets.translation import Virtual, peek_at
from emulator_core import _core
from sessions.event import CapabilityWrite, Effect, MemoryWrite, RegisterWrite

RAW = (1 << 128) - 1

T = TypeVar("T")


class Names(Protocol):
    """What threads are called."""

    def thread_ids(self, thread: int) -> Mapping[str, int]: ...

    def thread_name(self, thread: int) -> str: ...


class InferiorTarget:
    """Looking at an inferior, and changing it through ``edit``."""

    def __init__(self, inferior: Inferior) -> None:
        self.inferior = inferior
        self.virtual = Virtual(inferior, self.peek)
        self._memory = _Memory(self)
        self.breaks = Breaks(inferior.machine)
        self._stop = Stop(-1, 0, 0, ())

    @property
    def names(self) -> Names:
        """Who knows the threads' names now."""
        raise NotImplementedError

    def edit(self, effect: Effect) -> None:
        """Change something because the user asked for it."""
        raise NotImplementedError

    @property
    def registers(self) -> tuple[Register, ...]:
        return REGISTERS

    @property
    def engine(self) -> str:
        return self.inferior.machine.engine

    def use_engine(self, name: str) -> None:
        try:
            self.inferior.machine.engine = _core.default_engine() if name == "auto" else name
        except ValueError as error:
            raise UserError(f"engine {name}: {error}") from None

    @property
    def stop(self) -> Stop:
        return self._stop

    @property
    def capabilities(self) -> Capabilities | None:
        return self._memory

    @property
    def stops(self) -> Stops | None:
        return self.breaks

    @property
    def tick(self) -> int:
        """Instructions retired over all threads."""
        return self.inferior.tick

    def threads(self) -> tuple[Thread, ...]:
        names = self.names
        return tuple(
            replace(t, name=names.thread_name(t.number), ids=dict(names.thread_ids(t.number)))
            for t in self.inferior.schedule.threads
        )

    def regions(self) -> tuple[Region, ...]:
        """By virtual address, as the current thread translates them."""
        return self.virtual.regions()

    def read_register(self, thread: int, name: str) -> int:
        """129 bits for a capability register, 128 for a vector, 64 otherwise."""
        return read_register(self.inferior.machine, thread, name)

    def read_registers(self, thread: int, names: Sequence[str]) -> list[int]:
        """Many of them at once."""
        return read_registers(self.inferior.machine, thread, names)

    def read(self, address: int, size: int) -> bytes:
        """Bytes at a virtual address, as the current thread translates it."""
        return self.virtual.read(address, size)

    def read_capability(self, address: int) -> int:
        """The granule at a 16-aligned address, 129 bits (a guest's View)."""
        return self.virtual.capability(address)

    def peek(self, look: Callable[[_core.Machine], T], /) -> T:
        """Looks at physical memory; an unmapped address becomes a TargetError that names it."""
        return peek_at(self.inferior, look)

    def write_register(self, thread: int, name: str, value: int) -> None:
        self.edit(RegisterWrite(thread, name, value))

    def write(self, address: int, content: bytes) -> None:
        """All of it, or nothing where a part is not mapped."""
        pieces = list(self.virtual.pieces(address, len(content)))
        for start, size in pieces:
            self.virtual.read_physical(start, size)
        for start, size in pieces:
            self.edit(MemoryWrite(start, content[:size]))
            content = content[size:]

    def _pc(self, thread: int) -> int:
        return read_register(self.inferior.machine, thread, "pc") if thread >= 0 else 0


class _Memory:
    """Capabilities and tags in memory."""

    def __init__(self, target: InferiorTarget) -> None:
        self._target = target

    def read(self, address: int) -> int:
        return self._target.virtual.capability(address)

    def write(self, address: int, value: int) -> None:
        place = self._target.virtual.physical(address)
        self._target.edit(CapabilityWrite(place, value & RAW, bool(value >> 128)))

    def tags(self, address: int, size: int) -> bytes:
        return self._target.virtual.tags(address, size)
