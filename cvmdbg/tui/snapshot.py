"""What panes ask for and what they get: a Look is a question that the worker answers, Content the frozen answer.

A Snapshot is taken once per stop, for visible panes only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cvmdbg.forms import VALUE, hexa
from cvmdbg.rows import Status
from cvmdbg.session import Session
from cvmdbg.target import TargetError, UserError

GRANULE = 16
"""Bytes that share a tag."""


@dataclass(frozen=True, slots=True)
class Content:
    """Rows from index ``start`` of ``total``; ``reason`` is the sentence that stands where there are none."""

    rows: tuple[Any, ...] = ()
    title: str = ""
    info: str = ""
    start: int = 0
    total: int = 0
    reason: str = ""


class Look(Protocol):
    """A question about the guest: frozen, comparable, answered on the worker's thread."""

    def take(self, session: Session) -> Content:
        """The answer; UserError and TargetError say why there is none."""


def answer(look: Look, session: Session) -> Content:
    """The answer to a look; a failure becomes its sentence."""
    try:
        return look.take(session)
    except (UserError, TargetError) as error:
        return Content(reason=str(error))


def _all(rows: tuple[Any, ...], **more: Any) -> Content:
    return Content(rows, total=len(rows), **more)


@dataclass(frozen=True, slots=True)
class MapLook:
    """The compartments, with what is folded against the default."""

    unfolded: frozenset[str] = frozenset()
    folded: frozenset[str] = frozenset()

    def take(self, session: Session) -> Content:
        return _all(session.map_rows(self.unfolded, self.folded))


@dataclass(frozen=True, slots=True)
class GrantsLook:
    """What a compartment was given at entry, as lines."""

    badge: str

    def take(self, session: Session) -> Content:
        return _all(session.grants(self.badge))


@dataclass(frozen=True, slots=True)
class RegistersLook:
    """Registers of a kind."""

    kind: str

    def take(self, session: Session) -> Content:
        return _all(session.register_rows(self.kind))


@dataclass(frozen=True, slots=True)
class CodeLook:
    """Code around an address, None for the selected frame's pc."""

    address: int | None
    before: int
    count: int
    view: str

    def take(self, session: Session) -> Content:
        code = session.code(self.address, self.before, self.count, self.view)
        return _all(code.rows, title=code.title, info=code.mode)


@dataclass(frozen=True, slots=True)
class ThreadsLook:
    """All threads."""

    def take(self, session: Session) -> Content:
        return _all(session.thread_rows())


@dataclass(frozen=True, slots=True)
class FramesLook:
    """The backtrace."""

    limit: int = 64

    def take(self, session: Session) -> Content:
        return _all(session.frame_rows(self.limit))


@dataclass(frozen=True, slots=True)
class LocalsLook:
    """Arguments and locals."""

    def take(self, session: Session) -> Content:
        return _all(session.local_rows())


@dataclass(frozen=True, slots=True)
class BreakpointsLook:
    """Breakpoints, watchpoints, catchpoints."""

    def take(self, session: Session) -> Content:
        return _all(session.breakpoint_rows())


@dataclass(frozen=True, slots=True)
class DisplaysLook:
    """Displayed expressions."""

    def take(self, session: Session) -> Content:
        return _all(session.display_rows())


@dataclass(frozen=True, slots=True)
class ModulesLook:
    """ELF files in memory."""

    def take(self, session: Session) -> Content:
        return _all(session.module_rows())


@dataclass(frozen=True, slots=True)
class RelocationsLook:
    """``count`` relocations from ``start``; with a filter all that have its text."""

    start: int
    count: int
    only: str = ""

    def take(self, session: Session) -> Content:
        total = session.relocation_count()
        if self.only:
            rows = session.relocation_rows(0, None, self.only)
            return Content(rows, total=len(rows), info=f"{len(rows)} of {total}")
        rows = session.relocation_rows(self.start, self.count)
        return Content(rows, start=self.start, total=total, info=str(total))


@dataclass(frozen=True, slots=True)
class LoadLook:
    """The steps of loading."""

    def take(self, session: Session) -> Content:
        return _all(session.load_rows())


@dataclass(frozen=True, slots=True)
class MemoryLook:
    """``count`` granules, ``before`` of them below an address; None is where the selected thread's stack ends."""

    address: int | None
    before: int
    count: int

    def take(self, session: Session) -> Content:
        at = _stack(session) if self.address is None else self.address
        begin = max(0, (at & -GRANULE) - self.before * GRANULE)
        return _all(session.memory_rows(begin, self.count), title=hexa(at))


def _stack(session: Session) -> int:
    """The stack pointer of the selected frame."""
    rows = session.register_rows("capabilities") or session.register_rows("integer")
    found = next((row.value for row in rows if row.name in ("csp", "sp", "rsp")), None)
    if found is None:
        raise UserError("no address yet; x on a register or :x ADDRESS shows memory")
    return found & VALUE


@dataclass(frozen=True, slots=True)
class TraceLook:
    """``count`` calls from ``start``, None for the newest; with a filter all that fit."""

    start: int | None
    count: int
    only: str = ""

    def take(self, session: Session) -> Content:
        total = session.trace_count()
        if self.only:
            rows = session.trace_rows(0, None, self.only)
            return Content(rows, total=len(rows), info=f"{len(rows)} of {total}")
        start = max(0, total - self.count) if self.start is None else self.start
        rows = session.trace_rows(start, self.count)
        return Content(rows, start=start, total=total, info=str(total))


@dataclass(frozen=True, slots=True)
class SummaryLook:
    """Counts and costs of calls."""

    def take(self, session: Session) -> Content:
        return _all(session.summary_rows())


@dataclass(frozen=True, slots=True)
class OutputLook:
    """Console lines from a number on."""

    start: int

    def take(self, session: Session) -> Content:
        moment = session.console.moment
        rows, total = session.console.shown(self.start)
        told = "" if moment is None else str(moment)
        return Content(rows, start=max(self.start, total - len(rows)), total=total, info=told)


@dataclass(frozen=True, slots=True)
class TimeLook:
    """The run's time in so many cells, from ``begin`` to ``end`` or all of it: one row."""

    cells: int
    begin: int | None = None
    end: int | None = None

    def take(self, session: Session) -> Content:
        row = session.time_row(self.cells, self.begin, self.end)
        return Content((row,), total=1) if row is not None else Content(reason=f"no history: {session.why_no_history}")


@dataclass(frozen=True, slots=True)
class MarksLook:
    """Named moments."""

    def take(self, session: Session) -> Content:
        return _all(session.mark_rows())


@dataclass(frozen=True, slots=True)
class ExplainLook:
    """Why the guest stopped."""

    def take(self, session: Session) -> Content:
        return Content((session.explain(),), total=1)


@dataclass(frozen=True, slots=True)
class InspectLook:
    """Everything about one capability."""

    expression: str

    def take(self, session: Session) -> Content:
        return Content((session.inspect(self.expression),), total=1)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One stop: the status, why commands cannot be used now, and the content of each pane that asked."""

    status: Status
    reasons: Mapping[str, str] = field(default_factory=dict)
    panes: Mapping[str, tuple[Look, Content]] = field(default_factory=dict)
    badges: tuple[str, ...] = ()
