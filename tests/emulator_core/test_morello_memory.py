"""Morello loads and stores of capabilities: every addressing mode, both bases, every check."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from morello_board import (
    ALL_PERMS,
    CODE,
    CSP,
    DDC,
    DDCBO,
    EXECUTE,
    GLOBAL,
    LOAD,
    LOAD_CAP,
    MASK64,
    MEMORY,
    MEMORY_SIZE,
    MUTABLE_LOAD,
    PCC,
    STORE,
    STORE_CAP,
    STORE_LOCAL,
    Board,
    almighty,
    bounded,
    sealed,
    word,
)

from emulator_core._core import Access, Capability, FaultKind, Prot

AT = MEMORY + 0x200
DATA_PERMS = ALL_PERMS & ~EXECUTE
WHOLE = bounded(MEMORY, MEMORY_SIZE, AT, DATA_PERMS)
VALUE = bounded(MEMORY, 0x40, MEMORY + 0x10)
SECOND = sealed(bounded(MEMORY, 0x80), 0x123)


@dataclass(frozen=True)
class Form:
    """A clause, its fields, where it accesses relative to the base, and how the base changes."""

    clause: str
    fields: dict[str, int] = field(default_factory=dict)
    offset: int = 0
    write_back: int = 0
    alternate: bool = False
    x2: int = 0

    def __str__(self) -> str:
        return self.clause


def both(name: str, fields: dict[str, int], offset: int = 0, write_back: int = 0, x2: int = 0) -> list[Form]:
    return [Form(prefix + name, fields, offset, write_back, x2=x2) for prefix in ("LD", "ST")]


SINGLE = [
    *both("R_C_RUIB_C", {"imm12": 3}, 0x30),
    *both("UR_C_RI_C", {"imm9": -16}, -16),
    *both("TR_C_RIB_C", {"imm9": -2}, -32),
    *both("R_C_RIAW_C", {"imm9": 2}, 0, 32),
    *both("R_C_RIBW_C", {"imm9": -3}, -48, -48),
    *both("R_C_RRB_C", {"Rm": 2, "sign": 0, "sz": 1, "S": 1}, 0x20, x2=2),  # LSL #4
    *both("R_C_RRB_C", {"Rm": 2, "sign": 1, "sz": 0}, -16, x2=0xDEAD_FFFF_FFF0),  # SXTW
    *both("R_C_RRB_C", {"Rm": 2, "sign": 0, "sz": 0}, 16, x2=0xFFFF_FFFF_0000_0010),  # UXTW
    Form("LDAR_C_R_C"),
    Form("LDAPR_C_R_C"),
    Form("STLR_C_R_C"),
    Form("LDXR_C_R_C"),
    Form("LDAXR_C_R_C"),
]
ALTERNATE = [
    Form("ALDR_C_RUI_C", {"imm9": 3}, 0x30, alternate=True),
    Form("ASTR_C_RUI_C", {"imm9": 3}, 0x30, alternate=True),
    Form("ALDUR_C_RI_C", {"imm9": -16}, -16, alternate=True),
    Form("ASTUR_C_RI_C", {"imm9": -16}, -16, alternate=True),
    Form("ALDR_C_RRB_C", {"Rm": 2, "sz": 1, "S": 1}, 0x20, alternate=True, x2=2),
    Form("ASTR_C_RRB_C", {"Rm": 2, "sz": 1, "S": 1}, 0x20, alternate=True, x2=2),
    Form("ALDAR_C_R_C", alternate=True),
    Form("ASTLR_C_R_C", alternate=True),
]
PAIRS = [
    *both("P_C_RIB_C", {"imm7": 2}, 0x20),
    *both("NP_C_RIB_C", {"imm7": -2}, -0x20),
    *both("P_C_RIBW_C", {"imm7": -1}, -16, -16),
    *both("P_CC_RIAW_C", {"imm7": 4}, 0, 64),
]
LOADS = [form for form in SINGLE + ALTERNATE if "LD" in form.clause]
STORES = [form for form in SINGLE + ALTERNATE if "ST" in form.clause]
bases = pytest.mark.parametrize("c64", [False, True], ids=["a64", "c64"])


def through_cap(form: Form, c64: bool) -> bool:
    """Is the base a capability, and not an address under DDC?"""
    return c64 != form.alternate


def prepare(form: Form, c64: bool, authority: Capability = WHOLE, base: int = 1) -> Board:
    """C1, or X1 under DDC, addresses AT."""
    board = Board(c64=c64)
    if through_cap(form, c64):
        board.set(base, authority)
        board.set(DDC, Capability.null())
    else:
        board.set(DDC, authority)
        board[base] = authority.value
    board[2] = form.x2
    return board


@bases
@pytest.mark.parametrize("form", LOADS, ids=str)
def test_load(form: Form, c64: bool) -> None:
    board = prepare(form, c64)
    board.store(AT + form.offset, VALUE)
    board.step(form.clause, Rn=1, Ct=3, **form.fields)
    assert board.cap(3) == VALUE
    expected = WHOLE.add(form.write_back & MASK64) if through_cap(form, c64) else Capability(AT + form.write_back)
    assert board.cap(1) == expected


@bases
@pytest.mark.parametrize("form", STORES, ids=str)
def test_store(form: Form, c64: bool) -> None:
    board = prepare(form, c64)
    board.set(3, VALUE)
    board.step(form.clause, Rn=1, Ct=3, **form.fields)
    assert board.load(AT + form.offset) == VALUE
    expected = WHOLE.add(form.write_back & MASK64) if through_cap(form, c64) else Capability(AT + form.write_back)
    assert board.cap(1) == expected


@bases
@pytest.mark.parametrize("form", PAIRS, ids=str)
def test_pairs(form: Form, c64: bool) -> None:
    board = prepare(form, c64)
    first, second = AT + form.offset, AT + form.offset + 16
    if form.clause.startswith("LD"):
        board.store(first, VALUE)
        board.store(second, SECOND)
        board.step(form.clause, Rn=1, Ct=3, Ct2=4, **form.fields)
        assert (board.cap(3), board.cap(4)) == (VALUE, SECOND)
    else:
        board.set(3, VALUE)
        board.set(4, SECOND)
        board.step(form.clause, Rn=1, Ct=3, Ct2=4, **form.fields)
        assert (board.load(first), board.load(second)) == (VALUE, SECOND)
    expected = WHOLE.add(form.write_back & MASK64) if c64 else Capability(AT + form.write_back)
    assert board.cap(1) == expected


@bases
def test_ddc_base_offset_makes_addresses_relative(c64: bool) -> None:
    form = Form("LDR_C_RUIB_C", alternate=c64)
    board = Board(c64=c64, cctlr=DDCBO)
    board.set(DDC, WHOLE)
    board[1] = 0x40
    board.store(MEMORY + 0x40, VALUE)
    board.step("ALDR_C_RUI_C" if c64 else form.clause, Rn=1, Ct=3)
    assert board.cap(3) == VALUE


def test_csp_is_base_31() -> None:
    for c64 in (False, True):
        board = Board(c64=c64)
        board.set(CSP, WHOLE)
        board.store(AT + 16, VALUE)
        board.step("LDR_C_RUIB_C", Rn=31, Ct=3, imm12=1)
        assert board.cap(3) == VALUE
        board.step("ALDR_C_RUI_C", Rn=31, Ct=4, imm9=1)
        assert board.cap(4) == VALUE


@bases
@pytest.mark.parametrize("form", SINGLE[:2] + ALTERNATE[:2], ids=str)
def test_the_stack_pointer_must_be_aligned(form: Form, c64: bool) -> None:
    board = prepare(form, c64, WHOLE.set_value(AT + 8), base=CSP)
    assert board.fault(form.clause, Rn=31, Ct=3) is FaultKind.SP_ALIGNMENT


# ---- the checks, in their order ----


@bases
@pytest.mark.parametrize("form", LOADS + STORES, ids=str)
def test_what_is_wrong_with_the_authority(form: Form, c64: bool) -> None:
    load = form in LOADS
    for authority, kind in [
        (WHOLE.with_tag(False), FaultKind.CAP_TAG),
        (sealed(WHOLE, 5), FaultKind.CAP_SEALED),
        (WHOLE.clear_perms(LOAD if load else STORE), FaultKind.CAP_PERMISSION),
        (bounded(AT + 0x1000, 0x10, AT, DATA_PERMS), FaultKind.CAP_BOUNDS),
        (sealed(WHOLE, 5).with_tag(False), FaultKind.CAP_TAG),
        (sealed(WHOLE.clear_perms(LOAD | STORE), 5), FaultKind.CAP_SEALED),
    ]:
        board = prepare(form, c64, authority)
        board.set(3, VALUE)
        assert board.fault(form.clause, Rn=1, Ct=3, **form.fields) is kind


def test_a_fault_says_what_was_checked() -> None:
    board = Board(c64=True)
    small = bounded(MEMORY, 0x20, MEMORY, DATA_PERMS)
    board.set(1, small)
    stop = board.run(word("LDR_C_RUIB_C", imm12=2, Rn=1, Ct=3))
    fault = stop.fault
    assert fault and fault.kind is FaultKind.CAP_BOUNDS
    assert (fault.reg, fault.cap, fault.address, fault.size) == (1, small.bits, MEMORY + 0x20, 16)
    assert fault.access in (Access.READ, Access.READ_CAP)
    assert fault.needed == LOAD
    board.set(1, small.clear_perms(STORE_LOCAL))
    board.set(3, VALUE.clear_perms(GLOBAL))
    fault = board.run(word("STR_C_RUIB_C", imm12=0, Rn=1, Ct=3)).fault
    assert fault and fault.kind is FaultKind.CAP_PERMISSION
    assert fault.needed == STORE | STORE_CAP | STORE_LOCAL
    assert fault.access in (Access.WRITE, Access.WRITE_CAP)


def test_a_fault_under_ddc_names_ddc() -> None:
    board = Board()
    board.set(DDC, WHOLE.clear_perms(LOAD))
    board[1] = AT
    fault = board.run(word("LDR_C_RUIB_C", Rn=1, Ct=3)).fault
    assert fault and (fault.kind, fault.reg) == (FaultKind.CAP_PERMISSION, DDC)


@pytest.mark.parametrize("form", STORES, ids=str)
def test_what_a_store_needs_depends_on_the_value(form: Form) -> None:
    no_cap, no_local = WHOLE.clear_perms(STORE_CAP | STORE_LOCAL), WHOLE.clear_perms(STORE_LOCAL)
    local = VALUE.clear_perms(GLOBAL)
    for authority, value, allowed in [
        (no_cap, VALUE, False),
        (no_cap, VALUE.with_tag(False), True),
        (no_local, VALUE, True),
        (no_local, local, False),
        (no_local, local.with_tag(False), True),
    ]:
        board = prepare(form, True, authority)
        board.set(3, value)
        if not allowed:
            if through_cap(form, True):
                assert board.fault(form.clause, Rn=1, Ct=3, **form.fields) is FaultKind.CAP_PERMISSION
            continue
        board.step(form.clause, Rn=1, Ct=3, **form.fields)
        assert board.load(AT + form.offset) == value


@pytest.mark.parametrize("form", LOADS, ids=str)
def test_what_a_load_delivers_depends_on_the_authority(form: Form) -> None:
    immutable = VALUE.clear_perms(STORE | STORE_CAP | STORE_LOCAL | MUTABLE_LOAD)
    for cleared, stored, loaded in [
        (LOAD_CAP, VALUE, VALUE.with_tag(False)),
        (MUTABLE_LOAD, VALUE, immutable),
        (MUTABLE_LOAD, sealed(VALUE, 5), sealed(VALUE, 5)),
        (MUTABLE_LOAD, VALUE.with_tag(False), VALUE.with_tag(False)),
    ]:
        board = prepare(form, True, WHOLE.clear_perms(cleared))
        board.store(AT + form.offset, stored)
        board.step(form.clause, Rn=1, Ct=3, **form.fields)
        assert board.cap(3) == loaded


@bases
@pytest.mark.parametrize("form", SINGLE + ALTERNATE + PAIRS, ids=str)
def test_alignment_is_checked_after_the_capability(form: Form, c64: bool) -> None:
    fields = form.fields | ({"Ct2": 4} if form in PAIRS else {})
    board = prepare(form, c64, WHOLE.set_value(AT + 4))
    assert board.fault(form.clause, Rn=1, Ct=3, **fields) is FaultKind.ALIGNMENT
    board = prepare(form, c64, WHOLE.set_value(AT + 4).with_tag(False))
    assert board.fault(form.clause, Rn=1, Ct=3, **fields) is FaultKind.CAP_TAG


@bases
@pytest.mark.parametrize("form", SINGLE + ALTERNATE + PAIRS, ids=str)
def test_pages(form: Form, c64: bool) -> None:
    fields = form.fields | ({"Ct2": 4} if form in PAIRS else {})
    board = prepare(form, c64)
    board.machine.protect(MEMORY, MEMORY_SIZE, Prot(0))
    assert board.fault(form.clause, Rn=1, Ct=3, **fields) is FaultKind.PAGE_PERMISSION
    board.machine.unmap(MEMORY, MEMORY_SIZE)
    assert board.fault(form.clause, Rn=1, Ct=3, **fields) is FaultKind.UNMAPPED


def test_the_first_half_of_a_pair_is_stored_when_the_second_faults() -> None:
    board = prepare(Form("STP_C_RIB_C"), True, bounded(AT, 16, AT, DATA_PERMS))
    board.set(3, VALUE)
    assert board.fault("STP_C_RIB_C", Rn=1, Ct=3, Ct2=4) is FaultKind.CAP_BOUNDS
    assert board.load(AT) == VALUE


def test_a_pair_is_loaded_under_one_check() -> None:
    board = prepare(Form("LDP_C_RIB_C"), True, bounded(AT, 16, AT, DATA_PERMS))
    fault = board.run(word("LDP_C_RIB_C", Rn=1, Ct=3, Ct2=4)).fault
    assert fault and (fault.kind, fault.address, fault.size) == (FaultKind.CAP_BOUNDS, AT, 32)


# ---- overlaps ----


@bases
@pytest.mark.parametrize("clause", ["LDR_C_RIAW_C", "LDR_C_RIBW_C"])
def test_a_load_into_its_base_is_not_written_back(clause: str, c64: bool) -> None:
    form = Form(clause, {"imm9": 1})
    board = prepare(form, c64)
    board.store(AT if clause == "LDR_C_RIAW_C" else AT + 16, VALUE)
    board.step(clause, Rn=1, Ct=1, **form.fields)
    assert board.cap(1) == VALUE


@pytest.mark.parametrize("clause", ["LDP_C_RIBW_C", "LDP_CC_RIAW_C"])
def test_a_pair_into_its_base_is_not_written_back(clause: str) -> None:
    for t, t2 in [(1, 4), (4, 1)]:
        board = prepare(Form(clause), True)
        board.store(AT, VALUE)
        board.store(AT + 16, SECOND)
        board.step(clause, Rn=1, Ct=t, Ct2=t2)
        assert (board.cap(t), board.cap(t2)) == (VALUE, SECOND)


@pytest.mark.parametrize("clause", ["STR_C_RIAW_C", "STR_C_RIBW_C"])
def test_a_store_of_its_base_stores_the_old_value(clause: str) -> None:
    board = prepare(Form(clause), True)
    board.step(clause, Rn=1, Ct=1, imm9=1)
    assert board.load(AT if clause == "STR_C_RIAW_C" else AT + 16) == WHOLE
    assert board.cap(1) == WHOLE.add(16)


@pytest.mark.parametrize("clause", [form.clause for form in PAIRS if "LD" in form.clause])
def test_a_pair_load_of_one_register_is_undefined(clause: str) -> None:
    assert prepare(Form(clause), True).fault(clause, Rn=1, Ct=3, Ct2=3) is FaultKind.UNDEFINED


def test_a_register_loaded_into_31_goes_nowhere() -> None:
    board = prepare(Form("LDR_C_RUIB_C"), True)
    board.set(CSP, WHOLE)
    board.step("LDR_C_RUIB_C", Rn=1, Ct=31)
    assert board.cap(CSP) == WHOLE
    board.set(4, VALUE)
    board.step("STR_C_RUIB_C", Rn=1, Ct=31)
    assert board.load(AT) == Capability.null()


# ---- relative to PCC ----


@bases
def test_literals_are_aligned_down(c64: bool) -> None:
    board = Board(c64=c64)
    board.store(CODE + 0x20, VALUE)
    board.step("LDR_C_I_C", imm17=2, Ct=3)
    assert board.cap(3) == VALUE
    board.set(PCC, almighty(CODE))
    board.machine.write(CODE + 4, word("LDR_C_I_C", imm17=2, Ct=4).to_bytes(4, "little"))
    board.set(PCC, almighty(CODE + 4))
    board.machine.run(board.thread, 1)
    assert board.cap(4) == VALUE


def test_literals_are_checked_against_pcc() -> None:
    board = Board()
    board.set(PCC, almighty(CODE).clear_perms(LOAD))
    stop = board.run(word("LDR_C_I_C", imm17=2, Ct=3))
    assert stop.fault and (stop.fault.kind, stop.fault.reg) == (FaultKind.CAP_PERMISSION, PCC)


# ---- tags travel with the bytes ----


@given(st.integers(0, (1 << 129) - 1), st.integers(0, 15))
@settings(deadline=None, max_examples=60)
def test_any_129_bits_survive_memory(bits: int, slot: int) -> None:
    board = prepare(Form("STR_C_RUIB_C"), True)
    board[3] = bits
    board.step("STR_C_RUIB_C", Rn=1, Ct=3, imm12=slot)
    board.set(PCC, almighty(CODE))
    board.step("LDR_C_RUIB_C", Rn=1, Ct=4, imm12=slot)
    assert board[4] == bits
