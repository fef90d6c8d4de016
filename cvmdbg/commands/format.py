"""Formats in front of arguments, as gdb writes them: ``/8xg``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cvmdbg.target import UserError

if TYPE_CHECKING:
    pass


FORMATS = "xduotcazfsi"


UNITS = {"b": 1, "h": 2, "w": 4, "g": 8, "c": 16}


@dataclass(frozen=True, slots=True)
class Format:
    """gdb's ``/8xg``: count, letter, unit; empty where not given."""

    count: int = 1
    letter: str = ""
    unit: str = ""


def split_format(text: str, what: str) -> tuple[Format, str]:
    """The format in front of an argument, and the argument. ``c`` behind another letter is the unit of capabilities."""
    text = text.strip()
    if not text.startswith("/"):
        return Format(), text
    head, _, rest = text[1:].partition(" ")
    match = re.fullmatch(r"(-?\d*)([a-z]*)", head)
    if match is None:
        raise UserError(f"{what}: /{head} is no format; it is a count, one of {FORMATS} and one of {''.join(UNITS)}")
    letter = unit = ""
    for character in match[2]:
        if character in FORMATS and not (character == "c" and (letter or unit)):
            letter = character
        elif character in UNITS:
            unit = character
        else:
            raise UserError(f"{what}: no format {character!r}; formats are {FORMATS}, units {''.join(UNITS)}")
    count = int(match[1]) if match[1] not in ("", "-") else 1
    if not 0 < count <= 65536:
        raise UserError(f"{what}: the count must be 1 to 65536")
    return Format(count, letter, unit), rest.strip()
