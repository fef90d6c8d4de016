"""Every clause of the rows, one by one: it prints, it assembles to the word it came from, and it executes.

The rows name each clause of the specification's A64 and Morello decoders, and those that hold what its decoders share.
"""

from __future__ import annotations

import random

import pytest

from emulator_core._core import PAGE, Capability, Prot, StopKind
from emulator_core.assembler import assemble
from emulator_core.disassembler import MODES, disassemble
from emulator_core.isa.table import Encoding, load
from emulator_core.isa.template import Form
from tests.emulator_core.isa_words import fill, word_of
from tests.emulator_core.morello_board import (
    CODE,
    CSP,
    MASK64,
    MEMORY,
    MEMORY_SIZE,
    PCC,
    VECTORS,
    Board,
    almighty,
    bare,
)

CLAUSES = load().clauses[1:]
WORDS = 4
"""Words of a row, in each mode."""
MORE = 64
"""Words until one retires, where an address is made of what random registers hold."""
SCR_HCE = 1 << 8
"""SCR_EL3: HVC is open."""
NOT_THERE = "the extension is not in Morello's Armv8.2: undefined"
HALTED = "means something in debug state alone: undefined"
RAISES: dict[str, tuple[int, str]] = {
    "svc_aarch64_instrs_system_exceptions_runtime_svc": (0x15, "calls EL1"),
    "hvc_aarch64_instrs_system_exceptions_runtime_hvc": (0x16, "calls EL2"),
    "smc_aarch64_instrs_system_exceptions_runtime_smc": (0x17, "calls EL3"),
    "brk_aarch64_instrs_system_exceptions_debug_breakpoint": (0x3C, "is a breakpoint"),
    "hlt_aarch64_instrs_system_exceptions_debug_halt": (0, "halts where debug state is allowed, else undefined"),
    "dcps1_aarch64_instrs_system_exceptions_debug_exception": (0, HALTED),
    "dcps2_aarch64_instrs_system_exceptions_debug_exception": (0, HALTED),
    "dcps3_aarch64_instrs_system_exceptions_debug_exception": (0, HALTED),
    "drps_aarch64_instrs_branch_unconditional_dret": (0, HALTED),
    "ereta_aarch64_instrs_branch_unconditional_eret": (0, NOT_THERE),
    "bra_aarch64_instrs_branch_unconditional_register": (0, NOT_THERE),
    "blra_aarch64_instrs_branch_unconditional_register": (0, NOT_THERE),
    "reta_aarch64_instrs_branch_unconditional_register": (0, NOT_THERE),
    "fjcvtzs_aarch64_instrs_float_convert_int": (0, NOT_THERE),
    "sb_aarch64_instrs_system_barriers_sb": (0, NOT_THERE),
    "sysl_aarch64_instrs_system_sysops": (0, "no operation has a result: undefined"),
}
"""Clauses whose purpose is an exception, or that have none: its class at EL3 (ESR_EL3.EC), and why."""
NAMED = {
    "MRS_C_I_C": "mrs c3, ddc",
    "MSR_C_I_C": "msr ddc, c3",
    "mrs_aarch64_instrs_system_register_system": "mrs x3, fpcr",
    "msr_reg_aarch64_instrs_system_register_system": "msr fpcr, x3",
}
"""Clauses whose fields are a name, which random bits do not hit."""
DIVIDED = {"ADRP_C_I_C": {"ADRP_C_IP_C", "ADRDP_C_ID_C"}}
"""Clauses whose every word is of a narrower clause."""


def encodings(clause: str) -> list[Encoding]:
    return [encoding for encoding in load().encodings if encoding.clause == clause]


def words(clause: str, count: int) -> list[tuple[int, bool]]:
    """Seeded words with the mode they are of."""
    source = random.Random(clause)
    made = []
    for encoding in encodings(clause):
        for row in encoding.rows:
            spelt = ((word_of(row, source, c64), c64) for c64 in (False, True) for _ in range(count))
            made += [(word, c64) for word, c64 in spelt if word is not None]
        if not encoding.rows:
            made += [(fill(encoding, source), c64) for c64 in (False, True) for _ in range(count)]
    return made


def board(mode: str, c64: bool) -> Board:
    """Even registers are pointers, odd ones small numbers; memory is around the code, for literals."""
    made = bare(c64) if mode == "bare" else Board(c64=c64)
    for start, end in [(0, CODE), (CODE + PAGE, MEMORY), (MEMORY + MEMORY_SIZE, CODE + (1 << 20) + PAGE)]:
        made.machine.map(start, end - start, Prot.R | Prot.W)
    if mode == "bare":
        made.machine.set_sysreg(made.thread, "SCR_EL3", SCR_HCE)
    for number in range(31):
        made.set(number, Capability(16 * number) if number & 1 else almighty(MEMORY + 0x1000 + 0x40 * number))
    made.set(CSP, almighty(MEMORY + 0x2000))
    return made


def retires(made: Board, word: int) -> bool:
    """Does it execute to its end? Otherwise it faults, or raises an exception that has a class."""
    stop = made.run(word)
    assert stop.kind in {StopKind.BUDGET, StopKind.SYSCALL, StopKind.FAULT, StopKind.HALT}, stop.kind
    at = made[PCC] & MASK64
    vectored = VECTORS <= at < VECTORS + 0x800
    return stop.kind is StopKind.HALT or (stop.kind is StopKind.BUDGET and not vectored)


def test_the_exemptions_are_clauses() -> None:
    assert {*RAISES, *NAMED, *DIVIDED} <= set(CLAUSES)


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_clause_prints_and_assembles(clause: str) -> None:
    """Words of every row, in both modes."""
    for word, c64 in words(clause, WORDS):
        mode = MODES[c64]
        found = disassemble(word, CODE, mode)
        assert found.clause in DIVIDED.get(clause, {clause})
        row = load().row(word, c64)
        assert row is not None, f"{word:08x} {mode}"
        assert assemble(found.text, CODE, mode) == Form(row).canonical(word), found.text


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_clause_executes(clause: str) -> None:
    """At EL0 or at EL3 some word retires; none is unknown to the engine."""
    named = [(assemble(NAMED[clause], CODE), False)] if clause in NAMED else []
    tried = [*named, *words(clause, WORDS)]
    ended = [retires(board(mode, c64), word) for mode in ("user", "bare") for word, c64 in tried]
    if clause in RAISES:
        assert not any(ended)
    else:
        assert any(ended) or any(retires(board("user", c64), word) for word, c64 in words(clause, MORE))


@pytest.mark.parametrize("clause", RAISES)
def test_an_exception_has_its_class(clause: str) -> None:
    for word, c64 in words(clause, WORDS):
        made = board("bare", c64)
        made.run(word)
        assert made.sysreg("ESR_EL3") >> 26 == RAISES[clause][0], RAISES[clause][1]
        assert made.sysreg("ELR_EL3") in (CODE, CODE + 4)
