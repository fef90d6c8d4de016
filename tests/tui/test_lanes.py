"""Time as cells: pure functions, no app."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cvmdbg.rows import TimeCell, TimeRow
from cvmdbg.tui.lanes import LANES, Scale, lane_line, lane_scale, strip_line, strip_parts, strip_scale
from cvmdbg.tui.spans import plain, width

CELLS = (
    TimeCell("M", 1, threads=("+16/0",)),
    TimeCell("16", 2, calls=1, mark="ramfs"),
    TimeCell("16", 2, calls=7, loads=1),
    TimeCell("17", 3, calls=1, failed=True, stops=1),
) * 10
ROW = TimeRow("tick", "past", 0, 2000, 4000, 0, 4000, CELLS, ((100, "ramfs"), (2100, "first call")), 5, 90)


@given(st.integers(0, 1 << 40), st.integers(1, 1 << 40), st.integers(1, 300), st.integers(0, 300))
def test_a_column_and_its_tick_are_in_the_same_cell(begin: int, size: int, cells: int, column: int) -> None:
    scale = Scale(begin, begin + size, 5, cells)
    tick = scale.tick(5 + column)
    assert begin <= tick <= begin + size
    if size >= cells and column < cells:
        assert scale.cell(tick) in (column, column - 1)
    assert scale.cell(begin) == 0 and scale.cell(begin + size) == cells - 1
    assert scale.cell(begin - 1) == -1 and scale.cell(begin + size + 1) == cells


@given(st.integers(20, 250))
def test_the_strip_is_never_wider_than_the_screen_and_has_one_now(cells: int) -> None:
    text = plain(strip_line(ROW, cells))
    assert width(text) <= cells and text.count("┃") == 1
    head, tail, room = strip_parts(ROW, cells)
    assert text.startswith(head) and text.endswith(tail) and width(head) + room + width(tail) == width(text)


def test_the_strip_says_where_it_stands() -> None:
    text = plain(strip_line(ROW, 120))
    room = strip_parts(ROW, 120)[2]
    exact = plain(strip_line(replace(ROW, cells=(*CELLS, *[CELLS[0]] * room)[:room]), 120))
    assert exact.startswith(" 0 ▂r▄✗▂r▄✗") and "4\u2009000  50.0%  call 5 of 90" in text
    live = plain(strip_line(replace(ROW, where="live", now=4000), 120))
    assert "●REC" in live and live.index("┃") > live.index("✗")


def test_dragging_shows_the_tick_under_the_mouse() -> None:
    scale = strip_scale(ROW, 120)
    held = scale.tick(scale.x + scale.cells // 4)
    text = plain(strip_line(ROW, 120, held))
    assert f"tick {held:,}".replace(",", "\u2009") in text
    assert text.index("┃") == scale.x + scale.cell(held)


def test_each_lane_shows_its_own() -> None:
    row = replace(ROW, cells=(*CELLS[:4], *[TimeCell("16", 2)] * 36))
    lanes = {lane: plain(lane_line(row, lane, 50)) for lane in LANES}
    assert lanes["in"].startswith(" in      ▂▄▄▆")
    assert lanes["calls"].startswith(" calls    ·┃✗")
    assert lanes["load"][11] == "◆" and lanes["stops"][12] == "●"
    assert "+16/0" in lanes["threads"] and "ramfs" in lanes["marks"] and "first call" in lanes["marks"]
    now = lane_scale(ROW, 50)
    assert lanes["load"][now.x + now.cell(ROW.now)] in "│◆"
    assert all(width(text) <= 50 for text in lanes.values())
