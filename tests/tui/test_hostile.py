"""Text from a guest is data: markup, escapes, wide and broken characters come out harmless and in place."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from cvmdbg.forms import visible
from cvmdbg.rows import OutputRow
from cvmdbg.tui.glyphs import ASCII, harmless, to_ascii, wants_ascii
from cvmdbg.tui.spans import fit, left, plain, right, wrapped

from . import samples
from .fake import FakeSession
from .screens import SIZES, screen, settled, shown
from .test_panes import fits, size_name

HOSTILE = (
    "[/] [bold]not bold[/bold] [rwRW,0x47fffb840-0x47fffb880]",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred",
    "wide 漢字 and 한글 and 🙂🙂🙂 " + "界" * 60,
    "e\u0301 combining \u202e reversed \ufeff \u200b zero",
    visible(b"\xff\xfe broken \xc3\x28 \x80"),
    "\ud800 lone surrogate",
    "tab\there\x00nul\x7f",
)


def test_harmless_leaves_nothing_that_a_terminal_obeys() -> None:
    for text in HOSTILE:
        safe = harmless(text)
        assert safe.isprintable() or (set(safe) - set("\u2009") and all(c.isprintable() or c == "\u2009" for c in safe))
        assert "\x1b" not in safe and "\u202e" not in safe
    assert harmless("\x1b[2J") == "\\x1b[2J"
    assert harmless("plain text") == "plain text"


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_no_pane_is_harmed(size: tuple[int, int]) -> None:
    session = FakeSession()
    for text in HOSTILE:
        session.console._append(OutputRow(1, 0, "16", "guest", text))
    session.rows["trace"] = tuple(
        samples.call(n, call=f"write(1, {text})", name=text) for n, text in enumerate(HOSTILE, 1)
    )
    session.rows["locals"] = tuple(type(samples.LOCALS[0])(text[:9], "char *", text, "local") for text in HOSTILE)
    session.rows["threads"] = tuple(
        type(samples.THREADS[0])(n, text[:5], "1", "2", "3", text, "16", text, "", False)
        for n, text in enumerate(HOSTILE)
    )
    async with screen(session, size) as (app, pilot):
        for ident in ("console", "trace", "locals", "threads", "call"):
            app.focus_pane(ident)
            await settled(app, pilot)
            pane = app.desk.panes[ident]
            for _ in range(len(HOSTILE)):
                await pilot.press("up")
                fits(pane)
        text = "\n".join(shown(app))
        assert "\x1b" not in text
        app.say("[/] a sentence with [bold]brackets[/bold]")
        app.inspect("$c1 [/]")
        await settled(app, pilot)
        assert "[/]" in "\n".join(shown(app))
        await pilot.press("ctrl+p")
        await pilot.pause()


def test_spans_fit_exactly() -> None:
    for text in ("", "abc", "漢字漢字", "a漢b字c", "x" * 50, "🙂" * 9):
        for cells in range(1, 20):
            line, cut = fit(((text, "fg"),), cells)
            assert cell_len(plain(line)) == cells, (text, cells)
            assert cut == (cell_len(text) > cells)
            assert cell_len(left(text, cells)) == cells
        assert right(text, 60).endswith(text)
    assert wrapped("one two three", 8) == ("one two", "three")
    assert all(cell_len(row) <= 7 for row in wrapped("漢字" * 20 + " end", 7))


def test_the_ascii_set_is_ascii_and_one_cell_wide() -> None:
    assert all(len(short) == 1 and short.isascii() for short in ASCII.values())
    assert all(cell_len(glyph) == 1 for glyph in ASCII)
    assert to_ascii("●▶ x") == "T> x"
    assert wants_ascii("ascii") and not wants_ascii("unicode")


async def test_an_ascii_screen_is_ascii() -> None:
    session = FakeSession()
    session.settings.values["glyphs"] = "ascii"
    async with screen(session) as (app, pilot):
        for key in ("2", "1", "question_mark"):
            await pilot.press(key)
            await settled(app, pilot)
            assert "\n".join(shown(app)).isascii()
