"""One exchange as the client sees it: the packet, and how its reply is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from gdbstub import hexadecimal

T = TypeVar("T")


class ProtocolError(Exception):
    """Anything that goes wrong between client and stub: one sentence."""


class StubError(ProtocolError):
    """The stub answered with an error. ``code`` is its number (an errno for most stubs), None when it sent words."""

    def __init__(self, packet: bytes, code: int | None, words: str = "") -> None:
        said = words or ("an error" if code is None else f"error {code:02x}")
        super().__init__(f"the stub answers {said} to {hexadecimal.shown(packet)}")
        self.packet, self.code, self.words = packet, code, words


class Unsupported(ProtocolError):
    """The stub does not know the packet (its answer was empty)."""

    def __init__(self, packet: bytes) -> None:
        super().__init__(f"the stub does not know {hexadecimal.shown(packet)}")
        self.packet = packet


class Malformed(ProtocolError):
    """A reply that the packet cannot have: damaged, late, or of a stub that does it differently."""


class LinkLost(ProtocolError):
    """The link is closed, or stays silent after every retry."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A packet and the reader of its reply; ``read`` raises ValueError for a reply that cannot be.

    ``repeatable``: asking twice does no harm, so a lost reply is simply asked for again. ``binary``: the reply is
    bytes that may begin as an error in words does, so only ``E`` and two digits is one.
    """

    packet: bytes
    read: Callable[[bytes], T]
    repeatable: bool = True
    binary: bool = False

    def result(self, reply: bytes) -> T:
        """The value of a reply; StubError, Unsupported or Malformed when there is none."""
        if not reply:
            raise Unsupported(self.packet)
        if reply[:1] == b"E":
            self._refused(reply)
        try:
            return self.read(reply)
        except ValueError as error:
            raise Malformed(f"reply to {hexadecimal.shown(self.packet)}: {error}") from None

    def _refused(self, reply: bytes) -> None:
        """Raise when the reply is an error: ``E xx``, ``E xx;hex words`` (lldb), ``E.words`` (gdb)."""
        if self.binary and len(reply) != 3:
            return
        if reply[1:2] == b".":
            raise StubError(self.packet, None, reply[2:].decode("utf-8", "replace"))
        code, _, words = reply[1:].partition(b";")
        if len(code) != 2:
            return
        try:
            raise StubError(self.packet, hexadecimal.number(code), hexadecimal.words(words))
        except ValueError:
            return  # not an error but a reply that begins so


def ok(reply: bytes) -> None:
    """Reads ``OK``."""
    if reply != b"OK":
        raise ValueError(f"expected OK, found {hexadecimal.shown(reply)}")
