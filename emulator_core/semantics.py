"""What engine this is, to a recording: equal events give equal states only where the semantics are the same."""

from __future__ import annotations

from emulator_core._core import ISA_DIGEST

SEMANTICS = 2
"""Raised whenever an instruction, a fault or a reset value comes out otherwise than before."""


def semantics() -> str:
    """The number of the semantics and the digest of the instruction rows: ``2.84c5f5df``."""
    return f"{SEMANTICS}.{ISA_DIGEST:08x}"
