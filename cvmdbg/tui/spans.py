"""Lines of a pane as spans of text with roles. Roles are names of the palette (``dim``, ``fault``, ``badge:17``).

Text never goes through markup: a span is a literal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size

Span: TypeAlias = tuple[str, str]
Line: TypeAlias = tuple[Span, ...]


def plain(line: Iterable[Span]) -> str:
    """The text of a line."""
    return "".join(text for text, _ in line)


def width(text: str) -> int:
    """Cells that a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def left(text: str, cells: int) -> str:
    """Padded to at least ``cells``; cut with ``…`` when longer."""
    return _sized(text, cells, False)


def right(text: str, cells: int) -> str:
    """Padded on the left; a number is never cut."""
    return " " * (cells - width(text)) + text


def _sized(text: str, cells: int, whole: bool) -> str:
    taken = width(text)
    if taken <= cells:
        return text + " " * (cells - taken)
    if whole or cells <= 0:
        return text if whole else ""
    return set_cell_size(text, cells - 1).rstrip() + "…" + " " * _missing(text, cells)


def _missing(text: str, cells: int) -> int:
    return cells - 1 - width(set_cell_size(text, cells - 1).rstrip())


def fit(line: Iterable[Span], cells: int) -> tuple[Line, bool]:
    """The line in exactly ``cells`` cells (the last span role ``fg`` pads), and whether something was cut."""
    taken = 0
    out: list[Span] = []
    spans = list(line)
    for index, (text, role) in enumerate(spans):
        size = width(text)
        if taken + size > cells:
            rest = "".join(t for t, _ in spans[index:])
            room = cells - taken
            if width(rest.rstrip()) > room:
                if room > 0:
                    out.append((left(text if size > room else text + "…", room), role))
                return tuple(out), True
            out.append((set_cell_size(text, room), role))
            return tuple(out), False
        out.append((text, role))
        taken += size
    if taken < cells:
        out.append((" " * (cells - taken), "fg"))
    return tuple(out), False


def wrapped(text: str, cells: int, limit: int = 0) -> tuple[str, ...]:
    """Text in rows of at most ``cells`` cells, broken at spaces where there are any; ``limit`` rows at most."""
    rows: list[str] = []
    for paragraph in text.split("\n"):
        rows.extend(_paragraph(paragraph, max(cells, 4)))
    if limit and len(rows) > limit:
        rows = [*rows[: limit - 1], left(rows[limit - 1] + "…", cells).rstrip()]
    return tuple(rows)


def _paragraph(text: str, cells: int) -> list[str]:
    rows: list[str] = []
    while width(text) > cells:
        head = set_cell_size(text, cells).rstrip()
        at = head.rfind(" ")
        if at > cells // 2 and not text[len(head) : len(head) + 1].isspace():
            head = head[:at]
        rows.append(head.rstrip())
        text = text[len(head) :].lstrip()
    return [*rows, text]
