"""System calls of a live program: those that its stub catches, against strace; into LKL by a breakpoint."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from cvmdbg import demo
from cvmdbg.launch import emulated, remote
from cvmdbg.session import Session
from cvmdbg.targets.live.calls import ABIS, Calls
from sessions.event import Call
from tests.targets.stubs import served
from tests.targets.test_remote_peers import attached, free_port, needed

PROGRAM = r"""
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
int main(void) {
    char word[64];
    struct stat found;
    int file = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    read(file, word, 3);
    lseek(file, 1, SEEK_SET);
    close(file);
    stat("/nonexistent", &found);
    open("/nonexistent", O_RDWR);
    nanosleep(&(struct timespec){0, 1000}, 0);
    write(9, "nobody\n", 7);
    getpid();
    return 3;
}
"""

LKL = r"""
long lkl_syscall(long nr, long *params) { return nr == 64 ? params[2] : -38; }
int main(void) {
    long hello[6] = {9, (long)"to nobody\n", 10}, none[6] = {7};
    lkl_syscall(64, hello);
    lkl_syscall(57, none);
    lkl_syscall(5000, none);
    return 0;
}
"""


def built(compiler: str, folder: Path, source: str, *options: str) -> Path:
    needed(compiler)
    (folder / "program.c").write_text(source, "utf-8")
    program = folder / "program"
    words = [compiler, "-g", "-O0", *options, "-o", str(program), str(folder / "program.c")]
    subprocess.run(words, check=True, timeout=60)
    return program


def calls_of(session: Session) -> list[str]:
    """The trace as strace writes it."""
    return [f"{row.call} {row.result}" for row in session.trace_rows()]


def plain(line: str) -> str:
    """Without what differs from run to run or from one spelling to another: addresses, what a result means."""
    line = re.sub(r" \([^()]*\)$", "", re.sub(r"\s+", " ", line))
    return re.sub(r"\b(0x)?7f[0-9a-f]{6,}", "ADDRESS", re.sub(r"\b[0-9]{3,}\b", "N", line))


def test_the_calls_of_a_program_behind_gdbserver_are_those_of_strace(tmp_path: Path) -> None:
    needed("gdbserver", "strace")
    program, port = built("gcc", tmp_path, PROGRAM), free_port()
    with attached(["gdbserver", "--once", f"localhost:{port}", str(program)], f"localhost:{port}", program) as session:
        session.execute("tbreak main")
        session.execute("continue")
        before = len(session.trace_rows())
        assert before > 10  # the loader's
        assert "is inside" not in session.execute("continue").lines[0]
        seen = [plain(line) for line in calls_of(session)[before:]]
    told = subprocess.run(["strace", str(program)], stderr=subprocess.PIPE, text=True, timeout=60).stderr
    lines = [plain(line) for line in told.splitlines() if "(" in line and not line.startswith("+++")]
    assert len(seen) == 10 and seen == lines[-10:]


def test_a_call_is_caught_and_the_trace_is_kept_in_the_recording(tmp_path: Path) -> None:
    needed("gdbserver")
    program, port, file = built("gcc", tmp_path, PROGRAM), free_port(), tmp_path / "seen.cvmrec"
    words = ["gdbserver", "--once", f"localhost:{port}", str(program)]
    with attached(words, f"localhost:{port}", program) as session:
        session.execute("record stop")
        session.execute(f"record start {file}")
        session.execute("catch syscall write")
        assert "syscall M→H write(9, " in session.execute("continue").lines[0]
        assert session.frame_rows()
        calls = session.trace_rows()
        assert calls[-1].inside and calls[-1].arguments[1].value == '"nobody\\n"'
        session.execute("stepi")
    from cvmdbg.launch import replayed

    replay = replayed(str(file))
    replay.connect()
    assert [row.call for row in replay.trace_rows()] == [row.call for row in calls]
    replay.execute("reverse-continue")
    assert replay.trace_rows() == ()
    replay.close()


@pytest.mark.parametrize("how", ["--no-trace", "trace"])
def test_without_a_trace_nothing_is_caught(tmp_path: Path, how: str) -> None:
    needed("gdbserver")
    program = built("gcc", tmp_path, PROGRAM)
    session = remote(f"| gdbserver --once - {program}", symbols=(program,), trace=how == "trace")
    session.connect()
    session.execute("continue")
    assert (len(session.trace_rows()) > 10) == (how == "trace")
    session.close()


def test_calls_into_lkl(tmp_path: Path) -> None:
    needed("qemu-aarch64")
    program, port = built("aarch64-linux-gnu-gcc", tmp_path, LKL, "-static"), free_port()
    with attached(["qemu-aarch64", "-g", str(port), str(program)], f"localhost:{port}", program) as session:
        session.execute("catch syscall close")
        assert "syscall M→LKL close(7)" in session.execute("continue").lines[0]
        assert session.frame_rows()[0].function.startswith("lkl_syscall")
        session.execute("continue")
        rows = [(row.path, row.call, row.result) for row in session.trace_rows()]
    assert rows == [
        ("M→LKL", 'write(9, "to nobody\\n", 10)', "= 10"),
        ("M→LKL", "close(7)", "= -1 ENOSYS"),
        ("M→LKL", "syscall_5000(0x7, 0x0, 0x0, 0x0, 0x0, 0x0)", "= -38"),
    ]


@pytest.mark.parametrize("dialect", ["auto", "morello"])
def test_calls_of_a_cvm_with_its_kernel_inside_are_those_of_the_emulator(tmp_path: Path, dialect: str) -> None:
    there, here = emulated("demo:lkl", recording=False), emulated("demo:lkl", recording=False)
    there.connect()
    here.connect()
    here.execute("continue")
    with served(there, tmp_path, dialect) as address:
        far = remote(address, symbols=(demo.path("demo:lkl"),))
        far.connect()
        far.execute("continue")
        calls = [(r.path, r.call, r.result) for r in far.trace_rows()]
        far.close()
    expected = [(r.path, r.call, r.result) for r in here.trace_rows() if r.path != "M→H"]
    assert [row for row in calls if "LKL" in row[0]] == [row for row in expected if "LKL" in row[0]]
    assert len([row for row in calls if "LKL" in row[0]]) > 20


# ---- what cannot be had of these peers -------------------------------------------------------------------------------


def test_entry_and_return_are_told_apart_by_the_thread_itself() -> None:
    registers = dict.fromkeys(("rdi", "rsi", "rdx", "r10", "r8", "r9", "rax"), 0) | {"pc": 16}
    calls = Calls(ABIS["x86_64"], lambda address, size: bytes(size), lambda thread, name: registers[name])
    assert calls.caught(1, 39, True, 0) == []  # it was inside when the trace began
    registers["rax"] = -38 & (1 << 64) - 1
    entry = calls.caught(1, 39, False, 1)  # told the wrong way round
    assert [call.result for call in entry if isinstance(call, Call)] == [None]
    registers["rax"] = 77
    back = calls.caught(1, 39, True, 2)
    assert [call.result for call in back if isinstance(call, Call)] == ["77"]
    arm = Calls(ABIS["aarch64"], lambda address, size: bytes(size), lambda thread, name: 0)
    assert arm.caught(1, 172, False, 1) and arm.caught(1, 172, True, 2)
