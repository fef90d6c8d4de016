"""The target itself: serving it to a debugger of another kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvmdbg.commands.table import Command, Result, Steps
from cvmdbg.target import UserError

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "target"
CLIENTS = ("auto", "stock", "morello", "lldb-morello")


def serve(session: Session, text: str) -> Result | Steps:
    """Serve the guest to a gdb or lldb until it has left, or Ctrl-C."""
    words = text.split()
    beyond = "--beyond-loopback" in words
    words = [word for word in words if word != "--beyond-loopback"]
    client = "auto"
    if "--client" in words[:-1]:
        at = words.index("--client")
        client = words[at + 1]
        del words[at : at + 2]
    if len(words) != 1 or client not in CLIENTS:
        raise UserError(f"target serve HOST:PORT [--client {'|'.join(CLIENTS)}] [--beyond-loopback]")
    if session.serve is None:
        raise UserError("this session has no server")
    return session.serve(session, words[0], client, beyond)


COMMANDS = (
    Command(
        "target serve",
        "let a gdb or lldb debug this guest",
        (),
        (),
        "HOST:PORT [--client WHAT] [--beyond-loopback]",
        "o",
        "The guest is the client's until it detaches; Ctrl-C ends the server. --client morello serves capability "
        "registers as CTSRD's gdb has them (a stock gdb throws the whole description away), lldb-morello registers of "
        "129 bits; auto and stock give numbers of 128 bits and their tags apart. Only this machine can connect unless "
        "--beyond-loopback is said: a client has all power over the guest, and the link has no password.",
        ("target serve localhost:1234", "target serve unix:/tmp/guest --client morello"),
        serve,
    ),
)
