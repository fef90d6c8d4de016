"""Reading a recording: from where it lies, or from a private copy where it may not be touched.

A file from elsewhere is hostile: its schema must be exactly ours, sizes are bounded, and whatever does not hold becomes
one sentence in a RecordingFault.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from sessions.checkpoint import unpack_pages, unpack_state
from sessions.coding import KIND_BITS, unpack_crossings, unpack_observations, unpack_sights
from sessions.columns import MAX_LENGTH, Malformed, inflated
from sessions.event import Call, Crossing, Event, Observation
from sessions.log import Chunk, Chunks
from sessions.machine import PAGE, PAGE_BYTES, Json
from sessions.mark import Mark, Named
from sessions.schema import APPLICATION, READ, script
from sessions.sight import Sight

MAGIC = b"SQLite format 3\0"
PHYSICAL = 48
STEPS = 200_000_000
"""Virtual machine steps of SQLite for one question; a file made to hang is refused."""
MAX_CHUNKS = 1 << 20
MAX_FACT = 1 << 16
SightOf = TypeVar("SightOf", bound=Sight)


class RecordingFault(Exception):
    """A file is no recording, or not a whole one: one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state that a file holds."""

    number: int
    mark: Mark
    digest: bytes


class Recording:
    """A recording that is read. ``lost`` says what is missing at its end, or is empty."""

    def __init__(self, path: Path, own: bool = False) -> None:
        """``own``: this program is writing it, so SQLite's locks on it must not be disturbed."""
        self.path, self._own = path, own
        self._private: tempfile.TemporaryDirectory[str] | None = None
        self._guard = _Guard(path.name)
        self._log_missing = False
        with self._guard.sentences():
            self._file = self._open(path)
            self._check_schema()
            self.facts = self._read_facts()
            self.lost = self._what_is_lost(path)
            self.events = Chunks(self._content, self._events)
            self.events.chunks = self._chunks()
            self.checkpoints = self._read_checkpoints()

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
        if self._private is not None:
            self._private.cleanup()

    # ---- facts ----

    @property
    def kind(self) -> str:
        """``emulated`` can be replayed; ``observed`` tells what was seen."""
        return self.facts.get("kind", "")

    @property
    def end(self) -> Mark:
        """The last moment."""
        return Mark(self.events.count, self._number("end_tick"))

    def _number(self, name: str) -> int:
        text = self.facts.get(name, "0")
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise RecordingFault(f"{self.path.name}: {name} is {text[:40]!r}; a number was expected")
        return max(int(text), self.events.chunks[-1].last_tick if self.events.chunks else 0)

    # ---- contents ----

    def observations(
        self, kinds: tuple[type, ...] = (), first: int = 0, until: int | None = None
    ) -> Iterator[Observation]:
        """Observations of some kinds (without any: of all) with ticks from ``first`` up to ``until``, in order."""
        last = until if until is not None else (1 << 63) - 1
        others = self._others(kinds, first, last)
        if kinds and Call not in kinds:
            return others
        return merge(self._served(first, last), others, key=attrgetter("tick"))

    def _served(self, first: int, last: int) -> Iterator[Observation]:
        """Served calls, which no observation tells; at a tick they come before whatever else was observed there."""
        for chunk in self.events.chunks:
            if chunk.served and chunk.last_tick >= first and chunk.first_tick <= last:
                with self._guard.sentences():
                    calls = self.events.calls(chunk).calls()
                yield from (call for call in calls if first <= call.tick <= last)

    def _others(self, kinds: tuple[type, ...], first: int, last: int) -> Iterator[Observation]:
        bits = sum(KIND_BITS[kind] for kind in kinds) if kinds else -1
        question = "SELECT packed FROM observations WHERE last_tick>=? AND first_tick<=? AND kinds & ? ORDER BY first"
        for (packed,) in self._rows(question, (first, last, bits)):
            with self._guard.sentences():
                items = unpack_observations(packed, self._content)
            for item in items:
                if first <= item.tick <= last and (not kinds or isinstance(item, kinds)):
                    yield item

    def sights(self, first: int, until: int, kinds: tuple[type, ...] = ()) -> Iterator[Sight]:
        """What was seen at stops from ``first`` to ``until``, of some kinds or of all, in order."""
        bits = sum(KIND_BITS[kind] for kind in kinds) if kinds else -1
        question = "SELECT packed FROM sights WHERE last_tick>=? AND first_tick<=? AND kinds & ? ORDER BY first"
        for (packed,) in self._rows(question, (first, until, bits)):
            with self._guard.sentences():
                items = unpack_sights(packed, self._content)
            yield from (i for i in items if first <= i.tick <= until and (not kinds or isinstance(i, kinds)))

    def last_sights(self, kind: type[SightOf], until: int) -> list[SightOf]:
        """Those of a kind at the last stop, up to ``until``, at which there are any."""
        question = "SELECT packed FROM sights WHERE first_tick<=? AND kinds & ? ORDER BY first DESC"
        found: list[SightOf] = []
        for (packed,) in self._rows(question, (until, KIND_BITS[kind])):
            with self._guard.sentences():
                items = unpack_sights(packed, self._content)
            found = [i for i in items if isinstance(i, kind) and i.tick <= until] + found
            if found and found[0].tick < found[-1].tick:
                break
        return [item for item in found if item.tick == found[-1].tick]

    def crossings(self, first: int = 0, until: int | None = None) -> Iterator[Crossing]:
        """Crossings with ticks from ``first`` up to ``until``, in order."""
        last = until if until is not None else (1 << 63) - 1
        question = "SELECT packed FROM crossings WHERE last_tick>=? AND first_tick<=? ORDER BY first"
        for (packed,) in self._rows(question, (first, last)):
            with self._guard.sentences():
                items = unpack_crossings(packed)
            yield from (item for item in items if first <= item.tick <= last)

    def crossing_count(self) -> int:
        """How many crossings there are."""
        return int(next(self._rows("SELECT coalesce(max(first + count), 0) FROM crossings"))[0])

    def crossing_tick(self, number: int) -> int:
        """A tick at or a little before that of a crossing; 0 for those before the first."""
        if number <= 0:
            return 0
        question = "SELECT first_tick FROM crossings WHERE first<=? ORDER BY first DESC LIMIT 1"
        rows = list(self._rows(question, (number,)))
        return int(rows[0][0]) if rows else 0

    def event(self, number: int) -> Event:
        """One event."""
        with self._guard.sentences():
            return self.events.at(number)

    def guest(self, mark: Mark) -> Json:
        """What the guest said of itself at a moment; None if it said nothing."""
        rows = list(self._rows("SELECT packed FROM guest WHERE event<=? ORDER BY event DESC LIMIT 1", (mark.event,)))
        with self._guard.sentences():
            return unpack_state(rows[0][0]) if rows else None

    def guest_changes(self) -> list[int]:
        """Numbers of the events from which the guest says something else of itself."""
        return [int(row[0]) for row in self._rows("SELECT event FROM guest ORDER BY event LIMIT ?", (MAX_CHUNKS,))]

    def file(self, path: str) -> bytes | None:
        """A file of the guest's own root, if somebody read it while recording."""
        rows = list(self._rows("SELECT hash FROM file WHERE path=?", (path,)))
        return self.content(rows[0][0]) if rows else None

    def content(self, key: bytes) -> bytes:
        """A content by its hash."""
        with self._guard.sentences():
            return self._content(key)

    def marks(self) -> list[Named]:
        """Named moments by tick."""
        rows = self._rows("SELECT name, event, tick, note FROM mark ORDER BY tick, event LIMIT ?", (MAX_CHUNKS,))
        return [Named(str(name), Mark(int(event), int(tick)), str(note)) for name, event, tick, note in rows]

    def keep_mark(self, named: Named) -> bool:
        """Write a mark into the file; False where it may not be written."""
        row = (named.name, named.mark.event, named.mark.tick, named.note)
        return self._write("INSERT OR REPLACE INTO mark VALUES (?,?,?,?)", row)

    def drop_mark(self, name: str) -> bool:
        """Remove a mark from the file; False where it may not be written."""
        return self._write("DELETE FROM mark WHERE name=?", (name,))

    def _write(self, statement: str, values: tuple[object, ...]) -> bool:
        if self._private is not None or not _may_write(self.path):
            return False
        with self._guard.sentences():
            file = sqlite3.connect(self.path)
            try:
                with file:
                    file.execute(statement, values)
            finally:
                file.close()
        return True

    def copy(self, path: Path) -> None:
        """The same recording as one file elsewhere."""
        copy_into(self._file, path)

    # ---- checkpoints ----

    def state(self, checkpoint: Checkpoint) -> Json:
        """A checkpoint's state without its pages."""
        packed = self._of("state", checkpoint)
        with self._guard.sentences():
            return unpack_state(packed)

    def touched(self, checkpoint: Checkpoint) -> list[int]:
        """Pages that were read or written between the checkpoint before and this one."""
        packed = self._of("touched", checkpoint)
        with self._guard.sentences():
            return unpack_pages(packed)

    def _of(self, column: str, checkpoint: Checkpoint) -> bytes:
        """A column of a checkpoint; in a damaged file one that was listed may not be found."""
        rows = list(self._rows(f"SELECT {column} FROM checkpoint WHERE number=?", (checkpoint.number,)))
        with self._guard.sentences():
            if not rows:
                raise Malformed(f"checkpoint {checkpoint.number} is missing")
            return bytes(rows[0][0])

    def written(self, first: int, last: int) -> list[int]:
        """Pages that changed after checkpoint ``first`` up to ``last``."""
        question = "SELECT DISTINCT address FROM page WHERE checkpoint>? AND checkpoint<=? ORDER BY address"
        found = [int(row[0]) for row in self._rows(question, (first, last))]
        with self._guard.sentences():
            if any(address < 0 or address >> PHYSICAL or address % PAGE for address in found):
                raise Malformed("a page lies at no multiple of 4096 below 2^48")
        return found

    def page(self, address: int, checkpoint: int) -> bytes:
        """A page as it was at a checkpoint."""
        question = "SELECT packed FROM page WHERE address=? AND checkpoint<=? ORDER BY checkpoint DESC LIMIT 1"
        rows = list(self._rows(question, (address, checkpoint)))
        if not rows:
            return bytes(PAGE_BYTES)
        with self._guard.sentences():
            content = inflated(rows[0][0], PAGE_BYTES)
            if len(content) != PAGE_BYTES:
                raise Malformed(f"a page has {len(content)} bytes; {PAGE_BYTES} were expected")
        return content

    # ---- opening ----

    def _open(self, path: Path) -> sqlite3.Connection:
        if self._own:
            return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        _check_header(path)
        self._log_missing = _is_wal(path) and not _log_of(path).exists()
        if not _is_whole(path) and not _may_write(path):
            path = self._copied(path)
        mode = "ro" if _is_whole(path) else "rw"
        file = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False)
        file.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_LENGTH)
        file.execute("PRAGMA trusted_schema=OFF")
        file.execute("PRAGMA cell_size_check=ON")
        file.execute("PRAGMA mmap_size=0")
        file.set_progress_handler(self._guard.step, 100_000)
        return file

    def _copied(self, path: Path) -> Path:
        """Its write-ahead log can only be read where one may write."""
        self._private = tempfile.TemporaryDirectory(prefix="cvmdbg-")
        copy = Path(self._private.name) / path.name
        shutil.copyfile(path, copy)
        log = _log_of(path)
        if log.exists():
            shutil.copyfile(log, _log_of(copy))
        return copy

    def _check_schema(self) -> None:
        version = self._file.execute("PRAGMA user_version").fetchone()[0]
        if version not in READ:
            known = f"formats {READ[0]} to {READ[-1]}"
            raise RecordingFault(f"{self.path.name} has format {version}; this cvmdbg reads {known}")
        found = {
            name: " ".join(str(sql).split())
            for name, sql in self._file.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL LIMIT 100")
        }
        if found != _schema(version):
            raise RecordingFault(f"{self.path.name}: its tables are not those of format {version}")

    def _read_facts(self) -> dict[str, str]:
        rows = self._file.execute("SELECT name, value FROM fact LIMIT 1000")
        return {str(name)[:MAX_FACT]: str(value)[:MAX_FACT] for name, value in rows}

    def _what_is_lost(self, path: Path) -> str:
        if self._own or self.facts.get("closed") == "yes":
            return ""
        tick = self.facts.get("end_tick", "0")
        if self._log_missing:
            return (
                f"the recording was not closed and its {path.name}-wal is missing: what came after tick {tick} is lost"
            )
        return f"the recording was not closed: what came in the last second, after tick {tick}, is lost"

    def _chunks(self) -> list[Chunk]:
        question = "SELECT first, count, first_tick, last_tick, kinds FROM events ORDER BY first LIMIT ?"
        found = [
            Chunk(int(first), int(count), int(begin), int(last), None, bool(int(kinds) & 1))
            for first, count, begin, last, kinds in self._file.execute(question, (MAX_CHUNKS,))
        ]
        expected, tick = 0, 0
        for chunk in found:
            if (
                chunk.first != expected
                or not 0 < chunk.count <= 1 << 17
                or not tick <= chunk.first_tick <= chunk.last_tick
            ):
                raise Malformed(f"the events from number {expected} on are not in order")
            expected, tick = chunk.first + chunk.count, chunk.last_tick
        return found

    def _read_checkpoints(self) -> list[Checkpoint]:
        question = "SELECT number, event, tick, digest FROM checkpoint ORDER BY number LIMIT ?"
        return [
            Checkpoint(int(n), Mark(int(e), int(t)), bytes(d))
            for n, e, t, d in self._file.execute(question, (MAX_CHUNKS,))
        ]

    def _events(self, chunk: Chunk) -> bytes:
        row = self._file.execute("SELECT packed FROM events WHERE first=?", (chunk.first,)).fetchone()
        if row is None:
            raise Malformed(f"the events from number {chunk.first} on are missing")
        return bytes(row[0])

    def _content(self, key: bytes) -> bytes:
        row = self._file.execute("SELECT size, packed FROM content WHERE hash=?", (key,)).fetchone()
        if row is None:
            raise Malformed(f"the content {key.hex()[:16]}… is missing")
        return inflated(bytes(row[1]), min(int(row[0]), MAX_LENGTH))

    def _rows(self, question: str, values: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
        with self._guard.sentences():
            cursor = self._file.execute(question, values)
        while True:
            with self._guard.sentences():
                row = cursor.fetchone()
            if row is None:
                return
            yield row


def copy_into(source: sqlite3.Connection, path: Path) -> None:
    """A recording as one closed file elsewhere; OSError says why it cannot be written."""
    copy = sqlite3.connect(path)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        copy.execute("INSERT OR REPLACE INTO fact VALUES ('closed', 'yes')")
        copy.commit()
    except sqlite3.Error as error:
        raise OSError(f"{path.name} cannot be written: {error}") from None
    finally:
        copy.close()


class _Guard:
    """Bounds what a question costs, and turns what goes wrong with a file into sentences."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._steps = 0

    def step(self) -> int:
        """Called now and then by SQLite; not 0 ends the question."""
        self._steps += 100_000
        return int(self._steps > STEPS)

    @contextmanager
    def sentences(self) -> Iterator[None]:
        """Whatever is wrong with the file is said in one sentence."""
        self._steps = 0
        try:
            yield
        except (Malformed, sqlite3.Error) as error:
            raise RecordingFault(f"{self._name} is damaged: {_line(error)}") from None
        except (OverflowError, ValueError, TypeError, AttributeError, UnicodeError, IndexError) as error:
            raise RecordingFault(f"{self._name} is damaged: a value is not of its kind ({_line(error)})") from None
        except OSError as error:
            raise RecordingFault(f"{self._name} cannot be read: {error.strerror or error}") from None


def _line(error: Exception) -> str:
    """What an error says, on one line that ends."""
    return "".join(c if c.isprintable() else " " for c in str(error))[:160]


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(100)
    if len(head) < 100 or not head.startswith(MAGIC) or int.from_bytes(head[68:72], "big") != APPLICATION:
        raise RecordingFault(f"{path.name} is no recording of cvmdbg")


def _is_wal(path: Path) -> bool:
    """Was it left while being written? Byte 18 of SQLite's header."""
    with path.open("rb") as file:
        return file.read(20)[18:19] == b"\2"


def _is_whole(path: Path) -> bool:
    return not _is_wal(path) and not path.with_name(path.name + "-journal").exists()


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _schema(version: int) -> dict[str, str]:
    """The tables of a format, as SQLite remembers them."""
    empty = sqlite3.connect(":memory:")
    empty.executescript(script(version))
    rows = empty.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    found = {name: " ".join(sql.split()) for name, sql in rows}
    empty.close()
    return found
