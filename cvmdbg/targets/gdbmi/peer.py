"""What a gdb says of its program: mappings, and the files that lie in them."""

from __future__ import annotations

import re
from pathlib import Path

from cvmdbg.guests.attached import Library, Peer
from cvmdbg.target import Region
from cvmdbg.targets.gdbmi.talk import Gdb, Refused, is_far

_MAPPING = re.compile(
    r"^\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+0x[0-9a-f]+\s+0x[0-9a-f]+[ \t]+"
    r"([r-][w-][x-]\S*)[ \t]*(?:[A-Z-]{2,}[ \t]+)?(\S.*)?$",
    re.MULTILINE,
)
"""Linux: start, end, size, offset, permissions, file; FreeBSD has a column of flags (``CN--``) before the file."""
_EXE = re.compile(r"^exe = '(.*)'", re.MULTILINE)
MAX_REGIONS = 4096
MAX_FILE = 1 << 28

Mapping = tuple[int, int, str, str]


def mappings(gdb: Gdb) -> list[Mapping]:
    """Begin, end, rights and file of each; none where this gdb does not tell them, or not their rights."""
    try:
        text = gdb.console("info proc mappings")
    except Refused:
        return []
    found = [(int(m[1], 16), int(m[2], 16), _rights(m[3]), (m[4] or "").strip()) for m in _MAPPING.finditer(text)]
    return [one for one in found if one[0] < one[1] <= 1 << 64][:MAX_REGIONS]


def regions(gdb: Gdb) -> tuple[Region, ...]:
    """What is mapped."""
    return tuple(Region(begin, end - begin, rights) for begin, end, rights, _ in mappings(gdb))


def _rights(text: str) -> str:
    return "".join(letter for letter in "rwx" if letter in text[:3])


def peer(gdb: Gdb, name: str, command: str) -> Peer:
    """What there is of the program; its files are read here only when the gdb runs here."""
    known = mappings(gdb)
    first: dict[str, int] = {}
    for begin, _, _, path in known:
        if path.startswith("/"):
            first[path] = min(begin, first.get(path, begin))
    runs = {path for _, _, rights, path in known if "x" in rights}
    program = _program(gdb)
    libraries = tuple(Library(path, at) for path, at in first.items() if path in runs and path != program)
    far = is_far(command)
    return Peer(name, libraries, program, first.get(program), 0, lambda path: None if far else _content(path))


def _program(gdb: Gdb) -> str:
    try:
        found = _EXE.search(gdb.console("info proc exe"))
    except Refused:
        return ""
    return found[1] if found is not None else ""


def _content(path: str) -> bytes | None:
    try:
        file = Path(path)
        return file.read_bytes() if file.is_file() and file.stat().st_size <= MAX_FILE else None
    except OSError:
        return None
