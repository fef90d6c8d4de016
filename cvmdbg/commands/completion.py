"""Completion: what could stand at the end of a line, best first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cvmdbg.analysis.calls import names
from cvmdbg.rows import Candidate
from cvmdbg.settings import SETTINGS
from cvmdbg.target import TargetError, UserError

if TYPE_CHECKING:
    from cvmdbg.session import Session

LIMIT = 50
EVENTS = ("syscall", "hostcall", "crossing", "fault", "load")


def candidates(session: Session, text: str) -> tuple[Candidate, ...]:
    """At most 50, by prefix, then by letters in order. Each replaces the last word of the text."""
    words = text.split(" ")
    if len([w for w in words if w]) <= 1 and not text.endswith(" "):
        return _best(text.lstrip(), _commands(session))
    group = {"i": "info"}.get(words[0], words[0])
    if len(words) == 2 and any(row.name.startswith(group + " ") for row in session.table):
        return _best(words[1], _subcommands(session, group))
    try:
        command, rest = session.table.resolve(text)
    except UserError:
        return ()
    word = rest.rsplit(" ", 1)[-1] if not text.endswith(" ") else ""
    return _best(word, _arguments(session, command.completes, rest))


def _commands(session: Session) -> Iterator[Candidate]:
    seen: set[str] = set()
    for row in session.table:
        first = row.name.split()[0]
        if first not in seen:
            seen.add(first)
            yield Candidate(first, "command", row.one_line if first == row.name else "")


def _subcommands(session: Session, group: str) -> Iterator[Candidate]:
    for row in session.table:
        if row.name.startswith(group + " "):
            yield Candidate(row.name.split(None, 1)[1], "command", row.one_line)


def _arguments(session: Session, kind: str, rest: str) -> Iterable[Candidate]:
    if kind == "command":
        return [Candidate(c.name, "command", c.one_line) for c in session.table]
    if kind == "setting":
        return [*(Candidate(s.name, "setting", s.about) for s in SETTINGS), *_live(session, "expression")]
    if kind == "catch":
        return _catch(rest)
    if kind == "event":
        from cvmdbg.commands.running import KINDS

        return [Candidate(k, "event") for k in KINDS]
    return _live(session, kind)


def _catch(rest: str) -> Iterator[Candidate]:
    first, space, _ = rest.partition(" ")
    if not space:
        yield from (Candidate(event, "event") for event in EVENTS)
        return
    if first in ("syscall", "hostcall"):
        for name, number in names(first == "hostcall").items():
            yield Candidate(name, first, str(number))


def _live(session: Session, kind: str) -> Iterator[Candidate]:
    debugger = session.debugger
    if debugger is None:
        return
    try:
        if kind in ("expression", "register"):
            mark = "$" if kind == "expression" else ""
            for register in debugger.target.registers:
                yield Candidate(mark + register.name, "register")
            if kind == "register":
                return
            yield from (Candidate(v.name, "local") for v in debugger.scope().variables() if debugger.thread >= 0)
        if kind == "compartment":
            yield from (Candidate(c.badge, "compartment", c.name) for c in debugger.places.compartments)
        elif kind == "thread":
            yield from (Candidate(t.name, "thread", t.state.value) for t in debugger.threads())
        elif kind == "breakpoint":
            yield from (Candidate(str(b.number), "breakpoint", b.where) for b in debugger.breakpoints)
        elif kind in ("location", "expression", "symbol"):
            yield from _symbols(session, kind)
    except (UserError, TargetError):
        return  # nothing is stopped yet: what came so far is all there is


def _symbols(session: Session, kind: str) -> Iterator[Candidate]:
    seen: set[str] = set()
    for name, what, module in session.live.symbols.names():
        if name not in seen and (kind != "location" or what != "object"):
            seen.add(name)
            yield Candidate(name, what, module)
    if kind == "location":
        yield from (Candidate(file, "file") for file in session.live.symbols.files())


def _best(word: str, found: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Prefix first, then those that hold the letters in order."""
    prefix: list[Candidate] = []
    fuzzy: list[Candidate] = []
    lower = word.lower()
    for candidate in found:
        text = candidate.text.lower()
        if text.startswith(lower):
            prefix.append(candidate)
        elif lower and _holds(text, lower):
            fuzzy.append(candidate)
    ordered = sorted(prefix, key=lambda c: (len(c.text), c.text)) if lower else prefix
    return tuple((*ordered, *sorted(fuzzy, key=lambda c: (len(c.text), c.text)))[:LIMIT])


def _holds(text: str, letters: str) -> bool:
    at = -1
    for letter in letters:
        at = text.find(letter, at + 1)
        if at < 0:
            return False
    return True
