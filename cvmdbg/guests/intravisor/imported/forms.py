"""The lines that are known, as their programs print them, and what each means: the rows of lines.tsv.

A form is a printf format with named fields: ``{base:x}`` hex with or without 0x, ``{n:d}`` decimal, ``{name:w}`` text
without commas, quotes and brackets, ``{rest:s}`` any text (at most once in a form, so matching stays linear).
Sources: Intravisor src/main.c, src/load_elf.c, src/utils.c, src/monitor.h, src/hostcalls.c; musl3-uni2's kernel and
libc/ldso/dynlink.c; musl-lkl's ldso/dynlink.c, pthread_create.c, __unmapself.c, _Exit.c, lkl_wrap/posix-host.c.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeAlias

MAX_MATCHED = 4096
"""A longer line is output: no form comes near it."""

Values: TypeAlias = "Mapping[str, int | str]"

_FIELDS = {
    "x": r"(?:0x)?[0-9a-fA-F]{1,16}",
    "d": r"-?[0-9]{1,18}",
    "w": r"[^,'\"\[\]]*",
    "s": r".*",
    "f": r"[0-9]+\.[0-9]+",
}
_FIELD = re.compile(r"\{(\w+):([xdwsf])\}")


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of line. ``source`` is who prints it: ``monitor``, or ``guest`` (LibOS, libc, loader).

    ``event`` says whether it is a step of the story that one walks by.
    """

    name: str
    text: str
    meaning: str
    source: str
    event: bool
    pattern: re.Pattern[str]
    kinds: Mapping[str, str]

    @property
    def prefix(self) -> str:
        """What the line begins with."""
        return self.text.partition("{")[0]


@dataclass(frozen=True, slots=True)
class Known:
    """A line that a form matched, with the values of its fields."""

    form: Form
    values: Values

    @property
    def meaning(self) -> str:
        """What the line means, in words."""
        return self.form.meaning


def _form(row: str) -> Form:
    source, name, kind, text, meaning = row.split("\t")
    parts = _FIELD.split(text)
    pattern = "".join(
        re.escape(parts[at]) + (f"(?P<{parts[at + 1]}>{_FIELDS[parts[at + 2]]})" if at + 2 < len(parts) else "")
        for at in range(0, len(parts), 3)
    )
    return Form(name, text, meaning, source, kind == "event", re.compile(pattern + r"\s*"), dict(_FIELD.findall(text)))


_TABLE = files(__package__).joinpath("lines.tsv").read_text("utf-8")
FORMS = tuple(_form(row) for row in _TABLE.splitlines()[1:])
_BY_FIRST: defaultdict[str, list[Form]] = defaultdict(list)
for _one in FORMS:
    _BY_FIRST[_one.prefix[:1]].append(_one)


def known(line: str) -> Known | None:
    """The form of a line with its values, None for a line that no form matches. White space counts as one blank."""
    if len(line) > MAX_MATCHED:
        return None
    text = " ".join(line.split())
    for form in (*_BY_FIRST[text[:1]], *_BY_FIRST[""]):
        found = form.pattern.fullmatch(text) if text.startswith(form.prefix.rstrip()) else None
        if found is not None:
            return Known(form, {name: _value(form.kinds[name], found[name]) for name in form.kinds})
    return None


def meaning(line: str) -> str:
    """What a line of a monitor, a LibOS or a loader means; empty for one that is not known."""
    found = known(line)
    return found.meaning if found is not None else ""


def _value(kind: str, text: str) -> int | str:
    if kind == "x":
        return int(text, 16)
    return int(text) if kind == "d" else text.strip()
