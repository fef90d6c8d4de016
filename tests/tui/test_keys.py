"""Every command is reachable by prompt, palette and key; missing power greys it and says why."""

from __future__ import annotations

import pytest
from textual.command import CommandPalette

from cvmdbg.commands.table import Command
from cvmdbg.target import UserError
from cvmdbg.tui.app import RUNNING, CvmApp
from cvmdbg.tui.keys import LISTS, PRESETS, SHIFTED, bindings, clashes, hints, key_name
from cvmdbg.tui.overlays.help import all_keys
from cvmdbg.tui.palette import Everything
from cvmdbg.tui.screen_commands import KEYS, keymap

from .fake import FakeSession
from .screens import screen, settled, shown

TABLE = FakeSession().table
COMMANDS = list(TABLE)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_every_key_of_the_table_is_bound(command: Command) -> None:
    bound = bindings(TABLE, {})
    for shown_key in command.keys:
        key = key_name(shown_key)
        taken = key in KEYS or key in LISTS or key in ("ctrl+c", "ctrl+q", "ctrl+p", "ctrl+o")
        assert taken or bound[key] == command.name, shown_key
        if key in SHIFTED:
            assert bound[SHIFTED[key]] == command.name


def test_no_two_commands_claim_a_key() -> None:
    assert clashes(TABLE) == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_the_prompt_finds_every_command(command: Command) -> None:
    assert TABLE.resolve(command.name)[0] is command
    for short in command.abbreviations:
        assert TABLE.resolve(short)[0] is command


async def test_the_palette_lists_every_command_and_why_it_cannot_be_used() -> None:
    session = FakeSession()
    session.missing = {"reverse-step": "no history: the emulator records nothing"}
    async with screen(session) as (app, pilot):
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert isinstance(app.screen, CommandPalette)
        provider = Everything(app.screen)
        hits = [hit async for hit in provider.discover()]
        texts = [str(hit.text) for hit in hits]
        for command in session.table:
            assert any(text.startswith(command.usage) for text in texts), command.name
        greyed = next(hit for hit in hits if str(hit.text).startswith("reverse-step"))
        assert "no history: the emulator records nothing" in str(greyed.prompt)
        found = [hit async for hit in provider.search("contin")]
        assert str(found[0].text).startswith("continue") or any("continue" in str(hit.text) for hit in found)
        await pilot.press("escape")


@pytest.mark.parametrize("key", ["C", "N", "S", "t", "["])
async def test_a_greyed_key_stays_and_says_why(key: str) -> None:
    session = FakeSession()
    sentence = "no history: the emulator records nothing that can be gone back to yet"
    session.missing = {c.name: sentence for c in session.table if "h" in c.needs.split()}
    async with screen(session) as (app, pilot):
        line = app.key_line.screen_text()[0]
        assert "N S F C back" in line
        await pilot.press(key)
        await settled(app, pilot)
        assert sentence in "\n".join(shown(app))
        assert session.lines == []


async def test_with_each_need_taken_away_every_command_that_has_it_says_so() -> None:
    session = FakeSession()
    for need in "srbhcwgd":
        session.missing = {c.name: f"{need} is missing" for c in session.table if need in c.needs.replace(" ", "")}
        async with screen(session) as (app, pilot):
            for command in session.table:
                if need in command.needs.replace(" ", ""):
                    assert app.why_not(command) == f"{need} is missing"
                    app.choose(command)
                    assert app.notice.sentence == f"{need} is missing"
            await settled(app, pilot)
        session = FakeSession()


async def test_keys_carry_out_their_commands() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        for key, name in (
            ("n", "next"),
            ("s", "step"),
            ("i", "stepi"),
            ("o", "nexti"),
            ("f", "finish"),
            ("F8", "next"),
        ):
            await pilot.press(key.lower() if len(key) > 1 else key)
            await settled(app, pilot)
            assert session.lines[-1] == name


async def test_keys_that_mean_the_row_under_the_cursor() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("down", "b")
        await settled(app, pilot)
        assert session.lines[-1] == "break *0x40001f480"
        await pilot.press("up", "b")
        await settled(app, pilot)
        assert session.lines[-1] == "clear *0x40001f47c"
        await pilot.press("down", "f4")
        await settled(app, pilot)
        assert session.lines[-1] == "advance *0x40001f480"
        app.focus_pane("breakpoints")
        await settled(app, pilot)
        await pilot.press("space")
        await settled(app, pilot)
        assert session.lines[-1] == "disable 2"
        await pilot.press("delete")
        await settled(app, pilot)
        assert session.lines[-1] == "delete 2"
        app.focus_pane("threads")
        await pilot.press("down", "enter")
        await settled(app, pilot)
        assert session.lines[-1] == "thread 0"
        app.focus_pane("registers")
        await settled(app, pilot)
        await pilot.press("equals_sign")
        assert app.prompt.is_open and app.prompt.entry.value == "set $pcc = "
        await pilot.press("escape")
        assert not app.prompt.is_open


async def test_while_the_guest_runs_its_commands_say_so() -> None:
    session = FakeSession()
    async with screen(session) as (app, pilot):
        await pilot.press("c")
        await pilot.pause(0.2)
        await pilot.press("n")
        assert app.notice.sentence == RUNNING
        assert session.lines == ["continue"]
        await pilot.press("ctrl+c")
        await settled(app, pilot)


def test_the_key_line_shows_as_many_as_fit() -> None:
    for cells in range(10, 240):
        entries = hints(False, cells, TABLE)
        assert entries[-1].key == "F1"
        size = 1 + sum(len(h.key) + len(h.word) + 3 for h in entries)
        assert size <= cells or len(entries) == 1
    assert hints(True, 120, TABLE)[0].key == "^C"


def test_names_of_keys() -> None:
    wanted = {"Shift+F5": "shift+f5", "Ctrl-C": "ctrl+c", "]": "right_square_bracket", "N": "N", "Del": "delete"}
    assert {k: key_name(k) for k in wanted} == wanted
    assert key_name("Alt+←") == "alt+left"


def test_presets_name_commands_of_the_table() -> None:
    for preset in PRESETS.values():
        for key, name in preset.items():
            assert bindings(TABLE, preset)[key] == name


def test_a_keymap_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "keys"
    path.write_text("# mine\nF12 continue\nCtrl+N next\n")
    assert keymap(TABLE, str(path))["f12"] == "continue"
    path.write_text("F12 continue\nF12 next\n")
    with pytest.raises(UserError, match="F12 is both continue and next"):
        keymap(TABLE, str(path))
    path.write_text("F12 nonsense\n")
    with pytest.raises(UserError, match="line 1: expected KEY COMMAND"):
        keymap(TABLE, str(path))
    with pytest.raises(UserError, match="not a preset"):
        keymap(TABLE, str(tmp_path / "none"))


def test_help_lists_every_key_of_the_table() -> None:
    text = "\n".join(line.text for line in all_keys(TABLE, 100))
    for command in TABLE:
        if command.keys:
            assert f"{' '.join(command.keys)}" in text and command.name in text


async def test_help_of_each_pane() -> None:
    async with screen(FakeSession()) as (app, pilot):
        for ident, pane in app.desk.panes.items():
            app.focus_pane(ident)
            await settled(app, pilot)
            await pilot.press("f1")
            await settled(app, pilot)
            assert f"Help ╱ {pane.title}" in "\n".join(shown(app))
            await pilot.press("escape")
            assert not app.sheets and _focused(app) == ident


def _focused(app: CvmApp) -> str:
    assert app.focused is not None
    return app.focused.id or ""
