"""Help: the focused pane, all keys on one screen, the text of a word. All of it comes from the command table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cvmdbg.commands.table import Table
from cvmdbg.tui.overlays.inspector import Lines
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.spans import Line, left, wrapped

SCREEN_KEYS = (
    ("1 2", "workspaces: debug, trace"),
    ("Tab Shift+Tab", "next, previous pane"),
    ("← →", "tabs of a pane"),
    ("Ctrl+O", "a letter on every pane and tab: it goes there"),
    ("z - +", "zoom a pane, hide it, show all"),
    ("Ctrl+arrows", "resize a pane"),
    ("↑↓ j k PgUp PgDn", "move; Home End: first, last"),
    ("Enter", "open what the cursor is on"),
    ("Space", "fold; enable or disable"),
    ("/ . ,", "search, next hit, previous hit"),
    ("&", "filter"),
    ("\\", "another view or order of the pane"),
    ("y", "copy the row; :copy all the pane"),
    (":", "command; Tab completes, ↑↓ history"),
    (">", "a line to the guest's standard input"),
    ("Ctrl+P", "palette: find anything"),
    ("Esc", "close what is on top, then back to Code"),
    ("Ctrl-C", "stop the guest, or what is busy; never quits"),
)


class Help(Rows):
    """Lines of help."""

    title = "Help"
    about = "Help. Esc closes it."

    def __init__(self, lines: Sequence[Lines]) -> None:
        super().__init__()
        self.items, self.ready = tuple(lines), True

    def draw(self, item: Any, cells: int) -> Line:
        """Lines are spans already."""
        assert isinstance(item, Lines)
        return item.spans


def pane_help(pane: Rows, cells: int) -> list[Lines]:
    """What F1 says of a pane."""
    rows = [Lines((" " + part, "fg")) for part in wrapped(pane.about, cells - 4)]
    rows.append(Lines(("", "fg")))
    rows += [_key_line(keys, what) for keys, what in pane.keys]
    rows += [_key_line("↑↓ j k / y", "move, search, copy")]
    rows += [Lines(("", "fg")), Lines((" ? all keys   :help WORD a command   Ctrl+P everything", "dim"))]
    return rows


def all_keys(table: Table, cells: int) -> list[Lines]:
    """All keys: those of commands from the table, then those of the screen; in columns where there is room."""
    commands = [(" ".join(c.keys), c.one_line, c.name) for c in table if c.keys]
    rows = [_key_line(keys, f"{name}: {what}") for keys, what, name in commands]
    rows += [Lines(("", "fg"))]
    rows += [_key_line(keys, what) for keys, what in SCREEN_KEYS]
    return _columns(rows, cells) if cells >= 140 else rows


def word_help(lines: Sequence[str]) -> list[Lines]:
    """The text of ``help WORD``."""
    return [Lines((" " + part, "fg")) for line in lines for part in line.split("\n")]


def _key_line(keys: str, what: str) -> Lines:
    return Lines((f" {left(keys, 17) if len(keys) <= 17 else keys} ", "strong"), (what, "fg"))


def _columns(rows: list[Lines], cells: int) -> list[Lines]:
    half = -(-len(rows) // 2)
    width = cells // 2
    out = []
    for index in range(half):
        first = rows[index]
        second = rows[index + half] if index + half < len(rows) else Lines(("", "fg"))
        out.append(Lines((left(first.text, width), "fg"), *second.spans))
    return out
