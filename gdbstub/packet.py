"""Framing of the GDB remote serial protocol: bytes in, frames out; no sockets, no meaning.

    $ payload # xx      xx: the sum of the payload's bytes on the wire, modulo 256, two hex digits
    % payload # xx      a notification: the same, never acknowledged
    + -                 the peer got the last packet, or wants it again
    0x03                interrupt

Inside a payload ``}`` escapes the next byte (xor 0x20), and ``X*n`` repeats X another n - 29 times.
Source: the GDB manual, appendix "GDB Remote Serial Protocol", sections Overview and Notification Packets.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from enum import Enum

LIMIT = 1 << 20
"""The longest payload that is read, unless told otherwise."""

_PACKET, _NOTIFICATION = ord("$"), ord("%")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_MUST_ESCAPE = re.compile(rb"[#$}*]")
_SHORTENED = re.compile(rb"[}*]")
_TOKEN = re.compile(rb"\}(?P<escaped>.?)|\*(?P<count>.?)|[^}*]+", re.DOTALL)
_CHUNK = 256  # adler32 adds up bytes without wrapping for that many


class Kind(Enum):
    """What a frame is."""

    PACKET = "packet"
    NOTIFICATION = "notification"
    ACK = "+"
    NAK = "-"
    INTERRUPT = "interrupt"
    BAD = "bad"  # a damaged packet: ask for it again


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. ``payload`` is unescaped and expanded; of a BAD one it is a sentence that says what was wrong."""

    kind: Kind
    payload: bytes = b""


_SINGLE = {0x03: Frame(Kind.INTERRUPT), ord("+"): Frame(Kind.ACK), ord("-"): Frame(Kind.NAK)}


def checksum(wire: bytes | bytearray) -> int:
    """The sum of a payload's bytes as they stand on the wire, modulo 256."""
    if len(wire) <= _CHUNK:
        return (zlib.adler32(wire) - 1) & 0xFF  # the low half of adler32 is 1 and the sum of the bytes
    chunks = range(0, len(wire), _CHUNK)
    return sum(zlib.adler32(wire[at : at + _CHUNK]) - 1 & 0xFF for at in chunks) & 0xFF


def escape(payload: bytes) -> bytes:
    """The payload with ``# $ } *`` escaped, as it stands on the wire."""
    if _MUST_ESCAPE.search(payload) is None:
        return payload
    return _MUST_ESCAPE.sub(lambda found: bytes((0x7D, found[0][0] ^ 0x20)), payload)


def encode(payload: bytes, *, notification: bool = False) -> bytes:
    """One packet (or notification) on the wire."""
    wire = escape(payload)
    return b"%s%s#%02x" % (b"%" if notification else b"$", wire, checksum(wire))


def expand(wire: bytes | bytearray, limit: int) -> bytes:
    """Undoes escapes and repeats. ValueError says what is malformed, or that it grows beyond ``limit`` bytes."""
    if _SHORTENED.search(wire) is None:
        return bytes(wire)
    payload = bytearray()
    for token in _TOKEN.finditer(wire):
        escaped, count = token["escaped"], token["count"]
        if escaped is not None:
            payload.append(_following(escaped, "an escape") ^ 0x20)
        elif count is not None:
            _repeat(payload, _following(count, "a repeat"))
        else:
            payload += token[0]
        if len(payload) > limit:
            raise ValueError(f"the packet is longer than {limit} bytes")
    return bytes(payload)


def _following(byte: bytes, what: str) -> int:
    if not byte:
        raise ValueError(f"the packet ends inside {what}")
    return byte[0]


def _repeat(payload: bytearray, count: int) -> None:
    if not payload or not 32 <= count <= 126:
        raise ValueError("a repeat needs a byte before it and a printable count behind it")
    payload += payload[-1:] * (count - 29)


class Decoder:
    """Cuts a stream of bytes into frames; fed in pieces of any size. ``limit``: bytes of a payload."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._wire = bytearray()  # from the beginning of an incomplete packet on
        self._searched = 1  # up to there the incomplete packet holds neither ``$`` nor ``#``

    def feed(self, content: bytes) -> list[Frame]:
        """The frames that these bytes complete, in order. Bytes outside of frames are ignored, as gdb does."""
        self._wire += content
        frames: list[Frame] = []
        at = 0
        while (cut := self._cut(at)) is not None:
            at, frame = cut
            self._searched = 1
            if frame is not None:
                frames.append(frame)
        del self._wire[:at]
        return frames

    def _cut(self, at: int) -> tuple[int, Frame | None] | None:
        """Where the frame at ``at`` ends, and the frame (None is noise); None while it is incomplete."""
        wire = self._wire
        if at >= len(wire):
            return None
        if wire[at] != _PACKET and wire[at] != _NOTIFICATION:
            return at + 1, _SINGLE.get(wire[at])
        end = wire.find(b"#", at + self._searched)
        inner = wire.find(b"$", at + self._searched, end if end >= 0 else len(wire))
        if inner >= 0:
            return inner, _bad("a packet began inside another")
        if (end if end >= 0 else len(wire)) - at - 1 > self._limit:
            return (end if end >= 0 else len(wire)), _bad(f"the packet is longer than {self._limit} bytes")
        if end < 0 or not all(byte in _HEX for byte in wire[end + 1 : end + 3]):
            self._searched = len(wire) - at
            return None if end < 0 else (end + 1, _bad("the checksum is not two hex digits"))
        if len(wire) < end + 3:
            return None
        return end + 3, self._finish(wire[at], wire[at + 1 : end], int(wire[end + 1 : end + 3], 16))

    def _finish(self, start: int, wire: bytearray, told: int) -> Frame:
        found = checksum(wire)
        if told != found:
            return _bad(f"the checksum is {told:02x}, the bytes sum to {found:02x}")
        try:
            payload = expand(wire, self._limit)
        except ValueError as error:
            return _bad(str(error))
        return Frame(Kind.PACKET if start == _PACKET else Kind.NOTIFICATION, payload)


def _bad(why: str) -> Frame:
    return Frame(Kind.BAD, why.encode())
