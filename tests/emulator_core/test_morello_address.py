"""Morello addresses: PC- and DDC-relative forms, additions, conversions between pointers and capabilities."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from morello_board import (
    ADRDPB,
    CODE,
    CSP,
    DDC,
    DDCBO,
    MASK64,
    NZCV,
    PCC,
    PCCBO,
    Board,
    C,
    Z,
    almighty,
    bounded,
    sealed,
)

from emulator_core._core import Capability, FaultKind


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


# ---- ADR, ADRP, ADRDP ----


@given(st.integers(0, (1 << 21) - 1))
@settings(deadline=None, max_examples=30)
def test_adr_adds_21_signed_bits(imm: int) -> None:
    fields = {"immlo": imm & 3, "immhi": imm >> 2 & 0x3FFFF, "P": imm >> 20}
    board = Board()
    board.step("ADR_C_I_C", Rd=1, **fields)
    assert board[1] == (CODE + signed(imm, 21)) & MASK64
    board = Board(c64=True)
    board.step("ADR_C_I_C", Rd=1, **fields)
    assert board.cap(1) == almighty(CODE).add(signed(imm, 21) & MASK64)


def test_adr_in_a64_is_relative_to_pcc_base_with_pccbo() -> None:
    board = Board(cctlr=PCCBO)
    board.set(PCC, bounded(CODE, 0x1000, CODE))
    board.step("ADR_C_I_C", Rd=1, immhi=2)
    assert board[1] == 8


def test_adrp_in_a64() -> None:
    board = Board()
    board.step("ADRP_C_IP_C", Rd=1, immhi=1, immlo=1)  # P:immhi:immlo = 0x100005 is negative
    assert board[1] == (CODE + ((0x100005 - (1 << 21)) << 12)) & MASK64
    board = Board()
    board.step("ADRDP_C_ID_C", Rd=1, immhi=1, immlo=1)
    assert board[1] == CODE + (5 << 12)


def test_adrp_in_c64_moves_pcc_by_signed_pages() -> None:
    board = Board(c64=True)
    board.set(PCC, almighty(CODE))
    board.step("ADRP_C_IP_C", Rd=1, immhi=0x3FFFF, immlo=3)
    assert board.cap(1) == almighty(CODE - 0x1000)


def test_adrdp_moves_ddc_or_c28_by_unsigned_pages() -> None:
    board = Board(c64=True)
    board.set(DDC, bounded(0x40_0000, 0x10_0000, 0x40_0123))
    board.set(28, bounded(0x50_0000, 0x10_0000, 0x50_0456))
    board.step("ADRDP_C_ID_C", Rd=1, immhi=1)
    assert board.cap(1) == bounded(0x40_0000, 0x10_0000, 0x40_4000)
    board.set(PCC, almighty(CODE))
    board[42] = ADRDPB
    board.step("ADRDP_C_ID_C", Rd=1, immhi=1)
    assert board.cap(1) == bounded(0x50_0000, 0x10_0000, 0x50_4000)


def test_adrdp_of_a_sealed_base_loses_the_tag() -> None:
    board = Board(c64=True, cctlr=ADRDPB)
    board.set(28, sealed(almighty(0x123), 7))
    board.step("ADRDP_C_ID_C", Rd=1)
    assert board.cap(1) == sealed(almighty(0), 7).with_tag(False)


# ---- ADD, SUB ----


@pytest.mark.parametrize(("sh", "amount"), [(0, 0xABC), (1, 0xABC000)])
def test_add_and_subtract_an_immediate(sh: int, amount: int) -> None:
    board = Board()
    board.set(1, almighty(0x1000_0000))
    board.step("ADD_C_CIS_C", sh=sh, imm12=0xABC, Cn=1, Cd=2)
    board.step("SUB_C_CIS_C", sh=sh, imm12=0xABC, Cn=1, Cd=3)
    assert board.cap(2) == almighty(0x1000_0000 + amount)
    assert board.cap(3) == almighty(0x1000_0000 - amount)


def test_leaving_the_representable_range_costs_the_tag() -> None:
    board = Board()
    board.set(1, bounded(0x20000, 0x100000))
    board[2] = 1 << 40
    board.step("ADD_C_CRI_C", Cn=1, Rm=2, option_name=3, Cd=3)
    assert (board[3] & MASK64, board.cap(3).tag) == (0x20000 + (1 << 40), False)


@pytest.mark.parametrize(
    ("option", "addend"),
    [
        (0, 0xF0),  # UXTB
        (1, 0x80F0),  # UXTH
        (2, 0x8000_80F0),  # UXTW
        (3, 0xFFFF_FFFF_8000_80F0),  # UXTX
        (4, -0x10),  # SXTB
        (5, -0x7F10),  # SXTH
        (6, -0x7FFF_7F10),  # SXTW
        (7, -0x7FFF_7F10),  # SXTX
    ],
)
@pytest.mark.parametrize("shift", [0, 4])
def test_add_an_extended_register(option: int, addend: int, shift: int) -> None:
    board = Board()
    board.set(1, almighty(0x20000))
    board[2] = 0xFFFF_FFFF_8000_80F0
    board.step("ADD_C_CRI_C", Cn=1, Rm=2, option_name=option, imm3=shift, Cd=3)
    assert board[3] & MASK64 == (0x20000 + (addend << shift)) & MASK64


@pytest.mark.parametrize("shift", [5, 6, 7])
def test_larger_shifts_are_undefined(shift: int) -> None:
    assert Board().fault("ADD_C_CRI_C", Cn=1, Rm=2, imm3=shift, Cd=3) is FaultKind.UNDEFINED


# ---- conversions ----

BASE = bounded(0x40_0000, 0x10_0000)
TO_POINTER = {"CVT_R_CC_C": (DDCBO, 5), "CVTD_R_C_C": (DDCBO, DDC), "CVTP_R_C_C": (PCCBO, PCC)}
CODE_BASE = bounded(CODE, 0x1000)


def converted(clause: str, value: Capability, relative: bool) -> tuple[int, int]:
    """Xd and NZCV of a conversion to a pointer, the base being at 0x400000, for PCC at CODE."""
    control, base_register = TO_POINTER[clause]
    board = Board(cctlr=control if relative else 0)
    board.set(base_register, CODE_BASE if base_register == PCC else BASE)
    board.set(1, value)
    fields = {"Cm": 5} if clause == "CVT_R_CC_C" else {}
    board.step(clause, Cn=1, Rd=2, **fields)
    return board[2], board[NZCV] >> 28


@pytest.mark.parametrize("clause", TO_POINTER)
def test_capability_to_pointer(clause: str) -> None:
    origin = CODE if clause == "CVTP_R_C_C" else 0x40_0000
    assert converted(clause, almighty(origin + 0x20), False) == (origin + 0x20, C)
    assert converted(clause, almighty(origin + 0x20), True) == (0x20, C)
    assert converted(clause, almighty(origin), True) == (0, C | Z)
    assert converted(clause, Capability(origin + 0x20), True) == (0, 0)


FROM_POINTER = {
    "CVTD_C_R_C": (DDCBO, DDC, {"Rn": 1}),
    "CVTDZ_C_R_C": (DDCBO, DDC, {"Rn": 1}),
    "CVTP_C_R_C": (PCCBO, PCC, {"Rn": 1}),
    "CVTPZ_C_R_C": (PCCBO, PCC, {"Rn": 1}),
    "CVT_C_CR_C": (DDCBO, 5, {"Cn": 5, "Rm": 1}),
    "CVTZ_C_CR_C": (DDCBO, 5, {"Cn": 5, "Rm": 1}),
}


def made(clause: str, pointer: int, relative: bool, base: Capability | None = None) -> Capability:
    control, base_register, fields = FROM_POINTER[clause]
    board = Board(cctlr=control if relative else 0)
    board.set(base_register, base or (CODE_BASE if base_register == PCC else BASE))
    board[1] = pointer
    board.step(clause, Cd=2, **fields)
    return board.cap(2)


@pytest.mark.parametrize("clause", FROM_POINTER)
def test_pointer_to_capability(clause: str) -> None:
    base = CODE_BASE if FROM_POINTER[clause][1] == PCC else BASE
    assert made(clause, base.base + 0x30, False) == base.set_value(base.base + 0x30)
    assert made(clause, 0x30, True) == base.set_value(base.base + 0x30)


@pytest.mark.parametrize("clause", FROM_POINTER)
def test_zero_becomes_null_in_the_z_forms(clause: str) -> None:
    base = CODE_BASE if FROM_POINTER[clause][1] == PCC else BASE
    null = clause in ("CVTDZ_C_R_C", "CVTPZ_C_R_C", "CVTZ_C_CR_C")
    assert made(clause, 0, True) == (Capability.null() if null else base)


@pytest.mark.parametrize("clause", ["CVTD_C_R_C", "CVTDZ_C_R_C", "CVT_C_CR_C", "CVTZ_C_CR_C"])
def test_a_sealed_base_gives_no_tag(clause: str) -> None:
    assert not made(clause, 0x30, True, sealed(BASE, 4)).tag


def test_the_base_of_cvt_may_be_csp() -> None:
    board = Board()
    board.set(CSP, BASE)
    board[1] = 0x40_0008
    board.step("CVT_C_CR_C", Cn=31, Rm=1, Cd=2)
    assert board.cap(2) == BASE.set_value(0x40_0008)
