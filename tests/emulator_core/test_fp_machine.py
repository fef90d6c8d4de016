"""What Unicorn cannot say of floating point: capabilities, traps, alignment, faults, and words at which it is wrong."""

import pytest
from a64_board import VECTORS, Metal
from morello_board import (
    CODE,
    MEMORY,
    MEMORY_SIZE,
    PCC,
    STORE,
    V0,
    Board,
    almighty,
    bounded,
    word,
)

from emulator_core._core import FaultKind, StopKind
from emulator_core.isa.table import load

EC_FP, EC_DATA_SAME = 0x07, 0x25
FPSR, IXC = 44, 1 << 4
LOWER_EL, SAME_EL = 0x400, 0x200
PATTERN = bytes(range(1, 65))
CLAUSES = [encoding.clause for encoding in load().encodings]


def fp(beginning: str, kind: str) -> str:
    """The one clause that begins and ends so."""
    found = {c for c in CLAUSES if c.startswith(f"{beginning}_aarch64") and c.endswith(kind)}
    assert len(found) == 1, found
    return found.pop()


LDR_Q = fp("ldr_imm_fpsimd", "immediate_unsigned")
STR_Q = fp("str_imm_fpsimd", "immediate_unsigned")
LDR_POST = fp("ldr_imm_fpsimd", "post_idx")
LD1 = fp("ld1_advsimd_mult", "no_wb")
LD1R = fp("ld1r_advsimd", "no_wb")
LD4 = fp("ld4_advsimd_mult", "no_wb")
ST1_POST = fp("st1_advsimd_mult", "post_inc")
Q = {"size": 0, "opc": 1}
FOUR_BYTE_VECTORS = {"Q": 1, "opcode": 0b00, "opcode_2": 0, "size": 0}  # opcode 0010


def number(content: bytes) -> int:
    return int.from_bytes(content, "little")


def test_a_c64_load_uses_the_capability() -> None:
    board = Board(c64=True)
    board.machine.write(MEMORY, PATTERN)
    board.set(1, bounded(MEMORY, 16))
    board.step(LDR_Q, Rt=3, Rn=1, **Q)
    assert board[V0 + 3] == number(PATTERN[:16])


def test_an_access_beyond_the_bounds_changes_nothing() -> None:
    board = Board(c64=True)
    board.set(1, bounded(MEMORY, 32))
    assert board.fault(LDR_Q, Rt=3, Rn=1, imm12=2, **Q) is FaultKind.CAP_BOUNDS
    assert board.fault(LD1, Rt=3, Rn=1, **FOUR_BYTE_VECTORS) is FaultKind.CAP_BOUNDS


def test_a_store_needs_its_permission_and_clears_tags() -> None:
    board = Board(c64=True)
    board.store(MEMORY + 16, almighty(5))
    board.set(1, bounded(MEMORY, 64, perms=~STORE))
    assert board.fault(STR_Q, Rt=3, Rn=1, imm12=1, **Q) is FaultKind.CAP_PERMISSION
    assert board.load(MEMORY + 16).tag
    board.set(1, bounded(MEMORY, 64))
    board[V0 + 3] = almighty(5).raw
    board.step(STR_Q, Rt=3, Rn=1, imm12=1, **Q)
    assert board.load(MEMORY + 16) == almighty(5).with_tag(False)


def test_write_back_keeps_the_capability() -> None:
    board = Board(c64=True)
    board.set(1, bounded(MEMORY, 128))
    board.step(LDR_POST, Rt=3, Rn=1, size=0, opc=1, imm9=-16)
    assert (board.cap(1).value, board.cap(1).base) == (MEMORY - 16, MEMORY)
    board.set(1, bounded(MEMORY, 128))
    board.step(ST1_POST, Rt=30, Rn=1, Rm=31, **FOUR_BYTE_VECTORS)
    assert (board.cap(1).value, board.cap(1).tag) == (MEMORY + 64, True)
    board[2] = 0x10
    board.step(ST1_POST, Rt=30, Rn=1, Rm=2, **FOUR_BYTE_VECTORS)
    assert board.cap(1).value == MEMORY + 0x50


@pytest.mark.parametrize("c64", [False, True], ids=["A64", "C64"])
def test_a_literal_is_relative_to_pcc(c64: bool) -> None:
    board = Board(c64=c64)
    board.machine.write(CODE + 0x40, PATTERN)
    board.step(fp("ldr_lit_fpsimd", "simdfp"), Rt=7, opc=2, imm19=16)
    assert board[V0 + 7] == number(PATTERN[:16])
    board.set(PCC, bounded(CODE, 0x40))
    assert board.fault(fp("ldr_lit_fpsimd", "simdfp"), Rt=7, opc=2, imm19=15) is FaultKind.CAP_BOUNDS


def test_a_structure_that_ends_in_an_unmapped_page_loads_nothing() -> None:
    board = Board()
    board[1] = MEMORY + MEMORY_SIZE - 32
    board[V0 + 2] = 99
    assert board.fault(LD4, Rt=2, Rn=1, Q=1, size=2) is FaultKind.UNMAPPED
    stop = board.run(word(LD4, Rt=2, Rn=1, Q=1, size=2))
    assert stop.fault and stop.fault.address == MEMORY + MEMORY_SIZE


def test_elements_and_registers_are_what_alignment_looks_at() -> None:
    board = Metal(1)
    board.sysreg("CPACR_EL1", 3 << 20)
    board.sysreg("SCTLR_EL1", 1 << 1)
    board[1] = MEMORY + 4
    board.run(word(LD1, Rt=2, Rn=1, Q=1, opcode=0b01, opcode_2=1, size=2))
    assert board.cap(PCC).value == CODE + 4
    board.set(PCC, almighty(CODE))
    board.run(word(LDR_Q, Rt=2, Rn=1, **Q))
    assert board.sysreg("ESR_EL1") >> 26 == EC_DATA_SAME
    assert board.sysreg("ESR_EL1") & 0x3F == 0x21


@pytest.mark.parametrize(("el", "cpacr", "trapped"), [(0, 0, 1), (0, 1, 1), (0, 3, 0), (1, 1, 0), (1, 2, 1), (3, 0, 0)])
@pytest.mark.parametrize(
    "clause",
    [
        LDR_Q,
        fp("fadd_float", "add_sub"),
        fp("aese_advsimd", "round"),
        fp("eor_advsimd", "bsl_eor"),
        fp("fmov_float_gen", "convert_int"),
        LD1R,
    ],
)
def test_cpacr_closes_floating_point(clause: str, el: int, cpacr: int, trapped: int) -> None:
    board = Metal(el)
    board.sysreg("CPACR_EL1", cpacr << 20)
    board[1] = MEMORY
    fields = {LDR_Q: {**Q, "Rt": 2, "Rn": 1}, LD1R: {"Rt": 2, "Rn": 1}}.get(clause, {"Rd": 2, "Rn": 1})
    board.run(word(clause, **fields))
    if not trapped:
        assert board.cap(PCC).value == CODE + 4
        return
    assert board.sysreg("ESR_EL1") == EC_FP << 26 | 1 << 25 | 0x1E << 20
    assert board.sysreg("ELR_EL1") == CODE
    assert board.cap(PCC).value & ~7 == VECTORS + (LOWER_EL if el == 0 else SAME_EL)


def test_cptr_closes_floating_point_to_el3() -> None:
    board = Metal(3)
    board.sysreg("CPTR_EL3", 1 << 10)
    board.run(word(fp("fadd_float", "add_sub"), Rd=2))
    assert board.sysreg("ESR_EL3") >> 26 == EC_FP


def test_reserved_encodings_come_before_the_trap() -> None:
    board = Metal(1)
    board.sysreg("CPACR_EL1", 0)
    board.run(word(fp("fadd_float", "add_sub"), ftype=2))
    assert board.sysreg("ESR_EL1") >> 26 == 0


def test_a_scalar_of_16_bits_clears_the_rest() -> None:
    """-1.0 to fixed point with four fraction bits."""
    board = Board()
    board[V0 + 1] = 0xBC00
    board[V0 + 2] = (1 << 128) - 1
    board.step(fp("fcvtzs_advsimd_fix", "sisd"), Rd=2, Rn=1, immh=0b0011, immb=0b100)
    assert board[V0 + 2] == 0xFFF0


def test_flags_stay_until_they_are_cleared() -> None:
    board = Board()
    board[V0 + 1], board[V0 + 2] = 0x3F800000, 0x40400000
    board.step(fp("fdiv_float", "arithmetic_div"), Rd=3, Rn=1, Rm=2)
    assert (board[V0 + 3], board[FPSR]) == (0x3EAAAAAB, IXC)
    board.set(PCC, almighty(CODE))
    board.step(fp("fadd_float", "add_sub"), Rd=3, Rn=1, Rm=1)
    assert board[FPSR] == IXC


def test_what_armv8_2_does_not_have_is_undefined() -> None:
    assert Board().fault(fp("fjcvtzs", "convert_int")) is FaultKind.UNDEFINED
    assert Board().fault(fp("ldp_fpsimd", "offset"), opc=1, Rt=3, Rt2=3) is FaultKind.UNDEFINED


def test_every_clause_has_its_function() -> None:
    """Any word of each row executes, faults or is undefined: none is unknown to the engine."""
    encodings = [
        encoding for encoding in load().encodings if "advsimd" in encoding.clause or "_float" in encoding.clause
    ]
    assert len({encoding.clause for encoding in encodings}) > 550
    for encoding in encodings:
        bits = encoding.bits
        stop = Board().run(bits.value | bits.canonical | bits.nonzero)
        assert stop.kind in (StopKind.BUDGET, StopKind.FAULT), encoding.clause


def test_the_base_of_a_vector_access_may_be_the_stack_pointer() -> None:
    board = Metal(0)
    board.sysreg("CPACR_EL1", 3 << 20)
    board.sysreg("SCTLR_EL1", 1 << 4)
    board[31] = almighty(MEMORY + 8).bits
    board.run(word(LD1, Rt=2, Rn=31, **FOUR_BYTE_VECTORS))
    assert board.sysreg("ESR_EL1") >> 26 == 0x26
