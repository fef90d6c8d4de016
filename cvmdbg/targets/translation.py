"""Where virtual addresses of an inferior lead: through the page tables of its current thread, where they are on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol, TypeVar

from cvmdbg.target import Region, TargetError
from cvmdbg.targets.inferior import Inferior, prot_letters
from emulator_core import _core

T = TypeVar("T")


class Peek(Protocol):
    """Looks at physical memory; TargetError names an address that is not mapped."""

    def __call__(self, look: Callable[[_core.Machine], T], /) -> T: ...


def peek_at(inferior: Inferior, look: Callable[[_core.Machine], T], /) -> T:
    """Looks at physical memory as it is."""
    try:
        return look(inferior.machine)
    except _core.Unmapped as error:
        raise TargetError(f"{error.args[0]:#x} is not mapped") from None


class Virtual:
    """The memory of an inferior by virtual address. ``peek`` may fetch what is missing; without it nothing does."""

    def __init__(self, inferior: Inferior, peek: Peek | None = None) -> None:
        self._inferior, self._peek = inferior, peek or partial(peek_at, inferior)

    @property
    def translates(self) -> bool:
        """Is stage 1 on where the current thread stands?"""
        return self._inferior.machine.translates(self._inferior.schedule.current)

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, int]]:
        """Physical address and size of each piece of a range; TargetError at the first without translation."""
        machine, thread, end = self._inferior.machine, self._inferior.schedule.current, address + size
        if not self.translates:
            yield address, size
            return
        while address < end:
            count = min(end - address, _core.PAGE - address % _core.PAGE)
            start = machine.translate(thread, address)
            if start is None:
                raise TargetError(f"{address:#x} is not mapped: the page tables have no translation")
            yield start, count
            address += count

    def physical(self, address: int) -> int:
        """The physical address of a virtual one."""
        return next(self.pieces(address, 1))[0]

    def read(self, address: int, size: int) -> bytes:
        """Bytes."""
        if not self.translates:
            return self.read_physical(address, size)
        return b"".join(self.read_physical(*piece) for piece in self.pieces(address, size))

    def read_physical(self, address: int, size: int) -> bytes:
        """Bytes at a physical address."""
        return self._peek(lambda machine: machine.read(address, size))

    def tags(self, address: int, size: int) -> bytes:
        """One byte, 0 or 1, for each granule of a range; the address is 16-aligned."""
        return b"".join(self._tags_at(*piece) for piece in self.pieces(address, size))

    def _tags_at(self, address: int, size: int) -> bytes:
        return self._peek(lambda machine: machine.read_tags(address, size))

    def capability(self, address: int) -> int:
        """The granule at a 16-aligned address, 129 bits."""
        place = self.physical(address)
        raw, tag = self._peek(lambda machine: machine.read_capability(place))
        return int(tag) << 128 | raw

    def regions(self) -> tuple[Region, ...]:
        """What is mapped: by the page tables where they are on, else the memory itself."""
        if not self.translates:
            return tuple(Region(a, size, prot_letters(prot)) for a, size, prot, _ in self._inferior.machine.regions())
        try:
            listed = self._inferior.machine.mappings(self._inferior.schedule.current)
        except OverflowError as error:
            raise TargetError(str(error)) from None
        return tuple(
            Region(address, size, prot_letters(prot), _capability_letters(may), physical)
            for address, size, physical, prot, may, _ in listed
        )


def _capability_letters(may: int) -> str:
    """What a descriptor lets tags do, as letters.

    ``R`` loads see them, ``F`` loads fault on them, ``-`` loads see none; ``W`` they may be stored, ``-`` they fault.
    """
    load = "R" if may & _core.CapProt.LOAD else "F" if may & _core.CapProt.LOAD_FAULT else "-"
    return load + ("W" if may & _core.CapProt.STORE else "-")
