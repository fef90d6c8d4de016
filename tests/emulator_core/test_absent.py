"""Pages that are absent: a run stops where it touches one, and goes on as if it had always been there."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_machine import ALMIGHTY, AREA, CODE, REG, guest
from test_stage1 import LOAD_X, TABLES, mapped

from emulator_core._core import PAGE, FaultKind, Machine, Prot, Stop, StopKind, jit_missing

ALL = 1 << 48
PROGRAM = (
    "movz x3, #40",
    "add x7, x2, #4088",
    "stp x3, x3, [x7]",
    "ldp x4, x5, [x7]",
    "add x6, x6, x4",
    "str c1, [c1, #0x10]",
    "sub x3, x3, #1",
    "cbnz x3, CODE+8",
    "svc #0",
)


def bring(machine: Machine, whole: Machine, stop: Stop) -> None:
    """Map the page that a run misses, as the whole machine has it."""
    prot = next(prot for at, size, prot, _ in whole.regions() if at <= stop.address < at + size)
    machine.map(stop.address, PAGE, prot)
    machine.write(stop.address, whole.read(stop.address, PAGE))


def pair(*lines: str) -> tuple[Machine, Machine, int]:
    """A machine, and the same without its pages."""
    whole, thread = guest(*(line.replace("CODE+8", f"{CODE + 4:#x}") for line in lines))
    machine = Machine()
    assert machine.add_thread("user") == thread
    for name in ("pcc", "ddc", "c1", "c2", "cpsr"):
        machine.set(thread, REG[name], whole.get(thread, REG[name]))
    machine.set_absent(0, ALL, True)
    return whole, machine, thread


@pytest.mark.parametrize("engine", ["interp", "jit"])
@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 60), max_size=20))
def test_a_run_without_its_pages_is_the_run_with_them(engine: str, budgets: list[int]) -> None:
    if engine == "jit" and jit_missing():
        pytest.skip(f"no translator: {jit_missing()}")
    whole, machine, thread = pair(*PROGRAM)
    whole.engine = machine.engine = engine
    pristine, brought = whole.save(), 0
    source = Machine()
    source.load(pristine)
    for budget in [*budgets, 1000]:
        end = whole.ticks + budget
        stop = whole.run(thread, budget)
        while (ours := machine.run(thread, end - machine.ticks)).kind is StopKind.ABSENT:
            assert ours.tick == machine.ticks
            bring(machine, source, ours)
            brought += 1
        assert (ours.kind, ours.tick, ours.pc) == (stop.kind, stop.tick, stop.pc)
        assert machine.registers(thread) == whole.registers(thread)
        if stop.kind is StopKind.SYSCALL:
            break
    assert stop.kind is StopKind.SYSCALL
    assert brought == 3  # code, and both pages that the pair lies across
    assert machine.read(AREA, 2 * PAGE) == whole.read(AREA, 2 * PAGE)
    assert machine.read_capability(AREA + 0x10) == (ALMIGHTY.set_value(AREA).raw, True)


def test_what_is_said_not_to_be_there_faults() -> None:
    whole, machine, thread = pair("ldr x0, [x2]")
    bring(machine, whole, machine.run(thread, 1))
    missing = machine.run(thread, 1)
    assert (missing.kind, missing.address, missing.tick) == (StopKind.ABSENT, AREA, 0)
    machine.set_absent(AREA, PAGE, False)
    stop = machine.run(thread, 1)
    assert stop.kind is StopKind.FAULT
    assert stop.fault is not None
    assert (stop.fault.kind, stop.fault.address) == (FaultKind.UNMAPPED, AREA)


def test_a_check_that_fails_before_touches_nothing() -> None:
    whole, machine, thread = pair("ldr x0, [c5]")
    bring(machine, whole, machine.run(thread, 1))
    stop = machine.run(thread, 1)
    assert stop.kind is StopKind.FAULT
    assert stop.fault is not None
    assert stop.fault.kind is FaultKind.CAP_TAG


def test_wishes_are_no_part_of_a_state() -> None:
    _, machine, thread = pair("nop")
    saved = machine.save()
    other = Machine()
    other.load(saved)
    assert other.digest() == machine.digest()
    assert other.run(thread, 1).kind is StopKind.FAULT
    machine.load(saved)
    assert machine.run(thread, 1).kind is StopKind.ABSENT
    for address, size in [(1, PAGE), (0, 1), (0, 0), (ALL, PAGE)]:
        with pytest.raises(ValueError, match="whole pages"):
            machine.set_absent(address, size, True)


def test_bare_metal_stops_for_pages_and_tables_before_it_takes_an_exception() -> None:
    board = mapped()
    machine, thread = board.machine, board.thread
    machine.write(CODE, struct.pack("<I", LOAD_X))
    source = Machine()
    source.load(machine.save())
    machine.unmap(TABLES, 0x8000)
    machine.set_absent(0, ALL, True)
    board.rewind()
    met = []
    while (stop := machine.run(thread, 1)).kind is StopKind.ABSENT:
        assert board.sysreg("ESR_EL3") == 0
        met.append(stop.address)
        machine.map(stop.address, PAGE, Prot.R | Prot.W)
        machine.write(stop.address, source.read(stop.address, PAGE))
    assert (stop.kind, stop.tick, stop.pc) == (StopKind.BUDGET, 1, CODE + 4)
    assert met == [TABLES + n * PAGE for n in (0, 1, 2, 5, 6, 7)]  # of the code, then of VIRTUAL
