"""``cvmdbg serve PATH --gdb HOST:PORT``: a gdb or lldb debugs the guest, no screen of our own."""

from __future__ import annotations

import argparse

from cvmdbg import guest_options
from cvmdbg.commands.target import CLIENTS


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``serve`` to a command line; the parsed arguments go to ``main``."""
    parser = subparsers.add_parser(
        "serve",
        help="let a gdb or lldb debug a guest",
        description="Let a gdb or lldb debug a guest. Words behind -- are the guest's arguments.",
    )
    parser.add_argument("path", metavar="PATH", help="what run takes, or a recording")
    parser.add_argument("--gdb", metavar="HOST:PORT", required=True, help="where to listen; unix:PATH is a Unix socket")
    parser.add_argument(
        "--client",
        choices=CLIENTS,
        default="auto",
        help="morello: capability registers as CTSRD's gdb has them; lldb-morello: registers of 129 bits; "
        "auto and stock: numbers of 128 bits and their tags apart",
    )
    parser.add_argument(
        "--beyond-loopback",
        action="store_true",
        help="let other machines connect: whoever does has all power over the guest, and the link has no password",
    )
    parser.add_argument("--once", action="store_true", help="end when the first client has left")
    guest_options.add_root(parser)
    guest_options.add_recording(parser)


def main(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C, or with --once until the client has left; the exit status."""
    from cvmdbg.batch import run_server
    from cvmdbg.servers.gdb import listen, turns

    session = guest_options.session_or_recording(args)
    session.connect()
    listener = listen(session, args.gdb, args.client, args.beyond_loopback)
    print(f"listening on {listener.address}", flush=True)
    return run_server(session, turns(session, listener, args.once))
