"""The file of a recording: making it, going on with it, who writes it, removing it."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from sessions.schema import OBSERVED, VERSION, script

TABLES = ("observations", "crossings", "sights")


def lock_of(path: Path) -> Path:
    """What is locked while a recording is written."""
    return path.with_name(path.name + "-lock")


def locked(path: Path) -> BinaryIO:
    """Held while a file is written, so that others leave it alone."""
    file = lock_of(path).open("wb")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def is_written(path: Path) -> bool:
    """Does a living program write this recording?"""
    lock = lock_of(path)
    if not lock.exists():
        return False
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def remove(path: Path) -> None:
    """Remove a recording with what stands beside it."""
    for part in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"), lock_of(path)):
        part.unlink(missing_ok=True)


def create(path: Path, facts: Mapping[str, str]) -> None:
    """Make an empty recording, of the kind that ``facts`` say; it appears under its name when it is whole."""
    making = path.with_name(path.name + ".new")
    making.unlink(missing_ok=True)
    file = sqlite3.connect(making)
    try:
        file.execute("PRAGMA journal_mode=OFF")
        file.executescript(script(OBSERVED if facts.get("kind") == "observed" else VERSION))
        rows = {"kind": "emulated", "closed": "no", "end_tick": "0", "end_event": "0"} | dict(facts)
        file.executemany("INSERT INTO fact VALUES (?,?)", list(rows.items()))
        file.commit()
    finally:
        file.close()
    making.replace(path)


def reopen(path: Path) -> None:
    """Make a closed recording one that is written again."""
    file = sqlite3.connect(path)
    try:
        with file:
            file.execute("INSERT OR REPLACE INTO fact VALUES ('closed', 'no')")
    finally:
        file.close()


def counts(file: sqlite3.Connection) -> dict[str, int]:
    """How many items the tables of a recording hold."""
    there = {str(row[0]) for row in file.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    questions = {name: f"SELECT coalesce(max(first + count), 0) FROM {name}" for name in TABLES if name in there}
    return {name: int(file.execute(question).fetchone()[0]) for name, question in questions.items()}
