"""Real peers: Debian's gdbserver (x86-64), qemu-aarch64 -g (plain AArch64), QEMU-Morello (QEMU_MORELLO)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cvmdbg.bench.tui import spinning
from cvmdbg.launch import remote
from cvmdbg.session import Session
from cvmdbg.target import StopKind

PROGRAM = """
int total;
int add(int a, int b) { total += a + b; return total; }
int main(int argc, char **argv) {
    for (int i = 0; i < 5; i++)
        add(i, 2);
    return total;
}
"""


def needed(*names: str) -> None:
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")


def built(compiler: str, folder: Path, *options: str) -> Path:
    """A small C program."""
    (folder / "add.c").write_text(PROGRAM, "utf-8")
    program = folder / "add"
    subprocess.run([compiler, "-g", "-O0", *options, "-o", str(program), str(folder / "add.c")], check=True, timeout=60)
    return program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def attached(words: list[str], address: str, program: Path) -> Iterator[Session]:
    """A session on a stub that is started by a command."""
    quiet = subprocess.DEVNULL
    stub = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet)
    session = remote(address, symbols=(program,))
    try:
        for attempt in range(100):
            try:
                session.connect()
                break
            except Exception:
                if attempt == 99:
                    raise
                time.sleep(0.05)
        yield session
        session.close()
    finally:
        stub.kill()
        stub.wait()


def the_same_of_every_program(session: Session, result: str) -> None:
    """Breakpoints, backtrace, arguments, values, a watchpoint, finish, the end."""
    session.execute("break add")
    session.execute("continue")
    frames = session.frame_rows()
    assert [row.function.partition("+")[0] for row in frames[:2]] == ["add", "main"]
    assert [(row.name, row.value) for row in session.local_rows()[:2]] == [("a", "0"), ("b", "2")]
    assert any(row.current and row.mnemonic for row in session.code().rows)
    assert session.thread_rows()[0].selected
    session.execute("continue")
    assert session.execute("print total").lines[0].endswith("= 2")
    session.execute("watch total")
    halted = session.execute("continue")
    assert any("new value = 5" in line for line in halted.lines)
    session.execute("delete")
    session.execute("nexti")
    session.execute("finish")
    assert session.frame_rows()[0].function.startswith("main")
    session.execute(f"set ${result} = 7")
    assert session.live.target.read_register(session.live.thread, result) & 0xFFFFFFFF == 7
    session.execute("set total = 100")
    session.execute("tbreak add")
    session.execute("continue")
    session.execute("continue")
    reason = session.live.target.stop.reason(StopKind.EXIT)
    assert reason is not None
    assert reason.status == (100 + 2 + 2 + 3 + 2 + 4 + 2) % 256


def test_gdbserver(tmp_path: Path) -> None:
    needed("gdbserver", "gcc")
    program, port = built("gcc", tmp_path), free_port()
    with attached(["gdbserver", "--once", f"localhost:{port}", str(program)], f"localhost:{port}", program) as session:
        assert session.live.target.arch == "x86_64"
        the_same_of_every_program(session, "rax")


def test_gdbserver_behind_a_pipe(tmp_path: Path) -> None:
    needed("gdbserver", "gcc")
    program = built("gcc", tmp_path)
    session = remote(f"| gdbserver --once - {program}", symbols=(program,))
    session.connect()
    session.execute("tbreak main")
    session.execute("continue")
    assert session.frame_rows()[0].function.startswith("main")
    session.close()


def test_qemu_of_plain_aarch64(tmp_path: Path) -> None:
    needed("qemu-aarch64", "aarch64-linux-gnu-gcc")
    program, port = built("aarch64-linux-gnu-gcc", tmp_path, "-static"), free_port()
    with attached(["qemu-aarch64", "-g", str(port), str(program)], f"localhost:{port}", program) as session:
        assert session.live.target.arch == "aarch64"
        assert session.live.target.capabilities is None
        the_same_of_every_program(session, "x0")


def test_qemu_morello(tmp_path: Path) -> None:
    binary = os.environ.get("QEMU_MORELLO", "")
    if not binary:
        pytest.skip("QEMU_MORELLO does not name qemu-system-morello")
    program, port = tmp_path / "loop.elf", free_port()
    program.write_bytes(spinning())
    words = [binary, "-M", "morello", "-nographic", "-monitor", "none", "-serial", "none", "-kernel", str(program)]
    with attached([*words, "-S", "-gdb", f"tcp:127.0.0.1:{port}"], f"127.0.0.1:{port}", program) as session:
        target = session.live.target
        assert target.arch == "morello"
        assert target.reverse is None
        ddc = target.read_register(session.live.thread, "ddc")
        assert ddc >> 128 == 1
        start = target.stop.pc
        session.execute("stepi")
        assert target.stop.pc == start + 4
        assert target.capabilities is not None
        assert target.capabilities.read(start & ~15) >> 128 == 0
        session.close()
