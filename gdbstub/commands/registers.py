"""Registers: g and G (all), p and P (one), each with ``;thread:ID;`` behind it for lldb."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbstub import hexadecimal
from gdbstub.call import Call, ok
from gdbstub.layout import Layout
from gdbstub.thread import ThreadId
from gdbstub.verb import EINVAL, Refused, Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_NUMBER = 1 << 20
_SUFFIX = b";thread:"


@dataclass(frozen=True, slots=True)
class ReadAll:
    """``g``: registers of the selected thread, or of ``thread``."""

    thread: ThreadId | None = None

    def __bytes__(self) -> bytes:
        return b"g" + _suffix(self.thread)


@dataclass(frozen=True, slots=True)
class WriteAll:
    """``G hex``."""

    block: bytes
    thread: ThreadId | None = None

    def __bytes__(self) -> bytes:
        return b"G" + self.block.hex().encode() + _suffix(self.thread)


@dataclass(frozen=True, slots=True)
class ReadOne:
    """``p number``."""

    number: int
    thread: ThreadId | None = None

    def __bytes__(self) -> bytes:
        return b"p%x" % self.number + _suffix(self.thread)


@dataclass(frozen=True, slots=True)
class WriteOne:
    """``P number=hex``."""

    number: int
    content: bytes
    thread: ThreadId | None = None

    def __bytes__(self) -> bytes:
        return b"P%x=%b" % (self.number, self.content.hex().encode()) + _suffix(self.thread)


def _suffix(thread: ThreadId | None) -> bytes:
    return b"" if thread is None else _SUFFIX + bytes(thread) + b";"


def _split(packet: bytes) -> tuple[bytes, ThreadId | None]:
    body, found, thread = packet[1:].partition(_SUFFIX)
    return body.removesuffix(b";"), ThreadId.parse(thread.removesuffix(b";")) if found else None


def parse_read_all(packet: bytes) -> ReadAll:
    """``g``."""
    body, thread = _split(packet)
    if body:
        raise ValueError(f"g takes no arguments, found {hexadecimal.shown(body)}")
    return ReadAll(thread)


def parse_write_all(packet: bytes) -> WriteAll:
    """``G0102…``."""
    body, thread = _split(packet)
    return WriteAll(hexadecimal.content(body), thread)


def parse_read_one(packet: bytes) -> ReadOne:
    """``p1f``."""
    body, thread = _split(packet)
    return ReadOne(hexadecimal.number(body, MAX_NUMBER), thread)


def parse_write_one(packet: bytes) -> WriteOne:
    """``P1f=0102…``."""
    body, thread = _split(packet)
    number, found, content = body.partition(b"=")
    if not found:
        raise ValueError(f"expected number=value, found {hexadecimal.shown(body)}")
    return WriteOne(hexadecimal.number(number, MAX_NUMBER), hexadecimal.content(content), thread)


# ---- client ----------------------------------------------------------------------------------------------


def read_all(layout: Layout, thread: ThreadId | None = None) -> Call[dict[str, int | None]]:
    """All registers that the stub's ``g`` reaches, by canonical name."""
    return Call(bytes(ReadAll(thread)), layout.read_block)


def read_some(layout: Layout, names: Collection[str], thread: ThreadId | None = None) -> Call[dict[str, int | None]]:
    """Some of the registers that the stub's ``g`` reaches; the others cost nothing here."""
    return Call(bytes(ReadAll(thread)), lambda reply: layout.read_some(reply, names))


def read_block(thread: ThreadId | None = None) -> Call[bytes]:
    """The ``g`` block as it is, where it is not known yet what it holds; registers marked ``x`` become zeros."""
    return Call(bytes(ReadAll(thread)), lambda reply: hexadecimal.content(reply.replace(b"x", b"0")))


def read_one(layout: Layout, name: str, thread: ThreadId | None = None) -> Call[int | None]:
    """One register; None when the stub does not know its value. A TAG_MAP capability comes without its tag."""

    def value(reply: bytes) -> int | None:
        return None if reply[:1] == b"x" else layout.decode(name, hexadecimal.content(reply))

    return Call(bytes(ReadOne(layout.register(name).number, thread)), value)


def read_content(number: int, thread: ThreadId | None = None) -> Call[bytes]:
    """One register's bytes as they are, to find out a stub's dialect."""
    return Call(bytes(ReadOne(number, thread)), hexadecimal.content)


def write_one(layout: Layout, name: str, value: int, thread: ThreadId | None = None) -> Call[None]:
    """Write one register. QEMU-Morello answers OK for a capability register and does nothing: read it back."""
    return Call(bytes(WriteOne(layout.register(name).number, layout.encode(name, value), thread)), ok)


def write_block(block: bytes, thread: ThreadId | None = None) -> Call[None]:
    """Write all registers, for stubs without ``P``: ``block`` is what ``g`` gave, with the change in it."""
    return Call(bytes(WriteAll(block, thread)), ok)


# ---- server ----------------------------------------------------------------------------------------------


def _serve_read_all(serving: Serving, request: ReadAll) -> bytes:
    return serving.block(serving.chosen(request.thread))


def _serve_write_all(serving: Serving, request: WriteAll) -> bytes:
    thread = serving.chosen(request.thread)
    values = serving.layout.read_block(request.block.hex().encode())
    before = serving.values(thread, tuple(values))
    for name, old in before.items():
        new = values[name]
        if new is not None and new != old:
            serving.write_register(thread, name, new)
    return b"OK"


def _serve_read_one(serving: Serving, request: ReadOne) -> bytes:
    register = serving.layout.by_number.get(request.number)
    if register is None:
        raise Refused(EINVAL, f"there is no register {request.number}")
    return serving.register(serving.chosen(request.thread), register.name).hex().encode()


def _serve_write_one(serving: Serving, request: WriteOne) -> bytes:
    register = serving.layout.by_number.get(request.number)
    if register is None:
        raise Refused(EINVAL, f"there is no register {request.number}")
    value = serving.layout.decode(register.name, request.content)
    serving.write_register(serving.chosen(request.thread), register.name, value)
    return b"OK"


VERBS = (
    Verb(b"g", parse_read_all, _serve_read_all),
    Verb(b"G", parse_write_all, _serve_write_all),
    Verb(b"p", parse_read_one, _serve_read_one),
    Verb(b"P", parse_write_one, _serve_write_one),
)
