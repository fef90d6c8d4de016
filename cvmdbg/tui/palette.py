"""The palette: every command, with its key and why it cannot be used now; panes, threads, themes, settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider

from cvmdbg.commands.table import Command
from cvmdbg.rows import ThreadRow
from cvmdbg.settings import SETTINGS
from cvmdbg.tui.glyphs import harmless
from cvmdbg.tui.layout import WORKSPACES

if TYPE_CHECKING:
    from cvmdbg.tui.app import CvmApp


@dataclass(frozen=True)
class Choice:
    """A row of the palette: what is matched, what stands under it, what it does."""

    name: str
    about: str
    act: Callable[[], None]
    grey: bool = False


class Everything(Provider):
    """What the palette finds."""

    @property
    def cvm_app(self) -> CvmApp:
        """The app, by its own type."""
        from cvmdbg.tui.app import CvmApp

        app = self.app
        assert isinstance(app, CvmApp)
        return app

    async def discover(self) -> Hits:
        """Before anything is typed: commands that make sense on the cursor first, then all."""
        for choice in self._ordered():
            yield DiscoveryHit(_shown(choice), choice.act, choice.name)

    async def search(self, query: str) -> Hits:
        """Fuzzy."""
        matcher = self.matcher(query)
        for choice in self._ordered():
            score = matcher.match(choice.name)
            if score > 0:
                yield Hit(score, _shown(choice), choice.act, choice.name)

    def _ordered(self) -> list[Choice]:
        commands = list(self.cvm_app.session.table)
        pane = self.cvm_app.last_pane
        here = [c for c in commands if pane is not None and _fits(pane.ident, c)]
        rest = [c for c in commands if c not in here]
        others = (*self._panes(), *self._threads(), *self._themes(), *self._settings())
        return [*map(self._command, [*here, *rest]), *others]

    def _command(self, command: Command) -> Choice:
        app = self.cvm_app
        reason = app.why_not(command)
        keys = f"   [{' '.join(command.keys)}]" if command.keys else ""
        name = f"{command.usage}{keys}"
        return Choice(name, reason or command.one_line, partial(app.choose, command), reason is not None)

    def _panes(self) -> Iterator[Choice]:
        for pane in self.cvm_app.desk.panes.values():
            yield Choice(f"pane {pane.title}", pane.about, partial(self.cvm_app.focus_pane, pane.ident))
        for number, name in enumerate(WORKSPACES, 1):
            yield Choice(f"workspace {name}   [{number}]", "", partial(self.cvm_app.go_workspace, name))

    def _threads(self) -> Iterator[Choice]:
        for row in self.cvm_app.desk.panes["threads"].items:
            if isinstance(row, ThreadRow):
                act = partial(self.cvm_app.submit, f"thread {row.number}")
                yield Choice(f"thread {row.name}", row.state, act)

    def _themes(self) -> Iterator[Choice]:
        for name in self.cvm_app.available_themes:
            yield Choice(f"theme {name}", "colours of the screen", partial(self.cvm_app.take_theme, name))

    def _settings(self) -> Iterator[Choice]:
        for setting in SETTINGS:
            act = partial(self.cvm_app.open_prompt, ":", f"set {setting.name} ")
            yield Choice(f"set {setting.name}", setting.about, act)


_HERE = {
    "code": ("break", "advance", "list", "disassemble"),
    "registers": ("print", "info capability", "x", "set", "origin"),
    "trace": ("filter", "summary", "info syscall"),
    "relocations": ("filter", "info relocations", "info got"),
    "load": ("info load", "info relocations"),
    "threads": ("thread", "info threads"),
    "backtrace": ("frame", "up", "down", "finish"),
    "breakpoints": ("enable", "disable", "delete", "condition", "ignore"),
    "memory": ("x", "set", "find"),
    "map": ("info compartments", "x"),
}


def _fits(pane: str, command: Command) -> bool:
    return command.name in _HERE.get(pane, ())


def _shown(choice: Choice) -> Text:
    """Literal text on two lines: Textual's own help line would go through markup."""
    name = Text(harmless(choice.name), style="dim" if choice.grey else "bold")
    return Text("\n").join((name, Text(harmless(choice.about), style="dim")))
