"""Text and words are each other's inverse: every row, every shipped vector, random words."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isa_words import HERE, fill, vectors, word_of

from emulator_core.assembler import assemble
from emulator_core.disassembler import MODES, Mode, text_of
from emulator_core.isa.operands import Place
from emulator_core.isa.table import Row, load
from emulator_core.isa.template import Form

RANDOM_WORDS = 200_000
PC = 0x1_0000_2340


@cache
def form(row: Row) -> Form:
    return Form(row)


def check_round_trip(word: int, pc: int, mode: Mode) -> None:
    """The text assembles to the word with its declared ignored bits settled, which has the same text."""
    text = text_of(word, pc, mode)
    back = assemble(text, pc, mode)
    if back != word:
        row = load().row(word, mode == "c64")
        assert row is not None, f"{word:08x} {mode} {text!r} assembles to {back:08x}"
        canonical = form(row).canonical(word)
        assert back == canonical, f"{word:08x} {mode} {text!r} assembles to {back:08x}, not {canonical:08x}"
    assert text_of(back, pc, mode) == text, f"{word:08x} {mode} assembles to {back:08x}"


def test_every_row_reads_what_it_spells() -> None:
    source = random.Random(7)
    for row in load().rows:
        words = [(word_of(row, source, bool(c64)), mode) for c64, mode in enumerate(MODES) for _ in range(8)]
        spelt = [(word, mode) for word, mode in words if word is not None]
        assert spelt, f"{row.place}: spells no word"
        for word, mode in spelt:
            text = form(row).show(row.encoding.fields(word), Place(PC, mode == "c64"))
            assert text is None or assemble(text, PC, mode) == form(row).canonical(word), f"{row.place}: {text}"
            check_round_trip(word, PC, mode)


@pytest.mark.parametrize("name", ["disassembly-sample.tsv.gz", "disassembly-fpsimd.tsv.gz"])
def test_every_vector_comes_back(name: str) -> None:
    for word, mode, pc, _ in vectors(HERE / name):
        check_round_trip(word, pc, mode)


def test_random_words_come_back() -> None:
    source = random.Random(20_260)
    encodings = [e for e in load().encodings if e.rows]
    for n in range(RANDOM_WORDS):
        word = source.getrandbits(32) if n % 4 == 0 else fill(source.choice(encodings), source)
        check_round_trip(word, source.getrandbits(46) << 2, MODES[n % 2])


@settings(max_examples=2_000, deadline=None)
@given(st.integers(0, 0xFFFFFFFF), st.integers(0, (1 << 62) - 1), st.sampled_from(MODES))
def test_any_word_comes_back(word: int, granule: int, mode: Mode) -> None:
    check_round_trip(word, granule << 2, mode)


def test_ignored_bits_change_no_text() -> None:
    source = random.Random(11)
    for encoding in load().encodings:
        if encoding.rows and encoding.bits.ignored:
            word = fill(encoding, source)
            noise = source.getrandbits(32) & encoding.bits.ignored
            if load().encoding(word) is load().encoding(word ^ noise) is encoding:
                assert text_of(word, PC) == text_of(word ^ noise, PC), encoding.place
