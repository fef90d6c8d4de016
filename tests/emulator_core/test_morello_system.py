"""MRS and MSR of capability registers: which register, and who may."""

import pytest
from morello_board import CODE, DDC, EXECUTIVE, MEMORY, PCC, RDDC, SYSTEM, VECTORS, Board, almighty, bare, bounded, word

from emulator_core._core import Capability, FaultKind, StopKind

VALUE = bounded(MEMORY, 0x40)
# o0 op1 CRn CRm op2
DDC_NAME = (1, 3, 4, 1, 1)
CTPIDR_EL0 = (1, 3, 13, 0, 2)
CID_EL0 = (1, 3, 13, 0, 7)
CTPIDRRO_EL0 = (1, 3, 13, 0, 3)
RDDC_EL0 = (1, 3, 4, 3, 1)
CVBAR_EL1 = (1, 0, 12, 0, 0)
CVBAR_EL3 = (1, 6, 12, 0, 0)


def fields(name: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(("o0", "op1", "CRn", "CRm", "op2"), name, strict=True))


@pytest.mark.parametrize("name", [DDC_NAME, CTPIDR_EL0, RDDC_EL0])
def test_write_and_read_back(name: tuple[int, ...]) -> None:
    board = Board()
    board.set(1, VALUE)
    board.step("MSR_C_I_C", Ct=1, **fields(name))
    board.set(PCC, almighty(CODE))
    board.step("MRS_C_I_C", Ct=2, **fields(name))
    assert board.cap(2) == VALUE


def test_ddc_in_restricted_is_rddc() -> None:
    board = Board()
    board.set(DDC, almighty(1))
    board.set(RDDC, VALUE)
    board.set(PCC, almighty(CODE).clear_perms(EXECUTIVE))
    board.step("MRS_C_I_C", Ct=2, **fields(DDC_NAME))
    assert board.cap(2) == VALUE
    board.set(PCC, almighty(CODE).clear_perms(EXECUTIVE))
    board.set(3, almighty(5))
    board.step("MSR_C_I_C", Ct=3, **fields(DDC_NAME))
    assert (board.cap(RDDC), board.cap(DDC)) == (almighty(5), almighty(1))


def test_register_31_writes_null() -> None:
    board = Board()
    board.step("MSR_C_I_C", Ct=31, **fields(CTPIDR_EL0))
    board.set(PCC, almighty(CODE))
    board.step("MRS_C_I_C", Ct=2, **fields(CTPIDR_EL0))
    assert board.cap(2) == Capability.null()


@pytest.mark.parametrize("name", [CTPIDRRO_EL0, CVBAR_EL1, (0, 0, 0, 0, 0)])
def test_what_el0_may_not_write(name: tuple[int, ...]) -> None:
    board = Board()
    stop = board.run(word("MSR_C_I_C", Ct=1, **fields(name)))
    assert stop.kind is StopKind.FAULT and stop.fault
    assert stop.fault.kind in (FaultKind.UNDEFINED, FaultKind.SYSTEM_ACCESS)


EC_CAPABILITY_ACCESS = 0x29


def test_system_registers_need_the_system_permission() -> None:
    for perms_lost, expected in [(0, almighty(0x4000)), (SYSTEM, almighty(VECTORS))]:
        board = bare()
        board.set(1, almighty(0x4000))
        board.set(PCC, almighty(CODE).clear_perms(perms_lost))
        board.run(word("MSR_C_I_C", Ct=1, **fields(CVBAR_EL3)))
        assert Capability(board.sysreg("CVBAR_EL3")) == expected


# One clause a way that it executes: a function, slot operations, a branch, memory.
TRAPPED = [
    word("GCBASE_R_C_C", Cn=1, Rd=2),
    word("CPY_C_C_C", Cn=1, Cd=2),
    word("ADD_C_CIS_C", Cn=1, Cd=2),
    word("BR_C_C", Cn=1),
    word("LDR_C_RUIB_C", Rn=1, Ct=2),
    word("STP_C_RIB_C", Rn=1, Ct=2, Ct2=3),
    word("ALDR_R_RUI_64", Rn=1, Rt=2),
    word("LDXR_C_R_C", Rn=1, Ct=2),
    word("MRS_C_I_C", Ct=2, **fields(CTPIDR_EL0)),
]


@pytest.mark.parametrize("instruction", TRAPPED)
def test_capability_instructions_can_be_trapped(instruction: int) -> None:
    board = bare()
    board.machine.set_sysreg(board.thread, "CPTR_EL3", 0)
    board.set(1, almighty(MEMORY))
    before = board.machine.registers(board.thread)[:31]
    board.run(instruction)
    assert board.sysreg("ESR_EL3") >> 26 == EC_CAPABILITY_ACCESS
    assert board.machine.registers(board.thread)[:31] == before


def test_adr_is_no_capability_instruction() -> None:
    board = bare()
    board.machine.set_sysreg(board.thread, "CPTR_EL3", 0)
    board.step("ADR_C_I_C", Rd=1, immhi=1)
    assert board[1] == CODE + 4


def test_opening_the_trap_takes_effect_on_the_same_page() -> None:
    board = bare()
    board.machine.set_sysreg(board.thread, "CPTR_EL3", 0)
    board[1] = 1 << 9
    msr_cptr_el3_x1 = 0xD51E1141
    for offset, instruction in [(4, word("CPY_C_C_C", Cn=1, Cd=2)), (8, word("CPY_C_C_C", Cn=2, Cd=3))]:
        board.machine.write(CODE + offset, instruction.to_bytes(4, "little"))
    board.run(msr_cptr_el3_x1)
    stop = board.machine.run(board.thread, 2)
    assert (stop.kind, stop.pc, board[3]) == (StopKind.BUDGET, CODE + 12, 1 << 9)
