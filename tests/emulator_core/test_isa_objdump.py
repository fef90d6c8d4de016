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
needs_objdump = pytest.mark.skipif(OBJDUMP is None, reason="CVMDBG_OBJDUMP names no GNU objdump for AArch64")
# Forms for what has no name in an Armv8.2: objdump may know a later one.
NAMELESS = re.compile(r"(sysl?|hint) |(mrs|msr) .*\bs[0-3]_[0-7]_c")
# Vector instructions that came with Armv8.3 to 8.6, and FEAT_FHM, which Morello does not have.
LATER = re.compile(r"fcmla|fcadd|fml[as]l2?|frint(32|64)[xz]|bf(cvt|cvtn2?|dot|mlal[bt]|mmla)|(us|su)dot|(s|u|us)mmla")


def words_of(file: str, count: int, source: random.Random) -> list[int]:
    """Words of a file's encodings, their fields often at their ends."""
    encodings = [e for e in load().encodings if e.place.startswith(file) and e.clause != "-"]
    found = []
    while len(found) < count:
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


def compare(tried: list[int], image: Path) -> int:
    """How many words objdump gives a name that no Armv8.2 has; asserts that the others read as it prints them."""
    image.write_bytes(b"".join(struct.pack("<I", word) for word in tried))
    named = 0
    for n, (word, theirs) in enumerate(zip(tried, objdump_texts(image, len(tried)), strict=True)):
        ours = text_of(word, PC + 4 * n)
        if ours != theirs:
            later = ours.startswith(".inst") and LATER.fullmatch(theirs.partition(" ")[0])
            assert later or NAMELESS.match(ours), f"{word:08x}: {ours}, objdump says {theirs}"
            named += 1
    return named


@needs_objdump
@pytest.mark.parametrize(("file", "count"), [("a64", 100_000), ("fpsimd", 300_000)])
def test_random_words_read_as_objdump_prints_them(file: str, count: int, tmp_path: Path) -> None:
    named = compare(words_of(file, count, random.Random(82)), tmp_path / "words.bin")
    assert named < count // 1000


@needs_objdump
def test_unallocated_words_among_vectors_are_so_to_objdump(tmp_path: Path) -> None:
    source = random.Random(83)
    tried = [source.getrandbits(32) | 7 << 25 for _ in range(100_000)]
    assert compare(tried, tmp_path / "words.bin") < len(tried) // 20
