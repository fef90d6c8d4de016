"""The debug information of one file, behind guards against broken content."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from cvmdbg.dwarf.frames import CallFrames, FrameRule
from cvmdbg.dwarf.functions import FunctionInfo, Functions, Variable
from cvmdbg.dwarf.lines import Line, LineTable
from cvmdbg.elf import ElfImage, careful
from cvmdbg.types_c import CType


class DebugInfo:
    """Lines, functions, types and frames of a file; every method may raise UserError naming the file."""

    def __init__(self, image: ElfImage) -> None:
        self.image = image
        self.name = image.name

    @cached_property
    def present(self) -> bool:
        """Does the file carry DWARF (more than frames)?"""
        return careful(f"{self.name}: sections", lambda: bool(self.image.raw.has_dwarf_info(strict=True)))

    @cached_property
    def _dwarf(self) -> Any:
        return careful(f"{self.name}: DWARF", lambda: self.image.raw.get_dwarf_info(relocate_dwarf_sections=False))

    @cached_property
    def lines(self) -> LineTable:
        """The line table, read."""
        table = LineTable(self._dwarf)
        careful(f"{self.name}: line table", lambda: table.rows)
        return table

    @cached_property
    def functions(self) -> Functions:
        """Functions and variables, read."""
        return careful(f"{self.name}: DWARF entries", self._read_functions)

    def _read_functions(self) -> Functions:
        functions = Functions(self._dwarf)
        assert functions.all is not None
        return functions

    @cached_property
    def frames(self) -> CallFrames:
        """Call frames."""
        return CallFrames(self._dwarf)

    # ---- short ways ----

    def line_at(self, address: int) -> Line | None:
        """The line row of an address of the file; None without DWARF."""
        return self.lines.at(address) if self.present else None

    def function_at(self, address: int) -> FunctionInfo | None:
        """The function that holds an address; None without DWARF."""
        return self.functions.at(address) if self.present else None

    def rule_at(self, address: int) -> FrameRule | None:
        """The frame rule of an address."""
        return careful(f"{self.name}: call frames", lambda: self.frames.rule(address))

    def variable(self, name: str) -> Variable | None:
        """A file variable; external ones first."""
        if not self.present:
            return None
        found = sorted(self.functions.variables(name), key=lambda v: not v.external)
        return found[0] if found else None

    def type_named(self, name: str, kind: str = "") -> CType | None:
        """A type by name."""
        return self.functions.type_named(name, kind) if self.present else None
