"""Contrast of every theme, computed; monochrome says everything without colour."""

from __future__ import annotations

import pytest
from textual.theme import BUILTIN_THEMES

from cvmdbg.tui.theme import CONTRAST, MONO, OWN, ROLES, Colours, Palette, colours_of, contrast, theme_of

THEMES = [*OWN.values(), *(colours_of(theme) for theme in BUILTIN_THEMES.values())]


def texts(colours: Colours) -> list[str]:
    return [colours.role(role) for role in ROLES] + [colours.monitor, *colours.badges]


@pytest.mark.parametrize("colours", THEMES, ids=lambda c: c.name)
def test_text_can_be_read(colours: Colours) -> None:
    least = 7.0 if colours in (CONTRAST, MONO) else 4.5
    for colour in texts(colours):
        assert contrast(colour, colours.bg) >= least, colour
    if colours.name in OWN:
        assert contrast(colours.rule, colours.bg) >= 1.5


@pytest.mark.parametrize("colours", OWN.values(), ids=lambda c: c.name)
def test_text_can_be_read_on_the_current_line(colours: Colours) -> None:
    for colour in [c for c in texts(colours) if c != colours.dim] + [colours.dim_on_line or colours.dim]:
        assert contrast(colour, colours.line) >= 4.5, colour


def test_contrast_is_that_of_wcag() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21.0
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


def test_a_badge_keeps_its_colour() -> None:
    palette = Palette(OWN["cvm-dark"])
    first = palette.style("badge:16")
    assert palette.style("badge:17") != first
    assert palette.style("badge:16") == first
    again = Palette(OWN["cvm-light"], palette.order)
    assert again.style("badge:17").color == again.style("badge:17", "line").color


def test_monochrome_uses_no_colour() -> None:
    palette = Palette(MONO)
    for role in (*ROLES, "badge:16", "focus", "reverse:mark", "rule"):
        for ground in ("", "line", "stale", "stale line"):
            style = palette.style(role, ground)
            assert style.color is None and style.bgcolor is None
    assert palette.style("fg", "line").underline
    assert palette.style("focus").reverse


def test_themes_are_textual_themes() -> None:
    for colours in OWN.values():
        assert theme_of(colours).background == colours.bg
