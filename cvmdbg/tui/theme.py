"""Colours: four themes of our own, Textual's as they are, and the palette that panes draw with.

A role is a meaning (``dim``, ``fault``, ``badge:17``), never a colour. Contrast is computed as WCAG 2.1 does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

ROLES = ("fg", "dim", "mark", "fault", "good", "symbol", "mnemonic")
"""Roles of text. ``badge:N`` roles, ``rule``, ``title`` and ``focus`` come from the same colours."""


@dataclass(frozen=True)
class Colours:
    """One theme as hex colours. ``badges`` are monitor, first cVM, second …; ``line`` is behind the current line."""

    name: str
    dark: bool
    fg: str
    bg: str
    monitor: str
    badges: tuple[str, ...]
    dim: str
    mark: str
    fault: str
    good: str
    symbol: str
    mnemonic: str
    line: str
    rule: str
    dim_on_line: str = ""
    plain: bool = False

    def role(self, name: str) -> str:
        """The colour of a role."""
        return str(getattr(self, name))


DARK = Colours(
    name="cvm-dark",
    dark=True,
    fg="#d5dbe5",
    bg="#11151c",
    monitor="#b79cff",
    badges=("#e5b567", "#5fd7b0", "#ff9ec7", "#8fb8ff", "#c5e478"),
    dim="#7f8ca3",
    mark="#ffd866",
    fault="#ff6b6b",
    good="#8bd17c",
    symbol="#8fc7ff",
    mnemonic="#c792ea",
    line="#1e2a3f",
    rule="#36435a",
    dim_on_line="#8b97ad",
)
LIGHT = Colours(
    name="cvm-light",
    dark=False,
    fg="#1d2430",
    bg="#fbfaf7",
    monitor="#6b3fd4",
    badges=("#8f5a00", "#0b7359", "#b3225f", "#2257c4", "#5a6b00"),
    dim="#5d6778",
    mark="#8a5a00",
    fault="#c01f1f",
    good="#2b7a2f",
    symbol="#1a5fb4",
    mnemonic="#8e24aa",
    line="#e6eefc",
    rule="#c3c9d2",
)
CONTRAST = Colours(
    name="cvm-contrast",
    dark=True,
    fg="#ffffff",
    bg="#000000",
    monitor="#d0b8ff",
    badges=("#ffcc66", "#66ffcc", "#ffb0d8", "#a8ccff", "#d8ff80"),
    dim="#c0c0c0",
    mark="#ffff00",
    fault="#ff9090",
    good="#80ff80",
    symbol="#a0d8ff",
    mnemonic="#e8b8ff",
    line="#002050",
    rule="#808080",
)
MONO = Colours(
    name="cvm-mono",
    dark=True,
    fg="#ffffff",
    bg="#000000",
    monitor="#ffffff",
    badges=("#ffffff",),
    dim="#b0b0b0",
    mark="#ffffff",
    fault="#ffffff",
    good="#ffffff",
    symbol="#ffffff",
    mnemonic="#ffffff",
    line="#000000",
    rule="#808080",
    plain=True,
)
OWN = {colours.name: colours for colours in (DARK, LIGHT, CONTRAST, MONO)}


def theme_of(colours: Colours) -> Theme:
    """Textual's form of a theme, for its own widgets (input, palette)."""
    return Theme(
        name=colours.name,
        primary=colours.symbol,
        secondary=colours.monitor,
        accent=colours.mark,
        foreground=colours.fg,
        background=colours.bg,
        surface=colours.bg,
        panel=colours.line if not colours.plain else "#202020",
        success=colours.good,
        warning=colours.mark,
        error=colours.fault,
        dark=colours.dark,
        text_alpha=1.0,
        variables={"border": colours.rule, "block-cursor-text-style": "none"},
    )


def colours_of(theme: Theme) -> Colours:
    """Colours for any theme: our own as they are, Textual's from what they name."""
    if theme.name in OWN:
        return OWN[theme.name]
    base = DARK if theme.dark else LIGHT
    bg, fg = _hex(theme.background, base.bg), _hex(theme.foreground, base.fg)
    return Colours(
        name=theme.name,
        dark=theme.dark,
        fg=_readable(fg, bg),
        bg=bg,
        monitor=_readable(_hex(theme.secondary, base.monitor), bg),
        badges=tuple(_readable(colour, bg) for colour in base.badges),
        dim=_readable(_mix(fg, bg, 0.4), bg),
        mark=_readable(_hex(theme.accent or theme.warning, base.mark), bg),
        fault=_readable(_hex(theme.error, base.fault), bg),
        good=_readable(_hex(theme.success, base.good), bg),
        symbol=_readable(_hex(theme.primary, base.symbol), bg),
        mnemonic=_readable(base.mnemonic, bg),
        line=_mix(bg, fg, 0.1),
        rule=_mix(bg, fg, 0.3),
    )


def _hex(colour: str | None, default: str) -> str:
    if colour is None or colour.startswith("ansi"):
        return default
    return Color.parse(colour).hex6.lower()


def _mix(one: str, other: str, share: float) -> str:
    return Color.parse(one).blend(Color.parse(other), share).hex6.lower()


def _readable(colour: str, background: str, ratio: float = 4.5) -> str:
    """The colour, moved towards black or white until it has the contrast."""
    towards = "#ffffff" if luminance(background) < 0.3 else "#000000"
    for step in range(11):
        mixed = _mix(colour, towards, step / 10)
        if contrast(mixed, background) >= ratio:
            return mixed
    return towards


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@dataclass
class Palette:
    """Rich styles by role. The colour of a badge is kept for the session, by order of appearance."""

    colours: Colours
    order: dict[str, int] = field(default_factory=dict)
    _styles: dict[tuple[str, str], Style] = field(default_factory=dict)

    def style(self, role: str, ground: str = "") -> Style:
        """The style of a role on ``""`` the pane, ``line`` the cursor or PC line, ``stale`` a dimmed pane."""
        key = (role, ground)
        found = self._styles.get(key)
        if found is None:
            found = self._styles[key] = self._make(role, ground)
        return found

    def _make(self, role: str, ground: str) -> Style:
        if self.colours.plain:
            return _plain_style(role, ground)
        colours = self.colours
        behind = colours.line if ground.endswith("line") else colours.bg
        reverse = role.startswith("reverse:")
        name = role.removeprefix("reverse:")
        bold = name in ("strong", "title", "focus", "mark", "fault")
        front = self._front(name)
        if ground.startswith("stale"):
            front, bold = colours.dim, False
        if front == colours.dim and ground.endswith("line") and colours.dim_on_line:
            front = colours.dim_on_line
        if reverse or name == "focus":
            return Style(color=behind, bgcolor=front, bold=bold)
        return Style(color=front, bgcolor=behind, bold=bold)

    def _front(self, name: str) -> str:
        colours = self.colours
        if name.startswith("badge:"):
            return self._badge(name.removeprefix("badge:"))
        if name in ROLES or name == "rule":
            return colours.role(name)
        return {"focus": colours.symbol, "heavy": colours.symbol}.get(name, colours.fg)

    def _badge(self, badge: str) -> str:
        if badge in ("M", "K", "k"):
            return self.colours.monitor
        if badge in ("", "H", "?"):
            return self.colours.dim
        place = self.order.setdefault(badge, len(self.order))
        return self.colours.badges[place % len(self.colours.badges)]


@cache
def _plain_style(role: str, ground: str) -> Style:
    """Without colours: bold, dim, reverse, underline."""
    name = role.removeprefix("reverse:")
    bold = name in ("strong", "title", "focus", "mark", "fault", "heavy") or name.startswith("badge:")
    stale = ground.startswith("stale")
    dim = name in ("dim", "rule") or stale
    reverse = role.startswith("reverse:") or name == "focus"
    return Style(bold=bold and not stale, dim=dim, reverse=reverse, underline=ground.endswith("line"))
