"""Keys: from the table's names to Textual's, the presets, and the key line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cvmdbg.commands.table import Table

_NAMES = {
    "Esc": "escape",
    "Del": "delete",
    "Backspace": "backspace",
    "Space": "space",
    "Tab": "tab",
    "Enter": "enter",
    "←": "left",
    "→": "right",
    "↑": "up",
    "↓": "down",
    "Home": "home",
    "End": "end",
}
_PUNCTUATION = {
    ":": "colon",
    "/": "slash",
    "&": "ampersand",
    "\\": "backslash",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "{": "left_curly_bracket",
    "}": "right_curly_bracket",
    "'": "apostrophe",
    "-": "minus",
    "+": "plus",
    "=": "equals_sign",
    "?": "question_mark",
    ".": "full_stop",
    ",": "comma",
    ">": "greater_than_sign",
    "<": "less_than_sign",
}
SHIFTED = {f"shift+f{n}": f"f{n + 12}" for n in range(1, 13)}
"""What terminals without modifiers send for Shift and an F-key."""
LISTS = frozenset({"tab", "shift+tab", "space", "slash", "full_stop", "comma", "ampersand", "colon", "1", "2", "3"})
"""Keys that lists and workspaces have themselves, whatever a command's row says."""

PRESETS: Mapping[str, Mapping[str, str]] = {
    "gdb": {},
    "vscode": {
        "f5": "continue",
        "f9": "break",
        "f10": "next",
        "f11": "step",
        "shift+f11": "finish",
    },
    "ida": {"f2": "break", "f4": "advance", "f7": "step", "f8": "next", "f9": "continue"},
}
"""What a preset binds beside, or in place of, the table's keys."""


def key_name(shown: str) -> str:
    """Textual's name of a key as the table writes it: ``Shift+F5``, ``Ctrl-C``, ``]``, ``N``."""
    if len(shown) == 1:
        return _PUNCTUATION.get(shown, shown)
    head, _, tail = shown.replace("Ctrl-", "Ctrl+").rpartition("+")
    tail = _NAMES.get(tail, tail)
    if not head:
        return tail.lower() if len(tail) > 1 else tail
    return f"{head.lower()}+{tail.lower()}"


def shown_key(key: str) -> str:
    """How the key line writes a key of the table."""
    return key.replace("Ctrl+", "^").replace("Ctrl-", "^")


def bindings(table: Table, preset: Mapping[str, str]) -> dict[str, str]:
    """Command names by key. A key that two commands claim is a mistake of the program; the first keeps it."""
    found: dict[str, str] = {}
    for command in table:
        for shown in command.keys:
            key = key_name(shown)
            if key in LISTS:
                continue
            found.setdefault(key, command.name)
            if key in SHIFTED:
                found.setdefault(SHIFTED[key], command.name)
    return found | {key: name for key, name in preset.items() if table.find(name) is not None}


def clashes(table: Table) -> list[tuple[str, str, str]]:
    """Keys that two commands claim: key, first command, second command."""
    owners: dict[str, str] = {}
    found = []
    for command in table:
        for shown in command.keys:
            key = key_name(shown)
            if key in owners and owners[key] != command.name and key not in LISTS:
                found.append((shown, owners[key], command.name))
            owners.setdefault(key, command.name)
    return found


@dataclass(frozen=True)
class Hint:
    """An entry of the key line: the key, a word, the command behind it."""

    key: str
    word: str
    command: str


_LINE = (
    ("n", "next", "next"),
    ("s", "step", "step"),
    ("f", "finish", "finish"),
    ("c", "continue", "continue"),
    ("b", "break", "break"),
    ("e", "explain", "explain"),
    ("p", "inspect", "print"),
    ("N S F C", "back", "reverse-next"),
    ("t", "where from", "origin"),
    ("1 2", "debug trace", ""),
    ("Tab", "pane", ""),
    ("^O", "jump", ""),
    ("z", "zoom", ""),
    ("i o", "instruction", "stepi"),
    ("y", "copy", ""),
    ("q", "quit", "quit"),
)
_ALWAYS = ((":", "command", ""), ("^P", "palette", ""), ("F1", "help", ""))
_RUNNING = (("^C", "stop the guest", ""), ("1 2", "debug trace", ""), ("Tab", "pane", ""), ("z", "zoom", ""))
_SCREEN = frozenset({"", "print"})


def hints(running: bool, cells: int, table: Table) -> tuple[Hint, ...]:
    """As many entries as fit, by priority; F1 is always last and always there."""
    rows = _RUNNING if running else _LINE
    always = tuple(Hint(*row) for row in _ALWAYS)
    room = cells - 1 - _cells(always)
    chosen: list[Hint] = []
    for row in rows:
        hint = Hint(*row)
        if hint.command not in _SCREEN and table.find(hint.command) is None:
            continue
        if _cells([*chosen, hint]) <= room:
            chosen.append(hint)
    kept = always if room >= 0 else always[-1:]
    return (*chosen, *kept)


def _cells(entries: Iterable[Hint]) -> int:
    return sum(len(hint.key) + 1 + len(hint.word) + 2 for hint in entries)
