"""A live machine handed off on the screen: the status row says so, time runs back, and the machine comes again."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvmdbg import demo
from cvmdbg.launch import emulated, remote
from cvmdbg.target import Move

from ..targets.stubs import served
from .screens import SIZES, screen, settled, shown
from .test_guest import run_line
from .test_panes import fits, size_name


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_a_hand_off_and_back(size: tuple[int, int], tmp_path: Path) -> None:
    there = emulated("demo:libhello", recording=False)
    there.connect()
    before = there.live.target.resume(Move.CONTINUE, budget=1000).tick or 0
    with served(there, tmp_path, "morello") as address:
        session = remote(address, symbols=(demo.path("demo:libhello"),))
        async with screen(session, size) as (app, pilot):
            await settled(app, pilot)
            await run_line(app, pilot, "handoff")
            status = app.status_row.status
            assert status is not None
            assert (status.target, status.state, status.reason) == ("hand-off", "stop", "taken over")
            head = app.status_row.screen_text()[0]
            assert "■ STOP" in head
            assert ("hand-off" in head) == (size[0] >= 100)
            start = status.tick
            for key in ("i", "i", "i", "I"):
                await pilot.press(key)
                await settled(app, pilot)
            status = app.status_row.status
            assert status is not None
            assert (start, status.tick, status.state) == (0, 2, "past")
            await run_line(app, pilot, "continue")
            await run_line(app, pilot, "continue")
            assert "is not modelled in a hand-off" in "\n".join(shown(app))
            for pane in app.desk.panes.values():
                if pane.display:
                    fits(pane)
            await run_line(app, pilot, "handoff end")
            status = app.status_row.status
            assert status is not None
            assert (status.target, status.state, status.tick) == ("remote", "stop", None)
            await pilot.press("i")
            await settled(app, pilot)
            assert there.live.target.stop.tick == before + 1
