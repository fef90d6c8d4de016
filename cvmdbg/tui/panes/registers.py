"""Registers: capabilities in columns, integers, vectors, system registers; what changed carries a mark."""

from __future__ import annotations

from typing import ClassVar

from cvmdbg.forms import VALUE, hexa, size_text
from cvmdbg.rows import RegisterRow
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.snapshot import Content, Look, RegistersLook
from cvmdbg.tui.spans import Line, Span, left, right
from emulator_core.capability import Capability, perm_columns, perm_letters, seal_name

MARKS = {0: "*", 1: "+"}
WIDE = 96
"""Cells from which permissions stand in 18 letters."""


class Registers(Rows):
    """``* pcc  ●  40001f47c  r-xR-E  400000000 +1G        16 syscall_handler``."""

    ident = "registers"
    title = "Registers"
    kind: ClassVar[str] = "capabilities"
    nothing = "no registers of this kind"
    views = ("what matters", "number", "changed first", "compartment")
    about = (
        "* changed at this stop, + at the one before · ● tag set, ○ clear · perms rwxRWE: load, store, execute, "
        "load and store capabilities, Executive · base +size · seal: RB, LPB, LB or s and the otype · in: compartment."
    )
    keys: ClassVar = (
        ("p Enter", "inspector"),
        ("=", "set"),
        ("x", "memory it points at"),
        ("t", "where from"),
        ("\\", "what matters first, by number, changed first, by compartment"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._all: tuple[RegisterRow, ...] = ()
        self._widths = (9, 4)

    def look(self) -> Look:
        """The registers of the selected frame."""
        return RegistersLook(self.kind)

    def key_of(self, item: RegisterRow) -> object:
        """Its name."""
        return item.name

    def take(self, content: Content) -> None:
        """In the order of the view."""
        self._all = content.rows
        tagged = (len(hexa(r.value & VALUE)) for r in content.rows if r.kind == "capability" and r.value >> 64)
        widths = (max(9, *tagged, 0), max(4, *(len(r.name) for r in content.rows), 0))
        if widths != self._widths:
            self._widths = widths
            self.redraw()
        self.replace(self._sorted())

    def review(self) -> None:
        """Sort again."""
        self.replace(self._sorted())

    def _sorted(self) -> tuple[RegisterRow, ...]:
        match self.views[self.view]:
            case "what matters" if len(self._all) > self._room():
                return tuple(sorted(self._all, key=lambda r: not _matters(r)))
            case "changed first":
                return tuple(sorted(self._all, key=lambda r: 9 if r.changed is None else r.changed))
            case "compartment":
                return tuple(sorted(self._all, key=lambda r: (r.badge == "", r.badge)))
        return self._all

    def caption(self) -> str:
        """What is shown, and the signs."""
        order = f"  by {self.views[self.view]}" if self.view else ""
        return f"{order}  * changed  ● tag".strip()

    def header(self, cells: int) -> Line:
        """Column names."""
        perms = "perms" if cells < WIDE else left("perms", 18)
        width = self._value_cells()
        pad = self._name_cells()
        head = f"  {left('reg', pad)} t {right('value', width)}  {left(perms, 6)}  {right('base', 9)} +size  "
        return ((f"{head}seal in points at", "dim"),)

    def _value_cells(self) -> int:
        return self._widths[0]

    def _name_cells(self) -> int:
        return self._widths[1]

    def draw(self, item: RegisterRow, cells: int) -> Line:
        """Capabilities in columns; a plain number by itself."""
        head = self._name_spans(item)
        whole = item.kind == "capability" and (item.value >> 64 or item.tag)
        body = self._capability(item, cells) if whole else self._number(item, cells)
        place = ((f"{right(item.badge, 2)} ", f"badge:{item.badge}"), (item.points_at, _points_role(item)))
        return (*head, *body, *place)

    def _name_spans(self, item: RegisterRow) -> tuple[Span, ...]:
        mark = MARKS.get(-1 if item.changed is None else item.changed, " ")
        name = left(item.name, self._name_cells())
        bright = item.name in ("pcc", "ddc", "csp", "pc", "sp")
        return ((f"{mark} ", "mark"), (f"{name} ", "mark" if mark == "*" else "strong" if bright else "fg"))

    def _capability(self, item: RegisterRow, cells: int) -> tuple[Span, ...]:
        cap = Capability(item.value)
        letters = perm_columns(cap.perms) if cells < WIDE else perm_letters(cap.perms)
        value = right(hexa(cap.value), self._value_cells())
        return (
            _tag(item.tag),
            (f" {value}  ", "mark" if item.changed == 0 else "fg"),
            (f"{letters}  ", "fg" if cap.tag else "dim"),
            (f"{right(hexa(cap.base), 9)} ", "fg" if cap.tag else "dim"),
            (left("+" + size_text(cap.length), 7), "fg" if cap.tag else "dim"),
            (left(seal_name(cap.otype), 4), "mnemonic"),
        )

    def _number(self, item: RegisterRow, cells: int) -> tuple[Span, ...]:
        value = hexa(item.value & VALUE) if item.kind == "capability" else hexa(item.value)
        width = self._value_cells()
        shown = right(value, width)
        perms = 6 if cells < WIDE else 18
        rest = 2 + perms + 2 + 9 + 1 + 7 + 4 - (len(shown) - width)
        dots = "  " + "·" * perms if len(shown) == width and item.kind == "capability" else ""
        filling = left(dots, max(1, rest)) if rest > 0 else " "
        return (_tag(item.tag), (f" {shown}", "mark" if item.changed == 0 else "fg"), (filling, "dim"))

    def open(self, item: RegisterRow) -> None:
        """The inspector, for capabilities."""
        if item.kind == "capability":
            self.debugger_app.inspect(f"${item.name}")

    def line_for(self, command: str) -> str | None:
        """Keys that mean the cursor's register."""
        item = self.current
        if item is None:
            return None
        lines = {
            "print": f"print ${item.name}",
            "x": f"x /8xg {item.value & VALUE:#x}",
            "origin": f"origin ${item.name}",
            "info capability": f"info capability ${item.name}",
        }
        return lines.get(command)

    def prefill_for(self, command: str) -> str | None:
        """``=`` opens the prompt on the register."""
        return f"set ${self.current.name} = " if command == "set" and self.current is not None else None


class Integers(Registers):
    """x0 … x30, flags."""

    ident = "integer"
    title = "Integer"
    kind = "integer"


class Vectors(Registers):
    """q0 … q31."""

    ident = "vector"
    title = "Vector"
    kind = "vector"


class Systems(Registers):
    """System registers."""

    ident = "system"
    title = "System"
    kind = "system"


def _matters(item: RegisterRow) -> bool:
    """Is it worth a row where rows are short: the machine's own, a capability, or changed at this stop?"""
    return item.name in ("pcc", "ddc", "csp", "ctpidr") or bool(item.tag) or item.changed == 0


def _tag(tag: bool | None) -> Span:
    """The tag's sign."""
    return {True: ("●", "good"), False: ("○", "dim"), None: (" ", "dim")}[tag]


def _points_role(item: RegisterRow) -> str:
    return "symbol" if item.badge else "dim"
