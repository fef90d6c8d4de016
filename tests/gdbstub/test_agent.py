"""Conditions of breakpoints: the expression machine computes as C does, and hostile code ends in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdbstub.agent import BadExpression, evaluate

u64 = st.integers(0, (1 << 64) - 1)


def _constant(value: int) -> bytes:
    return b"\x25" + value.to_bytes(8, "big")


def _run(code: bytes) -> int:
    return evaluate(code, lambda number: number * 10, lambda address, size: bytes(range(1, 9))[:size])


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


@given(u64, u64)
def test_arithmetic(a: int, b: int) -> None:
    expected = {
        0x02: a + b,
        0x03: a - b,
        0x04: a * b,
        0x0F: a & b,
        0x10: a | b,
        0x11: a ^ b,
        0x13: int(a == b),
        0x14: int(_signed(a) < _signed(b)),
        0x15: int(a < b),
    }
    for operation, value in expected.items():
        code = _constant(a) + _constant(b) + bytes((operation, 0x27))
        assert _run(code) == value & (1 << 64) - 1


@given(u64, u64.filter(bool))
def test_division_goes_towards_zero(a: int, b: int) -> None:
    both = _constant(a) + _constant(b)
    assert _run(both + b"\x06\x27") == a // b
    assert _run(both + b"\x08\x27") == a % b
    quotient, rest = (_signed(_run(both + bytes((op, 0x27)))) for op in (0x05, 0x07))
    if (_signed(a), _signed(b)) != (-(1 << 63), -1):
        assert quotient * _signed(b) + rest == _signed(a)
        assert abs(rest) < abs(_signed(b))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (b"\x22\x05\x27", 5),
        (b"\x26\x00\x03\x27", 30),  # register 3
        (b"\x22\x00\x19\x27", 0x04030201),  # four bytes, little-endian
        (b"\x22\x80\x16\x08\x27", (1 << 64) - 0x80),  # sign extended from 8 bits
        (b"\x23\xff\xff\x2a\x04\x27", 0xF),
        (b"\x22\x01\x20\x00\x08\x22\x07\x27\x22\x09\x27", 9),  # if_goto over the first end
        (b"\x22\x01\x22\x02\x2b\x03\x27", 1),  # swap, then 2 - 1
        (b"\x22\x01\x22\x02\x32\x01\x27", 1),  # pick
        (b"\x22\x00\x0e\x27", 1),
    ],
)
def test_operations(code: bytes, value: int) -> None:
    assert _run(code) == value


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (b"", "is cut"),
        (b"\x25\x00", "is cut"),
        (b"\x27", "stack is empty"),
        (b"\x21\x00\x00", "does not end"),
        (b"\x22\x01\x21\x00\x00", "stack is full"),
        (b"\x22\x01\x22\x00\x06\x27", "divides by zero"),
        (b"\x99", "0x99"),
        (b"\x32\x05", "below its stack"),
    ],
)
def test_hostile_code_is_told(code: bytes, sentence: str) -> None:
    with pytest.raises(BadExpression, match=sentence):
        _run(code)


@given(st.binary(max_size=60))
def test_any_code_ends(code: bytes) -> None:
    try:
        assert 0 <= _run(code) < 1 << 64
    except BadExpression as error:
        assert str(error)
