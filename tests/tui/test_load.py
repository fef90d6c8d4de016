"""The Load workspace on libhello, in the middle of a load, at the three sizes."""

from __future__ import annotations

import pytest

from cvmdbg.launch import emulated

from .screens import SIZES, screen, settled, shown
from .test_guest import run_line
from .test_panes import fits, size_name


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_the_tour_of_a_load(size: tuple[int, int]) -> None:
    async with screen(emulated("demo:libhello"), size) as (app, pilot):
        for line in ("break 17:relocate_symbol", "continue", "continue", "continue"):
            await run_line(app, pilot, line)
        await pilot.press("3")
        await settled(app, pilot)
        assert app.desk.workspace == "load"
        for ident, wanted in (
            ("load", ("relocate  4 of 10", "/usr/lib/libso_test.so", "▶")),
            ("modules", ("app1", "440004000", "libso_test")),
            ("relocations", ("CAPINIT", "libhello", "17 libso_test.so", "expected", "✓")),
        ):
            app.focus_pane(ident)
            await settled(app, pilot)
            pane = app.desk.panes[ident]
            fits(pane)
            text = "\n".join(shown(app))
            if ident == "relocations":
                await pilot.press("end")
                await settled(app, pilot)
                text += "\n".join(shown(app))
            for word in wanted:
                assert word in text or word in pane.plain(), (ident, word)
        await pilot.press("ampersand", *"puts", "enter")
        await settled(app, pilot)
        rows = [row.symbol for row in app.desk.panes["relocations"].items]
        assert rows and set(rows) == {"puts"}
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.last_pane is app.desk.panes["memory"]
