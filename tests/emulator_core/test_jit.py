"""The block translator does what the step engine does: the same stops and digests, whatever changes under hot code."""

from __future__ import annotations

import random
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator_core._core import PAGE, Capability, Machine, Prot, Stop, StopKind, Watch, jit_missing
from emulator_core.assembler import Mode, assemble
from tests.emulator_core.morello_board import (
    ALL_PERMS,
    C64,
    CCTLR,
    CODE,
    CPSR,
    DDC,
    EXECUTE,
    GLOBAL,
    LOAD,
    LOAD_CAP,
    MEMORY,
    MEMORY_SIZE,
    MUTABLE_LOAD,
    PCC,
    STORE,
    STORE_CAP,
    STORE_LOCAL,
    V0,
    Board,
    almighty,
    bounded,
    sealed,
)

pytestmark = pytest.mark.skipif(jit_missing() is not None, reason=f"no translator: {jit_missing()}")

FPCR, FPSR, IXC = 43, 44, 1 << 4
HOT = 60_000
"""Ticks after which a loop is translated."""
LONGER = 6000
"""Ticks that do not all go step by step."""


def program(*lines: str, mode: Mode = "a64", at: int = CODE) -> bytes:
    """The lines one after the other."""
    words = (assemble(line, at + 4 * index, mode) for index, line in enumerate(lines))
    return b"".join(word.to_bytes(4, "little") for word in words)


class Twins:
    """Two boards with the same program: the translator runs one, the step engine the other."""

    def __init__(self, *lines: str, mode: Mode = "a64", cctlr: int = 0) -> None:
        self.jit, self.stepped = (Board(c64=mode == "c64", cctlr=cctlr) for _ in range(2))
        self.jit.machine.engine = "jit"
        self.stepped.machine.use_step_engine(self.stepped.thread, True)
        self.write(program(*lines, mode=mode))

    @property
    def boards(self) -> tuple[Board, Board]:
        return self.jit, self.stepped

    def write(self, code: bytes, at: int = CODE) -> None:
        for board in self.boards:
            board.machine.write(at, code)

    def set(self, reg: int, value: int) -> None:
        for board in self.boards:
            board[reg] = value

    def rewind(self) -> None:
        for board in self.boards:
            board.rewind()

    def run(self, ticks: int) -> Stop:
        """Both, which must agree."""
        one, other = (board.machine.run(board.thread, ticks) for board in self.boards)
        assert described(one) == described(other)
        assert self.jit.machine.digest() == self.stepped.machine.digest()
        return one

    def heat(self, ticks: int = HOT) -> None:
        """Until the page is translated."""
        assert self.run(ticks).kind is StopKind.BUDGET
        assert self.jit.machine.translations > 0


def described(stop: Stop) -> list[object]:
    """Everything that is comparable."""
    fault = stop.fault
    seen = [] if fault is None else [fault.kind, fault.access, fault.address, fault.reg, fault.needed, fault.esr]
    return [stop.kind, stop.tick, stop.pc, stop.watch, stop.address, stop.size, stop.value, *seen]


# ---- which engine ---------------------------------------------------------------------------------------------


def test_the_engine_is_chosen_by_name() -> None:
    machine = Machine()
    for name in ("interp", "jit", "interp"):
        machine.engine = name
        assert machine.engine == name
    with pytest.raises(ValueError, match="jit or interp"):
        machine.engine = "fast"


def test_code_that_runs_once_is_not_translated() -> None:
    twins = Twins(*["add x0, x0, #1"] * 900)
    twins.run(900)
    assert twins.jit.machine.translations == 0


# ---- what was hot and changes ---------------------------------------------------------------------------------

A64_OPS = (
    "ldr x3, [x1, #8]",
    "ldrb w3, [x1, #3]",
    "ldrsh x3, [x1, x2]",
    "ldr w3, [x1, w2, sxtw #2]",
    "ldr x3, [x1], #8",
    "ldr x3, [x1, #-16]!",
    "str x3, [x1, x2, lsl #3]",
    "strb w3, [x1], #1",
    "strh w3, [x1, w2, uxtw]",
    "ldp x3, x4, [x1, #16]",
    "stp x3, x4, [x1], #16",
    "stp x3, x4, [sp, #-16]!",
    "ldp x3, x4, [sp], #16",
    "ldr x3, [sp, #8]",
    "ldr c3, [x1, #16]",
    "str c3, [x1, x2, lsl #4]",
    "stp c3, c4, [x1, #32]",
    "ldr c3, [c1, #16]",
    "ldr x3, [c1, #16]",
    "ldr q3, [x1, #16]",
    "str d3, [x1, x2]",
    "stp q3, q4, [x1, #32]",
    "ldr s3, [x1], #4",
    "ldp d3, d4, [x1, #-32]!",
    "stp s3, s4, [x1], #8",
    "ldr q3, [x1, w2, sxtw #4]",
    "str q3, [sp, #-16]!",
    "ld1r {v3.4s}, [x1]",
    "ld1r {v3.8b}, [x1], #1",
    "ld1r {v3.2d}, [sp], x2",
    "fmov d3, x1",
    "fmov w3, s1",
    "fmov v3.d[1], x1",
    "and v3.16b, v1.16b, v2.16b",
    "orn v3.8b, v1.8b, v2.8b",
    "bsl v3.16b, v1.16b, v2.16b",
    "bif v3.8b, v1.8b, v2.8b",
    "sub v3.8h, v1.8h, v2.8h",
    "shl v3.4h, v1.4h, #3",
    "ushr v3.16b, v1.16b, #5",
    "addv s3, v1.4s",
    "umov w3, v1.b[3]",
    "fcsel d3, d1, d2, eq",
    "fccmp d1, d2, #3, ne",
    "fmla v3.4s, v1.4s, v2.s[1]",
    "fmls v3.2d, v1.2d, v2.2d",
    "fmul v3.2s, v1.2s, v2.2s",
    "fdiv v3.4s, v1.4s, v2.4s",
    "fnmul s3, s1, s2",
    "fnmsub d3, d1, d2, d3",
    "fmul d3, d1, d2",
    "fadd s3, s1, s2",
    "fmadd d3, d1, d2, d3",
    "fsub d1, d1, d2",
    "fdiv d3, d1, d2",
    "fsqrt d3, d1",
    "fcmp d1, d2",
    "scvtf d3, x1",
    "fcvtzs x3, d1",
    "ldr x3, 0x10030",
    "br x30",
    "ret x1",
    "blr x30",
    "ret c30",
    "blr c30",
    "br c1",
)
C64_OPS = (
    "ldr x3, [c1, #8]",
    "ldrb w3, [c1, x2]",
    "ldr x3, [c1], #8",
    "str x3, [c1, #-8]!",
    "stp x3, x4, [c1, #16]",
    "ldp x3, x4, [csp], #16",
    "ldr c3, [c1, #16]",
    "ldr c1, [c1, #16]",
    "ldr c3, [c1], #16",
    "ldr c3, [c1, x2, lsl #4]",
    "str c3, [c1, #16]",
    "str c3, [c1, #-16]!",
    "str c3, [c1, w2, sxtw]",
    "ldp c3, c4, [c1, #32]",
    "ldp c3, c4, [csp], #32",
    "stp c3, c4, [c1, #32]",
    "stp c3, c4, [c1, #-32]!",
    "ldr c3, [x1, #16]",
    "ldr q3, [c1, #16]",
    "str s3, [c1], #4",
    "stp q3, q4, [c1, #32]",
    "ldp q3, q4, [csp], #32",
    "ldr d3, [c1, x2, lsl #3]",
    "ld1r {v3.4s}, [c1], #4",
    "add c3, c1, #16",
    "add c1, c1, #1",
    "add c3, c1, x2, uxtx #4",
    "sub c1, c1, #32",
    "scvalue c3, c1, x2",
    "mov c3, c1",
    "adr c3, 0x10040",
    "adrp c3, 0x20000",
    "ret c30",
    "br c1",
    "blr c30",
)
CHECKED = (MUTABLE_LOAD, STORE_LOCAL, STORE_CAP, LOAD_CAP, EXECUTE, STORE, LOAD)


def some_capability(chance: random.Random, value: int) -> Capability:
    """Mostly one that works, with one thing or another amiss."""
    perms = ALL_PERMS
    for _ in range(chance.choice((0, 1, 1, 2))):
        perms &= ~chance.choice(CHECKED)
    length = chance.choice((0, 1, 8, 15, 16, 17, 31, 32, 33, 64, 4096))
    start = value - chance.choice((0, 0, 0, 16, 64))
    made = almighty(value).clear_perms(ALL_PERMS & ~perms)
    if chance.randrange(2):
        made = bounded(start, length, value, perms)
    if chance.randrange(2):
        made = made.clear_perms(GLOBAL)
    if chance.randrange(16) == 0:
        made = sealed(made, chance.choice((1, 2, 3, 4, 77)))
    return made if chance.randrange(8) else Capability(made.bits & (1 << 128) - 1)


def some_number(chance: random.Random) -> int:
    numbers = (0, 1, 2, 7, 8, 16, 1 << 31, 1 << 63, (1 << 64) - 1, (1 << 64) - 8, 0xFFFF_FFF0)
    return chance.choice((*numbers, chance.getrandbits(64)))


def some_float(chance: random.Random) -> int:
    """Ordinary ones, zeros, infinities, NaNs, denormals, those at the ends of the range."""
    ends = (0, 1 << 63, 0x7FF << 52, 0xFFF << 52, 0x7FF8 << 48, 0x7FF4 << 48, 1, 0x10 << 48, 0x7FE << 52, 0x3FF << 52)
    return chance.choice(
        (*ends, chance.getrandbits(64), 0x3FF << 52 | chance.getrandbits(52), 0x7F80_0000, 0x3F80_0001)
    )


def what_perhaps_does_not(twins: Twins, chance: random.Random, target: int) -> None:
    """Registers and memory anew; pointers are near an edge of a page now and then."""
    place = MEMORY + chance.choice(PLACES)
    x1 = some_capability(chance, place).bits if chance.randrange(5) else place
    x2 = chance.choice((0, 1, 2, -1, -2)) % (1 << 64)
    x3, x4 = (chance.choice((some_number(chance), some_capability(chance, MEMORY + 64).bits)) for _ in range(2))
    link = chance.choice(
        (almighty(target), almighty(target | 1), bounded(CODE, PAGE, target | 1), some_capability(chance, target))
    )
    if chance.randrange(3) == 0:
        link = sealed(link, chance.choice((1, 2, 3))) if link.tag else link
    if chance.randrange(6) == 0:
        x1 = link.bits
    for reg, value in ((21, x1), (22, x2), (23, x3), (24, x4), (26, link.bits)):
        twins.set(reg, value)
    twins.set(25, (almighty(place & ~15) if chance.randrange(4) else some_capability(chance, place)).bits)
    twins.set(DDC, (almighty() if chance.randrange(3) else some_capability(chance, MEMORY + 0x1000)).bits)
    twins.set(FPCR, chance.choice((0, 0, 0, 1 << 22, 3 << 22, 1 << 24, 1 << 25)))
    twins.set(FPSR, chance.choice((IXC, IXC, 0)))
    for v in range(1, 5):
        twins.set(V0 + v, some_float(chance) | some_float(chance) << 64)
    for offset in range(0xF80, 0x1080, 16):
        stored = some_capability(chance, MEMORY + offset)
        for board in twins.boards:
            board.machine.write_capability(MEMORY + offset, stored.bits & (1 << 128) - 1, stored.tag)


def what_works(twins: Twins, link: int, branches: bool) -> None:
    """What lets every op go on."""
    pointer = almighty(MEMORY + 0xF00).bits
    for reg, value in ((10, 0), (11, almighty(link).bits if branches else pointer), (12, 0), (13, pointer), (14, 7)):
        twins.set(reg, value)
    twins.set(15, pointer)
    twins.set(16, almighty(link).bits)


@pytest.mark.parametrize(("mode", "op"), [("a64", op) for op in A64_OPS] + [("c64", op) for op in C64_OPS])
def test_what_was_hot_and_changes(mode: Mode, op: str) -> None:
    """An op in a loop is translated with what works; then with what perhaps does not."""
    twins = Twins(*SWITCH, op, "cinc x9, x9, eq", "add x10, x10, #1", "b 0x10000", mode=mode)
    target = CODE + 4 * (len(SWITCH) + 1)
    branches = op.split()[0] in ("br", "blr", "ret")
    chance = random.Random(f"{mode} {op}")
    begin(twins, mode)
    what_works(twins, target | (mode == "c64"), branches)
    twins.set(17, 1 << 40)
    twins.heat()
    twins.set(17, 40)
    for _ in range(150):
        begin(twins, mode)
        what_works(twins, target | (mode == "c64"), branches)
        what_perhaps_does_not(twins, chance, target)
        twins.run(LONGER)


PLACES = (*(0x100, 0x110, 0xFE0, 0xFF0) * 3, 0x108, 0xFF8, 0xFFC, 0xFFF, 0x1000, MEMORY_SIZE - 8)
SWITCH = (
    "cmp x10, x17",
    "csel c1, c11, c21, cc",
    "csel c2, c12, c22, cc",
    "csel c3, c13, c23, cc",
    "csel c4, c14, c24, cc",
    "csel c5, c15, c25, cc",
    "mov csp, c5",
    "csel c30, c16, c26, cc",
)
"""In the first rounds, so many as x17 says, the loop's op has what works; the caches are warm when that changes."""


def begin(twins: Twins, mode: Mode) -> None:
    """At the first instruction, under an almighty PCC."""
    for board in twins.boards:
        board[CPSR] = board[CPSR] & ~C64 | (C64 if mode == "c64" else 0)
        board.set(PCC, almighty(CODE))


# ---- stops in translated code ---------------------------------------------------------------------------------

LOOP = ("str x0, [x2, x0, lsl #3]", "add x0, x0, #1", "and x0, x0, #0x3f", "eor x4, x4, x0, lsl #5", "b 0x10000")


def looping() -> Twins:
    twins = Twins(*LOOP)
    twins.set(2, MEMORY)
    return twins


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=8))
def test_any_cut_of_a_run_ends_in_the_same_state(budgets: list[int]) -> None:
    twins = looping()
    twins.heat()
    for ticks in budgets:
        assert twins.run(ticks).kind is StopKind.BUDGET
    assert twins.jit.machine.ticks == HOT + sum(budgets)


@pytest.mark.parametrize("slot", range(5))
def test_a_breakpoint_in_the_middle_of_translated_code(slot: int) -> None:
    twins = looping()
    twins.heat()
    for board in twins.boards:
        board.machine.add_breakpoint(CODE + 4 * slot)
    for _ in range(3):
        stop = twins.run(1_000_000)
        assert (stop.kind, stop.pc) == (StopKind.BREAKPOINT, CODE + 4 * slot)
    for board in twins.boards:
        board.machine.remove_breakpoint(CODE + 4 * slot)
    before = twins.jit.machine.translations
    twins.run(HOT)
    assert twins.jit.machine.translations > before


def test_a_breakpoint_elsewhere_leaves_translated_code() -> None:
    twins = looping()
    twins.write(program("nop", at=CODE + 0x800), CODE + 0x800)
    twins.heat()
    before = twins.jit.machine.translations
    for board in twins.boards:
        board.machine.add_breakpoint(CODE + 0x800)
    twins.run(HOT)
    assert twins.jit.machine.translations == before


def test_watchpoints_under_translated_code() -> None:
    twins = looping()
    twins.heat()
    for access in (Watch.WRITE, Watch.READ, Watch.WRITE | Watch.READ):
        watches = [board.machine.add_watchpoint(MEMORY + 8 * 17, 8, access) for board in twins.boards]
        stop = twins.run(1_000_000 if access & Watch.WRITE else 20_000)
        assert (stop.kind is StopKind.WATCHPOINT) == bool(access & Watch.WRITE)
        for board, watch in zip(twins.boards, watches, strict=True):
            board.machine.remove_watchpoint(watch)


def test_an_interrupt_ends_a_translated_loop() -> None:
    board = looping().jit
    timer = threading.Timer(0.05, board.machine.interrupt)
    timer.start()
    started = time.monotonic()
    stop = board.machine.run(board.thread, 1 << 62)
    assert stop.kind is StopKind.INTERRUPT
    assert time.monotonic() - started < 5
    assert board.machine.translations > 0


def test_a_pointer_that_walks_out_of_its_bounds() -> None:
    twins = Twins("str x0, [c1], #8", "add x0, x0, #1", "b 0x10000", mode="c64")
    twins.set(1, bounded(MEMORY, MEMORY_SIZE - 0x10).bits)
    while True:
        stop = twins.run(7001)
        if stop.kind is not StopKind.BUDGET:
            break
    assert stop.fault is not None and stop.fault.address == MEMORY + MEMORY_SIZE - 0x10


# ---- code that changes ----------------------------------------------------------------------------------------


def test_code_that_is_overwritten_from_outside() -> None:
    twins = looping()
    twins.heat()
    twins.write(program("sub x0, x0, #1", at=CODE + 4), CODE + 4)
    twins.run(HOT)
    assert twins.jit[4] == twins.stepped[4]


def test_code_that_overwrites_itself() -> None:
    """Each round stores one of two instructions before itself: translated or not, the next round runs the new one."""
    add, sub = (assemble(text, CODE, "a64") for text in ("add x0, x0, #3", "sub x0, x0, #1"))
    twins = Twins("nop", "add x5, x5, #1", "tst x5, #0x700", "csel w6, w7, w8, eq", "str w6, [x9]", "b 0x10000")
    for reg, value in ((7, add), (8, sub), (9, CODE)):
        twins.set(reg, value)
    for _ in range(5):
        twins.run(50_000)
    assert twins.jit.machine.translations < 40


def test_a_translated_page_is_unmapped_and_protected() -> None:
    twins = looping()
    twins.heat()
    for board in twins.boards:
        board.machine.protect(CODE, PAGE, Prot.R)
    assert twins.run(10_000).kind is StopKind.FAULT
    for board in twins.boards:
        board.machine.protect(CODE, PAGE, Prot.R | Prot.X)
    twins.heat()
    for board in twins.boards:
        board.machine.protect(MEMORY, PAGE, Prot.R)
    assert twins.run(10_000).kind is StopKind.FAULT


def test_a_snapshot_restores_what_translated_code_wrote() -> None:
    twins = looping()
    twins.heat()
    saved = [board.machine.save() for board in twins.boards]
    at = twins.jit.machine.digest()
    twins.run(HOT)
    for board, snapshot in zip(twins.boards, saved, strict=True):
        board.machine.load(snapshot)
    assert twins.jit.machine.digest() == at
    twins.run(HOT)


def test_more_code_than_the_cache_holds() -> None:
    """420 pages of stores by turns: what is translated is forgotten when it does not fit, and runs on."""
    pages, base = 420, 0x100_0000
    machines = []
    body = program(*["str c0, [c1, #16]"] * 1000, mode="c64", at=0)
    for engine in ("jit", "interp"):
        machine = Machine()
        machine.engine = engine
        machine.map(base, pages * PAGE, Prot.R | Prot.X)
        machine.map(MEMORY, PAGE, Prot.R | Prot.W)
        thread = machine.add_thread("user")
        for page in range(pages):
            start, next_page = base + page * PAGE, base + (page + 1) % pages * PAGE
            end = ("subs x2, x2, #1", f"b.ne {start:#x}", "mov x2, #3", f"b {next_page:#x}")
            machine.write(start, body + program(*end, mode="c64", at=start + len(body)))
        machine.set(thread, CPSR, C64)
        machine.set(thread, PCC, almighty(base).bits)
        machine.set(thread, 1, almighty(MEMORY).bits)
        machine.set(thread, 2, 3)
        assert machine.run(thread, 100_000_000).kind is StopKind.BUDGET
        machines.append(machine)
    assert machines[0].digest() == machines[1].digest()
    assert machines[0].translations > pages


def test_two_threads_run_the_same_translation() -> None:
    twins = looping()
    others = [board.machine.add_thread("user") for board in twins.boards]
    for board, other in zip(twins.boards, others, strict=True):
        for reg, value in ((PCC, almighty(CODE).bits), (DDC, almighty().bits), (2, MEMORY + PAGE), (CCTLR, 0)):
            board.machine.set(other, reg, value)
    twins.stepped.machine.use_step_engine(others[1], True)
    twins.heat()
    for _ in range(4):
        for board, other in zip(twins.boards, others, strict=True):
            assert board.machine.run(other, 20_011).kind is StopKind.BUDGET
        twins.run(20_003)
