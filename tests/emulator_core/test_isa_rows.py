"""The row files: what they refuse, and that the build's decoder says what they say."""

from __future__ import annotations

import pytest

from emulator_core.isa.conditions import Condition, ConditionError
from emulator_core.isa.operands import Place
from emulator_core.isa.table import RowError, Table, check, load, parse
from emulator_core.isa.template import Failure, Form

HERE = Place(0x1000, False)
BITS = "00000000000000000000000"  # 23 of 32


def table(text: str) -> Table:
    made = parse([("test.isa", text)])
    check(made)
    for row in made.rows:
        assert Form(row).nodes
    return made


def test_the_shipped_rows_are_sound() -> None:
    check(load())
    assert len(load().clauses) == 1 + 1051


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"A {BITS} Rd:5", "test.isa:1: the bits add up to 28, expected 32"),
        (f"A {BITS} Rd:5 Rd:4", "test.isa:1: the field 'Rd' stands twice"),
        (f"A {BITS} Rd:5 00+0", "test.isa:1: '00+0' is neither bits nor a field"),
        ("A", "test.isa:1: A has no bits"),
        ("  mov <Rd:x>", "test.isa:1: a row stands before the first encoding"),
        (f"A {BITS} Rd:9 : jump", "test.isa:1: 'jump' is no kind, expected"),
        (f"A {BITS} Rd:9\nB {BITS} imm:9", "test.isa:2: B overlaps A (test.isa:1) undecidedly"),
        (f"A {BITS} Rd:5 0000\n  mov #1", "test.isa:2: the field 'Rd' is neither printed nor fixed"),
        (f"A {BITS} Rd:5 0000\n  mov <Rd:x>, <Rn:x>", "test.isa:2: there is no field 'Rn'"),
        (f"A {BITS} Rd:5 0000\n  mov <Rd:x> | Rn=3", "test.isa:2: there is no field 'Rn'"),
        (f"A {BITS} Rd:5 0000\n  mov <Rd:x> | if Rn == 3", "test.isa:2: there is no field 'Rn'"),
        (f"A {BITS} Rd:5 op:4\n  mov <Rd:x> | op=16", "test.isa:2: 16 does not fit the field 'op'"),
        (f"A {BITS} Rd:5 0000\n  mov <Rd:nokind>", "test.isa:2: there is no field or operand kind 'nokind'"),
        (f"A {BITS} Rd:5 0000\n  mov {{<Rd:x>", "test.isa:2: a brace is not closed"),
    ],
)
def test_a_broken_row_is_refused_by_line(text: str, sentence: str) -> None:
    with pytest.raises(RowError) as refusal:
        table(text)
    assert str(refusal.value).startswith(sentence)


def test_the_narrower_encoding_decodes() -> None:
    made = table(f"WIDE {BITS} Rd:9\nNARROW {BITS} 0000 Rd:5")
    assert [e.clause for w in (0x1F, 0x3F) if (e := made.encoding(w))] == ["NARROW", "WIDE"]


def test_a_field_that_is_not_zero() -> None:
    made = table(f"SHIFT {BITS} immh:4>0 Rd:5\nOTHER {BITS} 0000 imm:5")
    assert [e.clause for w in (0x1F, 0x3F) if (e := made.encoding(w))] == ["OTHER", "SHIFT"]


def read(made: Table, text: str) -> int | None:
    return Form(made.rows[0]).read(text, HERE, Failure())


def test_ignored_bits_decode_with_any_value_and_assemble_as_declared() -> None:
    made = table(f"A {BITS} (1111) Rd:5\n  mov <Rd:x>")
    assert {made.row(word, False) for word in (0x003, 0x0A3, 0x1E3)} == {made.rows[0]}
    assert read(made, "mov x3") == 0x1E3
    assert Form(made.rows[0]).canonical(0x0A3) == 0x1E3


def test_a_form_ignores_a_field() -> None:
    made = table(f"A {BITS} op:4 Rd:5\n  mov <Rd:x> | op~6 if op != 3")
    assert read(made, "mov x3") == 0x0C3
    assert made.row(0x063, False) is None


def test_a_tied_field_is_set_and_checked() -> None:
    made = table(f"A {BITS[:-1]} Rd:5 Rn:5\n  same <Rd:x> | Rn=Rd\n  two <Rd:x>, <Rn:x>")
    assert read(made, "same x5") == 5 << 5 | 5
    assert [row.mnemonic for w in (0x063, 0x064) if (row := made.row(w, False))] == ["same", "two"]


def test_conditions_refuse_what_c_cannot_say() -> None:
    for text in ("Rd ** 2", "f(Rd)", "Rd if Rn else 3", "'x'", "Rd[0]", "Rd in Rn"):
        with pytest.raises(ConditionError):
            Condition(text).value({"Rd": 1, "Rn": 2})
    with pytest.raises(ConditionError, match="no expression"):
        Condition("Rd ==").value({})


def test_conditions_in_c() -> None:
    text = Condition("not (Rd in (1, 2) or -Rn & 15 < 3 <= Rm)").c_text(lambda name: f"f_{name}")
    assert text == "(!(((f_Rd == 1 || f_Rd == 2)) || (((-f_Rn) & 15) < 3 && 3 <= f_Rm)))"
