"""The guests that ship: small cVMs and bare-metal programs, each with its sources, its build and what it prints.

``demo:NAME`` names one wherever a path is expected; ``demo:`` alone is the libhello guest.
"""

from __future__ import annotations

from pathlib import Path

from cvmdbg.target import UserError

PREFIX = "demo:"
DEFAULT = "libhello"
ROOT = Path(__file__).parent


def is_demo(name: str) -> bool:
    """Does a name mean one of these?"""
    return name.startswith(PREFIX)


def _all() -> dict[str, Path]:
    """Folders with a cvm.yaml by their name, bare-metal programs with their suffix."""
    cvms = {config.parent.name: config.parent for config in sorted(ROOT.glob("*/*/cvm.yaml"))}
    return cvms | {program.name: program for program in sorted(ROOT.glob("bare/*.elf"))}


def names() -> tuple[str, ...]:
    """What may follow ``demo:``, the default first."""
    return (DEFAULT, *(name for name in _all() if name != DEFAULT))


def path(name: str) -> Path:
    """The folder or file behind ``demo:NAME``."""
    wanted = name.removeprefix(PREFIX) or DEFAULT
    try:
        return _all()[wanted]
    except KeyError:
        raise UserError(f"there is no demo '{wanted[:40]}': expected one of {', '.join(names())}") from None
