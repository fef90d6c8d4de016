"""The Load workspace on Python's dlopen of an extension module: live, in the past, and in the recording of it."""

from __future__ import annotations

import os
from pathlib import Path

from textual.pilot import Pilot

from cvmdbg.guests.linux.opening import Root
from cvmdbg.launch import emulated, replayed
from cvmdbg.tui.app import CvmApp
from cvmdbg.tui.export import screen_svg
from tests.tui.screens import screen, settled, shown
from tests.tui.test_guest import run_line
from tests.tui.test_panes import fits

MODULE = "_json.cpython-311-aarch64-linux-gnu.so"
PICTURES = "CVMDBG_PICTURES"


async def looked_at(app: CvmApp, pilot: Pilot[int], ident: str) -> str:
    """A pane of the workspace, focused: all its rows as text, and what the screen shows."""
    app.focus_pane(ident)
    await settled(app, pilot)
    pane = app.desk.panes[ident]
    fits(pane)
    return "\n".join([*shown(app), pane.plain()])


async def the_load(app: CvmApp, pilot: Pilot[int], name: str) -> None:
    """What the workspace shows at PyInit__json."""
    await pilot.press("3")
    await settled(app, pilot)
    assert app.desk.workspace == "load"
    steps = await looked_at(app, pilot, "load")
    for word in ("dlopen", "dlsym", "PyInit__json", "lib-dynload", "relocate", "at run time"):
        assert word in steps, word
    modules = await looked_at(app, pilot, "modules")
    assert "python3.11" in modules and "_json" in modules and "libc.so.6" in modules
    await looked_at(app, pilot, "relocations")
    await pilot.press("ampersand", *"_json", "enter")
    await settled(app, pilot)
    rows = app.desk.panes["relocations"].items
    assert len(rows) > 100 and {row.module for row in rows} == {MODULE}
    assert {row.state for row in rows} <= {"done", "lazy"}
    if PICTURES in os.environ:
        (Path(os.environ[PICTURES]) / f"{name}.svg").write_text(screen_svg(app), encoding="utf-8")


async def test_pythons_dlopen_live_and_in_its_past(debian: Path, tmp_path: Path) -> None:
    record = tmp_path / "recording"
    session = emulated("/usr/bin/python3.11", ("-P", "-c", "import _json"), record, root=Root(str(debian)))
    async with screen(session, (120, 40)) as (app, pilot):
        for line in ("break PyInit__json", "continue"):
            await run_line(app, pilot, line)
        await the_load(app, pilot, "live")
        await run_line(app, pilot, "catch load _json")
        await run_line(app, pilot, "reverse-continue")
        assert f"(before {MODULE} was loaded)" in "\n".join(shown(app))
        for ident in ("load", "modules"):
            await looked_at(app, pilot, ident)
            assert MODULE not in app.desk.panes[ident].plain()
        assert not app.desk.panes["relocations"].items  # they are filtered by its name still
    async with screen(replayed(str(record)), (120, 40)) as (app, pilot):
        await run_line(app, pilot, "goto start")
        for line in ("break PyInit__json", "continue"):
            await run_line(app, pilot, line)
        await the_load(app, pilot, "replay")
