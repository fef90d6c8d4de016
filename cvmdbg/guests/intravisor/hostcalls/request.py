"""A hostcall on its way: its arguments, the memory it points at, and what the answer may be."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from cvmdbg.guests.guest import View
from cvmdbg.guests.intravisor.deploy import Deployment
from cvmdbg.guests.intravisor.folder import Folder
from cvmdbg.guests.intravisor.state import GuestThread, Pending, Polling, State
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.target import TargetError
from emulator_core._core import Capability
from emulator_core.capability import perm_set, size_text
from sessions.event import Call, Effect, Observation, Output, RegisterWrite, ThreadWake, Wait

WORD = (1 << 64) - 1
MAX_TEXT = 4096
MAX_TRANSFER = 64 << 20


class Refusal(Exception):
    """The real monitor would crash, spin or do what is not modelled: args[0] is the sentence that says so.

    ``said`` is what it prints before it does.
    """

    def __init__(self, sentence: str, said: str = "") -> None:
        super().__init__(sentence)
        self.said = said


class Unreadable(Refusal):
    """Memory that is not mapped: the monitor's own code would fault, the host's kernel says EFAULT."""


@dataclass(slots=True)
class Answer:
    """What comes of a hostcall. ``result`` None: nothing is returned now (the thread waits, or is gone).

    With ``polls`` the wait ends when the call, made again after others, does not wait: at ``deadline`` at the latest.
    """

    result: int | None = 0
    effects: list[Effect] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    wait: str | None = None  # what the thread waits for
    again: bool = False  # nothing was done: serve it once more
    polls: bool = False
    deadline: int | None = None


@dataclass(slots=True)
class Request:
    """One hostcall. ``owner`` is the cVM by whose base the monitor reads pointers, ``caller`` the badge that called."""

    number: int
    name: str
    thread: GuestThread
    owner: Deployment
    caller: str
    state: State
    view: View
    folder: Folder
    cvms: dict[int, Deployment]
    retried: Polling | None = None  # the wait whose call is being made again

    def word(self, index: int) -> int:
        """Argument x0 … x7."""
        return self.view.register(self.thread.number, f"x{index}") & WORD

    def number_of(self, index: int) -> int:
        """An argument as a C int."""
        value = self.word(index) & 0xFFFFFFFF
        return value - (1 << 32) if value >> 31 else value

    def address(self, index: int) -> int:
        """A pointer argument, absolute."""
        return self.owner.layout.absolute(self.word(index))

    def read(self, address: int, size: int) -> bytes:
        """Guest memory; a Refusal where the original would fault."""
        if size > MAX_TRANSFER:
            raise Refusal(f"hostcall {self.number} {self.name}: {size} bytes at once are more than {MAX_TRANSFER}")
        try:
            return self.view.read(address, size)
        except TargetError as error:
            raise Unreadable(f"hostcall {self.number} {self.name} reads {address:#x}: {error}") from None

    def words_at(self, address: int, layout: str) -> tuple[int, ...]:
        """Numbers in memory, as struct spells them."""
        return struct.unpack(layout, self.read(address, struct.calcsize(layout)))

    def length(self, index: int) -> int:
        """An argument as a size of a transfer: EINVAL when it is a negative number."""
        if self.word(index) >> 63:
            raise Err(E.EINVAL)
        return self.word(index)

    def sized(self, address: int, size: int) -> bytes:
        """The bytes of a transfer; EINVAL for a negative size."""
        if size >> 63:
            raise Err(E.EINVAL)
        return self.read(address, size) if size else b""

    def limit(self, own: int | None) -> int | None:
        """The deadline of the call being made: ``own`` when it is made for the first time."""
        return own if self.retried is None else self.retried.deadline

    def ended(self, limit: int | None) -> bool:
        """Has a deadline come?"""
        return limit is not None and limit <= self.state.now(self.view.tick)

    def check_writable(self, address: int, size: int) -> None:
        """A Refusal unless all of a range is mapped."""
        if size:
            self.read(address, 1)
            self.read(address + size - 1, 1)
            for page in range((address | 0xFFF) + 1, address + size, 0x1000):
                self.read(page, 1)

    def text(self, address: int) -> bytes:
        """A C string of at most 4096 bytes."""
        found = bytearray()
        while len(found) < MAX_TEXT:
            at = address + len(found)
            found += self.read(at, min(64, 0x1000 - at % 0x1000))
            end = found.find(0)
            if end >= 0:
                return bytes(found[:end])
        raise Refusal(f"hostcall {self.number} {self.name}: no NUL within {MAX_TEXT} bytes of {address:#x}")

    def say(self, text: bytes, compartment: str, source: str) -> Output:
        """Something printed."""
        return Output(self.view.tick, self.thread.number, compartment, source, text)

    def monitor_says(self, line: str) -> Output:
        """A line that the monitor prints."""
        return self.say(line.encode("utf-8", "surrogateescape") + b"\n", "M", "monitor")

    def host_call(self, number: int, name: str, arguments: tuple[str, ...], result: int) -> Call:
        """What the monitor asked of its host meanwhile."""
        return Call(self.view.tick, self.thread.number, "M→H", number, name, arguments, str(result), result < 0)

    def finish(self, thread: GuestThread, result: int) -> list[Effect]:
        """Gives a waiting thread its result and lets it run."""
        return [RegisterWrite(thread.number, "c0", result & WORD), ThreadWake(thread.number)]

    def finished(self, thread: GuestThread, result: int) -> list[Observation]:
        """What is said when a waiting thread's hostcall comes back."""
        said: list[Observation] = [Wait(self.view.tick, thread.number, None)]
        if thread.pending is not None:
            said.append(call(self.view.tick, thread, thread.pending, result))
            thread.pending = None
        return said

    def wake(self, answer: Answer, number: int, result: int) -> None:
        """Ends the wait of a thread as part of an answer to another."""
        thread = self.state.threads[number]
        answer.effects += self.finish(thread, result)
        answer.observations += self.finished(thread, result)

    def shown(self, index: int) -> str:
        """A pointer argument as a trace shows it: with its capability where one is due."""
        value = self.word(index)
        if not self.owner.layout.pure:
            return f"{value:x}→{self.address(index):x}"
        cap = Capability(self.view.register(self.thread.number, f"c{index}"))
        if not cap.tag:
            return f"○{value:x}" if value else "0"
        size = size_text(cap.length) if cap.length >= 1 << 20 else f"{cap.length:x}"
        return f"{value:x}[{perm_set(cap.perms)},+{size}]"


def call(tick: int, thread: GuestThread, pending: Pending, result: int | None) -> Call:
    """A hostcall for the trace; ``result`` None while it is inside."""
    shown = None if result is None else _result(result)
    failed = result is not None and result >> 63 & 1 == 1
    return Call(tick, thread.number, pending.layer, pending.number, pending.name, pending.arguments, shown, failed)


def _result(value: int) -> str:
    """Small numbers in decimal, negative ones too, addresses in hexadecimal."""
    signed = value - (1 << 64) if value >> 63 & 1 else value
    return str(signed) if -4096 <= signed < 1 << 24 else f"{value:#x}"


def quoted(text: bytes, limit: int = 32) -> str:
    """Bytes as strace shows a string."""
    body = text[:limit].decode("latin-1").encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{body}"' + ("…" if len(text) > limit else "")


Serve = Callable[[Request], Answer]
Show = Callable[[Request], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Hostcall:
    """A row of a family's table: its name, what it does, how a trace shows its arguments."""

    name: str
    serve: Serve
    show: Show


def words(count: int) -> Show:
    """Arguments as plain numbers."""
    return lambda request: tuple(_result(request.word(index)) for index in range(count))
