"""A session's optional powers as a server of the GDB protocol wants them: capabilities, points, running backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from cvmdbg.debugger import Debugger
from cvmdbg.target import Move, Reverse, Stop, Target, TargetError, UserError
from gdbstub.operations import Stop as Told
from gdbstub.verb import EFAULT, EINVAL, Refused

MAX_WATCHED = 1 << 16
WATCHPOINTS = 64


@contextmanager
def refusing(code: int = EINVAL) -> Iterator[None]:
    """A mistake or a failure of the target is a refusal to the client."""
    try:
        yield
    except (TargetError, UserError) as error:
        raise Refused(code, str(error)) from None


class Granules:
    """Capabilities in memory."""

    def __init__(self, target: Target) -> None:
        assert target.capabilities is not None
        self._power = target.capabilities

    def read(self, address: int) -> int:
        with refusing(EFAULT):
            return self._power.read(address)

    def write(self, address: int, value: int) -> None:
        with refusing(EFAULT):
            self._power.write(address, value)


class Sites:
    """Breakpoints and watchpoints, shared with the debugger's own."""

    watchpoints = WATCHPOINTS

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger

    def insert_breakpoint(self, address: int) -> None:
        with refusing():
            self._debugger.breakpoints.hold(address)

    def remove_breakpoint(self, address: int) -> None:
        with refusing():
            self._debugger.breakpoints.release(address)

    def insert_watchpoint(self, address: int, size: int, access: str) -> int:
        if not 0 < size <= MAX_WATCHED:
            raise Refused(EINVAL, f"{size} bytes cannot be watched; at most {MAX_WATCHED}")
        with refusing():
            return self._debugger.breakpoints.power.add_watchpoint(address, size, access)

    def remove_watchpoint(self, number: int) -> None:
        with refusing():
            self._debugger.breakpoints.power.remove_watchpoint(number)


class Runs(Protocol):
    """What lets the target run, and tells the client what stopped it."""

    def ran(self, resume: Callable[[], Stop]) -> Told | None: ...

    def sliced(self, resume: Callable[[int], Stop]) -> Told | None: ...


class Backwards:
    """Running backwards."""

    def __init__(self, served: Runs, power: Reverse) -> None:
        self._served, self._power = served, power

    def step(self, thread: int) -> Told | None:
        return self._served.ran(lambda: self._power.resume(Move.STEP, thread=thread - 1))

    def run(self) -> Told | None:
        return self._served.sliced(lambda budget: self._power.resume(Move.CONTINUE, budget=budget))
