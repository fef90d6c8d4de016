"""The recordings that ship: every version of cvmdbg opens them and replays them to their digests."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

import sessions
from cvmdbg.launch import replayed
from cvmdbg.target import ReplayDivergence
from cvmdbg.targets.replay import verified
from sessions.mark import Mark
from sessions.reader import Recording

FOLDER = Path(sessions.__file__).parent / "samples"
SEEN = sorted(FOLDER.glob("observed-*.cvmrec"))
SAMPLES = sorted(set(FOLDER.glob("*.cvmrec")) - set(SEEN))
ENDS = {
    "calls": (30_009, "exit"),
    "libhello": (136_514, "exit"),
    "faults": (889, "fault"),
    "threads": (28_041_690, "exit"),
}


def test_the_demo_guests_are_there() -> None:
    assert {path.name.split("-")[0] for path in SAMPLES} == set(ENDS)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_opens_at_its_end_and_replays(path: Path) -> None:
    recording = Recording(path)
    assert recording.lost == ""
    assert verified(recording) == len(recording.checkpoints)
    recording.close()
    session = replayed(str(path))
    session.connect()
    tick, state = ENDS[path.name.split("-")[0]]
    assert (session.live.target.stop.tick, session.status().state) == (tick, state)
    assert session.map_rows()
    assert session.trace_rows() or path.name.startswith("faults")
    session.execute("reverse-stepi")
    assert session.live.target.stop.tick == tick - 1
    session.close()


def test_a_recording_of_another_engine_opens_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "old.cvmrec"
    shutil.copy(next(p for p in SAMPLES if p.name.startswith("faults")), path)
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE fact SET value = '1.0' WHERE name = 'engine'")
        file.execute("UPDATE checkpoint SET digest = zeroblob(32)")
    said = replayed(str(path)).launch.start(None).said
    assert "recorded by engine 1.0" in said and "the replay may differ" in said
    with pytest.raises(ReplayDivergence, match=r"recorded by engine 1\.0"):
        verified(Recording(path))


@pytest.mark.parametrize("path", SEEN, ids=lambda path: path.name)
def test_a_sample_of_what_was_seen_is_walked_over(path: Path) -> None:
    session = replayed(str(path))
    session.connect()
    assert session.history.last.tick == 3 and session.live.target.stop.pc == 0x10028
    session.execute("goto @1")
    assert session.live.target.read_register(session.live.thread, "pc") == 0x10020
    assert session.register_rows() and session.execute("x/4xw 0x10000").lines
    session.close()
    recording = Recording(path)
    told = [recording.facts, *recording.sights(0, 3), *recording.observations(), recording.guest(Mark(3, 3))]
    assert "unix:stub" in repr(told) and "/tmp" not in repr(told)
    recording.close()
