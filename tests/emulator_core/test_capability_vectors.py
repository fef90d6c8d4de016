"""The vectors of ten capability operations: a sample that ships, all of them where CVMDBG_VECTORS names the folder."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pytest

from cvmdbg import cap

SAMPLE = Path(__file__).parent / "data" / "capability-ops.tsv.gz"
FOLDER = os.environ.get("CVMDBG_VECTORS")


def agreeing_rows(path: Path) -> int:
    """How many rows there are; asserts that each one's result is ours, character by character."""
    rows = gzip.decompress(path.read_bytes()).decode("ascii").splitlines()
    wanted = [row.split("\t")[4] for row in rows if not row.startswith("#")]
    out = io.StringIO()
    cap.evaluate_lines(rows, out)
    assert out.getvalue().splitlines() == wanted
    return len(wanted)


def test_the_sample_agrees() -> None:
    assert agreeing_rows(SAMPLE) == 4_000


@pytest.mark.skipif(FOLDER is None, reason="CVMDBG_VECTORS names no folder")
def test_all_rows_agree() -> None:
    assert FOLDER is not None
    assert agreeing_rows(Path(FOLDER) / "capability-ops.tsv.gz") == 40_000
