"""Morello atomics: swap, compare and swap, exclusives; and the tags of four granules at once."""

import pytest
from morello_board import (
    ALL_PERMS,
    CODE,
    DDC,
    EXECUTE,
    GLOBAL,
    LOAD,
    LOAD_CAP,
    MEMORY,
    MEMORY_SIZE,
    PCC,
    STORE,
    STORE_CAP,
    STORE_LOCAL,
    SYSTEM,
    Board,
    almighty,
    bare,
    bounded,
    sealed,
)

from emulator_core._core import Capability, FaultKind, Prot

AT = MEMORY + 0x200
WHOLE = bounded(MEMORY, MEMORY_SIZE, AT, ALL_PERMS & ~EXECUTE)
OLD = bounded(MEMORY, 0x40)
NEW = sealed(bounded(MEMORY, 0x80), 0x123)
LOCAL = OLD.clear_perms(GLOBAL)

SWAPS = ["SWP_CC_R_C", "SWPA_CC_R_C", "SWPAL_CC_R_C", "SWPL_CC_R_C"]
COMPARES = ["CAS_C_R_C", "CASA_C_R_C", "CASAL_C_R_C", "CASL_C_R_C"]
STORE_SINGLE = ["STXR_R_CR_C", "STLXR_R_CR_C"]
STORE_PAIR = ["STXP_R_CR_C", "STLXP_R_CR_C"]


def board_at(authority: Capability = WHOLE, c64: bool = True, at_el3: bool = False) -> Board:
    board = bare(c64) if at_el3 else Board(c64)
    if c64:
        board.set(1, authority)
    else:
        board.set(DDC, authority)
        board[1] = authority.value
    return board


bases = pytest.mark.parametrize("c64", [False, True], ids=["a64", "c64"])


@bases
@pytest.mark.parametrize("clause", SWAPS)
def test_swap(clause: str, c64: bool) -> None:
    board = board_at(c64=c64)
    board.store(AT, OLD)
    board.set(3, NEW)
    board.step(clause, Cs=3, Rn=1, Ct=4)
    assert (board.cap(4), board.load(AT)) == (OLD, NEW)
    board.set(PCC, almighty(CODE))
    board.step(clause, Cs=4, Rn=1, Ct=4)  # one register for both
    assert (board.cap(4), board.load(AT)) == (NEW, OLD)


@bases
@pytest.mark.parametrize("clause", COMPARES)
def test_compare_and_swap(clause: str, c64: bool) -> None:
    for expected, stored in [(OLD, NEW), (OLD.with_tag(False), OLD), (NEW, OLD)]:
        board = board_at(c64=c64)
        board.store(AT, OLD)
        board.set(3, expected)
        board.set(4, NEW)
        board.step(clause, Cs=3, Rn=1, Ct=4)
        assert (board.cap(3), board.load(AT)) == (OLD, stored)


@pytest.mark.parametrize("clause", COMPARES)
def test_what_is_compared_is_what_the_load_may_see(clause: str) -> None:
    board = board_at(WHOLE.clear_perms(LOAD_CAP))
    board.store(AT, OLD)
    board.set(3, OLD.with_tag(False))
    board.set(4, NEW)
    board.step(clause, Cs=3, Rn=1, Ct=4)
    assert (board.cap(3), board.load(AT)) == (OLD.with_tag(False), NEW)


@pytest.mark.parametrize("clause", SWAPS + COMPARES)
def test_both_directions_are_checked_before_either_happens(clause: str) -> None:
    fields = {"Cs": 3, "Rn": 1, "Ct": 4}
    stored = 3 if clause in SWAPS else 4
    for cleared, value in [(LOAD, OLD), (STORE, OLD.with_tag(False)), (STORE_CAP, OLD), (STORE_LOCAL, LOCAL)]:
        board = board_at(WHOLE.clear_perms(cleared))
        board.store(AT, NEW)
        board.set(stored, value)
        assert board.fault(clause, **fields) is FaultKind.CAP_PERMISSION
        assert board.load(AT) == NEW
    board = board_at(WHOLE.set_value(AT + 8).clear_perms(STORE))
    assert board.fault(clause, **fields) is FaultKind.CAP_PERMISSION  # before alignment
    assert board_at(WHOLE.set_value(AT + 8)).fault(clause, **fields) is FaultKind.ALIGNMENT
    board = board_at()
    board.machine.protect(MEMORY, MEMORY_SIZE, Prot.R)
    assert board.fault(clause, **fields) is FaultKind.PAGE_PERMISSION


# ---- exclusives ----


def step_at_start(board: Board, clause: str, **fields: int) -> None:
    board.set(PCC, almighty(CODE))
    board.step(clause, **fields)


@bases
@pytest.mark.parametrize("load", ["LDXR_C_R_C", "LDAXR_C_R_C"])
@pytest.mark.parametrize("store", STORE_SINGLE)
def test_an_exclusive_store_after_its_load(load: str, store: str, c64: bool) -> None:
    board = board_at(c64=c64)
    board.store(AT, OLD)
    board.set(3, NEW)
    step_at_start(board, load, Rn=1, Ct=4)
    step_at_start(board, store, Rs=5, Rn=1, Ct=3)
    assert (board.cap(4), board[5], board.load(AT)) == (OLD, 0, NEW)
    board[5] = 7
    step_at_start(board, store, Rs=5, Rn=1, Ct=4)  # the monitor is open now
    assert (board[5], board.load(AT)) == (1, NEW)


@bases
@pytest.mark.parametrize("load", ["LDXP_C_R_C", "LDAXP_C_R_C"])
@pytest.mark.parametrize("store", STORE_PAIR)
def test_an_exclusive_pair(load: str, store: str, c64: bool) -> None:
    board = board_at(c64=c64)
    board.store(AT, OLD)
    board.store(AT + 16, NEW)
    step_at_start(board, load, Rn=1, Ct=3, Ct2=4)
    assert (board.cap(3), board.cap(4)) == (OLD, NEW)
    step_at_start(board, store, Rs=5, Rn=1, Ct=4, Ct2=3)
    assert (board[5], board.load(AT), board.load(AT + 16)) == (0, NEW, OLD)
    step_at_start(board, store, Rs=5, Rn=1, Ct=3, Ct2=4)
    assert (board[5], board.load(AT)) == (1, NEW)


@pytest.mark.parametrize("store", STORE_SINGLE + STORE_PAIR)
def test_without_a_monitor_nothing_is_stored(store: str) -> None:
    board = board_at()
    board.store(AT, OLD)
    board.set(3, NEW)
    board.step(store, Rs=5, Rn=1, Ct=3)
    assert (board[5], board.load(AT)) == (1, OLD)


@pytest.mark.parametrize("store", STORE_SINGLE + STORE_PAIR)
def test_a_lost_monitor_excuses_no_fault(store: str) -> None:
    for authority, kind in [
        (WHOLE.with_tag(False), FaultKind.CAP_TAG),
        (WHOLE.clear_perms(STORE), FaultKind.CAP_PERMISSION),
        (WHOLE.set_value(AT + 8), FaultKind.ALIGNMENT),
    ]:
        assert board_at(authority).fault(store, Rs=5, Rn=1, Ct=3) is kind


@pytest.mark.parametrize("clause", ["LDXP_C_R_C", "LDAXP_C_R_C", *STORE_PAIR])
def test_pairs_are_aligned_to_the_pair(clause: str) -> None:
    fields = {"Ct": 3, "Ct2": 4} | ({"Rs": 5} if clause in STORE_PAIR else {})
    assert board_at(WHOLE.set_value(AT + 16)).fault(clause, Rn=1, **fields) is FaultKind.ALIGNMENT


@pytest.mark.parametrize("clause", ["LDXP_C_R_C", "LDAXP_C_R_C"])
def test_an_exclusive_pair_into_one_register_is_undefined(clause: str) -> None:
    assert board_at().fault(clause, Rn=1, Ct=3, Ct2=3) is FaultKind.UNDEFINED


# ---- tags ----


@bases
def test_load_tags(c64: bool) -> None:
    board = board_at(c64=c64)
    board.store(AT + 16, OLD)
    board.store(AT + 48, OLD)
    board.store(AT + 64, OLD)
    board.step("LDCT_R_R__", Rn=1, Rt=3)
    assert board[3] == 0b1010


def test_tags_cannot_be_seen_without_load_cap() -> None:
    board = board_at(WHOLE.clear_perms(LOAD_CAP))
    board.store(AT, OLD)
    board.step("LDCT_R_R__", Rn=1, Rt=3)
    assert board[3] == 0


def test_tags_are_loaded_for_64_aligned_bytes() -> None:
    assert board_at(WHOLE.set_value(AT + 16)).fault("LDCT_R_R__", Rn=1, Rt=3) is FaultKind.ALIGNMENT
    assert board_at(WHOLE.clear_perms(LOAD)).fault("LDCT_R_R__", Rn=1, Rt=3) is FaultKind.CAP_PERMISSION
    small = bounded(AT, 0x30)
    assert board_at(small).fault("LDCT_R_R__", Rn=1, Rt=3) is FaultKind.CAP_BOUNDS


def test_tags_cannot_be_stored_at_el0() -> None:
    assert board_at().fault("STCT_R_R__", Rn=1, Rt=3) is FaultKind.UNDEFINED


def test_store_tags() -> None:
    board = board_at(at_el3=True)
    for slot in range(4):
        board.store(AT + 16 * slot, OLD.with_tag(slot == 1))
    board[3] = 0b1001
    board.step("STCT_R_R__", Rn=1, Rt=3)
    assert [board.load(AT + 16 * slot) for slot in range(4)] == [
        OLD.with_tag(tag) for tag in (True, False, False, True)
    ]


def test_store_tags_without_system_clears_them() -> None:
    board = board_at(at_el3=True)
    board.store(AT, OLD)
    board[3] = 0b1111
    board.set(PCC, almighty(CODE).clear_perms(SYSTEM))
    board.step("STCT_R_R__", Rn=1, Rt=3)
    assert board.load(AT) == OLD.with_tag(False)
