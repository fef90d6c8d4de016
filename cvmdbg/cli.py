"""The command line: the composition root, the only place that names the targets and the screen."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cvmdbg import attach_cli, guest_options
from cvmdbg.target import TargetError, UserError

if TYPE_CHECKING:
    from cvmdbg.session import Session

TOOLS = tuple(f"cvmdbg.{n}" for n in ("recordings_cli", "serve_cli", "cap", "isa_cli", "strace_cli", "bench"))
COLLECTING = (50_000, 20, 50)
"""Thresholds of the collector of cycles: events and calls come in masses, and none is part of one."""
EPILOG = "PATH is a folder with a cvm.yaml, a cvm.yaml, a bare-metal or Linux ELF file, or demo:NAME."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; exit status 0, 1 after a mistake of the user, 2 when a target failed."""
    gc.set_threshold(*COLLECTING)
    words = list(sys.argv[1:] if arguments is None else arguments)
    words, rest = _split(words)
    parser = _parser()
    try:
        args = parser.parse_args(words)
        args.rest = rest
        if args.tool is None:
            parser.print_help()
            return 1
        return int(args.act(args))
    except UserError as error:
        print(f"cvmdbg: {error}", file=sys.stderr)
        return 1
    except TargetError as error:
        print(f"cvmdbg: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """What stands behind ``--`` belongs to the guest."""
    if "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return words, []


class _Parser(argparse.ArgumentParser):
    """Mistakes end with status 1, as all mistakes of the user do."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(1, f"{self.prog}: {message}; {self.prog} -h tells more\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="cvmdbg", description="A debugger for compartmentalized guests.", epilog=EPILOG)
    parser.add_argument("--version", action="version", version=_version())
    tools = parser.add_subparsers(dest="tool", metavar="COMMAND", parser_class=_Parser)
    demo = tools.add_parser("demo", help="debug a guest that ships with cvmdbg")
    demo.add_argument("name", nargs="?", default="", help="which one; without it the default")
    demo.set_defaults(act=_demo)
    _engine_option(demo)
    _session_options(demo)
    guest_options.add_recording(demo)
    run = tools.add_parser("run", help="debug a guest", epilog=EPILOG + " Words behind -- are its arguments.")
    run.add_argument("path", metavar="PATH")
    run.set_defaults(act=_run)
    _engine_option(run)
    guest_options.add_root(run)
    _session_options(run)
    guest_options.add_recording(run)
    replay = tools.add_parser("replay", help="debug post mortem what was recorded, or the console log of a real run")
    replay.add_argument("path", metavar="FILE", help="its content says what it is")
    replay.set_defaults(act=_replay)
    _session_options(replay)
    attach = attach_cli.add_parser(tools)
    attach.set_defaults(act=_attach)
    _session_options(attach)
    doctor = tools.add_parser("doctor", help="say what this installation is and whether it works")
    doctor.add_argument("--json", action="store_true", help="one JSON object")
    doctor.set_defaults(act=_doctor)
    for module in ("recordings_cli", "serve_cli", "cap", "isa_cli", "strace_cli", "bench"):
        _tool(tools, f"cvmdbg.{module}")
    return parser


def _tool(tools: Any, name: str) -> None:
    """Add the subcommands of a module that has ``add_parser`` and ``main``."""
    module = importlib.import_module(name)
    before = set(tools.choices)
    module.add_parser(tools)
    for added in set(tools.choices) - before:
        if tools.choices[added].get_default("act") is None:
            tools.choices[added].set_defaults(act=module.main)


def _engine_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=("jit", "interp"), help="translate hot code, or interpret all of it")


def _session_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", action="store_true", help="no screen: run the commands, print, leave")
    parser.add_argument(
        "-ex",
        dest="commands",
        metavar="CMD",
        action="append",
        default=[],
        help="a command (repeatable); batch mode ends at one that fails",
    )
    parser.add_argument(
        "-x", dest="scripts", metavar="SCRIPT", action="append", default=[], help="commands from a file"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for each command (implies --batch)")


def _version() -> str:
    import importlib.metadata

    return f"cvmdbg {importlib.metadata.version('cvmdbg')}"


def _demo(args: argparse.Namespace) -> int:
    args.path = f"demo:{args.name.removeprefix('demo:')}"
    if not args.commands and not args.scripts and not _terminal():
        args.commands = ["run"]
    return _run(args)


def _replay(args: argparse.Namespace) -> int:
    from cvmdbg.launch import replayed

    return _debug(replayed(args.path), args)


def _attach(args: argparse.Namespace) -> int:
    return _debug(attach_cli.session(args), args)


def _run(args: argparse.Namespace) -> int:
    if args.engine:
        _choose_engine(args.engine)
    return _debug(guest_options.session(args), args)


def _choose_engine(name: str) -> None:
    from emulator_core._core import set_default_engine

    try:
        set_default_engine(name)
    except ValueError as error:
        raise UserError(f"--engine {name}: {error}") from None


def _debug(session: Session, args: argparse.Namespace) -> int:
    """Show the screen, or carry out the commands."""
    from cvmdbg.batch import lines_of, run_batch
    from cvmdbg.servers import gdb

    session.serve = gdb.serve
    if args.batch or args.json or not _terminal():
        return run_batch(session, lines_of(args.commands, args.scripts), args.json)
    from cvmdbg.tui.app import run_app

    session.startup = tuple(lines_of(args.commands, args.scripts))
    return run_app(session)


def _terminal() -> bool:
    """Can the screen be shown?"""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _doctor(args: argparse.Namespace) -> int:
    from cvmdbg.doctor import main as examine

    return examine(args.json)


if __name__ == "__main__":
    sys.exit(main())
