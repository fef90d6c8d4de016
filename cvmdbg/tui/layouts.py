"""Saved layouts: workspace, front tabs, hidden boxes and sizes, one JSON file each in the state folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

MAX_BYTES = 1 << 16


@dataclass(frozen=True)
class Kept:
    """What a layout is made of."""

    workspace: str
    front: dict[str, str]
    hidden: tuple[str, ...]
    scale: dict[str, float]


def _path(folder: Path, name: str) -> Path:
    return folder / "layouts" / f"{name}.json"


def save(folder: Path | None, name: str, kept: Kept) -> None:
    """Write a layout."""
    if folder is not None:
        path = _path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(kept), indent=1) + "\n", encoding="utf-8")


def load(folder: Path | None, name: str) -> Kept | None:
    """Read a layout; None when there is none of the name or the file is not one."""
    if folder is None or not name.isidentifier() or not _path(folder, name).is_file():
        return None
    with _path(folder, name).open("rb") as file:
        content = file.read(MAX_BYTES)
    try:
        found = json.loads(content)
        return Kept(
            str(found["workspace"]),
            {str(k): str(v) for k, v in found["front"].items()},
            tuple(str(word) for word in found["hidden"]),
            {str(k): min(5.0, max(0.2, float(v))) for k, v in found["scale"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def names(folder: Path | None) -> tuple[str, ...]:
    """The names of saved layouts."""
    return () if folder is None else tuple(sorted(path.stem for path in (folder / "layouts").glob("*.json")))
