"""One line of GDB/MI to a record. pygdbmi reads the values; what it must not see is kept from it.

pygdbmi waits for ever in a list that does not end and skips what it does not know, so the form is checked first.
Source of the form: GDB manual, "GDB/MI Output Syntax".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pygdbmi.gdbmiparser import parse_response

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_VALUE, _TUPLE = "\x01", "\x02"
"""What stands for a string or a list, and for a tuple, once they are known to be whole."""
_MARKS = re.compile("[\x01\x02]")
_TUPLES = re.compile(r"\{(?:[\w.-]+=[\x01\x02](?:,[\w.-]+=[\x01\x02])*)?\}")
_LISTS = re.compile(r"\[(?:(?:[\w.-]+=)?[\x01\x02](?:,(?:[\w.-]+=)?[\x01\x02])*)?\]")
_RECORD = re.compile(r"\d*[\^*=][a-z-]+(?:,[\w.-]+=[\x01\x02]|,\x02)*")
_STREAM = re.compile(r'[~@&]"(?:[^"\\]|\\.)*"')
_STARTS = re.compile(
    r"\d+\^(?:done|running|connected|error|exit)\b|\*(?:stopped|running)\b|=[a-z]+-[a-z-]+,|\(gdb\) ?$"
)
DEEPEST = 32
"""Lists and tuples within each other; gdb's own go to about six."""


@dataclass(frozen=True, slots=True)
class Record:
    """``kind``: result, notify, console, log, target, done (the prompt), output (what the program printed)."""

    kind: str
    message: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    token: int | None = None


class Malformed(ValueError):
    """It begins as a record and is none."""


def read(line: str) -> list[Record]:
    """The records of a line: a program that shares gdb's output may have printed something before the first one.

    Malformed for an answer or a change of state that cannot be read; anything else may be the program's own words.
    """
    if _STREAM.fullmatch(line):
        found = parse_response(line)
        return [Record(found["type"], text=found["payload"] or "")]
    at = _STARTS.search(line)
    if at is None:
        return [Record("output", text=line + "\n")]
    before = [Record("output", text=line[: at.start()])] if at.start() else []
    rest = line[at.start() :]
    if rest.startswith("("):
        return [*before, Record("done")]
    if not _is_whole(rest):
        if before or rest[0] == "=":
            return [Record("output", text=line + "\n")]
        raise Malformed(line)
    found = parse_response(rest)
    return [*before, Record(found["type"], found["message"], found["payload"] or {}, token=found.get("token"))]


def _is_whole(line: str) -> bool:
    """Is it a record with values that all end?"""
    if _MARKS.search(_STRING.sub("", line)):
        return False
    form = _STRING.sub(_VALUE, line)
    for _ in range(DEEPEST):
        if _RECORD.fullmatch(form):
            return True
        form = _LISTS.sub(_VALUE, _TUPLES.sub(_TUPLE, form))
    return False


def text_of(payload: dict[str, Any], *path: str) -> str:
    """A string in nested tuples; ``""`` when there is none. Of repeated results it is the first."""
    value: object = payload
    for key in path:
        value = value[0] if isinstance(value, list) and value else value
        value = value.get(key, "") if isinstance(value, dict) else ""
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, str) else ""


def tuples_of(payload: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The tuples in a list; nothing where there is no such list."""
    value = payload.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
