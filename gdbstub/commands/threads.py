"""Threads: H selects, T asks whether one lives, qC qfThreadInfo qsThreadInfo qThreadExtraInfo list them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbstub import hexadecimal
from gdbstub.call import Call, ok
from gdbstub.thread import ThreadId
from gdbstub.verb import EINVAL, Refused, Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_THREADS = 1 << 16


@dataclass(frozen=True, slots=True)
class Select:
    """``H op thread``: ``op`` is ``g`` (for what looks) or ``c`` (for what runs)."""

    operation: str
    thread: ThreadId

    def __bytes__(self) -> bytes:
        return b"H" + self.operation.encode() + bytes(self.thread)


@dataclass(frozen=True, slots=True)
class IsAlive:
    """``T thread``."""

    thread: ThreadId

    def __bytes__(self) -> bytes:
        return b"T" + bytes(self.thread)


@dataclass(frozen=True, slots=True)
class Current:
    """``qC``: the thread that stopped."""

    def __bytes__(self) -> bytes:
        return b"qC"


@dataclass(frozen=True, slots=True)
class List:
    """``qfThreadInfo`` (the beginning of the list) or ``qsThreadInfo`` (more of it)."""

    first: bool = True

    def __bytes__(self) -> bytes:
        return b"qfThreadInfo" if self.first else b"qsThreadInfo"


@dataclass(frozen=True, slots=True)
class Describe:
    """``qThreadExtraInfo,thread``: a name for people."""

    thread: ThreadId

    def __bytes__(self) -> bytes:
        return b"qThreadExtraInfo," + bytes(self.thread)


def parse_select(packet: bytes) -> Select:
    """``Hgp1.2``."""
    operation = packet[1:2].decode("latin-1")
    if operation not in ("g", "c"):
        raise ValueError(f"expected Hg or Hc, found {hexadecimal.shown(packet)}")
    return Select(operation, ThreadId.parse(packet[2:]))


def parse_is_alive(packet: bytes) -> IsAlive:
    """``Tp1.2``."""
    return IsAlive(ThreadId.parse(packet[1:]))


def parse_list(packet: bytes) -> List:
    """``qfThreadInfo``."""
    return List(packet.startswith(b"qf"))


def parse_current(packet: bytes) -> Current:
    """``qC``."""
    return Current()


def parse_describe(packet: bytes) -> Describe:
    """``qThreadExtraInfo,p1.2``."""
    return Describe(ThreadId.parse(packet.partition(b",")[2]))


# ---- client ----------------------------------------------------------------------------------------------


def select(thread: ThreadId, operation: str = "g") -> Call[None]:
    """Make a thread the one that ``g p m`` (``g``) or ``s c`` (``c``) are about."""
    return Call(bytes(Select(operation, thread)), ok)


def is_alive(thread: ThreadId) -> Call[None]:
    """Does it live? StubError when not."""
    return Call(bytes(IsAlive(thread)), ok)


def current() -> Call[ThreadId]:
    """The thread that stopped."""

    def value(reply: bytes) -> ThreadId:
        if not reply.startswith(b"QC"):
            raise ValueError(f"expected QC and a thread, found {hexadecimal.shown(reply)}")
        return ThreadId.parse(reply[2:])

    return Call(bytes(Current()), value)


def list_some(first: bool) -> Call[tuple[ThreadId, ...]]:
    """A piece of the list; empty at its end. Ask with ``first`` once, then without until nothing comes."""
    return Call(bytes(List(first)), read_list, repeatable=False)


def read_list(reply: bytes) -> tuple[ThreadId, ...]:
    """``m p1.1,p1.2`` or ``l``."""
    if reply == b"l":
        return ()
    if not reply.startswith(b"m"):
        raise ValueError(f"expected m and threads, or l, found {hexadecimal.shown(reply)}")
    found = reply[1:].split(b",")
    if len(found) > MAX_THREADS:
        raise ValueError(f"more than {MAX_THREADS} threads")
    return tuple(ThreadId.parse(text) for text in found if text)


def describe(thread: ThreadId) -> Call[str]:
    """What a stub says of a thread. KM tells the guest's pthread pointer here: ``Guest 0x7fffbfbf38, …``."""
    return Call(bytes(Describe(thread)), hexadecimal.words)


# ---- server ----------------------------------------------------------------------------------------------


def _serve_select(serving: Serving, request: Select) -> bytes:
    if request.operation == "g":
        serving.general = serving.chosen(request.thread)
    elif request.thread.tid > 0:
        serving.running = serving.chosen(request.thread)
    else:
        serving.running = None
    return b"OK"


def _serve_is_alive(serving: Serving, request: IsAlive) -> bytes:
    serving.chosen(request.thread)
    return b"OK"


def _serve_current(serving: Serving, request: Current) -> bytes:
    return b"QC" + bytes(serving.thread_id(serving.stop.thread))


def _serve_list(serving: Serving, request: List) -> bytes:
    if request.first:
        serving.unlisted = [thread.number for thread in serving.target.threads()]
    room = serving.room(24)
    part, serving.unlisted = serving.unlisted[:room], serving.unlisted[room:]
    return b"m" + b",".join(bytes(serving.thread_id(number)) for number in part) if part else b"l"


def _serve_describe(serving: Serving, request: Describe) -> bytes:
    number = serving.chosen(request.thread)
    found = next((t for t in serving.target.threads() if t.number == number), None)
    if found is None:
        raise Refused(EINVAL, f"there is no thread {number}")
    return hexadecimal.spelled(f"{found.name} {found.state}".strip())


VERBS = (
    Verb(b"H", parse_select, _serve_select),
    Verb(b"T", parse_is_alive, _serve_is_alive),
    Verb(b"qC", parse_current, _serve_current),
    Verb(b"qfThreadInfo", parse_list, _serve_list),
    Verb(b"qsThreadInfo", parse_list, _serve_list),
    Verb(b"qThreadExtraInfo", parse_describe, _serve_describe),
)
