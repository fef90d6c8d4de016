"""Stop replies: why a resumed target stands, as the packets S T W X N tell, and what may come before: O and F.

T 05 thread:p1.2; 20:0010..; watch:7fff10;      signal, thread, expedited registers, reasons
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gdbstub import hexadecimal
from gdbstub.thread import ThreadId

WATCHES = {"watch": "w", "rwatch": "r", "awatch": "rw"}
"""Reasons that carry a data address, and the access they tell of."""

_MAX_PAIRS = 4096


@dataclass(frozen=True, slots=True)
class Stopped:
    """The target stands. ``reasons`` are the other pairs, in order: ``("watch", b"10")``.

    ``registers`` are expedited: number and raw content, None where the stub does not know it.
    """

    signal: int
    thread: ThreadId | None = None
    reasons: tuple[tuple[str, bytes], ...] = ()
    registers: tuple[tuple[int, bytes | None], ...] = ()

    def __bytes__(self) -> bytes:
        parts = [b"T%02x" % self.signal]
        if self.thread is not None:
            parts.append(b"thread:%b;" % bytes(self.thread))
        for number, content in self.registers:
            parts.append(b"%02x:%b;" % (number, b"xx" if content is None else content.hex().encode()))
        parts += [b"%b:%b;" % (name.encode(), value) for name, value in self.reasons]
        return b"".join(parts)

    def reason(self, name: str) -> bytes | None:
        """The value of a reason, None when the stop does not have it."""
        return next((value for found, value in self.reasons if found == name), None)

    @property
    def watched(self) -> tuple[str, int] | None:
        """Access (``w``, ``r``, ``rw``) and address of a watchpoint that was hit."""
        for found, value in self.reasons:
            if found in WATCHES:
                return WATCHES[found], hexadecimal.number(value)
        return None


@dataclass(frozen=True, slots=True)
class Exited:
    """The program has ended with a status."""

    status: int
    pid: int | None = None

    def __bytes__(self) -> bytes:
        return b"W%02x" % self.status + (b"" if self.pid is None else b";process:%x" % self.pid)


@dataclass(frozen=True, slots=True)
class Killed:
    """The program was ended by a signal."""

    signal: int
    pid: int | None = None

    def __bytes__(self) -> bytes:
        return b"X%02x" % self.signal + (b"" if self.pid is None else b";process:%x" % self.pid)


@dataclass(frozen=True, slots=True)
class NoneResumed:
    """No thread is left that could run."""

    def __bytes__(self) -> bytes:
        return b"N"


@dataclass(frozen=True, slots=True)
class Output:
    """Console output of the target; it goes on running."""

    content: bytes

    def __bytes__(self) -> bytes:
        return b"O" + self.content.hex().encode()


@dataclass(frozen=True, slots=True)
class FileRequest:
    """The target asks its debugger for a file operation; it is refused here with ``F-1,1`` (EPERM)."""

    request: bytes

    def __bytes__(self) -> bytes:
        return b"F" + self.request


StopReply: TypeAlias = Stopped | Exited | Killed | NoneResumed
Event: TypeAlias = StopReply | Output | FileRequest


def parse(reply: bytes) -> Event:
    """What a packet from a resumed target says; ValueError when it is none of those."""
    kind, rest = reply[:1], reply[1:]
    match kind:
        case b"T":
            return _stopped(rest)
        case b"S":
            return Stopped(hexadecimal.number(rest, 0xFF))
        case b"W" | b"X":
            return _ended(Exited if kind == b"W" else Killed, rest)
        case b"N" if not rest:
            return NoneResumed()
        case b"O" if len(rest) % 2 == 0:
            return Output(hexadecimal.content(rest))
        case b"F":
            return FileRequest(rest)
    raise ValueError(f"expected a stop reply, found {hexadecimal.shown(reply)}")


def _ended(kind: type[Exited] | type[Killed], rest: bytes) -> Exited | Killed:
    code, found, pid = rest.partition(b";process:")
    return kind(hexadecimal.number(code, 0xFFFFFFFF), hexadecimal.number(pid) if found else None)


def _stopped(rest: bytes) -> Stopped:
    signal, thread = hexadecimal.number(rest[:2], 0xFF), None
    registers: list[tuple[int, bytes | None]] = []
    reasons: list[tuple[str, bytes]] = []
    pairs = rest[2:].split(b";", _MAX_PAIRS)
    if len(pairs) > _MAX_PAIRS:
        raise ValueError(f"a stop reply with more than {_MAX_PAIRS} pairs")
    for pair in pairs:
        name, found, value = pair.partition(b":")
        if not found:
            if pair:
                raise ValueError(f"expected name:value in a stop reply, found {hexadecimal.shown(pair)}")
        elif name == b"thread":
            thread = ThreadId.parse(value)
        elif _is_number(name):
            registers.append((int(name, 16), None if value[:1] == b"x" else hexadecimal.content(value)))
        else:
            reasons.append((name.decode("ascii", "replace"), value))
    return Stopped(signal, thread, tuple(reasons), tuple(registers))


def _is_number(name: bytes) -> bool:
    """Register numbers are all hex digits; no reason's name is."""
    return bool(name) and len(name) <= 8 and not name.strip(b"0123456789abcdef")
