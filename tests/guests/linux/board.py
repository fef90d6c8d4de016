"""A program of three instructions, so that a test makes system calls itself: registers in, x0 out."""

from __future__ import annotations

import struct
from pathlib import Path

from cvmdbg.guests.linux import facts
from cvmdbg.guests.linux.guest import Linux
from cvmdbg.guests.linux.setup import Setup
from cvmdbg.guests.linux.trees import ArchiveTree, Entry, HostTree
from cvmdbg.target import Move, Stop, StopKind
from cvmdbg.targets.emulator import EmulatorTarget

CODE = 0x400000
BUFFER, SIZE = 0x500000, 0x4000
"""Memory that the program may read and write; what lies behind it is not mapped."""
READ_ONLY = 0x510000
MASK = (1 << 64) - 1
_CODE = struct.pack("<3I", 0xD4000001, 0x17FFFFFF, 0)  # svc #0; b back to it


def program() -> bytes:
    """An ELF with the code, the buffer and a page that is only read."""
    loads = ((5, CODE, _CODE), (6, BUFFER, bytes(SIZE)), (4, READ_ONLY, b"/dev/zero".ljust(0x1000, b"\0")))
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1\3" + bytes(8), 2, 183, 1, CODE, 64, 0, 0, 64, 56, len(loads), 0, 0, 0
    )
    out, table = bytearray(0x1000), b""
    for flags, address, content in loads:
        table += struct.pack("<IIQQQQQQ", 1, flags, len(out), address, address, len(content), len(content), 0x1000)
        out += content.ljust(-(-len(content) // 0x1000) * 0x1000, b"\0")
    out[: len(head) + len(table)] = head + table
    return bytes(out)


class Board:
    """A Linux guest that waits at its one SVC. ``root`` is a folder of the host under its files."""

    def __init__(self, root: Path | None = None, terminal: bool = False) -> None:
        tree = ArchiveTree()
        tree.add("program", Entry("file", 0o755, len(program())), program())
        binds = () if root is None else ((HostTree(root), "/host"),)
        setup = Setup("/bin/program", (), None, ((tree, "/bin"), *binds), terminal=terminal)
        self.guest = Linux(setup)
        self.target = EmulatorTarget(self.guest)
        self.target.input.end()
        self.machine = self.target.inferior.machine
        self.base = setup.base
        self.stop: Stop | None = None

    @property
    def ended(self) -> bool:
        """Has the program ended?"""
        return self.target.inferior.schedule.exit_status is not None

    @property
    def has_buffer(self) -> bool:
        """Are the code and the buffer still mapped?"""
        regions = self.target.regions()
        return all(
            any(r.address <= start and start + size <= r.address + r.size and need in r.prot for r in regions)
            for start, size, need in ((self.base + BUFFER, SIZE, "w"), (self.base + CODE, 8, "x"))
        )

    def call(self, name: str, *arguments: int) -> int:
        """Makes a call: x0 as a signed number. The thread may wait or be gone afterwards: look at ``stop``."""
        known = facts.call(name)
        assert known is not None
        for register, value in enumerate((*arguments, 0, 0, 0, 0, 0, 0)[:6]):
            self.machine.set_word(0, register, value & MASK)
        self.machine.set_word(0, 8, known.numbers["aarch64"])
        self.target.write_register(0, "pc", self.base + CODE)
        self.stop = self.target.resume(Move.STEP)
        value = self.machine.words(0)[0]
        return value - (1 << 64) if value >> 63 else value

    def put(self, content: bytes, offset: int = 0) -> int:
        """Bytes into the buffer; their address."""
        self.target.write(self.base + BUFFER + offset, content)
        return BUFFER + offset

    def path(self, text: str, offset: int = 0x3000) -> int:
        """A path into the buffer."""
        return self.put(text.encode("utf-8", "surrogateescape") + b"\0", offset)

    def get(self, offset: int, size: int) -> bytes:
        """Bytes of the buffer."""
        return self.target.read(self.base + BUFFER + offset, size)

    def text(self) -> str:
        """What ended the last call, if anything did."""
        return "" if self.stop is None else " ".join(r.detail for r in self.stop.reasons if r.kind is not StopKind.STEP)
