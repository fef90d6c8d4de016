"""``cvmdbg disasm`` and ``cvmdbg asm``."""

from __future__ import annotations

import argparse
import io
import json

import pytest

from cvmdbg import isa_cli


class Input:
    """Standard input as bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    isa_cli.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(words)
    status: int = args.main(args)
    streams = capsys.readouterr()
    return status, streams.out, streams.err


def test_words(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "disasm", "--mode", "c64", "c2c273e0", "0xC2400441")
    assert (status, out) == (0, "bx #4\nldr c1, [c2, #16]\n")


def test_words_stand_behind_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "disasm", "10000000", "10000000", "--pc", "1000")[1] == "adr x0, 1000\nadr x0, 1004\n"


def test_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = b"# word pc\n10000000 2000\n\n10000000\nc2c273e0 0x10\n"
    monkeypatch.setattr("sys.stdin", Input(lines))
    assert run(capsys, "disasm", "-") == (0, "adr x0, 2000\nadr x0, 2004\nbx #4\n", "")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"c2c273e0\nxyz\n", "disasm: line 2: a word is 1 to 8 hex digits, not 'xyz'\n"),
        (b"c2c273e0\n0 0 0\n", "disasm: line 2: a line is WORD [PC], not '0 0 0'\n"),
        (b"c2c273e0\n0 10000000000000000\n", "disasm: line 2: an address is 1 to 16 hex digits, not "),
        (b"c2c273e0\n" + b"0" * 5000, "disasm: line 2: a line is at most 4096 bytes\n"),
        (b"c2c273e0\n\xff\xfe\n", "disasm: line 2: a word is 1 to 8 hex digits, not '\\\\xff\\\\xfe'\n"),
    ],
)
def test_a_bad_line_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, content: bytes, sentence: str
) -> None:
    monkeypatch.setattr("sys.stdin", Input(content))
    status, out, error = run(capsys, "disasm", "-")
    assert (status, out) == (1, "bx #4\n")
    assert error.startswith(sentence)


def test_assembling(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(capsys, "asm", "ldr", "c1,", "[x2,", "#16]") == (0, "c2400441\n", "")
    monkeypatch.setattr("sys.stdin", Input(b"adr x0, 1000\nadr x0, 1004\n"))
    assert run(capsys, "asm", "-", "--pc", "1000")[1] == "10000000\n10000000\n"


def test_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "asm", "ldrx")[::2] == (1, "asm: 'ldrx' is no instruction\n")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(run(capsys, "--json", "disasm", "82009961", "--pc", "1000")[1])
    assert answer["ok"] is True
    assert answer["result"] == [
        {
            "pc": "0x1000",
            "word": "0x82009961",
            "text": "ldr c1, 5cb0",
            "clause": "LDR_C_I_C",
            "kinds": ["load"],
            "target": "0x5cb0",
        }
    ]
    assert json.loads(run(capsys, "--json", "asm", "nothing")[1]) == {
        "command": "asm nothing",
        "ok": False,
        "error": "'nothing' is no instruction",
    }
