"""The folder of recordings: how files are named, how many are kept, which go first.

Policy: a run is recorded into ``STATE/recordings/TITLE-DATE-NUMBER.cvmrec``. Before one begins, the oldest that no
program writes are removed until the others are no more than ``recordings keep`` files and ``recordings size`` MiB. A
file that was asked for by name is never removed.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from cvmdbg.settings import Settings
from sessions.files import is_written, remove
from sessions.reader import Recording, RecordingFault
from sessions.recorder import Limits, Recorder

SUFFIX = ".cvmrec"
NAME = re.compile(r"[^A-Za-z0-9._-]+")
MIB = 1 << 20


def folder() -> Path:
    """Where recordings are kept: $CVMDBG_RECORDINGS, else in the user's folder of state."""
    chosen = os.environ.get("CVMDBG_RECORDINGS")
    return Path(chosen) if chosen else platformdirs.user_state_path("cvmdbg") / "recordings"


@dataclass(frozen=True)
class Recordings:
    """Where the runs of a session are recorded; ``file`` is one that was asked for by name."""

    settings: Settings
    file: Path | None = None

    def begin(self, title: str, facts: Mapping[str, str]) -> Recorder:
        """A new recording; OSError says why it cannot be written."""
        limits = Limits(self.settings.number("record limit") * MIB)
        if self.file is not None:
            return _new(self.file, facts, limits)
        place = folder()
        place.mkdir(parents=True, exist_ok=True)
        self.prune(place)
        return _new(_free_name(place, title), facts, limits)

    def prune(self, place: Path, coming: int = 1) -> list[Path]:
        """Make room by the policy for so many that come; what was removed, the newest first."""
        kept, total = self.settings.number("recordings keep"), self.settings.number("recordings size") * MIB
        gone = []
        newest = sorted(files(place), key=lambda path: path.stat().st_mtime, reverse=True)
        for number, path in enumerate(newest):
            total -= path.stat().st_size
            if (number + coming >= kept or total < 0) and not is_written(path):
                remove(path)
                gone.append(path)
        return gone


@dataclass
class Onward:
    """Recordings of a machine that is met again, after its link was lost: they go on in the same file."""

    recordings: Recordings
    _path: Path | None = None
    _machine: tuple[str, dict[str, str]] | None = None

    def begin(self, address: str, title: str, facts: Mapping[str, str]) -> tuple[Recorder, int]:
        """A recorder, and the number of the first stop that it takes; OSError says why it cannot be written.

        Another machine begins another file: one that was asked for by name is not written over.
        """
        path, limits = self._path, Limits(self.recordings.settings.number("record limit") * MIB)
        machine = (address, dict(facts))
        if path is not None and machine == self._machine and path.is_file():
            return _onward(path, limits)
        if path is not None and self.recordings.file is not None:
            raise OSError(f"{path} holds what was seen of another machine")
        recorder = self.recordings.begin(title, facts)
        self._path, self._machine = recorder.path, machine
        return recorder, 0


def _onward(path: Path, limits: Limits) -> tuple[Recorder, int]:
    if is_written(path):
        raise OSError(f"{path} is being written by another program")
    try:
        recording = Recording(path)
        first = recording.end.tick + 1
        recording.close()
        return Recorder(path, {}, limits, onward=True), first
    except (sqlite3.Error, RecordingFault) as error:
        raise OSError(f"{path} cannot be written: {error}") from None


def files(place: Path) -> list[Path]:
    """The recordings of a folder."""
    return [path for path in place.glob("*" + SUFFIX) if path.is_file()] if place.is_dir() else []


def _new(path: Path, facts: Mapping[str, str], limits: Limits) -> Recorder:
    if is_written(path):
        raise OSError(f"{path} is being written by another program")
    remove(path)
    try:
        return Recorder(path, facts, limits)
    except (sqlite3.Error, OSError) as error:
        raise OSError(f"{path} cannot be written: {error}") from None


def _free_name(place: Path, title: str) -> Path:
    stem = f"{NAME.sub('-', title) or 'guest'}-{time.strftime('%Y%m%d-%H%M%S')}"
    number = 0
    while (path := place / f"{stem}-{number}{SUFFIX}").exists():
        number += 1
    return path
