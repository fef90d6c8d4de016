"""The call stack across compartments: a dim line where one frame was entered from another compartment."""

from __future__ import annotations

from typing import Any, ClassVar

from cvmdbg.forms import hexa
from cvmdbg.rows import FrameRow, LocalRow
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import Content, FramesLook, LocalsLook, Look
from cvmdbg.tui.spans import Line, left, right


class Backtrace(Rows):
    """``▶ 0 16 syscall_handler       40001f47c libos``."""

    ident = "backtrace"
    title = "Backtrace"
    nothing = "no frame is known"
    about = (
        "Innermost first. A dim line names the crossing between frames of different compartments; "
        "? marks a frame found without call frame information."
    )
    keys: ClassVar = (("Enter", "select the frame: Code, Registers and locals follow"), ("u d", "up, down"))

    def look(self) -> Look:
        """The selected thread's frames."""
        return FramesLook()

    def take(self, content: Content) -> None:
        """Frames, with the lines of crossings between them; the cursor stands on the selected one."""
        rows: list[Any] = []
        for frame in content.rows:
            if frame.crossing:
                rows.append(frame.crossing)
            rows.append(frame)
        selected = next((i for i, r in enumerate(rows) if isinstance(r, FrameRow) and r.selected), None)
        self.replace(rows)
        self.stand_on(selected)

    def key_of(self, item: Any) -> object:
        """Frame numbers."""
        return item.number if isinstance(item, FrameRow) else None

    def caption(self) -> str:
        """How many frames."""
        return ""

    def marked(self, index: int) -> bool:
        """The selected frame."""
        item = self.item(index)
        return isinstance(item, FrameRow) and item.selected

    def draw(self, item: Any, cells: int) -> Line:
        """A frame, or the crossing between two."""
        if isinstance(item, str):
            return ((f"    ╌╌ {item} ╌╌", "dim"),)
        name = item.function + ("" if item.sure else "?")
        room = max(12, min(24, cells - 28)) if cells < 70 else 30
        where = item.source if cells >= 70 and item.source else item.module
        return (
            ("▶" if item.selected else " ", "mark"),
            (f"{right(str(item.number), 2)} ", "fg"),
            (f"{right(item.badge, 2)} ", f"badge:{item.badge}"),
            (f"{left(name, room)} ", "symbol"),
            (f"{right(hexa(item.address), 9)} ", "fg"),
            (where, "dim"),
        )

    def open(self, item: Any) -> None:
        """Select the frame."""
        if isinstance(item, FrameRow):
            self.debugger_app.submit(f"frame {item.number}")


class Locals(Rows):
    """Arguments and locals of the selected frame."""

    ident = "locals"
    title = "Locals"
    nothing = "this frame has no arguments and no locals"
    about = "Arguments and locals of the selected frame, as its debug information describes them."
    keys: ClassVar = (("p Enter", "print it"), ("=", "set it"))

    def look(self) -> Look:
        """The frame's variables."""
        return LocalsLook()

    def key_of(self, item: LocalRow) -> object:
        """Its name."""
        return item.name

    def draw(self, item: LocalRow, cells: int) -> Line:
        """``name = value   type``."""
        name = left(item.name, max(8, min(16, max((len(r.name) for r in self.items), default=8))))
        role = "mnemonic" if item.kind == "argument" else "symbol"
        return ((f" {name} ", role), (f"= {item.value}", "fg"), (f"   {item.type}", "dim"))

    def open(self, item: LocalRow) -> None:
        """Print it."""
        self.debugger_app.submit(f"print {item.name}", "prompt")

    def line_for(self, command: str) -> str | None:
        """The variable under the cursor."""
        return f"print {self.current.name}" if command == "print" and self.current is not None else None

    def prefill_for(self, command: str) -> str | None:
        """``=`` opens the prompt on it."""
        return f"set var {self.current.name} = " if command == "set" and self.current is not None else None
