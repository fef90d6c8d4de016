"""The machine through its binding: memory, registers, runs, stops, snapshots."""

import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator_core import _core
from emulator_core._core import PAGE, FaultKind, Machine, Prot, Stop, StopKind, Unmapped, Watch
from emulator_core.assembler import assemble

CODE, AREA = 0x10000, 0x40000
ALMIGHTY = _core.Capability.almighty()
REG = {name: number for number, name in enumerate(_core.register_names()) if name}


def guest(*lines: str, c64: bool = False) -> tuple[Machine, int]:
    """A user thread at the first line, with PCC, DDC and C1 over everything and X2 = AREA."""
    machine = Machine()
    machine.map(CODE, 2 * PAGE, Prot.R | Prot.X)
    machine.map(AREA, 2 * PAGE, Prot.R | Prot.W)
    words = [assemble(line, CODE + 4 * i, "c64" if c64 else "a64") for i, line in enumerate(lines)]
    machine.write(CODE, b"".join(word.to_bytes(4, "little") for word in words))
    thread = machine.add_thread("user")
    machine.set(thread, REG["pcc"], ALMIGHTY.set_value(CODE).bits)
    machine.set(thread, REG["ddc"], ALMIGHTY.bits)
    machine.set(thread, REG["c1"], ALMIGHTY.set_value(AREA).bits)
    machine.set(thread, REG["c2"], AREA)
    if c64:
        machine.set(thread, REG["cpsr"], 1 << 26)
    return machine, thread


# ---- memory -----------------------------------------------------------------------------------------------


def test_an_unmapped_byte_is_named() -> None:
    machine = Machine()
    machine.map(0x1000, PAGE, Prot.R)
    with pytest.raises(Unmapped) as error:
        machine.read(0x1F00, 0x200)
    assert error.value.address == 0x2000
    with pytest.raises(Unmapped) as error:
        machine.write(0x1FFF, b"ab")
    assert error.value.address == 0x2000
    assert machine.read(0x1FFF, 1) == b"\0", "a write that fails writes nothing"
    with pytest.raises(Unmapped):
        machine.read(2**64 - 1, 1)


def test_capabilities_in_memory() -> None:
    machine = Machine()
    machine.map(0, PAGE, Prot.R | Prot.W)
    raw = 0x0123456789ABCDEF_FEDCBA9876543210
    machine.write_capability(0x20, raw, True)
    assert machine.read_capability(0x20) == (raw, True)
    assert machine.read(0x20, 16) == raw.to_bytes(16, "little")
    assert machine.read_tags(0x10, 0x30) == b"\0\1\0"
    assert machine.read_tags(0x2F, 2) == b"\1\0"
    machine.write(0x2F, b"\0")
    assert machine.read_capability(0x20)[1] is False
    with pytest.raises(ValueError, match="aligned"):
        machine.read_capability(0x21)
    with pytest.raises(ValueError, match="128 bits"):
        machine.write_capability(0x20, 1 << 128, True)


def test_bad_ranges_are_refused() -> None:
    machine = Machine()
    for address, size in [(1, PAGE), (0, 1), (0, 0), (1 << 48, PAGE), ((1 << 48) - PAGE, 2 * PAGE)]:
        with pytest.raises(ValueError, match="whole pages"):
            machine.map(address, size, Prot.R)
    with pytest.raises(ValueError, match="only mapped"):
        machine.protect(0, PAGE, Prot.R)


Change = tuple[str, int, int, int]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["map", "unmap", "protect", "device"]),
        st.integers(0, 15),
        st.integers(1, 6),
        st.integers(0, 7),
    ),
    max_size=12,
)


@given(CHANGES)
def test_regions_follow_a_page_by_page_model(changes: list[Change]) -> None:
    machine = Machine()
    pages: dict[int, tuple[int, bool]] = {}
    for kind, first, count, prot in changes:
        span = range(first, first + count)
        address, size = first * PAGE, count * PAGE
        if kind == "map":
            machine.map(address, size, prot)
            pages.update(dict.fromkeys(span, (prot, False)))
        elif kind == "device":
            machine.map_device(address, size)
            pages.update(dict.fromkeys(span, (3, True)))
        elif kind == "unmap":
            machine.unmap(address, size)
            pages = {page: value for page, value in pages.items() if page not in span}
        elif all(page in pages and not pages[page][1] for page in span):
            machine.protect(address, size, prot)
            pages.update(dict.fromkeys(span, (prot, False)))
        else:
            with pytest.raises(ValueError, match="only mapped"):
                machine.protect(address, size, prot)
    regions = machine.regions()
    assert {
        page: (prot, device)
        for address, size, prot, device in regions
        for page in range(address // PAGE, (address + size) // PAGE)
    } == pages
    for a, b in pairwise(regions):
        assert a[0] + a[1] <= b[0] and (a[0] + a[1] < b[0] or a[2:] != b[2:]), "neighbours that agree are one"


def test_writes_and_reads_cross_pages() -> None:
    machine = Machine()
    machine.map(0, 4 * PAGE, Prot.R)
    content = bytes(i * 7 & 255 for i in range(2 * PAGE + 100))
    machine.write(PAGE - 50, content)
    assert machine.read(PAGE - 50, len(content)) == content
    assert machine.read(0, 4 * PAGE).count(0) >= 2 * PAGE - 100


# ---- registers --------------------------------------------------------------------------------------------


def test_every_register_keeps_what_is_set() -> None:
    machine, thread = guest()
    for name, number in REG.items():
        wide = number >= REG["v0"]
        value = {"el": 0, "cpsr": 0x9400_0000, "nzcv": 0x5000_0000, "cctlr": 0xCC}.get(
            name, (0x1234_5678_9ABC_DEF0_1122_3344_5566_7788 if wide else 0x0700_0000)
        )
        if number < REG["nzcv"]:
            value = ALMIGHTY.set_value(0x1000 + 16 * number).bits
        machine.set(thread, number, value)
        assert machine.get(thread, number) == value, name
        assert machine.registers(thread)[number] == value, name


def test_bad_registers_threads_and_values_are_refused() -> None:
    machine, thread = guest()
    for number in (-1, 46, 63, 96):
        with pytest.raises(IndexError, match="no register"):
            machine.get(thread, number)
    with pytest.raises(IndexError, match="no thread"):
        machine.run(thread + 1, 1)
    with pytest.raises(ValueError, match="narrower"):
        machine.set(thread, REG["fpcr"], 1 << 64)
    with pytest.raises(ValueError, match="129 bits"):
        machine.set(thread, 0, 1 << 129)
    with pytest.raises(KeyError, match="NO_SUCH"):
        machine.get_sysreg(thread, "NO_SUCH_EL9")
    with pytest.raises(ValueError, match="user"):
        machine.add_thread("kernel")


def test_thread_numbers_are_used_again() -> None:
    machine = Machine()
    assert [machine.add_thread() for _ in range(3)] == [0, 1, 2]
    machine.remove_thread(1)
    assert machine.threads() == [0, 2]
    assert machine.add_thread("system") == 1
    assert machine.get(1, REG["el"]) == 3 and machine.get(0, REG["el"]) == 0


def test_a_word_write_clears_the_capability() -> None:
    machine, thread = guest("mov w1, w1")
    assert machine.run(thread, 1).kind is StopKind.BUDGET
    assert machine.get(thread, 1) == AREA


# ---- stops ------------------------------------------------------------------------------------------------


def test_kinds_of_stop() -> None:
    machine, thread = guest("svc #7", "hlt #0xc0de", "brk #0x42", "ldr x0, [x0]")
    stop = machine.run(thread, 10)
    assert (stop.kind, stop.value, stop.tick, stop.pc) == (StopKind.SYSCALL, 7, 1, CODE + 4)
    stop = machine.run(thread, 10)
    assert (stop.kind, stop.tick, stop.pc) == (StopKind.HOSTCALL, 2, CODE + 8)
    stop = machine.run(thread, 10)
    assert stop.kind is StopKind.FAULT and stop.fault
    assert (stop.fault.kind, stop.fault.immediate, stop.pc, stop.tick) == (FaultKind.BRK, 0x42, CODE + 8, 2)
    machine.set(thread, REG["pcc"], ALMIGHTY.set_value(CODE + 12).bits)
    stop = machine.run(thread, 10)
    assert stop.fault and (stop.fault.kind, stop.fault.address) == (FaultKind.UNMAPPED, 0)
    assert stop.fault.reg == -1


def fault_of(stop: Stop) -> _core.Fault:
    assert stop.kind is StopKind.FAULT and stop.fault
    return stop.fault


@pytest.mark.parametrize(
    ("capability", "kind", "esr"),
    [
        (ALMIGHTY.set_value(AREA).with_tag(False), FaultKind.CAP_TAG, 0x28),
        (ALMIGHTY.set_value(AREA).set_object_type(9), FaultKind.CAP_SEALED, 0x29),
        (ALMIGHTY.set_value(AREA).set_bounds(7), FaultKind.CAP_BOUNDS, 0x2A),
        (ALMIGHTY.set_value(AREA).clear_perms(1 << 17), FaultKind.CAP_PERMISSION, 0x2B),
    ],
)
def test_capability_faults_say_which_capability(capability: _core.Capability, kind: FaultKind, esr: int) -> None:
    machine, thread = guest("ldr x0, [c1]", c64=True)
    machine.set(thread, REG["c1"], capability.bits)
    fault = fault_of(machine.run(thread, 5))
    assert (fault.kind, fault.reg, fault.cap) == (kind, REG["c1"], capability.bits)
    assert (fault.address, fault.size, fault.needed) == (AREA, 8, 1 << 17)
    assert fault.esr == 0x24 << 26 | 1 << 25 | esr
    machine.set(thread, REG["cpsr"], 0)
    machine.set(thread, REG["ddc"], capability.bits)
    machine.write(CODE, assemble("ldr x0, [x2]").to_bytes(4, "little"))
    fault = fault_of(machine.run(thread, 5))
    assert (fault.kind, fault.reg, fault.cap) == (kind, REG["ddc"], capability.bits)


def test_fetch_faults_are_at_the_target() -> None:
    machine, thread = guest("br x3")
    code = ALMIGHTY.set_value(CODE).set_bounds(PAGE)
    machine.set(thread, REG["pcc"], code.bits)
    machine.set(thread, REG["c3"], CODE + PAGE)
    stop = machine.run(thread, 5)
    fault = fault_of(stop)
    assert (stop.tick, stop.pc, fault.kind) == (1, CODE + PAGE, FaultKind.CAP_BOUNDS)
    assert (fault.access, fault.reg) == (_core.Access.FETCH, REG["pcc"])
    machine.set(thread, REG["pcc"], code.bits)
    machine.set(thread, REG["c3"], CODE + 2)
    assert fault_of(machine.run(thread, 5)).kind is FaultKind.PC_ALIGNMENT


def test_relative_addresses_start_at_the_bases() -> None:
    machine, thread = guest("ldr x0, [x2]", "str x0, [x2, #8]", "bl 0x10000", "svc #0")
    machine.write(AREA + 16, (77).to_bytes(8, "little"))
    machine.set(thread, REG["cctlr"], 0xC)
    machine.set(thread, REG["pcc"], ALMIGHTY.set_value(CODE).set_bounds(PAGE).bits)
    machine.set(thread, REG["ddc"], ALMIGHTY.set_value(AREA).set_bounds(2 * PAGE).bits)
    machine.set(thread, REG["c2"], 16)
    machine.run(thread, 3)
    assert machine.get(thread, 0) == 77 and machine.read(AREA + 24, 1) == b"M"
    assert machine.get(thread, 30) == 12, "the link is relative to PCC's base"
    machine.set(thread, REG["c2"], 2 * PAGE - 4)
    fault = fault_of(machine.run(thread, 3))
    assert (fault.kind, fault.address) == (FaultKind.CAP_BOUNDS, AREA + 2 * PAGE - 4)


def test_a_watchpoint_sees_tags_go() -> None:
    machine, thread = guest("str c1, [x2]", "ldr x3, [x2]", "strb w0, [x2, #15]", "strb w0, [x2]")
    watch = machine.add_watchpoint(AREA, 1, Watch.TAG)
    stop = machine.run(thread, 10)
    assert (stop.kind, stop.watch, stop.instruction) == (StopKind.WATCHPOINT, watch, CODE)
    assert stop.access is _core.Access.WRITE_CAP
    stop = machine.run(thread, 10)
    assert (stop.kind, stop.instruction, stop.address) == (StopKind.WATCHPOINT, CODE + 8, AREA + 15)
    machine.remove_watchpoint(watch)
    assert machine.add_watchpoint(AREA, 8, Watch.READ) != watch
    assert machine.run(thread, 1).kind is StopKind.BUDGET


def test_breakpoints_are_kept_in_order() -> None:
    machine, thread = guest("nop", "nop", "b 0x10000")
    for address in (CODE + 8, CODE, CODE + 4):
        machine.add_breakpoint(address)
    assert machine.breakpoints() == [CODE, CODE + 4, CODE + 8]
    assert [machine.run(thread, 100).pc for _ in range(4)] == [CODE + 4, CODE + 8, CODE, CODE + 4]
    machine.remove_breakpoint(CODE)
    with pytest.raises(KeyError):
        machine.remove_breakpoint(CODE)


def test_an_interrupt_ends_a_run_soon() -> None:
    machine, thread = guest("b 0x10000")
    waits = []
    for _ in range(5):
        asked = [0.0]

        def ask(when: list[float] = asked) -> None:
            time.sleep(0.01)
            when[0] = time.perf_counter()
            machine.interrupt()

        helper = threading.Thread(target=ask)
        helper.start()
        assert machine.run(thread, 2**64 - 1).kind is StopKind.INTERRUPT
        waits.append(time.perf_counter() - asked[0])
        helper.join()
    assert min(waits) < 0.02
    machine.interrupt()
    assert machine.run(thread, 5).kind is StopKind.INTERRUPT, "a pending one ends the next run"
    assert machine.run(thread, 5).kind is StopKind.BUDGET


def test_a_running_machine_is_left_alone() -> None:
    machine, thread = guest("b 0x10000")
    runner = threading.Thread(target=lambda: machine.run(thread, 2**64 - 1))
    runner.start()
    time.sleep(0.01)
    with pytest.raises(RuntimeError, match="running"):
        machine.read(CODE, 1)
    machine.interrupt()
    runner.join()
    assert machine.read(CODE, 1)


# ---- whole state ------------------------------------------------------------------------------------------

LOOP = ("str x0, [x2, x0, lsl #3]", "add x0, x0, #1", "and x0, x0, #0x3f", "eor x4, x4, x0, lsl #5", "b 0x10000")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=6))
def test_any_cut_of_a_run_ends_in_the_same_state(budgets: list[int]) -> None:
    whole, thread = guest(*LOOP)
    cut, _ = guest(*LOOP)
    stepped, _ = guest(*LOOP)
    stepped.use_step_engine(thread, True)
    whole.run(thread, sum(budgets))
    stepped.run(thread, sum(budgets))
    for ticks in budgets:
        assert cut.run(thread, ticks).kind is StopKind.BUDGET
    assert whole.digest() == cut.digest() == stepped.digest()
    assert cut.ticks == sum(budgets)


def test_a_snapshot_is_a_point_in_time() -> None:
    machine, thread = guest(*LOOP)
    machine.run(thread, 5000)
    snapshot, at = machine.save(), machine.digest()
    machine.run(thread, 5000)
    later = machine.digest()
    machine.unmap(AREA + PAGE, PAGE)
    machine.remove_thread(thread)
    machine.load(snapshot)
    assert snapshot.ticks == machine.ticks == 5000
    assert machine.digest() == at
    machine.run(thread, 5000)
    assert machine.digest() == later
