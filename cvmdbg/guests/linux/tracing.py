"""What a trace needs of memory: the bytes that a decoded call points at, as they are when it is served.

A call is decoded later, when somebody looks; these bytes go beside it as observations. Calls without pointers cost
nothing, and plain buffers are read without decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from cvmdbg.guests.linux.decoder import Caller, Style, entering, leaving
from cvmdbg.guests.linux.facts import Call, call_at, calls
from cvmdbg.target import TargetError
from sessions.event import Captured, Effect, MemoryWrite, Observation
from sessions.served import WORDS, Signature

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
def signature(abi: str, number: int) -> Signature:
    """The name of a call and how many of its words are arguments; all six of one that is not known."""
    known = call_at(abi, number)
    return Signature(f"syscall_{number}", WORDS) if known is None else Signature(known.name, len(known.arguments))


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
    abi: str = ABI

    def captured(self) -> list[Observation]:
        """What the call points at: as it went in, then as it came out."""
        before, after = _Reader(self.read, (), self.tick), _Reader(self.read, self.effects, self.tick)
        begun = entering(self.call, tuple(self.words), Caller(self.abi, before.look, self.base), _STYLE)
        if self.result is not None:
            leaving(begun, self.result, Caller(self.abi, after.look, self.base))
        return [*before.seen, *after.seen]


def captured(
    call: Call,
    words: Sequence[int],
    base: int,
    read: Callable[[int, int], bytes],
    effects: Sequence[Effect],
    result: int | None,
    tick: int,
) -> list[Observation]:
    """What a call points at, as for Served; most calls point at nothing, or at one buffer."""
    places = pointers(call.name)
    if not places:
        return []
    if len(places) > 1 or call.arguments[places[0]].kind != "buffer":
        return Served(call, words, base, read, effects, result, tick).captured()
    out, place = _buffer_of(call.name, places[0])
    size = max(result or 0, 0) if out else words[place] if place is not None else 0
    where = words[places[0]]
    if not size or not where:
        return []
    size, address = min(size, KEPT + 1), where + base
    if out and len(effects) == 2:
        written = effects[0]
        if isinstance(written, MemoryWrite) and written.address == address and len(written.content) >= size:
            return [Captured(tick, address, size, written.content[:size])]
    reader = _Reader(read, effects if out else (), tick)
    reader.look(address, size)
    return reader.seen


class _Reader:
    """Memory as it will be when some effects have been applied; what was looked at is kept."""

    def __init__(self, read: Callable[[int, int], bytes], effects: Sequence[Effect], tick: int) -> None:
        self._memory, self._effects, self._tick = read, effects, tick
        self.seen: list[Observation] = []

    def look(self, address: int, size: int) -> bytes | None:
        """Bytes, None where they cannot be read."""
        if address + size > 1 << 64:
            return None
        written = next((e for e in reversed(self._effects) if isinstance(e, MemoryWrite)), None)
        if written is not None and _covers(written, address, size):
            content = written.content[address - written.address :][:size]
        else:
            found = self._read(address, size)
            if found is None:
                return None
            content = found
        self.seen.append(Captured(self._tick, address, size, content))
        return content

    def _read(self, address: int, size: int) -> bytes | None:
        try:
            return self._changed(address, self._memory(address, size))
        except TargetError:
            if not any(_covers(effect, address, size) for effect in self._effects):
                return None
            return self._changed(address, bytes(size))

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
