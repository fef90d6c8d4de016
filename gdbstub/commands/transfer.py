"""Objects: qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH in pieces; the reply is ``m`` (more) or ``l`` (last) and bytes.

Capabilities in memory travel so too (``capa``, one granule each, the annex its address); they live in capabilities.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from gdbstub import hexadecimal
from gdbstub.call import Call
from gdbstub.commands import capabilities
from gdbstub.description_xml import print_xml
from gdbstub.verb import EINVAL, ENOENT, Refused, Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_OBJECT = 1 << 26
"""Bytes of the longest object that the client puts together."""


@dataclass(frozen=True, slots=True)
class ReadPart:
    """``qXfer:features:read:target.xml:0,fff``."""

    object: str
    annex: str
    offset: int
    size: int

    def __bytes__(self) -> bytes:
        return f"qXfer:{self.object}:read:{self.annex}:{self.offset:x},{self.size:x}".encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class WritePart:
    """``qXfer:capa:write:1000:0:bytes``."""

    object: str
    annex: str
    offset: int
    content: bytes

    def __bytes__(self) -> bytes:
        head = f"qXfer:{self.object}:write:{self.annex}:{self.offset:x}:".encode("utf-8", "surrogateescape")
        return head + self.content


@dataclass(frozen=True, slots=True)
class Part:
    """A reply: some bytes of the object, and whether they are its last."""

    content: bytes
    last: bool

    def __bytes__(self) -> bytes:
        return (b"l" if self.last else b"m") + self.content


def parse(packet: bytes) -> ReadPart | WritePart:
    """A request of either direction; the annex may hold colons."""
    words = packet.split(b":", 3)
    if len(words) != 4 or words[2] not in (b"read", b"write"):
        raise ValueError(f"expected qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH, found {hexadecimal.shown(packet)}")
    name = words[1].decode("utf-8", "surrogateescape")
    if words[2] == b"read":
        annex, found, span = words[3].rpartition(b":")
        if not found:
            raise ValueError("qXfer needs an offset and a length")
        return ReadPart(name, annex.decode("utf-8", "surrogateescape"), *hexadecimal.pair(span))
    annex, found, rest = words[3].partition(b":")
    offset, colon, content = rest.partition(b":")
    if not (found and colon):
        raise ValueError("qXfer needs an offset and bytes to write")
    return WritePart(name, annex.decode("utf-8", "surrogateescape"), hexadecimal.number(offset), content)


def parse_part(reply: bytes) -> Part:
    """``m…`` or ``l…``."""
    if reply[:1] not in (b"m", b"l"):
        raise ValueError(f"expected m or l and bytes, found {hexadecimal.shown(reply)}")
    return Part(reply[1:], reply[:1] == b"l")


def read_part(name: str, annex: str, offset: int, size: int) -> Call[Part]:
    """A piece of an object; Client.read_object puts the whole together."""
    return Call(bytes(ReadPart(name, annex, offset, size)), parse_part)


# ---- server ----------------------------------------------------------------------------------------------


def _serve(serving: Serving, request: ReadPart | WritePart) -> bytes:
    if request.object == "capa":
        if isinstance(request, WritePart):
            return capabilities.serve_write(serving, request.annex, request.content)
        return capabilities.serve_read(serving, request.annex)
    if isinstance(request, WritePart):
        return b""
    content = _object(serving, request)
    if content is None:
        return b""
    if request.offset > len(content):
        raise Refused(EINVAL, f"{request.object} has {len(content)} bytes")
    end = request.offset + min(request.size, serving.room(2))
    return bytes(Part(content[request.offset : end], end >= len(content)))


def _object(serving: Serving, request: ReadPart) -> bytes | None:
    """The whole object; kept while its pieces are read, so that they fit together."""
    key = (request.object, request.annex)
    if request.offset == 0 or serving.transferred[0] != key:
        if request.object == "features":
            if request.annex != "target.xml":
                raise Refused(ENOENT, f"the description is target.xml, not {request.annex}")
            content: bytes | None = print_xml(serving.layout.description).encode()
        elif request.object == "threads":
            content = _threads(serving)
        elif request.object in serving.target.objects:
            content = serving.target.object(request.object, request.annex, serving.general)
        else:
            return None
        serving.transferred = (key, content)
    return serving.transferred[1]


def _threads(serving: Serving) -> bytes:
    """All threads with their names and what they do."""
    rows = []
    for thread in serving.target.threads():
        name = bytes(serving.thread_id(thread.number)).decode()
        rows.append(f'<thread id="{name}" name={quoteattr(thread.name)}>{escape(thread.state)}</thread>')
    return f"<threads>{''.join(rows)}</threads>".encode("utf-8", "replace")


VERBS = (Verb(b"qXfer", parse, _serve),)
