"""``QCatchSyscalls``: stop at system calls, ``syscall_entry`` and ``syscall_return`` in the stop reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbstub import hexadecimal
from gdbstub.call import Call, ok
from gdbstub.verb import Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_CALLS = 4096


@dataclass(frozen=True, slots=True)
class Catch:
    """``QCatchSyscalls:1;number;number`` (no number: all), ``QCatchSyscalls:0``."""

    on: bool
    numbers: tuple[int, ...] = ()

    def __bytes__(self) -> bytes:
        return b"QCatchSyscalls:%d" % self.on + b"".join(b";%x" % number for number in self.numbers)


def parse(packet: bytes) -> Catch:
    """``QCatchSyscalls:1;1f``."""
    words = packet.partition(b":")[2].split(b";", MAX_CALLS)
    if words[0] not in (b"0", b"1") or len(words) > MAX_CALLS or (words[0] == b"0" and len(words) > 1):
        raise ValueError(f"expected QCatchSyscalls:0 or :1;NUMBERS, found {hexadecimal.shown(packet)}")
    return Catch(words[0] == b"1", tuple(hexadecimal.number(word) for word in words[1:]))


def catch(on: bool, numbers: tuple[int, ...] = ()) -> Call[None]:
    """Stop at system calls, or no longer."""
    return Call(bytes(Catch(on, numbers)), ok)


def _serve(serving: Serving, request: Catch) -> bytes:
    power = serving.target.syscalls
    if power is None:
        return b""
    power.catch(request.on, frozenset(request.numbers))
    return b"OK"


VERBS = (Verb(b"QCatchSyscalls", parse, _serve),)
