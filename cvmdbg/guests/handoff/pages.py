"""Memory of a machine that is taken over: pages, fetched once and kept, with their tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cvmdbg.guests.attached import Device
from cvmdbg.target import NotMapped, Target, TargetError
from emulator_core._core import GRANULE, PAGE
from sessions.event import CapabilityWrite, Effect, Map, MemoryWrite

PIECE = 256
RAW = (1 << 128) - 1


class Pages:
    """``devices``: where nothing is read, because reading is an act there. ``say`` gets what is odd about a page."""

    def __init__(self, remote: Target, name: str, devices: Sequence[Device], say: Callable[[str], None]) -> None:
        self._remote, self._name, self._devices, self._say = remote, name, tuple(devices), say
        self._regions = remote.regions()
        self._known: dict[int, tuple[Effect, ...] | None] = {}

    def page(self, address: int) -> tuple[Effect, ...] | None:
        """What makes the page, or None where there is none. TargetError when it cannot be had now."""
        if address not in self._known:
            self._known[address] = self._fetched(address)
        return self._known[address]

    @property
    def count(self) -> int:
        """How many pages have come."""
        return sum(effects is not None for effects in self._known.values())

    def _fetched(self, address: int) -> tuple[Effect, ...] | None:
        if any(d.address < address + PAGE and address < d.address + d.size for d in self._devices):
            return (Map(address, PAGE, "rw", device=True),)
        try:
            content = self._content(address)
            if content is None:
                return None
            tagged = self._tagged(address)
        except TargetError as error:
            raise TargetError(f"the page at {address:#x} was not fetched yet, and cannot be: {error}") from None
        plain = (MemoryWrite(address, content),) if any(content) else ()
        return (Map(address, PAGE, self._prot(address)), *plain, *tagged)

    def _content(self, address: int) -> bytes | None:
        """The bytes; zeros where a part of the page cannot be read, None where nothing of it can."""
        try:
            return self._remote.read(address, PAGE)
        except NotMapped:
            pieces = [self._piece(at) for at in range(address, address + PAGE, PIECE)]
        if all(piece is None for piece in pieces):
            return None
        missing = sum(piece is None for piece in pieces) * PIECE
        if missing:
            self._say(f"{missing} bytes of the page at {address:#x} cannot be read of {self._name}: they are 0 here")
        return b"".join(piece or bytes(PIECE) for piece in pieces)

    def _piece(self, address: int) -> bytes | None:
        try:
            return self._remote.read(address, PIECE)
        except NotMapped:
            return None

    def _tagged(self, address: int) -> tuple[Effect, ...]:
        """The granules that hold a capability."""
        capabilities = self._remote.capabilities
        if capabilities is None:
            return ()
        try:
            tags = capabilities.tags(address, PAGE)
        except NotMapped as error:
            self._say(f"the page at {address:#x} has come without its tags: {error}")
            return ()
        places = (address + GRANULE * n for n, tag in enumerate(tags) if tag)
        return tuple(CapabilityWrite(at, capabilities.read(at) & RAW, True) for at in places)

    def _prot(self, address: int) -> str:
        """What the machine says may be done with a page; all where it says nothing."""
        for region in self._regions:
            if region.address <= address < region.address + region.size:
                return region.prot.replace("-", "")
        return "rwx"
