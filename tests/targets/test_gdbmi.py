"""The target behind a gdb: Debian's on a native program, others on our own server, and one that misbehaves."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvmdbg import demo
from cvmdbg.cli import main
from cvmdbg.launch import emulated, remote
from cvmdbg.session import Session
from cvmdbg.target import Move, StopKind, TargetError, TargetLost
from cvmdbg.targets.gdbmi import records
from cvmdbg.targets.gdbmi.peer import mappings
from cvmdbg.targets.gdbmi.talk import command_line
from cvmdbg.targets.gdbmi.target import GdbTarget
from sessions.event import Output
from tests.targets.stubs import served
from tests.targets.test_remote_peers import built, needed, the_same_of_every_program

HANDLER = 0x400000790
"""The demo's LibOS: syscall_handler."""
LOOP = """
#include <stdio.h>
#include <unistd.h>
volatile long turns;
int main(void) {
    char line[8];
    printf("no end *stopped, =here-,there, got %d", (int)read(0, line, 8));
    fflush(stdout);
    for (;;) turns++;
}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    needed("gdb", "gcc")
    return built("gcc", tmp_path)


def native(program: Path, *words: str) -> Session:
    session = remote("", symbols=(program,), gdb="gdb", gdb_arguments=words or (str(program),))
    session.connect()
    return session


# ---- a native program ----


def test_a_native_program(program: Path) -> None:
    session = native(program)
    target = session.live.target
    assert (target.arch, target.capabilities, target.reverse, target.history) == ("x86_64", None, None, None)
    assert "rx" in {region.prot for region in target.regions()}
    assert target.threads()[0].name == "add"
    the_same_of_every_program(session, "rax")
    session.close()


def test_memory_and_registers_are_as_they_were_written(program: Path) -> None:
    session = native(program)
    target, thread = session.live.target, session.live.thread
    begin, size = next((r.address, r.size) for r in target.regions() if r.prot == "rw")
    target.write(begin + 250, bytes(range(256)) * 2)
    assert target.read(begin + 250, 512) == bytes(range(256)) * 2
    for name, value in (("rbx", 1 << 63 | 5), ("xmm3", 0x1234 << 100 | 77), ("mxcsr", 0x1F80)):
        target.write_register(thread, name, value)
        assert target.read_register(thread, name) == value
    with pytest.raises(TargetError, match="0x10 is not mapped"):
        target.read(0x10, 4)
    with pytest.raises(TargetError, match="gdb has no register 'c0'"):
        target.read_register(thread, "c0")
    assert target.stops is not None
    with pytest.raises(TargetError, match="0x10 is not mapped"):
        target.stops.add_breakpoint(0x10)
    with pytest.raises(TargetError, match="watches bytes, not tags"):
        target.stops.add_watchpoint(begin, 16, "tag")
    assert size
    session.close()


def spinning(folder: Path) -> Path:
    (folder / "loop.c").write_text(LOOP, "utf-8")
    program = folder / "loop"
    subprocess.run(["gcc", "-g", "-O0", "-o", str(program), str(folder / "loop.c")], check=True, timeout=60)
    return program


def test_ctrl_c_stops_a_native_program_and_its_words_are_its_own(tmp_path: Path) -> None:
    needed("gdb", "gcc")
    session = native(spinning(tmp_path))
    for _ in range(2):
        threading.Timer(0.4, session.interrupt).start()
        result = session.execute("continue")
        assert any("interrupted" in line for line in result.lines)
        assert session.frame_rows()[0].function.startswith("main")
    assert "no end *stopped, =here-,there, got 0" in "".join(row.text for row in session.output_rows())
    session.close()


def test_a_process_that_runs_already_goes_on_afterwards(tmp_path: Path) -> None:
    needed("gdb", "gcc")
    loop = spinning(tmp_path)
    running = subprocess.Popen([str(loop)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.2)
        try:
            session = native(loop, "-p", str(running.pid))
        except TargetError as error:
            if "not permitted" not in str(error):
                raise
            pytest.skip(f"this machine does not let gdb attach: {error}")
        assert session.frame_rows()[0].function.startswith("main")
        session.execute("stepi 3")
        session.close()
        assert running.poll() is None
        state = Path(f"/proc/{running.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        assert state == "R"
    finally:
        running.kill()
        running.wait()


def test_a_gdb_behind_ssh(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh that does what ssh does: its words go to a second shell; the board's files are not read from here."""
    stand_in = tmp_path / "bin" / "ssh"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n', "utf-8")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(stand_in.parent), prepend=os.pathsep)
    program = program.rename(tmp_path / "a program")
    session = remote("", symbols=(program,), gdb="ssh board gdb", gdb_arguments=(str(program),))
    session.connect()
    contents = {module.name: bool(module.content) for module in session.live.facts.modules()}
    assert contents["a program"] and not any(found for name, found in contents.items() if name != "a program")
    session.execute("tbreak add")
    session.execute("continue")
    assert session.frame_rows()[0].function.startswith("add")
    session.close()


def test_batch_and_what_is_missing(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["attach", "--gdb", "gdb", f"--gdb-arg={program}", "--symbols", str(program), "--batch"]
    assert main([*words, "-ex", "break add", "-ex", "continue", "-ex", "backtrace"]) == 0
    shown = capsys.readouterr().out
    assert "add" in shown and "main" in shown
    assert main(["attach", "--batch"]) == 1
    assert "--gdb PATH" in capsys.readouterr().err
    assert main(["attach", "localhost:1", "--gdb-arg", "x", "--batch"]) == 1
    assert "which is missing" in capsys.readouterr().err
    assert main(["attach", "--gdb", "gdb", "--batch"]) == 2
    assert "cvmdbg: gdb: " in capsys.readouterr().err


# ---- our own server ----


def panes_are_the_emulators(gdb: str, folder: Path, dialect: str, tags: bool = False) -> None:
    """A session through a gdb and one in the emulator, at the same place, and alike in registers and memory."""
    there, here = emulated("demo:libhello", recording=False), emulated("demo:libhello", recording=False)
    there.connect()
    here.connect()
    with served(there, folder, dialect) as address:
        far = remote(address, symbols=(demo.path("demo:libhello"),), gdb=gdb, timeout=20.0)
        far.connect()
        for session in (far, here):
            session.execute("break syscall_handler")
            session.execute("continue")
        target, same = far.live.target, here.live.target
        assert target.arch == "morello"
        assert target.stop.pc == same.stop.pc == HANDLER
        for register in target.registers:
            found = target.read_register(far.live.thread, register.name)
            assert found == same.read_register(here.live.thread, register.name), register.name
        assert {r.name for r in target.registers} >= {"c0", "c30", "csp", "pcc", "ddc", "v0", "v31", "cpsr"}
        csp = same.read_register(here.live.thread, "csp") & (1 << 64) - 1
        assert target.read(csp, 512) == same.read(csp, 512)
        calls = [(r.layer, r.path, r.call, r.result) for r in far.trace_rows()]
        assert calls == [(r.layer, r.path, r.call, r.result) for r in here.trace_rows() if r.path != "M→H"]
        assert [t.name for t in target.threads()]
        assert (target.capabilities is not None) == tags
        if target.capabilities is not None:
            assert same.capabilities is not None
            assert target.capabilities.tags(csp, 256) == same.capabilities.tags(csp, 256)
            assert any(target.capabilities.tags(csp, 256))
            assert [target.capabilities.read(at) for at in range(csp, csp + 256, 16)] == [
                same.capabilities.read(at) for at in range(csp, csp + 256, 16)
            ]
        untagged = same.read_register(here.live.thread, "c29") & (1 << 128) - 1
        there.live.target.write_register(there.live.target.stop.thread, "c7", untagged)
        assert target.resume(Move.STEP).pc == HANDLER + 4
        assert target.read_register(far.live.thread, "c7") == untagged
        with pytest.raises(TargetError, match="makes no capabilities"):
            target.write_register(far.live.thread, "c7", 1 << 128)
        target.write_register(far.live.thread, "x7", 1234)
        assert target.read_register(far.live.thread, "c7") & (1 << 64) - 1 == 1234
        far.close()


def test_gdb_multiarch_on_our_server(tmp_path: Path) -> None:
    needed("gdb-multiarch")
    panes_are_the_emulators("gdb-multiarch", tmp_path, "auto")


def test_gdb_multiarch_runs_backwards_where_its_link_can(tmp_path: Path) -> None:
    needed("gdb-multiarch")
    there = emulated("demo:libhello")
    there.connect()
    with served(there, tmp_path, "auto") as address:
        target = GdbTarget("gdb-multiarch", (), address, 20.0)
        start = target.stop.pc
        assert target.reverse is not None
        assert target.resume(Move.STEP).pc != start
        assert target.reverse.resume(Move.STEP).pc == start
        stop = target.reverse.resume(Move.CONTINUE)
        while stop.reason(StopKind.RUNNING):
            stop = target.resume(Move.CONTINUE)
        assert stop.reason(StopKind.HISTORY) is not None
        target.close()


def test_morello_gdb_on_our_server(tmp_path: Path) -> None:
    binary = os.environ.get("MORELLO_GDB", "")
    if not binary:
        pytest.skip("MORELLO_GDB does not name a Morello gdb")
    panes_are_the_emulators(binary, tmp_path, "morello", tags=True)


# ---- a gdb that misbehaves ----

FAKE = r"""
import re, sys, time, os
how = sys.argv[1]
def say(text):
    sys.stdout.write(text + "\n"); sys.stdout.flush()
if how == "mute": time.sleep(60)
if how == "noise":
    while True: sys.stdout.write("x" * 65536)
say("(gdb) ")
names = ["rax", "rsp", "rip", "eflags"]
for line in sys.stdin:
    token, command = re.match(r"(\d*)-(\S+)", line).groups()
    answer = "done"
    if command == "thread-info":
        answer = 'done,threads=[{id="1",target-id="LWP 7",name="it",state="stopped"}],current-thread-id="1"'
    elif command == "data-list-register-names":
        answer = "done,register-names=[%s]" % ",".join('"%s"' % n for n in names)
    elif command == "data-list-register-values":
        answer = 'done,register-values=[%s]' % ",".join('{number="%d",value="0x%x"}' % (n, 4096 + n) for n in range(4))
    elif command == "exec-continue":
        answer = "running"
    elif command == "data-read-memory-bytes":
        if how == "dead": os._exit(3)
        if how == "silent": time.sleep(60)
        if how == "garbage": answer = 'done,memory=[{begin="0x0",contents='
        if how == "list": answer = 'done,memory=[{abc}]'
        if how == "hex": answer = 'done,memory=[{begin="0x1000",offset="0x0",end="0x2000",contents="xyz"}]'
        if how == "wrong": answer = 'done,memory="none"'
    elif command == "interpreter-exec":
        answer = 'error,msg="Not supported on this target."'
    say(token + "^" + answer)
    if answer == "running":
        say('*running,thread-id="all"')
        if how == "stops": say('libc says hi*stopped,reason="signal-received",signal-name="SIGSEGV",thread-id="1"')
        if how == "lost": say('=thread-group-exited,id="i1"')
        if how == "deaf": time.sleep(1)
    say("(gdb) ")
"""


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "fake.py"
    path.write_text(FAKE, "utf-8")
    # the options that every gdb is given stand behind how it misbehaves
    yield shlex.join([sys.executable, str(path)])


def test_a_fake_gdb_that_behaves_is_a_target(fake: str) -> None:
    target = GdbTarget(f"{fake} well", timeout=2.0)
    assert target.read_register(1, "rax") == 4096
    assert target.threads()[0].ids == {"host": 7}
    assert target.regions() == () and mappings(target.gdb) == []
    with pytest.raises(TargetError, match="0x1000 is not mapped"):
        target.read(0x1000, 4)
    target.close()


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("dead", "has ended"),
        ("silent", "does not answer -data-read-memory-bytes within 0.5 s"),
        ("garbage", "sends what is no GDB/MI: "),
        ("list", "sends what is no GDB/MI: "),
        ("hex", "sends memory that is no hex digits"),
    ],
)
def test_a_gdb_of_no_use_is_lost_with_a_sentence(fake: str, how: str, sentence: str) -> None:
    target = GdbTarget(f"{fake} {how}", timeout=0.5)
    began = time.monotonic()
    with pytest.raises(TargetLost, match=f"{sentence}.*run tries again; marks and breakpoints are kept"):
        target.read(0x1000, 4)
    assert target.stop.reason(StopKind.LOST) is not None
    with pytest.raises(TargetLost):
        target.resume(Move.CONTINUE)
    target.close()
    assert time.monotonic() - began < 10.0


def test_a_list_that_is_none_is_no_memory(fake: str) -> None:
    target = GdbTarget(f"{fake} wrong", timeout=2.0)
    with pytest.raises(TargetError, match="0x1000 is not mapped"):
        target.read(0x1000, 4)
    target.close()


def test_a_program_without_a_prompt_is_no_gdb(fake: str) -> None:
    with pytest.raises(TargetLost, match="sends a line of more than"):
        GdbTarget(f"{fake} noise", timeout=1.0)
    with pytest.raises(TargetLost, match="no-such-gdb"):
        GdbTarget("no-such-gdb", timeout=1.0)
    with pytest.raises(TargetLost, match="true"):
        GdbTarget("true", timeout=1.0)


def test_a_stop_behind_words_of_the_program(fake: str) -> None:
    target = GdbTarget(f"{fake} stops", timeout=2.0)
    stop = target.resume(Move.CONTINUE)
    while stop.reason(StopKind.RUNNING):
        stop = target.resume(Move.CONTINUE)
    reason = stop.reason(StopKind.FAULT)
    assert reason is not None and reason.detail == "SIGSEGV"
    assert [item.text for item in target.drain() if isinstance(item, Output)] == [b"libc says hi"]
    target.close()


def test_a_target_that_goes_without_a_word_is_lost(fake: str) -> None:
    target = GdbTarget(f"{fake} lost", timeout=1.0)
    with pytest.raises(TargetLost, match="has lost its target"):
        for _ in range(200):
            target.resume(Move.CONTINUE)
    target.close()


def test_a_gdb_that_does_not_stop_is_given_up_at_the_second_asking(fake: str) -> None:
    session = remote("", gdb=f"{fake} well", timeout=1.0)
    session.connect()
    session.live.target.resume(Move.CONTINUE)
    target = session.live.target
    target.interrupt()
    assert target.resume(Move.CONTINUE).reason(StopKind.RUNNING)
    target.interrupt()
    with pytest.raises(TargetError, match="was asked to stop twice and does not answer"):
        target.resume(Move.CONTINUE)
    with pytest.raises(TargetError, match="runs: it can be looked at when it stands"):
        target.read(0x1000, 4)
    session.close()


# ---- lines ----


def test_lines_of_mi() -> None:
    stopped = records.read('hello *stopped,reason="exited",exit-code="024"')
    assert [r.kind for r in stopped] == ["output", "notify"]
    assert records.text_of(stopped[1].payload, "exit-code") == "024"
    twice = records.read('12^done,bkpt={number="1",type="breakpoint"},{number="1.1"}')[0]
    assert (twice.token, records.text_of(twice.payload, "bkpt", "number")) == (12, "1")
    assert records.read('~"a\\tb\\n"')[0].text == "a\tb\n"
    assert records.read("(gdb) ")[0].kind == "done"
    for line in (
        "*stopped,reason=[",
        '1^done,a={b="c"',
        "2^done,a=[{abc}]",
        '5^done,""',
        "6^done,a=\1",
        '3^error,msg="',
        "4^done,[",
    ):
        with pytest.raises(records.Malformed):
            records.read(line)


PART = st.sampled_from(
    ["1^done", "*stopped", "=a-b,", ",", "x=", "{", "}", "[", "]", '"v"', '"', "\\", "~", "(gdb)", "é"]
)


@given(st.lists(PART, max_size=20).map("".join))
def test_no_line_holds_the_reader(line: str) -> None:
    try:
        found = records.read(line)
    except records.Malformed:
        return
    assert all(record.kind for record in found)


def test_words_for_a_far_gdb_pass_two_shells() -> None:
    assert shlex.split(command_line("gdb", ["a b"]))[-1] == "a b"
    far = shlex.split(command_line("ssh board gdb", ["a b"]))
    assert shlex.split(" ".join(far[2:]))[-1] == "a b"
