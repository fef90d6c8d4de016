"""Signal numbers of the protocol: gdb's own, whatever the target's are. Source: gdb's include/gdb/signals.def."""

from __future__ import annotations

from enum import IntEnum


class Signal(IntEnum):
    """Those that stop replies here speak of."""

    NONE = 0
    INT = 2
    ILL = 4
    TRAP = 5
    ABRT = 6
    FPE = 8
    KILL = 9
    BUS = 10
    SEGV = 11
    SYS = 12
    STOP = 17
    TTIN = 21


def name(number: int) -> str:
    """``SIGSEGV``, or ``signal 63`` for one without a name here."""
    try:
        return f"SIG{Signal(number).name}"
    except ValueError:
        return f"signal {number}"
