"""The figures' forms, and one measured paint on a pseudo-terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvmdbg.bench import Figure, rendered
from cvmdbg.bench.tui import Terminal, _below_status, spinning
from cvmdbg.guests.opening import open_guest

FIGURES = (Figure("key to paint, 95 %", 25.0, "ms", 50.0), Figure("key to paint, median", 9.5, "ms"))


def test_rows_have_name_value_unit_baseline_ratio() -> None:
    rows = json.loads(rendered(FIGURES, True))
    assert [set(row) for row in rows] == [{"name", "value", "unit", "baseline", "ratio"}] * 2
    assert rows[0]["ratio"] == 0.5 and rows[1]["ratio"] is None
    table = rendered(FIGURES, False).splitlines()
    assert table[1].split()[-3:] == ["ms", "50", "0.50"] and len({len(line.rstrip()) for line in table}) <= 3


def test_a_paint_counts_only_below_the_status_row() -> None:
    assert not _below_status(b"\x1b[1;40H 12 345")
    assert _below_status(b"\x1b[1;40H1\x1b[17;3Hrow")


def test_the_spinning_guest_is_a_guest(tmp_path: Path) -> None:
    program = tmp_path / "spin.elf"
    program.write_bytes(spinning())
    assert open_guest(str(program)).name == "spin.elf"


def test_a_key_is_painted_on_a_terminal(tmp_path: Path) -> None:
    with Terminal(tmp_path / "compiled", "demo") as terminal:
        terminal.until(lambda seen: b"STOP" in seen)
        terminal.rest(0.3)
        terminal.press(b"\t")
        assert 0 < terminal.until(_below_status) < 20_000
        with pytest.raises(Exception, match="no paint within"):
            terminal.until(lambda seen: False, 0.1)
