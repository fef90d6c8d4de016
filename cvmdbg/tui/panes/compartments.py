"""The map: compartments, outermost first, with their parts and what points into them now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from cvmdbg.forms import hexa, size_text
from cvmdbg.rows import MapRow
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import Content, Look, MapLook
from cvmdbg.tui.spans import Line, Span, left, right

HUGE = 60


class Compartments(Rows):
    """``▾ 16 libos   400000000   1G P···  in M``."""

    ident = "map"
    title = "Compartments"
    nothing = "this guest has no compartments"
    about = (
        "Who holds which memory: the monitor M, each cVM by its number, and their parts. "
        "now: P program counter, D default data, S stack, T thread pointer of the selected thread. "
        "rwx! pages allow more than the file asks · wide! the capability reaches beyond the part."
    )
    keys: ClassVar = (
        ("Space", "fold"),
        ("Enter", "a compartment: what it was given; a part: its memory"),
        ("x", "memory"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.unfolded: frozenset[str] = frozenset()
        self.folded: frozenset[str] = frozenset()

    def look(self) -> Look:
        """The rows that the folding leaves."""
        return MapLook(self.unfolded, self.folded)

    def key_of(self, item: MapRow) -> object:
        """Rows have keys of their own."""
        return item.key

    def header(self, cells: int) -> Line:
        """Column names."""
        name = left("  name", self._name_cells(cells))
        to = right("to", 11) if cells >= HUGE else ""
        return ((f"{name}{right('from', 10)}{to}{right('size', 6)} now   note", "dim"),)

    def _name_cells(self, cells: int) -> int:
        deepest = max((row.depth for row in self.items), default=0)
        return 20 if cells < HUGE else 22 + max(0, deepest - 2)

    def draw(self, item: MapRow, cells: int) -> Line:
        """One compartment or part."""
        begin = hexa(item.address) if item.address is not None and (item.size or item.depth) else "host memory"
        size = size_text(item.size) if item.size else "?" if item.depth else ""
        end = hexa(item.address + item.size) if item.address is not None and item.size else ""
        name = self._labels(item, self._name_cells(cells) - max(0, len(begin) - 10))
        to = right(end, 11) if cells >= HUGE else ""
        role = "fg" if item.depth == 0 else "dim" if item.kind == "gap" else "fg"
        return (
            *name,
            (right(begin, 10), role),
            (to, "dim"),
            (right(size, 6), "fg"),
            (" ", "fg"),
            *_letters(item.now),
            ("  ", "fg"),
            *_note(item.note),
        )

    def _labels(self, item: MapRow, cells: int) -> tuple[Span, ...]:
        fold = ("▸" if item.folded else "▾") if item.foldable else " "
        if item.depth == 0:
            label = left(item.name, cells - 5)
            return ((f"{fold} ", "dim"), (right(item.badge, 2), f"badge:{item.badge}"), (f" {label}", "strong"))
        indent = " " * (2 * item.depth)
        head = f"{indent}{fold} "
        flags = left(item.flags, 3) + " " if item.flags else ""
        return ((head, "dim"), (flags, "dim"), (left(item.name, max(1, cells - len(head) - len(flags))), "fg"))

    def open(self, item: MapRow) -> None:
        """What a compartment was given; the memory of a part."""
        if item.depth == 0:
            self.debugger_app.show_grants(item.badge, item.name)
        elif item.address is not None:
            self.debugger_app.show_memory(item.address)

    def line_for(self, command: str) -> str | None:
        """Memory of the cursor's part."""
        item = self.current
        if command == "x" and item is not None and item.address is not None:
            return f"x /8xg 0x{item.address:x}"
        return None

    def action_fold(self) -> None:
        """Fold or unfold the cursor's row, or the one it is in."""
        item = self.current
        if item is None:
            return
        key = item.key if item.foldable else item.parent
        if key is None:
            return
        row = next((r for r in self.items if r.key == key), None)
        if row is None or not row.foldable:
            return
        if row.folded:
            self.unfolded, self.folded = self.unfolded | {key}, self.folded - {key}
        else:
            self.unfolded, self.folded = self.unfolded - {key}, self.folded | {key}
        self.replace([replace(r, folded=not row.folded) if r.key == key else r for r in self.items])
        self.debugger_app.ask(self)

    def clicked(self, index: int, x: int) -> None:
        """A click on the fold mark folds."""
        item = self.item(index)
        if item is not None and item.foldable and x <= 2 * item.depth + 1:
            self.action_fold()

    def take(self, content: Content) -> None:
        """Take the rows; the badges get their colours in the order of deployment."""
        super().take(content)

    def caption(self) -> str:
        """How many."""
        count = sum(1 for row in self.items if row.depth == 0)
        return str(count) if count else ""


def _letters(now: str) -> tuple[Span, ...]:
    """The letters bright, the dots dim."""
    return tuple((letter, "dim" if letter == "·" else "mark") for letter in left(now, 4))


def _note(note: str) -> tuple[Span, ...]:
    """Warnings stand out."""
    out: list[Span] = []
    for index, word in enumerate(note.split(" ")):
        role = "fault" if word == "CORRUPTED" else "mark" if word.endswith("!") else "dim"
        out.append(((" " if index else "") + word, role))
    return tuple(out)


class Grants(Rows):
    """What a compartment was given at entry: an overlay."""

    nothing = "nothing was given to it at entry"
    about = "The capabilities that the compartment held before its first instruction: seal, permissions, bounds, value."

    def __init__(self, badge: str) -> None:
        super().__init__()
        self.badge = badge

    def look(self) -> Look:
        """Its lines."""
        from cvmdbg.tui.snapshot import GrantsLook

        return GrantsLook(self.badge)

    def draw(self, item: Any, cells: int) -> Line:
        """Names and tags bright."""
        text = str(item)
        if text.lstrip().startswith("!"):
            return ((" " + text, "mark"),)
        return ((" " + text, "fg"),)
