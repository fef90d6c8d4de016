"""``cvmdbg cap``: capability operations at the shell, one at a time or line by line, and ``cap decode``.

A line is ``op, capability hex, tag, argument hex`` in columns; a fifth column, a recorded result, is not read.
The ten operations of the vectors print the vectors' result form; the instructions, by mnemonic, print the same
fields, ``value=0x…`` for a number and ``nzcv=`` for flags.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple, TextIO

from cvmdbg.line_tool import answers, read_lines, run
from cvmdbg.target import UserError
from emulator_core import _core
from emulator_core.capability import Capability, explain, fields_line, parse

_U64 = (1 << 64) - 1
_NUMBER = re.compile(r"(?:0x)?[0-9a-f]{1,16}", re.I | re.A)


# ---- operations ----


class Operation(NamedTuple):
    """What an operation takes beside its capability, and how its result reads.

    ``argument``: number, capability or none. ``low`` and ``high`` bound a number. ``alone``: there is no
    capability operand, the column holds ``-``.
    """

    argument: str
    result: Callable[..., str]
    low: int = 0
    high: int = _U64
    alone: bool = False


def _setaddr(cap: Capability, value: int) -> str:
    kept = cap.with_tag(True).set_value(value).tag
    return f"{fields_line(_core.capop_scvalue(cap, value))} rep={kept:d}"


def _add(cap: Capability, increment: int) -> str:
    kept = cap.is_representable_fast(increment)
    return f"{fields_line(_core.capop_add(cap, increment))} rep={kept:d}"


def _setoff(cap: Capability, offset: int) -> str:
    result = _core.capop_scoff(cap, offset)
    kept = cap.is_representable_fast((result.value - cap.value) & _U64)
    return f"{fields_line(result)} rep={kept:d}"


def _setbounds(cap: Capability, length: int) -> str:
    return f"{fields_line(_core.capop_scbnds(cap, length))} exact={cap.set_bounds_is_exact(length):d}"


def _setbounds_exact(cap: Capability, length: int) -> str:
    return f"{fields_line(_core.capop_scbndse(cap, length))} exact={cap.set_bounds_is_exact(length):d}"


def _isrepfast(cap: Capability, value: int) -> str:
    return f"rep={cap.is_representable_fast((value - cap.value) & _U64):d}"


_VECTOR_OPERATIONS = {
    "decode": Operation("none", fields_line),
    "setaddr": Operation("number", _setaddr),
    "add": Operation("number", _add),
    "setoff": Operation("number", _setoff),
    "setbounds": Operation("number", _setbounds),
    "setbounds_exact": Operation("number", _setbounds_exact),
    "isrep": Operation("number", lambda cap, value: f"rep={cap.is_representable(value):d}"),
    "isrepfast": Operation("number", _isrepfast),
    "rrlen": Operation("number", lambda length: f"rrlen=0x{_core.capop_rrlen(length):x}", alone=True),
    "rrmask": Operation("number", lambda length: f"rrmask=0x{_core.capop_rrmask(length):x}", alone=True),
}


def _flags_text(nzcv: int) -> str:
    return f"nzcv={nzcv:04b}"


def _changes(operation: Callable[..., Capability]) -> Callable[..., str]:
    return lambda *operands: fields_line(operation(*operands))


def _changes_and_flags(operation: Callable[..., tuple[Capability, int]]) -> Callable[..., str]:
    def text(*operands: object) -> str:
        cap, nzcv = operation(*operands)
        return f"{fields_line(cap)} {_flags_text(nzcv)}"

    return text


def _tests(operation: Callable[..., int]) -> Callable[..., str]:
    return lambda *operands: _flags_text(operation(*operands))


def _gets(operation: Callable[[Capability], int]) -> Callable[..., str]:
    return lambda cap: f"value=0x{operation(cap):x}"


def _subs(a: Capability, b: Capability) -> str:
    value, nzcv = _core.capop_subs(a, b)
    return f"value=0x{value:x} {_flags_text(nzcv)}"


_GETTERS = {
    name: Operation("none", _gets(getattr(_core, f"capop_{name}")))
    for name in (
        *("gcbase", "gcflgs", "gclen", "gclim", "gcoff", "gcperm", "gcseal", "gctag", "gctype", "gcvalue", "cfhi"),
    )
}
_WITH_NUMBER = {
    name: Operation("number", _changes(getattr(_core, f"capop_{name}")))
    for name in (
        *("sub", "scvalue", "scoff", "scbnds", "scbndse", "clrperm"),
        *("scflgs", "bicflgs", "eorflgs", "orrflgs", "cthi"),
    )
}
_WITH_CAPABILITY = {
    name: Operation("capability", _changes(getattr(_core, f"capop_{name}")))
    for name in ("seal", "unseal", "build", "cpytype", "cpyvalue")
}
_INSTRUCTIONS = {
    "alignd": Operation("number", _changes(_core.capop_alignd), high=63),
    "alignu": Operation("number", _changes(_core.capop_alignu), high=63),
    "seal_imm": Operation("number", _changes(_core.capop_seal_imm), low=1, high=3),
    "clrperm_imm": Operation("number", _changes(_core.capop_clrperm_imm), high=7),
    "clrtag": Operation("none", _changes(_core.capop_clrtag)),
    "cseal": Operation("capability", _changes_and_flags(_core.capop_cseal)),
    "chkssu": Operation("capability", _changes_and_flags(_core.capop_chkssu)),
    "chkeq": Operation("capability", _tests(_core.capop_chkeq)),
    "chkss": Operation("capability", _tests(_core.capop_chkss)),
    "chksld": Operation("none", _tests(_core.capop_chksld)),
    "chktgd": Operation("none", _tests(_core.capop_chktgd)),
    "subs": Operation("capability", _subs),
}
OPERATIONS = {**_VECTOR_OPERATIONS, **_WITH_NUMBER, **_WITH_CAPABILITY, **_INSTRUCTIONS, **_GETTERS}


# ---- one operation ----


def _operation(name: str) -> Operation:
    found = OPERATIONS.get(name)
    if found is None:
        raise UserError(f"{name[:40]!r} is no operation; these are: {', '.join(OPERATIONS)}")
    return found


def _tag(text: str) -> bool:
    if text not in ("0", "1"):
        raise UserError(f"a tag is 0 or 1, not {text[:40]!r}")
    return text == "1"


def _number(text: str, operation: Operation) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise UserError(f"an argument is 1 to 16 hex digits, not {text[:40]!r}")
    number = int(text, 16)
    if not operation.low <= number <= operation.high:
        raise UserError(f"the argument is 0x{operation.low:x} to 0x{operation.high:x}, not 0x{number:x}")
    return number


def _capability(text: str, tag: bool = False) -> Capability:
    try:
        return parse(text, tag)
    except ValueError as error:
        raise UserError(str(error)) from None


def evaluate(op: str, cap_hex: str, tag: str, argument: str | None) -> str:
    """The result of one operation as the vectors write it. UserError, one sentence, for anything malformed."""
    operation = _operation(op)
    if operation.alone:
        if cap_hex != "-":
            raise UserError(f"{op} takes no capability: write - in its place, not {cap_hex[:40]!r}")
        _tag(tag)
        operands: tuple[object, ...] = ()
    else:
        operands = (_capability(cap_hex, _tag(tag)),)
    if operation.argument == "none":
        return operation.result(*operands)
    if argument is None:
        raise UserError(f"{op} takes an argument: {_argument_form(operation)}")
    if operation.argument == "capability":
        return operation.result(*operands, _capability(argument))
    return operation.result(*operands, _number(argument, operation))


def _argument_form(operation: Operation) -> str:
    return "1 to 16 hex digits" if operation.argument == "number" else "a capability, 1: and 32 hex digits"


# ---- lines ----


def evaluate_line(line: str) -> str:
    """The result of one line of columns: op, capability hex, tag, argument (and more, which is not read)."""
    columns = line.split(None, 4)
    if len(columns) < 3:
        raise UserError("a line is op, capability hex, tag, argument hex")
    return evaluate(columns[0], columns[1], columns[2], columns[3] if len(columns) > 3 else None)


def evaluate_lines(lines: Iterable[str], out: TextIO) -> None:
    """Print the result of each line; a malformed one ends it with a UserError that names it."""
    answers(lines, evaluate_line, out)


# ---- the command ----


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``cap`` to a command line; the parsed arguments go to ``main``."""
    parser = subparsers.add_parser(
        "cap",
        help="compute with capabilities",
        description="One operation: cap OP HEX TAG ARG. Lines of the same on standard input: cap -. "
        "One capability explained: cap decode HEX.",
        epilog=f"operations: {', '.join(OPERATIONS)}",
    )
    parser.add_argument("op", metavar="OP", help="the operation, or - for lines on standard input")
    parser.add_argument(
        "hex", metavar="HEX", nargs="?", help="32 hex digits, high word first; 1: before them sets the tag"
    )
    parser.add_argument("tag", metavar="TAG", nargs="?", help="0 or 1")
    parser.add_argument("argument", metavar="ARG", nargs="?", help="hex: a number, or a second capability")
    parser.set_defaults(main=main)


def _explains(args: argparse.Namespace) -> bool:
    return args.op == "decode" and args.argument is None


def _explanation(args: argparse.Namespace) -> Capability:
    if args.hex is None:
        raise UserError("which capability? 32 hex digits, high word first, or 1: and these")
    return _capability(args.hex, args.tag is not None and _tag(args.tag))


def _one(args: argparse.Namespace) -> str:
    if args.hex is None or args.tag is None:
        _operation(args.op)
        raise UserError(f"{args.op}: write the capability's hex, its tag and the argument after it")
    return evaluate(args.op, args.hex, args.tag, args.argument)


def _fields(line: str) -> dict[str, str]:
    return dict(field.split("=", 1) for field in line.split())


def _report(args: argparse.Namespace) -> None:
    as_json = getattr(args, "json", False)
    if _explains(args):
        cap = _explanation(args)
        text, line = explain(cap), fields_line(cap)
    else:
        text = line = _one(args)
    words = [w for w in (args.op, args.hex, args.tag, args.argument) if w is not None]
    answer = {"command": " ".join(["cap", *words]), "ok": True, "result": _fields(line)}
    print(json.dumps(answer) if as_json else text)


def main(args: argparse.Namespace) -> int:
    """Run ``cvmdbg cap``; the exit status: 0, or 1 after one sentence on standard error."""

    def act() -> None:
        if args.op == "-":
            evaluate_lines(read_lines(sys.stdin.buffer), sys.stdout)
        else:
            _report(args)

    return run("cap", f"cap {args.op}", getattr(args, "json", False), act)
