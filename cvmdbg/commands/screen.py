"""Commands that the screen carries out. In batch they have nothing to print, except quit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvmdbg.commands.table import Command, Result

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "screen"


def quit_(session: Session, text: str) -> Result:
    """Leave."""
    return Result(opens="quit")


def _screen(
    name: str, one_line: str, shorts: tuple[str, ...], keys: tuple[str, ...], arguments: str, help_: str = ""
) -> Command:
    return Command(name, one_line, shorts, keys, arguments, "", help_, screen=True)


COMMANDS = (
    _screen("filter", "filter the focused list", ("fi",), ("&",), "[EXPRESSION]", "In batch: info crossings FILTER."),
    _screen(
        "search", "find in the focused pane", ("sea",), ("/", ".", ","), "TEXT", ". and , go to the next and previous."
    ),
    _screen("copy", "row, or the pane, as plain text", ("co",), ("y",), "[all [FILE]]"),
    _screen("layout", "workspace, saved layout", ("la",), ("1", "2", "3", "-", "+"), "NAME · save NAME"),
    _screen("focus", "pane", ("foc",), ("Tab", "z"), "NAME", "z zooms the focused pane."),
    _screen("palette", "find anything", ("pal",), ("Ctrl+P",), ""),
    _screen("jump", "letters on panes", ("ju",), ("Ctrl+O",), ""),
    Command("quit", "leave", ("q", "exit"), ("q", "Ctrl+Q"), "", "", "", ("quit",), quit_, screen=True),
)
