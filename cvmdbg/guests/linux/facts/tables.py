"""Reading the tables: rows of a .tsv beside this file, its first line names the columns."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

ABIS = ("aarch64", "x86_64")


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of ``name.tsv`` by column; missing cells at the end of a line are empty."""
    text = files(__package__).joinpath(f"{name}.tsv").read_text("utf-8")
    head, *lines = text.splitlines()
    columns = head.split("\t")
    return tuple(
        dict(zip(columns, [*cells, *[""] * (len(columns) - len(cells))], strict=True))
        for cells in (line.split("\t") for line in lines)
    )


def number(cell: str) -> int | None:
    """A number, None for ``-``."""
    return None if cell == "-" else int(cell, 0)
