"""The client's half of a conversation, without I/O: packets wait, travel, are answered in order.

    ask(packet) ──▶ waiting ──outgoing()──▶ in flight (at most ``window``) ──feed(bytes)──▶ Reply

With acknowledgements a damaged reply is asked for again by ``-`` and a ``-`` sends the packet again; without them
(QStartNoAckMode) a damaged reply is told as Garbled, and the owner decides.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from gdbstub.packet import LIMIT, Decoder, Frame, Kind, encode

HEX_DIGITS = b"0123456789abcdefABCDEF"
MAX_NAKS = 8
"""Damaged or refused packets in a row before the link is called garbled."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A packet. With ``streams`` its reply may come after O and F packets (a run, a monitor command)."""

    packet: bytes
    streams: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a packet was answered with; ``final`` is False for an O or F packet before the reply."""

    asked: Asked
    payload: bytes
    final: bool = True


@dataclass(frozen=True, slots=True)
class Stray:
    """A packet that nobody asked for: a duplicate, or the answer to a question that was given up."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Notification:
    """A ``%`` packet."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Garbled:
    """The link damages packets: why the last was no packet."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """A damaged packet was asked for again, or one of ours was sent again."""


Heard: TypeAlias = Reply | Stray | Notification | Garbled | Repaired


class Conversation:
    """``acks``: are packets acknowledged? ``window``: how many packets may be under way without an answer."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.acks = True
        self.window = 1
        self._limit = limit
        self._decoder = Decoder(limit)
        self._waiting: deque[Asked] = deque()
        self._flying: deque[Asked] = deque()
        self._out = bytearray()
        self._naks = 0

    @property
    def idle(self) -> bool:
        """Is everything answered?"""
        return not (self._waiting or self._flying)

    @property
    def flying(self) -> tuple[Asked, ...]:
        """What was sent and is not answered."""
        return tuple(self._flying)

    def ask(self, packet: bytes, streams: bool = False) -> None:
        """Queue a packet."""
        self._waiting.append(Asked(packet, streams))

    def forget(self) -> None:
        """Give up all that is not answered, and half a packet that has come."""
        self._waiting.clear()
        self._flying.clear()
        self._out.clear()
        self._decoder = Decoder(self._limit)
        self._naks = 0

    def outgoing(self) -> bytes:
        """What is to be written now; empty when nothing is."""
        while self._waiting and len(self._flying) < self.window:
            asked = self._waiting.popleft()
            self._flying.append(asked)
            self._out += encode(asked.packet)
        content = bytes(self._out)
        self._out.clear()
        return content

    def feed(self, content: bytes) -> list[Heard]:
        """What these bytes say, in order."""
        heard = []
        for frame in self._decoder.feed(content):
            found = self._hear(frame)
            if found is not None:
                heard.append(found)
        return heard

    def _hear(self, frame: Frame) -> Heard | None:
        match frame.kind:
            case Kind.PACKET:
                return self._answered(frame.payload)
            case Kind.BAD:
                return self._damaged(frame.payload.decode())
            case Kind.NAK if self.acks and self._flying:
                return self._refused()
            case Kind.NOTIFICATION:
                return Notification(frame.payload)
        return None

    def _answered(self, payload: bytes) -> Heard:
        if self.acks:
            self._out += b"+"
        self._naks = 0
        if not self._flying:
            return Stray(payload)
        asked = self._flying[0]
        if asked.streams and _is_interim(payload):
            return Reply(asked, payload, final=False)
        return Reply(self._flying.popleft(), payload)

    def _damaged(self, sentence: str) -> Heard:
        self._naks += 1
        if not self.acks or self._naks > MAX_NAKS:
            return Garbled(sentence)
        self._out += b"-"
        return Repaired()

    def _refused(self) -> Heard:
        self._naks += 1
        if self._naks > MAX_NAKS:
            return Garbled("the stub refuses every copy of a packet")
        self._out += encode(self._flying[0].packet)
        return Repaired()


def _is_interim(payload: bytes) -> bool:
    """An O packet with output, or an F request: the reply proper is still to come."""
    kind = payload[:1]
    return kind == b"F" or (kind == b"O" and len(payload) % 2 == 1 and not payload[1:].strip(HEX_DIGITS))
