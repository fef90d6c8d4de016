"""The server's half of a conversation, without I/O: bytes in, bytes out, slices of running in between.

receive(bytes) ──▶ packets ──▶ verbs ──▶ replies       ``running``: call go_on() until it is not, and keep receiving
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from gdbstub.commands import (
    breakpoints,
    features,
    files,
    lldb,
    memory,
    monitor,
    registers,
    resuming,
    syscalls,
    threads,
    transfer,
)
from gdbstub.operations import Operations
from gdbstub.packet import Decoder, Frame, Kind, encode
from gdbstub.serving import PACKET_SIZE, Serving
from gdbstub.verb import EINVAL, Refused, Verb

FAMILIES = (
    breakpoints,
    features,
    files,
    lldb,
    memory,
    monitor,
    registers,
    resuming,
    syscalls,
    threads,
    transfer,
)
VERBS: dict[bytes, Verb] = {verb.name: verb for family in FAMILIES for verb in family.VERBS}
_OPEN_ENDED = tuple(verb for verb in VERBS.values() if verb.open_ended)
_WORD = re.compile(rb"[A-Za-z]+")
MAX_UNSENT = 1 << 22
"""Bytes of replies that a client may leave unread before it is given up."""


def find_verb(packet: bytes) -> Verb | None:
    """The row of a packet: by its word, or by its first letter."""
    first = packet[:1]
    if first not in b"qQvbj":
        return VERBS.get(first)
    word = _WORD.match(packet)
    name = word[0] if word is not None else b""
    return VERBS.get(name) or next((v for v in _OPEN_ENDED if packet.startswith(v.name)), None)


@lru_cache(maxsize=512)
def _parsed(packet: bytes) -> tuple[Verb | None, Any]:
    """The row of a packet and its request, which never change: clients say the same things again and again."""
    verb = find_verb(packet)
    return verb, None if verb is None else verb.parse(packet)


class Server:
    """One client's connection to a target."""

    def __init__(self, target: Operations, client: str = "auto") -> None:
        self.serving = Serving(target, client)
        self._decoder = Decoder(PACKET_SIZE + 64)
        self._acks = True
        self._last = b""
        self._later: list[Frame] = []

    @property
    def running(self) -> bool:
        """Does the target run, so that go_on has work?"""
        return self.serving.slice is not None

    @property
    def gone(self) -> bool:
        """Has the client let go?"""
        return self.serving.gone

    def receive(self, content: bytes) -> bytes:
        """What to answer to these bytes now."""
        out = bytearray()
        for frame in self._decoder.feed(content):
            if self.running and frame.kind is Kind.PACKET and frame.payload != b"vCtrlC":
                if len(self._later) < 1024:
                    self._later.append(frame)  # asked while the target runs: answered when it stands
            else:
                self._take(frame, out)
        return bytes(out)

    def go_on(self) -> bytes:
        """A slice of what runs, and what there is to say after it."""
        out = bytearray()
        try:
            reply = self.serving.go_on()
        except Refused as error:
            reply = self._refusal(error)
        self._say(reply, out)
        while self._later and not self.running:
            self._take(self._later.pop(0), out)
        return bytes(out)

    def close(self) -> None:
        """The link is gone: the client's breakpoints go with it."""
        if not self.serving.gone:
            self.serving.slice = None
            self.serving.points.clear()

    def _take(self, frame: Frame, out: bytearray) -> None:
        match frame.kind:
            case Kind.PACKET:
                if self._acks:
                    out += b"+"
                self._say(self._answer(frame.payload), out)
            case Kind.INTERRUPT:
                self.serving.interrupted = True
            case Kind.BAD if self._acks:
                out += b"-"
            case Kind.NAK if self._acks:
                out += self._last

    def _answer(self, packet: bytes) -> bytes | None:
        try:
            verb, request = _parsed(packet)
            return b"" if verb is None else verb.serve(self.serving, request)
        except ValueError as error:
            return self._refusal(Refused(EINVAL, str(error)), packet)
        except Refused as error:
            return self._refusal(error, packet)

    def _refusal(self, error: Refused, packet: bytes = b"") -> bytes:
        """An error; in words for those who read them, unless the reply may also be bytes that look like words."""
        if self.serving.error_words and error.sentence and packet[:1] != b"x":
            return b"E." + error.sentence.encode("utf-8", "replace")
        return b"E%02x" % (error.code & 0xFF)

    def _say(self, reply: bytes | None, out: bytearray) -> None:
        """What was said before the reply, then the reply itself; None is not said."""
        said = self.serving.said
        while said:
            out += encode(said.popleft())
        if reply is None:
            return
        self._last = encode(reply)
        out += self._last
        if self.serving.no_ack_next:
            self._acks = self.serving.no_ack_next = False
