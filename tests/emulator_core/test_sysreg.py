"""System registers: one name an encoding, and the engine's table agrees."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from emulator_core.assembler import assemble
from emulator_core.disassembler import text_of
from emulator_core.isa import sysreg

ENGINE = Path(sysreg.__file__).parents[1] / "src" / "sysreg.inc"
ROW = re.compile(r"^REG\((\w+), (\d), (\d), (\d+), (\d+), (\d), .*, (\w+)\)$", re.MULTILINE)


def test_each_encoding_reads_and_writes_as_one_name() -> None:
    for access in "rw":
        used = Counter((row.kind, row.encoding) for row in sysreg.rows() if access in row.access)
        assert max(used.values()) == 1
    assert max(Counter((row.kind, row.name) for row in sysreg.rows()).values()) == 1


def test_the_engine_names_them_alike() -> None:
    named = {(row.encoding, row.name) for row in sysreg.rows()}
    rows = ROW.findall(ENGINE.read_text(encoding="utf-8"))
    assert len(rows) > 150
    for name, *numbers, capability in rows:
        encoding = tuple(int(number) for number in numbers)
        assert (encoding, name.lower()) in named, name
        assert capability == "NONE" or (encoding, capability.lower()) in named, capability


def test_a_shared_encoding_reads_and_writes_by_its_own_name() -> None:
    assert text_of(assemble("mrs x1, dbgdtrrx_el0")) == "mrs x1, dbgdtrrx_el0"
    assert text_of(assemble("msr dbgdtrtx_el0, x1")) == "msr dbgdtrtx_el0, x1"


def test_a_register_without_a_name() -> None:
    assert text_of(assemble("mrs x1, s3_7_c15_c15_7")) == "mrs x1, s3_7_c15_c15_7"
    assert text_of(assemble("mrs x1, s3_3_c4_c2_0")) == "mrs x1, nzcv"
