"""The capfiles of a cvm.yaml in memory: buffers of the monitor that cVMs find by name.

Source: Intravisor src/host_cap_files.c and parse_and_spawn_yaml. The original's malloc puts them anywhere; here they
lie one after the other, each from a page on, at ``START``.
"""

from __future__ import annotations

from collections.abc import Iterator

from cvmdbg.guests.guest import Part
from cvmdbg.guests.intravisor.config import Config, ConfigError
from cvmdbg.guests.intravisor.layout import PAGE
from cvmdbg.guests.intravisor.state import Advertised
from sessions.event import Effect, Map, MemoryWrite

START = 0x1000000
MAX_TOTAL = 64 << 20
NAME_LENGTH = 9
"""Keys are cut to so many characters when they are advertised; a longer one is never found again."""


def cut(key: str) -> str:
    """A key as the monitor's table keeps it."""
    return key[:NAME_LENGTH]


def matches(kept: str, key: str) -> bool:
    """strncmp over ten characters, one more than are kept."""
    return kept == key[: NAME_LENGTH + 1]


def advertised(config: Config) -> list[Advertised]:
    """What the table holds when the first cVM begins."""
    found, address = [], START
    for file in config.capfiles:
        if not 0 <= file.size <= MAX_TOTAL or address + file.size > START + MAX_TOTAL:
            raise ConfigError(
                f"{config.file}:{file.line}: capfile of {file.size:#x} bytes: expected at most {MAX_TOTAL:#x} in all"
            )
        found.append(Advertised(cut(file.name or "(null)"), address, file.size))
        address += _pages(file.size)
    return found


def memory(config: Config, files: list[Advertised]) -> Iterator[Effect]:
    """Their pages, with what the cvm.yaml puts there: a C string, cut to the size."""
    for file, made in zip(config.capfiles, files, strict=True):
        if made.size:
            yield Map(made.address, _pages(made.size), "rw")
        content = (file.data or "").encode("utf-8", "surrogateescape")[: max(made.size - 1, 0)]
        if content:
            yield MemoryWrite(made.address, content)


def lines(config: Config) -> tuple[str, ...]:
    """What the monitor says about them."""
    said = "capfiles with pre-defined addresses are not supported"
    return tuple(said for file in config.capfiles if file.addr)


def parts(files: list[Advertised]) -> tuple[Part, ...]:
    """Those of the cvm.yaml as parts of the monitor; what a cVM advertised lies in that cVM."""
    own = [file for file in files if START <= file.address < START + MAX_TOTAL and file.size > 0]
    return tuple(Part(f"capfile {f.name}", "heap", f.address, _pages(f.size), "rw-", "rw-") for f in own)


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE
