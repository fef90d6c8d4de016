"""The rows against independent implementations: text in both modes, and the specification's decode clauses."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from isa_words import FOLDER, HERE, divergences, vectors

from emulator_core.disassembler import disassemble, text_of
from emulator_core.isa.table import load

# The vectors name these clauses by an older spelling.
RENAMED = {
    f"{name}_{old}_{size}": f"{name}_{new}_{size}"
    for name, old, new, size in (
        ("ASTRB_R", "RI", "RUI", "B"),
        ("ALDRB_R", "RI", "RUI", "B"),
        ("ALDR_C", "RI", "RUI", "C"),
        ("ASTR_C", "RI", "RUI", "C"),
        ("ALDR_R", "RI", "RUI", "32"),
        ("ALDR_R", "RI", "RUI", "64"),
        ("ASTR_R", "RI", "RUI", "32"),
        ("ASTR_R", "RI", "RUI", "64"),
        ("STR_C", "RIB", "RUIB", "C"),
        ("LDR_C", "RIB", "RUIB", "C"),
    )
}


def compare_texts(path: Path) -> tuple[int, set[tuple[int, str]]]:
    """How many rows agree, and the words that diverge as listed; asserts that no other row differs."""
    known = divergences()
    agreeing, diverging = 0, set()
    for word, mode, pc, text in vectors(path):
        ours = text_of(word, pc, mode)
        divergence = known.get((word, mode))
        if divergence is None:
            assert ours == text, f"{word:08x} {mode} at {pc:x}"
            agreeing += 1
        else:
            assert (ours, text) == (divergence.ours, divergence.theirs), f"{word:08x} {mode}"
            diverging.add((word, mode))
    return agreeing, diverging


def test_the_sample_agrees() -> None:
    agreeing, diverging = compare_texts(HERE / "disassembly-sample.tsv.gz")
    assert agreeing > 5_700
    assert diverging == set(divergences())


def test_every_form_of_floating_point_and_vectors_agrees() -> None:
    assert compare_texts(HERE / "disassembly-fpsimd.tsv.gz") == (3104, set())


@pytest.mark.skipif(FOLDER is None, reason="CVMDBG_VECTORS names no folder")
def test_all_texts_agree() -> None:
    assert FOLDER is not None
    agreeing, diverging = compare_texts(Path(FOLDER) / "disassembly.tsv.gz")
    assert (agreeing, len(diverging)) == (38_232, 24)
    assert diverging == set(divergences())


def test_a_divergence_differs_and_says_why() -> None:
    for (word, mode), divergence in divergences().items():
        assert divergence.ours != divergence.theirs, f"{word:08x} {mode}"
        assert len(divergence.reason) > 20


def compare_clauses(path: Path) -> int:
    """How many words are executed by the clause that the vectors name."""
    rows = gzip.decompress(path.read_bytes()).decode("ascii").splitlines()
    count = 0
    for row in rows[1:]:
        digits, named = row.split("\t")
        word = int(digits, 16)
        clause = re.sub(r"\W", "_", named.split()[0])
        clause = RENAMED.get(clause, clause)
        ours = disassemble(word).clause
        if ours != clause:  # the vectors may name the wider of two clauses that hold the word: ours is the narrower
            assert any(e.clause == clause and e.matches(word) for e in load().encodings), f"{digits} {clause}"
            narrow = load().encoding(word)
            wide = next(e for e in load().encodings if e.clause == clause and e.matches(word))
            assert narrow is not None
            assert narrow.bits.mask & wide.bits.mask == wide.bits.mask != narrow.bits.mask, f"{digits} {ours} {clause}"
        count += 1
    return count


def test_the_sample_of_clauses_agrees() -> None:
    assert compare_clauses(HERE / "decode-clauses-sample.tsv.gz") == 4_272


@pytest.mark.skipif(FOLDER is None, reason="CVMDBG_VECTORS names no folder")
def test_all_clauses_agree() -> None:
    assert FOLDER is not None
    assert compare_clauses(Path(FOLDER) / "decode-clauses.tsv.gz") == 15_720


@pytest.mark.parametrize("word", [0x00000000, 0xFFFFFFFF, 0x0F000800, 0x00010101, 0xC2C273E1])
def test_unallocated_words_execute_nothing(word: int) -> None:
    assert disassemble(word).clause == "UNDEFINED"
