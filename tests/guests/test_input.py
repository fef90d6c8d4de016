"""Standard input in a real run: a guest that echoes what it reads, assembled here."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

from elves import ONE_CVM, Shape, build

from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, Stop, StopKind
from cvmdbg.targets.emulator import EmulatorTarget
from emulator_core.assembler import assemble
from sessions.event import Output

ENTRY, RETURN, BUFFER = 0x100, 0x140, 0x1020

# The monitor keeps sp and returns to RETURN with the result in x0; x20 says where to go on from there.
ECHO = {
    ENTRY: [
        "adr x20, 0x108",
        "mov x21, #0",
        "mov x0, #0",  # 0x108: read(0, buffer, 8)
        f"mov x1, #{BUFFER}",
        "mov x2, #8",
        "mov x14, #809",
        "adr x20, 0x150",
        "b 0x170",
    ],
    RETURN: ["br x20"],
    0x150: [  # end of input: exit; else write_out(buffer, x0)
        "cbz x0, 0x168",
        "mov x1, x0",
        f"mov x0, #{BUFFER}",
        "mov x14, #1",
        "adr x20, 0x108",
        "b 0x170",
        "mov x14, #13",
        "b 0x170",
    ],
    0x170: [  # c_out
        "mov x9, #0x1000",
        "movk x9, #0x3e00, lsl #16",
        "ldr c21, [x9, #32]",
        "ldr c22, [x9, #48]",
        "ldr c23, [x9, #64]",
        "ldr c10, [x9, #192]",
        "ldr c9, [x9, #176]",
        "mov c11, c21",
        "blrs c29, c22, c23",
    ],
}


def echo(folder: Path) -> EmulatorTarget:
    text = bytearray(0x100)
    for start, lines in ECHO.items():
        for index, line in enumerate(lines):
            pc = start + 4 * index
            struct.pack_into("<I", text, pc - ENTRY, assemble(line, pc))
    symbols = {"ret_from_monitor": RETURN}
    (folder / "lib.so").write_bytes(build(Shape(text=bytes(text), entry=ENTRY, symbols=symbols)))
    (folder / "cvm.yaml").write_text(ONE_CVM)
    return EmulatorTarget(open_guest(str(folder)))


def go(target: EmulatorTarget) -> tuple[Stop, bytes]:
    stop = target.resume(Move.CONTINUE, budget=100_000)
    said = [o.text for o in target.drain() if isinstance(o, Output) and o.source == "guest"]
    return stop, b"".join(said)


def test_echo(tmp_path: Path) -> None:
    """The guest waits, reads what comes in pieces of its buffer's size, waits again, and ends at the end of input."""
    target = echo(tmp_path)
    stop, said = go(target)
    assert stop.reason(StopKind.WAITING) is not None and said == b""
    target.input.feed(b"hello, guest\n")
    stop, said = go(target)
    assert stop.reason(StopKind.WAITING) is not None and said == b"hello, guest\n"
    assert go(target)[0].reason(StopKind.WAITING) is not None
    target.input.feed(b"last")
    target.input.end()
    stop, said = go(target)
    reason = stop.reason(StopKind.EXIT)
    assert reason is not None and reason.status == 0 and said == b"last"


def test_waiting_costs_no_ticks(tmp_path: Path) -> None:
    target = echo(tmp_path)
    first = go(target)[0]
    assert go(target)[0].tick == first.tick


def test_standard_input_of_batch_mode_reaches_the_guest(tmp_path: Path) -> None:
    """A line is answered before the next is written; the end of input ends the guest."""
    echo(tmp_path)
    words = [sys.executable, "-m", "cvmdbg.cli", "run", str(tmp_path), "--batch", "-ex", "run"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as running:
        assert running.stdin is not None and running.stdout is not None
        said: list[str] = []
        for line in ("one\n", "another line\n"):
            running.stdin.write(line)
            while line not in said:
                said.append(running.stdout.readline())
                assert said[-1], "the program ended early"
        running.stdin.close()
        assert "exited with status 0" in running.stdout.read()
    assert running.returncode == 0


def test_batch_mode_shows_a_line_that_grows_over_several_stops(tmp_path: Path) -> None:
    echo(tmp_path)
    words = [
        sys.executable,
        "-m",
        "cvmdbg.cli",
        "run",
        str(tmp_path),
        "--batch",
        "-ex",
        "catch hostcall 1",
        "-ex",
        "run",
    ]
    words += ["-ex", "continue"] * 3
    done = subprocess.run(words, input="hello, guest, here\ntwo\n", stdout=subprocess.PIPE, text=True, timeout=60)
    lines = [line for line in done.stdout.splitlines() if line in ("hello, g", "uest, he", "re", "two")]
    assert lines == ["hello, g", "uest, he", "re", "two"]


def test_the_trace_names_what_reads(tmp_path: Path) -> None:
    echo(tmp_path)
    commands = ["-ex", "run", "-ex", "info crossings", "-ex", "explain"]
    words = [sys.executable, "-m", "cvmdbg.cli", "run", str(tmp_path), "--batch", *commands]
    shown = subprocess.run(words, input="one\n", capture_output=True, text=True, check=True).stdout
    assert "read(0, " in shown and "t5=" not in shown
