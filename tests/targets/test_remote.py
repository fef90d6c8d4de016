"""The remote target against our own server in three dialects, and against stubs that have quirks."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from cvmdbg import demo
from cvmdbg.guests.guest import Module
from cvmdbg.launch import emulated, remote
from cvmdbg.session import Session
from cvmdbg.target import Move, StopKind, TargetError, TargetLost, Unknown, UserError
from cvmdbg.targets.remote.target import RemoteTarget
from tests.gdbstub.board import BASE, CODE, TAG, Board
from tests.targets.stubs import Km, Qemu, Uhyve, boarded, scripted, served

DIALECTS = ("auto", "morello", "lldb-morello")


def attach(address: str, *lines: str) -> Session:
    session = remote(address, symbols=(demo.path("demo:libhello"),))
    session.connect()
    for line in lines:
        session.execute(line)
    return session


@pytest.mark.parametrize("dialect", DIALECTS)
def test_panes_show_what_the_emulator_shows(tmp_path: Path, dialect: str) -> None:
    there, here = emulated("demo:libhello", recording=False), emulated("demo:libhello", recording=False)
    there.connect()
    here.connect()
    with served(there, tmp_path, dialect) as address:
        far = attach(address)
        for session in (far, here):
            session.execute("break syscall_handler")
            session.execute("continue")
        pc = here.live.target.stop.pc
        assert far.live.target.stop.pc == pc
        assert far.register_rows() == here.register_rows()
        assert far.register_rows("vector") == here.register_rows("vector")
        assert [r.text for r in far.frame_rows()] == [r.text for r in here.frame_rows()]
        assert far.code() == here.code()
        csp = here.live.target.read_register(here.live.thread, "csp") & (1 << 64) - 1
        assert far.memory_rows(csp, 16) == here.memory_rows(csp, 16)
        store = 0x47E001000
        assert far.memory_rows(store, 16) == here.memory_rows(store, 16)
        assert any(row.tag for row in far.memory_rows(store, 16))
        assert [r.text for r in far.map_rows()] != []
        calls = [(r.layer, r.path, r.call, r.result) for r in far.trace_rows()]
        crossed = [row for row in here.trace_rows() if row.path != "M→H"]  # the monitor's own calls are no crossings
        assert calls == [(r.layer, r.path, r.call, r.result) for r in crossed]
        assert len(calls) > 10
        far.close()


def test_stepping_over_calls_and_back(tmp_path: Path) -> None:
    there = emulated("demo:libhello")
    there.connect()
    with served(there, tmp_path, "morello") as address:
        far = attach(address, "tbreak *0x440000634", "continue")
        target = far.live.target
        start = target.stop.pc
        far.execute("set $x5 = 77")
        assert target.read_register(far.live.thread, "x5") == 77
        for _ in range(3):
            far.execute("stepi")
        moved = target.stop.pc
        assert moved != start
        assert target.reverse is not None
        far.execute("reverse-stepi 3")
        assert target.stop.pc == start
        for line in ("reverse-step", "reverse-finish"):
            with pytest.raises(UserError):
                far.execute(line)
        far.execute("reverse-continue")
        assert target.stop.pc != start
        far.close()


def test_a_link_that_breaks_keeps_what_was_seen(tmp_path: Path) -> None:
    with boarded(Board(), tmp_path) as address:
        session = remote(address, timeout=1.0)
        session.connect()
        session.execute(f"break *{CODE + 0x20:#x}")
        session.execute("continue")
        rows = session.register_rows()
    with pytest.raises(TargetLost, match=r"closed the connection\. target remote unix:.* tries again; marks and br"):
        session.execute("stepi")
    assert session.status().state == "lost"
    assert [r.value for r in session.register_rows()] == [r.value for r in rows]
    with pytest.raises(Unknown):
        session.live.target.read(BASE + 0x9000, 4)
    with boarded(Board(), tmp_path) as again:
        session.execute(f"target remote {again}")
        session.execute("continue")
        assert session.live.target.stop.pc == CODE + 0x20
        session.close()


def test_ctrl_c_stops_a_run(tmp_path: Path) -> None:
    with boarded(Board(), tmp_path) as address:
        session = remote(address)
        session.connect()
        threading.Timer(0.2, session.interrupt).start()
        with pytest.raises(UserError, match=r"no history: unix:.* offered neither bs nor bc\. Record in the emulator"):
            session.execute("reverse-stepi")
        result = session.execute("continue")
        assert any("interrupted" in line for line in result.lines)
        assert not session.live.target.stop.reason(StopKind.RUNNING)
        session.close()


def test_a_stub_that_does_not_answer_ctrl_c_is_said_so(tmp_path: Path) -> None:
    quiet = Qemu()
    with scripted(lambda p: None if p in (b"vCont;c", b"\x03") else quiet(p), tmp_path) as address:
        session = remote(address, timeout=1.0)
        session.connect()
        threading.Timer(0.1, session.interrupt).start()
        threading.Timer(2.6, session.interrupt).start()
        began = time.monotonic()
        with pytest.raises(TargetError, match="was asked to stop twice and does not answer"):
            session.execute("continue")
        assert 2.0 < time.monotonic() - began < 6.0
        assert "asked to stop, no answer yet" in [row.text for row in session.output_rows()]
        assert session.status().state == "run"
        with pytest.raises(TargetError, match="runs"):
            session.live.target.write(0x1000, b"x")
        session.close()


def test_a_stub_that_falls_silent_is_lost(tmp_path: Path) -> None:
    stub = Qemu()
    with scripted(lambda p: None if p[:1] == b"m" else stub(p), tmp_path) as address:
        target = RemoteTarget(address, timeout=0.1)
        with pytest.raises(TargetLost, match="does not answer"):
            target.read(0x400000, 4)
        target.close()


# ---- quirks ----


def test_qemu_morello(tmp_path: Path) -> None:
    stub = Qemu()
    with scripted(stub, tmp_path) as address:
        target = RemoteTarget(address)
        assert target.arch == "morello"
        thread = target.stop.thread
        assert target.read_register(thread, "pcc") == TAG | 0x400080
        assert target.read_register(thread, "cid") == 0
        with pytest.raises(TargetError, match="did not take the value of c0"):
            target.write_register(thread, "c0", 5)
        assert target.reverse is None
        assert target.capabilities is not None
        assert target.capabilities.read(0x1000) == TAG | 0x1000
        with pytest.raises(TargetError):
            target.capabilities.write(0x1000, TAG)
        target.close()
    assert not {b"bs", b"bc"} & set(stub.packets)
    assert not any(packet.startswith(b"qRcmd") for packet in stub.packets)  # it tells no system registers: no machine
    assert all(int(p.split(b":")[3], 16) % 16 == 0 for p in stub.packets if p.startswith(b"qXfer:capa"))


def test_km(tmp_path: Path) -> None:
    stub = Km()
    with scripted(stub, tmp_path) as address:
        target = RemoteTarget(address)
        assert target.arch == "x86_64"
        assert target.read_register(1, "rip") == 0x201000
        assert target.read_register(1, "sp") == 0x7FFFFF000
        assert target.threads()[0].ids["pthread"] == 0x7FFFBFBF38
        target.write_register(1, "rax", 0x1234)
        assert target.read_register(1, "rax") == 0x1234
        assert target.stops is not None
        with pytest.raises(TargetError, match="reading cannot be seen"):
            target.stops.add_watchpoint(0x201000, 8, "r")
        with pytest.raises(TargetError, match="0x8000008000 is not mapped"):
            target.read(0x8000008000, 8)
        stop = target.resume(Move.CONTINUE)
        while stop.reason(StopKind.RUNNING):
            stop = target.resume(Move.CONTINUE)
        reason = stop.reason(StopKind.EXIT)
        assert reason is not None
        assert reason.status is None
        assert "does not tell the status" in reason.detail
        target.close()
    assert [p for p in stub.packets if p[:1] == b"G"]


def test_uhyve_is_never_asked_outside_of_what_is_known(tmp_path: Path) -> None:
    stub = Uhyve(0x200000, 0x203000)
    with scripted(stub, tmp_path) as address:
        target = RemoteTarget(address, timeout=0.5)
        assert (target.arch, target.link.stub.kind) == ("x86_64", "uhyve")
        with pytest.raises(TargetError, match="this stub ends when it reads elsewhere"):
            target.read(0x200000, 8)
        target.knows((), (Module("app", "app", 0x200000, 0x2FF8, "M", "", b""),), True)
        assert target.read(0x200001, 8) == b"\xcc" * 8
        with pytest.raises(TargetError, match="this stub ends"):
            target.read(0x202FF0, 0x20)
        with pytest.raises(TargetError, match="this stub ends"):
            target.read(0x1FFFFF, 8)
        target.interrupt()
        stop = target.resume(Move.CONTINUE)
        assert stop.reason(StopKind.RUNNING)
        target.interrupt()
        target.resume(Move.CONTINUE)
        assert any("stops at the next breakpoint" in str(item) for item in target.drain())
        target.close()
    assert b"\x03" not in stub.packets
    assert {p[:1] for p in stub.packets if stub.packets.index(p) > 6} <= {bytes((b,)) for b in Uhyve.ALLOWED}


def test_watchpoints_are_looked_after_by_steps_where_the_stub_has_none(tmp_path: Path) -> None:
    board = Board()
    board.watchpoints = 0
    with boarded(board, tmp_path) as address:
        target = RemoteTarget(address)
        assert target.stops is not None
        number = target.stops.add_watchpoint(BASE + 0x5000, 4, "w")
        original, count = board.step, 0

        def step(thread: int) -> object:
            nonlocal count
            count += 1
            if count == 5:
                board.content[0x5000] = 9
            return original(thread)

        board.step = step  # type: ignore[method-assign,assignment]
        stop = target.resume(Move.CONTINUE)
        while stop.reason(StopKind.BUDGET):
            stop = target.resume(Move.CONTINUE)
        reason = stop.reason(StopKind.WATCHPOINT)
        assert reason is not None and reason.watch is not None
        assert (reason.watch.watchpoint, reason.watch.access, count) == (number, "write", 5)
        target.close()


def test_a_detached_machine_has_no_breakpoints_left(tmp_path: Path) -> None:
    board = Board()
    with boarded(board, tmp_path) as address:
        session = remote(address)
        session.connect()
        session.execute(f"break *{CODE + 0x40:#x}")
        assert board.breakpoints == {CODE + 0x40}
        session.execute("detach")
        assert (board.breakpoints, board.left) == (set(), "detached")
        assert session.status().state == "lost"
        session.close()
