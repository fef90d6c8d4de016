"""Backtraces: every frame at every instruction of whole runs, against calls and returns as they happen."""

from __future__ import annotations

from collections import defaultdict

import pytest

from cvmdbg.debugger import Debugger
from cvmdbg.frames import C64, Unwinder
from cvmdbg.prologue import SavedAt, follow
from cvmdbg.target import Move, StopKind
from emulator_core.disassembler import Instruction, disassemble
from tests.debugger.conftest import Open


def instruction(debugger: Debugger, thread: int, pc: int) -> Instruction:
    """What stands at a pc."""
    word = int.from_bytes(debugger.target.read(pc, 4), "little")
    c64 = debugger.target.read_register(thread, "cpsr") & C64
    return disassemble(word, pc, "c64" if c64 else "a64")


class Shadow:
    """Return addresses by thread, kept by watching what each instruction does."""

    def __init__(self, debugger: Debugger) -> None:
        self.debugger = debugger
        self.stacks: defaultdict[int, list[int]] = defaultdict(list)

    def step(self) -> bool:
        """One instruction; False at the end of the run."""
        debugger, target = self.debugger, self.debugger.target
        thread = target.stop.thread
        pc, depth = debugger.pc(thread), len(debugger.links(thread))
        kinds = instruction(debugger, thread, pc).kinds
        tick = target.stop.tick
        stop = target.resume(Move.STEP)
        if stop.tick == tick and stop.reason(StopKind.BREAKPOINT):
            stop = target.resume(Move.STEP)
        debugger.drain()
        if stop.reason(StopKind.EXIT) or stop.reason(StopKind.FAULT):
            return False
        if debugger.is_loader_site(stop.pc):
            debugger.refresh()
        stack, now = self.stacks[thread], len(debugger.links(thread))
        if now > depth or (now == depth and "call" in kinds and debugger.pc(thread) != pc + 4):
            stack.append(pc + 4)
        elif (now < depth or "return" in kinds) and stack:
            stack.pop()
        return True


def compare(debugger: Debugger) -> tuple[int, list[tuple[int, str]]]:
    """Run to the end; how many backtraces were compared, and where the callers differed."""
    shadow, seen = Shadow(debugger), set()
    wrong: list[tuple[int, str]] = []
    count = 0
    while True:
        thread = debugger.target.stop.thread
        stack = shadow.stacks[thread]
        pc = debugger.pc(thread)
        if (pc, len(stack)) not in seen:
            seen.add((pc, len(stack)))
            unwinder = Unwinder(debugger.target, debugger.symbols, debugger.places, debugger.trace)
            found = [frame.pc for frame in unwinder.frames(thread, 64)[1:]]
            count += 1
            if found[: len(stack)] != stack[::-1]:
                named = debugger.symbols.name_at(pc)
                wrong.append((pc, named.name if named is not None else "?"))
        if not shadow.step():
            return count, wrong


@pytest.mark.parametrize(
    ("name", "begin", "unknown"),
    [
        # A function that never returns keeps no link: cvm_exit is reached by a branch, or called without a frame.
        ("hello", "stepi", {"cvm_exit"}),
        ("two_layers", "stepi", {"cvm_exit", "c_out", "hostcall", "hostcall_asm"}),
        ("overrun", "run", set()),
    ],
)
def test_every_backtrace_of_a_run(opened: Open, name: str, begin: str, unknown: set[str]) -> None:
    session = opened(name, "tbreak main", begin) if begin == "run" else opened(name)
    count, wrong = compare(session.live)
    assert count > 300
    assert {function for _, function in wrong} <= unknown
    assert len(wrong) <= count // 40


@pytest.mark.parametrize("routine", ["untagged_jump", "data_jump", "null_call"])
def test_the_caller_behind_a_branch_to_no_code(opened: Open, routine: str) -> None:
    session = opened("faults", args=(routine,))
    session.execute("run")
    assert {"cvm_main", "_start"} <= {row.function.partition("+")[0] for row in session.frame_rows()}


def test_prologues_are_followed() -> None:
    state = follow([0x62BF7BFD, 0xC2C1D3FD])  # stp c29, c30, [csp, #-32]!; mov c29, csp
    assert state.sp == 32
    assert state.fp == 32
    assert state.saved == {29: SavedAt(-32, 16), 30: SavedAt(-16, 16)}
    assert follow([0x028303FF]).sp == 192  # sub csp, csp, #192


def test_behind_a_return_the_body_holds_again() -> None:
    push, pop, ret = 0xA9BE7BFD, 0xA8C27BFD, 0xD65F03C0  # stp/ldp x29, x30, [sp, #-+32]; ret
    assert follow([push]).sp == 32
    assert follow([push, pop]).sp == 0
    assert follow([push, pop, ret]).sp == 32
    assert follow([push, pop, ret]).saved == {29: SavedAt(-32, 8), 30: SavedAt(-24, 8)}


def test_a_local_routine_begins_anew() -> None:
    push, call, ret = 0xA9BE7BFD, 0x94000002, 0xD65F03C0  # bl two words on
    assert follow([push, call, ret]).sp == 0
