"""A bare guest under its own page tables: memory, capabilities and breakpoints are reached by virtual address."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, StopKind, TargetError
from cvmdbg.targets.emulator import EmulatorTarget
from emulator_core._core import Capability
from tests.conformance.bare_assembly import code, elf

CODE, DATA, TABLES, VIRTUAL = 0x1_0000, 0x2_0000, 0x10_0000, 0x80_0020_0000
TABLE, LEAF = 3, 3 | 1 << 10 | 1 << 60 | 1 << 61
TCR = 16 | 5 << 16 | 1 << 24 | 1 << 26 | 1 << 27
"""TCR_EL3: level 0 first, 48 bits; descriptors say what capabilities may do."""


def tables() -> dict[int, bytes]:
    """VIRTUAL is the page of the code; the next two are the data's, in the other order. Nothing else is mapped."""
    made = {}
    for level, index in enumerate((1, 0, 1)):
        made[TABLES + 0x1000 * level] = bytes(8 * index) + struct.pack("<Q", TABLES + 0x1000 * (level + 1) | TABLE)
    pages = [CODE, DATA + 0x1000, DATA]
    made[TABLES + 0x3000] = b"".join(struct.pack("<Q", page | LEAF) for page in pages)
    return made


@pytest.fixture
def target(tmp_path: Path) -> EmulatorTarget:
    """At VIRTUAL in a loop, with the MMU on."""
    path = tmp_path / "paged.elf"
    path.write_bytes(
        elf(CODE, {CODE: code(CODE, "add x1, x1, #0x1\nadd x2, x2, #0x1\nb {start}", {"start": CODE}), **tables()})
    )
    made = EmulatorTarget(open_guest(str(path)))
    machine = made.inferior.machine
    for name, value in [("TTBR0_EL3", TABLES), ("TCR_EL3", TCR), ("SCTLR_EL3", 0x30C5_0831)]:
        machine.set_sysreg(0, name, value)
    made.write_register(0, "pcc", Capability.almighty().set_value(VIRTUAL).bits)
    return made


def test_reads_and_writes_follow_the_tables(target: EmulatorTarget) -> None:
    machine = target.inferior.machine
    assert target.read(VIRTUAL, 12) == machine.read(CODE, 12)
    target.write(VIRTUAL + 0x1FFC, b"12345678")
    assert (machine.read(DATA + 0x1FFC, 4), machine.read(DATA, 4)) == (b"1234", b"5678")
    assert target.read(VIRTUAL + 0x1FFC, 8) == b"12345678"


def test_capabilities_and_tags_follow_the_tables(target: EmulatorTarget) -> None:
    assert target.capabilities is not None
    value = Capability.almighty().bits
    target.capabilities.write(VIRTUAL + 0x2000, value)
    assert target.capabilities.read(VIRTUAL + 0x2000) == value
    assert target.inferior.machine.read_capability(DATA) == (value & (1 << 128) - 1, True)
    assert target.capabilities.tags(VIRTUAL + 0x1FF0, 32) == b"\0\1"


def test_what_has_no_translation_is_named_and_nothing_is_written(target: EmulatorTarget) -> None:
    with pytest.raises(TargetError, match="0x8000203000 is not mapped: the page tables have no translation"):
        target.read(VIRTUAL + 0x2FFC, 8)
    with pytest.raises(TargetError, match="0x8000203000 is not mapped"):
        target.write(VIRTUAL + 0x2FFC, b"12345678")
    assert target.read(VIRTUAL + 0x2FFC, 4) == bytes(4)


def test_a_breakpoint_stands_at_a_virtual_address(target: EmulatorTarget) -> None:
    assert target.stops is not None
    target.stops.add_breakpoint(VIRTUAL + 4)
    stop = target.resume(Move.CONTINUE, budget=1000)
    assert (stop.pc, [reason.kind for reason in stop.reasons]) == (VIRTUAL + 4, [StopKind.BREAKPOINT])
    assert target.read_register(0, "x1") == 1
