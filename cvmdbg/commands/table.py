"""The one command table: what keys, palette, prompt, completion, help, batch mode and the reference are made from.

A command's ``run`` takes the session and the text behind the command's name. It returns a Result, or is a generator
that yields Progress while the guest runs and returns the Result; whoever drives it may do other work in between.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from cvmdbg.target import UserError

if TYPE_CHECKING:
    from cvmdbg.session import Session

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command says: lines for people, ``value`` for programs.

    ``opens`` names what the screen shows for it besides the console: ``inspector``, ``explain``, ``memory``, ``code``,
    ``registers``, ``map``, ``trace``, ``threads``, ``backtrace``, ``locals``, ``breakpoints``, ``modules``, ``load``,
    ``relocations``, ``help``, ``quit``; ``subject`` is what it opens on (an expression, an address in hex, a word).
    """

    lines: tuple[str, ...] = ()
    value: Json = None
    opens: str = ""
    subject: str = ""

    @property
    def text(self) -> str:
        """The lines, joined."""
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True)
class Progress:
    """The guest has run a slice (about 20 ms) and goes on. ``tick`` is None where the target cannot know it."""

    tick: int | None
    doing: str


Steps: TypeAlias = Generator[Progress, None, Result]
Run: TypeAlias = "Callable[[Session, str], Result | Steps]"

NEEDS = {
    "s": "a stopped thread",
    "r": "a guest that can run",
    "b": "breakpoints",
    "h": "history",
    "c": "capabilities",
    "w": "a writable target",
    "g": "the guest's model",
    "d": "symbols",
    "o": "the host's files and programs",
}
"""What a command may need, by the letter that stands in its row."""


@dataclass(frozen=True, slots=True)
class Command:
    """One row. ``keys`` are of the default preset; ``needs`` is a set of letters of NEEDS.

    ``screen`` commands are carried out by the front end (layout, palette, …); in batch they say so. ``completes``
    names what stands behind the command, for completion: location, expression, register, command, compartment, …
    ``run`` is None only for screen commands and for those whose need no target has yet.
    """

    name: str
    one_line: str
    abbreviations: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    arguments: str = ""
    needs: str = ""
    help: str = ""
    examples: tuple[str, ...] = ()
    run: Run | None = None
    repeats: bool = False
    screen: bool = False
    completes: str = ""
    family: str = ""

    @property
    def usage(self) -> str:
        """Name and arguments."""
        return f"{self.name} {self.arguments}".rstrip()


GDB_LETTERS = {
    "b": "break",
    "c": "continue",
    "d": "delete",
    "f": "frame",
    "h": "help",
    "i": "info",
    "k": "kill",
    "l": "list",
    "n": "next",
    "p": "print",
    "q": "quit",
    "r": "run",
    "s": "step",
    "t": "thread",
    "u": "until",
    "x": "x",
}
"""gdb's own one-letter names; they win over prefixes."""


@dataclass
class Table:
    """All commands, by name; answers what a person typed."""

    commands: dict[str, Command] = field(default_factory=dict)

    def add(self, rows: Iterable[Command], family: str) -> None:
        """Take the rows of a family; a name or abbreviation that is taken is a mistake of the program."""
        for row in rows:
            for word in (row.name, *row.abbreviations):
                if self._exact(word) is not None:
                    raise ValueError(f"two commands are called {word!r}")
            self.commands[row.name] = replace(row, family=family)

    def __iter__(self) -> Iterator[Command]:
        return iter(self.commands.values())

    def resolve(self, line: str) -> tuple[Command, str]:
        """The command of a line and the text behind its name; UserError lists the candidates."""
        words = line.split(None, 1)
        if not words:
            raise UserError("type a command; help lists them")
        head, rest = _split_name(words[0], words[1] if len(words) > 1 else "")
        command = self._one(head, self._first_words())
        group = [c for c in self.commands.values() if c.name.startswith(command + " ")]
        if not group:
            return self.commands[command], rest
        return self._sub(command, group, rest)

    def find(self, words: str) -> Command | None:
        """A command by full name or exact abbreviation."""
        return self._exact(words)

    def _sub(self, group: str, rows: list[Command], rest: str) -> tuple[Command, str]:
        words = rest.split(None, 1)
        names = {row.name.split(None, 1)[1]: row for row in rows}
        for row in rows:
            names |= {short.split(None, 1)[1]: row for short in row.abbreviations if " " in short}
        if not words:
            if group in self.commands:
                return self.commands[group], ""
            raise UserError(f"{group} what? {', '.join(sorted(n.name.split(None, 1)[1] for n in rows))}")
        word, slash, form = words[0].partition("/")
        name = _candidate(word, {n: r.name for n, r in names.items()}, f"{group} ")
        return self.commands[name], (slash + form + " " + (words[1] if len(words) > 1 else "")).strip()

    def _first_words(self) -> dict[str, str]:
        words: dict[str, str] = {}
        for row in self.commands.values():
            words.setdefault(row.name.split()[0], row.name.split()[0])
            words |= {short: row.name for short in row.abbreviations if " " not in short}
        return words

    def _one(self, word: str, words: dict[str, str]) -> str:
        letter = GDB_LETTERS.get(word)
        if letter is not None and letter in words:
            return words[letter]
        return _candidate(word, words, "")

    def _exact(self, word: str) -> Command | None:
        for row in self.commands.values():
            if word == row.name or word in row.abbreviations:
                return row
        return None


def _candidate(word: str, words: dict[str, str], group: str) -> str:
    """The name that a word means: exact, or the only one that it begins."""
    if word in words:
        return words[word]
    found = sorted({name for short, name in words.items() if short.startswith(word)})
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{group}{word} could be: {', '.join(found)}")
    near = difflib.get_close_matches(word, words, n=1)
    hint = f"; did you mean {group}{words[near[0]]}?" if near else "; help lists the commands"
    raise UserError(f"no command {group}{word}{hint}")


def _split_name(word: str, rest: str) -> tuple[str, str]:
    """``x/8xg`` is ``x`` with ``/8xg`` in front of its arguments; a search begins with ``/``."""
    name, slash, form = word.partition("/")
    if slash and name:
        return name, f"/{form} {rest}".rstrip()
    return word, rest
