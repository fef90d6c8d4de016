"""``cvmdbg sessions`` lists, verifies, trims and removes recordings; ``cvmdbg diff`` compares two."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvmdbg.target import ReplayDivergence, UserError

if TYPE_CHECKING:
    from sessions.reader import Recording

OBSERVED = "observed"
VERBS = {
    "list": "what each holds (the default)",
    "verify": "replay it and compare the digests at all checkpoints",
    "trim": "remove the oldest until what is kept is within the stated limits",
    "remove": "remove the files that are named",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``sessions`` and ``diff`` to a command line."""
    sessions = subparsers.add_parser("sessions", help="list, verify, trim and remove recordings")
    sessions.add_argument("--json", action="store_true", help="one JSON array of rows")
    sessions.set_defaults(act=main, verb="list", files=[])
    verbs = sessions.add_subparsers(metavar="VERB")
    for verb, about in VERBS.items():
        words = verbs.add_parser(verb, help=about)
        if verb != "trim":
            some = "+" if verb == "remove" else "*"
            words.add_argument("files", nargs=some, metavar="FILE", help="a recording; without any all that are kept")
        words.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON array of rows")
        words.set_defaults(verb=verb)
    diff = subparsers.add_parser("diff", help="where two recordings differ first, and how")
    diff.add_argument("first", metavar="A")
    diff.add_argument("second", metavar="B")
    diff.add_argument("--json", action="store_true", help="one JSON object")
    diff.set_defaults(act=compare)


def main(arguments: argparse.Namespace) -> int:
    """Carry out one verb; status 1 when a recording does not hold."""
    from cvmdbg import recordings

    place = recordings.folder()
    chosen = [_existing(place, name) for name in arguments.files]
    kept = chosen or sorted(recordings.files(place), key=lambda path: path.stat().st_mtime)
    rows = _VERBS[arguments.verb](kept)
    _print(rows, arguments.json, f"no recordings in {place}" if not kept else "nothing had to go")
    return 0 if all(row.get("ok", True) for row in rows) else 1


def _existing(place: Path, name: str) -> Path:
    for path in (Path(name), place / name):
        if path.is_file():
            return path
    raise UserError(f"{name}: there is no such recording, here or in {place}")


def _print(rows: list[dict[str, Any]], as_json: bool, empty: str) -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(row["text"])
    if not rows:
        print(empty)


# ---- verbs ----


def _list(paths: list[Path]) -> list[dict[str, Any]]:
    return [_row(path, _describe) for path in reversed(paths)]


def _verify(paths: list[Path]) -> list[dict[str, Any]]:
    return [_row(path, _replay) for path in paths]


def _trim(_: list[Path]) -> list[dict[str, Any]]:
    from cvmdbg import recordings
    from cvmdbg.settings import Settings

    gone = recordings.Recordings(Settings()).prune(recordings.folder(), coming=0)
    return [{"file": str(path), "text": f"removed {path.name}"} for path in gone]


def _remove(paths: list[Path]) -> list[dict[str, Any]]:
    from sessions.files import is_written, remove

    for path in paths:
        if is_written(path):
            raise UserError(f"{path.name} is being written by another program; nothing was removed")
    for path in paths:
        remove(path)
    return [{"file": str(path), "text": f"removed {path.name}"} for path in paths]


_VERBS: dict[str, Callable[[list[Path]], list[dict[str, Any]]]] = {
    "list": _list,
    "verify": _verify,
    "trim": _trim,
    "remove": _remove,
}


def _row(path: Path, about: Callable[[Recording], dict[str, Any]]) -> dict[str, Any]:
    """What is said of one file; a damaged one is a row too."""
    from cvmdbg.launch import opened

    size = path.stat().st_size
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
    row: dict[str, Any] = {"file": str(path), "bytes": size, "date": date}
    try:
        recording = opened(path)
        try:
            row |= about(recording)
        finally:
            recording.close()
    except UserError as error:
        row |= {"ok": False, "says": str(error)}
    row["text"] = f"{path.name:<44} {date} {size / 1e6:>8.1f} MB  {row['says']}"
    return row


def _describe(recording: Recording) -> dict[str, Any]:
    end = recording.end
    long = f"{end.tick} ticks, {end.event} events" if recording.kind != OBSERVED else f"{end.tick + 1} stops"
    said = f"{recording.kind} {recording.facts.get('title', '')}, {long}"
    if recording.lost:
        said += f"; {recording.lost}"
    return {"kind": recording.kind, "end": end.tick, "events": end.event, "lost": recording.lost, "says": said}


def _replay(recording: Recording) -> dict[str, Any]:
    """Replay all of it; what was only seen is read to its end."""
    from cvmdbg.target import TargetError
    from cvmdbg.targets.replay import verified

    if recording.kind == OBSERVED:
        return _read_through(recording)
    try:
        equal = verified(recording)
    except ReplayDivergence as error:
        return {"ok": False, "says": str(error)}
    except TargetError as error:
        return {"ok": False, "says": str(error)}
    return {"ok": True, "equal": equal, "says": f"replays to the same digest at all {equal} checkpoints"}


def _read_through(recording: Recording) -> dict[str, Any]:
    from cvmdbg.launch import recalled
    from cvmdbg.target import TargetError

    try:
        moments = recalled(recording).moments
        for position in moments.steps:
            moments.seen(position)
            moments.modules(position)
    except TargetError as error:
        return {"ok": False, "says": str(error)}
    return {"ok": True, "stops": len(moments.steps), "says": f"all {len(moments.steps)} stops can be read"}


# ---- diff ----


def compare(arguments: argparse.Namespace) -> int:
    """The first difference; status 1 when there is one."""
    from cvmdbg.launch import opened
    from cvmdbg.targets.comparing import first_difference

    recordings = [opened(Path(name)) for name in (arguments.first, arguments.second)]
    for recording in recordings:
        if recording.kind == OBSERVED:
            raise UserError(f"{recording.path.name} tells what was seen: there is nothing to execute and compare")
    found = first_difference(*recordings)
    if arguments.json:
        print(json.dumps(found.value if found is not None else None, indent=1))
    else:
        print("\n".join(found.lines) if found is not None else "the recordings are equal")
    return 0 if found is None else 1
