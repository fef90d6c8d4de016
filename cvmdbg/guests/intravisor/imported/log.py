"""A console log as a sequence of observed moments: each line is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cvmdbg.guests.guest import Compartment, Module, Symbol
from cvmdbg.guests.intravisor.imported import facts
from cvmdbg.guests.intravisor.imported.story import Story
from cvmdbg.guests.intravisor.imported.text import MAX_BYTES, Text, read
from cvmdbg.guests.observed import Seen
from cvmdbg.target import Reason, Register, StopKind, Thread, UserError
from sessions.event import Observation

_MISSING = "a console log does not tell {what}: the map has what each compartment was given (Enter on it)"


def open_log(path: Path) -> ConsoleLog:
    """The log of a file; UserError says why it is none."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    return ConsoleLog(path, read(content, path.name))


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known at a line, as values."""

    compartments: tuple[Compartment, ...]
    modules: tuple[Module, ...]
    threads: tuple[Thread, ...]
    thread: int
    died: bool


class ConsoleLog:
    """The moments of a log. Positions are line numbers of its file."""

    def __init__(self, file: Path, text: Text) -> None:
        self.file, self.name, self.notice = file, file.name, text.notice
        self._lines = text.lines
        self._story = Story()
        self._taken = 0  # so many lines are in the story
        self._kept: dict[int, _Facts] = {}
        self._observed = tuple(self._story.take(line) for line in text.lines)
        self._taken = len(text.lines)
        self.relocations = tuple(self._story.relocations)
        self.steps = self._steps()

    arch = "morello"
    unit = "line"
    registers: tuple[Register, ...] = ()

    @property
    def first(self) -> int:
        return self._lines[0].number

    @property
    def last(self) -> int:
        return self._lines[-1].number

    def _steps(self) -> Sequence[int]:
        return tuple(line.number for line in self._lines if line.known is not None and line.known.form.event)

    def about(self, position: int) -> str:
        """The line's meaning, or the line."""
        line = self._lines[position - self.first]
        return line.known.meaning if line.known is not None else line.text

    def observations(self, first: int, last: int) -> Sequence[Observation]:
        start = self.first
        return [o for found in self._observed[max(0, first - start) : last - start + 1] for o in found]

    def missing(self, what: str) -> str:
        return _MISSING.format(what=what)

    # ---- moments ---------------------------------------------------------------------------------------------------

    def seen(self, position: int) -> Seen:
        """Threads that had begun; nothing of registers and memory."""
        told = self._facts(position)
        reasons = (Reason(StopKind.FAULT, "SIGPROT"),) if told.died else ()
        return Seen(told.thread, told.threads, reasons=reasons)

    def compartments(self, position: int) -> tuple[Compartment, ...]:
        return self._facts(position).compartments

    def modules(self, position: int) -> tuple[Module, ...]:
        return self._facts(position).modules

    def symbols(self, position: int) -> tuple[Symbol, ...]:
        """A log names no code."""
        return ()

    def content(self, path: str) -> bytes | None:
        """A log holds no files."""
        return None

    def _facts(self, position: int) -> _Facts:
        """A story can only be told forwards: for an earlier line it begins anew."""
        found = self._kept.get(position)
        if found is not None:
            return found
        wanted = position - self.first + 1
        if wanted < self._taken:
            self._story, self._taken = Story(), 0
        for line in self._lines[self._taken : wanted]:
            if line.known is not None:
                self._story.take(line)
        self._taken = max(self._taken, wanted)
        story = self._story
        told = _Facts(
            facts.compartments(story), facts.modules(story), facts.threads(story), story.spoken_of, story.died
        )
        if len(self._kept) > KEPT:
            self._kept.clear()
        self._kept[position] = told
        return told


KEPT = 64
"""Moments whose facts are kept as values."""
