"""Call frame information: how to find the caller's registers at an address."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from functools import cached_property
from typing import Any

CFA_REGISTER = 31  # SP in AArch64 DWARF numbering
RETURN_REGISTER = 30


@dataclass(frozen=True, slots=True)
class FrameRule:
    """The CFA is ``register`` + ``offset``; ``saved`` maps register numbers to offsets from the CFA."""

    register: int
    offset: int
    saved: dict[int, int]
    return_register: int


class CallFrames:
    """The frame rules of one file, from .eh_frame and .debug_frame."""

    def __init__(self, dwarf: Any) -> None:
        self._dwarf = dwarf

    @cached_property
    def _entries(self) -> list[tuple[int, int, Any]]:
        entries: list[Any] = []
        if self._dwarf.has_EH_CFI():
            entries.extend(self._dwarf.EH_CFI_entries())
        if self._dwarf.has_CFI():
            entries.extend(self._dwarf.CFI_entries())
        found = [
            (e.header["initial_location"], e.header["initial_location"] + e.header["address_range"], e)
            for e in entries
            if type(e).__name__ == "FDE"
        ]
        return sorted(found, key=lambda item: item[0])

    def rule(self, address: int) -> FrameRule | None:
        """The rule at an address; None where nothing describes it, or describes it by an expression."""
        entries = self._entries
        index = bisect.bisect_right(entries, address, key=lambda item: item[0]) - 1
        if index < 0 or address >= entries[index][1]:
            return None
        entry = entries[index][2]
        row: Any = None
        for candidate in entry.get_decoded().table:
            if candidate["pc"] > address:
                break
            row = candidate
        if row is None or row["cfa"].expr is not None:
            return None
        saved = {number: rule.arg for number, rule in row.items() if isinstance(number, int) and rule.type == "OFFSET"}
        return FrameRule(row["cfa"].reg, row["cfa"].offset, saved, entry.cie.header["return_address_register"])
