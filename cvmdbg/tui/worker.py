"""The worker: one thread that owns the session. The screen gives it lines and looks; it posts frozen answers.

    screen ──submit, want, look, complete, search──▶ boxes ──▶ worker ──post──▶ screen
    Ctrl-C ──interrupt()──▶ session.interrupt()         (the only call from the other thread)

While a line runs the guest, the worker serves looks and completions between slices of about 20 ms, and ten times a
second tells the status and the live panes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from textual.message import Message

from cvmdbg.commands.table import Progress, Result
from cvmdbg.session import Session
from cvmdbg.target import TargetError, UserError
from cvmdbg.tui.messages import Began, Broken, Completed, Ended, Found, Looked, Taken, Ticking, Unable
from cvmdbg.tui.snapshot import Look, Snapshot, answer

TICK = 0.1
"""Seconds between updates while the guest runs."""
PAGE = 2_000
"""Calls that a search looks at before others have their turn."""


class Worker:
    """Runs ``session`` on its own thread; ``post`` must be safe from any thread."""

    def __init__(self, session: Session, post: Callable[[Message], object]) -> None:
        self._session = session
        self._post = post
        self._wake = threading.Condition()
        self._lines: deque[tuple[str, str]] = deque()
        self._asides: deque[Callable[[], None]] = deque()
        self._looks: dict[str, Look] = {}
        self._wanted: Mapping[str, Look] = {}
        self._live: frozenset[str] = frozenset()
        self._text: str | None = None
        self._sought: Iterator[None] | None = None
        self._closing = False
        self._cancel = threading.Event()
        self._busy = False
        self._serving = True
        self._told = 0.0
        self._thread = threading.Thread(target=self._main, name="session", daemon=True)

    # ---- from the screen's thread ----

    @property
    def busy(self) -> bool:
        """Is a line being carried out, or one waiting?"""
        return self._busy or bool(self._lines)

    @property
    def quiet(self) -> bool:
        """Is nothing being done and nothing waiting?"""
        return not (self._serving or self._waiting)

    @property
    def _waiting(self) -> bool:
        small = self._looks or self._asides or self._text is not None or self._sought is not None
        return bool(self._lines or small)

    def start(self) -> None:
        """Begin: deploy the guest when the session has none, then wait for lines."""
        self._thread.start()

    def submit(self, line: str, source: str = "key") -> None:
        """Carry out a line. ``source`` is ``key``, ``prompt`` or ``script``: it comes back with the result."""
        self._give(lambda: self._lines.append((line, source)))

    def want(self, looks: Mapping[str, Look], live: frozenset[str]) -> None:
        """What the visible panes need at each stop; ``live`` are those that move while the guest runs."""
        self._wanted, self._live = looks, live

    def look(self, pane: str, look: Look) -> None:
        """Answer one pane soon; a newer look of the same pane takes its place."""

        def put() -> None:
            self._looks[pane] = look

        self._give(put)

    def complete(self, text: str) -> None:
        """Find completions; a newer text takes its place."""

        def put() -> None:
            self._text = text

        self._give(put)

    def search(self, pane: str, needle: str, rows: Sequence[Any] | None) -> None:
        """Which rows hold a text: those given, or with None the whole trace. A newer search takes its place."""

        def put() -> None:
            self._sought = self._search(pane, needle, rows)

        self._give(put)

    def send_input(self, content: bytes | None) -> None:
        """Bytes for the guest's standard input; None is its end."""
        self._give(lambda: self._asides.append(lambda: self._input(content)))

    def interrupt(self) -> bool:
        """Stop the guest or cancel what is busy; False when nothing is."""
        self._cancel.set()
        if not self.busy:
            return False
        self._session.interrupt()
        return True

    def close(self, wait: float = 2.0) -> None:
        """Stop what runs, let the target go, end the thread."""
        self._closing = True
        self._session.interrupt()
        self._give(lambda: None)
        if self._thread.is_alive():
            self._thread.join(wait)

    def _give(self, put: Callable[[], None]) -> None:
        with self._wake:
            put()
            self._wake.notify()

    # ---- the worker's thread ----

    def _main(self) -> None:
        try:
            if self._connected():
                while not self._closing:
                    self._serve()
        except BaseException as error:  # the screen shows it and ends: nothing is swallowed
            self._post(Broken(error))
        finally:
            self._session.close()

    def _connected(self) -> bool:
        self._busy = True
        try:
            if self._session.debugger is None:
                self._session.connect()
        except UserError as error:
            self._post(Unable(str(error), 1))
            return False
        except TargetError as error:
            self._post(Unable(str(error), 2))
            return False
        finally:
            self._busy = False
        self._take()
        self._lines.extend((line, "script") for line in self._session.startup)
        return True

    def _serve(self) -> None:
        with self._wake:
            while not (self._waiting or self._closing):
                self._serving = False
                self._wake.wait()
            self._serving = True
            line = self._lines.popleft() if self._lines else None
            self._busy = line is not None
        if line is not None:
            self._serve_asides()  # input that was given before continue is there when the guest goes on
            self._run(*line)
        else:
            self._serve_small()

    def _serve_small(self) -> None:
        """Looks, completion, asides: all short."""
        with self._wake:
            looks, self._looks = self._looks, {}
            text, self._text = self._text, None
        for pane, look in looks.items():
            self._post(Looked(pane, look, answer(look, self._session)))
        if text is not None:
            self._post(Completed(text, self._candidates(text)))
        self._serve_asides()
        self._serve_search()

    def _serve_search(self) -> None:
        """A piece of what is searched."""
        sought = self._sought
        if sought is not None and next(sought, True):
            with self._wake:
                if self._sought is sought:
                    self._sought = None

    def _serve_asides(self) -> None:
        with self._wake:
            asides = list(self._asides)
            self._asides.clear()
        for aside in asides:
            aside()

    def _candidates(self, text: str) -> tuple[Any, ...]:
        try:
            return self._session.complete(text)
        except (UserError, TargetError):
            return ()  # a half-typed expression has no completion

    def _run(self, line: str, source: str) -> None:
        self._post(Began(line))
        if source == "prompt" and line.strip():
            self._session.console.say(f"(cvmdbg) {line}", "prompt")
        self._told = time.monotonic()
        result, error = self._outcome(line)
        for text in result.lines if result is not None else (error,):
            for part in text.split("\n"):
                self._session.console.say(part)
        self._busy = bool(self._lines)
        if not self._lines:
            self._take()
        self._post(Ended(line, source, result, error))

    def _outcome(self, line: str) -> tuple[Result | None, str]:
        try:
            steps = self._session.steps(line)
            while not self._closing:
                try:
                    self._between(next(steps))
                except StopIteration as end:
                    return end.value, ""
            steps.close()
            return None, "closing"
        except (UserError, TargetError) as error:
            return None, str(error)

    def _between(self, progress: Progress) -> None:
        """Between two slices of the guest's run."""
        self._serve_small()
        now = time.monotonic()
        if now - self._told >= TICK:
            self._told = now
            wanted = {pane: look for pane, look in self._wanted.items() if pane in self._live}
            live = {pane: (look, answer(look, self._session)) for pane, look in wanted.items()}
            state = "back" if progress.doing == "reversing" else "run"
            self._post(Ticking(replace(self._session.status(), state=state, reason=progress.doing), live))

    def _take(self) -> None:
        """One snapshot of all that is visible."""
        session = self._session
        reasons = {c.name: r for c in session.table if (r := session.why_not(c)) is not None}
        panes = {pane: (look, answer(look, session)) for pane, look in self._wanted.items()}
        badges = tuple(c.badge for c in session.debugger.places.compartments) if session.debugger is not None else ()
        self._post(Taken(Snapshot(session.status(), reasons, panes, badges)))

    def _input(self, content: bytes | None) -> None:
        try:
            self._session.send_input(content)
        except (UserError, TargetError) as error:
            self._session.console.say(str(error))

    def _search(self, pane: str, needle: str, rows: Sequence[Any] | None) -> Iterator[None]:
        """Hits by a call's name are there at once; all text of a long trace takes its time, and is interruptible."""
        self._cancel.clear()
        wanted = needle.casefold()
        if rows is not None:
            self._post(Found(pane, needle, tuple(i for i, row in enumerate(rows) if wanted in text_of(row).casefold())))
            return
        found = set(self._session.trace_named(wanted))
        said = bool(found)
        if said:
            self._post(Found(pane, needle, tuple(sorted(found)), whole=False))
            yield
        for start in range(0, self._session.trace_count(), PAGE):
            if self._cancel.is_set():
                break
            texts = self._session.trace_texts(start, PAGE)
            found.update(start + i for i, text in enumerate(texts) if wanted in text.casefold())
            if found and not said:
                said = True
                self._post(Found(pane, needle, tuple(sorted(found)), whole=False))
            yield
        self._post(Found(pane, needle, tuple(sorted(found)), first=not said))


def text_of(row: Any) -> str:
    """The plain text of a row: its own, or the row itself when it is text."""
    return row if isinstance(row, str) else str(row.text)
