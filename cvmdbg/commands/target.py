"""The target itself: another one in its place, leaving it, serving it to a debugger of another kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cvmdbg.commands.table import Command, Result, Steps
from cvmdbg.forms import hexa
from cvmdbg.target import StopKind, UserError

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "target"
NOT_STANDING = (StopKind.RUNNING, StopKind.LOST, StopKind.EXIT)
CLIENTS = ("auto", "stock", "morello", "lldb-morello")


def remote(session: Session, text: str) -> Result:
    """Debug the live machine at an address, or the same one again after its link was lost."""
    address = text.strip()
    if not address:
        raise UserError("target remote HOST:PORT, unix:PATH or | COMMAND")
    if session.reach is None:
        raise UserError("this session cannot reach another machine")
    if session.aside is not None:
        session.take_back()
    session.launch = session.reach(session.launch, address)
    session.connect()
    stop = session.live.target.stop
    return Result((f"{address} stands at {hexa(stop.pc)}",), {"address": address, "pc": hex(stop.pc)})


def detach(session: Session, text: str) -> Result:
    """Let a live machine go on by itself."""
    if session.aside is not None:
        raise UserError(f"{session.launch.title} stands while the emulator goes on: handoff end comes back to it")
    if session.launch.kind != "remote":
        raise UserError(f"{session.launch.title} is no live machine: kill ends it, quit leaves it")
    session.live.target.close()
    return Result((f"{session.launch.title} goes on by itself; target remote comes back",))


def handoff(session: Session, text: str) -> Result:
    """The emulator goes on from where a live machine stands; ``end`` comes back to it."""
    word = text.strip()
    if word == "end":
        return _end_handoff(session)
    if session.aside is not None:
        raise UserError(f"{session.launch.title} is handed off already: handoff end comes back to it")
    if session.launch.kind != "remote" or session.taking is None:
        raise UserError(f"{session.launch.title} is no live machine: there is nothing to take over")
    reasons = session.live.target.stop.reasons
    for reason in reasons:
        if reason.kind in NOT_STANDING:
            raise UserError(f"{session.launch.title} cannot be handed off: {reason.detail or reason.kind.value}")
    session.hand_off(session.taking(session, Path(word) if word else None))
    target = session.live.target
    file = str(target.history.file) if target.history is not None else ""
    lines = [f"the emulator has taken over {session.launch.title} at {hexa(target.stop.pc)}"]
    return Result(
        (*lines, *([f"recording into {file}"] if file else [])),
        {"from": session.launch.title, "pc": hex(target.stop.pc), "threads": len(target.threads()), "file": file},
    )


def _end_handoff(session: Session) -> Result:
    if session.aside is None:
        raise UserError("nothing is handed off")
    ran = session.live.target.stop.tick
    session.take_back()
    stop = session.live.target.stop
    title = session.launch.title
    return Result(
        (f"{title} stands at {hexa(stop.pc)}, as before; {ran} instructions of the hand-off are left behind",),
        {"address": title, "pc": hex(stop.pc), "tick": ran},
    )


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
        "target remote",
        "debug a live machine",
        ("tar rem",),
        (),
        "HOST:PORT · unix:PATH · | COMMAND",
        "o",
        "A gdbserver, QEMU's stub, a board's: whatever speaks the GDB remote protocol. After a link was lost it tries "
        "again; breakpoints, displays and values are kept.",
        ("target remote localhost:1234", "target remote | ssh board gdbserver - ./program"),
        remote,
    ),
    Command(
        "detach",
        "let a live machine go on",
        (),
        (),
        "",
        "o",
        "What was put into it is taken out first.",
        ("detach",),
        detach,
    ),
    Command(
        "handoff",
        "go on in the emulator from where a live machine stands",
        (),
        (),
        "[FILE] · end",
        "s o",
        "Registers are read at once, pages with their tags when they are first touched; the machine stands meanwhile, "
        "and is not changed. The emulator records (into FILE if it is named), so there is a way back in time. System "
        "calls and hostcalls stop with their names: nobody serves them; continue goes on with the registers as they "
        "are. handoff end returns to the machine, which stands where it stood.",
        ("handoff", "handoff end"),
        handoff,
    ),
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
