"""The gdb server over the emulator: registers in three dialects, threads, faults, input, time; the prompt's command."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cvmdbg.launch import emulated
from cvmdbg.servers.gdb.served import Served
from cvmdbg.session import Session, Started
from cvmdbg.targets.emulator import EmulatorTarget
from gdbstub import inspection
from gdbstub.call import Call, LinkLost, StubError
from gdbstub.client import Client
from gdbstub.commands import breakpoints, capabilities, files, memory, monitor, registers, resuming, threads
from gdbstub.commands.breakpoints import PointKind
from gdbstub.commands.resuming import Action
from gdbstub.description import CAPABILITIES
from gdbstub.server import Server
from gdbstub.signals import Signal
from gdbstub.stops import Exited, Stopped, StopReply
from gdbstub.thread import ThreadId
from gdbstub.transport import Transport, connect
from tests.gdbstub.board import Loop
from tests.targets.toy import CODE, END, EXIT, MEMORY, READ, TRAP, WAIT, WAKE, ToyGuest

HANDLER = 0x400000790
"""The demo's LibOS: syscall_handler."""


@dataclass
class ToyLaunch:
    """A toy guest in the emulator."""

    lines: Sequence[str]
    threads: int
    title: str = "toy"
    kind: str = "emulator"

    def start(self, arguments: Sequence[str] | None) -> Started:
        guest = ToyGuest(self.lines, self.threads)
        return Started(EmulatorTarget(guest), guest)


def served(session: Session, client: str = "auto") -> Client:
    """A client of a server for a session, in memory."""
    session.connect()
    found = Client(Loop(Server(Served(session), client)))
    found.start()
    return found


def toy(lines: Sequence[str], count: int = 1) -> tuple[Client, Session]:
    session = Session(ToyLaunch(lines, count))
    return served(session), session


def run(client: Client, *actions: Action) -> StopReply:
    return finish(client, resuming.resume(*actions))


def finish(client: Client, call: Call[StopReply]) -> StopReply:
    client.resume(call)
    while (stop := client.wait(0.1)) is None:
        pass
    return stop


def thread(number: int) -> ThreadId:
    return ThreadId(number, 1)


# ---- the demo ----


@pytest.mark.parametrize("kind", ["stock", "morello", "lldb-morello"])
def test_registers_and_capabilities_are_the_machines(kind: str) -> None:
    session = emulated("demo:libhello", recording=False)
    client = served(session, kind)
    layout = inspection.find_layout(client)
    client.call(breakpoints.insert(PointKind.SOFTWARE, HANDLER, 4))
    for _ in range(3):
        stop = run(client, Action("c"))
        assert isinstance(stop, Stopped)
        assert stop.thread is not None
        values = inspection.with_tags(client, layout, client.call(registers.read_all(layout)), stop.thread)
        target, inner = session.live.target, stop.thread.tid - 1
        for register in target.registers:
            if register.name in layout.slots:
                assert values[register.name] == target.read_register(inner, register.name), register.name
        assert {name for name in CAPABILITIES if name in values} == set(CAPABILITIES)
        stack = target.read_register(inner, "sp") & ~15
        power = target.capabilities
        assert power is not None
        for address in range(stack, stack + 256, 16):
            assert client.call(capabilities.read(address)) == power.read(address)


def test_steps_of_the_server_are_those_of_the_target() -> None:
    client, alone = served(emulated("demo:libhello", recording=False)), emulated("demo:libhello", recording=False)
    alone.connect()
    for _ in range(300):
        stop = client.run(resuming.resume(Action("s", thread(1))))
        alone.execute("stepi")
        assert isinstance(stop, Stopped)
        pc = int.from_bytes(dict(stop.registers)[32] or b"", "little")
        assert pc == alone.live.target.stop.pc


def test_what_the_debugger_holds_is_not_the_clients() -> None:
    session = emulated("demo:libhello", recording=False)
    client = served(session)
    session.execute(f"break *{HANDLER:#x}")
    client.call(breakpoints.insert(PointKind.SOFTWARE, HANDLER, 4))
    assert isinstance(run(client, Action("c")), Stopped)
    client.call(breakpoints.remove(PointKind.SOFTWARE, HANDLER, 4))
    assert session.live.breakpoints.held(HANDLER)
    stop = run(client, Action("c"))
    while isinstance(stop, Stopped):
        assert stop.reason("library") is not None
        stop = run(client, Action("c"))
    assert stop == Exited(0, 1)


def test_the_trace_of_the_session_is_filled_while_a_client_steps() -> None:
    session = emulated("demo:libhello", recording=False)
    client = served(session)
    client.call(breakpoints.insert(PointKind.SOFTWARE, HANDLER, 4))
    run(client, Action("c"))
    heard: list[bytes] = []
    client.output = heard.append
    client.call(monitor.command("info crossings"))
    assert "17" in b"".join(heard).decode()


@pytest.mark.parametrize("line", ["shell id", "source /etc/passwd", "export json x", "symbol-file /etc/passwd", "run"])
def test_a_client_has_no_power_over_the_host(line: str) -> None:
    client = served(emulated("demo:libhello", recording=False))
    with pytest.raises(StubError, match="client"):
        client.call(monitor.command(line))


def test_a_list_of_commands_has_none_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    client = served(emulated("demo:libhello", recording=False))
    for line in (f"break *{HANDLER:#x}", "commands 1 shell touch stolen; continue"):
        client.call(monitor.command(line))
    client.call(monitor.command("continue"), timeout=30)
    assert not Path("stolen").exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "/16/../etc/passwd", "../../etc/passwd", "/proc/self/mem", ""])
def test_files_are_the_guests(path: str) -> None:
    client = served(emulated("demo:libhello", recording=False))
    assert client.call(files.open_file(path)).result == -1
    own = inspection.read_file(client, "/16/libos.so")
    assert own is not None
    assert own.startswith(b"\x7fELF")


# ---- threads ----


def test_a_step_of_a_thread_that_waits_comes_when_it_is_woken() -> None:
    """Thread 0 waits at once; thread 1 counts a while, wakes it and ends."""
    lines = [
        "cmp x27, #0", "b.ne @other", f"movz x14, #{WAIT}", TRAP,
        "movz x5, #5", f"movz x14, #{END}", "movz x0, #0", TRAP,
        "other:", "movz x3, #200", "loop:", "sub x3, x3, #1", "cmp x3, #0", "b.ne @loop",
        "movz x0, #0", f"movz x14, #{WAKE}", TRAP, f"movz x14, #{EXIT}", TRAP,
    ]  # fmt: skip
    client, session = toy(lines, 2)
    assert inspection.list_threads(client) == (thread(1), thread(2))
    for _ in range(4):
        client.run(resuming.resume(Action("s", thread(1))))
    waiting = session.live.target.threads()[0]
    assert waiting.state.value == "waiting"
    assert isinstance(run(client, Action("s", thread(1))), Stopped)
    assert session.live.target.threads()[0].state.value in ("running", "runnable")


def test_one_thread_alone_moves_no_other() -> None:
    lines = ["loop:", "add x0, x0, #1", "b @loop"]
    client, session = toy(lines, 2)
    client.resume(resuming.resume(Action("c", thread(2))))
    assert client.wait(0) is None
    client.interrupt()
    assert isinstance(client.wait(5), Stopped)
    read = session.live.target.read_register
    assert read(0, "x0") == 0
    assert read(1, "x0") > 100


# ---- stops ----


def test_a_fault_is_a_signal_with_its_facts() -> None:
    client, _ = toy(["movz x1, #0x999, lsl #16", "ldr x0, [x1]"])
    stop = run(client, Action("c"))
    assert isinstance(stop, Stopped)
    assert stop.signal == Signal.SEGV
    info = inspection.read_object(client, "siginfo")
    assert [int.from_bytes(info[at : at + 4], "little") for at in (0, 8)] == [11, 1]
    assert int.from_bytes(info[16:24], "little") == 0x9990000


def test_a_guest_that_reads_input_stops_as_on_a_terminal() -> None:
    heard: list[bytes] = []
    client, session = toy([f"movz x14, #{READ}", TRAP, f"movz x14, #{END}", TRAP])
    client.output = heard.append
    stop = run(client, Action("c"))
    assert isinstance(stop, Stopped)
    assert stop.signal == Signal.TTIN
    assert b"waits for standard input" in b"".join(heard)
    target = session.live.target
    assert isinstance(target, EmulatorTarget)
    target.input.feed(b"\x07")
    assert run(client, Action("c")) == Exited(7, 1)
    with pytest.raises(StubError, match="has ended"):
        client.run(resuming.resume(Action("c")))


@pytest.mark.parametrize(
    ("kind", "name"), [(PointKind.WRITE, "watch"), (PointKind.READ, "rwatch"), (PointKind.ACCESS, "awatch")]
)
def test_watchpoints_are_told_by_their_kind(kind: PointKind, name: str) -> None:
    client, _ = toy(["str x27, [x28, #16]", "ldr x3, [x28, #16]", "b @end", "end:", f"movz x14, #{END}", TRAP])
    client.call(breakpoints.insert(kind, MEMORY + 16, 8))
    stop = run(client, Action("c"))
    assert isinstance(stop, Stopped)
    assert stop.reason(name) == b"%x" % (MEMORY + 16)


def test_going_on_from_a_breakpoint_does_not_stop_there_again() -> None:
    client, session = toy(["movz x1, #1", "movz x2, #2", "movz x3, #3", "b @end", "end:", f"movz x14, #{END}", TRAP])
    for offset in (0, 8):
        client.call(breakpoints.insert(PointKind.SOFTWARE, CODE + offset, 4))
    run(client, Action("c"))
    assert session.live.target.stop.pc == CODE + 8
    client.run(resuming.resume(Action("s", thread(1))))
    assert session.live.target.stop.pc == CODE + 12


def test_memory_is_read_up_to_where_it_ends() -> None:
    client, _ = toy(["b @end", "end:"])
    assert len(client.call(memory.read(MEMORY + 4000, 1000))) == 96
    with pytest.raises(StubError, match="not mapped"):
        client.call(memory.read(MEMORY + 4096, 1))
    assert client.call(threads.current()) == thread(1)


def test_time_goes_back_where_the_target_can(tmp_path: Path) -> None:
    session = emulated("demo:libhello", recording=True, record=tmp_path / "time.cvmrec")
    client = served(session)
    if session.live.target.reverse is None:
        pytest.skip("this target does not go back")
    assert client.peer.has("ReverseStep")
    client.call(breakpoints.insert(PointKind.SOFTWARE, HANDLER, 4))
    first, second = run(client, Action("c")), run(client, Action("c"))
    assert isinstance(first, Stopped) and isinstance(second, Stopped)
    back = finish(client, resuming.go_back(step=False))
    assert isinstance(back, Stopped)
    assert back.registers == first.registers
    start = finish(client, resuming.go_back(step=False))
    assert isinstance(start, Stopped)
    assert start.reason("replaylog") == b"begin"


# ---- the command ----


def test_target_serve_at_the_prompt(tmp_path: Path) -> None:
    place = tmp_path / "s"
    words = [sys.executable, "-m", "cvmdbg.cli", "run", "demo:libhello", "--no-record", "--batch"]
    lines = [f"target serve unix:{place}", "when"]
    program = subprocess.Popen(
        [*words, *(w for line in lines for w in ("-ex", line))], stdout=subprocess.PIPE, text=True
    )
    client = Client(_patiently(f"unix:{place}"))
    client.start()
    for _ in range(7):
        client.run(resuming.resume(Action("s", thread(1))))
    client.call(resuming.detach(1))
    said, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    assert f"a gdb may connect: target remote unix:{place}" in said
    assert "the client has left" in said
    assert "tick 7" in said.splitlines()[-1]


def _patiently(address: str) -> Transport:
    end = time.monotonic() + 60
    while True:
        try:
            return connect(address)
        except LinkLost:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("target serve", "target serve HOST:PORT"),
        ("target serve 0.0.0.0:0", "was not allowed"),
        ("target serve nonsense", "is no HOST:PORT"),
        ("target serve :0 --client vax", "target serve HOST:PORT"),
    ],
)
def test_mistakes_are_one_sentence(line: str, sentence: str) -> None:
    words = [sys.executable, "-m", "cvmdbg.cli", "run", "demo:libhello", "--no-record", "--batch", "-ex", line]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
