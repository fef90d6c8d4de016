"""A whole machine behind a stub: its devices are never read, its system registers wait until somebody asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cvmdbg.guests.attached import Device
from cvmdbg.target import NotMapped
from cvmdbg.targets.remote.board import parse
from cvmdbg.targets.remote.target import RemoteTarget
from gdbstub.description import Feature, Register
from gdbstub.description_xml import print_xml
from tests.targets.stubs import Gone, Qemu, scripted

MTREE = """FlatView #0
 AS "I/O", root: io
 Root memory region: io
  0000000000000000-000000000000ffff (prio 0, i/o): io

FlatView #1
 AS "memory", root: system
 AS "cpu-memory-0", root: system
 Root memory region: system
  0000000000000000-0000000012ffffff (prio 0, ram): LOW
  0000000013000000-00000000131fffff (prio 0, i/o): trickbox
  0000000013200000-00000000ffffffff (prio 0, ram): HIGH @0000000000001000
"""


class Machine(Qemu):
    """QEMU as a whole machine: system registers, a monitor, devices that end it when they are read."""

    own = ("HCR_EL2", "CCTLR_EL0", "CCTLR_EL1", "CCTLR_EL2", "CCTLR_EL3", "VBAR_EL3", "SCTLR_EL3")

    def __init__(self) -> None:
        super().__init__()
        known = max(self.numbers) + 1
        listed = tuple(Register(name, 64, number=known + n) for n, name in enumerate(self.own))
        features = (*self.description.features, Feature("org.qemu.gdb.arm.sys.regs", listed))
        self.description = replace(self.description, features=features)
        self.xml = print_xml(self.description).encode()
        self.numbers |= {register.number: register.name for register in listed}
        self.said = [f"O{line.encode().hex()}".encode() for line in MTREE.splitlines(keepends=True)] + [b"OK"]

    def __call__(self, packet: bytes) -> bytes | list[bytes] | None:
        if packet.startswith(b"qRcmd,"):
            return self.said if bytes.fromhex(packet[6:].decode()) == b"info mtree -f" else b""
        if packet[:1] == b"m" or packet.startswith(b"qXfer:capa"):
            address = int(packet.split(b":")[3] if packet[:1] == b"q" else packet[1:].partition(b",")[0], 16)
            if 0x13000000 <= address < 0x13200000:
                raise Gone
        if packet == b"g":
            return (bytes(32 * 8) + (0x400080).to_bytes(8, "little") + (0x3CD).to_bytes(4, "little")).hex().encode()
        return super().__call__(packet)

    def _register(self, name: str) -> bytes:
        if name.startswith("CCTLR_EL"):
            return int(name[-1]).to_bytes(8, "little").hex().encode()
        return super()._register(name)


def test_a_machine_is_not_read_where_its_devices_are(tmp_path: Path) -> None:
    stub = Machine()
    with scripted(stub, tmp_path) as address:
        target = RemoteTarget(address)
        assert target.devices == (Device("trickbox", 0x13000000, 0x200000),)
        assert target.capabilities is not None
        for look in (target.read, target.capabilities.tags):
            with pytest.raises(NotMapped):
                look(0x13000000, 16)
            with pytest.raises(NotMapped):
                look(0x12FFFFF0, 32)
        assert target.read(0x13200000, 16) == bytes(16)
        target.close()


def test_what_is_no_map_tells_no_devices() -> None:
    assert parse("unknown command: 'info'") is None
    assert parse(MTREE.replace("memory", "else")) is None


def test_a_machines_control_register_is_that_of_its_level_and_system_registers_can_wait(tmp_path: Path) -> None:
    stub = Machine()
    with scripted(stub, tmp_path) as address:
        target = RemoteTarget(address)
        assert target.read_register(1, "cctlr") == 3  # at EL3; QEMU's own cctlr is that of EL0
        asked = [stub.numbers[int(p[1:].partition(b";")[0], 16)] for p in stub.packets if p[:1] == b"p"]
        assert "VBAR_EL3" not in asked
        assert target.read_register(1, "VBAR_EL3") == 0
        target.close()
