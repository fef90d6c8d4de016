"""Jump letters: one on every pane and tab; the letter goes there."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


class Jump(Widget, can_focus=True):
    """Takes the next key: a letter that stands somewhere, or anything else to leave."""

    DEFAULT_CSS = "Jump { layer: over; width: 0; height: 0; }"

    def __init__(self, targets: dict[str, tuple[str, int, int]]) -> None:
        super().__init__()
        self.targets = targets

    def on_mount(self) -> None:
        """A small label at each place; the focus comes here."""
        for letter, (_, x, y) in self.targets.items():
            label = Letter(letter)
            label.styles.offset = (max(0, x - 1), y)
            self.screen.mount(label)
        self.app.set_focus(self)

    def take_key(self, letter: str) -> None:
        """Go there."""
        from cvmdbg.tui.app import CvmApp

        app = self.app
        assert isinstance(app, CvmApp)
        found = self.targets.get(letter)
        self.leave()
        if found is not None:
            app.focus_pane(found[0])
        else:
            app.restore_focus()

    def leave(self) -> None:
        """Away with the letters."""
        for label in self.screen.query(Letter):
            label.remove()
        self.remove()


class Letter(Widget):
    """One letter, in reverse."""

    DEFAULT_CSS = "Letter { layer: over; width: 1; height: 1; }"

    def __init__(self, letter: str) -> None:
        super().__init__()
        self.letter = letter

    def render_line(self, y: int) -> Strip:
        """The letter."""
        from cvmdbg.tui.app import CvmApp

        app = self.app
        assert isinstance(app, CvmApp)
        return Strip([Segment(self.letter, app.palette.style("reverse:mark"))])


def assign(idents: list[str], first: dict[str, str]) -> dict[str, str]:
    """A letter for each name: its own first letter when that is free."""
    taken: dict[str, str] = {}
    for ident in idents:
        wanted = first.get(ident, ident[0]) + ident + LETTERS
        letter = next((c for c in wanted if c in LETTERS and c not in taken.values()), None)
        if letter is not None:
            taken[ident] = letter
    return taken
