"""``libos_debug.so`` beside ``libos.so``: symbol files that are found and checked without being asked for."""

from __future__ import annotations

from pathlib import Path

from cvmdbg.elf import MAX_FILE, ElfImage
from cvmdbg.symbols import Loaded, check_twin
from cvmdbg.target import UserError

SUFFIX = "_debug"


def adopt(entry: Loaded, directories: str) -> str | None:
    """Lend a module the twin that lies in one of the folders; what there is to say about it, None when there is none.

    A file of that name which belongs to another build is not used, and the sentence says so.
    """
    if entry.image is None or entry.twin is not None or (entry.debug is not None and entry.debug.present):
        return None
    for folder in directories.split(":"):
        path = _twin_path(Path(folder), entry.module.name) if folder else None
        if path is not None:
            return _lend(entry, path)
    return None


def _twin_path(folder: Path, name: str) -> Path | None:
    stem, dot, suffix = name.partition(".")
    path = folder / f"{stem}{SUFFIX}{dot}{suffix}"
    try:
        return path if path.is_file() and path.stat().st_size <= MAX_FILE else None
    except OSError:
        return None


def _lend(entry: Loaded, path: Path) -> str:
    try:
        twin = ElfImage(path.read_bytes(), path.name)
        why = check_twin(entry, twin)
    except (UserError, OSError) as error:
        return f"symbols of {entry.module.name}: {error}"
    entry.lend(twin)
    return f"symbols of {entry.module.name} come from {path.name}: {why}"
