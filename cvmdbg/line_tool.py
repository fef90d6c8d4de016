"""What the tools that answer line by line share: cap, disasm, asm."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, TextIO

from cvmdbg.target import UserError

MAX_LINE = 4096
"""Bytes of a line."""


def read_lines(stream: BinaryIO) -> Iterator[str]:
    """Lines of a stream as text, cut just above the longest that is taken; foreign bytes are escaped."""
    while line := stream.readline(MAX_LINE + 1):
        yield line.decode("ascii", "backslashreplace")


def answers(lines: Iterable[str], answer: Callable[[str], str], out: TextIO) -> None:
    """Print the answer to each line as it comes; empty lines and ``#`` lines have none.

    Stops at the first malformed line with a UserError that names it; what came before is printed.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if len(line) > MAX_LINE:
                raise UserError(f"a line is at most {MAX_LINE} bytes")
            out.write(answer(line) + "\n")
            out.flush()
        except UserError as error:
            raise UserError(f"line {number}: {error}") from None


def run(tool: str, command: str, as_json: bool, act: Callable[[], None]) -> int:
    """Do what a command asks; the exit status: 0, or 1 after one sentence: in JSON, or on standard error."""
    try:
        act()
    except UserError as error:
        if as_json:
            print(json.dumps({"command": command, "ok": False, "error": str(error)}))
        else:
            print(f"{tool}: {error}", file=sys.stderr)
        return 1
    return 0
