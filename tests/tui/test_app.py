"""Moving about: focus, tabs, zoom, jump letters, prompt, search, Ctrl-C, mouse, saving."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cvmdbg.commands.table import Steps
from cvmdbg.rows import OutputRow, Status
from cvmdbg.tui import layouts
from cvmdbg.tui.app import CvmApp
from cvmdbg.tui.panes.trace import Trace
from cvmdbg.tui.worker import Worker

from . import samples
from .fake import FakeSession
from .screens import SIZES, screen, settled, shown, until
from .test_panes import size_name, title_of


async def test_tab_goes_through_the_panes_and_back() -> None:
    async with screen(FakeSession()) as (app, pilot):
        order = app.desk.shown()
        seen = []
        for _ in order:
            assert app.focused is not None
            seen.append(app.focused.id)
            await pilot.press("tab")
        assert seen == order
        await pilot.press("shift+tab")
        assert app.focused is not None and app.focused.id == order[-1]


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_zoom_hide_and_show(size: tuple[int, int]) -> None:
    async with screen(FakeSession(), size) as (app, pilot):
        before = shown(app)
        await pilot.press("z")
        await settled(app, pilot)
        assert app.desk.shown() == ["code"]
        assert app.desk.panes["code"].size.height == size[1] - 4  # status, title, time strip, keys
        await pilot.press("z")
        await settled(app, pilot)
        assert shown(app) == before
        await pilot.press("minus")
        await settled(app, pilot)
        assert "code" not in app.desk.shown()
        await pilot.press("plus")
        await settled(app, pilot)
        assert "code" in app.desk.shown()


async def test_workspaces() -> None:
    async with screen(FakeSession()) as (app, pilot):
        await pilot.press("2")
        await settled(app, pilot)
        assert app.desk.shown()[:2] == ["trace", "call"]
        assert "▶ inside" in "\n".join(shown(app))
        assert title_of(app, "call").startswith("─Call ╱ 118 ╱ writev")
        await pilot.press("up", "up")
        assert title_of(app, "call").startswith("─Call ╱ 1 ╱ write_out")
        await pilot.press("1")
        await settled(app, pilot)
        assert app.desk.shown()[0] == "code"


async def test_jump_letters_go_to_panes_and_tabs() -> None:
    async with screen(FakeSession()) as (app, pilot):
        await pilot.press("ctrl+o")
        await pilot.pause()
        from cvmdbg.tui.overlays.jump import Jump

        jump = app.screen.query_one(Jump)
        assert {"code", "registers", "trace", "locals"} <= {ident for ident, _, _ in jump.targets.values()}
        letter = next(k for k, (ident, _, _) in jump.targets.items() if ident == "trace")
        await pilot.press(letter)
        await settled(app, pilot)
        assert app.focused is not None and app.focused.id == "trace"
        assert not app.screen.query(Jump)


async def test_escape_closes_the_top_then_goes_to_code() -> None:
    async with screen(FakeSession()) as (app, pilot):
        app.focus_pane("registers")
        app.inspect("$c1")
        await settled(app, pilot)
        app.help_keys()
        await settled(app, pilot)
        assert len(app.sheets) == 2
        await pilot.press("escape")
        await pilot.press("escape")
        assert not app.sheets
        await pilot.press("escape")
        assert app.focused is not None and app.focused.id == "code"


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_the_inspector(size: tuple[int, int]) -> None:
    async with screen(FakeSession(), size) as (app, pilot):
        app.focus_pane("registers")
        await settled(app, pilot)
        await pilot.press("down", "enter")
        await settled(app, pilot)
        text = "\n".join(shown(app))
        assert "Capability ╱ ddc, thread 17/0" in text
        assert "0x47fffb840 [rwRW,0x47fffb840-0x47fffb880]" in text and "slot 0" in text and "▲" in text
        assert "Load Store LoadCap StoreCap" in text


async def test_the_explanation_opens_by_e_and_its_commands_run() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        app.explain()
        await settled(app, pilot)
        text = "\n".join(shown(app))
        assert "CAPABILITY TAG FAULT" in text and "✗" in text and "✓" in text and "recorded facts" in text
        body = app.sheets[-1].body
        row = next(i for i, item in enumerate(body.items) if "watch -tag" in item.text)
        body.move_to(row)
        await pilot.press("enter")
        await settled(app, pilot)
        assert session.lines[-1] == "watch -tag *0x47e0010d0"
        assert not app.sheets


async def test_what_a_compartment_was_given() -> None:
    async with screen(FakeSession()) as (app, pilot):
        app.focus_pane("map")
        await settled(app, pilot)
        await pilot.press("down", "enter")
        await settled(app, pilot)
        text = "\n".join(shown(app))
        assert "Compartment 16 libos ╱ capabilities at entry" in text and "sealed COMP PCC" in text


async def test_folding_the_map() -> None:
    async with screen(FakeSession()) as (app, pilot):
        app.focus_pane("map")
        await settled(app, pilot)
        await pilot.press("down", "space")
        await settled(app, pilot)
        assert "rodata" not in "\n".join(app.desk.panes["map"].screen_text())
        assert app.desk.panes["map"].current.key == "16"  # type: ignore[union-attr]


# ---- prompt ----


async def test_the_prompt_runs_a_line_and_keeps_history() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("colon", *"next 3", "enter")
        await settled(app, pilot)
        assert session.lines == ["next 3"]
        assert any("(cvmdbg) next 3" in row.line for row in session.console.rows())
        await pilot.press("colon", *"step", "enter")
        await settled(app, pilot)
        await pilot.press("colon", "up", "up")
        assert app.prompt.entry.value == "next 3"
        await pilot.press("down")
        assert app.prompt.entry.value == "step"
        await pilot.press("escape")
        await pilot.press("colon", "n", "up")
        assert app.prompt.entry.value == "next 3"
        await pilot.press("escape", "colon", *"ep", "ctrl+r")
        assert app.prompt.entry.value == "step"


async def test_an_error_keeps_the_text() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("colon", *"print nothing", "enter")
        await settled(app, pilot)
        assert app.prompt.is_open and app.prompt.entry.value == "print nothing"
        assert "no symbol 'nothing' in libos.so" in "\n".join(shown(app))
        await pilot.press("escape")
        assert "no symbol" not in app.notice.sentence


async def test_an_empty_line_repeats() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("colon", "enter")
        await settled(app, pilot)
        assert session.lines == [""]


async def test_completion() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("colon", "c", "o", "tab")
        await settled(app, pilot)
        assert app.prompt.entry.value == "con"
        assert "continue" in "\n".join(shown(app)) and "condition" in "\n".join(shown(app))
        await pilot.press("tab", "tab")
        assert app.prompt.entry.value == "condition"
        await pilot.press("escape", "colon", *"cont", "tab")
        await settled(app, pilot)
        assert app.prompt.entry.value == "continue "


async def test_keys_in_the_prompt_are_text() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("colon", *"nszq12")
        assert app.prompt.entry.value == "nszq12"
        assert session.lines == [] and app.desk.zoomed is None


class Ordered(FakeSession):
    """Says with each line how much input had been given before it."""

    def steps(self, line: str) -> Steps:
        self.rows["given"] = len(self.inputs)
        return super().steps(line)


def test_input_is_there_before_the_line_that_needs_it() -> None:
    session = Ordered()
    worker = Worker(session, lambda message: None)
    worker.send_input(b"hello\n")
    worker.submit("next")
    worker.start()
    while not worker.quiet:
        time.sleep(0.01)
    worker.close()
    assert session.rows["given"] == 1


async def test_input_for_the_guest() -> None:
    session = FakeSession()
    session.rows["status"] = Status("musl", "emulator", "wait", "waits for standard input", "17 musl", None, "17/0", 5)
    async with screen(session) as (app, pilot):
        assert "it waits: >" in title_of(app, "console")
        await pilot.press("greater_than_sign", *"hello", "enter")
        await until(pilot, lambda: bool(session.lines))
        assert session.inputs == [b"hello\n"]
        assert session.lines == ["continue"]
        await pilot.press("ctrl+c")
        await settled(app, pilot)
        await pilot.press("greater_than_sign", "ctrl+d")
        await until(pilot, lambda: len(session.inputs) == 2)
        assert session.inputs[1] is None
        await pilot.press("ctrl+c")
        await settled(app, pilot)


# ---- search, filter ----


async def test_search_as_you_type() -> None:
    async with screen(FakeSession()) as (app, pilot):
        app.focus_pane("registers")
        await settled(app, pilot)
        await pilot.press("slash", *"slot")
        await settled(app, pilot)
        pane = app.desk.panes["registers"]
        assert pane.current.name == "csp"  # type: ignore[union-attr]
        await pilot.press("enter", "full_stop")
        assert pane.current.name == "c1"  # type: ignore[union-attr]
        await pilot.press("comma")
        assert pane.current.name == "csp"  # type: ignore[union-attr]
        await pilot.press("escape")
        assert not pane.hits


async def test_filter_of_the_trace() -> None:
    async with screen(FakeSession()) as (app, pilot):
        await pilot.press("2")
        await settled(app, pilot)
        await pilot.press("ampersand", *"ioctl", "enter")
        await settled(app, pilot)
        trace = app.desk.panes["trace"]
        assert isinstance(trace, Trace)
        assert trace.total == 1 and "1 of 5" in title_of(app, "trace")
        await pilot.press("ampersand", *(["backspace"] * 5), "enter")
        await settled(app, pilot)
        assert trace.total == 5


async def test_a_long_trace_is_asked_for_in_windows() -> None:
    session = FakeSession()
    session.rows["trace"] = tuple(samples.call(n) for n in range(1, 5001))
    async with screen(session) as (app, pilot):
        app.focus_pane("trace")
        await settled(app, pilot)
        trace = app.desk.panes["trace"]
        assert trace.current.number == 5000  # type: ignore[union-attr]
        await pilot.press("home")
        await settled(app, pilot)
        assert trace.current.number == 1  # type: ignore[union-attr]
        assert len(trace.items) <= 256
        await pilot.press("end", "pageup")
        await settled(app, pilot)
        assert trace.current is not None and trace.current.number > 4900


# ---- Ctrl-C ----


async def test_ctrl_c_when_nothing_runs() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("ctrl+c")
        assert app.notice.sentence == "nothing runs; q quits"
        assert not session.stopped.is_set() and app.is_running


@pytest.mark.parametrize("where", ["pane", "prompt", "palette", "sheet"])
async def test_ctrl_c_stops_the_guest_from_everywhere(where: str) -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: app.running)
        if where == "prompt":
            await pilot.press("colon", "x")
        elif where == "palette":
            await pilot.press("ctrl+p")
            await pilot.pause()
        elif where == "sheet":
            await pilot.press("f1")
            await pilot.pause()
        await pilot.press("ctrl+c")
        await settled(app, pilot)
        assert session.stopped.is_set() and not app.running
        if where == "prompt":
            assert app.prompt.is_open and app.prompt.entry.value == "x"


async def test_a_guest_that_runs_for_ever_never_blocks_a_key() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: app.running)
        app.focus_pane("registers")
        for _ in range(5):
            await pilot.press("down")
        assert app.desk.panes["registers"].cursor == 5
        await pilot.press("2", "1", "z", "z")
        await pilot.press("colon", *"x/4", "escape")
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert app.running
        await pilot.press("ctrl+c")
        await settled(app, pilot)


async def test_console_follows_its_end_until_the_cursor_leaves_it() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        app.focus_pane("console")
        for n in range(100):
            session.console._append(OutputRow(n, 0, "16", "guest", f"line {n}"))
        app.ask(app.desk.panes["console"])
        await settled(app, pilot)
        assert "line 99" in "\n".join(app.desk.panes["console"].screen_text())
        await pilot.press("pageup")
        before = app.desk.panes["console"].screen_text()
        session.console._append(OutputRow(100, 0, "16", "guest", "line 100"))
        app.ask(app.desk.panes["console"])
        await settled(app, pilot)
        assert app.desk.panes["console"].screen_text() == before
        await pilot.press("end")
        assert "line 100" in "\n".join(app.desk.panes["console"].screen_text())


async def test_q_asks_before_a_live_guest_is_lost() -> None:
    async with screen(FakeSession()) as (app, pilot):
        await pilot.press("q")
        assert app.is_running and "q again leaves" in app.notice.sentence
        await pilot.press("down", "q")
        assert app.is_running
        await pilot.press("q")
        await pilot.pause()
        assert app.return_code == 0 and app._exit


# ---- mouse, saving ----


async def test_the_mouse() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.click("#registers", offset=(10, 3))
        registers = app.desk.panes["registers"]
        assert registers.has_focus and registers.cursor == 2
        await pilot.click("#code", offset=(0, 2))
        await settled(app, pilot)
        assert session.lines[-1] == "break *0x40001f480"
        place = app.desk.title_of("trace")
        assert place is not None
        await pilot.click(app.desk, offset=(place[0] + 1, place[1]))
        await settled(app, pilot)
        assert app.focused is not None and app.focused.id == "trace"


async def test_any_pane_can_be_saved_as_text_and_the_screen_as_svg(tmp_path) -> None:  # type: ignore[no-untyped-def]
    async with screen(FakeSession()) as (app, pilot):
        for ident in ("map", "registers", "code", "threads", "console", "trace", "memory"):
            app.focus_pane(ident)
            await settled(app, pilot)
            app.submit(f"copy all {tmp_path / ident}", "prompt")
            await settled(app, pilot)
            pane = app.desk.panes[ident]
            assert (tmp_path / ident).read_text().rstrip("\n") in pane.plain()
            assert "\n" in pane.plain()
            assert "40001f47c" in pane.plain() or ident != "code"
        app.submit(f"export svg {tmp_path / 'a.svg'}", "prompt")
        svg = (tmp_path / "a.svg").read_text()
        assert svg.startswith("<svg") and "font-face" not in svg and "Fira" not in svg and "://" in svg
        app.submit(f"copy all {tmp_path / 'no' / 'such'}", "prompt")
        assert "No such file" in app.notice.sentence


async def test_settings_change_the_screen() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        session.settings.values["theme"] = "cvm-light"
        session.settings.values["glyphs"] = "ascii"
        await pilot.press("n")
        await settled(app, pilot)
        assert app.palette.colours.name == "cvm-light"
        assert "\n".join(shown(app)).isascii()


async def test_no_timer_runs_when_nothing_does() -> None:
    async with screen(FakeSession()) as (app, pilot):
        await pilot.pause(0.3)
        assert not [t for t in app._timers if t._task is not None and not t._task.done()]


async def test_places_are_walked_back_and_forward() -> None:
    session = FakeSession()
    session.missing["marks"] = "no history: nothing is recorded"
    async with screen(session) as (app, pilot):
        app.show_code(0x40001F490)
        await settled(app, pilot)
        assert app.code.current is not None and app.code.current.address == 0x40001F490
        await pilot.press("backspace")
        await settled(app, pilot)
        assert app.code.current.address == 0x40001F47C
        await pilot.press("alt+right")
        await settled(app, pilot)
        assert app.code.current.address == 0x40001F490
        await pilot.press("alt+right")
        assert "no place after" in app.notice.sentence


async def test_a_layout_can_be_saved(tmp_path: Path) -> None:
    app = CvmApp(FakeSession(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(app, pilot)
        app.focus_pane("locals")
        await pilot.press("ctrl+up")
        app.submit("layout save mine")
        await settled(app, pilot)
        kept = app.desk.kept()
        await pilot.press("2")
        app.focus_pane("backtrace")
        app.desk.scale.clear()
        app.submit("layout mine")
        await settled(app, pilot)
        assert app.desk.kept() == kept and "locals" in app.desk.shown()
        app.submit("layout nothing")
        assert "mine" in app.notice.sentence
    (tmp_path / "layouts" / "mine.json").write_text("[1, 2")
    assert layouts.load(tmp_path, "mine") is None


async def test_keys_that_would_lose_something_ask_what() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("delete")
        assert session.lines == [] and app.prompt.entry.value == "delete "


@pytest.mark.parametrize(
    ("key", "trace", "threads", "code"),
    [
        ("right_square_bracket", "next-event call", "next-event thread", "next-event"),
        ("right_curly_bracket", "next-event syscall", "next-event thread", "next-event"),
        ("left_square_bracket", "previous-event call", "previous-event thread", "previous-event"),
        ("left_curly_bracket", "previous-event syscall", "previous-event thread", "previous-event"),
    ],
)
async def test_events_are_of_the_panes_kind(key: str, trace: str, threads: str, code: str) -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        for ident, line in (("trace", trace), ("threads", threads), ("code", code)):
            app.focus_pane(ident)
            await settled(app, pilot)
            await pilot.press(key)
            await settled(app, pilot)
            assert session.lines[-1] == line


async def test_a_search_backwards_says_so_until_ctrl_c() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("C")
        await until(pilot, lambda: "◀ BACK" in app.status_row.screen_text()[0])
        await pilot.press("ctrl+c")
        await settled(app, pilot)
        assert session.lines == ["reverse-continue"] and "◀ BACK" not in app.status_row.screen_text()[0]
