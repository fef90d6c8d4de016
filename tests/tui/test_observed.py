"""A run of a live machine on the screen, post mortem: stop by stop, and what was never read says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvmdbg import demo
from cvmdbg.launch import emulated, remote, replayed
from tests.targets.stubs import served

from .screens import SIZES, screen, settled, shown
from .test_panes import fits, size_name


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """libhello behind our own server: at the LibOS's entry, a few steps, a look at memory."""
    folder = tmp_path_factory.mktemp("seen")
    file, there = folder / "seen.cvmrec", emulated("demo:libhello", recording=False)
    there.connect()
    with served(there, folder, "morello") as address:
        session = remote(address, symbols=(demo.path("demo:libhello"),), record=file)
        session.connect()
        for line in ("break 17:main", "continue", "info registers", "catch syscall", "continue", "x/2gx $csp", "stepi"):
            session.execute(line)
        session.close()
    return file


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_it_is_walked_stop_by_stop(seen: Path, size: tuple[int, int]) -> None:
    async with screen(replayed(str(seen)), size) as (app, pilot):
        session = app.worker._session
        last = session.history.last.tick
        assert session.history.now.tick == last
        await pilot.press("I")  # back one stop: the one that catch syscall made
        await settled(app, pilot)
        status = app.status_row.status
        assert status is not None and f"stop {last - 1} of {last}" in status.reason
        assert status.place == "16 libos"
        app.focus_pane("trace")
        await settled(app, pilot)
        assert any("writev(1, [" in line for line in shown(app)), "\n".join(shown(app))
        app.focus_pane("code")
        await settled(app, pilot)
        await pilot.press("i")
        await settled(app, pilot)
        assert session.history.now.tick == last
        app.submit("x 0x47e002000", "prompt")
        await settled(app, pilot)
        assert any("not read at this stop" in row.text for row in session.output_rows())
        fits(app.desk.panes["trace"])
