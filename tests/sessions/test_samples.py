"""The recordings that ship: every version of cvmdbg opens them and replays them to their digests."""

from __future__ import annotations

from pathlib import Path

import pytest

import sessions
from cvmdbg.launch import replayed
from cvmdbg.targets.replay import verified
from sessions.reader import Recording

SAMPLES = sorted((Path(sessions.__file__).parent / "samples").glob("*.cvmrec"))
ENDS = {"libhello": (136_514, "exit"), "faults": (889, "fault"), "threads": (28_041_690, "exit")}


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
