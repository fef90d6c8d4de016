"""The line table: which source line an address belongs to, and where the code of a line begins."""

from __future__ import annotations

import bisect
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

MAX_ROWS = 5_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """Addresses [start, end) of one row. ``file`` is the path in DWARF; ``statement`` marks a good place to stop."""

    start: int
    end: int
    file: str
    number: int
    statement: bool


class LineTable:
    """All rows of all compilation units, by address."""

    def __init__(self, dwarf: Any) -> None:
        self._dwarf = dwarf

    @cached_property
    def rows(self) -> tuple[Line, ...]:
        """Rows without overlap, by address. Rows of no line (0) are kept: they are code without a line."""
        found = sorted(self._all(), key=lambda line: (line.start, line.end))
        return tuple(line for line in found if line.end > line.start)

    def _all(self) -> Iterator[Line]:
        count = 0
        for unit in self._dwarf.iter_CUs():
            program = self._dwarf.line_program_for_CU(unit)
            if program is None:
                continue
            names = _file_names(program.header)
            for line in _program_lines(program.get_entries(), names):
                count += 1
                if count > MAX_ROWS:
                    raise ValueError(f"more than {MAX_ROWS} line rows")
                yield line

    @cached_property
    def _starts(self) -> list[int]:
        return [line.start for line in self.rows]

    def at(self, address: int) -> Line | None:
        """The row that holds an address; None where there is no line."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        line = self.rows[index]
        return line if line.number and address < line.end else None

    def block(self, address: int) -> tuple[int, int] | None:
        """The addresses around one that carry the same line without a gap: what a step leaves."""
        index = bisect.bisect_right(self._starts, address) - 1
        here = self.at(address)
        if here is None:
            return None
        first = last = index
        while first > 0 and self._continues(first - 1, here):
            first -= 1
        while last + 1 < len(self.rows) and self._follows(last, here):
            last += 1
        return self.rows[first].start, self.rows[last].end

    def _continues(self, index: int, here: Line) -> bool:
        before, after = self.rows[index], self.rows[index + 1]
        return before.end == after.start and (before.file, before.number) == (here.file, here.number)

    def _follows(self, index: int, here: Line) -> bool:
        before, after = self.rows[index], self.rows[index + 1]
        return before.end == after.start and (after.file, after.number) == (here.file, here.number)

    def starts_of(self, file: str, number: int) -> tuple[tuple[int, ...], int]:
        """Where a line begins, one address per stretch of code, and the line that was taken (the next with code)."""
        rows = [line for line in self.rows if line.number and _same_file(line.file, file)]
        wanted = min((line.number for line in rows if line.number >= number and line.statement), default=None)
        if wanted is None:
            return (), number
        starts: list[int] = []
        previous: Line | None = None
        for line in rows:
            fresh = previous is None or previous.number != wanted or previous.end != line.start
            if line.number == wanted and line.statement and fresh:
                starts.append(line.start)
            previous = line
        return tuple(starts), wanted

    def after_prologue(self, start: int, end: int) -> int | None:
        """The second statement row of a function's code: where its body begins (as gdb finds it)."""
        index = bisect.bisect_left(self._starts, start)
        if index == len(self.rows) or self.rows[index].start != start:
            return None
        first = self.rows[index]
        for line in self.rows[index + 1 :]:
            if line.start >= end:
                return None
            if line.statement and line.number and (line.number != first.number or line.start > first.end):
                return line.start
        return None

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Every file that has a line."""
        return tuple(sorted({line.file for line in self.rows}))


def _same_file(path: str, asked: str) -> bool:
    """Does a name that a person typed mean this path? It may leave out leading folders."""
    return path == asked or path.endswith("/" + asked.lstrip("./"))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _file_names(header: Any) -> list[str]:
    """The paths of a program's files, by the number that rows use (DWARF 5 counts from 0, older from 1)."""
    new = header["version"] >= 5
    folders = [_text(f) for f in header["include_directory"]]
    if not new:
        folders = ["", *folders]
    names = []
    for entry in header["file_entry"]:
        index = entry["dir_index"]
        folder = folders[index] if 0 <= index < len(folders) else ""
        names.append(posixpath.normpath(posixpath.join(folder, _text(entry["name"]))))
    return names if new else ["", *names]


def _program_lines(entries: Any, names: list[str]) -> Iterator[Line]:
    """Rows of one program: each state lasts until the next one of its sequence."""
    before: Any = None
    for entry in entries:
        state = entry.state
        if state is None:
            continue
        if before is not None and state.address > before.address:
            file = names[before.file] if 0 <= before.file < len(names) else "?"
            yield Line(before.address, state.address, file, before.line, bool(before.is_stmt))
            before = state
        elif before is None or state.end_sequence or (state.is_stmt or not before.is_stmt):
            before = state
        if state.end_sequence:
            before = None
