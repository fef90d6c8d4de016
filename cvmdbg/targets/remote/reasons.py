"""Why a machine stands, from a stop reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cvmdbg.target import Fault, Reason, StopKind, TargetError, TargetLost, WatchHit
from cvmdbg.targets.live.faults import Scene, told
from cvmdbg.targets.remote.link import Link
from cvmdbg.targets.remote.points import Points, Watched
from gdbstub import inspection, signals
from gdbstub.signals import Signal
from gdbstub.stops import Exited, Killed, NoneResumed, Stopped, StopReply

PROTECTION = 34
"""CheriBSD's SIGPROT."""
FAULTS = frozenset({Signal.ILL, Signal.FPE, Signal.BUS, Signal.SEGV, PROTECTION})
"""Signals of the machine's own making."""
QUIET = frozenset({Signal.NONE, Signal.TRAP, Signal.INT, Signal.STOP})
"""Signals that are not handed on when the machine goes on."""
MAX_SIGINFO = 4096
_ACCESS = {"w": "write", "r": "read", "rw": "access"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the debugger knows of a stop: where, what it asked for, what it saw."""

    pc: int
    stepped_from: int | None  # the pc before a step; None when it was no step
    planned: tuple[Reason, ...]  # a step, an interrupt that was asked for
    crossed: bool
    fault: Fault | None = None  # as far as the peer says
    where: str = ""  # the same in words


def handed_on(signal: int) -> int:
    """The signal that the program is still to get when it goes on; 0 for none."""
    return 0 if signal in QUIET or signal == PROTECTION else signal


def reasons(reply: Stopped, arrival: Arrival, points: Points, look: Callable[[Watched], bytes]) -> tuple[Reason, ...]:
    """All that hold; what was planned comes last."""
    found = [Reason(StopKind.CROSSING)] if arrival.crossed else []
    pc, before = arrival.pc, arrival.stepped_from
    if reply.reason("replaylog") is not None:
        found.append(Reason(StopKind.HISTORY, "start" if reply.reason("replaylog") == b"begin" else "end"))
    found += _watch_hits(reply, pc if before is None else before, points, look)
    trapped = reply.signal in (Signal.TRAP, Signal.NONE)
    if trapped and points.at(pc) and not (arrival.planned and before == pc):
        found.append(Reason(StopKind.BREAKPOINT))
    if reply.signal in FAULTS:
        name = "SIGPROT" if reply.signal == PROTECTION else signals.name(reply.signal)
        found.append(Reason(StopKind.FAULT, name + arrival.where, arrival.fault))
    elif reply.signal not in QUIET:
        found.append(Reason(StopKind.SIGNAL, signals.name(reply.signal)))
    elif not found and not arrival.planned:
        no_word = trapped and pc not in points.gates
        found.append(Reason(StopKind.SIGNAL, "") if no_word else Reason(StopKind.INTERRUPT))
    return (*found, *arrival.planned)


def fault_of(link: Link, signal: int, scene: Scene | None) -> tuple[Fault | None, str]:
    """What the stub's siginfo says of a fault, and the same in words; ``scene`` is a Morello thread's."""
    if signal not in FAULTS or not link.has("qXfer:siginfo:read"):
        return None, ""
    try:
        with link.telling():
            found = told(inspection.read_object(link.client, "siginfo", limit=MAX_SIGINFO))
    except TargetLost:
        raise
    except TargetError:
        return None, ""  # offered, but it has none now
    if found is None:
        return None, ""
    return (scene.fault(found) if scene is not None else None), found.text


def _watch_hits(reply: Stopped, pc: int, points: Points, look: Callable[[Watched], bytes]) -> list[Reason]:
    """Watchpoints that the stub tells of, and those that are looked after by steps."""
    found = []
    watched = reply.watched
    for one in points.watched.values():
        told = watched is not None and one.address <= watched[1] < one.address + one.size
        if not told and not one.stepped:
            continue
        old, one.content = one.content, look(one)
        if told or old != one.content:
            access = watched[0] if watched is not None and told else "tag" if one.access == "tag" else "write"
            hit = WatchHit(one.number, one.address, one.size, _ACCESS.get(access, access), pc)
            found.append(Reason(StopKind.WATCHPOINT, watch=hit))
    return found


def ended(reply: StopReply, tells_status: bool) -> Reason | None:
    """The end of the program, or of all its threads; None while it stands."""
    match reply:
        case Exited(status=status):
            detail = "" if tells_status else "its stub does not tell the status"
            return Reason(StopKind.EXIT, detail, status=status if tells_status else None)
        case Killed(signal=signal):
            return Reason(StopKind.EXIT, f"ended by {signals.name(signal)}", status=128 + signal)
        case NoneResumed():
            return Reason(StopKind.DEADLOCK, "no thread is left that could run")
    return None
