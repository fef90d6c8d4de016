"""Exceptions of bare metal: where they go, what ESR, ELR, SPSR and FAR hold, and the way back."""

import pytest
from a64_board import DAIF, NOP, VECTORS, Metal, a64, mrs, msr
from morello_board import C64, CODE, CPSR, CSP, DDC, MEMORY, NZCV, PCC, SYSTEM, almighty, bounded

from emulator_core._core import StopKind

EC_UNDEFINED, EC_SVC, EC_HVC, EC_SMC, EC_TRAP, EC_SP, EC_BRK = 0, 0x15, 0x16, 0x17, 0x18, 0x26, 0x3C
EC_ILLEGAL, EC_FETCH_LOWER, EC_DATA_LOWER = 0x0E, 0x20, 0x24
SAME_EL_SP0, SAME_EL, LOWER_EL = 0, 0x200, 0x400
EC_BIT, C64E, IL, SCR_NS, SCR_HCE = 1 << 9, 1 << 5, 1 << 20, 1, 1 << 8
CEN = 3 << 18


def _ec(board: Metal, el: int) -> int:
    return board.sysreg(f"ESR_EL{el}") >> 26


def _enable_capabilities(board: Metal) -> None:
    board.sysreg("CPTR_EL3", EC_BIT)
    board.sysreg("CPACR_EL1", CEN)
    for el in (1, 2, 3):
        board.machine.set_sysreg(board.thread, f"CVBAR_EL{el}", almighty(VECTORS).bits)


def _take(board: Metal, word: int, vector: int) -> None:
    """The instruction makes an exception; then one NOP of the vector runs."""
    board.run(word)
    if board.cap(PCC).value != VECTORS + vector:
        assert board.cap(PCC).value == VECTORS + vector + 4


@pytest.mark.parametrize(("from_el", "to_el", "vector"), [(0, 1, LOWER_EL), (1, 1, SAME_EL), (3, 3, SAME_EL)])
def test_svc(from_el: int, to_el: int, vector: int) -> None:
    board = Metal(from_el)
    board[NZCV] = 0xA000_0000
    before = board[CPSR]
    _take(board, a64("svc", imm16=0x123), vector)
    assert board.sysreg(f"ESR_EL{to_el}") == EC_SVC << 26 | 1 << 25 | 0x123
    assert board.sysreg(f"ELR_EL{to_el}") == CODE + 4
    assert board.sysreg(f"SPSR_EL{to_el}") & ~(1 << 26) == before & ~(0xF << 28) | 0xA000_0000
    assert board[CPSR] & (DAIF | 0xF) == DAIF | to_el << 2 | 1


def test_the_stack_pointer_of_el0_has_vectors_of_its_own() -> None:
    board = Metal(3)
    board[CPSR] = board[CPSR] & ~1
    _take(board, a64("svc"), SAME_EL_SP0)


def test_smc_goes_to_el3() -> None:
    board = Metal(1)
    _take(board, a64("smc", imm16=5), LOWER_EL)
    assert (_ec(board, 3), board.sysreg("ELR_EL3")) == (EC_SMC, CODE + 4)


def test_smc_may_be_disabled() -> None:
    board = Metal(1)
    board.sysreg("SCR_EL3", 1 << 7)
    _take(board, a64("smc"), SAME_EL)
    assert (_ec(board, 1), board.sysreg("ELR_EL1")) == (EC_UNDEFINED, CODE)


@pytest.mark.parametrize(
    ("scr", "el", "ec"), [(SCR_NS | SCR_HCE, 2, EC_HVC), (SCR_NS, 1, EC_UNDEFINED), (SCR_HCE, 1, 0)]
)
def test_hvc_wants_to_be_enabled(scr: int, el: int, ec: int) -> None:
    board = Metal(1)
    board.sysreg("SCR_EL3", scr)
    _take(board, a64("hvc"), LOWER_EL if el == 2 else SAME_EL)
    assert _ec(board, el) == ec


def test_brk_returns_to_itself() -> None:
    board = Metal(0)
    _take(board, a64("brk", imm16=7), LOWER_EL)
    assert (board.sysreg("ESR_EL1"), board.sysreg("ELR_EL1")) == (EC_BRK << 26 | 1 << 25 | 7, CODE)


def test_undefined() -> None:
    board = Metal(0)
    _take(board, 0, LOWER_EL)
    assert (board.sysreg("ESR_EL1"), board.sysreg("ELR_EL1")) == (1 << 25, CODE)


def test_a_trapped_register() -> None:
    board = Metal(0)
    _take(board, mrs("DAIF", rt=3), LOWER_EL)
    assert _ec(board, 1) == EC_TRAP


def test_a_register_without_system_is_trapped_where_capabilities_go() -> None:
    board = Metal(1)
    _enable_capabilities(board)
    board.set(PCC, almighty(CODE).clear_perms(SYSTEM))
    _take(board, mrs("SCTLR_EL1"), SAME_EL)
    assert _ec(board, 1) == EC_TRAP


@pytest.mark.parametrize(("el", "vector", "ec"), [(0, LOWER_EL, EC_DATA_LOWER), (1, SAME_EL, EC_DATA_LOWER + 1)])
def test_data_abort(el: int, vector: int, ec: int) -> None:
    board = Metal(el)
    _enable_capabilities(board)
    board.set(DDC, bounded(MEMORY, 16))
    board[2] = MEMORY + 16
    _take(board, a64("stlr", size=3, Rn=2, Rt=0), vector)
    assert board.sysreg("ESR_EL1") == ec << 26 | 1 << 25 | 1 << 6 | 0x2A
    assert (board.sysreg("FAR_EL1"), board.sysreg("ELR_EL1")) == (MEMORY + 16, CODE)


def test_a_capability_fault_goes_where_capabilities_are_enabled() -> None:
    board = Metal(1)
    board.set(DDC, bounded(MEMORY, 16))
    board[2] = MEMORY + 16
    _take(board, a64("ldar", size=3, Rn=2, Rt=0), LOWER_EL)
    assert _ec(board, 3) == EC_DATA_LOWER


def test_stack_alignment() -> None:
    board = Metal(1)
    board[CSP] = MEMORY + 8
    _take(board, a64("ldar", size=3, Rn=31, Rt=0), SAME_EL)
    assert _ec(board, 1) == EC_SP


def test_c64e_chooses_the_mode_of_the_vector() -> None:
    board = Metal(0)
    _enable_capabilities(board)
    board.sysreg("CCTLR_EL1", C64E)
    _take(board, a64("svc"), LOWER_EL)
    assert board[CPSR] & C64
    assert not board.sysreg("SPSR_EL1") & C64


# ---- return -----------------------------------------------------------------------------------------------


def _return(el: int, spsr: int) -> Metal:
    board = Metal(el)
    board.sysreg(f"ELR_EL{el}", MEMORY)
    board.sysreg(f"SPSR_EL{el}", spsr)
    board.machine.protect(MEMORY, 0x1000, 7)
    board.machine.write(MEMORY, NOP.to_bytes(4, "little"))
    assert board.run(a64("eret")).kind is StopKind.BUDGET
    return board


def test_eret_restores() -> None:
    board = _return(3, 0x6000_0005)
    assert board.cap(PCC).value == MEMORY
    assert (board[NZCV], board[CPSR] & 0x3CF) == (0x6000_0000, 5)


def test_eret_to_el0() -> None:
    board = _return(1, 0)
    assert board[CPSR] & 0xF == 0


@pytest.mark.parametrize("spsr", [0xD, 0x9, 0x2, 0x1, 0x10], ids=["higher", "no EL2", "reserved", "EL0 SP1", "AArch32"])
def test_an_illegal_return_keeps_the_el(spsr: int) -> None:
    board = _return(1, spsr | 0x9000_0000)
    board.machine.run(board.thread, 1)
    assert board.sysreg("SPSR_EL1") & (IL | 0xF) == IL | 5
    assert board.sysreg("SPSR_EL1") >> 28 == 9
    assert (_ec(board, 1), board.sysreg("ELR_EL1")) == (EC_ILLEGAL, MEMORY)


def test_a_capability_return_keeps_c64() -> None:
    board = Metal(3)
    _enable_capabilities(board)
    board.machine.protect(MEMORY, 0x1000, 7)
    board.machine.set_sysreg(board.thread, "CELR_EL3", bounded(MEMORY, 64).bits)
    board.sysreg("SPSR_EL3", C64)
    assert board.run(a64("eret")).kind is StopKind.BUDGET
    assert board[CPSR] & (C64 | 0xF) == C64
    assert board.cap(PCC) == bounded(MEMORY, 64)


def test_a_capability_return_needs_system() -> None:
    board = Metal(3)
    _enable_capabilities(board)
    board.set(PCC, almighty(CODE).clear_perms(SYSTEM))
    board.machine.set_sysreg(board.thread, "CELR_EL3", almighty(MEMORY).bits)
    board.sysreg("SPSR_EL3", 0)
    board.run(a64("eret"))
    board.machine.run(board.thread, 1)
    assert board.sysreg("CELR_EL1") >> 128 == 0
    assert (_ec(board, 1), board.sysreg("ESR_EL1") & 0x3F) == (EC_FETCH_LOWER, 0x28)


def test_writing_the_vector_by_register() -> None:
    board = Metal(1)
    board[0] = 0x8000
    assert board.run(msr("VBAR_EL1")).kind is StopKind.BUDGET
    assert board.sysreg("VBAR_EL1") == 0x8000
