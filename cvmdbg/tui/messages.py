"""What the worker tells the screen. All of it is frozen; rates are bounded by ``can_replace``."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from cvmdbg.commands.table import Result
from cvmdbg.rows import Candidate, Status
from cvmdbg.tui.snapshot import Content, Look, Snapshot


@dataclass
class Taken(Message):
    """A snapshot: the guest stands."""

    snapshot: Snapshot


@dataclass
class Began(Message):
    """A line is being carried out."""

    line: str


@dataclass
class Ended(Message):
    """A line is done: its result, or the sentence that says why not."""

    line: str
    source: str
    result: Result | None
    error: str


@dataclass
class Ticking(Message):
    """The guest runs: the status and what the live panes show, ten times a second."""

    status: Status
    panes: dict[str, tuple[Look, Content]]

    def can_replace(self, message: Message) -> bool:
        """A newer one is all that counts."""
        return isinstance(message, Ticking)


@dataclass
class Looked(Message):
    """The answer to one pane's look."""

    pane: str
    look: Look
    content: Content


@dataclass
class Completed(Message):
    """What could stand in place of the last word of ``text``."""

    text: str
    candidates: tuple[Candidate, ...]


@dataclass
class Found(Message):
    """Rows of a pane that hold what was searched."""

    pane: str
    needle: str
    rows: tuple[int, ...]
    first: bool = True
    """Nothing has been said of this search before."""
    whole: bool = True
    """Everything has been looked at."""


@dataclass
class Broken(Message):
    """The worker met an error of the program itself."""

    error: BaseException


@dataclass
class Unable(Message):
    """The guest could not be deployed at all."""

    sentence: str
    status: int
