"""Memory by granules of 16 bytes: tag, bytes, and the capability or the text."""

from __future__ import annotations

from typing import ClassVar

from cvmdbg.forms import hexa
from cvmdbg.rows import MemoryRow
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import GRANULE, Content, Look, MemoryLook
from cvmdbg.tui.spans import Line, Span, right


class Memory(Rows):
    """``47fffb840 ● b0f20840 04000000 07c05f72 00400180  44008f2b0 [r,+21]``."""

    ident = "memory"
    title = "Memory"
    nothing = "nothing to show"
    views = ("bytes", "words", "long words")
    about = "● tag set, ○ clear, ? not read · 16 bytes · the capability of a tagged granule, else text. * changed."
    keys: ClassVar = (("Enter", "follow the capability"), ("=", "write"), ("g", "go to an address"), ("\\", "format"))

    def __init__(self) -> None:
        super().__init__()
        self.address: int | None = None
        self.at: int | None = None
        self._before: dict[int, MemoryRow] = {}
        self._now: dict[int, MemoryRow] = {}
        self._shown: set[int] = set()

    def look(self) -> Look:
        """Three screens around the address, or around the stack pointer as long as nobody asked for another."""
        rows = max(4, self.height_cells)
        return MemoryLook(self.address, rows, 3 * rows)

    def go(self, address: int) -> None:
        """Show an address at the top."""
        self.address = address
        self.cursor = self.top = 0
        self._shown.clear()
        self.debugger_app.ask(self)

    def new_stop(self) -> None:
        """What is shown becomes what changes are told against."""
        self._before = dict(self._now)

    def take(self, content: Content) -> None:
        """Rows around the address: the cursor keeps its own."""
        at = int(content.title or "0", 16)
        self.at = at if content.title else None
        wanted = self.current.address if self.current is not None and at in self._shown else at & -GRANULE
        self._shown = {at}
        offset = self.cursor - self.top
        self._now = {row.address: row for row in content.rows}
        self.items = content.rows
        index = next((i for i, r in enumerate(content.rows) if r.address == wanted), 0)
        self.top, self.cursor = max(0, index - offset), index
        self._clamp()
        self.redraw()

    def move_to(self, index: int) -> None:
        """Move; near an end, load around the cursor."""
        super().move_to(index)
        item = self.current
        if item is not None and (index < 2 or index > len(self.items) - 3) and len(self.items) > 4:
            self.address = item.address
            self._shown.add(item.address)
            self.debugger_app.ask(self)

    def caption(self) -> str:
        """Where."""
        if self.at is None:
            return self.views[self.view]
        return f"{'csp ' if self.address is None else ''}{hexa(self.at)}  {self.views[self.view]}"

    def draw(self, item: MemoryRow, cells: int) -> Line:
        """One granule."""
        address = (f" {right(hexa(item.address), 10)} ", "fg")
        if item.content is None:
            return (address, (f"  {item.shown}", "dim"))
        mark: Span = {True: ("● ", "good"), False: ("○ ", "dim"), None: ("? ", "dim")}[item.tag]
        return (address, mark, *self._bytes(item), ("  ", "fg"), (item.shown, "symbol" if item.tag else "dim"))

    def _bytes(self, item: MemoryRow) -> tuple[Span, ...]:
        """Bytes in groups; those that changed since the last stop in reverse."""
        assert item.content is not None
        before = self._before.get(item.address)
        old = before.content if before is not None and before.content is not None else item.content
        size = {"bytes": 4, "words": 4, "long words": 8}[self.views[self.view]]
        spans: list[Span] = []
        for begin in range(0, GRANULE, size):
            group, was = item.content[begin : begin + size], old[begin : begin + size]
            text = group.hex() if self.view == 0 else group[::-1].hex()
            spans.append((text, "fg" if group == was else "reverse:mark"))
            spans.append((" ", "fg"))
        return tuple(spans[:-1])

    def open(self, item: MemoryRow) -> None:
        """Follow the capability in it."""
        if item.tag and item.capability is not None:
            self.debugger_app.inspect(f"*(void * __capability *){item.address:#x}", item.capability)
        else:
            self.debugger_app.say("no capability here: the granule's tag is clear")

    def prefill_for(self, command: str) -> str | None:
        """``=`` writes at the cursor, ``g`` goes."""
        if command == "set" and self.current is not None:
            return f"set *(long *){self.current.address:#x} = "
        return "x /8xg " if command == "goto" else None
