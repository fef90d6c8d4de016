"""From bytes to the lines of one run: limits, the Markdown fence around a log, where the run begins."""

from __future__ import annotations

from dataclasses import dataclass

from cvmdbg.guests.intravisor.imported.forms import Known, known
from cvmdbg.target import UserError

MAX_BYTES = 64 << 20
MAX_LINES = 500_000
MAX_LINE = 1 << 16
BEGINS = frozenset({"begin", "deploy", "building"})
"""Forms of which one must be there: a log whose first lines are lost begins with a later one."""
FENCE = b"```"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log: its number in the file, its bytes without the newline, and what is known of it."""

    number: int
    content: bytes
    known: Known | None

    @property
    def text(self) -> str:
        """The bytes as text."""
        return self.content.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Text:
    """The lines of one run. ``notice`` says what of the file is left out, or is empty."""

    lines: tuple[Line, ...]
    notice: str


def read(content: bytes, name: str) -> Text:
    """The run in a file's bytes; UserError names the line that is no line of such a log."""
    notices = []
    if len(content) > MAX_BYTES:
        content = content[:MAX_BYTES]
        notices.append(f"the file has more than {MAX_BYTES >> 20} MiB: the rest is left out")
    raw = content.split(b"\n")
    if raw and not raw[-1]:
        raw.pop()
    start = _start(raw, name)
    end = _end(raw, start)
    again = next((i for i in range(start + 1, end) if _form(raw[i]) == "begin" and _form(raw[start]) == "begin"), None)
    if again is not None:
        notices.append(f"another run begins at line {again + 1}: it is left out")
        end = again
    if end - start > MAX_LINES:
        end = start + MAX_LINES
        notices.append(f"the run has more than {MAX_LINES} lines: the rest is left out")
    if any(len(line) > MAX_LINE for line in raw[start:end]):
        notices.append(f"lines of more than {MAX_LINE} bytes are cut")
    return Text(tuple(_line(number + 1, raw[number]) for number in range(start, end)), "; ".join(notices))


def _line(number: int, raw: bytes) -> Line:
    content = raw[:MAX_LINE].removesuffix(b"\r")
    return Line(number, content, _known(content))


def _known(content: bytes) -> Known | None:
    return known(content.decode("utf-8", "backslashreplace")) if len(content) <= MAX_LINE else None


def _form(raw: bytes) -> str:
    """The form of a line that may begin a run, empty for every other: most lines need no closer look."""
    if not raw.startswith((b"Using", b"*****", b"BUILDING")):
        return ""
    found = _known(raw)
    return found.form.name if found is not None else ""


def _start(raw: list[bytes], name: str) -> int:
    for index, line in enumerate(raw):
        if _form(line) in BEGINS:
            return index
    first = next((i for i, line in enumerate(raw) if line.strip()), 0)
    head = raw[first][:40].decode("utf-8", "backslashreplace").strip() if raw else ""
    raise UserError(
        f"{name}, line {first + 1}: {head!r} begins no console log of Intravisor: expected a line "
        f"'Using yaml.cfg = …' or '***** [16] Deploy …', and none of its lines is one"
    )


def _end(raw: list[bytes], start: int) -> int:
    """The log ends with the fence, when it began inside one."""
    if sum(1 for line in raw[:start] if line.startswith(FENCE)) % 2 == 0:
        return len(raw)
    return next((i for i in range(start, len(raw)) if raw[i].startswith(FENCE)), len(raw))
