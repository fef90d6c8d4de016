"""Framing of the GDB remote serial protocol: bytes in, frames out; no sockets, no meaning.

    $ payload # xx      xx: the sum of the payload's bytes on the wire, modulo 256, two hex digits
    % payload # xx      a notification: the same, never acknowledged
    + -                 the peer got the last packet, or wants it again
    0x03                interrupt

Inside a payload ``}`` escapes the next byte (xor 0x20), and ``X*n`` repeats X another n - 29 times.
Source: the GDB manual, appendix "GDB Remote Serial Protocol", sections Overview and Notification Packets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

_ESCAPE, _REPEAT = ord("}"), ord("*")
_PACKET, _NOTIFICATION = ord("$"), ord("%")
_MUST_ESCAPE = frozenset(b"#$}*")
_HEX = frozenset(b"0123456789abcdefABCDEF")


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


def checksum(wire: bytes | bytearray) -> int:
    """The sum of a payload's bytes as they stand on the wire, modulo 256."""
    return sum(wire) & 0xFF


def escape(payload: bytes) -> bytes:
    """The payload with ``# $ } *`` escaped, as it stands on the wire."""
    wire = bytearray()
    for byte in payload:
        if byte in _MUST_ESCAPE:
            wire += bytes((_ESCAPE, byte ^ 0x20))
        else:
            wire.append(byte)
    return bytes(wire)


def encode(payload: bytes, *, notification: bool = False) -> bytes:
    """One packet (or notification) on the wire."""
    wire = escape(payload)
    return (b"%" if notification else b"$") + wire + b"#%02x" % checksum(wire)


def expand(wire: bytes | bytearray, limit: int) -> bytes:
    """Undoes escapes and repeats. ValueError says what is malformed, or that it grows beyond ``limit`` bytes."""
    payload = bytearray()
    source = iter(wire)
    for byte in source:
        if byte == _ESCAPE:
            payload.append(_following(source, "an escape") ^ 0x20)
        elif byte == _REPEAT:
            _repeat(payload, _following(source, "a repeat"))
        else:
            payload.append(byte)
        if len(payload) > limit:
            raise ValueError(f"the packet is longer than {limit} bytes")
    return bytes(payload)


def _following(source: Iterator[int], what: str) -> int:
    byte = next(source, None)
    if byte is None:
        raise ValueError(f"the packet ends inside {what}")
    return byte


def _repeat(payload: bytearray, count: int) -> None:
    if not payload or not 32 <= count <= 126:
        raise ValueError("a repeat needs a byte before it and a printable count behind it")
    payload += payload[-1:] * (count - 29)


class Decoder:
    """Cuts a stream of bytes into frames; fed in pieces of any size. ``limit``: bytes of a payload."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self._limit = limit
        self._start = 0  # the byte that began the packet being read, or 0
        self._wire = bytearray()
        self._sum = bytearray()
        self._in_sum = False

    def feed(self, content: bytes) -> list[Frame]:
        """The frames that these bytes complete, in order. Bytes outside of frames are ignored, as gdb does."""
        return [frame for byte in content if (frame := self._byte(byte)) is not None]

    def _byte(self, byte: int) -> Frame | None:
        if byte == _PACKET or (byte == _NOTIFICATION and not self._start):
            return self._begin(byte)
        if not self._start:
            return _single(byte)
        if self._in_sum:
            return self._check(byte)
        if byte == ord("#"):
            self._in_sum = True
        elif len(self._wire) < self._limit:
            self._wire.append(byte)
        else:
            return self._end(Frame(Kind.BAD, b"the packet is longer than %d bytes" % self._limit))
        return None

    def _begin(self, byte: int) -> Frame | None:
        cut = Frame(Kind.BAD, b"a packet began inside another") if self._start else None
        self._end(None)
        self._start = byte
        return cut

    def _check(self, byte: int) -> Frame | None:
        if byte not in _HEX:
            return self._end(Frame(Kind.BAD, b"the checksum is not two hex digits"))
        self._sum.append(byte)
        return self._end(self._finish()) if len(self._sum) == 2 else None

    def _finish(self) -> Frame:
        told, found = int(self._sum, 16), checksum(self._wire)
        if told != found:
            return Frame(Kind.BAD, b"the checksum is %02x, the bytes sum to %02x" % (told, found))
        try:
            payload = expand(self._wire, self._limit)
        except ValueError as error:
            return Frame(Kind.BAD, str(error).encode())
        return Frame(Kind.PACKET if self._start == _PACKET else Kind.NOTIFICATION, payload)

    def _end(self, frame: Frame | None) -> Frame | None:
        self._start, self._in_sum = 0, False
        self._wire.clear()
        self._sum.clear()
        return frame


def _single(byte: int) -> Frame | None:
    match byte:
        case 0x03:
            return Frame(Kind.INTERRUPT)
        case 0x2B:
            return Frame(Kind.ACK)
        case 0x2D:
            return Frame(Kind.NAK)
    return None
