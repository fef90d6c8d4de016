"""Morello data processing: what each clause computes, and which registers 31 stands for."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from morello_board import (
    ALL_PERMS,
    CODE,
    CSP,
    EXECUTE,
    EXECUTIVE,
    GLOBAL,
    LB,
    LOAD,
    LPB,
    MASK64,
    NZCV,
    RB,
    SEAL,
    STORE,
    STORE_CAP,
    UNSEAL,
    Board,
    C,
    N,
    V,
    Z,
    almighty,
    bare,
    bounded,
    sealed,
    word,
)

from emulator_core import _core
from emulator_core._core import Capability, FaultKind, StopKind

PERMS = ALL_PERMS & ~STORE
# base 0x20000, limit 0x20100, value 0x20010 under the flags 0xa5
SAMPLE = bounded(0x20000, 0x100, 0x20010, PERMS).set_flags(0xA5)
NULL = Capability.null()
SVC = bytes.fromhex("010000d4")


@pytest.fixture
def board() -> Board:
    return Board()


def nzcv(board: Board) -> int:
    return board[NZCV] >> 28


FIELDS = {
    "GCBASE_R_C_C": 0x20000,
    "GCLIM_R_C_C": 0x20100,
    "GCLEN_R_C_C": 0x100,
    "GCOFF_R_C_C": 0xA500_0000_0000_0010,
    "GCVALUE_R_C_C": 0xA500_0000_0002_0010,
    "GCFLGS_R_C_C": 0xA5 << 56,
    "GCPERM_R_C_C": PERMS,
    "GCTYPE_R_C_C": 0,
    "GCSEAL_R_C_C": 0,
    "GCTAG_R_C_C": 1,
    "CFHI_R_C_C": SAMPLE.high,
}


@pytest.mark.parametrize("clause", FIELDS)
@pytest.mark.parametrize("source", [1, CSP])
def test_fields_of_a_capability(board: Board, clause: str, source: int) -> None:
    board.set(source, SAMPLE)
    board.set(2, almighty(5))  # the upper half and the tag of Cd go away
    board.step(clause, Cn=source, Rd=2)
    assert board[2] == FIELDS[clause]


def test_fields_at_the_edges(board: Board) -> None:
    board.set(1, sealed(almighty(), LB))
    for clause, expected in [
        ("GCLEN_R_C_C", MASK64),  # 2^64 does not fit
        ("GCLIM_R_C_C", MASK64),
        ("GCTYPE_R_C_C", LB),
        ("GCSEAL_R_C_C", 1),
        ("GCPERM_R_C_C", ALL_PERMS),
    ]:
        board.step(clause, Cn=1, Rd=2)
        assert board[2] == expected
    board[1] = 7
    board.step("GCTAG_R_C_C", Cn=1, Rd=2)
    assert board[2] == 0


def test_a_field_into_register_31_goes_nowhere(board: Board) -> None:
    board.set(CSP, SAMPLE)
    board.step("GCVALUE_R_C_C", Cn=CSP, Rd=31)
    assert board.cap(CSP) == SAMPLE


# Representable lengths: up to 2^14 bytes every length is; then the low bits are lost, three more for the exponent.
@pytest.mark.parametrize(("request_", "length", "mask"), [(0, 0, MASK64), (0x3FFF, 0x3FFF, MASK64)])
def test_small_lengths_are_exact(board: Board, request_: int, length: int, mask: int) -> None:
    board[1] = request_
    board.step("RRLEN_R_R_C", Rn=1, Rd=2)
    board.step("RRMASK_R_R_C", Rn=1, Rd=3)
    assert (board[2], board[3]) == (length, mask)


@given(st.integers(1, 1 << 62))
@settings(deadline=None, max_examples=60)
def test_rounded_lengths_make_exact_bounds(length: int) -> None:
    board = Board()
    board[1] = length
    board.step("RRLEN_R_R_C", Rn=1, Rd=2)
    board.step("RRMASK_R_R_C", Rn=1, Rd=3)
    rounded, mask = board[2], board[3]
    assert rounded >= length
    assert rounded & ~mask & MASK64 == 0
    made = almighty(mask & 0x0012_3456_789A_BCDE).set_bounds(rounded, exact=True)
    assert made.tag and made.length == rounded


# clause, fields, and what becomes of SAMPLE in C1 with X2 = 0x20020
OPERAND = 0x20020
CHANGES: dict[str, tuple[dict[str, int], Callable[[Capability], Capability]]] = {
    "SCVALUE_C_CR_C": ({"Rm": 2}, lambda c: c.set_value(OPERAND)),
    "SCOFF_C_CR_C": ({"Rm": 2}, lambda c: c.set_offset(OPERAND)),
    "SCBNDS_C_CR_C": ({"Rm": 2}, lambda c: c.set_bounds(OPERAND)),
    "SCBNDSE_C_CR_C": ({"Rm": 2}, lambda c: c.set_bounds(OPERAND, exact=True)),
    "SCBNDS_C_CI_C": ({"imm6": 0x20}, lambda c: c.set_bounds(0x20, exact=True)),
    "SCBNDS_C_CI_S": ({"imm6": 0x3F}, lambda c: c.set_bounds(0x3F0, exact=True)),
    "SCFLGS_C_CR_C": ({"Rm": 2}, lambda c: c.set_flags(0)),
    "BICFLGS_C_CR_C": ({"Rm": 2}, lambda c: c),
    "EORFLGS_C_CR_C": ({"Rm": 2}, lambda c: c),
    "ORRFLGS_C_CR_C": ({"Rm": 2}, lambda c: c),
    "BICFLGS_C_CI_C": ({"imm8": 0x81}, lambda c: c.set_flags(0x24)),
    "EORFLGS_C_CI_C": ({"imm8": 0xFF}, lambda c: c.set_flags(0x5A)),
    "ORRFLGS_C_CI_C": ({"imm8": 0x0F}, lambda c: c.set_flags(0xAF)),
    "CLRPERM_C_CR_C": ({"Rm": 2}, lambda c: c.clear_perms(OPERAND)),
    "CLRPERM_C_CI_C": ({"perm": 0b101}, lambda c: c.clear_perms(LOAD | EXECUTE)),
    "ALIGND_C_CI_C": ({"imm6": 8}, lambda c: c.set_value(0xA500_0000_0002_0000)),
    "ALIGNU_C_CI_C": ({"imm6": 8}, lambda c: c.set_value(0xA500_0000_0002_0100)),
    "CLRTAG_C_C_C": ({}, lambda c: c.with_tag(False)),
    "CPY_C_C_C": ({}, lambda c: c),
    "ADD_C_CIS_C": ({"imm12": 0x30}, lambda c: c.add(0x30)),
    "SUB_C_CIS_C": ({"imm12": 0x10}, lambda c: c.add(-0x10 & MASK64)),
    "ADD_C_CRI_C": ({"Rm": 2, "option_name": 3}, lambda c: c.add(OPERAND)),
}


@pytest.mark.parametrize("clause", CHANGES)
def test_changes(board: Board, clause: str) -> None:
    fields, expected = CHANGES[clause]
    board.set(1, SAMPLE)
    board[2] = OPERAND
    board.step(clause, Cn=1, Cd=3, **fields)
    assert board.cap(3) == expected(SAMPLE)
    assert board.cap(1) == SAMPLE


@pytest.mark.parametrize("clause", CHANGES)
def test_changes_take_csp_on_both_sides(board: Board, clause: str) -> None:
    fields, expected = CHANGES[clause]
    board.set(CSP, SAMPLE)
    board[2] = OPERAND
    board.step(clause, Cn=31, Cd=31, **fields)
    assert board.cap(CSP) == expected(SAMPLE)


@pytest.mark.parametrize("clause", [clause for clause in CHANGES if clause != "CPY_C_C_C"])
def test_changing_a_sealed_capability_costs_its_tag(board: Board, clause: str) -> None:
    board.set(1, sealed(SAMPLE, 0x123))
    board[2] = OPERAND
    board.step(clause, Cn=1, Cd=3, **CHANGES[clause][0])
    assert not board.cap(3).tag


@pytest.mark.parametrize("clause", ["ADD_C_CIS_C", "SCVALUE_C_CR_C"])
def test_so_does_a_change_of_nothing_at_full_speed(board: Board, clause: str) -> None:
    fields = {"Rm": 31} if clause == "SCVALUE_C_CR_C" else {}
    board.set(1, sealed(almighty(0), 0x123))
    board.machine.write(CODE + 4, SVC)
    board.machine.write(CODE, word(clause, Cn=1, Cd=2, **fields).to_bytes(4, "little"))
    assert board.machine.run(board.thread, 1_000_000).kind is StopKind.SYSCALL
    assert board.cap(2) == sealed(almighty(0), 0x123).with_tag(False)


def test_copies_keep_seals_and_garbage(board: Board) -> None:
    for value in [sealed(SAMPLE, 9), Capability(0x1234 << 64 | 99)]:
        board.set(1, value)
        board.step("CPY_C_C_C", Cn=1, Cd=2)
        assert board.cap(2) == value


@pytest.mark.parametrize("mask", [0x0F, 0xFF, 0x00])
def test_flags_by_register(board: Board, mask: int) -> None:
    board.set(1, SAMPLE)
    board[2] = mask << 56 | 0xFFFF  # only the top byte counts
    for clause, flags in [
        ("SCFLGS_C_CR_C", mask),
        ("BICFLGS_C_CR_C", 0xA5 & ~mask),
        ("EORFLGS_C_CR_C", 0xA5 ^ mask),
        ("ORRFLGS_C_CR_C", 0xA5 | mask),
    ]:
        board.step(clause, Cn=1, Rm=2, Cd=3)
        assert board.cap(3).flags == flags
        assert board.cap(3).value & MASK64 >> 8 == 0x20010
        assert board.cap(3).tag


def test_cthi_makes_an_untagged_capability_from_halves(board: Board) -> None:
    board.set(1, SAMPLE)
    board[2] = 0x1234_5678_9ABC_DEF0
    board.step("CTHI_C_CR_C", Cn=1, Rm=2, Cd=3)
    assert board.cap(3) == Capability.from_words(SAMPLE.low, 0x1234_5678_9ABC_DEF0)


def test_cthi_reads_null_and_writes_csp(board: Board) -> None:
    board.set(CSP, SAMPLE)
    board[2] = 77
    board.step("CTHI_C_CR_C", Cn=31, Rm=2, Cd=31)
    assert board.cap(CSP) == Capability.from_words(0, 77)


def test_select(board: Board) -> None:
    board.set(1, SAMPLE)
    board.set(2, almighty(5))
    board[NZCV] = Z << 28
    board.step("CSEL_C_CI_C", cond=0, Cn=1, Cm=2, Cd=3)  # EQ
    board.step("CSEL_C_CI_C", cond=1, Cn=1, Cm=2, Cd=4)  # NE
    board.step("CSEL_C_CI_C", cond=1, Cn=1, Cm=31, Cd=5)
    assert (board.cap(3), board.cap(4), board.cap(5)) == (SAMPLE, almighty(5), NULL)


# ---- seals ----


def key(otype: int, perms: int = SEAL | UNSEAL | GLOBAL) -> Capability:
    return bounded(0, 0x1000, otype, perms)


@pytest.mark.parametrize(("form", "otype"), [(1, RB), (2, LPB), (3, LB)])
def test_seal_with_a_fixed_type(board: Board, form: int, otype: int) -> None:
    board.set(1, SAMPLE)
    board.step("SEAL_C_CI_C", form=form, Cn=1, Cd=2)
    assert board.cap(2) == sealed(SAMPLE, otype)
    board.step("SEAL_C_CI_C", form=form, Cn=2, Cd=3)
    assert not board.cap(3).tag


def test_seal_form_0_is_undefined(board: Board) -> None:
    assert board.fault("SEAL_C_CI_C", form=0, Cn=1, Cd=2) is FaultKind.UNDEFINED


def test_seal_and_unseal_with_a_key(board: Board) -> None:
    board.set(1, SAMPLE)
    board.set(2, key(0x321))
    board.step("SEAL_C_CC_C", Cn=1, Cm=2, Cd=3)
    assert board.cap(3) == sealed(SAMPLE, 0x321)
    board.step("UNSEAL_C_CC_C", Cn=3, Cm=2, Cd=4)
    assert board.cap(4) == SAMPLE


def test_unsealing_by_a_local_key_makes_local(board: Board) -> None:
    board.set(1, sealed(SAMPLE, 5))
    board.set(2, key(5, UNSEAL))
    board.step("UNSEAL_C_CC_C", Cn=1, Cm=2, Cd=3)
    assert board.cap(3) == SAMPLE.clear_perms(GLOBAL)


BAD_KEYS = {
    "untagged": key(5).with_tag(False),
    "sealed": sealed(key(5), RB),
    "no permission": key(5).clear_perms(SEAL | UNSEAL),
    "out of bounds": bounded(0, 4, 5, SEAL | UNSEAL),
}


@pytest.mark.parametrize("bad", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_key_costs_the_tag(board: Board, bad: Capability) -> None:
    board.set(1, SAMPLE)
    board.set(2, bad)
    board.step("SEAL_C_CC_C", Cn=1, Cm=2, Cd=3)
    assert not board.cap(3).tag
    board.set(1, sealed(SAMPLE, 5))
    board.step("UNSEAL_C_CC_C", Cn=1, Cm=2, Cd=3)
    assert not board.cap(3).tag


def test_object_types_have_15_bits(board: Board) -> None:
    board.set(1, SAMPLE)
    for otype, works in [(0x7FFF, True), (0x8000, False)]:
        board.set(2, bounded(0, 0x10000, otype, SEAL))
        board.step("SEAL_C_CC_C", Cn=1, Cm=2, Cd=3)
        assert board.cap(3).tag is works


def test_the_wrong_key_does_not_open(board: Board) -> None:
    board.set(1, sealed(SAMPLE, 5))
    board.set(2, key(6))
    board.step("UNSEAL_C_CC_C", Cn=1, Cm=2, Cd=3)
    assert not board.cap(3).tag


def test_conditional_seal(board: Board) -> None:
    board.set(1, SAMPLE)
    for sealing, expected, flags in [
        (key(5), sealed(SAMPLE, 5), V),
        (BAD_KEYS["no permission"], SAMPLE, 0),
        (Capability(MASK64), SAMPLE, V),  # the value that asks for no sealing
    ]:
        board.set(2, sealing)
        board.step("CSEAL_C_C_C", Cn=1, Cm=2, Cd=3)
        assert (board.cap(3), nzcv(board)) == (expected, flags)


def test_build_restores_a_tag_within_an_authority(board: Board) -> None:
    board.set(2, bounded(0x10000, 0x20000))
    for given_, expected in [
        (SAMPLE.with_tag(False), SAMPLE),
        (sealed(SAMPLE, 7).with_tag(False), SAMPLE),  # built unsealed
        (bounded(0x30000, 0x100).with_tag(False), bounded(0x30000, 0x100).with_tag(False)),  # outside
        (sealed(bounded(0x30000, 0x100), 7), bounded(0x30000, 0x100).with_tag(False)),
    ]:
        board.set(1, given_)
        board.step("BUILD_C_C_C", Cn=1, Cm=2, Cd=3)
        assert board.cap(3) == expected


def test_copy_type_and_value(board: Board) -> None:
    board.set(1, bounded(0, 0x8000, 0))
    board.set(2, sealed(SAMPLE, 0x77))
    board.step("CPYTYPE_C_C_C", Cn=1, Cm=2, Cd=3)
    assert board.cap(3) == bounded(0, 0x8000, 0x77)
    board.set(2, SAMPLE)
    board.step("CPYTYPE_C_C_C", Cn=1, Cm=2, Cd=3)
    assert board.cap(3) == bounded(0, 0x8000, 0).set_value(MASK64)  # unsealed: all ones
    board.step("CPYVALUE_C_C_C", Cn=1, Cm=2, Cd=3)
    assert board.cap(3) == bounded(0, 0x8000, 0).set_value(SAMPLE.value)


# ---- tests ----


@pytest.mark.parametrize(
    ("clause", "first", "second", "flags"),
    [
        ("CHKEQ___CC_C", SAMPLE, SAMPLE, Z),
        ("CHKEQ___CC_C", SAMPLE, SAMPLE.with_tag(False), 0),
        ("CHKEQ___CC_C", SAMPLE, sealed(SAMPLE, 4), 0),
        ("CHKSS___CC_C", SAMPLE, bounded(0x20000, 0x200), N),
        ("CHKSS___CC_C", bounded(0x20000, 0x200), SAMPLE, 0),
        ("CHKSS___CC_C", SAMPLE, SAMPLE.clear_perms(LOAD), 0),
        ("CHKSS___CC_C", SAMPLE, SAMPLE.with_tag(False), 0),
        ("CHKSS___CC_C", SAMPLE.with_tag(False), SAMPLE.with_tag(False), N),
    ],
)
def test_comparisons(board: Board, clause: str, first: Capability, second: Capability, flags: int) -> None:
    board.set(1, first)
    board.set(2, second)
    board.step(clause, Cn=1, Cm=2)
    assert nzcv(board) == flags


def test_equality_against_register_31_is_against_null(board: Board) -> None:
    board.set(CSP, SAMPLE)
    board[1] = 0
    board.step("CHKEQ___CC_C", Cn=1, Cm=31)
    assert nzcv(board) == Z
    board.step("CHKEQ___CC_C", Cn=31, Cm=31)  # CSP against null
    assert nzcv(board) == 0


def test_subset_check_that_unseals(board: Board) -> None:
    board.set(2, bounded(0x20000, 0x200))
    board.set(1, sealed(SAMPLE, 4))
    board.step("CHKSSU_C_CC_C", Cn=1, Cm=2, Cd=3)
    assert (board.cap(3), nzcv(board)) == (SAMPLE, N)
    board.set(2, sealed(bounded(0x20000, 0x200), RB))
    board.step("CHKSSU_C_CC_C", Cn=1, Cm=2, Cd=3)
    assert (board.cap(3), nzcv(board)) == (sealed(SAMPLE, 4), N)
    board.set(2, bounded(0x30000, 0x200))
    board.step("CHKSSU_C_CC_C", Cn=1, Cm=2, Cd=3)
    assert (board.cap(3), nzcv(board)) == (sealed(SAMPLE, 4), 0)


def test_sealed_and_tagged_checks(board: Board) -> None:
    for value, seal_flag, tag_flag in [
        (SAMPLE, 0, C),
        (sealed(SAMPLE, RB), V, C),
        (sealed(SAMPLE, 5).with_tag(False), V, 0),
    ]:
        board.set(1, value)
        board.step("CHKSLD_C_C", Cn=1)
        assert nzcv(board) == seal_flag
        board.step("CHKTGD_C_C", Cn=1)
        assert nzcv(board) == tag_flag


@pytest.mark.parametrize(
    ("first", "second", "difference", "flags"),
    [
        (almighty(5), almighty(5), 0, Z | C),
        (almighty(5), almighty(6), MASK64, N),
        (Capability(1 << 63), Capability(1), (1 << 63) - 1, C | V),
        (almighty(5), Capability(5), 1, C),  # tags that differ decide
        (Capability(9), almighty(5), 3, N),
    ],
)
def test_subtract(board: Board, first: Capability, second: Capability, difference: int, flags: int) -> None:
    board.set(1, first)
    board.set(2, second)
    board.step("SUBS_R_CC_C", Cn=1, Cm=2, Rd=3)
    assert (board[3], nzcv(board)) == (difference, flags)


# ---- setting tags ----


def test_tags_cannot_be_set_at_el0(board: Board) -> None:
    assert board.fault("SCTAG_C_CR_C", Cn=1, Rm=2, Cd=3) is FaultKind.UNDEFINED


def test_set_tag_needs_the_system_permission() -> None:
    board = bare()
    board.set(1, SAMPLE.with_tag(False))
    board[2] = 1
    board.step("SCTAG_C_CR_C", Cn=1, Rm=2, Cd=3)
    assert board.cap(3) == SAMPLE
    board[2] = 2  # bit 0 is what counts
    board.step("SCTAG_C_CR_C", Cn=3, Rm=2, Cd=4)
    assert not board.cap(4).tag


# ---- the register form against the operation on values ----


def any_capability(base: int, length: int, value: int, perms: int, otype: int, tag: bool) -> Capability:
    shaped = almighty(base).set_bounds(length).set_value(value)
    return shaped.clear_perms(perms).set_object_type(otype).with_tag(tag)


capabilities = st.builds(
    any_capability,
    st.integers(0, MASK64 >> 8),
    st.integers(0, 1 << 40),
    st.integers(0, MASK64),
    st.sampled_from([0, 0, STORE_CAP, EXECUTIVE, GLOBAL, SEAL]),
    st.sampled_from([0, 0, 0, 1, 2, 3, 4, 0x7FFF]),
    st.booleans(),
)
BY_CAPABILITY = {
    "SEAL_C_CC_C": _core.capop_seal,
    "UNSEAL_C_CC_C": _core.capop_unseal,
    "CPYTYPE_C_C_C": _core.capop_cpytype,
    "CPYVALUE_C_C_C": _core.capop_cpyvalue,
    "BUILD_C_C_C": _core.capop_build,
}


@given(capabilities, capabilities, st.sampled_from(sorted(BY_CAPABILITY)))
@settings(deadline=None, max_examples=150)
def test_two_operand_forms_are_their_operations(cn: Capability, cm: Capability, clause: str) -> None:
    board = Board()
    board.set(7, cn)
    board.set(8, cm)
    board.step(clause, Cn=7, Cm=8, Cd=8)
    assert board.cap(8) == BY_CAPABILITY[clause](cn, cm)
    assert board.cap(7) == cn
