"""What every target shows whose guest stands in an inferior of ours: registers, memory, threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from cvmdbg.target import Capabilities, Region, Register, Stop, Stops, TargetError, Thread
from cvmdbg.targets.breaks import Breaks
from cvmdbg.targets.inferior import Inferior, prot_letters
from cvmdbg.targets.registers import REGISTERS, read_register, read_registers
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
        return tuple(Region(a, size, prot_letters(prot)) for a, size, prot, _ in self.inferior.machine.regions())

    def read_register(self, thread: int, name: str) -> int:
        """129 bits for a capability register, 128 for a vector, 64 otherwise."""
        return read_register(self.inferior.machine, thread, name)

    def read_registers(self, thread: int, names: Sequence[str]) -> list[int]:
        """Many of them at once."""
        return read_registers(self.inferior.machine, thread, names)

    def read(self, address: int, size: int) -> bytes:
        """Bytes at a virtual address, as the current thread translates it."""
        if not self._translates():
            return self.peek(lambda machine: machine.read(address, size))
        return b"".join(self._read_at(*place) for place in self.places(address, size))

    def read_capability(self, address: int) -> int:
        """The granule at a 16-aligned address, 129 bits (a guest's View)."""
        return self._memory.read(address)

    def peek(self, look: Callable[[_core.Machine], T]) -> T:
        """Looks at memory; an unmapped address becomes a TargetError that names it."""
        try:
            return look(self.inferior.machine)
        except _core.Unmapped as error:
            raise TargetError(f"{error.args[0]:#x} is not mapped") from None

    def write_register(self, thread: int, name: str, value: int) -> None:
        self.edit(RegisterWrite(thread, name, value))

    def write(self, address: int, content: bytes) -> None:
        """All of it, or nothing where a part is not mapped."""
        places = list(self.places(address, len(content)))
        for place in places:
            self._read_at(*place)
        for start, size in places:
            self.edit(MemoryWrite(start, content[:size]))
            content = content[size:]

    def places(self, address: int, size: int) -> Iterator[tuple[int, int]]:
        """Physical address and size of each piece of a virtual range; TargetError at the first without translation."""
        machine, thread, end = self.inferior.machine, self.inferior.schedule.current, address + size
        if not self._translates():
            yield address, size
            return
        while address < end:
            count = min(end - address, _core.PAGE - address % _core.PAGE)
            start = machine.translate(thread, address)
            if start is None:
                raise TargetError(f"{address:#x} is not mapped: the page tables have no translation")
            yield start, count
            address += count

    def place(self, address: int) -> int:
        """The physical address of a virtual one."""
        return next(self.places(address, 1))[0]

    def _translates(self) -> bool:
        return self.inferior.machine.translates(self.inferior.schedule.current)

    def _read_at(self, address: int, size: int) -> bytes:
        return self.peek(lambda machine: machine.read(address, size))

    def _pc(self, thread: int) -> int:
        return read_register(self.inferior.machine, thread, "pc") if thread >= 0 else 0


class _Memory:
    """Capabilities and tags in memory."""

    def __init__(self, target: InferiorTarget) -> None:
        self._target = target

    def read(self, address: int) -> int:
        place = self._target.place(address)
        raw, tag = self._target.peek(lambda machine: machine.read_capability(place))
        return int(tag) << 128 | raw

    def write(self, address: int, value: int) -> None:
        place = self._target.place(address)
        self._target.edit(CapabilityWrite(place, value & RAW, bool(value >> 128)))

    def tags(self, address: int, size: int) -> bytes:
        return b"".join(self._at(*place) for place in self._target.places(address, size))

    def _at(self, address: int, size: int) -> bytes:
        return self._target.peek(lambda machine: machine.read_tags(address, size))
