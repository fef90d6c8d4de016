"""Two stretches at a time find what one at a time finds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cvmdbg.bench.time import DATA, PAGE, Writer
from cvmdbg.target import Move, TargetError
from cvmdbg.targets import ahead, keeping
from cvmdbg.targets.emulator import EmulatorTarget
from sessions.recorder import Recorder

TICKS = 200_000
PLACES = (DATA, DATA + PAGE, DATA + PAGE + 64, DATA + PAGE + 128, DATA + 2 * PAGE)


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmulatorTarget:
    for name in ("FIRST_INTERVAL", "SHORTEST", "LONGEST"):
        monkeypatch.setattr(keeping, name, 7_000)
    target = EmulatorTarget(Writer(), recorder=Recorder(tmp_path / "a.cvmrec", {"title": "test"}))
    target.resume(Move.CONTINUE, budget=TICKS)
    return target


def test_both_ways_agree(target: EmulatorTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    history, dice, begun = target.history, random.Random(1), []
    assert history is not None
    begin = ahead.Ahead.begin
    monkeypatch.setattr(ahead.Ahead, "begin", lambda *a: (begun.append(1), begin(*a)))
    for _ in range(40):
        place, access = dice.choice(PLACES), dice.choice(("r", "w", "rw"))
        before = history.at(dice.randrange(1, TICKS))
        monkeypatch.setattr(ahead, "WORTH", 1 << 62)
        alone, count = history.last_access(place, 8, access, before), len(begun)
        assert len(begun) == count
        monkeypatch.setattr(ahead, "WORTH", 1)
        assert history.last_access(place, 8, access, before) == alone
    assert begun, "some searches went two ways"
    target.close()


def test_a_search_that_is_interrupted_leaves_nothing_running(
    target: EmulatorTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = target.history
    assert history is not None
    monkeypatch.setattr(ahead, "WORTH", 1)
    expected = history.last_access(DATA + PAGE, 8, "w", history.now)
    target.interrupt()
    with pytest.raises(TargetError, match="interrupted"):
        history.last_access(DATA + PAGE, 8, "w", history.now)
    assert history.last_access(DATA + PAGE, 8, "w", history.now) == expected
    target.close()
