"""Morello branches: targets, links, seals, and what reaches the crossing ring."""

import pytest
from morello_board import (
    ALL_PERMS,
    BSP,
    C64,
    CODE,
    CPSR,
    CSP,
    EXECUTE,
    EXECUTIVE,
    GLOBAL,
    LB,
    LINK,
    LOAD,
    LOAD_CAP,
    LPB,
    MASK64,
    MEMORY,
    PCC,
    RB,
    SBL,
    STORE,
    Board,
    almighty,
    bounded,
    sealed,
)

from emulator_core._core import Capability, CrossingKind, FaultKind, PairCheck

TARGET = CODE + 0x100
HERE = almighty(TARGET)  # in the compartment: same bounds as PCC
OTHER = bounded(CODE, 0x200, TARGET)  # out of it

PLAIN = ["BR_C_C", "BLR_C_C", "RET_C_C"]
SEALED = ["BRS_C_C", "BLRS_C_C", "RETS_C_C"]
RESTRICTED = ["BRR_C_C", "BLRR_C_C", "RETR_C_C"]
PAIRS = ["BRS_C_C_C", "BLRS_C_C_C", "RETS_C_C_C"]
CALLS = {"BLR_C_C", "BLRS_C_C", "BLRR_C_C", "BLRS_C_C_C", "LDPBLR_C_C_C", "BLR_CI_C"}


@pytest.mark.parametrize("clause", PLAIN + SEALED + RESTRICTED)
@pytest.mark.parametrize("c64", [False, True])
def test_a_branch_goes_there_in_the_mode_of_bit_0(clause: str, c64: bool) -> None:
    board = Board(c64=not c64)
    board.set(1, almighty(TARGET | c64))
    board.step(clause, Cn=1)
    assert board.cap(PCC) == HERE
    assert bool(board[CPSR] & C64) is c64
    assert board.crossings() == []


@pytest.mark.parametrize("clause", PLAIN + SEALED + RESTRICTED)
def test_calls_link(clause: str) -> None:
    for c64, cctlr in [(False, 0), (True, 0), (True, SBL)]:
        board = Board(c64=c64, cctlr=cctlr)
        board.set(LINK, almighty(3))
        board.set(1, sealed(almighty(TARGET), RB))
        board.step(clause, Cn=1)
        link = almighty(CODE + 4 + c64)
        if clause in CALLS:
            assert board.cap(LINK) == (sealed(link, RB) if cctlr else link)
        else:
            assert board.cap(LINK) == almighty(3)


def test_a_call_through_the_link_register_reads_it_first() -> None:
    board = Board()
    board.set(LINK, almighty(TARGET))
    board.step("BLR_C_C", Cn=LINK)
    assert (board[PCC] & MASK64, board[LINK] & MASK64) == (TARGET, CODE + 4)


@pytest.mark.parametrize("clause", PLAIN + SEALED + RESTRICTED)
def test_a_sentry_is_opened(clause: str) -> None:
    board = Board()
    board.set(1, sealed(OTHER, RB))
    board.step(clause, Cn=1)
    assert board.cap(PCC) == OTHER
    [crossing] = board.crossings()
    assert (crossing.kind, crossing.cn, crossing.cm) == (CrossingKind.SENTRY, 1, 255)
    assert (crossing.origin, crossing.to, crossing.failed) == (CODE, TARGET, PairCheck(0))
    assert crossing.target == sealed(OTHER, RB).bits
    assert crossing.pcc == almighty(CODE).bits


@pytest.mark.parametrize("clause", PLAIN + SEALED)
def test_a_sealed_return_within_the_compartment_is_no_crossing(clause: str) -> None:
    board = Board(cctlr=SBL)
    board.set(1, sealed(HERE, RB))
    board.step(clause, Cn=1)
    assert board.cap(PCC) == HERE
    assert board.crossings() == []


@pytest.mark.parametrize("clause", PLAIN + SEALED)
@pytest.mark.parametrize("otype", [LPB, LB, 4, 0x7FFF])
def test_other_seals_do_not_open(clause: str, otype: int) -> None:
    board = Board()
    board.set(1, sealed(OTHER, otype))
    board.step(clause, Cn=1)
    assert board[PCC] & MASK64 == TARGET
    [crossing] = board.crossings()
    assert (crossing.kind, crossing.failed) == (CrossingKind.FAILED, PairCheck.OTYPE)
    assert board.fetch_fault() is FaultKind.CAP_TAG


@pytest.mark.parametrize("clause", SEALED + RESTRICTED)
def test_while_links_are_sealed_the_s_and_r_forms_demand_a_sentry(clause: str) -> None:
    board = Board(cctlr=SBL)
    board.set(1, HERE)
    board.step(clause, Cn=1)
    [crossing] = board.crossings()
    assert (crossing.kind, crossing.failed) == (CrossingKind.FAILED, PairCheck.CN_SEALED)
    assert board.fetch_fault() is FaultKind.CAP_TAG


@pytest.mark.parametrize("clause", PLAIN + SEALED)
def test_data_without_executive_loses_its_tag(clause: str) -> None:
    board = Board()
    board.set(1, HERE.clear_perms(EXECUTIVE))
    board.step(clause, Cn=1)
    assert board.cap(PCC) == HERE.clear_perms(EXECUTIVE).with_tag(False)
    assert board.crossings() == []
    assert board.fetch_fault() is FaultKind.CAP_TAG


@pytest.mark.parametrize("clause", RESTRICTED)
def test_the_r_forms_enter_restricted(clause: str) -> None:
    board = Board()
    board.set(1, HERE.clear_perms(EXECUTIVE))
    board.step(clause, Cn=1)
    assert board.cap(PCC) == HERE.clear_perms(EXECUTIVE)


@pytest.mark.parametrize("clause", RESTRICTED)
def test_the_r_forms_are_undefined_in_restricted(clause: str) -> None:
    board = Board()
    board.set(PCC, almighty(CODE).clear_perms(EXECUTIVE))
    assert board.fault(clause, Cn=1) is FaultKind.UNDEFINED


def test_restricted_may_branch_to_anything() -> None:
    board = Board()
    board.set(PCC, almighty(CODE).clear_perms(EXECUTIVE))
    board.set(1, HERE.clear_perms(EXECUTIVE))
    board.step("BR_C_C", Cn=1)
    assert board.cap(PCC).tag


def test_a_target_that_may_not_execute_faults_at_its_fetch() -> None:
    board = Board()
    board.set(1, HERE.clear_perms(EXECUTE))
    board.step("BR_C_C", Cn=1)
    assert board.fetch_fault() is FaultKind.CAP_PERMISSION


def test_register_31_is_null() -> None:
    board = Board()
    board.set(CSP, HERE)
    board.step("BR_C_C", Cn=31)
    assert board[PCC] == 0


# ---- sealed pairs ----

CODE_CAP = sealed(bounded(CODE, 0x200, TARGET | 1, ALL_PERMS & ~STORE), 0x44)
DATA_CAP = sealed(bounded(MEMORY, 0x100, None, ALL_PERMS & ~EXECUTE), 0x44)


def pair(clause: str, code: Capability, data: Capability) -> Board:
    board = Board(cctlr=SBL)
    board.set(1, code)
    board.set(2, data)
    board.set(14, Capability(64))
    board.set(LINK, almighty(3))
    board.step(clause, Cn=1, Cm=2)
    return board


@pytest.mark.parametrize("clause", PAIRS)
def test_a_pair_opens_both_halves(clause: str) -> None:
    board = pair(clause, CODE_CAP, DATA_CAP)
    assert board.cap(PCC) == CODE_CAP.unseal().set_value(TARGET)
    assert board.cap(29) == DATA_CAP.unseal()
    assert board[CPSR] & C64
    assert board.cap(LINK) == (sealed(almighty(CODE + 4), RB) if clause in CALLS else almighty(3))
    [crossing] = board.crossings()
    assert (crossing.kind, crossing.cn, crossing.cm) == (CrossingKind.PAIR, 1, 2)
    assert (crossing.origin, crossing.to) == (CODE, TARGET)
    assert (crossing.target, crossing.paired) == (CODE_CAP.bits, DATA_CAP.bits)
    assert crossing.number == 64
    assert crossing.argument[:3] == (board[0], CODE_CAP.bits, DATA_CAP.bits)


CHECKS = {
    "code untagged": (CODE_CAP.with_tag(False), DATA_CAP, PairCheck.CN_TAG),
    "data untagged": (CODE_CAP, DATA_CAP.with_tag(False), PairCheck.CM_TAG),
    "code unsealed": (CODE_CAP.unseal(), DATA_CAP, PairCheck.CN_SEALED | PairCheck.OTYPE),
    "data unsealed": (CODE_CAP, DATA_CAP.unseal(), PairCheck.CM_SEALED | PairCheck.OTYPE),
    "types differ": (CODE_CAP, sealed(DATA_CAP, 0x45), PairCheck.OTYPE),
    "fixed type": (sealed(CODE_CAP, LB), sealed(DATA_CAP, LB), PairCheck.OTYPE),
    "code without BranchSealedPair": (CODE_CAP.clear_perms(BSP), DATA_CAP, PairCheck.BSP),
    "data without BranchSealedPair": (CODE_CAP, DATA_CAP.clear_perms(BSP), PairCheck.BSP),
    "code not executable": (CODE_CAP.clear_perms(EXECUTE), DATA_CAP, PairCheck.EXECUTE),
    "data executable": (
        CODE_CAP,
        sealed(bounded(MEMORY, 0x100), 0x44),
        PairCheck.EXECUTE,
    ),
    "code not executive": (CODE_CAP.clear_perms(EXECUTIVE), DATA_CAP, PairCheck.EXECUTIVE),
    "both untagged": (
        CODE_CAP.with_tag(False),
        DATA_CAP.with_tag(False),
        PairCheck.CN_TAG | PairCheck.CM_TAG,
    ),
}


@pytest.mark.parametrize("clause", PAIRS)
@pytest.mark.parametrize(("code", "data", "failed"), CHECKS.values(), ids=CHECKS)
def test_a_failed_pair_faults_at_its_target(clause: str, code: Capability, data: Capability, failed: PairCheck) -> None:
    board = pair(clause, code, data)
    assert board.cap(29) == data  # still sealed
    assert board[PCC] & MASK64 == TARGET
    assert not board.cap(PCC).tag
    [crossing] = board.crossings()
    assert (crossing.kind, crossing.failed) == (CrossingKind.FAILED, failed)
    assert board.fetch_fault() is FaultKind.CAP_TAG


def test_restricted_pairs_need_no_executive() -> None:
    board = Board()
    board.set(PCC, almighty(CODE).clear_perms(EXECUTIVE))
    board.set(1, CODE_CAP.clear_perms(EXECUTIVE))
    board.set(2, DATA_CAP)
    board.step("BLRS_C_C_C", Cn=1, Cm=2)
    assert board.cap(PCC).tag
    [crossing] = board.crossings()
    assert crossing.kind is CrossingKind.PAIR


def test_a_full_ring_holds_the_oldest_first() -> None:
    board = Board()
    for number in range(3):
        board.set(PCC, almighty(CODE))
        board[CPSR] &= ~C64
        board.set(14, Capability(number))
        board.set(1, CODE_CAP)
        board.set(2, DATA_CAP)
        board.step("BRS_C_C_C", Cn=1, Cm=2)
    assert [crossing.number for crossing in board.crossings()] == [0, 1, 2]
    assert board.crossings() == []


# ---- load and branch ----

SLOT = bounded(MEMORY, 0x1000, MEMORY + 0x100, ALL_PERMS & ~EXECUTE)


@pytest.mark.parametrize("clause", ["LDPBR_C_C_C", "LDPBLR_C_C_C"])
def test_load_pair_and_branch(clause: str) -> None:
    board = Board()
    board.store(MEMORY + 0x100, bounded(MEMORY, 64))
    board.store(MEMORY + 0x110, almighty(TARGET))
    board.set(1, SLOT)
    board.set(LINK, almighty(3))
    board.step(clause, Cn=1, Ct=5)
    assert board.cap(PCC) == HERE
    assert board.cap(5) == bounded(MEMORY, 64)
    assert board.cap(LINK) == almighty(CODE + 4 if clause in CALLS else 3)
    assert board.crossings() == []


def test_load_pair_and_branch_opens_its_sentry_into_c29_only() -> None:
    board = Board()
    board.store(MEMORY + 0x100, bounded(MEMORY, 64))
    board.store(MEMORY + 0x110, sealed(OTHER, RB))
    board.set(1, sealed(SLOT, LPB))
    assert board.fault("LDPBR_C_C_C", Cn=1, Ct=5) is FaultKind.CAP_SEALED
    board.step("LDPBR_C_C_C", Cn=1, Ct=29)
    assert board.cap(PCC) == OTHER
    assert board.cap(29) == bounded(MEMORY, 64)
    [crossing] = board.crossings()
    assert (crossing.kind, crossing.target) == (CrossingKind.SENTRY, sealed(OTHER, RB).bits)
    assert crossing.paired == sealed(SLOT, LPB).bits


@pytest.mark.parametrize("clause", ["BR_CI_C", "BLR_CI_C"])
def test_load_and_branch(clause: str) -> None:
    board = Board()
    board.store(MEMORY + 0xF0, almighty(TARGET))
    board.set(1, SLOT)
    board.set(LINK, almighty(3))
    board.step(clause, Cn=1, imm7=-1)
    assert board.cap(PCC) == HERE
    assert board.cap(1) == SLOT
    assert board.cap(LINK) == almighty(CODE + 4 if clause in CALLS else 3)


def test_load_and_branch_opens_its_sentry_in_c29() -> None:
    board = Board()
    board.store(MEMORY + 0x110, OTHER)
    board.set(29, sealed(SLOT, LB))
    board.step("BR_CI_C", Cn=29, imm7=1)
    assert board.cap(29) == SLOT
    assert board.cap(PCC) == OTHER
    [crossing] = board.crossings()
    assert crossing.kind is CrossingKind.SENTRY
    board.set(1, sealed(SLOT, LB))
    board.set(PCC, almighty(CODE))
    assert board.fault("BR_CI_C", Cn=1, imm7=1) is FaultKind.CAP_SEALED


@pytest.mark.parametrize("clause", ["LDPBR_C_C_C", "BR_CI_C"])
def test_what_loads_a_target_needs_load_and_load_cap(clause: str) -> None:
    board = Board()
    for address in (0x100, 0x110):
        board.store(MEMORY + address, HERE)
    board.set(1, SLOT.clear_perms(LOAD))
    assert board.fault(clause, Cn=1) is FaultKind.CAP_PERMISSION
    board.set(1, SLOT.clear_perms(LOAD_CAP | GLOBAL))
    board.step(clause, Cn=1)
    assert board.fetch_fault() is FaultKind.CAP_TAG


def test_the_stack_pointer_must_be_aligned() -> None:
    board = Board()
    board.set(CSP, SLOT.set_value(MEMORY + 8))
    for clause in ("LDPBR_C_C_C", "LDPBLR_C_C_C", "BR_CI_C", "BLR_CI_C"):
        assert board.fault(clause, Cn=31) is FaultKind.SP_ALIGNMENT
