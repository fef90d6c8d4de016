"""Travel in time on the screen: the strip, the Time pane, marks, places and times, what is shown of the past."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cvmdbg.commands.table import Result, Steps
from cvmdbg.launch import emulated, replayed
from cvmdbg.session import Session
from cvmdbg.tui.app import CvmApp
from cvmdbg.tui.lanes import lane_scale, strip_scale
from cvmdbg.tui.panes.time import Time

from .fake import FakeSession
from .screens import SIZES, screen, settled, shown, until
from .test_panes import fits, size_name

LOG = Path(__file__).parent.parent / "guests" / "imported" / "musl.md"


async def do(app: CvmApp, pilot: Pilot[int], *lines: str) -> None:
    """Lines at the prompt, each to its end."""
    for line in lines:
        app.submit(line, "prompt")
        await settled(app, pilot)


async def press(app: CvmApp, pilot: Pilot[int], *keys: str) -> None:
    """Keys, each to its end."""
    for key in keys:
        await pilot.press(key)
        await settled(app, pilot)


def tick(app: CvmApp) -> int:
    """Where the target stands."""
    assert app.status is not None and app.status.tick is not None
    return app.status.tick


def state(app: CvmApp) -> str:
    assert app.status is not None
    return app.status.state


def strip(app: CvmApp) -> str:
    """The time strip as text."""
    return app.strip.screen_text()[0]


@pytest.fixture
def guest() -> Session:
    return emulated("demo:libhello")


# ---- keys and states -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_there_and_back_by_keys(guest: Session, size: tuple[int, int]) -> None:
    async with screen(guest, size) as (app, pilot):
        await do(app, pilot, "break 17:puts", "continue")
        there = tick(app)
        assert "●REC" in strip(app) and state(app) == "stop"
        app.focus_pane("code")
        await settled(app, pilot)
        await press(app, pilot, "i", "i", "i")
        assert tick(app) == there + 3
        await press(app, pilot, "I", "I", "I")
        assert tick(app) == there and state(app) == "past"
        assert "REPLAY" in app.status_row.screen_text()[0] and "●REC" not in strip(app)
        await press(app, pilot, "n")
        after = tick(app)
        await press(app, pilot, "N")
        assert tick(app) == there < after
        await press(app, pilot, "f", "F")
        assert tick(app) <= there
        await press(app, pilot, "C")
        assert tick(app) == 0 and "start of the recording" in app.status_row.screen_text()[0]
        text = shown(app)
        assert text[-1].startswith(" n next") and "┃" in text[-2]
        for pane in app.desk.panes.values():
            if pane.display:
                fits(pane)


async def test_panes_show_the_past_and_nothing_after_it(guest: Session) -> None:
    async with screen(guest, (200, 60)) as (app, pilot):
        await do(app, pilot, "break 17:puts", "continue", "delete 1", "continue")
        rows = [len(app.desk.panes[name].items) for name in ("trace", "console")]
        end = tick(app)
        app.go_time("50%")
        await settled(app, pilot)
        now = tick(app)
        assert 0 < now < end
        assert all(row.tick <= now for row in app.desk.panes["trace"].items)
        assert all(row.tick is None or row.tick <= now for row in app.desk.panes["console"].items)
        assert "hello world from lib" not in "\n".join(shown(app))
        app.go_time("end")
        await settled(app, pilot)
        assert tick(app) == end and len(app.desk.panes["trace"].items) == rows[0]
        assert "hello world from lib" in app.desk.panes["console"].plain()


async def test_a_diversion_is_shown_as_one(guest: Session) -> None:
    async with screen(guest) as (app, pilot):
        await do(app, pilot, "break 17:puts", "continue", "goto 50%", "diverge")
        assert state(app) == "diverted" and "DIVERGED" in app.status_row.screen_text()[0]
        await do(app, pilot, "diverge end")
        assert state(app) == "past" and "REPLAY" in app.status_row.screen_text()[0]


async def test_places_and_times_are_walked_back(guest: Session) -> None:
    async with screen(guest) as (app, pilot):
        await do(app, pilot, "break 17:puts", "continue")
        here = tick(app)
        app.go_time("25%")
        await settled(app, pilot)
        there = tick(app)
        app.show_code(0x440000000)
        await settled(app, pilot)
        await press(app, pilot, "backspace")
        assert tick(app) == there, "the place came last"
        await press(app, pilot, "backspace")
        assert tick(app) == here
        await press(app, pilot, "alt+right")
        assert tick(app) == there


# ---- the strip and the pane ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_dragging_in_the_strip_seeks_on_release(guest: Session, size: tuple[int, int]) -> None:
    async with screen(guest, size) as (app, pilot):
        app.submit("continue")
        await settled(app, pilot)
        end = tick(app)
        row = app.strip.row
        assert row is not None
        scale = strip_scale(row, size[0])
        column = scale.x + scale.cells // 3
        await pilot.mouse_down(app.strip, offset=(scale.x + 3, 0))
        await pilot.hover(app.strip, offset=(column, 0))
        assert f"{scale.tick(column):,}".replace(",", "\u2009") in strip(app)
        assert tick(app) == end, "not before the release"
        await pilot.mouse_up(app.strip, offset=(column, 0))
        await settled(app, pilot)
        assert tick(app) == scale.tick(column)
        now = strip_scale(app.strip.row, size[0])
        assert strip(app).index("┃") == now.x + now.cell(tick(app))


async def test_the_time_pane(guest: Session) -> None:
    async with screen(guest) as (app, pilot):
        await do(
            app, pilot, "break 16:syscall_handler", "continue", "mark first the first call", "continue", "goto 50%"
        )
        app.focus_pane("time")
        await settled(app, pilot)
        pane = app.desk.panes["time"]
        assert isinstance(pane, Time) and pane.row is not None
        lanes = "\n".join(pane.screen_text())
        assert all(lane in lanes for lane in ("in", "calls", "load", "threads", "stops", "marks"))
        assert "first" in lanes and "+16/0" in lanes and "●" in lanes
        await press(app, pilot, "greater_than_sign", "greater_than_sign")
        assert "zoom 3" in pane.caption()
        assert pane.row.begin > 0 and pane.row.begin <= pane.row.now <= pane.row.end
        await press(app, pilot, "less_than_sign", "less_than_sign", "home")
        assert tick(app) == 0 and "zoom 1" in pane.caption()
        await press(app, pilot, "j", "right")
        first = tick(app)
        await press(app, pilot, "right")
        second = tick(app)
        await press(app, pilot, "left")
        assert 0 < first <= tick(app) < second, "behind a call, behind the next, before that one again"
        pane.move_to(5)
        await press(app, pilot, "right")
        mark = guest.mark_rows()[0]
        assert (mark.name, mark.here, tick(app)) == ("first", True, mark.tick)
        await press(app, pilot, "right")
        assert "no mark after" in app.notice.sentence
        scale = lane_scale(pane.row, pane.cells)
        await pilot.click(pane, offset=(scale.x + 10, 2))
        await settled(app, pilot)
        assert tick(app) == scale.tick(scale.x + 10)


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_marks(guest: Session, size: tuple[int, int]) -> None:
    async with screen(guest, size) as (app, pilot):
        await do(app, pilot, "break 17:puts", "continue")
        there = tick(app)
        await press(app, pilot, "m", *"puts", "space", *"note", "enter")
        await do(app, pilot, "goto start")
        await press(app, pilot, "apostrophe")
        text = "\n".join(shown(app))
        assert "Marks" in text and "puts" in text and "note" in text
        await press(app, pilot, "enter")
        assert not app.sheets and tick(app) == there
        await press(app, pilot, "apostrophe", "delete")
        assert guest.mark_rows() == () and "no marks yet" in "\n".join(shown(app))


async def test_a_call_and_a_line_lead_to_their_time(guest: Session) -> None:
    async with screen(guest) as (app, pilot):
        await do(app, pilot, "continue")
        app.focus_pane("trace")
        await settled(app, pilot)
        await press(app, pilot, "home")
        call = app.desk.panes["trace"].current
        assert call is not None
        await press(app, pilot, "enter")
        assert tick(app) == call.tick
        app.go_time("end")
        app.focus_pane("console")
        await settled(app, pilot)
        console = app.desk.panes["console"]
        index = next(i for i, row in enumerate(console.items) if row.line == "app main")
        console.move_to(index)
        row = console.current
        assert row is not None and row.tick is not None
        await press(app, pilot, "enter")
        assert tick(app) == row.tick and state(app) == "past"


# ---- without history, and slowly -------------------------------------------------------------------------------------


async def test_without_history_every_key_says_why() -> None:
    async with screen(emulated("demo:libhello", recording=False)) as (app, pilot):
        await do(app, pilot, "break 17:puts", "continue")
        assert "no history" in strip(app)
        for key in ("N", "S", "F", "C", "O", "I", "left_square_bracket", "apostrophe", "m"):
            await press(app, pilot, key)
            assert "no history" in app.notice.sentence, key
            assert not app.sheets and not app.prompt.is_open
        app.focus_pane("time")
        await settled(app, pilot)
        assert "no history" in "\n".join(app.desk.panes["time"].screen_text())
        app.go_time("50%")
        assert "no history" in app.notice.sentence


class SlowSession(FakeSession):
    """A seek lasts until somebody interrupts."""

    def __init__(self) -> None:
        super().__init__()
        self.seeking = threading.Event()

    def steps(self, line: str) -> Steps:
        if line.startswith("goto"):
            self.stopped.clear()
            self.seeking.set()
            assert self.stopped.wait(20)
            return Result(("interrupted: it stands where it stood",))
        return (yield from super().steps(line))


async def test_a_long_seek_says_that_it_is_busy_and_can_be_cancelled() -> None:
    session = SlowSession()
    async with screen(session) as (app, pilot):
        app.go_time("50%")
        await until(pilot, lambda: "◷ BUSY" in app.status_row.screen_text()[0])
        assert "seeking 40% of the way: Ctrl-C cancels" in app.status_row.screen_text()[0]
        await pilot.press("j")  # keys are taken meanwhile
        await pilot.press("ctrl+c")
        await settled(app, pilot)
        assert session.stopped.is_set()
        await until(pilot, lambda: "◷ BUSY" not in app.status_row.screen_text()[0])


# ---- what was only seen ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_a_console_log_is_walked_by_line(size: tuple[int, int]) -> None:
    async with screen(replayed(LOG), size) as (app, pilot):
        text = "\n".join(shown(app))
        assert "REPLAY" in text and "line 148 of 148" in text and "a console log does not tell" in text
        for key in ("I", "S", "N", "O"):
            await press(app, pilot, key)
        printed = [row for row in app.session.output_rows() if row.tick is not None]
        assert printed[-1].line.startswith("CAPINIT: 44006716d --> 440114c30, tag 1")
        await do(app, pilot, "previous-event load")
        assert app.status is not None and app.status.reason.endswith("the log does not say which")
        await press(app, pilot, "C")
        assert app.session.live.places.compartments == (), "nothing is known before the first line"
        await do(app, pilot, "goto end")
        app.focus_pane("map")
        await settled(app, pilot)
        assert "17 musl" in app.desk.panes["map"].plain()
        await press(app, pilot, "b")
        assert "no breakpoints" in app.notice.sentence
        for pane in app.desk.panes.values():
            if pane.display:
                fits(pane)


async def test_breakpoints_are_painted_where_they_have_not_been_reached_yet(guest: Session) -> None:
    async with screen(guest) as (app, pilot):
        await do(app, pilot, "run", "goto start")
        assert "●" not in strip(app).replace("●REC", "")
        await do(app, pilot, "catch hostcall")
        now = strip(app).index("┃")
        assert "●" in strip(app)[now:].replace("●REC", "")
        await do(app, pilot, "disable 1")
        assert "●" not in strip(app).replace("●REC", "")
