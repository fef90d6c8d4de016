"""Options of the subcommands that run a guest, and the session that they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cvmdbg.guests.linux.opening import Root
    from cvmdbg.session import Session


RECORDING = b"SQLite format 3\0"
"""How the files of recordings begin."""


def add_root(parser: argparse.ArgumentParser) -> None:
    """The files that a Linux program sees; nothing is written back to the host."""
    parser.add_argument(
        "--rootfs", metavar="DIR|TAR|CPIO", help="the root of a Linux program: a folder or an archive, only read"
    )
    parser.add_argument(
        "--bind", dest="binds", metavar="HOST:GUEST", action="append", help="a file or folder of the host at a path"
    )
    parser.add_argument(
        "--env", dest="environment", metavar="NAME=VALUE", action="append", help="a variable of its environment"
    )
    parser.add_argument("--tty", dest="terminal", action="store_true", help="its input and output are a terminal")


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Where the run is recorded, and how threads take turns in it."""
    add_record(parser, "record nothing: there is no way back")
    parser.add_argument("--seed", metavar="N", type=_seed, default=0, help="the schedule of threads; 0 is round robin")


def add_record(parser: argparse.ArgumentParser, without: str) -> None:
    """Where the run is recorded; ``without`` says what not recording means."""
    parser.add_argument("--record", metavar="FILE", help="record into this file, which is never removed by itself")
    parser.add_argument("--no-record", action="store_true", help=without)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no seed: 0, 1, 2 …")
    return int(text)


def session(args: argparse.Namespace) -> Session:
    """The session of a parsed command line with ``path``, ``rest`` and the options above; not connected yet."""
    from cvmdbg.launch import emulated

    record = None if args.record is None else Path(args.record)
    return emulated(args.path, args.rest, record, not args.no_record, _root(args), getattr(args, "seed", 0))


def session_or_recording(args: argparse.Namespace) -> Session:
    """The same for a path that may also name a recording: its content says so."""
    from cvmdbg.launch import replayed

    path = Path(args.path)
    if path.is_file():
        with path.open("rb") as stream:
            if stream.read(len(RECORDING)) == RECORDING:
                return replayed(args.path)
    return session(args)


def _root(args: argparse.Namespace) -> Root:
    """The files of a Linux program; ``demo`` has no such options."""
    from cvmdbg.guests.linux.opening import Root

    given = {name: getattr(args, name, None) for name in ("rootfs", "binds", "environment", "terminal")}
    return Root(
        given["rootfs"] or "", tuple(given["binds"] or ()), tuple(given["environment"] or ()), bool(given["terminal"])
    )
