"""Expressions: what they mean over a stopped guest, and where their mistakes are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvmdbg.expressions import ExpressionError, parse, tokens
from cvmdbg.session import Session
from cvmdbg.target import TargetError, UserError
from tests.debugger.conftest import Open


def shown(session: Session, expression: str) -> str:
    """What print says, without the number of the value."""
    return session.execute(f"print {expression}").text.split(" = ", 1)[1]


@pytest.fixture
def stopped(opened: Open) -> Session:
    """The hybrid hello in print_point."""
    return opened("hello", "break print_point", "run")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("-7 % 3", "-1"),
        ("1 << 40", "1099511627776"),
        ("0x10 | 3", "19"),
        ("~0", "-1"),
        ("!5", "0"),
        ("5 > 3 && 2 > 9 || 1", "1"),
        ("'A'", "65 'A'"),
        ("1 ? 10 : 20", "10"),
        ("sizeof(struct point)", "16"),
        ("(char) 300", "44 ','"),
        ("(unsigned char) -1", "255 '\\377'"),
        ("1.5 + 1", "2.5"),
        ("0755", "493"),
        ("10u - 11u", "4294967295"),
        ("10 - 11", "-1"),
        ('"two"', '"two"'),
        ("origin.x", "3"),
        ("origin.x + origin.y", "7"),
        ("p->x", "3"),
        ("p == &origin", "1"),
        ("(&origin)->y", "4"),
        ("aux_names[1].name", '"AT_PAGESZ"'),
        ("aux_names[1].type", "6"),
        ("&aux_names[2] - &aux_names[0]", "2"),
        ("*p", '{x = 3, y = 4, label = 0x6b0 (16: 0x4000006b0) "origin"}'),
        ("origin", '{x = 3, y = 4, label = 0x6b0 (16: 0x4000006b0) "origin"}'),
        ("&origin", "(struct point *) 0x400001af8 <origin>"),
        ("p", "(struct point *) 0x1af8 (16: 0x400001af8 <origin>)"),
        ("*(int*)0x400001af8", "3"),
        ("*(int*)16:1af8", "3"),
        ("'libhello.so'::origin.y", "4"),
        ("hello:calls", "0"),
        ("16:calls", "0"),
        ("$c0.tag", "0"),
        ("$pcc.base", "17179869184"),
        ("$pcc.perms & 2", "2"),
        ("$x0 == $c0.value", "1"),
        ("$w0", "6904  (as an address 16 0x400001af8 <origin>)"),
        ("&origin.y", "(int *) 0x400001afc <origin+4>"),
        ("fibonacci", "{u64 (u64)} 0x4000001ec <fibonacci>"),
    ],
)
def test_value(stopped: Session, expression: str, value: str) -> None:
    assert shown(stopped, expression) == value


def test_structures_are_no_numbers(stopped: Session) -> None:
    with pytest.raises(UserError, match="is no number"):
        stopped.execute("print *p == origin")


def test_two_elements_are_an_array(stopped: Session) -> None:
    assert shown(stopped, "aux_names[0]@2") == '{{type = 3, name = "AT_PHDR"}, {type = 6, name = "AT_PAGESZ"}}'


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("print/x origin", "{x = 0x3, y = 0x4, label = 0x6b0}"),
        ("print/t 10", "1010"),
        ("print/c 65", "65 'A'"),
        ("print/d 0xffffffffffffffff", "-1"),
        ("print/z 5", "0x00000005"),
        ("print 255/x", "0xff"),
        ("print/a 0x400001af8", "0x400001af8 <origin>"),
    ],
)
def test_formats(stopped: Session, line: str, text: str) -> None:
    assert stopped.execute(line).text.split(" = ", 1)[1] == text


def test_a_colon_of_a_choice_separates(stopped: Session) -> None:
    assert shown(stopped, "1?2:3") == "2"
    assert shown(stopped, "0?2:3") == "3"
    assert shown(stopped, "0 ? 2 : 16:0x3c8") == shown(stopped, "(void *) 0x4000003c8")


def test_history(stopped: Session) -> None:
    stopped.execute("print 40")
    stopped.execute("print 2")
    assert shown(stopped, "$1 + $") == "42"
    assert shown(stopped, "$$2") == "40"
    with pytest.raises(UserError, match=r"no value \$99"):
        stopped.execute("print $99")


def test_assignments(stopped: Session) -> None:
    stopped.execute("set origin.x = 77")
    assert shown(stopped, "origin.x") == "77"
    stopped.execute("set $x5 = 0x1234")
    assert shown(stopped, "$x5") == "4660"
    stopped.execute("set $mine = 6")
    assert shown(stopped, "$mine * 7") == "42"
    stopped.execute("set *(char*)&origin = 1")
    assert shown(stopped, "origin.x") == "1"


def test_assignment_of_a_capability_keeps_its_tag(stopped: Session) -> None:
    stopped.execute("set $c9 = $ddc")
    assert shown(stopped, "$c9 ") == "0x400000000 [rwRW,0x400000000-0x440000000]"
    stopped.execute("set $x9 = 5")
    assert shown(stopped, "$c9") == "0x5"


@pytest.mark.parametrize(
    ("expression", "column", "message"),
    [
        ("", 0, "missing"),
        ("1 +", 3, "operand is missing"),
        ("(1 + 2", 6, r"'\)' is missing"),
        ("1 2", 2, "not expected"),
        ("p->z", 1, "no member z"),
        ("origin.", 7, "member's name"),
        ("1 / 0", 2, "division by zero"),
        ("nothing_of_that_name", 0, "no symbol"),
        ("$nope", 0, r"no register or value \$nope"),
        ("1 << 500", 2, "outside of"),
        ("`", 0, "no part of an expression"),
        ("1af8", 0, "hex needs 0x"),
        ("0x1ffffffffffffffff", 0, "more than 64 bits"),
        ("&5", 0, "no address"),
        ("&$x0", 0, "it is in"),
        ("$c0.colour", 3, "a capability has no colour"),
        ("(struct nothing) 1", 1, "no type struct nothing"),
        ("(" * 300 + "1" + ")" * 300, None, "too deeply"),
        ("99:10", 0, "no compartment 99"),
        ("16:ffffffffff", 0, "neither an address"),
    ],
)
def test_mistakes_have_a_place(stopped: Session, expression: str, column: int | None, message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        stopped.live.evaluate(expression)
    if column is not None:
        assert caught.value.column == column
        assert str(caught.value).splitlines()[-1] == "  " + " " * column + "^"


def test_unmapped_memory_is_a_sentence_and_hints_at_the_compartment(stopped: Session) -> None:
    with pytest.raises(TargetError, match="not mapped"):
        stopped.live.evaluate("*(long*)0x4c0000000")
    with pytest.raises(TargetError, match=r"in 16 it is 0x400001af8: write 16:1af8"):
        stopped.live.evaluate("*(long*)0x1af8")


@pytest.mark.parametrize(
    ("type_", "first"),
    [
        ("struct point", "type = struct point {"),
        ("origin", "type = struct point {"),
        ("p", "type = struct point {"),
        ("aux_names", "type = const struct {...} [12]"),
        ("u64", "type = long unsigned int"),
        ("fibonacci", "type = u64 (u64)"),
        ("unsigned char", "type = unsigned char"),
    ],
)
def test_ptype(stopped: Session, type_: str, first: str) -> None:
    assert stopped.execute(f"ptype {type_}").lines[0] == first


def test_ptype_of_a_pointer_writes_the_structure_out(stopped: Session) -> None:
    assert stopped.execute("ptype p").lines[-1] == "} *"
    assert stopped.execute("whatis p").text == "type = struct point *"


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused_in_a_sentence(text: str) -> None:
    try:
        parse(text, lambda name: name == "u64")
    except ExpressionError as error:
        assert 0 <= error.column <= len(text)


@given(
    st.lists(
        st.sampled_from(
            [
                "1",
                "a",
                "$x0",
                "(",
                ")",
                "+",
                "-",
                "*",
                "&",
                ".",
                "->",
                "[",
                "]",
                "==",
                "16:1f",
                "'m'::f",
                "sizeof",
                "(char)",
                "?",
                ":",
                ",",
                "0x1f",
                "'c'",
            ]
        )
    )
)
def test_any_sequence_of_words_is_parsed_or_refused(words: list[Any]) -> None:
    text = " ".join(words)
    try:
        tokens(text)
        parse(text, lambda name: False)
    except ExpressionError as error:
        assert 0 <= error.column <= len(text)


def test_format_text(stopped: Session) -> None:
    assert (
        stopped.execute('printf "%d of %s, %x at %p\\n", origin.x, p->label, 255, p').text
        == "3 of origin, ff at 0x400001af8"
    )
    with pytest.raises(UserError, match="more conversions"):
        stopped.execute('printf "%d"')
