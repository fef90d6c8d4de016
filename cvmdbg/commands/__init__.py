"""The commands, by family; ``build_table`` makes the one table of them all."""

from __future__ import annotations

from cvmdbg.commands.table import Table


def build_table() -> Table:
    """All commands. Families are read here, so that the table's own module depends on none."""
    from cvmdbg.commands import (
        asking,
        code,
        history,
        info,
        memory,
        running,
        screen,
        session,
        stack,
        stops,
        target,
        values,
    )

    table = Table()
    for family in (running, history, asking, stops, values, memory, code, info, stack, session, target, screen):
        table.add(family.COMMANDS, family.FAMILY)
    return table
