"""Memory of the stopped machine, read once for each stop; capabilities where ``x/xgm`` of the gdb tells tags."""

from __future__ import annotations

import re
from collections.abc import Callable

from cvmdbg.target import NotMapped, TargetError, Unknown
from cvmdbg.targets.gdbmi.records import text_of, tuples_of
from cvmdbg.targets.gdbmi.talk import Gdb, Refused
from cvmdbg.targets.live.parts import Sink

PIECE = 256
GRANULE = 16
END = 1 << 64
MAX_READ = 1 << 22
MAX_KEPT = 1 << 14
_TAG = re.compile(r"<CHERI Tag ([01]) for range \[(0x[0-9a-f]+),")
_WORDS = re.compile(r"^(0x[0-9a-f]+)[^:\n]*:\s+(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s*$", re.MULTILINE)


class Memory:
    """``state`` says why nothing can be read now, or ``""``."""

    def __init__(self, gdb: Gdb, state: Callable[[], str]) -> None:
        self._gdb, self._state = gdb, state
        self._pieces: dict[int, bytes] = {}
        self._granules: dict[int, int] = {}
        self.sink: Sink | None = None

    def tell(self) -> None:
        """Give the sink what was read at this stop already."""
        if self.sink is not None:
            self.sink.memory(self._pieces.items())
            self.sink.granules(self._granules)

    def stopped(self) -> None:
        """Another stop: nothing that was read holds any longer."""
        self._pieces.clear()
        self._granules.clear()

    # ---- bytes ----

    def read(self, address: int, size: int) -> bytes:
        """All of it; TargetError names the first address that gdb does not read."""
        if address < 0 or address + size > END:
            raise NotMapped(f"{max(address, 0):#x} is not mapped")
        if size > MAX_READ:
            raise TargetError(f"{size} bytes at once; at most {MAX_READ}")
        starts = range(address & -PIECE, address + size, PIECE)
        missing = [at for at in starts if at not in self._pieces]
        if missing:
            self._fetch(missing[0], missing[-1] + PIECE)
        if any(at not in self._pieces for at in starts):
            return self._exactly(address, size)
        whole = b"".join(self._pieces[at] for at in starts)
        return whole[address - starts[0] :][:size]

    def _fetch(self, begin: int, end: int) -> None:
        """Keep the whole pieces of a range."""
        if len(self._pieces) > MAX_KEPT:
            self._pieces.clear()
        for base, content in self._blocks(begin, end - begin):
            for at in range(-(-base // PIECE) * PIECE, base + len(content) - PIECE + 1, PIECE):
                self._pieces[at] = content[at - base :][:PIECE]

    def _exactly(self, address: int, size: int) -> bytes:
        """A range in pieces that are not wholly there."""
        reached = address
        found = b""
        for base, content in sorted(self._blocks(address, size)):
            if base != reached:
                break
            found, reached = found + content, reached + len(content)
        if len(found) < size:
            raise NotMapped(f"{reached:#x} is not mapped")
        return found[:size]

    def _blocks(self, address: int, size: int) -> list[tuple[int, bytes]]:
        """What can be read of a range."""
        if why := self._state():
            raise Unknown(why)
        try:
            answer = self._gdb.ask(f"-data-read-memory-bytes {address:#x} {size}")
        except Refused:
            return []
        found = [_block(one, self._gdb) for one in tuples_of(answer.payload, "memory")]
        if self.sink is not None:
            self.sink.memory(found)
        return found

    def write(self, address: int, content: bytes) -> None:
        """Write bytes."""
        if why := self._state():
            raise TargetError(why)
        for at in range(0, len(content), PIECE):
            part = content[at : at + PIECE]
            self._gdb.ask(f"-data-write-memory-bytes {address + at:#x} {part.hex()}")
        self.stopped()

    # ---- capabilities ----

    def granules(self, address: int, size: int) -> list[int]:
        """129 bits each. TargetError names the first that is not there."""
        wanted = range(address, address + size, GRANULE)
        if any(at not in self._granules for at in wanted):
            first = address & -PIECE
            if not self._examine(first, (wanted[-1] + PIECE & -PIECE) - first):
                self._examine(address, len(wanted) * GRANULE)
        for at in wanted:
            if at not in self._granules:
                raise NotMapped(f"{at:#x} is not mapped")
        return [self._granules[at] for at in wanted]

    def _examine(self, address: int, size: int) -> bool:
        if why := self._state():
            raise Unknown(why)
        if size > MAX_READ:
            raise TargetError(f"tags of {size} bytes at once; at most {MAX_READ}")
        try:
            text = self._gdb.console(f"x/{size // 8}xgm {address:#x}")
        except Refused:
            return False
        tags = {int(at, 16): int(tag) for tag, at in _TAG.findall(text)}
        words = {int(at, 16): int(high, 16) << 64 | int(low, 16) for at, low, high in _WORDS.findall(text)}
        found = {at: tags[at] << 128 | value for at, value in words.items() if at in tags}
        self._granules.update(found)
        if self.sink is not None:
            self.sink.granules(found)
        return bool(tags)

    def has_tags(self, address: int) -> bool:
        """Does this gdb tell the tag of a granule that is mapped?"""
        return self._examine(address & -GRANULE, GRANULE)


def _block(one: dict[str, object], gdb: Gdb) -> tuple[int, bytes]:
    try:
        return int(text_of(one, "begin"), 16), bytes.fromhex(text_of(one, "contents"))
    except ValueError:
        raise gdb.leave(f"{gdb.name} sends memory that is no hex digits") from None


class Tagged:
    """The target's power over capabilities in memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def read(self, address: int) -> int:
        return self._memory.granules(address, GRANULE)[0]

    def write(self, address: int, value: int) -> None:
        if value >> 128:
            raise TargetError("gdb stores no tags: only bytes can be written")
        self._memory.write(address, value.to_bytes(GRANULE, "little"))

    def tags(self, address: int, size: int) -> bytes:
        return bytes(value >> 128 for value in self._memory.granules(address, size))
