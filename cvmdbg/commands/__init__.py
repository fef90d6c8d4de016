"""The commands, by family; ``build_table`` makes the one table of them all."""

from __future__ import annotations

from cvmdbg.commands.table import Table


def build_table() -> Table:
    """All commands. Families are read here, so that the table's own module depends on none."""
    from cvmdbg.commands import history, info, look, running, screen, session, stack, stops

    table = Table()
    for family in (running, history, stops, look, info, stack, session, screen):
        table.add(family.COMMANDS, family.FAMILY)
    return table
