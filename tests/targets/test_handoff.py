"""A live machine taken over by the emulator: what happens there is what would have happened here, and is recorded."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cvmdbg import demo
from cvmdbg.guests.attached import Attached, Device
from cvmdbg.guests.guest import BoundaryKind
from cvmdbg.guests.handoff.guest import HandedOff
from cvmdbg.guests.handoff.pages import Pages
from cvmdbg.guests.handoff.registers import NAMES, Taken
from cvmdbg.launch import emulated, opened, remote, replayed
from cvmdbg.session import Session
from cvmdbg.target import Move, NotMapped, Region, StopKind, Target, TargetError, TargetLost, UserError
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.remote.target import RemoteTarget
from cvmdbg.targets.replay import verified
from sessions.event import CapabilityWrite, Map, MemoryWrite
from tests.gdbstub.board import Board
from tests.servers.test_gdb import ToyLaunch
from tests.targets.stubs import boarded, served
from tests.targets.toy import CODE, MEMORY, PAGE, TRAP

HERE = [name for name in NAMES if name != "ctpidrro"] + ["pcc", "cpsr"]
"""What our server tells of a thread."""
PLACES = 4
STEPS = 400
SINGLE = ["demo:hello", "demo:libhello", "demo:files"]


def emulator(session: Session) -> EmulatorTarget:
    target = session.live.target
    assert isinstance(target, EmulatorTarget)
    return target


def run_to(target: Target, tick: int) -> None:
    while (now := target.stop.tick or 0) < tick:
        stop = target.resume(Move.CONTINUE, budget=tick - now)
        assert stop.reason(StopKind.EXIT) is None


def length(name: str) -> int:
    """Ticks of a whole run."""
    session = emulated(name, recording=False)
    session.connect()
    target = session.live.target
    while target.resume(Move.CONTINUE).reason(StopKind.EXIT) is None:
        pass
    return target.stop.tick or 0


def state(target: Target, thread: int) -> list[int]:
    return [target.read_register(thread, name) for name in HERE]


def same_pages(handed: EmulatorTarget, plain: EmulatorTarget) -> int:
    """Every page that was fetched is the plain run's, with its tags; how many there are."""
    regions = [r for r in handed.inferior.machine.regions() if not r[3]]
    for address, size, _, _ in regions:
        ours, theirs = handed.inferior.machine, plain.inferior.machine
        assert ours.read(address, size) == theirs.read(address, size)
        assert ours.read_tags(address, size) == theirs.read_tags(address, size)
    return sum(size for _, size, _, _ in regions) // PAGE


@contextmanager
def handed_off(there: Session, folder: Path, dialect: str = "morello", record: Path | None = None) -> Iterator[Session]:
    """A session that has attached to another one and handed it off."""
    with served(there, folder, dialect) as address:
        session = remote(address)
        session.connect()
        session.execute(f"handoff {record or folder / 'handoff.cvmrec'}")
        yield session
        session.close()


def toy(*lines: str, threads: int = 1) -> Session:
    session = Session(ToyLaunch(lines, threads))
    session.connect()
    return session


@pytest.mark.parametrize("name", SINGLE)
def test_it_goes_on_as_the_plain_run_does(name: str, tmp_path: Path) -> None:
    """From random places, step by step, up to the boundary: registers, and all pages with their tags."""
    dice, whole = random.Random(name), length(name)
    for place in range(PLACES):
        tick = dice.randrange(whole - 1)
        there, plain = emulated(name, recording=False), emulated(name, recording=False)
        for session in (there, plain):
            session.connect()
            run_to(session.live.target, tick)
        folder = tmp_path / str(place)
        folder.mkdir()
        with handed_off(there, folder, dice.choice(["auto", "morello", "lldb-morello"])) as session:
            ours, theirs = emulator(session), emulator(plain)
            thread = theirs.stop.thread
            steps = 0
            while steps < STEPS:
                assert state(ours, 0) == state(theirs, thread), f"{steps} behind tick {tick}"
                stop, expected = ours.resume(Move.STEP), theirs.resume(Move.STEP)
                steps += stop.reason(StopKind.STEP) is not None
                if stop.reason(StopKind.STEP) is None or expected.reason(StopKind.STEP) is None:
                    break
                if expected.thread != thread:
                    break
                if steps % 100 == 0:
                    assert same_pages(ours, theirs)
            if stop.reason(StopKind.UNMODELLED) is None:
                assert same_pages(ours, theirs)
            assert steps or stop.reason(StopKind.UNMODELLED)
            history = session.history
            history.seek(history.first)
            assert ours.stop.pc == there.live.target.stop.pc


def test_bare_metal_runs_to_its_end(tmp_path: Path) -> None:
    """What it prints, exceptions and returns included, is what the whole run prints behind that place."""
    for name in ("demo:hello.elf", "demo:tags.elf"):
        there, plain = emulated(name, recording=False), emulated(name, recording=False)
        for session in (there, plain):
            session.connect()
        folder = tmp_path / name.partition(":")[2]
        folder.mkdir()
        with handed_off(there, folder) as session:
            for one in (session, plain):
                assert any("exit" in line for line in one.execute("continue").lines)
            assert [row.line for row in session.console.rows() if row.source == "guest"] == [
                row.line for row in plain.console.rows() if row.source == "guest"
            ]
            assert emulator(session).tick == emulator(plain).tick
            assert state(emulator(session), 0) == state(emulator(plain), 0)
            assert same_pages(emulator(session), emulator(plain))


def test_time_runs_back_and_the_recording_is_whole(tmp_path: Path) -> None:
    there = emulated("demo:libhello", recording=False)
    there.connect()
    run_to(there.live.target, 1000)
    record = tmp_path / "taken.cvmrec"
    with handed_off(there, tmp_path, record=record) as session:
        target = emulator(session)
        seen = [(target.stop.pc, state(target, 0))]
        for _ in range(50):
            target.resume(Move.STEP)
            seen.append((target.stop.pc, state(target, 0)))
        for expected in reversed(seen[:-1]):
            session.execute("reverse-stepi")
            assert (target.stop.pc, state(target, 0)) == expected
        result = session.execute("continue")  # over what is recorded, then on
        result = session.execute("continue")
        assert any("hostcall 1 write_out is not modelled in a hand-off" in line for line in result.lines)
        end = target.tick
        digest = target.inferior.digest()
    assert there.live.target.stop.tick == 1000
    recording = opened(record)
    assert verified(recording) >= 1
    recording.close()
    again = replayed(str(record))
    again.connect()
    replay: Any = again.live.target
    assert (replay.tick, replay.inferior.digest()) == (end, digest)
    again.history.seek(again.history.first)
    for pc, values in seen:
        assert (replay.stop.pc, state(replay, 0)) == (pc, values)
        replay.resume(Move.STEP)
    again.close()


def test_the_machine_stands_where_it_stood(tmp_path: Path) -> None:
    there = emulated("demo:hello", recording=False)
    there.connect()
    with served(there, tmp_path, "morello") as address:
        session = remote(address, symbols=(demo.path("demo:hello"),))
        session.connect()
        session.execute("stepi 50")
        session.execute(f"break *{session.live.target.stop.pc:#x}")
        before = [row.value for row in session.register_rows()]
        tick = emulator(there).tick
        result = session.execute("handoff")
        assert session.status().target == "hand-off"
        assert session.status().reason == "taken over"
        assert [row.value for row in session.register_rows()] == before
        assert result.lines[0].startswith(f"the emulator has taken over {address} at ")
        assert session.execute("info breakpoints").lines[0] != ""
        session.execute("stepi 20")
        session.execute("set $x9 = 99")
        session.execute("set *(long*)$sp = 1")
        session.execute("run")  # from the hand-off on, once more, to the breakpoint
        assert session.history.first.tick == 0
        assert session.live.target.read_register(0, "x9") != 99
        session.execute("nexti 3")
        result = session.execute("handoff end")
        assert "stands at" in result.lines[0]
        assert session.status().target == "remote"
        assert [row.value for row in session.register_rows()] == before
        assert emulator(there).tick == tick
        session.execute("stepi")
        assert emulator(there).tick == tick + 1
        assert len(session.breakpoint_rows()) == 1
        session.close()


def test_breakpoints_hold_on_both_sides(tmp_path: Path) -> None:
    lines = ["movz x1, #20", "loop:", "add x2, x2, #1", "str x2, [x28]", "sub x1, x1, #1", "cbnz x1, @loop", TRAP]
    with served(toy(*lines), tmp_path, "morello") as address:
        session = remote(address)
        session.connect()
        session.execute(f"break *{CODE + 8:#x}")
        session.execute("continue")
        session.execute("handoff")
        for count in range(2, 5):
            session.execute("continue")
            assert session.live.target.read_register(0, "x2") == count
        session.execute("delete")
        session.execute(f"break *{CODE + 12:#x}")
        session.execute("handoff end")
        target = session.live.target
        session.execute("continue")
        assert (target.stop.pc, target.read_register(target.stop.thread, "x2")) == (CODE + 12, 1)
        session.close()


def test_an_access_across_pages_brings_both(tmp_path: Path) -> None:
    lines = ["movz x0, #0x1ffc, lsl #0", "add x0, x0, #16, lsl #12", "ldr x1, [x0]", TRAP]
    there = toy(*lines)
    emulator(there).inferior.machine.map(CODE + PAGE, PAGE, 3)
    emulator(there).inferior.machine.map(CODE + 2 * PAGE, PAGE, 3)
    emulator(there).inferior.machine.write(CODE + 2 * PAGE - 4, bytes(range(8)))
    with handed_off(there, tmp_path) as session:
        session.execute("stepi 3")
        assert emulator(session).read_register(0, "x1") == int.from_bytes(bytes(range(8)), "little")
        assert [r[:2] for r in emulator(session).inferior.machine.regions()] == [(CODE, PAGE), (CODE + PAGE, 2 * PAGE)]


def test_what_is_not_there_faults_as_there(tmp_path: Path) -> None:
    """No memory, and memory that must not be written."""
    for lines in (["movz x1, #0x999, lsl #16", "ldr x0, [x1]"], ["movz x1, #1, lsl #16", "str x1, [x1]"]):
        there, plain = toy(*lines), toy(*lines)
        folder = tmp_path / lines[1][:3]
        folder.mkdir()
        with handed_off(there, folder) as session:
            stops = []
            for one in (session, plain):
                one.execute("continue")
                stops.append(one.live.target.stop)
            assert stops[0].reason(StopKind.FAULT) == stops[1].reason(StopKind.FAULT) != None  # noqa: E711
            assert (stops[0].pc, stops[0].tick) == (stops[1].pc, stops[1].tick)
            result = session.execute("continue")
            assert any("what becomes of a thread with a" in line for line in result.lines)


def test_a_machine_that_goes_away_leaves_what_was_fetched(tmp_path: Path) -> None:
    lines = ["nop", "ldr x0, [x28]", TRAP]
    with served(toy(*lines), tmp_path, "morello") as address:
        session = remote(address, timeout=0.5)
        session.connect()
        session.execute("handoff")
        session.execute("stepi")
    result = session.execute("continue")
    assert any(
        f"the page at {MEMORY:#x} was not fetched yet, and cannot be: {address} closed the connection" in line
        for line in result.lines
    )
    target = emulator(session)
    assert (target.stop.pc, target.tick) == (CODE + 4, 1)
    session.execute("reverse-stepi")
    assert target.stop.pc == CODE
    session.execute("continue")
    assert target.read(CODE, 4)
    with pytest.raises(TargetError, match="closed the connection"):
        target.read(MEMORY, 4)
    session.execute("handoff end")
    assert session.status().state == "lost"
    session.close()


def test_looking_fetches_pages_as_events_and_in_the_past_from_what_is_kept(tmp_path: Path) -> None:
    with handed_off(toy("nop", "nop", "ldr x0, [x28]", TRAP), tmp_path) as session:
        target = emulator(session)
        target.resume(Move.STEP)
        count = session.history.last.event
        assert target.read(MEMORY + 8, 8) == bytes(8)
        assert session.history.last.event == count + 1
        assert target.capabilities is not None
        with pytest.raises(TargetError, match="0x999000 is not mapped"):
            target.capabilities.read(0x999000)
        session.execute("reverse-stepi")
        assert target.read(MEMORY, 16) == bytes(16)
        with pytest.raises(TargetError, match="the past cannot be edited"):
            target.write(MEMORY, b"1")
        session.execute("diverge")
        session.execute("stepi 3")
        assert target.read_register(0, "x0") == 0
        session.execute("diverge end")
        session.history.seek(session.history.last)
        target.write(MEMORY, b"1")
        target.capabilities.write(MEMORY + 16, 1 << 128 | 5)
        session.execute("stepi 2")
        assert target.read_register(0, "x0") == ord("1")
        path = session.history.file
    assert verified(opened(path)) >= 1


def test_threads_that_wait_in_a_call_stay_there(tmp_path: Path) -> None:
    lines = ["cbnz x27, @other", "nop", "nop", "nop", TRAP, "other:", "movz x14, #2", TRAP, "nop"]
    there = toy(*lines, threads=2)
    there.live.target.resume(Move.STEP, thread=1)
    there.live.target.resume(Move.STEP, thread=1)
    there.live.target.resume(Move.STEP, thread=1)
    there.live.target.resume(Move.STEP, thread=0)
    with handed_off(there, tmp_path) as session:
        rows = session.thread_rows()
        assert [row.state for row in rows] == ["running", "a call that it made before"]
        assert emulator(session).read_register(1, "x27") == 1
        session.execute("continue")
        assert emulator(session).stop.thread == 0
        assert any("1 more thread" in row.line for row in session.console.rows())


@pytest.mark.parametrize(
    ("line", "sentence"),
    [("handoff end", "nothing is handed off"), ("handoff", "demo is no live machine|hello is no li")],
)
def test_there_must_be_a_live_machine(line: str, sentence: str) -> None:
    session = emulated("demo:hello", recording=False)
    session.connect()
    with pytest.raises(UserError, match=sentence):
        session.execute(line)
    session.close()


def test_only_once_and_detach_says_how_to_come_back(tmp_path: Path) -> None:
    with handed_off(toy("nop", TRAP), tmp_path) as session:
        with pytest.raises(UserError, match="handed off already"):
            session.execute("handoff")
        with pytest.raises(UserError, match="handoff end comes back to it"):
            session.execute("detach")


def test_a_new_connection_ends_a_hand_off(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with handed_off(toy("nop", TRAP), tmp_path) as session, served(toy("nop", TRAP), other, "morello") as address:
        session.execute(f"target remote {address}")
        assert session.aside is None
        assert session.status().target == "remote"
        session.execute("handoff")
        session.execute("stepi")
        assert session.live.target.stop.tick == 1


def test_a_machine_without_tags_or_registers_is_told(tmp_path: Path) -> None:
    board = Board()
    board.capabilities = None
    with boarded(board, tmp_path) as address:
        session = remote(address)
        session.connect()
        session.execute("handoff")
        said = " ".join(row.line for row in session.console.rows())
        assert "gives no tags: capabilities that are loaded from its memory are invalid here" in said
        assert "not carried over: ctpidrro" in said
        session.close()


def test_ctrl_c_ends_a_wait_for_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, released = threading.Event(), threading.Event()
    there = toy("ldr x0, [x28]", "ldr x1, [x28]", TRAP)
    target = emulator(there)
    read = target.read

    def slow(address: int, size: int) -> bytes:
        if address >= MEMORY and not released.is_set():
            asked.set()
            released.wait(20)
        return read(address, size)

    monkeypatch.setattr(target, "read", slow)
    with served(there, tmp_path, "morello") as address:
        session = remote(address, timeout=10.0)
        session.connect()
        session.execute("handoff")

        def interrupt() -> None:
            asked.wait(10)
            session.interrupt()

        thread = threading.Thread(target=interrupt)
        thread.start()
        result = session.execute("continue")
        thread.join()
        released.set()
        assert any("was given up" in line or "interrupted" in line for line in result.lines), result.lines
        assert session.live.target.stop.tick == 0
        result = session.execute("continue")
        assert any("hostcall 0" in line for line in result.lines), result.lines
        assert session.live.target.stop.tick == 3
        session.close()


# ---- pages of a machine that is only told of -----------------------------------------------------------------------


@dataclass
class Told:
    """As much of a target as pages want: what it has by piece; the rest is not readable."""

    memory: dict[int, bytes]
    tagged: dict[int, int] = field(default_factory=dict)
    lost: bool = False
    areas: tuple[Region, ...] = ()

    def regions(self) -> tuple[Region, ...]:
        return self.areas

    def read(self, address: int, size: int) -> bytes:
        if self.lost:
            raise TargetLost("the link is gone")
        parts = [self.memory.get(at) for at in range(address, address + size, 256)]
        if None in parts:
            raise NotMapped("not mapped")
        return b"".join(part for part in parts if part)

    @property
    def capabilities(self) -> Any:
        return self

    def tags(self, address: int, size: int) -> bytes:
        return bytes(at in self.tagged for at in range(address, address + size, 16))


class Granules(Told):
    def read(self, address: int, size: int = 0) -> Any:
        return super().read(address, size) if size else self.tagged[address]


def pages(told: Told, *devices: Device) -> tuple[Pages, list[str]]:
    said: list[str] = []
    source: Any = told
    return Pages(source, "board:1", devices, said.append), said


def test_a_page_comes_once_with_its_tags_and_its_protection() -> None:
    content = {0x1000 + n * 256: bytes([n]) * 256 for n in range(16)}
    told = Granules(content, {0x1010: 1 << 128 | 77}, areas=(Region(0x1000, 0x1000, "r-x"),))
    found, said = pages(told)
    expected = (
        Map(0x1000, PAGE, "rx"),
        MemoryWrite(0x1000, b"".join(content.values())),
        CapabilityWrite(0x1010, 77, True),
    )
    assert found.page(0x1000) == expected
    told.lost = True
    assert found.page(0x1000) == expected
    with pytest.raises(TargetError, match="the page at 0x2000 was not fetched yet, and cannot be: the link is gone"):
        found.page(0x2000)
    assert (found.count, said) == (1, [])


def test_a_page_of_which_a_part_cannot_be_read_has_zeros_there_and_says_so() -> None:
    found, said = pages(Granules({0x1100: b"x" * 256}))
    assert found.page(0x1000) == (
        Map(0x1000, PAGE, "rwx"),
        MemoryWrite(0x1000, bytes(256) + b"x" * 256 + bytes(PAGE - 512)),
    )
    assert said == ["3840 bytes of the page at 0x1000 cannot be read of board:1: they are 0 here"]
    assert found.page(0x5000) is None


def test_a_device_is_not_read() -> None:
    found, _ = pages(Granules({}, lost=True), Device("trickbox", 0x13000000, 0x200000))
    assert found.page(0x13000000) == (Map(0x13000000, PAGE, "rw", device=True),)


def test_what_is_not_carried_over_is_said_in_ranges() -> None:
    taken = Taken(untold=dict.fromkeys(["rcsp", *(f"v{n}" for n in range(32))], "no"), halves=["VBAR_EL3"])
    assert taken.sentences("b:1") == [
        "not carried over: rcsp, v0 … v31, which b:1 does not tell: they begin as at reset",
        "of VBAR_EL3 b:1 tells 64 bits: exception links and vectors take PCC's bounds, others no tag",
    ]


def test_a_plain_machine_is_refused(tmp_path: Path) -> None:
    class Plain(RemoteTarget):
        arch = "aarch64"

    with boarded(Board(), tmp_path) as address:
        target = Plain(address)
        with pytest.raises(UserError, match="is aarch64: the emulator takes over Morello machines"):
            HandedOff(address, target, Attached("", (), ()))
        target.close()
    assert BoundaryKind.SYSCALL
