"""The LibOS between two calls: what it knows, how a call is made, waits, comes back or is broken off.

A call is a function ``(kernel, thread, arguments …)``: it returns its result, raises Err, or raises Wait. Changes of
the machine go to ``effects``; the target applies them in order when the boundary has been served.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from cvmdbg.guests.guest import View
from cvmdbg.guests.linux import abi
from cvmdbg.guests.linux.abi import WORD, E, Err, Wait
from cvmdbg.guests.linux.nodes import Node, Overlay
from cvmdbg.guests.linux.space import PAGE, Space
from cvmdbg.guests.linux.state import EPOCH, Open, Program, State, Thread, Waiting
from sessions.event import (
    Effect,
    MemoryWrite,
    ModuleLoad,
    Note,
    Observation,
    RegisterWrite,
    ThreadBlock,
    ThreadWake,
)
from sessions.event import Wait as WaitSeen

MAX_TRANSFER = 0x7FFFF000
MAX_STRING = 4096

Call = Callable[..., int | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A call that is modelled: how many of x0 … x5 it takes."""

    name: str
    serve: Call
    arity: int


CALLS: dict[str, Entry] = {}
"""All calls that are modelled, by name."""


C = TypeVar("C", bound=Call)


def call(*names: str) -> Callable[[C], C]:
    """Makes a function the LibOS's call of these names."""

    def add(function: C) -> C:
        for name in names:
            CALLS[name] = Entry(name, function, function.__code__.co_argcount - 2)
        return function

    return add


def patience(opened: Open, reason: str, deadline: int | None = None) -> Exception:
    """Why a call cannot go on: it waits, or fails with EAGAIN where the file does not block."""
    return Err(E.EAGAIN) if opened.flags & abi.O_NONBLOCK else Wait(reason, deadline, -E.EAGAIN)


class Unmodelled(Exception):
    """What a call is asked to do is not modelled: ``args[0]`` says it."""


@dataclass
class Kernel:
    """Serves calls over a state. ``view`` and ``tick`` are those of the boundary being served."""

    files: Overlay
    numbers: dict[int, Entry]
    state: State = field(default_factory=State)
    effects: list[Effect] = field(default_factory=list)
    said: list[Observation] = field(default_factory=list)
    tick: int = 0
    poked: bool = False  # something happened that a waiting call may wait for
    retrying: Waiting | None = None  # the wait whose call is being made again
    signalled: bool = False  # a signal may be deliverable
    told: list[Note] = field(default_factory=list)  # signals, said after the calls that they broke off
    left: tuple[int, int] | None = None  # base and cVM that an execve has just left
    answer: int | None = None  # what a call comes back with that sets all registers: execve, rt_sigreturn
    begun: tuple[int, int, int] = (0, 0, 0)  # path, argv and envp of the newest program, on its stack
    input_wanted: bool = False  # a thread waits for standard input
    alarm_known: bool = False
    next_alarm: int | None = None
    yielded: bool = False
    terminal: bool = False  # are standard input and output a terminal?
    network: bool = True  # is there a loopback?
    first_pid: int = 0
    first_badge: int = 17
    first_base: int = 1 << 36
    size: int = 1 << 36
    returned: list[tuple[Thread, Waiting, int]] = field(default_factory=list)
    view: View = field(init=False)

    # ---- facts ----------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """CLOCK_MONOTONIC, nanoseconds."""
        return self.tick + self.state.idle

    @property
    def realtime(self) -> int:
        """CLOCK_REALTIME, nanoseconds."""
        return self.tick + self.state.idle + EPOCH

    def clock(self, number: int) -> int:
        """One of the clocks of clock_gettime. CPU time is what all threads together have run."""
        if number in (0, 5, 8, 11):
            return self.realtime
        return self.tick if number in (2, 3) else self.now

    def random(self, size: int) -> bytes:
        """Bytes that look random and are the same in every run."""
        out = b""
        while len(out) < size:
            self.state.random += 1
            out += hashlib.sha512(b"%d" % self.state.random).digest()
        return out[:size]

    def place(self, cvm: int) -> tuple[int, int]:
        """Base and size of a cVM."""
        return self.first_base + cvm * self.size, self.size

    def badge(self, cvm: int) -> str:
        """What people call a cVM."""
        return str(self.first_badge + cvm)

    def module(self, cvm: int, node: Node, path: str, base: int, size: int) -> None:
        """Says that an ELF file was mapped."""
        name = path.rpartition("/")[2]
        self.said.append(ModuleLoad(self.tick, name, path, base, size, self.badge(cvm)))

    def unmodelled(self, what: str) -> Unmodelled:
        """What a call is asked to do and the LibOS does not."""
        return Unmodelled(what)

    # ---- memory of the program ------------------------------------------------------------------------

    def program(self, thread: Thread) -> Program:
        """The program that a thread belongs to."""
        return self.state.programs[thread.pid]

    def space(self, thread: Thread) -> Space:
        """The memory of a thread's program."""
        return self.state.spaces[self.state.programs[thread.pid].cvm]

    def read(self, thread: Thread, address: int, size: int) -> bytes:
        """Bytes of the program's memory; EFAULT where it may not read."""
        space = self.state.spaces[self.state.programs[thread.pid].cvm]
        if not size:
            return b""
        if space.reach(address, size, "r") < size:
            raise Err(E.EFAULT)
        return self.view.read(space.base + address, size)

    def write(self, thread: Thread, address: int, content: bytes) -> None:
        """Bytes into the program's memory; EFAULT where it may not write."""
        space = self.state.spaces[self.state.programs[thread.pid].cvm]
        if not content:
            return
        if space.reach(address, len(content), "w") < len(content):
            raise Err(E.EFAULT)
        self.effects.append(MemoryWrite(space.base + address, content))

    def readable(self, thread: Thread, address: int, size: int) -> bytes:
        """As many of these bytes as the program may read; EFAULT when not even the first."""
        size = min(size, MAX_TRANSFER)
        if not size:
            return b""
        space = self.space(thread)
        reach = space.reach(address, size, "r")
        if not reach:
            raise Err(E.EFAULT)
        return self.view.read(space.base + address, reach)

    def room(self, thread: Thread, address: int, size: int) -> int:
        """How many bytes can be written at an address; EFAULT when none of ``size``."""
        size = min(size, MAX_TRANSFER)
        reach = self.space(thread).reach(address, size, "w")
        if size and not reach:
            raise Err(E.EFAULT)
        return reach

    def text(self, thread: Thread, address: int, limit: int = MAX_STRING) -> str:
        """A string of the program, up to its NUL; ENAMETOOLONG when there is none within ``limit``."""
        space = self.space(thread)
        found = b""
        while len(found) < limit:
            chunk = min(PAGE - (address + len(found)) % PAGE, limit - len(found))
            if space.reach(address + len(found), 1, "r") < 1:
                raise Err(E.EFAULT)
            part = self.view.read(space.base + address + len(found), chunk)
            end = part.find(b"\0")
            if end >= 0:
                return (found + part[:end]).decode("utf-8", "surrogateescape")
            found += part
        raise Err(E.ENAMETOOLONG)

    def word(self, thread: Thread, address: int) -> int:
        """A 32-bit number of the program."""
        return int.from_bytes(self.read(thread, address, 4), "little")

    def words(self, thread: Thread, address: int, layout: str) -> tuple[int, ...]:
        """Numbers of the program, as struct spells them."""
        return struct.unpack(layout, self.read(thread, address, struct.calcsize(layout)))

    # ---- open files -----------------------------------------------------------------------------------

    def opened(self, thread: Thread, fd: int) -> Open:
        """The open file of a descriptor; EBADF."""
        number = self.state.programs[thread.pid].files.get(fd & 0xFFFFFFFF)
        if number is None:
            raise Err(E.EBADF)
        return self.state.opens[number]

    def node(self, inode: int) -> Node:
        """A file by inode."""
        return self.files.nodes[inode]

    # ---- a call ---------------------------------------------------------------------------------------

    def serve(self, thread: Thread, number: int, arguments: tuple[int, ...]) -> int | None:
        """Makes a call: what the caller finds in x0, or None when it waits or does not come back."""
        entry = self.numbers[number]
        try:
            value = entry.serve(self, thread, *arguments[: entry.arity])
        except Err as error:
            value = -int(error.args[0])
        except Wait as wait:
            self.block(thread, number, arguments, wait)
            return None
        if value is not None:
            self.result(thread, value)
        return value

    def result(self, thread: Thread, value: int) -> None:
        """What the caller finds in x0."""
        self.effects.append(RegisterWrite(thread.number, "x0", value & WORD))

    def block(self, thread: Thread, number: int, arguments: tuple[int, ...], wait: Wait) -> None:
        """The call waits."""
        thread.waiting = Waiting(
            number, arguments, wait.reason, wait.deadline, wait.timeout, wait.restart, wait.polls, self.tick, wait.limit
        )
        self.alarm_known = False
        self.effects.append(ThreadBlock(thread.number, wait.reason))
        self.said.append(WaitSeen(self.tick, thread.number, wait.reason))

    def wake(self, thread: Thread, result: int | None) -> None:
        """A waiting call comes back; None when its registers are set by whoever wakes it."""
        waiting = thread.waiting
        assert waiting is not None
        thread.waiting = None
        self.alarm_known = False
        if result is not None:
            self.restore_mask(thread)
            self.result(thread, result)
            self.returned.append((thread, waiting, result))
        if self.state.programs[thread.pid].stopped:
            thread.halted = True
            return
        self.effects.append(ThreadWake(thread.number))
        self.said.append(WaitSeen(self.tick, thread.number, None))

    def restore_mask(self, thread: Thread) -> None:
        """A call that had its own signal mask is over."""
        if thread.saved_mask is not None:
            thread.mask, thread.saved_mask = thread.saved_mask, None
            self.signalled = True

    def retry(self, thread: Thread) -> None:
        """Makes a waiting call again: it comes back, or waits on, perhaps for another moment."""
        waiting = thread.waiting
        assert waiting is not None
        entry = self.numbers[waiting.number]
        self.retrying = waiting
        try:
            value = entry.serve(self, thread, *waiting.arguments[: entry.arity])
        except Err as error:
            value = -int(error.args[0])
        except Wait as wait:
            if wait.deadline is None or wait.deadline > self.now:
                if wait.deadline != waiting.deadline:
                    waiting.deadline = wait.deadline
                    self.alarm_known = False
                return
            value = waiting.timeout
        finally:
            self.retrying = None
        self.wake(thread, value)

    def limit(self, own: int | None) -> int | None:
        """The deadline of the call being made: ``own`` when it is made for the first time."""
        return own if self.retrying is None else self.retrying.limit

    def ended(self, own: int | None) -> bool:
        """Has that deadline come?"""
        limit = self.limit(own)
        return limit is not None and limit <= self.now

    def settle(self) -> None:
        """What was done may end the waits of others, and theirs those of others again."""
        while self.poked:
            self.poked = False
            for thread in [t for t in self.state.threads.values() if t.waiting is not None and t.waiting.polls]:
                if thread.waiting is not None:
                    self.retry(thread)

    # ---- moments --------------------------------------------------------------------------------------

    def deadlines(self) -> list[int]:
        """Moments of CLOCK_MONOTONIC at which something is due."""
        state = self.state
        waits = [t.waiting.deadline for t in state.threads.values() if t.waiting and t.waiting.deadline is not None]
        programs = [p.itimer[0] for p in state.programs.values() if p.itimer[0]]
        timers = [timer.due for timer in state.timers.values() if timer.due]
        return waits + programs + timers

    def alarm(self) -> int | None:
        """The tick at which the next of them comes."""
        if not self.alarm_known:
            moments = self.deadlines()
            self.next_alarm = max(0, min(moments) - self.state.idle) if moments else None
            if self.input_wanted and all(t.waiting or t.exited for t in self.state.threads.values()):
                self.next_alarm = 0
            self.alarm_known = True
        return self.next_alarm
