"""Why a command cannot be used now: one sentence, or None when it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvmdbg.commands.table import Command
from cvmdbg.target import StopKind

if TYPE_CHECKING:
    from cvmdbg.session import Session

BY_PEERS = ("reverse-continue", "reverse-stepi")
"""What a live machine with a history of its own can do."""
NO_HISTORY = "no history: {why}"


def missing(session: Session, command: Command) -> str | None:
    """What the command needs and this session does not have."""
    if command.screen and command.run is None:
        return None
    for letter in command.needs.replace(" ", ""):
        reason = _reason(session, command, letter)
        if reason is not None:
            return reason
    return None


def _reason(session: Session, command: Command, letter: str) -> str | None:
    debugger = session.debugger
    if letter == "h" and debugger is not None and command.name in BY_PEERS and debugger.target.reverse is not None:
        return None
    if letter == "h" and (debugger is None or debugger.target.history is None):
        return NO_HISTORY.format(why=session.why_no_history)
    if letter in "-d":
        return None
    if letter == "o":
        return f"{command.name} reaches outside of the guest, which a client may not" if session.confined else None
    if debugger is None:
        return "no guest is loaded; start with: cvmdbg run PATH"
    if letter == "s" and debugger.target.stop.reason(StopKind.EXIT) is not None and "h" not in command.needs:
        return (
            f"the guest has ended: {command.name} needs a stopped thread; run starts it again"
            if _runs(command)
            else None
        )
    if letter == "s" and debugger.thread < 0:
        return "no thread has started yet; run or stepi starts the guest"
    if letter == "b" and debugger.target.stops is None:
        return f"{session.launch.title} has no breakpoints"
    if letter == "c" and debugger.target.capabilities is None:
        return f"{session.launch.title} gives no tags: validity and object are unknown here"
    return None


def _runs(command: Command) -> bool:
    """Does it resume the guest? Looking is still possible after the end."""
    return "r" in command.needs
