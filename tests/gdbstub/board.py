"""A board for the protocol's tests: threads whose instructions add one to x0, memory, tags; and links to it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from gdbstub.call import LinkLost
from gdbstub.client import Client
from gdbstub.description import CAPABILITIES, Description, Dialect, morello
from gdbstub.operations import Stop, ThreadFacts
from gdbstub.server import Server
from gdbstub.signals import Signal
from gdbstub.verb import EFAULT, EINVAL, Refused

BASE, SIZE = 0x10000, 0x10000
CODE = 0x10000
TAG = 1 << 128
SLICE = 1000


class Board:
    """Satisfies Operations. Every instruction moves pc by 4 and back to CODE at its page's end."""

    triple = "aarch64-unknown-linux-gnu"
    objects = frozenset({"exec-file"})

    def __init__(self, threads: int = 2) -> None:
        self.content = bytearray(SIZE)
        self.tags: set[int] = set()
        self.values: list[dict[str, int]] = [dict.fromkeys(self._names(), 0) for _ in range(threads)]
        for number, values in enumerate(self.values):
            values |= {"pcc": CODE | TAG | number << 64, "csp": BASE + 0x8000, "c1": TAG | 0x1234 << 64 | 0x5678}
        self.breakpoints: set[int] = set()
        self.watched: dict[int, tuple[int, int, str]] = {}
        self.stop = Stop(1, Signal.TRAP)
        self.printed = b""
        self.capabilities, self.points, self.reverse, self.syscalls = Tagged(self), self, None, self
        self.watchpoints = 4
        self.caught: tuple[bool, frozenset[int]] = (False, frozenset())
        self.steps = 0
        self.relative = False
        self.left = ""

    @staticmethod
    def _names() -> list[str]:
        return [*CAPABILITIES, "cctlr", "cpsr", "fpsr", "fpcr", *(f"v{n}" for n in range(32))]

    def description(self, dialect: Dialect, typed: bool) -> Description:
        return morello(dialect, typed)

    def threads(self) -> Sequence[ThreadFacts]:
        return [ThreadFacts(n + 1, f"board/{n}") for n in range(len(self.values))]

    def regions(self) -> Sequence[tuple[int, int, str]]:
        return [(BASE, SIZE, "rwx")]

    def registers(self, thread: int, names: Sequence[str]) -> Sequence[int | None]:
        return [self._register(self.values[thread - 1], name) for name in names]

    def _register(self, values: dict[str, int], name: str) -> int:
        views = {"pc": "pcc", "sp": "csp"} | {f"x{n}": f"c{n}" for n in range(31)}
        return values[views[name]] & (1 << 64) - 1 if name in views else values[name]

    def write_register(self, thread: int, name: str, value: int) -> None:
        values = self.values[thread - 1]
        views = {"pc": "pcc", "sp": "csp"} | {f"x{n}": f"c{n}" for n in range(31)}
        if name == "pc":
            value |= values["pcc"] & ~((1 << 64) - 1)
        values[views.get(name, name)] = value

    def _inside(self, address: int, size: int) -> int:
        if not BASE <= address < BASE + SIZE:
            raise Refused(EFAULT, f"{address:#x} is not mapped")
        return min(size, BASE + SIZE - address)

    def plain(self, thread: int, address: int) -> int | None:
        return BASE + address if self.relative and address < SIZE else None

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.content[address - BASE : address - BASE + self._inside(address, size)])

    def write(self, address: int, content: bytes) -> None:
        if self._inside(address, len(content)) < len(content):
            raise Refused(EFAULT, "it does not fit")
        self.tags -= set(range(address & ~15, address + len(content), 16))
        self.content[address - BASE : address - BASE + len(content)] = content

    def step(self, thread: int) -> Stop | None:
        values = self.values[thread - 1]
        values["c0"] = values["c0"] + 1 & (1 << 64) - 1
        pc = CODE + (values["pcc"] + 4 & 0xFFF)
        values["pcc"] = values["pcc"] & ~((1 << 64) - 1) | pc
        self.steps += 1
        self.stop = Stop(thread, Signal.TRAP, step=True, breakpoint=pc in self.breakpoints)
        return self.stop

    def run(self) -> Stop | None:
        thread = self.stop.thread
        for _ in range(SLICE):
            stop = self.step(thread)
            assert stop is not None
            if stop.breakpoint:
                return replace(stop, step=False)
        self.stop = replace(self.stop, step=False)
        self.printed += b"tick\n"
        return None

    def output(self) -> bytes:
        said, self.printed = self.printed, b""
        return said

    def insert_breakpoint(self, address: int) -> None:
        self.breakpoints.add(address)

    def remove_breakpoint(self, address: int) -> None:
        self.breakpoints.discard(address)

    def insert_watchpoint(self, address: int, size: int, access: str) -> int:
        if len(self.watched) >= self.watchpoints:
            raise Refused(EINVAL, "all watchpoints are used")
        number = max(self.watched, default=0) + 1
        self.watched[number] = (address, size, access)
        return number

    def remove_watchpoint(self, number: int) -> None:
        del self.watched[number]

    def catch(self, on: bool, numbers: frozenset[int]) -> None:
        self.caught = (on, numbers)

    def object(self, name: str, annex: str, thread: int) -> bytes:
        return b"/board.elf"

    def file(self, path: str) -> bytes | None:
        return b"\x7fELF of the board" * 5000 if path == "/board.elf" else None

    def monitor(self, line: str) -> str:
        return f"you said {line}\n"

    def let_go(self, kill: bool) -> None:
        self.left = "killed" if kill else "detached"


class Tagged:
    """The board's capabilities in memory."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def read(self, address: int) -> int:
        raw = int.from_bytes(self.board.read(address, 16), "little")
        return raw | (TAG if address in self.board.tags else 0)

    def write(self, address: int, value: int) -> None:
        self.board.write(address, (value & TAG - 1).to_bytes(16, "little"))
        self.board.tags |= {address} if value >> 128 else set()


class Loop:
    """A link from a client to a server in memory. ``spoil`` may damage what goes either way."""

    def __init__(self, server: Server, spoil: Callable[[bytes], bytes] = lambda content: content) -> None:
        self.server, self.spoil = server, spoil
        self.back = b""
        self.sent: list[bytes] = []

    def send(self, content: bytes) -> None:
        self.sent.append(content)
        self.back += self.spoil(self.server.receive(self.spoil(content)))

    def receive(self, timeout: float | None) -> bytes:
        if self.server.running and not self.back:
            self.back += self.spoil(self.server.go_on())
        content, self.back = self.back, b""
        return content

    def close(self) -> None:
        self.server.close()


def pair(client: str = "auto", board: Board | None = None, **options: object) -> tuple[Client, Board]:
    """A client that has been started, and the board behind it."""
    board = board or Board()
    link = Client(Loop(Server(board, client)), **options)  # type: ignore[arg-type]
    link.start()
    return link, board


class Spoiler:
    """Damages a stream of bytes as a bad line does, by a seed: drops, doubles, changes, holds back."""

    def __init__(self, seed: int, rate: float) -> None:
        self.random, self.rate, self.held = random.Random(seed), rate, b""

    def __call__(self, content: bytes) -> bytes:
        content, self.held = self.held + content, b""
        if not content or self.random.random() >= self.rate:
            return content
        at = self.random.randrange(len(content))
        match self.random.randrange(5):
            case 0:
                return content[:at] + content[at + 1 :]
            case 1:
                return content + content
            case 2:
                return content[:at] + bytes((content[at] ^ 1 << self.random.randrange(8),)) + content[at + 1 :]
            case 3:
                self.held = content[at:]
                return content[:at]
        return b""


class Deaf:
    """A link on which nothing ever comes."""

    def send(self, content: bytes) -> None: ...

    def receive(self, timeout: float | None) -> bytes:
        return b""

    def close(self) -> None:
        raise LinkLost("closed")
