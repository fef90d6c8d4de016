"""Every pane in every state at three sizes, as text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from cvmdbg.tui.app import CvmApp
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.panes.memory import Memory

from . import samples
from .fake import FakeSession
from .screens import SIZES, agrees, screen, settled, shown, until

QUERIES = {
    "map": "map",
    "registers": "registers",
    "integer": "integer",
    "code": "code",
    "threads": "threads",
    "backtrace": "frames",
    "locals": "locals",
    "breakpoints": "breakpoints",
    "memory": "memory",
    "modules": "modules",
    "load": "load",
    "relocations": "relocations",
    "watch": "displays",
    "trace": "trace",
    "summary": "summary",
    "time": "time",
}
"""Panes that ask the session, by the name of what they ask for."""


def size_name(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def fits(pane: Rows) -> None:
    """No row is wider than its pane."""
    for y in range(pane.size.height):
        strip = pane.render_line(y)
        assert strip.cell_length == pane.size.width
        assert cell_len(strip.text) == pane.size.width


async def show(app: CvmApp, pilot: Pilot[int], ident: str) -> None:
    """Bring a pane to the front; Memory at an address of its own."""
    app.focus_pane(ident)
    memory = app.desk.panes["memory"]
    if ident == "memory":
        assert isinstance(memory, Memory)
        memory.go(0x47FFFB840)
    await settled(app, pilot)


def title_of(app: CvmApp, ident: str) -> str:
    """The title row that stands above a pane."""
    box = app.desk.box_of(ident)
    assert box is not None
    region = app.desk.placed.boxes[box.name][1]
    text = "".join(t for t, _ in app.desk.title_spans(box, region.width))
    assert cell_len(text) == region.width
    return text


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_every_pane_is_as_drawn(size: tuple[int, int]) -> None:
    pieces = []
    async with screen(FakeSession(), size) as (app, pilot):
        pieces.append("\n".join(shown(app)))
        for ident in (*QUERIES, "console", "call"):
            app.focus_pane(ident)
            await settled(app, pilot)
            pane = app.desk.panes[ident]
            assert pane.has_focus
            fits(pane)
            pieces.append("\n".join([title_of(app, ident), *pane.screen_text()]).rstrip())
    agrees(f"panes-{size_name(size)}", "\n\n".join(pieces))


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_empty_panes_say_so(size: tuple[int, int]) -> None:
    session = FakeSession()
    session.rows |= dict.fromkeys(QUERIES.values(), ()) | {"code": type(session.rows["code"])("", "", ())}
    async with screen(session, size) as (app, pilot):
        for ident in QUERIES:
            await show(app, pilot, ident)
            pane = app.desk.panes[ident]
            fits(pane)
            assert "".join(pane.screen_text()).strip()[:20] == pane.nothing[:20]


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_panes_that_cannot_say_why(size: tuple[int, int]) -> None:
    session = FakeSession()
    session.refused = {name: f"board:1234 gives no {name}: [/] not here" for name in QUERIES.values()}
    async with screen(session, size) as (app, pilot):
        for ident, name in QUERIES.items():
            await show(app, pilot, ident)
            pane = app.desk.panes[ident]
            fits(pane)
            assert f"board:1234 gives no {name}: [/] not here" in " ".join(" ".join(pane.screen_text()).split())


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_a_pane_is_empty_until_its_rows_come(size: tuple[int, int]) -> None:
    session = FakeSession()
    session.gate.clear()
    app = CvmApp(session)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: bool(session.asked))
        code = app.desk.panes["code"]
        assert not code.ready and not "".join(code.screen_text()).strip()
        assert "Code" in title_of(app, "code")
        await pilot.press("tab")  # keys are taken meanwhile
        assert not code.has_focus
        session.gate.set()
        await settled(app, pilot)
        assert code.ready and "40001f47c" in "\n".join(code.screen_text())


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_panes_go_stale_while_the_guest_runs(size: tuple[int, int]) -> None:
    session = FakeSession()
    async with screen(session, size) as (app, pilot):
        before = app.desk.panes["code"].screen_text()
        await pilot.press("c")
        await until(pilot, lambda: app.running)
        await pilot.pause()
        assert "stale" in title_of(app, "code")
        assert app.desk.panes["code"].screen_text() == before
        assert "▶ RUN" in app.status_row.screen_text()[0]
        style = app.desk.panes["code"].render_line(0)._segments[0].style
        assert style == app.palette.style("fg", "stale")
        await pilot.press("ctrl+c")
        await settled(app, pilot)
        assert "stale" not in title_of(app, "code")
        assert "■ STOP" in app.status_row.screen_text()[0]


async def test_the_plain_text_of_a_row_is_what_y_copies() -> None:
    copied: list[str] = []
    async with screen(FakeSession()) as (app, pilot):
        app.copy_to_clipboard = copied.append  # type: ignore[method-assign]
        app.focus_pane("registers")
        await settled(app, pilot)
        await pilot.press("down", "y")
        assert copied == [app.desk.panes["registers"].items[1].text]


async def test_hidden_panes_ask_nothing() -> None:
    session = FakeSession()
    async with screen(session, (80, 24)) as (app, pilot):
        session.asked.clear()
        await pilot.press("n")
        await settled(app, pilot)
        assert set(session.asked) == {"code", "registers", "time"}, "the time strip is always shown"


async def test_the_cursor_and_the_top_row_survive_a_resize() -> None:
    async with screen(FakeSession()) as (app, pilot):
        app.focus_pane("registers")
        await settled(app, pilot)
        for _ in range(20):
            await pilot.press("down")
        name = app.desk.panes["registers"].current.name  # type: ignore[union-attr]
        for size in ((80, 24), (200, 60), (60, 12), (120, 40)):
            await pilot.resize_terminal(*size)
            await settled(app, pilot)
            pane = app.desk.panes["registers"]
            assert pane.has_focus and pane.display
            assert pane.current is not None and pane.current.name == name
            assert any(name in row for row in pane.screen_text())
            fits(pane)


async def test_a_long_row_is_whole_in_the_detail_line() -> None:
    session = FakeSession()
    async with screen(session, (80, 24)) as (app, pilot):
        app.focus_pane("breakpoints")
        await settled(app, pilot)
        pane = app.desk.panes["breakpoints"]
        text = session.rows["breakpoints"][0].text
        long = type(session.rows["breakpoints"][0])
        fields: dict[str, Any] = {f: getattr(session.rows["breakpoints"][0], f) for f in long.__slots__}
        session.rows["breakpoints"] = (long(**(fields | {"condition": "x == " + "y" * 80 + "end"})),)
        app.ask(pane)
        await settled(app, pilot)
        assert "end" in "".join("".join(pane.screen_text()).split())
        assert text
        fits(pane)


async def test_the_selected_thread_is_in_view_until_somebody_looks_through_the_list() -> None:
    session = FakeSession()
    many = tuple(replace(samples.THREADS[1], number=n, name=f"17/{n}", selected=n == 20) for n in range(30))
    session.rows["threads"] = many
    async with screen(session) as (app, pilot):
        await settled(app, pilot)
        pane = app.desk.panes["threads"]
        assert any("▶ 17/20" in row for row in pane.screen_text())
        app.focus_pane("threads")
        await pilot.press("home")
        await pilot.press("n")
        await settled(app, pilot)
        assert pane.current is not None and pane.current.number == 0
