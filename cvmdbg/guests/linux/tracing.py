"""What a trace needs of memory: the bytes that a decoded call points at, as they are when it is served.

A call is decoded later, when somebody looks; these bytes go beside it as observations. Calls without pointers cost
nothing, and plain buffers are read without decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from cvmdbg.guests.linux.decoder import Caller, Style, entering, leaving
from cvmdbg.guests.linux.facts import Call, calls
from cvmdbg.target import TargetError
from sessions.event import Captured, Effect, MemoryWrite, Observation

ABI = "aarch64"
KEPT = 256
"""Bytes of a buffer that are kept: as many as a trace can show of it."""

_STYLE = Style(limit=KEPT)
_NUMBERS = frozenset(
    (
        *("fd", "atfd", "int", "uint", "size", "offset", "hex", "mode", "file_mode", "dev", "uid", "signal", "ptr"),
        *("none", "flags", "enum", "open", "mmap_flags", "clone_flags", "socket_type", "socket_protocol", "sockopt"),
        *("futex_op", "futex_val", "ioctl", "ipc_key", "ipc_flags", "mremap_arg", "statx_flags"),
    )
)
"""Kinds whose text needs no memory."""


@cache
def pointers(name: str) -> tuple[int, ...]:
    """Which arguments of a call point at something that is shown."""
    call = calls()[name]
    return tuple(index for index, argument in enumerate(call.arguments) if argument.kind not in _NUMBERS)


@cache
def _buffer_of(name: str, index: int) -> tuple[bool, int | None]:
    """Is a call's buffer filled by it, and which argument is its length?"""
    call = calls()[name]
    argument = call.arguments[index]
    return argument.direction == "out", call.index(argument.parameters[0])


@dataclass(frozen=True, slots=True)
class Served:
    """A call at its boundary: its arguments with pointers relative to ``base``, and what serving it brought about.

    ``read`` is memory before ``effects``; ``result`` is None while the call waits.
    """

    call: Call
    words: Sequence[int]
    base: int
    read: Callable[[int, int], bytes]
    effects: Sequence[Effect]
    result: int | None
    tick: int

    def captured(self) -> list[Observation]:
        """What the call points at: as it went in, then as it came out."""
        places = pointers(self.call.name)
        if not places:
            return []
        if len(places) == 1 and self.call.arguments[places[0]].kind == "buffer":
            return self._buffer(places[0])
        before, after = _Reader(self, ()), _Reader(self, self.effects)
        begun = entering(self.call, tuple(self.words), Caller(ABI, before.look, self.base), _STYLE)
        if self.result is not None:
            leaving(begun, self.result, Caller(ABI, after.look, self.base))
        return [*before.seen, *after.seen]

    def _buffer(self, index: int) -> list[Observation]:
        """The beginning of the one buffer of a call."""
        out, place = _buffer_of(self.call.name, index)
        size = max(self.result or 0, 0) if out else self.words[place] if place is not None else 0
        if not size or not self.words[index]:
            return []
        reader = _Reader(self, self.effects if out else ())
        reader.look(self.words[index] + self.base, min(size, KEPT + 1))
        return reader.seen


class _Reader:
    """Memory as it will be when some effects have been applied; what was looked at is kept."""

    def __init__(self, served: Served, effects: Sequence[Effect]) -> None:
        self._served, self._effects = served, effects
        self.seen: list[Observation] = []

    def look(self, address: int, size: int) -> bytes | None:
        """Bytes, None where they cannot be read."""
        if address + size > 1 << 64:
            return None
        try:
            content = self._changed(address, self._served.read(address, size))
        except TargetError:
            if not any(_covers(effect, address, size) for effect in self._effects):
                return None
            content = self._changed(address, bytes(size))
        self.seen.append(Captured(self._served.tick, address, size, content))
        return content

    def _changed(self, address: int, content: bytes) -> bytes:
        size = len(content)
        for effect in self._effects:
            if isinstance(effect, MemoryWrite) and effect.address < address + size:
                start, end = max(effect.address, address), min(effect.address + len(effect.content), address + size)
                if start < end:
                    written = effect.content[start - effect.address : end - effect.address]
                    content = content[: start - address] + written + content[end - address :]
        return content


def _covers(effect: Effect, address: int, size: int) -> bool:
    """Does an effect write all of a range? Then it may be one that other effects map."""
    written = effect if isinstance(effect, MemoryWrite) else None
    return written is not None and written.address <= address <= address + size <= written.address + len(
        written.content
    )
