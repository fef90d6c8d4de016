"""Words to try on the instruction rows: the shipped vectors, and random ones that know the encodings."""

from __future__ import annotations

import csv
import gzip
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

from emulator_core.disassembler import Mode
from emulator_core.isa.table import Encoding, Row, load

HERE = Path(__file__).parent / "data"
FOLDER = os.environ.get("CVMDBG_VECTORS")


class Vector(NamedTuple):
    word: int
    mode: Mode
    pc: int
    text: str


class Divergence(NamedTuple):
    """What we print, what the vectors print, and why they differ."""

    ours: str
    theirs: str
    reason: str


def vectors(path: Path) -> Iterator[Vector]:
    for line in gzip.decompress(path.read_bytes()).decode("ascii").splitlines():
        if not line.startswith("#"):
            word, mode, pc, text = line.split("\t")
            yield Vector(int(word, 16), cast(Mode, mode), int(pc, 16), text)


def divergences() -> dict[tuple[int, Mode], Divergence]:
    with (HERE / "disassembly-divergences.tsv").open(encoding="ascii", newline="") as lines:
        rows = csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t")
        return {(int(word, 16), cast(Mode, mode)): Divergence(*rest) for word, mode, *rest in rows}


def fill(encoding: Encoding, source: random.Random) -> int:
    """A random word of an encoding's bits; a narrower encoding may own it."""
    return source.getrandbits(32) & ~encoding.bits.mask | encoding.bits.value


def word_of(row: Row, source: random.Random, c64: bool) -> int | None:
    """A word that a row can spell, None when a thousand tries find none. Fields are often at their ends."""
    bits = row.encoding.bits
    for _ in range(1000):
        word = fill(row.encoding, source)
        for part in bits.fields.values():
            choice = source.randrange(4)
            if choice < 2:
                word = part.put(word, (0, (1 << part.width) - 1)[choice])
        fields = row.encoding.fields(word)
        for name, value in row.fixed.items():
            word = bits.fields[name].put(word, value.value(fields) & ((1 << bits.fields[name].width) - 1))
        if row.holds(row.encoding.fields(word) | {"c64": int(c64)}) and load().encoding(word) is row.encoding:
            return word
    return None
