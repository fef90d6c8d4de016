"""``cvmdbg attach``: debug a live machine behind a stub of the GDB remote protocol, or behind a gdb that runs there."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cvmdbg.guest_options import add_record
from cvmdbg.guests.attached import KINDS
from cvmdbg.session import Session
from cvmdbg.target import UserError


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``attach`` to a command line; the parsed arguments go to ``session``."""
    parser = subparsers.add_parser(
        "attach",
        help="debug a live machine: a gdbserver, QEMU, a board",
        description="Debug a live machine over the GDB remote protocol, or through a gdb that runs there.",
    )
    parser.add_argument(
        "address", metavar="HOST:PORT|unix:PATH|'| COMMAND'", nargs="?", default="", help="where its stub listens"
    )
    parser.add_argument(
        "--gdb",
        metavar="PATH",
        default="",
        help="through a gdb that runs where the machine is; PATH may be a command, as 'ssh board gdb'",
    )
    parser.add_argument(
        "--gdb-arg",
        metavar="WORD",
        action="append",
        default=[],
        help="a word for that gdb, as often as needed: a program, or --gdb-arg=-p --gdb-arg=PID",
    )
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
        help="ELF files of what runs there (an Intravisor's own tells where its table of cVMs is), or the cvm.yaml (or "
        "its folder) that it was given",
    )
    parser.add_argument("--log", metavar="FILE", type=Path, help="the console log of its Intravisor")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=5.0, help="patience for an answer (5)")
    parser.add_argument(
        "--no-trace",
        action="store_true",
        help="do not stop at the entries of LibOS and monitor nor at system calls: no trace, and full speed",
    )
    add_record(parser, "keep nothing of what is seen: cvmdbg replay has nothing to show of it")
    found: argparse.ArgumentParser = parser
    return found


def session(args: argparse.Namespace) -> Session:
    """The session of a parsed command line; not connected yet."""
    from cvmdbg.launch import remote

    if not args.address and not args.gdb:
        raise UserError("attach wants an address (HOST:PORT, unix:PATH, '| COMMAND') or --gdb PATH")
    if args.gdb_arg and not args.gdb:
        raise UserError("--gdb-arg is a word for the gdb of --gdb PATH, which is missing")
    return remote(
        args.address,
        args.guest,
        tuple(args.symbols),
        args.log,
        timeout=args.timeout,
        trace=not args.no_trace,
        gdb=args.gdb,
        gdb_arguments=tuple(args.gdb_arg),
        record=None if args.record is None else Path(args.record),
        recording=not args.no_record,
    )
