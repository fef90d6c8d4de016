"""The GDB remote protocol over loopback: our server, and QEMU-Morello's where QEMU_MORELLO names it, by one client.

this program ──TCP──▶ cvmdbg serve (a program of its own)       steps of a loop on the bare machine
this program ──TCP──▶ QEMU-Morello's stub                       the same loop
"""

from __future__ import annotations

import contextlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cvmdbg import demo
from cvmdbg.bench import Figure, programs, workspace
from cvmdbg.bench.tui import spinning
from cvmdbg.target import TargetError
from gdbstub import inspection
from gdbstub.call import Call, LinkLost
from gdbstub.client import Client
from gdbstub.commands import registers, resuming
from gdbstub.commands.resuming import Action
from gdbstub.description import CAPABILITIES
from gdbstub.layout import Layout
from gdbstub.stops import StopReply
from gdbstub.transport import Transport, connect

STEPS, QUICK_STEPS, ROUNDS, QUICK_ROUNDS = 4000, 500, 5, 2
STEP_BUDGET = 15_000.0
"""Steps a second that are asked for."""
START_LIMIT = 20.0


def measure(quick: bool = False) -> list[Figure]:
    """All figures of the protocol."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "loop.elf"
        program.write_bytes(spinning())
        return [
            *_steps(program, QUICK_STEPS if quick else STEPS, QUICK_ROUNDS if quick else ROUNDS),
            *_workspace(program, quick),
        ]


def _workspace(program: Path, quick: bool) -> list[Figure]:
    """The Debug workspace at a stop: the demo on our server, the loop on QEMU's."""
    with serving("demo:libhello") as address:
        own = workspace.workspace(address, demo.path("demo:libhello"), "syscall_handler", quick)
    binary = programs.qemu()
    if binary is None:
        return workspace.figures(own, None)
    with qemu_listening(binary, program) as address:
        return workspace.figures(own, workspace.workspace(address, program, "", quick))


def _steps(program: Path, steps: int, rounds: int) -> list[Figure]:
    """Single steps, alone and with all capability registers at every stop; the median of rounds that take turns."""
    binary = programs.qemu()
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(own_server(program))
        theirs = None if binary is None else stack.enter_context(qemu_stub(binary, program))
        alone, own, other = list[float](), list[float](), list[float]()
        own_read = reader(ours)
        other_read = None if theirs is None else reader(theirs)
        for _ in range(rounds):
            alone.append(_rate(stepper(ours), steps))
            own.append(_rate(own_read, steps))
            if other_read is not None:
                other.append(_rate(other_read, max(steps // 10, 50)))
    name = "steps with all capability registers"
    baseline = statistics.median(other) if other else None
    return [
        Figure("single steps", statistics.median(alone), "1/s", STEP_BUDGET),
        Figure(f"{name} vs QEMU-Morello" if other else name, statistics.median(own), "1/s", baseline),
    ]


def _rate(once: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        once()
    return count / (time.perf_counter() - start)


def _step(client: Client) -> Call[StopReply]:
    """One instruction of the only thread, in the words that the stub has."""
    if "s" not in client.peer.actions:
        return resuming.go("s")
    return resuming.resume(Action("s", inspection.list_threads(client)[0]))


def stepper(client: Client) -> Callable[[], object]:
    """One step and its stop reply."""
    call = _step(client)
    return lambda: client.run(call)


def reader(client: Client) -> Callable[[], object]:
    """One step, then every capability register with its tag, as the stub gives them: by ``g``, else one by one."""
    layout = inspection.find_layout(client)
    step, everything = _step(client), _everything(client, layout)
    if client.peer.no_ack:
        return lambda: client.batch([step, *everything])

    def one_by_one() -> None:
        client.run(step)
        client.batch(everything)

    return one_by_one


def _everything(client: Client, layout: Layout) -> list[Call[Any]]:
    """The calls that read all capability registers."""
    wanted = [name for name in CAPABILITIES if name in layout.slots]
    if len(wanted) != len(CAPABILITIES):
        raise TargetError(f"the stub has {len(wanted)} capability registers; {len(CAPABILITIES)} were expected")
    if all(name in client.call(registers.read_all(layout)) for name in wanted):
        return [registers.read_some(layout, wanted)]
    return [registers.read_one(layout, name) for name in wanted]


# ---- stubs -----------------------------------------------------------------------------------------------


@contextmanager
def serving(guest: str) -> Iterator[str]:
    """``cvmdbg serve``, which runs as a program of its own; where it listens."""
    words = [sys.executable, "-m", "cvmdbg.cli", "serve", guest, "--gdb", "127.0.0.1:0", "--no-record"]
    server = subprocess.Popen([*words, "--client", "morello"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        said = server.stdout.readline()
        if not said.startswith("listening on "):
            raise TargetError(f"cvmdbg serve did not start: {said.strip()}")
        yield said.split()[-1]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(START_LIMIT)
        server.stdout.close()


@contextmanager
def own_server(program: Path) -> Iterator[Client]:
    """A client of our server."""
    with serving(str(program)) as address:
        client = Client(connect(address))
        client.start()
        yield client
        client.close()


@contextmanager
def qemu_stub(binary: str, program: Path) -> Iterator[Client]:
    """A client of QEMU-Morello's stub."""
    with qemu_listening(binary, program) as address:
        client = Client(connect(address))
        client.start()
        yield client
        client.close()


@contextmanager
def qemu_listening(binary: str, program: Path) -> Iterator[str]:
    """QEMU-Morello, the program loaded and stopped at its entry; where its stub listens."""
    port = _free_port()
    words = [binary, "-M", "morello", "-nographic", "-monitor", "none", "-serial", "none", "-kernel", str(program)]
    gdb = ["-S", "-gdb", f"tcp:127.0.0.1:{port}"]
    quiet = subprocess.DEVNULL
    machine = subprocess.Popen([*words, *gdb], stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        _patiently(f"127.0.0.1:{port}").close()
        yield f"127.0.0.1:{port}"
    finally:
        machine.kill()
        machine.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _patiently(address: str) -> Transport:
    """A link to a stub that is just starting."""
    end = time.monotonic() + START_LIMIT
    while True:
        try:
            return connect(address)
        except LinkLost:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
