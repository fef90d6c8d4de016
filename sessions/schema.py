"""The tables of a recording: schema.sql is the specification."""

from __future__ import annotations

from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.sql")
APPLICATION = 1668705650
"""``cvmr``: what SQLite keeps at byte 68 of the file."""
VERSION = 2
READ = (1, 2)
"""Formats that can be read; their tables are the same."""
