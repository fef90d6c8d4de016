"""The compiled decoder says what the rows say."""

from __future__ import annotations

import random

import pytest
from isa_words import fill

from emulator_core import _core
from emulator_core.isa.table import UNDEFINED, load


def test_the_core_is_built_from_these_rows() -> None:
    assert load().digest == _core.ISA_DIGEST, "the compiled core is older than the rows: build it again"


def test_rows_and_clauses() -> None:
    table, source = load(), random.Random(3)
    for n in range(100_000):
        word = source.getrandbits(32) if n % 4 == 0 else fill(source.choice(table.encodings), source)
        c64 = n % 8 < 4
        encoding = table.encoding(word)
        clause = encoding.clause if encoding and encoding.clause != UNDEFINED else "UNDEFINED"
        assert _core.isa_clause(word) == clause, f"{word:08x}"
        assert _core.isa_row(word, c64) == table.row_index(word, c64), f"{word:08x} c64={c64}"


def test_a_word_has_32_bits() -> None:
    with pytest.raises(TypeError):
        _core.isa_row(1 << 32, False)
