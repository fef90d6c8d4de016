"""What is seen of a live machine is written down, and shown afterwards as it was: no more of it, no less."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvmdbg import demo
from cvmdbg.launch import emulated, remote, replayed
from cvmdbg.recordings_cli import OBSERVED
from cvmdbg.session import Session
from cvmdbg.target import StopKind, TargetError, TargetLost, Unknown, UserError
from cvmdbg.targets.live.recalled import overlaid
from cvmdbg.targets.live.witness import public
from sessions.event import Note
from sessions.reader import Recording
from sessions.recorder import Recorder
from sessions.sight import SawMemory, SawRegisters, Stood, sized
from tests.gdbstub.board import BASE, CODE, Board
from tests.targets.stubs import boarded, served
from tests.targets.test_remote_peers import attached, built, free_port, needed

LIBHELLO = demo.path("demo:libhello")


@dataclass(frozen=True)
class Screen:
    """What a stop showed."""

    number: int
    pc: int
    kinds: tuple[StopKind, ...]
    registers: dict[str, int]
    memory: tuple[Any, ...]
    frames: tuple[Any, ...]
    code: tuple[Any, ...]
    threads: tuple[Any, ...]
    modules: tuple[Any, ...]
    trace: tuple[Any, ...]


def screen(session: Session, number: int) -> Screen:
    """What is on it, read as the panes read it."""
    target, thread = session.live.target, session.live.thread
    registers = {}
    for register in target.registers:
        try:
            registers[register.name] = target.read_register(thread, register.name)
        except Unknown:
            continue
    sp = target.read_register(thread, "sp")
    kinds = tuple(r.kind for r in target.stop.reasons if r.kind not in (StopKind.HISTORY, StopKind.STEP))
    code = session.code(before=2, count=6, view="asm").rows
    return Screen(
        number,
        target.stop.pc,
        kinds,
        registers,
        session.memory_rows(sp, 8),
        session.frame_rows(),
        tuple((row.address, row.word, row.mnemonic, row.operands) for row in code if row.kind == "code"),
        tuple((row.number, row.name, row.host, row.badge, row.stack) for row in session.thread_rows()),
        session.module_rows(),
        session.trace_rows(),
    )


def watched(session: Session, *lines: str) -> list[Screen]:
    """The screen where it stands, and behind each line."""
    found = []
    for line in ("info threads", *lines):
        session.execute(line)
        found.append(screen(session, session.live.target.number))  # type: ignore[attr-defined]
    return found


def again(file: Path, screens: list[Screen]) -> Session:
    """Each stop is as it was on the screen."""
    session = replayed(str(file))
    session.connect()
    for was in screens:
        session.execute(f"goto @{was.number}")
        assert screen(session, was.number) == was
    return session


def unread(session: Session, address: int) -> None:
    """What nobody has looked at is said so, in words and in panes."""
    with pytest.raises(TargetError, match="not read at this stop"):
        session.execute(f"x/1xb {address:#x}")
    assert {row.shown for row in session.memory_rows(address, 1)} == {"not read at this stop"}


@pytest.mark.parametrize("dialect", ["auto", "morello", "lldb-morello"])
def test_a_run_of_a_morello_machine(tmp_path: Path, dialect: str) -> None:
    file, there = tmp_path / "seen.cvmrec", emulated("demo:libhello", recording=False)
    there.connect()
    with served(there, tmp_path, dialect) as address:
        session = remote(address, symbols=(LIBHELLO,), record=file)
        session.connect()
        lines = ("stepi", "stepi 3", "tbreak syscall_handler", "continue", "break 17:main", "continue", "next")
        screens = watched(session, *lines, "catch syscall", "continue", "stepi")
        assert session.execute("record").lines[0].endswith(f"to stop {screens[-1].number}")
        session.close()
    replay = again(file, screens)
    assert len(screens[-1].trace) > 50 and any("writev" in row.call for row in screens[-1].trace)
    assert any(row.tag for was in screens for row in was.memory)
    unread(replay, 0x47E002000)
    history = replay.history
    assert (history.first.tick, history.last.tick) == (0, screens[-1].number)
    assert not history.executes
    replay.execute("reverse-continue")
    assert replay.live.target.stop.pc == screens[0].pc
    replay.execute("goto end")
    replay.execute("previous crossing")
    assert replay.live.target.stop.reason(StopKind.CROSSING)
    replay.execute("reverse-stepi")
    assert history.now.tick < screens[-1].number - 1
    for line in ("set $x0 = 1", "set {int}$sp = 1"):
        with pytest.raises((TargetError, UserError)):
            replay.execute(line)
    replay.execute("mark here")
    replay.close()
    assert [mark.name for mark in Recording(file).marks()] == ["here"]
    replay = replayed(str(file))
    replay.connect()
    replay.execute("goto 'here")
    replay.close()


@pytest.mark.parametrize("peer", ["gdbserver", "qemu-aarch64"])
def test_a_run_of_a_program_behind_a_real_stub(tmp_path: Path, peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVMDBG_RECORDINGS", str(tmp_path / "kept"))
    port = free_port()
    if peer == "gdbserver":
        needed("gdbserver", "gcc")
        program = built("gcc", tmp_path)
        words = ["gdbserver", "--once", f"localhost:{port}", str(program)]
    else:
        needed("qemu-aarch64", "aarch64-linux-gnu-gcc")
        program = built("aarch64-linux-gnu-gcc", tmp_path, "-static")
        words = ["qemu-aarch64", "-g", str(port), str(program)]
    with attached(words, f"localhost:{port}", program) as session:
        screens = watched(session, "break add", "continue", "nexti", "continue", "finish", "next", "stepi 5")
        session.execute("delete")
        session.execute("continue")
    (file,) = (tmp_path / "kept").glob("*.cvmrec")  # by itself, in the folder of recordings
    program.unlink()  # its symbols are in the file
    replay = again(file, screens)
    unread(replay, 0x10)
    replay.execute("goto end")
    assert replay.live.target.stop.reason(StopKind.EXIT)
    replay.close()


def test_a_run_through_a_gdb(tmp_path: Path) -> None:
    needed("gdb", "gcc")
    program, file = built("gcc", tmp_path), tmp_path / "seen.cvmrec"
    session = remote("", symbols=(program,), gdb="gdb -nx", gdb_arguments=(str(program),), record=file)
    session.connect()
    screens = watched(session, "tbreak add", "continue", "nexti", "finish")
    session.close()
    again(file, screens).close()


def test_it_goes_on_after_a_lost_link(tmp_path: Path) -> None:
    file = tmp_path / "seen.cvmrec"
    with boarded(Board(), tmp_path) as address:
        session = remote(address, timeout=1.0, record=file)
        session.connect()
        session.execute(f"break *{CODE + 0x20:#x}")
        first = watched(session, "continue", f"x/4xw {BASE:#x}")
    with pytest.raises(TargetLost):
        session.execute("continue")
    with boarded(Board(), tmp_path) as reached:
        session.execute(f"target remote {reached}")
        second = watched(session, "continue", "stepi")
        session.close()
    assert second[0].number > first[-1].number
    replay = again(file, first + second)
    replay.close()


def test_another_machine_does_not_write_over_it(tmp_path: Path) -> None:
    file, there = tmp_path / "seen.cvmrec", emulated("demo:libhello", recording=False)
    there.connect()
    with boarded(Board(), tmp_path) as address:
        session = remote(address, record=file)
        session.connect()
        screens = watched(session, "stepi")
    (tmp_path / "other").mkdir()
    with served(there, tmp_path / "other", "morello") as reached:
        session.execute(f"target remote {reached}")
        assert any("holds what was seen of another machine" in row.text for row in session.output_rows())
        with pytest.raises(UserError, match="is not recorded; record start begins it"):
            session.execute("record")
        elsewhere = tmp_path / "elsewhere.cvmrec"
        session.execute(f"record start {elsewhere}")
        more = watched(session, "stepi")
        with pytest.raises(UserError, match="recorded already"):
            session.execute("record start")
        session.execute(f"record save {tmp_path / 'copy.cvmrec'}")
        session.execute("record stop")
        session.close()
    again(file, screens).close()
    again(elsewhere, more).close()
    again(tmp_path / "copy.cvmrec", more).close()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("board:1234", "board:1234"),
        ("unix:/run/user/me/stub", "unix:stub"),
        ("| ssh board gdbserver - /home/me/program", "ssh"),
        ("/opt/morello/bin/gdb", "gdb"),
        ("localhost:1", "localhost:1"),
    ],
)
def test_a_recording_names_no_path_of_this_machine(address: str, said: str) -> None:
    assert public(address) == said


def test_nothing_is_written_when_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVMDBG_RECORDINGS", str(tmp_path / "kept"))
    with boarded(Board(), tmp_path) as address:
        session = remote(address, recording=False)
        session.connect()
        session.execute("stepi")
        session.close()
    assert not (tmp_path / "kept").exists()


KILLED = """
import sys, time
from cvmdbg.launch import remote
from pathlib import Path
session = remote(sys.argv[1], record=Path(sys.argv[2]))
session.connect()
for _ in range(20):
    session.execute("stepi")
print(session.live.target.number, session.live.target.stop.pc, flush=True)
time.sleep(60)
"""


def test_a_killed_debugger_has_lost_a_second_at_most(tmp_path: Path) -> None:
    file = tmp_path / "seen.cvmrec"
    with boarded(Board(), tmp_path) as address:
        words = [sys.executable, "-c", KILLED, address, str(file)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            number, pc = (int(word) for word in child.stdout.readline().split())
            time.sleep(1.0)
            os.kill(child.pid, signal.SIGKILL)
    replay = replayed(str(file))
    replay.connect()
    assert any("was not closed" in row.text for row in replay.output_rows())
    assert replay.history.last.tick == number and replay.live.target.stop.pc == pc
    replay.execute(f"goto @{number - 10}")
    assert replay.live.target.read_register(replay.live.thread, "pc") == replay.live.target.stop.pc != pc
    replay.close()


def test_sessions_tells_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cvmdbg.cli import main

    file = tmp_path / "seen.cvmrec"
    with boarded(Board(), tmp_path) as address:
        assert main(["attach", address, "--record", str(file), "--batch", "-ex", "stepi", "-ex", "stepi"]) == 0
    capsys.readouterr()
    assert main(["sessions", "list", str(file)]) == 0
    assert "3 stops" in capsys.readouterr().out
    assert main(["sessions", "verify", str(file)]) == 0
    assert "all 3 stops can be read" in capsys.readouterr().out
    assert main(["diff", str(file), str(file)]) == 1
    assert "nothing to execute and compare" in capsys.readouterr().err
    assert main(["replay", str(file), "--batch", "-ex", "reverse-stepi", "-ex", "when"]) == 0
    assert "1 of 2" in capsys.readouterr().out


# ---- hostile files -------------------------------------------------------------------------------------------------


def written(path: Path, registers: str, *sights: Any) -> Path:
    """A recording of two stops with these in it."""
    facts = {"kind": OBSERVED, "title": "board", "arch": "morello", "registers": registers}
    recorder = Recorder(path, facts)
    recorder.saw(*sights)
    recorder.observe(Note(1, "a note"))
    recorder.close(1)
    return path


def looked_at(path: Path) -> str:
    """Everything of it that can be looked at; the sentence with which it is refused."""
    try:
        session = replayed(str(path))
        session.connect()
    except (UserError, TargetError) as error:
        return str(error)
    try:
        for line in ("info registers", "x/4xw 0x1000", "reverse-stepi", "info threads", "backtrace", "stepi"):
            try:
                session.execute(line)
            except (UserError, Unknown):
                continue
        return ""
    except TargetError as error:
        return str(error)
    finally:
        session.close()


@pytest.mark.parametrize(
    ("registers", "said", "sentence"),
    [
        ("c0:129 pcc:129 x0", "[]", "'x0' is no register and its size"),
        ("c0:129000", "[]", "'c0:129000' is no register"),
        ("x0:64", "{", "nobody stops as stop 1 says"),
        ("x0:64", '{"reasons": 5}', "reasons is '5'"),
        ("x0:64", '{"reasons": [{"kind": "?", "detail": "", "fault": null, "watch": null, "status": null}]}', "nobody"),
        ("x0:64", "[" * 100_000, "nobody stops"),
    ],
)
def test_what_is_no_recording_of_a_machine_is_refused(tmp_path: Path, registers: str, said: str, sentence: str) -> None:
    path = written(tmp_path / "bad.cvmrec", registers, Stood(0, 0, 0, ""), Stood(1, 0, 0, said))
    assert sentence in looked_at(path)


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    sights: list[Any] = [SawRegisters(n, 0, ("pcc", "c0"), sized([0x1000, 1 << 128])) for n in range(2)]
    sights += [SawMemory(n, 0x1000, bytes(300)) for n in range(2)]
    sights += [Stood(n, 0, 0x1000, "") for n in range(2)]
    good = written(tmp_path / "good.cvmrec", "c0:129 pcc:129", *sights)
    assert looked_at(good) == ""
    content, dice, refused = good.read_bytes(), random.Random(5), 0
    for number in range(100):
        bad = bytearray(content)
        for _ in range(dice.choice([1, 3, 40])):
            bad[dice.randrange(100, len(bad))] ^= 1 << dice.randrange(8)
        path = tmp_path / f"{number}.cvmrec"
        path.write_bytes(bytes(bad[: dice.choice([len(bad), dice.randrange(len(bad))])]))
        refused += bool(looked_at(path))
    assert refused > 50


PIECES = st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=20)), max_size=12)


@given(PIECES)
def test_a_later_piece_of_memory_holds(pieces: list[tuple[int, bytes]]) -> None:
    plain: dict[int, int] = {}
    for at, content in pieces:
        plain.update((at + n, byte) for n, byte in enumerate(content))
    runs = overlaid([SawMemory(0, at, content) for at, content in pieces], "a")
    assert {at + n: byte for at, content in runs for n, byte in enumerate(content)} == plain
    assert all(a + len(c) < b for (a, c), (b, _) in pairwise(runs))


def test_a_full_disk_ends_the_recording_and_not_the_session(tmp_path: Path) -> None:
    with boarded(Board(), tmp_path) as address:
        session = remote(address, record=tmp_path / "seen.cvmrec")
        session.settings.values["record limit"] = "0"
        session.connect()
        for _ in range(40):
            session.execute("stepi")
            time.sleep(0.02)
        assert any("the recording stopped: it has grown to its limit" in row.text for row in session.output_rows())
        session.execute("stepi")
        session.close()
