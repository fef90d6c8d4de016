"""Memory: m (hex), x (bytes), M and X to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbstub import hexadecimal
from gdbstub.call import Call, ok
from gdbstub.verb import Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Read:
    """``m addr,length`` and, with ``raw``, ``x addr,length``: its reply is bytes, not hex digits."""

    address: int
    size: int
    raw: bool = False

    def __bytes__(self) -> bytes:
        return b"%c%x,%x" % (b"x" if self.raw else b"m", self.address, self.size)


@dataclass(frozen=True, slots=True)
class Write:
    """``M addr,length:hex`` and, with ``raw``, ``X addr,length:bytes``."""

    address: int
    content: bytes
    raw: bool = False

    def __bytes__(self) -> bytes:
        body = self.content if self.raw else self.content.hex().encode()
        return b"%c%x,%x:%b" % (b"X" if self.raw else b"M", self.address, len(self.content), body)


def parse_read(packet: bytes) -> Read:
    """``m1000,4``."""
    address, size = hexadecimal.pair(packet[1:])
    if size > MAX_READ:
        raise ValueError(f"{size} bytes at once; at most {MAX_READ}")
    return Read(address, size, packet[:1] == b"x")


def parse_write(packet: bytes) -> Write:
    """``M1000,4:01020304``."""
    head, found, body = packet[1:].partition(b":")
    address, size = hexadecimal.pair(head)
    raw = packet[:1] == b"X"
    content = body if raw else hexadecimal.content(body)
    if not found or len(content) != size:
        raise ValueError(f"{size} bytes are announced, {len(content)} come")
    return Write(address, content, raw)


# ---- client ----------------------------------------------------------------------------------------------


def read(address: int, size: int) -> Call[bytes]:
    """Bytes at an address: at most ``size``, fewer where the stub's memory ends."""

    def value(reply: bytes) -> bytes:
        content = hexadecimal.content(reply)
        if len(content) > size:
            raise ValueError(f"{len(content)} bytes for {size}")
        return content

    return Call(bytes(Read(address, size)), value)


def read_raw(address: int, size: int) -> Call[bytes]:
    """The same by lldb's and gdb 16's ``x``, half as long on the wire; gdb's stubs put a ``b`` before the bytes.

    Size 0 asks whether a stub has it.
    """

    def value(reply: bytes) -> bytes:
        content = reply[1:] if len(reply) == size + 1 and reply[:1] == b"b" else reply
        if len(content) > size and reply != b"OK":
            raise ValueError(f"{len(content)} bytes for {size}")
        return content[:size]

    if size == 3:
        return read(address, size)  # three bytes could not be told from an error
    return Call(bytes(Read(address, size, raw=True)), value, binary=True)


def write(address: int, content: bytes, raw: bool = False) -> Call[None]:
    """Write bytes; tags of the granules are cleared."""
    return Call(bytes(Write(address, content, raw)), ok)


# ---- server ----------------------------------------------------------------------------------------------


def _serve_read(serving: Serving, request: Read) -> bytes:
    if request.raw and not request.size:
        return b"OK"
    content = serving.read(request.address, min(request.size, serving.room(1 if request.raw else 2)))
    return content if request.raw else content.hex().encode()


def _serve_write(serving: Serving, request: Write) -> bytes:
    if request.content:
        serving.write(request.address, request.content)
    return b"OK"


VERBS = (
    Verb(b"m", parse_read, _serve_read),
    Verb(b"x", parse_read, _serve_read),
    Verb(b"M", parse_write, _serve_write),
    Verb(b"X", parse_write, _serve_write),
)
