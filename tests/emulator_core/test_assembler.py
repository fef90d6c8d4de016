"""Assembling: forgiving forms, and one sentence for each mistake."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator_core.assembler import AssemblyError, assemble
from emulator_core.disassembler import Mode, disassemble, text_of


@pytest.mark.parametrize(
    ("text", "mode", "word"),
    [
        ("ldr c1, [x2, #16]", "a64", 0xC2400441),
        ("LDR  C1 , [ X2 ,16 ]", "a64", 0xC2400441),
        ("ldr c1, [c2, #0x10] // the second slot", "c64", 0xC2400441),
        ("ldr c1, [c2, #16]", "a64", 0x82601041),
        ("add c1, c2, #0x10, lsl #12", "a64", 0x02404041),
        ("blrs c29, c1, c2", "c64", 0xC2C2A420),
        ("ret clr", "c64", 0xC2C253C0),
        ("fmov d0, #1", "a64", 0x1E6E1000),
        ("fmov v0.4s, -0.125", "a64", 0x4F06F400),
        ("movi v0.4s, #18, lsl #8", "a64", 0x4F002640),
        ("movi v0.2d, #0x00ff00ff", "a64", 0x6F00E4A0),
        ("LD2 {V3.D,V4.D}[1], [X0], 16", "a64", 0x4DFF8403),
        ("ld4 { v3.8h - v6.8h }, [x0]", "a64", 0x4C400403),
        ("ld4 {v3.8h, v4.8h, v5.8h, v6.8h}, [x0]", "a64", 0x4C400403),
        ("tbl v0.8b, {v31.16b-v0.16b}, v7.8b", "a64", 0x0E0723E0),
        ("ins v0.s[1], v1.s[2]", "a64", 0x6E0C4420),
        ("not v0.8b, v1.8b", "a64", 0x2E205820),
        ("sshll2 v0.8h, v1.16b, #0", "a64", 0x4F08A420),
        (".inst 0xd503201f", "a64", 0xD503201F),
        (".inst 0 ; undefined", "a64", 0),
    ],
)
def test_forgiving_forms(text: str, mode: Mode, word: int) -> None:
    assert f"{assemble(text, 0x1000, mode):08x}" == f"{word:08x}"


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        ("", "a64", "expected an instruction, found nothing"),
        ("mov x0, #" + "9" * 5000, "a64", "expected an instruction, found 5009 characters"),
        ("ldrc1, [x2]", "a64", "'ldrc1,' is no instruction"),
        ("blrs c28, c1", "a64", "'blrs c28, c1', column 9: expected the end, found ', c1'"),
        ("seal c1, c2, lp", "a64", "expected a form of seal or a C register, found 'lp'"),
        ("scbnds c1, c2, #64", "a64", "column 17: expected an unsigned number in range, found '64'"),
        ("bicflgs c1, c2, #-1", "a64", "column 18: expected an unsigned number in range, found '-1'"),
        ("cas c1, c2, [c3]", "a64", "expected a base register: X or sp in A64, C or csp in C64, found 'c3]'"),
        ("cas c1, c2, [x3]", "c64", "expected a base register: X or sp in A64, C or csp in C64, found 'x3]'"),
        ("add v0.4s, v1.2d, v2.4s", "a64", "column 12: expected a vector that agrees with the others, found 'v1.2d"),
        ("add v0.1d, v1.1d, v2.1d", "a64", "expected operands that go together, found the end"),
        ("sshr v0.4s, v1.4s, #33", "a64", "expected a shift up to the bits of an element that agrees with the others"),
        ("fmla h0, h1, v16.h[0]", "a64", "column 14: expected an element v0.h[0]"),
        ("fmov d0, #0.1", "a64", "column 11: expected a floating-point constant of 8 bits"),
        ("ld3 {v0.8b, v2.8b, v4.8b}, [x0]", "a64", "column 5: expected a list of 3 vectors, found '{v0"),
        ("ld1 {v0.8b, v1.8b}, [x0], #8", "a64", "expected 16 times a power of two"),
        (".inst 0x100000000", "a64", "expected a number of 32 bits after .inst"),
        ("adr x0, 200000", "a64", "column 9: expected a hexadecimal address in reach, found '200000'"),
    ],
)
def test_a_mistake_is_one_sentence(text: str, mode: Mode, sentence: str) -> None:
    with pytest.raises(AssemblyError) as mistake:
        assemble(text, 0x1000, mode)
    assert sentence in str(mistake.value)
    assert "\n" not in str(mistake.value)


PIECES = [
    "mov",
    "ldr",
    "add",
    "b.",
    "x0",
    "w31",
    "c1",
    "csp",
    "[",
    "]",
    "!",
    ",",
    "#",
    "-",
    "0x",
    "16",
    "lsl",
    "v0.d[1]",
    "sshr",
    "v1.4s",
    "{v0.8b-v3.8b}",
    "1.5e0",
]


@settings(max_examples=3_000, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from([*PIECES, " "]), max_size=12).map("".join),
        st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(0, 40), st.text(max_size=2)).map(
            lambda cut: text_of(cut[0])[: cut[1]] + cut[2] + text_of(cut[0])[cut[1] :]
        ),
    )
)
def test_any_text_is_an_instruction_or_a_sentence(text: str) -> None:
    try:
        assert 0 <= assemble(text, 0x1000) < 1 << 32
    except AssemblyError as mistake:
        assert "\n" not in str(mistake)


def test_what_a_debugger_asks_of_an_instruction() -> None:
    call = disassemble(assemble("blr c3"))
    assert (call.clause, call.kinds, call.target, call.bases) == ("BLR_C_C", {"call"}, None, ())
    load = disassemble(assemble("ldr c1, [c2, #16]", 0, "c64"), 0, "c64")
    assert (load.mnemonic, load.operands, load.kinds, load.bases) == ("ldr", "c1, [c2, #16]", {"load"}, ("c2",))
    adr = disassemble(assemble("adr x7, 10ff4", 0x10000), 0x10000)
    assert (adr.text, adr.target) == ("adr x7, 10ff4", 0x10FF4)
