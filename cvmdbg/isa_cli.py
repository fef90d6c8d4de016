"""``cvmdbg disasm`` and ``cvmdbg asm``: words to text and back at the shell, one at a time or line by line."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from typing import TextIO

from cvmdbg.line_tool import answers, read_lines, run
from cvmdbg.target import UserError
from emulator_core.assembler import AssemblyError, assemble
from emulator_core.disassembler import MODES, WORD_SIZE, Instruction, disassemble, text_of

_ADDRESSES = 1 << 64
_WORD = re.compile(r"(?:0x)?[0-9a-f]{1,8}", re.I | re.A)
_ADDRESS = re.compile(r"(?:0x)?[0-9a-f]{1,16}", re.I | re.A)


def _word(text: str) -> int:
    if _WORD.fullmatch(text) is None:
        raise UserError(f"a word is 1 to 8 hex digits, not {text[:40]!r}")
    return int(text, 16)


def _address(text: str) -> int:
    if _ADDRESS.fullmatch(text) is None:
        raise UserError(f"an address is 1 to 16 hex digits, not {text[:40]!r}")
    return int(text, 16)


# ---- lines ----


def disassemble_lines(lines: Iterable[str], args: argparse.Namespace, out: TextIO) -> None:
    """Lines ``WORD [PC]`` to one line of text each; without a PC, a word stands behind the one before."""
    pc = _address(args.pc)

    def answer(line: str) -> str:
        nonlocal pc
        columns = line.split()
        if len(columns) > 2:
            raise UserError(f"a line is WORD [PC], not {line.strip()[:40]!r}")
        at = _address(columns[1]) if len(columns) > 1 else pc
        pc = (at + WORD_SIZE) % _ADDRESSES
        return text_of(_word(columns[0]), at, args.mode)

    answers(lines, answer, out)


def assemble_lines(lines: Iterable[str], args: argparse.Namespace, out: TextIO) -> None:
    """Lines of one instruction each to words in hex; each stands behind the one before."""
    pc = _address(args.pc)

    def answer(line: str) -> str:
        nonlocal pc
        at, pc = pc, (pc + WORD_SIZE) % _ADDRESSES
        return f"{_assembled(line, at, args):08x}"

    answers(lines, answer, out)


def _assembled(text: str, pc: int, args: argparse.Namespace) -> int:
    try:
        return assemble(text, pc, args.mode)
    except AssemblyError as error:
        raise UserError(str(error)) from None


# ---- the commands ----


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``disasm`` and ``asm`` to a command line; the parsed arguments go to ``main``."""
    disasm = subparsers.add_parser(
        "disasm",
        help="words to instructions",
        description="Print the instruction of each word; - reads lines WORD [PC] from standard input.",
    )
    disasm.add_argument("words", metavar="WORD", nargs="+", help="8 hex digits, or - for lines")
    asm = subparsers.add_parser(
        "asm",
        help="instructions to words",
        description="Print the word of one instruction; - reads one instruction a line from standard input.",
    )
    asm.add_argument("words", metavar="TEXT", nargs="+", help="the instruction, or - for lines")
    for parser, tool in ((disasm, "disasm"), (asm, "asm")):
        parser.add_argument("--mode", choices=MODES, default="a64", help="instruction set state (a64)")
        parser.add_argument("--pc", default="0", help="address of the first instruction, in hex (0)")
        parser.set_defaults(main=main, tool=tool)


def _fields(instruction: Instruction) -> dict[str, object]:
    fields: dict[str, object] = {
        "pc": f"0x{instruction.pc:x}",
        "word": f"0x{instruction.word:08x}",
        "text": instruction.text,
        "clause": instruction.clause,
        "kinds": sorted(instruction.kinds),
    }
    if instruction.target is not None:
        fields["target"] = f"0x{instruction.target:x}"
    return fields


def _instructions(args: argparse.Namespace) -> list[Instruction]:
    pc = _address(args.pc)
    words = map(_word, args.words)
    return [disassemble(word, (pc + WORD_SIZE * n) % _ADDRESSES, args.mode) for n, word in enumerate(words)]


def _report(args: argparse.Namespace) -> None:
    result: object
    if args.tool == "disasm":
        instructions = _instructions(args)
        lines = [instruction.text for instruction in instructions]
        result = [_fields(instruction) for instruction in instructions]
    else:
        word = _assembled(" ".join(args.words), _address(args.pc), args)
        lines, result = [f"{word:08x}"], {"word": f"0x{word:08x}"}
    if getattr(args, "json", False):
        print(json.dumps({"command": " ".join([args.tool, *args.words]), "ok": True, "result": result}))
    else:
        print("\n".join(lines))


def main(args: argparse.Namespace) -> int:
    """Run ``cvmdbg disasm`` or ``cvmdbg asm``; the exit status: 0, or 1 after one sentence on standard error."""
    by_line = disassemble_lines if args.tool == "disasm" else assemble_lines

    def act() -> None:
        if args.words == ["-"]:
            by_line(read_lines(sys.stdin.buffer), args, sys.stdout)
        else:
            _report(args)

    return run(args.tool, " ".join([args.tool, *args.words]), getattr(args, "json", False), act)
