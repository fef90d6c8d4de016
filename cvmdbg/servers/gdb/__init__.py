"""The gdb server: stock gdb, gdb-multiarch, lldb and Morello gdb debug the guest of a session.

session ──▶ served (Operations) ──▶ gdbstub.server ──▶ gdbstub.listener ──▶ a client
"""

from __future__ import annotations

from collections.abc import Iterator

from cvmdbg.commands.table import Progress, Result, Steps
from cvmdbg.servers.gdb.served import Served
from cvmdbg.session import Session
from cvmdbg.target import UserError
from gdbstub.call import LinkLost
from gdbstub.listener import Listener
from gdbstub.server import Server

TURN = 0.02
"""Seconds between two looks at whether the server is to go on."""


def listen(session: Session, address: str, client: str = "auto", beyond_loopback: bool = False) -> Listener:
    """A listener for the session's guest; UserError says why there is none."""
    try:
        return Listener(address, lambda: Server(Served(session), client), beyond_loopback)
    except LinkLost as error:
        raise UserError(str(error)) from None


def turns(session: Session, listener: Listener, once: bool) -> Iterator[None]:
    """Serve until the session is interrupted; with ``once`` until the first client has left."""
    while not session.cancelled and not (once and listener.served and not listener.connected):
        listener.turn(TURN)
        yield
    listener.close()


def serve(session: Session, address: str, client: str, beyond_loopback: bool) -> Steps:
    """``target serve`` at the prompt: until the client has left, or Ctrl-C."""
    listener = listen(session, address, client, beyond_loopback)
    session.console.say(f"a gdb may connect: target remote {listener.address}; Ctrl-C ends the server")
    for _ in turns(session, listener, once=True):
        yield Progress(session.live.target.stop.tick, f"serves {listener.address}")
    how = "the client has left" if listener.served else "no client came"
    return Result((f"{how}; the guest stands at {session.live.target.stop.pc:#x}",), {"served": listener.served})
