"""Registers after every instruction of the bare-metal programs, against traces that QEMU-Morello wrote.

``MORELLO_TRACES`` names the folder with ``hello.tsv``, ``fault.tsv``, ``tags.tsv``: a header of column names, then a
line for the state after each instruction. Capabilities stand as ``tag:high:low`` in hex; ``exc`` is
not ``-`` where the instruction took an exception, and the state is then that at the vector.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, StopKind
from cvmdbg.targets.emulator import EmulatorTarget

FOLDER = os.environ.get("MORELLO_TRACES")
COMPARED = [*(f"c{n}" for n in range(31)), "csp", "pcc", "ddc"]

pytestmark = pytest.mark.skipif(FOLDER is None, reason="MORELLO_TRACES names no folder with QEMU-Morello's traces")


def lines(name: str) -> Iterator[dict[str, str]]:
    with (Path(FOLDER or "") / f"{name}.tsv").open(encoding="ascii", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        next(rows)
        yield from (row for row in rows if not row["n"].startswith("#"))


def bits(text: str) -> int:
    tag, high, low = (int(part, 16) for part in text.split(":"))
    return tag << 128 | high << 64 | low


def state(target: EmulatorTarget) -> dict[str, int]:
    thread = target.stop.thread
    found = {name: target.read_register(thread, name) for name in COMPARED}
    return found | {"el": target.read_register(thread, "el")}


def expected(row: dict[str, str]) -> dict[str, int]:
    return {name: bits(row[name]) for name in COMPARED} | {"el": int(row["el"])}


@pytest.mark.parametrize("name", ["hello", "fault", "tags"])
def test_every_instruction_leaves_the_registers_that_qemu_has(name: str) -> None:
    target = EmulatorTarget(open_guest(f"demo:{name}.elf"))
    compared = skipped = 0
    for row in lines(name):
        if row["exc"] not in ("-", "15", "17"):
            skipped += 1  # a fault retires nothing: the next step goes through the vector
            continue
        assert target.resume(Move.STEP).reason(StopKind.STEP), target.stop
        assert state(target) == expected(row), f"line {row['n']}, {row['insn']} at {row['pc']}"
        compared += 1
    print(f"{name}: {compared} states agree, {skipped} exception entries stepped through")
    assert compared > 300
