"""The emulator target: exact stops, one schedule however a run is sliced, and live runs that are replays."""

from __future__ import annotations

import random
import threading
import time

import pytest

from cvmdbg.target import Move, StopKind, TargetError, ThreadState
from cvmdbg.targets.emulator import QUANTUM, EmulatorTarget
from cvmdbg.targets.inferior import Inferior
from sessions.event import Event, Output
from sessions.machine import replay
from tests.targets.toy import CODE, END, EXIT, MEMORY, PRINT, READ, TRAP, WAIT, WAKE, ToyGuest

COUNT = [
    "mov x1, #0x0",
    "movz x2, #0x8, lsl #16",
    "again:",
    "ldr x3, [x28]",
    "add x3, x3, #0x1",
    "str x3, [x28]",
    "add x1, x1, #0x1",
    "cmp x1, x2",
    "b.ne @again",
    f"mov x14, #{EXIT:#x}",
    TRAP,
]
SPIN = ["again:", "add x1, x1, #0x1", "b @again"]


def kinds(target: EmulatorTarget) -> list[StopKind]:
    return [reason.kind for reason in target.stop.reasons]


def test_a_step_retires_one_instruction() -> None:
    target = EmulatorTarget(ToyGuest(SPIN))
    stop = target.resume(Move.STEP)
    assert (stop.tick, stop.pc, kinds(target)) == (1, CODE + 4, [StopKind.STEP])
    assert target.read_register(0, "x1") == 1


def test_a_budget_is_exact() -> None:
    target = EmulatorTarget(ToyGuest(SPIN))
    assert target.resume(Move.CONTINUE, budget=12_345).tick == 12_345
    assert kinds(target) == [StopKind.BUDGET]
    assert target.read_register(0, "x1") == 6173


def test_two_threads_lose_updates_the_same_way_however_the_run_is_sliced() -> None:
    whole = EmulatorTarget(ToyGuest(COUNT, threads=2))
    whole.resume(Move.CONTINUE)
    dice = random.Random(7)
    sliced = EmulatorTarget(ToyGuest(COUNT, threads=2))
    while not sliced.stop.reason(StopKind.DEADLOCK):
        sliced.resume(Move.CONTINUE, budget=dice.choice([1, 2, 3, 1000, 54_321, QUANTUM]))
    assert sliced.tick == whole.tick
    assert sliced.inferior.digest() == whole.inferior.digest()


def test_a_live_run_is_the_replay_of_its_events() -> None:
    events: list[Event] = []
    live = EmulatorTarget(ToyGuest(COUNT, threads=3), record=events.append)
    live.resume(Move.CONTINUE)
    again = Inferior()
    replay(again, events, until=live.tick)
    assert again.digest() == live.inferior.digest()
    assert again.schedule == live.inferior.schedule


def test_a_breakpoint_is_reported_once_a_time_it_is_reached() -> None:
    target = EmulatorTarget(ToyGuest(SPIN))
    assert target.stops is not None
    target.stops.add_breakpoint(CODE + 4)
    for ticks in (1, 3, 5):
        stop = target.resume(Move.CONTINUE)
        assert (stop.pc, stop.tick, kinds(target)) == (CODE + 4, ticks, [StopKind.BREAKPOINT])


def test_stepping_onto_a_breakpoint_says_so_and_does_not_say_it_again() -> None:
    target = EmulatorTarget(ToyGuest(SPIN))
    assert target.stops is not None
    target.stops.add_breakpoint(CODE + 4)
    target.resume(Move.STEP)
    assert kinds(target) == [StopKind.STEP, StopKind.BREAKPOINT]
    assert target.resume(Move.CONTINUE).tick == 3


def test_a_watchpoint_names_the_access() -> None:
    target = EmulatorTarget(ToyGuest(COUNT))
    assert target.stops is not None
    number = target.stops.add_watchpoint(MEMORY, 8, "w")
    hit = target.resume(Move.CONTINUE).reasons[0].watch
    assert hit is not None
    assert (hit.watchpoint, hit.address, hit.size, hit.access, hit.pc) == (number, MEMORY, 8, "write", CODE + 16)
    assert target.tick == 5


def test_a_watchpoint_for_nothing_is_refused() -> None:
    target = EmulatorTarget(ToyGuest(SPIN))
    assert target.stops is not None
    with pytest.raises(TargetError, match="cannot watch 0 bytes"):
        target.stops.add_watchpoint(MEMORY, 0, "w")


def test_output_is_observed_at_its_tick() -> None:
    target = EmulatorTarget(ToyGuest(["mov x0, #0x2a", f"mov x14, #{PRINT:#x}", TRAP, f"mov x14, #{END:#x}", TRAP]))
    target.resume(Move.CONTINUE)
    assert target.drain() == (Output(3, 0, "T", "guest", b"42"),)
    assert target.drain() == ()
    assert target.stop.reasons[0].status == 0
    with pytest.raises(TargetError, match="has ended"):
        target.resume(Move.CONTINUE)


def test_a_guest_that_reads_waits_for_input_and_goes_on_with_it() -> None:
    target = EmulatorTarget(ToyGuest([f"mov x14, #{READ:#x}", TRAP, f"mov x14, #{END:#x}", TRAP]))
    assert target.resume(Move.CONTINUE).reason(StopKind.WAITING)
    assert target.resume(Move.CONTINUE).reason(StopKind.WAITING)
    target.input.feed(b"A")
    assert target.resume(Move.CONTINUE).reasons[0].status == ord("A")


def test_threads_that_all_wait_are_a_deadlock_with_names() -> None:
    target = EmulatorTarget(ToyGuest([f"mov x14, #{WAIT:#x}", TRAP], threads=2))
    reason = target.resume(Move.CONTINUE).reasons[0]
    assert reason.kind is StopKind.DEADLOCK
    assert reason.detail == "T/0 waits for wake, T/1 waits for wake"


def test_a_waiting_thread_runs_when_it_is_woken() -> None:
    lines = [
        "cbz x27, @sleeper",
        "mov x0, #0x0",
        f"mov x14, #{WAKE:#x}",
        TRAP,
        f"mov x14, #{EXIT:#x}",
        TRAP,
        "sleeper:",
        f"mov x14, #{WAIT:#x}",
        TRAP,
        "mov x0, #0x7",
        f"mov x14, #{END:#x}",
        TRAP,
    ]
    target = EmulatorTarget(ToyGuest(lines, threads=2))
    assert target.resume(Move.CONTINUE).reasons[0].status == 7
    assert target.threads()[1].state is ThreadState.EXITED


def test_a_fault_is_data_and_going_on_is_the_guests_affair() -> None:
    target = EmulatorTarget(ToyGuest(["mov x0, #0x8", "ldr x1, [x0]"]))
    fault = target.resume(Move.CONTINUE).reasons[0].fault
    assert fault is not None
    assert (fault.kind, fault.access, fault.address, fault.size) == ("unmapped", "read", 8, 8)
    assert (target.stop.pc, target.tick) == (CODE + 4, 1)
    assert target.resume(Move.CONTINUE).reasons[0].status == 128


def test_a_fault_that_the_user_mends_is_tried_again() -> None:
    target = EmulatorTarget(ToyGuest(["mov x0, #0x8", "ldr x1, [x0]", *SPIN]))
    target.resume(Move.CONTINUE)
    target.write_register(0, "x0", MEMORY)
    stop = target.resume(Move.STEP)
    assert (stop.pc, stop.reasons[0].kind) == (CODE + 8, StopKind.STEP)


def test_an_interrupt_from_another_thread_stops_a_run() -> None:
    target = EmulatorTarget(ToyGuest(SPIN))
    timer = threading.Timer(0.05, target.interrupt)
    timer.start()
    begin = time.monotonic()
    assert target.resume(Move.CONTINUE).reasons[0].kind is StopKind.INTERRUPT
    assert time.monotonic() - begin < 5
    timer.join()


def test_an_interrupt_between_runs_is_not_lost() -> None:
    target = EmulatorTarget(ToyGuest(SPIN))
    target.interrupt()
    assert target.resume(Move.CONTINUE).reasons[0].kind is StopKind.INTERRUPT
    assert target.resume(Move.CONTINUE, budget=10).tick == 10


def test_unmapped_memory_is_named() -> None:
    target = EmulatorTarget(ToyGuest(SPIN))
    with pytest.raises(TargetError, match="0x21000 is not mapped"):
        target.read(MEMORY + 4000, 200)
    with pytest.raises(TargetError, match="0x5000 is not mapped"):
        target.write(0x5000, b"x")


def test_registers_have_names_and_views() -> None:
    target = EmulatorTarget(ToyGuest(SPIN))
    target.write_register(0, "c3", 1 << 128 | 0x1234 << 64 | 0x5678)
    assert target.read_register(0, "x3") == 0x5678
    target.write_register(0, "x3", 9)
    assert target.read_register(0, "c3") == 9
    target.write_register(0, "pc", CODE + 4)
    assert target.stop.pc == CODE + 4
    with pytest.raises(TargetError, match="no register 'q99'"):
        target.read_register(0, "q99")
