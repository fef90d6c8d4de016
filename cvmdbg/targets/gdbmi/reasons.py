"""Why a machine stands, from a ``*stopped`` of gdb. Source: GDB manual, "GDB/MI Async Records"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvmdbg.target import Reason, StopKind, WatchHit
from cvmdbg.targets.gdbmi.points import Points
from cvmdbg.targets.gdbmi.records import text_of

FAULTS = frozenset({"SIGILL", "SIGFPE", "SIGBUS", "SIGSEGV", "SIGPROT"})
"""Signals of the machine's own making; SIGPROT is CheriBSD's."""
QUIET = frozenset({"", "0", "SIGTRAP", "SIGSTOP"})
_WATCHED = {"wpt": "write", "hw-rwpt": "read", "hw-awpt": "access"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the debugger knows of a stop: where, what it asked for, what it saw."""

    pc: int
    stepped_from: int | None  # the pc before a step; None when it was no step
    asked: bool  # to stop
    crossed: bool
    ran_out: str = ""  # of recorded history: start or end


def ended(payload: dict[str, Any]) -> Reason | None:
    """The end of the program."""
    why = text_of(payload, "reason")
    if why == "exited-normally":
        return Reason(StopKind.EXIT, status=0)
    if why == "exited":
        code = text_of(payload, "exit-code")
        return Reason(StopKind.EXIT, status=int(code, 8) if code and not code.strip("01234567") else None)
    if why == "exited-signalled":
        return Reason(StopKind.EXIT, f"ended by {text_of(payload, 'signal-name')}")
    return None


def reasons(payload: dict[str, Any], arrival: Arrival, points: Points) -> tuple[Reason, ...]:
    """All that hold; what was asked for comes last."""
    found = [Reason(StopKind.CROSSING)] if arrival.crossed else []
    why, signal = text_of(payload, "reason"), text_of(payload, "signal-name")
    if arrival.ran_out:
        found.append(Reason(StopKind.HISTORY, arrival.ran_out))
    found += _watch_hits(payload, arrival.pc, points)
    if arrival.pc in points.breakpoints and arrival.pc != arrival.stepped_from and why != "signal-received":
        found.append(Reason(StopKind.BREAKPOINT))
    if signal in FAULTS:
        found.append(Reason(StopKind.FAULT, signal))
    elif signal not in QUIET and not (arrival.asked and signal == "SIGINT"):
        found.append(Reason(StopKind.SIGNAL, signal))
    if arrival.stepped_from is not None:
        found.append(Reason(StopKind.STEP))
    elif arrival.asked:
        found.append(Reason(StopKind.INTERRUPT))
    at_gate = arrival.pc in points.gates
    return tuple(found) or (Reason(StopKind.INTERRUPT) if at_gate else Reason(StopKind.SIGNAL, _other(why)),)


def _watch_hits(payload: dict[str, Any], pc: int, points: Points) -> list[Reason]:
    found = []
    for key, access in _WATCHED.items():
        hit = points.hit(text_of(payload, key, "number"))
        if hit is not None:
            kind = WatchHit(hit.number, hit.address, hit.size, access, pc)
            found.append(Reason(StopKind.WATCHPOINT, watch=kind))
    return found


def _other(why: str) -> str:
    """A library, a fork: gdb's own word. A stop without a word is none."""
    return "" if why in ("signal-received", "breakpoint-hit", "end-stepping-range") else why
