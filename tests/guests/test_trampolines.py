"""The monitor's code: its words are what their assembly says, and it stands where the logs of real runs show it."""

from __future__ import annotations

import re
import struct

import pytest

from cvmdbg.guests.intravisor import trampolines
from cvmdbg.guests.intravisor.trampolines import HYBRID, PURE, Trampolines
from emulator_core.assembler import assemble
from emulator_core.disassembler import disassemble

BUILDS = pytest.mark.parametrize("build", [PURE, HYBRID], ids=["pure", "hybrid"])


@BUILDS
def test_words_equal_their_assembly(build: Trampolines) -> None:
    start, image = build.write()
    for routine in build.routines:
        for index, (_, text) in enumerate(routine.code):
            pc = routine.address + 4 * index
            written = re.sub(r"^bl (\w+)$", lambda m: f"bl {build.address(m[1]):#x}", text)
            (word,) = struct.unpack_from("<I", image, pc - start)
            assert word == assemble(written, pc), f"{routine.name}+{4 * index}: {text}"


@BUILDS
def test_words_disassemble(build: Trampolines) -> None:
    start, image = build.write()
    for routine in build.routines:
        for pc in range(routine.address, routine.address + routine.size, 4):
            (word,) = struct.unpack_from("<I", image, pc - start)
            assert assemble(disassemble(word, pc).text, pc) == word


def test_addresses_are_those_of_the_logs() -> None:
    """ca3 and ca5 of the purecap log are 24a410 and 24a478, of the hybrid one 24c1a4 and 24c220: the code between
    them has exactly that length."""
    assert PURE.address("hostcall_asm") == 0x24A410
    assert PURE.address("ret_from_cinv2") == 0x24A478
    assert HYBRID.address("hostcall_asm") == 0x24C1A4
    assert HYBRID.address("ret_from_cinv2") == 0x24C220


@BUILDS
def test_one_trap_and_one_page(build: Trampolines) -> None:
    start, image = build.write()
    words = [w for (w,) in struct.iter_unpack("<I", image)]
    assert words.count(0xD4400000 | 0xC0DE << 5) == 1
    assert start // 4096 == (start + len(image) - 1) // 4096
    assert [s.name for s in build.symbols()] == [r.name for r in build.routines]
    ends = [r.address + r.size for r in build.routines]
    assert all(end <= r.address for end, r in zip(ends, build.routines[1:], strict=False))


def test_for_abi() -> None:
    assert trampolines.for_abi(True) is PURE
    assert trampolines.for_abi(False) is HYBRID
