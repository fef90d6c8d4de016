"""System registers, PSTATE, cache maintenance and traps as EL0 and bare metal meet them."""

import pytest
from a64_board import DC_CIVAC, DC_ZVA, TLBI_VMALLE1, VECTORS, Metal, a64, mrs, msr, sys
from morello_board import (
    CODE,
    CSP,
    DDC,
    EXECUTIVE,
    LOAD,
    MEMORY,
    NZCV,
    PCC,
    STORE,
    SYSTEM,
    Board,
    almighty,
    bounded,
)

from emulator_core._core import HOSTCALL_HLT, FaultKind, Machine, Prot, StopKind

PERMVCT = 1 << 6


def _without(perms: int) -> Board:
    board = Board()
    board.set(PCC, almighty(CODE).clear_perms(perms))
    return board


def _kind(board: Board, word: int) -> FaultKind:
    fault = board.run(word).fault
    assert fault is not None
    return fault.kind


# ---- registers --------------------------------------------------------------------------------------------


def test_fpcr_has_no_trap_enables() -> None:
    """Exceptions do not trap: their enables, Len and Stride read as zero and ignore writes."""
    board = Board()
    board[0] = 0xFFFF_FFFF_FFFF_FFFF
    board.run(msr("FPCR"))
    board.set(PCC, almighty(CODE))
    board.run(mrs("FPCR", rt=1))
    assert board[1] == 1 << 26 | 1 << 25 | 1 << 24 | 3 << 22 | 1 << 19


@pytest.mark.parametrize("name", ["TPIDR_EL0", "FPSR"])
def test_write_and_read(name: str) -> None:
    board = Board()
    board[0] = 0x0800_0000
    for instruction in (msr(name), mrs(name, rt=1)):
        assert board.run(instruction).kind is StopKind.BUDGET
        board.set(PCC, almighty(CODE))
    assert board[1] == 0x0800_0000


def test_nzcv() -> None:
    board = Board()
    board[0] = 0xFFFF_FFFF_A000_0001
    board.run(msr("NZCV"))
    assert board[NZCV] == 0xA000_0000
    board.set(PCC, almighty(CODE))
    board.run(mrs("NZCV", rt=1))
    assert board[1] == 0xA000_0000


def test_the_restricted_thread_register_is_another() -> None:
    board = _without(EXECUTIVE)
    board[0] = 0x1234
    board.run(msr("TPIDR_EL0"))
    assert (board[34], board[37]) == (0, 0x1234)


def test_writing_a_word_to_a_capability_register_clears_it() -> None:
    board = Board()
    board.set(34, almighty(77))
    board[0] = 5
    board.run(msr("TPIDR_EL0"))
    assert board[34] == 5


def test_the_counter_is_the_tick() -> None:
    board = Board()
    board.machine.ticks = 1000
    board.run(mrs("CNTVCT_EL0"))
    assert board[0] == 1000


def test_the_counter_needs_system_or_permvct() -> None:
    board = _without(SYSTEM)
    assert _kind(board, mrs("CNTVCT_EL0")) is FaultKind.SYSTEM_ACCESS
    permitted = Board(cctlr=PERMVCT)
    permitted.set(PCC, almighty(CODE).clear_perms(SYSTEM))
    assert permitted.run(mrs("CNTVCT_EL0")).kind is StopKind.BUDGET


def test_dczid_and_ctr_are_readable() -> None:
    board = Board()
    board.run(mrs("DCZID_EL0"))
    board.set(PCC, almighty(CODE))
    board.run(mrs("CTR_EL0", rt=1))
    assert (board[0], 4 << (board[1] >> 16 & 15)) == (4, 64)


@pytest.mark.parametrize("name", ["SCTLR_EL1", "CurrentEL", "MIDR_EL1", "SP_EL0", "VBAR_EL3", "HCR_EL2", "SCTLR_EL12"])
def test_el0_does_not_see(name: str) -> None:
    assert _kind(Board(), mrs(name)) is FaultKind.UNDEFINED


def test_what_el0_may_only_read() -> None:
    assert _kind(Board(), msr("TPIDRRO_EL0")) is FaultKind.UNDEFINED


def test_a_trap_has_the_syndrome_of_its_instruction() -> None:
    fault = Board().run(mrs("DAIF", rt=7)).fault
    assert fault is not None and fault.kind is FaultKind.SYSTEM_ACCESS
    op0, op1, crn, crm, op2 = 3, 3, 4, 2, 1
    iss = op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | 7 << 5 | crm << 1 | 1
    assert fault.esr == 0x18 << 26 | 1 << 25 | iss


def test_cctlr_needs_system() -> None:
    fault = _without(SYSTEM).run(mrs("CCTLR_EL0")).fault
    assert fault is not None
    assert (fault.kind, fault.reg, fault.needed) == (FaultKind.SYSTEM_ACCESS, PCC, SYSTEM)


def test_unallocated_registers_are_undefined() -> None:
    assert _kind(Board(), a64("mrs", Rt=0, o0=1, op1=3, CRn=15, CRm=7, op2=7)) is FaultKind.UNDEFINED


# ---- bare metal -------------------------------------------------------------------------------------------


def test_bare_metal_begins_at_el3() -> None:
    board = Metal()
    board.run(mrs("CurrentEL"))
    assert board[0] == 3 << 2


def test_stack_pointers_are_banked() -> None:
    board = Metal()
    board[CSP] = 0x3000
    board[0] = 0x1000
    assert board.run(msr("SP_EL0")).kind is StopKind.BUDGET
    board.set(PCC, almighty(CODE))
    board.run(a64("msr_imm", op1=0, op2=5, CRm=0))
    assert board[CSP] == 0x1000
    board.set(PCC, almighty(CODE))
    board.run(a64("msr_imm", op1=0, op2=5, CRm=1))
    assert board[CSP] == 0x3000


def test_the_stack_pointer_in_use_has_no_name() -> None:
    board = Metal()
    board.run(a64("msr_imm", op1=0, op2=5, CRm=0))
    board.set(PCC, almighty(CODE))
    board.run(mrs("SP_EL0"))
    assert board.cap(PCC).value == VECTORS + 4


@pytest.mark.parametrize(("op2", "before", "after"), [(6, 0, 0xA), (7, 0xF, 0x5)])
def test_daif(op2: int, before: int, after: int) -> None:
    board = Metal()
    board[41] = board[41] & ~(0xF << 6) | before << 6
    board.run(a64("msr_imm", op1=3, op2=op2, CRm=0xA))
    assert board[41] >> 6 & 0xF == after


def test_32_bit_registers_keep_32_bits() -> None:
    board = Metal()
    board[0] = 0xFFFF_FFFF_0000_0300
    board.run(a64("msr_reg", o0=1, op1=0, CRn=1, CRm=0, op2=2, Rt=0))
    assert board.sysreg("CPACR_EL1") == 0x300


# ---- maintenance ------------------------------------------------------------------------------------------


def test_zeroing_clears_a_line_and_its_tags() -> None:
    board = Board()
    board.machine.write(MEMORY, b"\xff" * 192)
    for offset in range(0, 192, 16):
        board.machine.write_capability(MEMORY + offset, 5, True)
    board[3] = MEMORY + 100
    assert board.run(sys(*DC_ZVA, rt=3)).kind is StopKind.BUDGET
    assert board.machine.read(MEMORY + 64, 64) == bytes(64)
    assert board.machine.read_tags(MEMORY, 192) == b"\1" * 4 + bytes(4) + b"\1" * 4


def test_zeroing_needs_the_whole_line() -> None:
    board = Board()
    board.set(DDC, bounded(MEMORY, 48))
    board[3] = MEMORY + 20
    fault = board.run(sys(*DC_ZVA, rt=3)).fault
    assert fault is not None
    assert (fault.kind, fault.address, fault.needed) == (FaultKind.CAP_BOUNDS, MEMORY + 20, STORE)


def test_cleaning_needs_load() -> None:
    board = Board()
    board.set(DDC, bounded(MEMORY, 4096, perms=STORE))
    board[3] = MEMORY
    fault = board.run(sys(*DC_CIVAC, rt=3)).fault
    assert fault is not None
    assert (fault.kind, fault.needed) == (FaultKind.CAP_PERMISSION, LOAD)
    assert fault.esr & 0x140 == 0x140


def test_zeroing_in_c64_is_by_the_register() -> None:
    board = Board(c64=True)
    board.machine.write(MEMORY, b"\xff" * 64)
    board.set(DDC, bounded(0, 16))
    board.set(3, bounded(MEMORY, 64))
    assert board.run(sys(*DC_ZVA, rt=3)).kind is StopKind.BUDGET
    assert board.machine.read(MEMORY, 64) == bytes(64)


def test_el0_may_not_touch_the_tlb() -> None:
    assert _kind(Board(), sys(*TLBI_VMALLE1)) is FaultKind.UNDEFINED


# ---- address translation ----------------------------------------------------------------------------------

AT_S1E1R, AT_S1E1W, AT_S1E0R = (0, 7, 8, 0), (0, 7, 8, 1), (0, 7, 8, 2)
GIB, OFFSET = 1 << 30, 0x1234
BLOCK, ACCESSED, INNER_SHAREABLE, EL0_TOO, READ_ONLY = 1, 1 << 10, 3 << 8, 1 << 6, 1 << 7
RES1, WRITE_BACK = 1 << 11, 0xFF


def _translating(descriptor: int) -> Metal:
    """EL1&0's stage 1 is on: 39-bit addresses, 4 KiB granule, one descriptor of a 1 GiB block."""
    board = Metal()
    board.machine.write(MEMORY, descriptor.to_bytes(8, "little"))
    for name, value in {"TTBR0_EL1": MEMORY, "TCR_EL1": 25, "MAIR_EL1": WRITE_BACK, "SCTLR_EL1": 0x30D50839}.items():
        board.sysreg(name, value)
    board[3] = OFFSET
    return board


def _par(board: Metal, at: tuple[int, int, int, int]) -> int:
    assert board.run(sys(*at, rt=3)).kind is StopKind.BUDGET
    return board.sysreg("PAR_EL1")


def test_translation_off_is_flat() -> None:
    board = Metal()
    board[3] = 0x5432_1234
    assert _par(board, AT_S1E1R) == 0x5432_1000 | RES1 | 2 << 7


def test_translation_of_a_block() -> None:
    board = _translating(GIB | BLOCK | ACCESSED | INNER_SHAREABLE)
    assert _par(board, AT_S1E1R) == WRITE_BACK << 56 | GIB | 0x1000 | RES1 | 3 << 7


@pytest.mark.parametrize(
    ("attributes", "at", "status"),
    [
        (ACCESSED, AT_S1E0R, 0x0D),
        (ACCESSED | READ_ONLY, AT_S1E1W, 0x0D),
        (0, AT_S1E1R, 0x09),
        (-1, AT_S1E1R, 0x05),
    ],
    ids=["EL0", "read-only", "access flag", "no descriptor"],
)
def test_why_there_is_no_translation(attributes: int, at: tuple[int, int, int, int], status: int) -> None:
    board = _translating(0 if attributes < 0 else GIB | BLOCK | attributes)
    assert _par(board, at) == RES1 | status << 1 | 1


def test_el0_has_the_block_that_it_may_read() -> None:
    board = _translating(GIB | BLOCK | ACCESSED | EL0_TOO)
    assert _par(board, AT_S1E0R) & 1 == 0


# ---- traps and hints --------------------------------------------------------------------------------------


def test_svc_retires_and_stops() -> None:
    board = Board()
    stop = board.run(a64("svc", imm16=77))
    assert (stop.kind, stop.value, stop.pc, stop.tick) == (StopKind.SYSCALL, 77, CODE + 4, 1)


def test_one_hlt_is_the_hostcall() -> None:
    stop = Board().run(a64("hlt", imm16=HOSTCALL_HLT))
    assert (stop.kind, stop.pc, stop.tick) == (StopKind.HOSTCALL, CODE + 4, 1)
    assert _kind(Board(), a64("hlt", imm16=1)) is FaultKind.UNDEFINED


def test_brk_does_not_retire() -> None:
    stop = Board().run(a64("brk", imm16=9))
    assert stop.fault is not None
    assert (stop.fault.kind, stop.fault.immediate, stop.pc, stop.tick) == (FaultKind.BRK, 9, CODE, 0)


@pytest.mark.parametrize("name", ["hvc", "smc", "dcps1", "dcps2", "dcps3", "eret", "drps", "ereta", "sysl"])
def test_undefined_at_el0(name: str) -> None:
    assert _kind(Board(), a64(name)) is FaultKind.UNDEFINED


@pytest.mark.parametrize(
    "word", [a64("dmb", CRm=11), a64("dsb", CRm=15), a64("isb", CRm=15), a64("hint"), a64("hint", CRm=0, op2=3)]
)
def test_barriers_and_hints_retire(word: int) -> None:
    stop = Board().run(word)
    assert (stop.kind, stop.pc) == (StopKind.BUDGET, CODE + 4)


def test_bare_metal_waits_for_ever() -> None:
    assert Metal().run(a64("hint", op2=3)).kind is StopKind.HALT


# ---- identity ---------------------------------------------------------------------------------------------

MRS_ISAR0 = 0xD5380600  # x0
FEATURES = {
    "aes": (4, 1, 0x4E284800),
    "pmull": (4, 2, 0x0EE0E000),
    "sha1h": (8, 1, 0x5E280800),
    "sha256su0": (12, 1, 0x5E282800),
    "sha512h": (12, 2, 0xCE608020),
    "crc32b": (16, 1, 0x1AC04000),
    "ldadd": (20, 2, 0xB8200040),
    "sqrdmlah": (28, 1, 0x2E808400),
    "eor3": (32, 1, 0xCE000000),
    "sm3ss1": (36, 1, 0xCE400000),
    "sm4e": (40, 1, 0xCEC08400),
    "sdot": (44, 1, 0x0E809400),
}
"""By mnemonic: field of ID_AA64ISAR0_EL1, its least value, an encoding."""


@pytest.mark.parametrize("mnemonic", FEATURES)
def test_identification_agrees_with_what_executes(mnemonic: str) -> None:
    lsb, least, word = FEATURES[mnemonic]
    machine = Machine()
    machine.map(0x10000, 0x1000, Prot.R | Prot.W | Prot.X)
    thread = machine.add_thread("system")
    machine.write(0x10000, MRS_ISAR0.to_bytes(4, "little") + word.to_bytes(4, "little"))
    machine.set(thread, PCC, almighty(0x10000).bits)
    machine.set(thread, 2, 0x10800)
    assert machine.run(thread, 1).kind is StopKind.BUDGET
    assert machine.get(thread, 0) >> lsb & 15 >= least
    assert machine.run(thread, 1).kind is StopKind.BUDGET
    assert machine.get(thread, PCC) & 0xFFFF == 8
