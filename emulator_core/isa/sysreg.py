"""System registers by encoding, from sysreg.tsv."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("sysreg.tsv")
Encoding = tuple[int, int, int, int, int]
"""op0, op1, CRn, CRm, op2."""


@dataclass(frozen=True)
class Named:
    """A register: `kind` is reg (64 bits) or cap (a capability), `access` r, w or rw."""

    kind: str
    encoding: Encoding
    name: str
    access: str


def packed(encoding: Encoding) -> int:
    """The encoding as MRS and MSR hold it: op0(2), op1(3), CRn(4), CRm(4), op2(3)."""
    op0, op1, crn, crm, op2 = encoding
    return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


@cache
def rows() -> list[Named]:
    lines = _TABLE.read_text(encoding="ascii").splitlines()
    cells = (line.split("\t") for line in lines if not line.startswith("#"))
    return [
        Named(kind, (int(op0), int(op1), int(crn), int(crm), int(op2)), name, access)
        for kind, op0, op1, crn, crm, op2, name, access in cells
    ]


@cache
def names(kind: str, access: str) -> dict[int, str]:
    """Names by packed encoding; where two share one, the one with this access."""
    mine = [row for row in rows() if row.kind == kind]
    preferred = sorted(mine, key=lambda row: access in row.access)
    return {packed(row.encoding): row.name for row in preferred}


@cache
def encodings(kind: str) -> dict[str, int]:
    """Packed encodings by name."""
    return {row.name: packed(row.encoding) for row in rows() if row.kind == kind}
