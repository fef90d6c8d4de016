"""The breakpoints and watchpoints of a client, with their conditions, over those of the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gdbstub.commands.breakpoints import Insert, PointKind, Remove
from gdbstub.operations import Points, Stop
from gdbstub.signals import Signal
from gdbstub.verb import EINVAL, ENOENT, Refused

_ACCESS = {PointKind.WRITE: "w", PointKind.READ: "r", PointKind.ACCESS: "rw"}
_NAMES = {PointKind.WRITE: "watch", PointKind.READ: "rwatch", PointKind.ACCESS: "awatch"}
MAX_POINTS = 4096
C64 = 1
"""A client that knows no Morello breaks at a C64 function's symbol, whose lowest bit is set: the code is before it."""


class PointTable:
    """What one client has inserted. Inserting twice is once, and new conditions take the place of the old ones."""

    def __init__(self, target: Points | None) -> None:
        self._target = target
        self._breakpoints: dict[int, dict[PointKind, tuple[bytes, ...]]] = {}
        self._watchpoints: dict[tuple[PointKind, int, int], int] = {}

    def insert(self, request: Insert) -> None:
        """Z."""
        if len(self._breakpoints) + len(self._watchpoints) >= MAX_POINTS:
            raise Refused(EINVAL, f"more than {MAX_POINTS} breakpoints")
        assert self._target is not None
        if request.type in _ACCESS:
            key = (request.type, request.address, request.kind)
            if key not in self._watchpoints:
                access = _ACCESS[request.type]
                self._watchpoints[key] = self._target.insert_watchpoint(request.address, request.kind, access)
            return
        if request.address not in self._breakpoints:
            self._target.insert_breakpoint(request.address & ~C64)
        self._breakpoints.setdefault(request.address, {})[request.type] = request.conditions

    def remove(self, request: Remove) -> None:
        """z."""
        assert self._target is not None
        if request.type in _ACCESS:
            number = self._watchpoints.pop((request.type, request.address, request.kind), None)
            if number is None:
                raise Refused(ENOENT, f"nothing watches {request.address:#x}")
            self._target.remove_watchpoint(number)
            return
        kinds = self._breakpoints.get(request.address, {})
        if kinds.pop(request.type, None) is None:
            raise Refused(ENOENT, f"there is no breakpoint at {request.address:#x}")
        if not kinds:
            del self._breakpoints[request.address]
            self._target.remove_breakpoint(request.address & ~C64)

    def clear(self) -> None:
        """All of them go: the client is gone."""
        for address, kinds in list(self._breakpoints.items()):
            for kind in list(kinds):
                self.remove(Remove(kind, address, 0))
        for kind, address, size in list(self._watchpoints):
            self.remove(Remove(kind, address, size))

    def name(self, stop: Stop, pc: int) -> str:
        """``swbreak``, ``hwbreak``, or ``""`` when no breakpoint of the client is there."""
        kinds = self._breakpoints.get(pc, {})
        return "swbreak" if PointKind.SOFTWARE in kinds else "hwbreak" if kinds else ""

    def watch_name(self, number: int) -> str:
        """``watch``, ``rwatch`` or ``awatch``."""
        return next((_NAMES[kind] for (kind, _, _), n in self._watchpoints.items() if n == number), "")

    def judged(self, stop: Stop, pc: int, holds: Callable[[bytes], bool]) -> Stop | None:
        """The stop, without a breakpoint that is not the client's or whose conditions fail; None to go on."""
        if not stop.breakpoint:
            return stop
        kinds = [*self._breakpoints.get(pc, {}).values(), *self._breakpoints.get(pc | C64, {}).values()]
        if any(not codes or any(holds(code) for code in codes) for codes in kinds):
            return stop
        return what_is_left(replace(stop, breakpoint=False))


def what_is_left(stop: Stop) -> Stop | None:
    """The stop, or None when it has no reason to be told."""
    return None if stop == Stop(stop.thread, Signal.TRAP) else stop
