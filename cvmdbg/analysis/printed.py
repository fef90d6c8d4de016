"""Relocations as the guest's loader printed them, each with the slot that it filled."""

from __future__ import annotations

from collections.abc import Iterator

from cvmdbg.debugger import Debugger
from cvmdbg.guests.intravisor.imported.forms import known
from cvmdbg.rows import OutputRow, PrintedRelocation

LINES = ("CAPINIT:", "RELATIVE:")


def printed_relocations(debugger: Debugger) -> tuple[PrintedRelocation, ...]:
    """Those that the console holds, in the order in which they were done."""
    return tuple(_rows(debugger, debugger.console.rows()))


def _rows(debugger: Debugger, printed: tuple[OutputRow, ...]) -> Iterator[PrintedRelocation]:
    number = 0
    for row in printed:
        found = known(row.line) if row.source == "guest" and row.line.startswith(LINES) else None
        if found is None:
            continue
        number += 1
        value, slot = int(found.values["value"]), int(found.values["slot"])
        kind, tag = found.form.name.upper(), bool(found.values["tag"])
        named = debugger.symbols.name_at(value & ~1)
        text = named.text if named is not None else _module(debugger, value)
        badge = debugger.places.badge(value)
        yield PrintedRelocation(number, _module(debugger, slot), kind, slot, value, tag, badge, text, row.tick)


def _module(debugger: Debugger, address: int) -> str:
    """The module that holds an address: its name, its base where the name is not known."""
    entry = debugger.symbols.module_at(address)
    if entry is None:
        return debugger.places.object_text(address) or "?"
    return entry.module.name if entry.module.name != "?" else f"{entry.module.base:x}"
