"""Memory of the stopped machine, read once for each stop: bytes in pieces, capabilities where the stub gives tags.

    read ──▶ piece known at this stop? ──no──▶ one batch: the missing pieces, and what the last stop's panes looked at

While the machine runs, and after it was lost, what the last stop has shown is still there; nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cvmdbg.guests.attached import Device
from cvmdbg.target import NotMapped, TargetError, Unknown
from cvmdbg.targets.live.parts import Sink
from cvmdbg.targets.remote.link import Link
from gdbstub.call import ProtocolError, Unsupported
from gdbstub.commands import capabilities, memory

PIECE = 256
GRANULE = 16
SCREEN = 256
"""So many pieces and granules of the last stop are read again together."""
FEW = 8
"""A stop at which less was looked at was a step on the way: what its panes want is not learnt from it."""
MAX_PIECES = 1 << 14
END = 1 << 64
RAW = (1 << 128) - 1


class Memory:
    """``state`` says why nothing can be read now, or "". ``ranges``: where reading is safe, None for everywhere."""

    def __init__(self, link: Link, state: Callable[[], str]) -> None:
        self._link, self._state = link, state
        self._size = min(PIECE, 1 << (max(32, (link.client.peer.packet_size - 16) // 2).bit_length() - 1))
        self.ranges: tuple[tuple[int, int], ...] | None = None if link.stub.anywhere else ()
        self.devices: tuple[Device, ...] = ()  # never read: a read there is an act
        self._pieces: dict[int, bytes | None] = {}
        self._granules: dict[int, int | None] = {}
        self._before: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
        self._missed = 0
        self.sink: Sink | None = None

    def stopped(self) -> None:
        """Another stop: nothing that was read holds any longer."""
        if len(self._pieces) + len(self._granules) > FEW:
            self._before = tuple(self._pieces)[:SCREEN], tuple(self._granules)[:SCREEN]
        self._pieces, self._granules, self._missed = {}, {}, 0

    def tell(self) -> None:
        """Give the sink what was read at this stop already."""
        self._tell(list(self._pieces), list(self._granules))

    def _tell(self, pieces: Iterable[int], granules: Iterable[int]) -> None:
        if self.sink is not None:
            self.sink.memory([(at, content) for at in pieces if (content := self._pieces[at])])
            self.sink.granules({at: value for at in granules if (value := self._granules[at]) is not None})

    # ---- bytes ----

    def read(self, address: int, size: int) -> bytes:
        """All of it; TargetError names the first address that the stub does not read."""
        if address < 0 or address + size > END:
            raise NotMapped(f"{max(address, 0):#x} is not mapped")
        if self.ranges is not None:
            return self._guarded(address, size)
        starts = range(address & -self._size, address + size, self._size)
        if len(starts) > MAX_PIECES:
            raise TargetError(f"{size} bytes at once; at most {MAX_PIECES * self._size}")
        self._fetch([at for at in starts if at not in self._pieces], [])
        parts = [self._part(at, address, size) for at in starts]
        return b"".join(parts)

    def _part(self, at: int, address: int, size: int) -> bytes:
        """What a piece contributes to a range."""
        content = self._pieces.get(at)
        first, last = max(address - at, 0), min(address + size - at, self._size)
        if content is None or len(content) < last:
            raise NotMapped(f"{max(address, at + len(content or b'')):#x} is not mapped")
        return content[first:last]

    def _guarded(self, address: int, size: int) -> bytes:
        """Of a stub that dies from reading elsewhere."""
        assert self.ranges is not None
        if not any(begin <= address and address + size <= end for begin, end in self.ranges):
            raise TargetError(
                f"{address:#x} is outside of what is known to be mapped, and this stub ends when it reads elsewhere"
            )
        self._size = min(self._size, 16)
        starts = range(address & -16, address + size, 16)
        inside = [at for at in starts if any(begin <= at and at + 16 <= end for begin, end in self.ranges)]
        self._fetch([at for at in inside if at not in self._pieces], [])
        return b"".join(self._part(at, address, size) for at in starts)

    def write(self, address: int, content: bytes) -> None:
        """Write; the tags of what is written go."""
        self._must_stand()
        room = max(16, (self._link.client.peer.packet_size - 32) // 2)
        with self._link.telling():
            for at in range(0, len(content), room):
                self._link.client.call(memory.write(address + at, content[at : at + room]))
        self.forget(address, len(content))

    def forget(self, address: int, size: int) -> None:
        """It was changed: read it again."""
        for at in [at for at in self._pieces if at < address + size and address < at + self._size]:
            del self._pieces[at]
        for at in [at for at in self._granules if at < address + size and address < at + GRANULE]:
            del self._granules[at]

    # ---- capabilities ----

    def granule(self, address: int) -> int:
        """129 bits."""
        return self.granules(address, GRANULE)[0]

    def granules(self, address: int, size: int) -> list[int]:
        """Those of a range; a miss of a single one brings its neighbours."""
        wanted = range(address, address + size, GRANULE)
        missing = [at for at in wanted if at not in self._granules]
        if len(missing) == 1 and self.ranges is None:
            block = address & -self._size
            missing = [at for at in range(block, block + self._size, GRANULE) if at not in self._granules]
        self._fetch([], missing)
        found = []
        for at in wanted:
            value = self._granules.get(at)
            if value is None:
                raise NotMapped(f"{at:#x} is not mapped")
            found.append(value)
        return found

    def write_granule(self, address: int, value: int) -> None:
        """Store 129 bits; a stub without that power can store untagged ones as bytes."""
        self._must_stand()
        try:
            with self._link.telling():
                try:
                    self._link.client.call(capabilities.write(address, value))
                except Unsupported:
                    if value >> 128:
                        raise
                    self._link.client.call(memory.write(address, (value & RAW).to_bytes(16, "little")))
        finally:
            self.forget(address, GRANULE)

    # ---- the link ----

    def _must_stand(self) -> None:
        why = self._state()
        if why:
            raise TargetError(why)

    def _fetch(self, pieces: list[int], granules: list[int]) -> None:
        """Read what is missing; at the second miss of a stop, also what the panes looked at the last time."""
        if not pieces and not granules:
            return
        why = self._state()
        if why:
            raise Unknown(why)
        pieces, granules = self._without_devices(pieces, granules)
        self._missed += 1
        if self._missed == 2 and self.ranges is None:
            again, marks = self._before
            pieces = [*pieces, *_new(again, self._pieces, pieces)]
            granules = [*granules, *_new(marks, self._granules, granules)]
            pieces, granules = self._without_devices(pieces, granules)
        if len(self._pieces) > 4 * MAX_PIECES:
            self._pieces.clear()
        calls = [memory.read(at, self._size) for at in pieces]
        with self._link.telling():
            values = self._link.client.batch([*calls, *(capabilities.read(at) for at in granules)])
        for at, value in zip(pieces, values, strict=False):
            self._pieces[at] = None if isinstance(value, ProtocolError) else value
        for at, value in zip(granules, values[len(pieces) :], strict=True):
            self._granules[at] = None if isinstance(value, ProtocolError) else value
        self._tell(pieces, granules)

    def _without_devices(self, pieces: list[int], granules: list[int]) -> tuple[list[int], list[int]]:
        """What may be asked; the rest is known not to be readable."""
        if not self.devices:
            return pieces, granules
        for at in [at for at in pieces if self._is_device(at, self._size)]:
            self._pieces[at] = None
        for at in [at for at in granules if self._is_device(at, GRANULE)]:
            self._granules[at] = None
        return [at for at in pieces if at not in self._pieces], [at for at in granules if at not in self._granules]

    def _is_device(self, address: int, size: int) -> bool:
        return any(d.address < address + size and address < d.address + d.size for d in self.devices)


def _new(
    wanted: Iterable[int], known: dict[int, object] | dict[int, bytes | None] | dict[int, int | None], asked: list[int]
) -> list[int]:
    return [at for at in wanted if at not in known and at not in asked]


class Tagged:
    """The target's power over capabilities in memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def read(self, address: int) -> int:
        return self._memory.granule(address)

    def write(self, address: int, value: int) -> None:
        self._memory.write_granule(address, value)

    def tags(self, address: int, size: int) -> bytes:
        return bytes(value >> 128 for value in self._memory.granules(address, size))
