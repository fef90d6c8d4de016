"""Signals: sending, taking, the frame on the stack, and coming back from it.

    sp ─▶ siginfo 128 | ucontext: flags, link, stack, mask … | fault address, x0 … x30, sp, pc, pstate
          | fpsimd record 528 | end record 16 … 4096 reserved | frame record (fp, lr)

Source: Linux arch/arm64/kernel/signal.c, arch/arm64/include/uapi/asm/sigcontext.h.
"""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi, life
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.decoder import names
from cvmdbg.guests.linux.decoder.special import siginfo_text
from cvmdbg.guests.linux.kernel import Kernel
from cvmdbg.guests.linux.state import CONTINUED, Action, Pending, Program, Thread
from sessions.event import MemoryWrite, Note, RegisterWrite, ThreadBlock, ThreadWake

IGNORED = frozenset({abi.SIGCHLD, abi.SIGURG, abi.SIGWINCH, abi.SIGCONT})
QUIET = IGNORED | {abi.SIGALRM, abi.SIGVTALRM, abi.SIGPROF, abi.SIGIO}
STOPS = frozenset({abi.SIGSTOP, abi.SIGTSTP, abi.SIGTTIN, abi.SIGTTOU})
DUMPS = frozenset(
    {abi.SIGQUIT, abi.SIGILL, abi.SIGTRAP, abi.SIGABRT, abi.SIGBUS, abi.SIGFPE, abi.SIGSEGV, abi.SIGXCPU,
     abi.SIGXFSZ, abi.SIGSYS}
)  # fmt: skip
CORE = 0x80
CLD_STOPPED, CLD_CONTINUED = 5, 6
UNBLOCKABLE = 1 << abi.SIGKILL - 1 | 1 << abi.SIGSTOP - 1
SI_USER, SI_KERNEL, SI_TKILL, SI_TIMER = 0, 0x80, -6, -2

INFO, CONTEXT, RESERVED = 128, 168 + 8, 4096
MCONTEXT = INFO + CONTEXT  # of sigcontext in the frame: ucontext up to uc_mcontext, aligned to 16
FRAME = MCONTEXT + 8 + 31 * 8 + 24 + 8 + RESERVED
FPSIMD_MAGIC, FPSIMD_SIZE = 0x46508001, 528
NZCV = 0xF0000000


def send(kernel: Kernel, program: Program, signal: Pending, thread: Thread | None = None) -> None:
    """Leaves a signal for a thread, or for whichever thread of a program takes it first."""
    if program.status is not None:
        return
    if signal.signal == abi.SIGCONT:
        _go_on(kernel, program)
    elif signal.signal in STOPS:
        _forget(kernel, program, frozenset({abi.SIGCONT}))
    if _ignores(program, signal.signal) and not _blocked_somewhere(kernel, program, signal.signal):
        _tell(kernel, thread or kernel.state.threads[program.threads[0]], signal)
        return
    queue = thread.pending if thread is not None else program.pending
    if signal.signal < 32 and any(p.signal == signal.signal for p in queue):
        return
    queue.append(signal)
    kernel.signalled = True


def broken_pipe(kernel: Kernel, thread: Thread) -> Err:
    """SIGPIPE, and EPIPE for who survives it."""
    send(kernel, kernel.program(thread), Pending(abi.SIGPIPE, SI_USER, thread.pid), thread)
    return Err(E.EPIPE)


def _ignores(program: Program, signal: int) -> bool:
    action = program.actions.get(signal)
    where = action.where if action is not None else 0
    return where == 1 or (where == 0 and signal in IGNORED)


def _blocked_somewhere(kernel: Kernel, program: Program, signal: int) -> bool:
    return any(kernel.state.threads[n].mask >> signal - 1 & 1 for n in program.threads)


def take(kernel: Kernel, thread: Thread, wanted: int) -> Pending | None:
    """The first pending signal out of a set (bit 0 is signal 1), taken out of its queue."""
    program = kernel.program(thread)
    for queue in (thread.pending, program.pending):
        for index, signal in enumerate(queue):
            if wanted >> signal.signal - 1 & 1:
                return queue.pop(index)
    return None


def pending_set(kernel: Kernel, thread: Thread) -> int:
    """The signals that wait, as a set."""
    found = 0
    for signal in (*thread.pending, *kernel.program(thread).pending):
        found |= 1 << signal.signal - 1
    return found


def deliver_all(kernel: Kernel) -> None:
    """Gives every thread the signals that it may take now."""
    while kernel.signalled:
        kernel.signalled = False
        for number in list(kernel.state.threads):
            thread = kernel.state.threads.get(number)
            while thread is not None and not thread.exited and _deliver_one(kernel, thread):
                pass
        kernel.settle()


def _deliver_one(kernel: Kernel, thread: Thread) -> bool:
    program = kernel.program(thread)
    if not thread.pending and not program.pending:
        return False
    wanted = 1 << abi.SIGKILL - 1 if program.stopped else ~thread.mask | UNBLOCKABLE
    signal = take(kernel, thread, wanted)
    if signal is None:
        return False
    _tell(kernel, thread, signal)
    action = program.actions.get(signal.signal) or Action()
    if signal.signal in (abi.SIGKILL, abi.SIGSTOP) or action.where == 0:
        return _default(kernel, thread, signal.signal)
    if action.where == 1:
        return True
    if thread.waiting is not None:
        _break_off(kernel, thread, bool(action.flags & abi.SA_RESTART))
    enter(kernel, thread, signal, action)
    return True


def _tell(kernel: Kernel, thread: Thread, signal: Pending) -> None:
    """Says that a signal has come to a thread; people are told of those of which gdb tells them."""
    if signal.signal == abi.SIGKILL:
        return
    values = {"si_signo": signal.signal, "si_code": signal.code & 0xFFFFFFFF, "si_addr": signal.address}
    values |= {"si_pid": signal.pid, "si_uid": 0, "si_status": signal.value, "si_utime": 0, "si_stime": 0}
    name, info = names.signal_text(signal.signal), siginfo_text(values)
    text = "" if signal.signal in QUIET else f"{thread.tid} gets {name} {info}"
    kernel.told.append(Note(kernel.tick, text, {"thread": str(thread.number), "signal": name, "info": info}))
    kernel.signalled = True


def _default(kernel: Kernel, thread: Thread, signal: int) -> bool:
    """Ends the program or stops it, unless the signal means nothing."""
    if signal in IGNORED:
        return True
    if signal in STOPS:
        return _stop(kernel, kernel.program(thread), signal)
    life.end_program(kernel, kernel.program(thread), signal | (CORE if signal in DUMPS else 0))
    return False


def _stop(kernel: Kernel, program: Program, signal: int) -> bool:
    """None of its threads runs until SIGCONT; in an orphaned group only SIGSTOP does that."""
    if signal != abi.SIGSTOP and _orphaned(kernel, program):
        return True
    program.stopped, program.report = signal, signal << 8 | 0x7F
    for thread in [kernel.state.threads[number] for number in program.threads]:
        if thread.waiting is None and not thread.halted:
            thread.halted = True
            kernel.effects.append(ThreadBlock(thread.number, f"SIGCONT: stopped by {names.signal_text(signal)}"))
    _tell_of_stop(kernel, program, CLD_STOPPED, signal)
    return False


def _orphaned(kernel: Kernel, program: Program) -> bool:
    """Has nobody of the group a parent outside of it, in the same session?"""
    everyone = kernel.state.programs
    parents = [everyone.get(p.parent) for p in everyone.values() if p.group == program.group and p.status is None]
    return not any(p is not None and p.group != program.group and p.session == program.session for p in parents)


def _go_on(kernel: Kernel, program: Program) -> None:
    """SIGCONT lets a stopped program run, whatever else it does; signals that would stop it are forgotten."""
    _forget(kernel, program, STOPS)
    if not program.stopped:
        return
    program.stopped, program.report = 0, CONTINUED
    for thread in [kernel.state.threads[number] for number in program.threads]:
        if thread.halted:
            thread.halted = False
            kernel.effects.append(ThreadWake(thread.number))
    _tell_of_stop(kernel, program, CLD_CONTINUED, abi.SIGCONT)


def _forget(kernel: Kernel, program: Program, signals: frozenset[int]) -> None:
    for queue in (program.pending, *(kernel.state.threads[number].pending for number in program.threads)):
        queue[:] = [pending for pending in queue if pending.signal not in signals]


def _tell_of_stop(kernel: Kernel, program: Program, kind: int, signal: int) -> None:
    """The parent can wait for it, and gets SIGCHLD unless it wants none of these."""
    kernel.poked = kernel.signalled = True
    parent = kernel.state.programs.get(program.parent)
    action = parent.actions.get(abi.SIGCHLD) if parent is not None else None
    if parent is not None and not (action is not None and action.flags & abi.SA_NOCLDSTOP):
        send(kernel, parent, Pending(abi.SIGCHLD, kind, program.pid, signal))


def _break_off(kernel: Kernel, thread: Thread, restart: bool) -> None:
    """A waiting call ends with EINTR, or is made anew when the program's own code has come back."""
    waiting = thread.waiting
    assert waiting is not None
    forget_waits(kernel, thread)
    if restart and waiting.restart:
        pc = kernel.view.register(thread.number, "pc") - 4
        kernel.effects.append(RegisterWrite(thread.number, "pc", pc))
        kernel.effects.append(RegisterWrite(thread.number, "x0", waiting.arguments[0]))
        kernel.wake(thread, None)
    else:
        mask, thread.saved_mask = thread.saved_mask, None
        kernel.wake(thread, -E.EINTR)
        thread.saved_mask = mask


def forget_waits(kernel: Kernel, thread: Thread) -> None:
    """Takes a thread out of the futex queues."""
    for address, queue in list(kernel.state.futexes.items()):
        queue[:] = [s for s in queue if s.thread != thread.number]
        if not queue:
            del kernel.state.futexes[address]


# ---- the frame --------------------------------------------------------------------------------------------


def registers(kernel: Kernel, thread: Thread) -> dict[str, int]:
    """x0 … x30, sp, pc, nzcv, fpcr, fpsr, v0 … v31 as they will be when the boundary has been served."""
    look, number = kernel.view.register, thread.number
    names = (*(f"x{n}" for n in range(31)), "sp", "pc", "nzcv", "fpcr", "fpsr", "tp", *(f"v{n}" for n in range(32)))
    found = {name: look(number, name) for name in names}
    for effect in kernel.effects:
        if isinstance(effect, RegisterWrite) and effect.thread == number and effect.register in found:
            found[effect.register] = effect.value
    return found


def enter(kernel: Kernel, thread: Thread, signal: Pending, action: Action) -> None:
    """Writes the frame and points the thread at the program's own code for the signal."""
    now, space = registers(kernel, thread), kernel.space(thread)
    top = now["sp"]
    on_stack = thread.stack <= top < thread.stack + thread.stack_size
    if action.flags & abi.SA_ONSTACK and not thread.stack_flags & abi.SS_DISABLE and not on_stack:
        top = thread.stack + thread.stack_size
    record = (top - 16) & ~15
    frame = (record - FRAME) & ~15
    if not space.allows(frame, top - frame, "w"):
        life.end_program(kernel, kernel.program(thread), abi.SIGSEGV | CORE)
        return
    old = thread.mask if thread.saved_mask is None else thread.saved_mask
    content = _frame(thread, signal, now, space.base, old)
    links = struct.pack("<QQ", now["x29"], now["x30"])
    kernel.effects += [MemoryWrite(space.base + frame, content), MemoryWrite(space.base + record, links)]
    back = action.restorer if action.flags & abi.SA_RESTORER else space.entry
    set_words(
        kernel, thread,
        {"x0": signal.signal, "x1": frame, "x2": frame + INFO, "x29": record, "x30": back, "sp": frame,
         "pc": space.base + action.where},
    )  # fmt: skip
    thread.saved_mask = None
    thread.mask |= action.mask | (0 if action.flags & abi.SA_NODEFER else 1 << signal.signal - 1)
    thread.mask &= ~UNBLOCKABLE
    if action.flags & abi.SA_RESETHAND:
        action.where = 0


def set_words(kernel: Kernel, thread: Thread, values: dict[str, int]) -> None:
    """Registers of a thread by name."""
    kernel.effects += [RegisterWrite(thread.number, name, value & abi.WORD) for name, value in values.items()]


def _frame(thread: Thread, signal: Pending, now: dict[str, int], base: int, mask: int) -> bytes:
    frame = bytearray(FRAME)
    frame[: len(signal_info(signal))] = signal_info(signal)
    struct.pack_into("<QQQiIQQ", frame, INFO, 0, 0, thread.stack, thread.stack_flags, 0, thread.stack_size, mask)
    words = (*(now[f"x{n}"] for n in range(31)), now["sp"], now["pc"] - base, now["nzcv"] & NZCV)
    struct.pack_into("<35Q", frame, MCONTEXT, signal.address, *words)
    at = MCONTEXT + 35 * 8 + 8
    struct.pack_into("<IIII", frame, at, FPSIMD_MAGIC, FPSIMD_SIZE, now["fpsr"], now["fpcr"])
    for n in range(32):
        frame[at + 16 + 16 * n : at + 32 + 16 * n] = now[f"v{n}"].to_bytes(16, "little")
    return bytes(frame)


def signal_info(signal: Pending) -> bytes:
    """A siginfo_t: what stands behind si_code depends on where the signal comes from."""
    head = struct.pack("<iii", signal.signal, 0, signal.code)
    if signal.address:
        return head.ljust(16, b"\0") + struct.pack("<Q", signal.address) + bytes(INFO - 24)
    body = struct.pack("<iiQ", signal.pid, 0, signal.value & abi.WORD)
    return (head.ljust(16, b"\0") + body).ljust(INFO, b"\0")


def leave(kernel: Kernel, thread: Thread) -> None:
    """rt_sigreturn: everything as the frame at sp says. A frame that cannot be read ends the program."""
    sp = kernel.view.register(thread.number, "sp")
    try:
        frame = kernel.read(thread, sp, FRAME)
    except Err:
        send(kernel, kernel.program(thread), Pending(abi.SIGSEGV, SI_KERNEL), thread)
        return
    base = kernel.space(thread).base
    words = struct.unpack_from("<34Q", frame, MCONTEXT + 8)
    values = {f"x{n}": words[n] for n in range(31)}
    values |= {"sp": words[31], "pc": base + words[32] & abi.WORD, "nzcv": words[33] & NZCV}
    set_words(kernel, thread, values)
    _restore_vectors(kernel, thread, frame)
    stack, flags, size, mask = struct.unpack_from("<QixxxxQQ", frame, INFO + 16)
    thread.stack, thread.stack_flags, thread.stack_size = stack, flags, size
    thread.mask = mask & ~UNBLOCKABLE
    thread.saved_mask = None
    kernel.signalled, kernel.answer = True, words[0] - (words[0] >> 63 << 64)


def _restore_vectors(kernel: Kernel, thread: Thread, frame: bytes) -> None:
    at = MCONTEXT + 35 * 8 + 8
    magic, _, fpsr, fpcr = struct.unpack_from("<IIII", frame, at)
    if magic != FPSIMD_MAGIC:
        return
    number = thread.number
    kernel.effects += [RegisterWrite(number, "fpsr", fpsr), RegisterWrite(number, "fpcr", fpcr)]
    for n in range(32):
        value = int.from_bytes(frame[at + 16 + 16 * n : at + 32 + 16 * n], "little")
        kernel.effects.append(RegisterWrite(number, f"v{n}", value))
