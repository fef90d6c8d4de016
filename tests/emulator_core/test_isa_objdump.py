"""Random A64 words against GNU objdump, whose place CVMDBG_OBJDUMP names."""

from __future__ import annotations

import os
import random
import re
import struct
import subprocess
from pathlib import Path

import pytest
from isa_words import fill

from emulator_core.disassembler import text_of
from emulator_core.isa.table import load

OBJDUMP = os.environ.get("CVMDBG_OBJDUMP")
PC = 0x400000
WORDS = 100_000
# Forms for what has no name in an Armv8.2: objdump may know a later one.
NAMELESS = re.compile(r"(sysl?|hint) |(mrs|msr) .*\bs[0-3]_[0-7]_c")


def words(source: random.Random) -> list[int]:
    """Words of plain A64's encodings, their fields often at their ends."""
    encodings = [e for e in load().encodings if not e.place.startswith("morello") and e.rows and e.clause != "-"]
    found = []
    while len(found) < WORDS:
        encoding = source.choice(encodings)
        word = fill(encoding, source)
        for part in encoding.bits.fields.values():
            choice = source.randrange(6)
            word = part.put(word, (0, (1 << part.width) - 1)[choice]) if choice < 2 else word
        if load().encoding(word) is encoding:
            found.append(word)
    return found


def objdump_texts(image: Path, count: int) -> list[str]:
    command = [str(OBJDUMP), "-D", "-z", "-b", "binary", "-m", "aarch64", f"--adjust-vma={PC:#x}", str(image)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    texts = [match[1] for line in lines if (match := re.match(r"\s*[0-9a-f]+:\t[0-9a-f]{8} \t(.*)", line))]
    assert len(texts) == count
    return [plain(text) for text in texts]


def plain(text: str) -> str:
    """Without comments and symbols, addresses without 0x."""
    text = re.sub(r"\s*(//|;).*| <.*>", "", text).replace("\t", " ").strip()
    address = re.fullmatch(r"(.* )0x([0-9a-f]+)", text)
    return f"{address[1]}{address[2]}" if address and not text.startswith(".inst") else text


@pytest.mark.skipif(OBJDUMP is None, reason="CVMDBG_OBJDUMP names no GNU objdump for AArch64")
def test_random_words_read_as_objdump_prints_them(tmp_path: Path) -> None:
    image = tmp_path / "words.bin"
    tried = words(random.Random(82))
    image.write_bytes(b"".join(struct.pack("<I", word) for word in tried))
    named = 0
    for n, (word, theirs) in enumerate(zip(tried, objdump_texts(image, len(tried)), strict=True)):
        ours = text_of(word, PC + 4 * n)
        if ours != theirs:
            assert NAMELESS.match(ours), f"{word:08x}: {ours}, objdump says {theirs}"
            named += 1
    assert named < WORDS // 1000
