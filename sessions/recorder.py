"""Writing a recording: whoever runs the guest appends to lists; a thread of the recorder's own does all the rest.

    run ──append──▶ lists ──every quarter second──▶ chunks ──one transaction──▶ file      (the recorder's thread)

What was appended is in the file at most a second later. A file that cannot be written stops the recording, with a
sentence in ``failure``; the run goes on.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from sessions.checkpoint import PageSum, changed_pages, pack_page, pack_pages, pack_state
from sessions.coding import (
    CROSSING_SIZE,
    SERVED,
    kinds_of,
    pack_crossings,
    pack_events,
    pack_observations,
    pack_sights,
)
from sessions.columns import Store
from sessions.event import Event, Observation
from sessions.files import counts, create, lock_of, locked, reopen
from sessions.log import Chunk, Log, Taken
from sessions.machine import Json, Saved
from sessions.mark import Mark
from sessions.reader import Recording, copy_into
from sessions.served import Served, pack_served
from sessions.sight import Sight

PERIOD = 0.25
"""Seconds between two looks at what was appended; each is one transaction."""
CHUNK = 4096
BACKLOG = 200_000
"""Events that may wait to be written; more make the run wait."""
DUTY = 16
"""The recorder's thread rests so many times as long as a checkpoint took it."""
REST = 0.05
"""Seconds between two checkpoints at least: whoever opens the file goes anywhere in about half of it."""
WAITING = 16
"""Checkpoints that may wait to be written."""
MAX_BYTES = 8 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may grow to, in bytes; the recording ends there."""

    size: int = MAX_BYTES


T = TypeVar("T")


class Recorder:
    """Writes one file. Everything but ``close`` returns at once."""

    def __init__(
        self, path: Path, facts: Mapping[str, str], limits: Limits | None = None, onward: bool = False
    ) -> None:
        """``onward``: the file is a closed recording of what was observed, and what comes now follows."""
        self.path = path
        self.log = Log(self._content)
        self.failure: str | None = None
        self._limits = limits or Limits()
        self._observations: list[Observation] = []
        self._sights: list[Sight] = []
        self._crossings: list[bytes] = []
        self._jobs: list[Callable[[], None]] = []
        self._flushes: list[threading.Event] = []
        self._contents: dict[bytes, bytes] = {}  # not in the file yet
        self._reached = 0
        self._committed = -1
        self._pages = PageSum()
        self._base: Saved | None = None
        self._checkpoints = 0
        self._written = 0
        self._took = 0.0
        self._resting = 0.0
        self._closing = False
        self._wake = threading.Event()
        self._commit_lock = threading.Lock()
        self._reading: sqlite3.Connection | None = None
        self._lock = locked(path)
        if onward:
            reopen(path)
        else:
            create(path, facts)
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._counts = counts(self._file)
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=NORMAL")
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    # ---- appending (the thread that runs the guest) ----------------------------------------------------------------

    def event(self, event: Event) -> None:
        """Take an event before its effects are applied."""
        if self.failure is None and self.log.append(event) > BACKLOG:
            self._catch_up()

    def served(self, served: Served) -> None:
        """Take served calls, after they were applied: events, and what was seen of them."""
        if self.failure is None and self.log.serve(served) > BACKLOG:
            self._catch_up()

    def observe(self, *observations: Observation) -> None:
        """Take what was seen."""
        self.observe_all(observations)

    def observe_all(self, observations: Sequence[Observation]) -> None:
        """Take what was seen at once."""
        if self.failure is None:
            self._observations.extend(observations)

    def saw(self, *sights: Sight) -> None:
        """Take what was seen of a guest that cannot be replayed."""
        if self.failure is None:
            self._sights.extend(sights)

    def crossings(self, records: bytes) -> None:
        """Take crossings as the engine packs them."""
        if self.failure is None:
            self._crossings.append(records)

    def reached(self, tick: int) -> None:
        """The run has come to this tick, and all events until then have been given."""
        if self.failure is None:
            self._reached = tick

    def guest(self, facts: Callable[[], Json], since: Mark | None = None) -> None:
        """What the guest says of itself from the next event (or ``since``) on; asked for by the recorder's thread."""
        mark = Mark(self.log.count, self._reached) if since is None else since
        self._jobs.append(lambda: self._put_guest(mark, facts()))

    def file(self, path: str, content: bytes) -> None:
        """A file of the guest's own root that somebody read for its symbols."""
        self._jobs.append(lambda: self._put_file(path, content))

    def content(self, content: bytes) -> str:
        """Keep bytes once, by their SHA-256, which is returned in hex."""
        self._jobs.append(lambda: _none(self._store(content)))
        return hashlib.sha256(content).hexdigest()

    def mark(self, name: str, mark: Mark, note: str) -> None:
        """Name a moment; a name that exists moves."""
        row = (name, mark.event, mark.tick, note)
        self._jobs.append(lambda: _none(self._file.execute("INSERT OR REPLACE INTO mark VALUES (?,?,?,?)", row)))

    def unmark(self, name: str) -> None:
        """Forget a mark."""
        self._jobs.append(lambda: _none(self._file.execute("DELETE FROM mark WHERE name=?", (name,))))

    @property
    def wants_checkpoint(self) -> bool:
        """Has the thread rested enough from the last one? A few may wait for it."""
        waiting = self._checkpoints - self._written
        return self.failure is None and waiting < WAITING and time.monotonic() >= self._resting

    def checkpoint(self, mark: Mark, saved: Saved, touched: Sequence[int]) -> int:
        """Write a saved state: the pages that changed since the last one that was written. Its number."""
        number = self._checkpoints
        self._checkpoints += 1
        self._resting = time.monotonic() + max(REST, DUTY * self._took)
        self._jobs.append(lambda: self._put_checkpoint(number, mark, saved, touched))
        return number

    def read(self) -> Recording:
        """The file as it is now; the reader closes it."""
        self.flush()
        return Recording(self.path, own=True)

    def copy(self, path: Path) -> None:
        """Everything until now as one file elsewhere."""
        self.flush()
        source = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            copy_into(source, path)
        finally:
            source.close()

    def flush(self) -> None:
        """Wait until everything is in the file."""
        done = threading.Event()
        self._flushes.append(done)
        while not done.is_set() and self._thread.is_alive():
            self._wake.set()
            done.wait(0.05)

    def close(self, tick: int | None = None) -> None:
        """Write the rest and make it one file."""
        if tick is not None:
            self.reached(tick)
        self._closing = True
        self._wake.set()
        self._thread.join()
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        lock_of(self.path).unlink(missing_ok=True)
        self._lock.close()

    def _catch_up(self) -> None:
        while self.log.waiting > BACKLOG // 2 and self.failure is None and self._thread.is_alive():
            self._wake.set()
            time.sleep(0.005)

    def _content(self, key: bytes) -> bytes:
        """A long content, for the log that reads its own chunks again."""
        with self._commit_lock:
            found = self._contents.get(key)
        if found is not None:
            return found
        if self._reading is None:
            self._reading = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, check_same_thread=False)
        row = self._reading.execute("SELECT packed FROM content WHERE hash=?", (key,)).fetchone()
        return zlib.decompress(row[0]) if row is not None else b""

    # ---- the recorder's own thread ---------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while not self._closing:
                self._wake.wait(PERIOD)
                self._wake.clear()
                self._commit()
            self._commit()
            self._finish()
        except Exception as error:  # whatever it is, the run goes on and the user is told
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Nothing more can be written: what was committed stays."""
        self.failure = f"the recording stopped: {_sentence(error)}"
        try:
            self._file.close()
        except sqlite3.Error:
            return  # the file is beyond help, and the sentence has been said

    def _commit(self) -> None:
        """Everything that was appended until now becomes one transaction."""
        reached = self._reached
        events = self.log.take(CHUNK)
        flushes = _taken(self._flushes)
        observations, crossings, jobs = _taken(self._observations), _taken(self._crossings), _taken(self._jobs)
        sights = _taken(self._sights)
        if not (events or observations or sights or crossings or jobs or flushes or reached > self._committed):
            return
        self._file.execute("BEGIN")
        try:
            self._put_events(events)
            self._put_items("observations", observations, pack_observations)
            self._put_items("sights", sights, pack_sights)
            self._put_crossings(b"".join(crossings))
            for job in jobs:
                job()
            self._put_end(max(reached, self.log.last_tick))
            self._file.execute("COMMIT")
        except BaseException:
            self._undo()
            raise
        self.log.written()
        for done in flushes:
            done.set()
        with self._commit_lock:
            self._contents.clear()
        self._check_size()

    def _undo(self) -> None:
        if self._file.in_transaction:
            self._file.execute("ROLLBACK")

    def _check_size(self) -> None:
        pages = self._file.execute("PRAGMA page_count").fetchone()[0]
        if pages * 4096 > self._limits.size:
            raise OSError(f"it has grown to its limit of {self._limits.size >> 20} MiB")

    def _put_events(self, pieces: Sequence[Taken]) -> None:
        for taken in pieces:
            if isinstance(taken, Served):
                packed, kinds = pack_served(taken, self._store), SERVED
            else:
                packed = pack_events(taken, self._store)
                kinds = kinds_of(chain.from_iterable(map(attrgetter("effects"), taken)))
            chunk = self.log.packed(taken, packed)
            self._file.execute("INSERT INTO events VALUES (?,?,?,?,?,?)", _row(chunk, kinds))

    def _put_items(self, table: str, items: Sequence[Any], pack: Callable[[Sequence[Any], Store], bytes]) -> None:
        """Items that have ticks, in chunks."""
        for at in range(0, len(items), CHUNK):
            some = items[at : at + CHUNK]
            ticks = [item.tick for item in some]
            chunk = Chunk(self._counts[table], len(some), min(ticks), max(ticks), pack(some, self._store))
            self._file.execute(f"INSERT INTO {table} VALUES (?,?,?,?,?,?)", _row(chunk, kinds_of(some)))
            self._counts[table] += len(some)

    def _put_crossings(self, records: bytes) -> None:
        for at in range(0, len(records), CHUNK * CROSSING_SIZE):
            some = records[at : at + CHUNK * CROSSING_SIZE]
            count = len(some) // CROSSING_SIZE
            ticks = [int.from_bytes(some[i : i + 8], "little") for i in (0, len(some) - CROSSING_SIZE)]
            row = (self._counts["crossings"], count, *ticks, pack_crossings(some))
            self._file.execute("INSERT INTO crossings VALUES (?,?,?,?,?)", row)
            self._counts["crossings"] += count

    def _put_guest(self, mark: Mark, facts: Json) -> None:
        row = (mark.event, mark.tick, pack_state(facts))
        self._file.execute("INSERT OR REPLACE INTO guest VALUES (?,?,?)", row)

    def _put_file(self, path: str, content: bytes) -> None:
        self._file.execute("INSERT OR REPLACE INTO file VALUES (?,?)", (path, self._store(content)))

    def _put_end(self, tick: int) -> None:
        self._committed = tick
        rows = [("end_tick", str(tick)), ("end_event", str(self.log.packed_count))]
        self._file.executemany("INSERT OR REPLACE INTO fact VALUES (?,?)", rows)

    def _put_checkpoint(self, number: int, mark: Mark, saved: Saved, touched: Sequence[int]) -> None:
        began = time.monotonic()
        state = saved.state()
        for address, content in changed_pages(saved, self._base):
            if self._pages.change(address, content):
                row = (address, number, pack_page(content))
                self._file.execute("INSERT INTO page VALUES (?,?,?)", row)
        digest = self._pages.digest(mark.tick, state)
        row2 = (number, mark.event, mark.tick, pack_state(state), digest, pack_pages(touched))
        self._file.execute("INSERT INTO checkpoint VALUES (?,?,?,?,?,?)", row2)
        self._base = saved
        self._written = number + 1
        self._took = time.monotonic() - began

    def _store(self, content: bytes) -> bytes:
        """Keep a long content once."""
        key = hashlib.sha256(content).digest()
        if self._file.execute("SELECT 1 FROM content WHERE hash=?", (key,)).fetchone() is None:
            with self._commit_lock:
                self._contents[key] = content
            self._file.execute("INSERT INTO content VALUES (?,?,?)", (key, len(content), zlib.compress(content, 6)))
        return key

    def _finish(self) -> None:
        """One file: the write-ahead log goes back into it."""
        self._file.execute("INSERT OR REPLACE INTO fact VALUES ('closed', 'yes')")
        self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        self._file.execute("PRAGMA journal_mode=DELETE")
        self._file.close()


def _taken(items: list[T]) -> list[T]:
    """All of a list that another thread appends to; it stays the same list, so nothing is lost between two of them."""
    taken = items[:]
    del items[: len(taken)]
    return taken


def _row(chunk: Chunk, kinds: int) -> tuple[object, ...]:
    return (chunk.first, chunk.count, chunk.first_tick, chunk.last_tick, kinds, chunk.packed)


def _none(_: object) -> None:
    """Jobs return nothing."""


def _sentence(error: Exception) -> str:
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return "the disk is full"
    return str(error) or type(error).__name__
