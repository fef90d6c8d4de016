"""Breakpoints and watchpoints: Z inserts, z removes; a condition is agent code, one expression after the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from gdbstub import hexadecimal
from gdbstub.call import Call, ok
from gdbstub.verb import Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_CONDITIONS, MAX_CODE = 64, 4096


class PointKind(IntEnum):
    """The digit behind Z."""

    SOFTWARE = 0
    HARDWARE = 1
    WRITE = 2
    READ = 3
    ACCESS = 4


@dataclass(frozen=True, slots=True)
class Insert:
    """``Z type,addr,kind;X len,code…``. ``kind`` is bytes of the instruction or of the watched range."""

    type: PointKind
    address: int
    kind: int
    conditions: tuple[bytes, ...] = ()

    def __bytes__(self) -> bytes:
        tail = b"".join(b"X%x,%b" % (len(code), code.hex().encode()) for code in self.conditions)
        return b"Z%d,%x,%x" % (self.type, self.address, self.kind) + (b";" + tail if tail else b"")


@dataclass(frozen=True, slots=True)
class Remove:
    """``z type,addr,kind``."""

    type: PointKind
    address: int
    kind: int

    def __bytes__(self) -> bytes:
        return b"z%d,%x,%x" % (self.type, self.address, self.kind)


def parse_insert(packet: bytes) -> Insert:
    """``Z0,1000,4;X3,220027``."""
    head, _, tail = packet.partition(b";")
    kind, address, size = _place(head)
    return Insert(kind, address, size, _conditions(tail))


def parse_remove(packet: bytes) -> Remove:
    """``z0,1000,4``."""
    return Remove(*_place(packet))


def _place(head: bytes) -> tuple[PointKind, int, int]:
    kind, _, rest = head[1:].partition(b",")
    return PointKind(hexadecimal.number(kind, 4)), *hexadecimal.pair(rest)


def _conditions(tail: bytes) -> tuple[bytes, ...]:
    found: list[bytes] = []
    rest = tail
    while rest.startswith(b"X"):
        size, _, code = rest[1:].partition(b",")
        length = hexadecimal.number(size, MAX_CODE)
        found.append(hexadecimal.content(code[: 2 * length]))
        if len(found) > MAX_CONDITIONS or len(found[-1]) != length:
            raise ValueError(f"a condition is cut, or there are more than {MAX_CONDITIONS}")
        rest = code[2 * length :]
    if rest:
        raise ValueError(f"expected a condition X len,code, found {hexadecimal.shown(rest)}")
    return tuple(found)


# ---- client ----------------------------------------------------------------------------------------------


def insert(kind: PointKind, address: int, size: int, conditions: tuple[bytes, ...] = ()) -> Call[None]:
    """Insert a breakpoint or watchpoint; Unsupported where a stub has none of the kind (then step and look)."""
    return Call(bytes(Insert(kind, address, size, conditions)), ok)


def remove(kind: PointKind, address: int, size: int) -> Call[None]:
    """Remove it."""
    return Call(bytes(Remove(kind, address, size)), ok)


# ---- server ----------------------------------------------------------------------------------------------


def _serve_insert(serving: Serving, request: Insert) -> bytes:
    if serving.target.points is None:
        return b""
    serving.points.insert(request)
    return b"OK"


def _serve_remove(serving: Serving, request: Remove) -> bytes:
    if serving.target.points is None:
        return b""
    serving.points.remove(request)
    return b"OK"


VERBS = (Verb(b"Z", parse_insert, _serve_insert), Verb(b"z", parse_remove, _serve_remove))
