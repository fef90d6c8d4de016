"""A guest of a few instructions, for tests of the target alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cvmdbg.guests.guest import Boundary, BoundaryKind, Compartment, Module, Outcome, Symbol, View
from cvmdbg.target import Reason, StopKind
from emulator_core import _core
from emulator_core.assembler import assemble
from sessions.event import (
    Effect,
    Map,
    MemoryWrite,
    Output,
    ProgramExit,
    RegisterWrite,
    ThreadBlock,
    ThreadExit,
    ThreadStart,
    ThreadWake,
)

CODE = 0x10000
MEMORY = 0x20000
PAGE = 4096
TRAP = f"hlt #{_core.HOSTCALL_HLT:#x}"

EXIT, PRINT, WAIT, WAKE, READ, END = range(6)
"""What x14 asks for at the trap: end this thread, print x0, wait, wake thread x0, read input to x0, end the guest."""


def program(lines: Sequence[str], base: int = CODE) -> bytes:
    """Machine code of A64 text; ``name:`` lines are labels, used as ``@name``."""
    labels: dict[str, int] = {}
    text: list[str] = []
    for line in lines:
        if line.endswith(":"):
            labels[line[:-1]] = base + 4 * len(text)
        else:
            text.append(line)
    for name, address in labels.items():
        text = [line.replace(f"@{name}", f"{address:x}") for line in text]
    words = (assemble(line, base + 4 * n) for n, line in enumerate(text))
    return b"".join(word.to_bytes(4, "little") for word in words)


class ToyGuest:
    """Threads that start at the same code with their number in x27; the trap serves what x14 asks for."""

    name = "toy"
    arch = "morello"
    calls = None
    waits = None
    absent = None
    taps = ()

    def __init__(self, lines: Sequence[str], threads: int = 1) -> None:
        self._code = program(lines)
        self._threads = threads

    def start(self) -> tuple[Outcome, ...]:
        almighty = _core.Capability.almighty()
        effects: list[Effect] = [
            Map(CODE, PAGE, "rx"),
            Map(MEMORY, PAGE, "rw"),
            MemoryWrite(CODE, self._code),
        ]
        for number in range(self._threads):
            effects += [
                ThreadStart(number),
                RegisterWrite(number, "pcc", almighty.set_value(CODE).bits),
                RegisterWrite(number, "ddc", almighty.bits),
                RegisterWrite(number, "x27", number),
                RegisterWrite(number, "x28", MEMORY),
            ]
        return (Outcome("deploy", tuple(effects)),)

    def boundary(self, boundary: Boundary, view: View) -> Outcome:
        thread = boundary.thread
        if boundary.kind is not BoundaryKind.HOSTCALL:
            return Outcome("signal", (ProgramExit(128),))
        argument = view.register(thread, "x0")
        match view.register(thread, "x14"):
            case 0:
                return Outcome("exit", (ThreadExit(thread),))
            case 1:
                text = b"%d" % argument
                return Outcome(
                    "print", (RegisterWrite(thread, "x0", 0),), (Output(view.tick, thread, "T", "guest", text),)
                )
            case 2:
                return Outcome("wait", (ThreadBlock(thread, "wake"),))
            case 3:
                return Outcome("wake", (ThreadWake(argument),))
            case 4:
                return self._read(thread, view)
        return Outcome("end", (ProgramExit(argument),))

    def _read(self, thread: int, view: View) -> Outcome:
        content = view.input(1)
        if content is None:
            return Outcome("read", stop=Reason(StopKind.WAITING, "standard input"), again=True)
        return Outcome("read", (RegisterWrite(thread, "x0", content[0] if content else 256),))

    def alarm(self) -> int | None:
        return None

    def save(self) -> object:
        return None

    def load(self, state: object) -> None:
        assert state is None

    def thread_ids(self, thread: int) -> Mapping[str, int]:
        return {"slot": thread}

    def thread_name(self, thread: int) -> str:
        return f"T/{thread}"

    def compartments(self) -> tuple[Compartment, ...]:
        return ()

    def modules(self) -> tuple[Module, ...]:
        return ()

    def symbols(self) -> tuple[Symbol, ...]:
        return ()

    def file(self, path: str) -> bytes | None:
        return None
