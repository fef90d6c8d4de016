"""A recording that ships, served to gdb-multiarch: from its start, forwards and backwards."""

from __future__ import annotations

from pathlib import Path

import pytest

import sessions
from tests.gdb.clients import Gdb, needed, server

SAMPLES = Path(sessions.__file__).parent / "samples"
HANDLER = 0x400000790


def test_a_recording_is_debugged_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = needed("gdb-multiarch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    recording = min(p for p in SAMPLES.iterdir() if p.name.startswith("libhello"))
    gdb = Gdb(path, tmp_path)
    try:
        with server(str(recording)) as address:
            gdb.command(f"target remote {address}")
            start = gdb.number("$pc")
            gdb.command(f"break *{HANDLER:#x}")
            assert "breakpoint-hit" in gdb.run("continue")
            first = gdb.number("$sp")
            assert "breakpoint-hit" in gdb.run("continue")
            assert "breakpoint-hit" in gdb.run("reverse-continue")
            assert (gdb.number("$pc"), gdb.number("$sp")) == (HANDLER, first)
            gdb.run("reverse-stepi")
            assert gdb.number("$pc") != HANDLER
            gdb.run("stepi")
            assert gdb.number("$pc") == HANDLER
            gdb.run("reverse-continue")
            assert gdb.number("$pc") == start
    finally:
        gdb.close()
