"""Tests of client and server over a bad line, by a seed: they pass as over a good one (CVMDBG_PROXY: all of them)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/targets/test_board.py",
    "tests/targets/test_remote.py::test_panes_show_what_the_emulator_shows",
    "tests/targets/test_remote.py::test_stepping_over_calls_and_back",
    "tests/targets/test_handoff.py::test_time_runs_back_and_the_recording_is_whole",
)
LEAST = 10


@pytest.mark.skipif("CVMDBG_PROXY" in os.environ, reason="the line is bad already")
def test_a_bad_line_changes_no_result() -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    done = subprocess.run(
        words, cwd=ROOT, env=os.environ | {"CVMDBG_PROXY": "5"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-4000:]
    summary = re.search(r"bad line: .*", done.stdout)
    assert summary is not None
    counts = {what: int(count) for count, what in re.findall(r"(\d+) (\w+)", summary[0])}
    assert all(counts[kind] for kind in ("delay", "split", "change", "drop"))
    assert counts["change"] + counts["drop"] >= LEAST, summary[0]
