"""The command reference, made from the table: ``python -m cvmdbg.commands.reference > docs/commands.md``."""

from __future__ import annotations

from cvmdbg.commands import build_table
from cvmdbg.commands.table import NEEDS, Command
from cvmdbg.settings import SETTINGS

_HEAD = """# Commands

Made from the command table by `python -m cvmdbg.commands.reference`; a test fails when it is stale.

A command may be shortened: gdb's one-letter names win, then the short forms below, then any unique beginning. An empty
line repeats `continue`, `next`, `step` and their like. Keys are those of the default preset.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _keys(row: Command) -> str:
    return " ".join(f"`{_cell(key)}`" for key in row.keys)


def _needs(row: Command) -> str:
    return ", ".join(NEEDS[letter] for letter in row.needs.replace(" ", "") if letter in NEEDS)


def _section(row: Command) -> list[str]:
    lines = [f"### {row.name}", "", f"`{row.usage}`: {row.one_line}.", ""]
    if row.help:
        lines += [row.help, ""]
    facts = [
        ("Short", ", ".join(f"`{short}`" for short in row.abbreviations)),
        ("Keys", _keys(row)),
        ("Needs", _needs(row)),
        ("Examples", ", ".join(f"`{example}`" for example in row.examples)),
    ]
    lines += [f"- {name}: {text}" for name, text in facts if text]
    return [*lines, ""] if lines[-1] else lines


def reference() -> str:
    """All of it, as Markdown."""
    rows = list(build_table())
    lines = [_HEAD, "| command | short | keys | one line |", "|---|---|---|---|"]
    for row in rows:
        short = ", ".join(f"`{s}`" for s in row.abbreviations)
        lines.append(
            f"| [{row.name}](#{row.name.replace(' ', '-')}) | {short} | {_keys(row)} | {_cell(row.one_line)} |"
        )
    family = ""
    for row in rows:
        if row.family != family:
            family = row.family
            lines += ["", f"## {family.capitalize()}", ""]
        lines += _section(row)
    lines += ["## Settings", "", "| setting | values | default | what it does |", "|---|---|---|---|"]
    lines += [f"| {s.name} | {_cell(s.kind)} | {s.default or '(empty)'} | {_cell(s.about)} |" for s in SETTINGS]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    print(reference(), end="")
