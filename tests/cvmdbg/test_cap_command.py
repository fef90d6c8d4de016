"""``cvmdbg cap``: its lines, its errors, its exit status."""

from __future__ import annotations

import argparse
import io
import json
import sys

import pytest

from cvmdbg import cap
from cvmdbg.target import UserError

BUFFER = "dc5140007880b840000000047fffb840"
ROWS = f"""\
#op\tcap_hex(high64 low64)\ttag\targument_hex\tresult
decode\t{BUFFER}\t1\t0\tignored
rrlen\t-\t0\t4001

isrep {BUFFER} 1 47fffb850
chksld {BUFFER} 1
"""
RESULTS = [
    f"hex={BUFFER} tag=1 addr=0x47fffb840 base=0x47fffb840 top=0x47fffb880 len=0x40 off=0x0 perms=0x37145 "
    "otype=0x0 exp=0 valid=1 inbounds=1",
    "rrlen=0x4008",
    "rep=1",
    "nzcv=0000",
]


def run(*words: str, as_json: bool = False) -> int:
    parser = argparse.ArgumentParser()
    cap.add_parser(parser.add_subparsers())
    args = parser.parse_args(["cap", *words])
    args.json = as_json
    return int(args.main(args))


def feed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_one_operation(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("setaddr", BUFFER, "1", "47fffb848") == 0
    out = capsys.readouterr().out
    assert "addr=0x47fffb848" in out
    assert out.endswith("off=0x8 perms=0x37145 otype=0x0 exp=0 valid=1 inbounds=1 rep=1\n")


def test_decode_alone_explains(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((f"1:{BUFFER}",), (BUFFER, "1")):
        assert run("decode", *words) == 0
        assert capsys.readouterr().out.startswith("0x47fffb840 [rwRW,0x47fffb840-0x47fffb880]\n raw ")
    assert run("decode", BUFFER, "1", "0") == 0
    assert capsys.readouterr().out.splitlines() == RESULTS[:1]


def test_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    feed(monkeypatch, ROWS.encode())
    assert run("-") == 0
    assert capsys.readouterr().out.splitlines() == RESULTS


def test_a_bad_line_stops_after_the_good_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, ROWS.encode() + b"rrlen - 0 xyz\nrrlen - 0 1\n")
    assert run("-") == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == RESULTS
    assert told.err == "cap: line 7: an argument is 1 to 16 hex digits, not 'xyz'\n"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"decode", "a line is op"),
        (b"nothing - 0 0", "'nothing' is no operation"),
        (b"decode 12 1 0", "32 hex digits"),
        (b"decode " + b"0" * 32 + b" 2 0", "a tag is 0 or 1"),
        (b"rrlen 0 0 0", "takes no capability"),
        (b"rrlen - 0 1_0", "1 to 16 hex digits"),
        (b"rrlen - 0 " + b"f" * 17, "1 to 16 hex digits"),
        (b"rrlen - 0", "takes an argument"),
        (b"seal " + b"0" * 32 + b" 1 4", "32 hex digits"),
        (b"seal_imm " + b"0" * 32 + b" 1 0", "0x1 to 0x3"),
        (b"\xff\xfe - 0 0", "is no operation"),
        (b"decode " + b"0" * 5000, "at most 4096 bytes"),
    ],
)
def test_every_malformed_line_gets_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: bytes, sentence: str
) -> None:
    feed(monkeypatch, line + b"\n")
    assert run("-") == 1
    error = capsys.readouterr().err
    assert error.startswith("cap: line 1: ")
    assert sentence in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "words", [("decode",), ("add",), ("add", BUFFER), ("frob", BUFFER, "1", "0"), ("decode", "zz")]
)
def test_bad_words_get_a_sentence(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert run(*words) == 1
    error = capsys.readouterr().err
    assert error.startswith("cap: ")
    assert error.count("\n") == 1


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rrmask", "-", "0", "4000", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        "command": "cap rrmask - 0 4000",
        "ok": True,
        "result": {"rrmask": "0xfffffffffffffff8"},
    }
    assert run("decode", "zz", as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert "32 hex digits" in told["error"]


@pytest.mark.parametrize("op", sorted(cap.OPERATIONS))
def test_every_operation_answers_in_fields(op: str) -> None:
    operation = cap.OPERATIONS[op]
    second = f"1:{BUFFER}" if operation.argument == "capability" else "1"
    operand = "-" if operation.alone else BUFFER
    answer = cap.evaluate(op, operand, "1", None if operation.argument == "none" else second)
    assert all(key and value for key, value in (field.split("=") for field in answer.split()))


def test_a_missing_argument_names_its_form() -> None:
    with pytest.raises(UserError, match="a capability, 1: and 32 hex digits"):
        cap.evaluate("seal", BUFFER, "1", None)
