"""Who may touch which system register, at every EL under random controls.

A row of sysreg-access.tsv.gz is one access: instruction, encoding, EL, SPSel, PCC's System and Executive, the control
registers, and what the specification's access functions say: `ok`, or the EL that takes the exception and its class.
Left out: CNTPCT_EL0 at EL0 under a guest's EL2, where they ask CNTHCTL_EL2.EL1PCEN and the architecture EL1PCTEN.
"""

import gzip
from functools import cache
from pathlib import Path

import pytest
from a64_board import VECTORS, Metal, a64
from morello_board import CODE, CPSR, EXECUTIVE, MEMORY, PCC, SYSTEM, almighty, word

from emulator_core._core import Capability

FILE = Path(__file__).parent / "data" / "sysreg-access.tsv.gz"
FIXED = ("instruction", "op0.op1.CRn.CRm.op2", "EL", "SP", "System", "Executive")
DATA = ("DDC_EL0", "DDC_EL1", "DDC_EL2", "DDC_EL3", "RDDC_EL0")


@cache
def rows() -> list[dict[str, str]]:
    with gzip.open(FILE, "rt") as file:
        names = file.readline().rstrip("\n").split("\t")
        return [dict(zip(names, line.rstrip("\n").split("\t"), strict=True)) for line in file]


def instruction(row: dict[str, str]) -> int:
    op0, op1, crn, crm, op2 = map(int, row["op0.op1.CRn.CRm.op2"].split("."))
    fields = {"op1": op1, "CRn": crn, "CRm": crm, "op2": op2}
    match row["instruction"]:
        case "SYS":
            return a64("sys", Rt=0, **fields)
        case "MRS" | "MSR" as name:
            return a64({"MRS": "mrs", "MSR": "msr_reg"}[name], Rt=0, o0=op0 & 1, **fields)
        case name:
            return word(f"{name}_I_C", Ct=0, o0=op0 & 1, **fields)


def prepare(board: Metal, row: dict[str, str]) -> None:
    """The controls are set from EL3 with everything allowed; then the EL and the PCC are the row's."""
    machine, thread = board.machine, board.thread
    board[CPSR] = 0xD
    board.set(PCC, almighty(CODE))
    for name in row.keys() - {*FIXED, "outcome"}:
        board.sysreg(name, int(row[name], 16))
    for el in (1, 2, 3):
        machine.set_sysreg(thread, f"CVBAR_EL{el}", almighty(VECTORS).bits)
    for name in DATA:
        machine.set_sysreg(thread, name, almighty().bits)
    board[CPSR] = int(row["EL"]) << 2 | int(row["SP"])
    board.set(PCC, almighty(CODE).clear_perms(_missing(row)))
    board[0] = MEMORY


def _missing(row: dict[str, str]) -> int:
    return (0 if row["System"] == "1" else SYSTEM) | (0 if row["Executive"] == "1" else EXECUTIVE)


def outcome(board: Metal) -> str:
    if Capability(board[PCC]).value == CODE + 4:
        return "ok"
    el = board[CPSR] >> 2 & 3
    return f"EL{el} {board.sysreg(f'ESR_EL{el}') >> 26:#04x}"


def groups() -> list[str]:
    return sorted({row["instruction"] for row in rows()})


@pytest.mark.parametrize("name", groups())
def test_access(name: str) -> None:
    board = Metal()
    wrong = []
    for row in (row for row in rows() if row["instruction"] == name):
        prepare(board, row)
        board.run(instruction(row))
        if (found := outcome(board)) != row["outcome"]:
            wrong.append(f"{found}, not {row['outcome']}: {row}")
    assert not wrong, f"{len(wrong)} accesses, first {wrong[0]}"
