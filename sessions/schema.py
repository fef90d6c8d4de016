"""The tables of a recording: schema.sql and observed.sql are the specification."""

from __future__ import annotations

from pathlib import Path

APPLICATION = 1668705650
"""``cvmr``: what SQLite keeps at byte 68 of the file."""
VERSION = 2
"""Of a recording that can be replayed."""
OBSERVED = 3
"""Of one that tells what was seen: it has a table more."""
_TABLES = ("schema.sql",)
_FILES = {1: _TABLES, VERSION: _TABLES, OBSERVED: ("schema.sql", "observed.sql")}
READ = tuple(_FILES)
"""Formats that can be read."""


def script(version: int) -> str:
    """What makes the tables of a format, as they are written today."""
    return "".join(Path(__file__).with_name(name).read_text(encoding="ascii") for name in _FILES[version])
