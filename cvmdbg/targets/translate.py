"""The engine's enumerations in the words of the target interface."""

from __future__ import annotations

from cvmdbg.guests.guest import BoundaryKind
from cvmdbg.target import Fault, WatchHit
from emulator_core import _core

RING = 4096
"""Crossings held until they are drained; a full ring only pauses the run."""

WATCH = {"r": 1, "w": 2, "rw": 3, "tag": 4}
_KINDS = {
    _core.FaultKind.UNMAPPED: "unmapped",
    _core.FaultKind.PAGE_PERMISSION: "page",
    _core.FaultKind.ALIGNMENT: "alignment",
    _core.FaultKind.PC_ALIGNMENT: "alignment",
    _core.FaultKind.SP_ALIGNMENT: "alignment",
    _core.FaultKind.CAP_TAG: "tag",
    _core.FaultKind.CAP_SEALED: "sealed",
    _core.FaultKind.CAP_BOUNDS: "bounds",
    _core.FaultKind.CAP_PERMISSION: "permission",
    _core.FaultKind.UNDEFINED: "undefined",
    _core.FaultKind.BRK: "brk",
    _core.FaultKind.SYSTEM_ACCESS: "system",
    _core.FaultKind.CAP_PAGE: "page",
}
_ACCESS = {
    _core.Access.FETCH: "fetch",
    _core.Access.READ: "read",
    _core.Access.WRITE: "write",
    _core.Access.READ_CAP: "read-cap",
    _core.Access.WRITE_CAP: "write-cap",
}
BOUNDARIES = {
    _core.StopKind.SYSCALL: BoundaryKind.SYSCALL,
    _core.StopKind.HOSTCALL: BoundaryKind.HOSTCALL,
    _core.StopKind.DEVICE: BoundaryKind.DEVICE,
    _core.StopKind.UNSUPPORTED: BoundaryKind.UNSUPPORTED,
    _core.StopKind.HALT: BoundaryKind.UNSUPPORTED,
}
"""Stops that a guest serves."""
_NAMES = _core.register_names()


def fault(record: _core.Fault) -> Fault:
    """What the engine's check refused."""
    return Fault(
        kind=_KINDS[record.kind],
        access=_ACCESS[record.access],
        address=record.address,
        size=record.size,
        register=_NAMES[record.reg] if record.reg >= 0 else None,
        capability=record.cap if record.reg >= 0 else None,
        needed=record.needed,
        esr=record.esr,
        immediate=record.immediate,
    )


def watch_hit(stop: _core.Stop) -> WatchHit:
    """The access that a watchpoint saw."""
    return WatchHit(stop.watch, stop.address, stop.size, _ACCESS[stop.access], stop.instruction)
