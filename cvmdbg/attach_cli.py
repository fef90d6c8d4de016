"""``cvmdbg attach ADDRESS``: debug a live machine behind a stub of the GDB remote protocol."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cvmdbg.guests.attached import KINDS
from cvmdbg.session import Session


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``attach`` to a command line; the parsed arguments go to ``session``."""
    parser = subparsers.add_parser(
        "attach",
        help="debug a live machine: a gdbserver, QEMU, a board",
        description="Debug a live machine over the GDB remote protocol.",
    )
    parser.add_argument("address", metavar="HOST:PORT|unix:PATH|'| COMMAND'", help="where its stub listens")
    parser.add_argument(
        "--guest", choices=KINDS, default="auto", help="what runs there; auto looks at the other options"
    )
    parser.add_argument(
        "--symbols",
        metavar="PATH",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        help="ELF files of what runs there, or the cvm.yaml (or its folder) that its Intravisor was given",
    )
    parser.add_argument("--log", metavar="FILE", type=Path, help="the console log of its Intravisor")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=5.0, help="patience for an answer (5)")
    parser.add_argument(
        "--no-trace", action="store_true", help="do not stop at the entries of LibOS and monitor to trace crossings"
    )
    found: argparse.ArgumentParser = parser
    return found


def session(args: argparse.Namespace) -> Session:
    """The session of a parsed command line; not connected yet."""
    from cvmdbg.launch import remote

    return remote(
        args.address, args.guest, tuple(args.symbols), args.log, timeout=args.timeout, trace=not args.no_trace
    )
