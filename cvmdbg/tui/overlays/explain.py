"""Why did it stop: the sentences, the checks of the instruction, what to do next."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import events

from cvmdbg.rows import Check, Explanation
from cvmdbg.tui.overlays.inspector import Lines
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import Content, ExplainLook, Look
from cvmdbg.tui.spans import Line, left, wrapped


class Explain(Rows):
    """An explanation as lines; Enter on a command at its end carries it out."""

    title = "Why did it stop?"
    nothing = ""
    about = "What stopped the guest, which check failed, on which capability, what that points at; what to do next."
    keys: ClassVar = (("Enter", "on a line that begins with a command: carry it out"), ("Esc", "close"))

    def __init__(self) -> None:
        super().__init__()
        self.explanation: Explanation | None = None

    def look(self) -> Look:
        """Anew at each stop."""
        return ExplainLook()

    def take(self, content: Content) -> None:
        """One explanation becomes lines."""
        self.explanation = content.rows[0] if content.rows else None
        self._wrap()

    def on_resize(self, event: events.Resize) -> None:
        """The sentences follow the width; an overlay is given its width after its content."""
        self._wrap()
        super().on_resize(event)

    def _wrap(self) -> None:
        self._lines.clear()
        self.replace(explanation_lines(self.explanation, self.size.width) if self.explanation is not None else ())

    def draw(self, item: Any, cells: int) -> Line:
        """Lines are spans already."""
        assert isinstance(item, Lines)
        return item.spans

    def open(self, item: Any) -> None:
        """Carry out a command that is proposed."""
        text = str(item.text).strip()
        if self.explanation is not None and text in self.explanation.next:
            self.debugger_app.close_sheet()
            self.debugger_app.submit(text.removeprefix(":"), "prompt")


def explanation_lines(found: Explanation, cells: int) -> tuple[Lines, ...]:
    """An explanation as lines of spans."""
    rows = [Lines(("  " + part, "fault" if found.kind else "strong")) for part in wrapped(found.title, cells - 4)]
    for sentence in found.sentences:
        rows += [Lines((" " + part, "fg")) for part in wrapped(sentence, cells - 2)]
    if found.checks:
        rows.append(Lines(("", "fg")))
        rows += [_check_line(check) for check in found.checks]
    if found.next:
        rows += [Lines(("", "fg")), Lines((" Next", "mnemonic"), ("   Enter carries a line out", "dim"))]
        rows += [Lines(("   " + command, "symbol")) for command in found.next]
    rows.append(Lines((f" {found.basis} facts", "dim")))
    return tuple(rows)


def _check_line(check: Check) -> Lines:
    mark, role = {True: ("✓", "good"), False: ("✗", "fault"), None: ("·", "dim")}[check.holds]
    return Lines(
        (f"   {left(check.register, 5)} {left(check.name, 26)} ", "fg"),
        (f"{mark} ", role),
        (check.found, role if check.holds is False else "dim"),
    )
