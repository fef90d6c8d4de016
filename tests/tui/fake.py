"""A session without a guest: its queries answer with frozen rows, its runs last until they are interrupted."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from cvmdbg.commands.table import Command, Progress, Result, Steps
from cvmdbg.rows import Candidate, Code, Explanation, Inspection, OutputRow, Status, TimeRow
from cvmdbg.session import Session
from cvmdbg.target import UserError

from . import samples


class NoLaunch:
    """Starts nothing."""

    title = "musl-uni-libhello"
    kind = "emulator"

    def start(self, arguments: Sequence[str] | None) -> Any:
        raise UserError("there is nothing to start")


class FakeSession(Session):
    """Answers from ``rows``; a name in ``refused`` raises its sentence; a clear ``gate`` holds every answer."""

    def __init__(self) -> None:
        super().__init__(NoLaunch())
        self.debugger = SimpleNamespace(  # type: ignore[assignment]
            places=SimpleNamespace(compartments=(SimpleNamespace(badge="16"), SimpleNamespace(badge="17")))
        )
        self.rows: dict[str, Any] = {
            "status": samples.STATUS,
            "map": samples.MAP,
            "registers": samples.REGISTERS,
            "integer": samples.INTEGERS,
            "code": samples.CODE,
            "threads": samples.THREADS,
            "frames": samples.FRAMES,
            "locals": samples.LOCALS,
            "breakpoints": samples.BREAKPOINTS,
            "memory": samples.MEMORY,
            "modules": samples.MODULES,
            "relocations": samples.RELOCATIONS,
            "load": samples.LOADS,
            "trace": samples.TRACE,
            "summary": samples.SUMMARY,
            "displays": samples.DISPLAYS,
            "time": samples.NOW,
            "marks": samples.MARKS,
        }
        self.refused: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self.lines: list[str] = []
        self.inputs: list[bytes | None] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[str] = []
        self.stopped = threading.Event()
        self.forever = threading.Event()
        for row in samples.OUTPUT:
            self.console._append(row)  # the sample's own rows, unfinished one included

    def take(self, name: str) -> Any:
        """The rows of a name, when the gate is open."""
        self.asked.append(name)
        assert self.gate.wait(10)
        if name in self.refused:
            raise UserError(self.refused[name])
        return self.rows[name]

    # ---- life ----

    def connect(self, arguments: Sequence[str] | None = None) -> None:
        raise AssertionError("a session with a debugger is not connected again")

    def close(self) -> None:
        self.debugger = None

    def interrupt(self) -> None:
        self.stopped.set()

    def send_input(self, content: bytes | None) -> None:
        self.inputs.append(content)

    # ---- commands ----

    def steps(self, line: str) -> Steps:
        self.stopped.clear()
        self.lines.append(line)
        command, _ = self.table.resolve(line or "next")
        if command.name in ("continue", "reverse-continue"):
            tick, doing = 0, "running" if command.name == "continue" else "reversing"
            self.forever.set()
            while not self.stopped.wait(0.005):
                tick += 1000
                yield Progress(tick, doing)
        if command.name == "print":
            raise UserError("no symbol 'nothing' in libos.so")
        return Result((f"did {command.name}",))

    def why_not(self, command: Command) -> str | None:
        return self.missing.get(command.name)

    def complete(self, text: str) -> tuple[Candidate, ...]:
        return tuple(c for c in (Candidate("continue", "command", "run"), Candidate("condition", "command", "refine"))
                     if c.text.startswith(text))  # fmt: skip

    # ---- snapshots ----

    def status(self) -> Status:
        return self.rows["status"]  # type: ignore[no-any-return]

    def map_rows(self, unfolded: frozenset[str] = frozenset(), folded: frozenset[str] = frozenset()) -> Any:
        return tuple(r for r in self.take("map") if r.parent not in folded)

    def grants(self, badge: str) -> tuple[str, ...]:
        return samples.GRANTS

    def register_rows(self, kind: str = "capabilities") -> Any:
        return self.take("registers" if kind == "capabilities" else "integer")

    def code(self, address: int | None = None, before: int = 8, count: int = 32, view: str = "both") -> Code:
        return self.take("code")  # type: ignore[no-any-return]

    def thread_rows(self) -> Any:
        return self.take("threads")

    def frame_rows(self, limit: int = 64) -> Any:
        return self.take("frames")

    def local_rows(self) -> Any:
        return self.take("locals")

    def breakpoint_rows(self) -> Any:
        return self.take("breakpoints")

    def memory_rows(self, address: int, count: int) -> Any:
        return self.take("memory")[:count]

    def module_rows(self) -> Any:
        return self.take("modules")

    def relocation_count(self) -> int:
        return len(self.rows["relocations"])

    def relocation_rows(self, start: int = 0, count: int | None = None, only: str = "") -> Any:
        rows = [r for r in self.take("relocations") if only in r.symbol]
        return tuple(rows[start:] if count is None else rows[start : start + count])

    def load_rows(self) -> Any:
        return self.take("load")

    def trace_named(self, text: str) -> tuple[int, ...]:
        return tuple(i for i, row in enumerate(self.trace_rows()) if text in row.name)

    def trace_texts(self, start: int, count: int) -> tuple[str, ...]:
        return tuple(row.text for row in self.trace_rows(start, count))

    def trace_count(self) -> int:
        return len(self.rows["trace"])

    def trace_rows(self, start: int = 0, count: int | None = None, only: str = "") -> Any:
        rows = [r for r in self.take("trace") if not only or "layer" in only or only.removeprefix("call=") in r.call]
        return tuple(rows[start:] if count is None else rows[start : start + count])

    def summary_rows(self) -> Any:
        return self.take("summary")

    def time_row(self, cells: int, begin: int | None = None, end: int | None = None) -> TimeRow | None:
        return samples.time_of(cells, begin, end) if self.take("time") != () else None

    def mark_rows(self) -> Any:
        return self.take("marks")

    def progress(self) -> str:
        return "seeking 40% of the way: Ctrl-C cancels"

    def output_rows(self, start: int = 0) -> tuple[OutputRow, ...]:
        return self.console.rows(start)

    def display_rows(self) -> Any:
        return self.take("displays")

    def explain(self) -> Explanation:
        return samples.EXPLANATION

    def inspect(self, expression: str) -> Inspection:
        if "nothing" in expression:
            raise UserError("no symbol 'nothing' in libos.so")
        return samples.INSPECTION
