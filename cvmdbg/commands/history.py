"""Going back. The rows stand here with their keys; no target has history yet, so each says so."""

from __future__ import annotations

from cvmdbg.commands.table import Command

FAMILY = "history"

_ROWS = (
    ("reverse-continue", "rc", ("C", "Shift+F5"), "[N]", "back to the previous stop"),
    ("reverse-next", "rn", ("N", "Shift+F8"), "[N]", "back one line, over calls"),
    ("reverse-step", "rs", ("S", "Shift+F7"), "[N]", "back one line, into calls"),
    ("reverse-nexti", "rni", ("O",), "[N]", "back one instruction, over calls"),
    ("reverse-stepi", "rsi", ("I",), "[N]", "back one instruction"),
    ("reverse-finish", "rfin", ("F", "Shift+F6"), "", "back to the call of this function"),
    ("previous-event", "pe", ("[", "{"), "[KIND]", "back to the previous event of the kind"),
)
COMMANDS = (
    *(
        Command(name, one_line, (short,), keys, arguments, "s h", "Needs a target with history.")
        for name, short, keys, arguments, one_line in _ROWS
    ),
    Command(
        "diverge",
        "scratch copy that may be edited; end throws it away",
        ("div",),
        (),
        "[end]",
        "h",
        "Needs a target with history.",
    ),
    Command(
        "origin",
        "where this capability or value comes from",
        ("or",),
        ("t", "F3"),
        "EXPRESSION",
        "s h c",
        "Needs a target with history.",
    ),
)
