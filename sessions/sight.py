"""What was seen of a guest that cannot be replayed, stop by stop. ``tick`` is the number of the stop, from 0.

What no sight tells was not read at that stop. A later sight of the same stop holds where two differ: somebody wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

WIDE = 17
"""Bytes of a granule in a sight: 16 little-endian, then a byte for the tag."""


@dataclass(frozen=True, slots=True)
class Stood:
    """The machine came to stand. ``said`` is JSON of the reasons, whose meaning is the debugger's."""

    tick: int
    thread: int
    pc: int
    said: str


@dataclass(frozen=True, slots=True)
class SawRegisters:
    """Registers of a thread by the names that the machine gives them; ``values`` as ``sized`` packs them."""

    tick: int
    thread: int
    names: tuple[str, ...]
    values: bytes


@dataclass(frozen=True, slots=True)
class SawMemory:
    """Bytes at an address."""

    tick: int
    address: int
    content: bytes


@dataclass(frozen=True, slots=True)
class SawGranules:
    """Capabilities with their tags from a 16-aligned address on, ``WIDE`` bytes each."""

    tick: int
    address: int
    values: bytes


@dataclass(frozen=True, slots=True)
class SawThread:
    """A thread as it was listed; the threads of a stop are those of the last stop at which any was listed."""

    tick: int
    thread: int
    name: str
    state: str
    reason: str
    ids: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SawRegion:
    """Mapped memory; the regions of a stop are those of the last stop at which any was listed."""

    tick: int
    address: int
    size: int
    prot: str


Sight: TypeAlias = Stood | SawRegisters | SawMemory | SawGranules | SawThread | SawRegion


def sized(values: list[int]) -> bytes:
    """Numbers of any size: how many bytes (2 bytes), then so many, little-endian."""
    sizes = [(value.bit_length() + 7) // 8 for value in values]
    return b"".join(
        size.to_bytes(2, "little") + value.to_bytes(size, "little") for value, size in zip(values, sizes, strict=True)
    )


def sized_values(packed: bytes) -> list[int]:
    """The way back; one that is cut is none."""
    found, at = [], 0
    while at + 2 <= len(packed):
        size = int.from_bytes(packed[at : at + 2], "little")
        part = packed[at + 2 : at + 2 + size]
        if len(part) == size:
            found.append(int.from_bytes(part, "little"))
        at += 2 + size
    return found


def wide(values: list[int]) -> bytes:
    """Granules of 129 bits as a sight keeps them."""
    return b"".join(value.to_bytes(WIDE, "little") for value in values)


def values_of(packed: bytes) -> list[int]:
    """The way back; a part of a value at the end is none."""
    mask = (1 << 129) - 1
    return [int.from_bytes(packed[at : at + WIDE], "little") & mask for at in range(0, len(packed) - WIDE + 1, WIDE)]
