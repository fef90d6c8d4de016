"""What a machine that was taken over met at its boundary, in words."""

from __future__ import annotations

from cvmdbg.guests.guest import Boundary, BoundaryKind, View
from cvmdbg.guests.intravisor.hostcalls import TABLE
from cvmdbg.guests.linux.facts.calls import call_at

WORD = (1 << 64) - 1


def named(boundary: Boundary, view: View) -> str:
    """The call, instruction or device. Whose system calls they are is not known: the name is Linux's."""
    match boundary.kind:
        case BoundaryKind.SYSCALL:
            return _system_call(view.register(boundary.thread, "x8"))
        case BoundaryKind.HOSTCALL:
            return _hostcall(view.register(boundary.thread, "x14") & WORD)
        case BoundaryKind.FAULT:
            return f"what becomes of a thread with a {boundary.detail} fault"
    return f"the instruction {boundary.detail}".rstrip()


def _system_call(number: int) -> str:
    known = call_at("aarch64", number)
    return f"system call {number}" + (f" ({known.name}, if this is Linux)" if known is not None else "")


def _hostcall(number: int) -> str:
    hostcall = TABLE.get(number)
    return f"hostcall {number} {hostcall.name if hostcall is not None else ''}".rstrip()
