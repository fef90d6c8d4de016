"""Stops of a target as the protocol tells them: a signal and what belongs to it."""

from __future__ import annotations

from cvmdbg.target import Fault, Reason, Stop, StopKind
from gdbstub.operations import Stop as Told
from gdbstub.signals import Signal

FAULTS = {"alignment": Signal.BUS, "undefined": Signal.ILL, "system": Signal.ILL, "brk": Signal.TRAP}
"""Signals that Linux would send; every other fault is a SIGSEGV."""

_SIGNALS = {
    StopKind.INTERRUPT: Signal.INT,
    StopKind.UNMODELLED: Signal.ILL,
    StopKind.WAITING: Signal.TTIN,
    StopKind.DEADLOCK: Signal.STOP,
}
_QUIET = {StopKind.BUDGET, StopKind.CROSSING}

SEGV_CODES = {"unmapped": 1, "page": 2, "tag": 10, "sealed": 11, "bounds": 12, "permission": 13}
"""si_code of a SIGSEGV: SEGV_MAPERR, SEGV_ACCERR, and Morello Linux's (arch/aarch64-cap-linux.h of CTSRD gdb)."""


def number(thread: int) -> int:
    """A thread's number in the protocol, where 0 means any and -1 all; no thread yet is called 1."""
    return max(thread, 0) + 1


def told(stop: Stop) -> Told | None:
    """A stop for the client; None when only the budget or an unwatched crossing ended the slice."""
    watch, log, found, step, exit_status = None, "", False, False, None
    signal, heard = Signal.TRAP, False
    for reason in stop.reasons:
        heard = heard or reason.kind not in _QUIET
        match reason.kind:
            case StopKind.STEP:
                step = True
            case StopKind.BREAKPOINT:
                found = True
            case StopKind.WATCHPOINT if reason.watch is not None:
                watch = (reason.watch.watchpoint, reason.watch.address)
            case StopKind.HISTORY:
                log = "begin" if reason.detail == "start" else "end"
            case StopKind.EXIT:
                exit_status = reason.status or 0
            case StopKind.FAULT if reason.fault is not None:
                signal = FAULTS.get(reason.fault.kind, Signal.SEGV)
            case kind:
                signal = _SIGNALS.get(kind, signal)
    if not heard:
        return None
    return Told(number(stop.thread), signal, step, found, watch, log, exit=exit_status)


def sentence(stop: Stop) -> str:
    """What a signal's number alone does not tell, for the client's console; empty when it tells all."""
    return " ".join(text for reason in stop.reasons if (text := _say(reason)))


def _say(reason: Reason) -> str:
    match reason.kind:
        case StopKind.FAULT if reason.fault is not None:
            fault = reason.fault
            where = f" through {fault.register}" if fault.register else ""
            return f"{fault.kind} fault: {fault.access} of {fault.size} bytes at {fault.address:#x}{where}"
        case StopKind.WAITING:
            return "the guest waits for standard input"
        case StopKind.DEADLOCK:
            return f"no thread can run: {reason.detail}"
        case StopKind.UNMODELLED:
            return reason.detail or "something that is not modelled"
    return ""


def siginfo(fault: Fault | None, signal: int) -> bytes:
    """siginfo_t of Linux with 64-bit addresses: signal, error, code, and the address of a fault."""
    code = 0
    if fault is not None and signal == Signal.SEGV:
        code = SEGV_CODES.get(fault.kind, 0x80)
    words = (LINUX.get(Signal(signal), signal), 0, code, 0)
    content = b"".join(word.to_bytes(4, "little") for word in words)
    return (content + (fault.address if fault is not None else 0).to_bytes(8, "little")).ljust(128, b"\0")


LINUX = {Signal.BUS: 7, Signal.STOP: 19, Signal.SYS: 31}
"""Where Linux's number of a signal is another than gdb's."""
