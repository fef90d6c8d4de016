"""Signals as programs see them: actions, masks, kill, waiting for one."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi, signals
from cvmdbg.guests.linux.abi import E, Err, Wait, s32
from cvmdbg.guests.linux.calls.clocks import duration
from cvmdbg.guests.linux.calls.descriptors import install, make_open
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.state import Action, Counter, Pending, Program, Thread

BLOCK, UNBLOCK, SETMASK = 0, 1, 2


def _number(signal: int) -> int:
    signal = s32(signal)
    if not 1 <= signal <= abi.NSIG:
        raise Err(E.EINVAL)
    return signal


@call("rt_sigaction")
def rt_sigaction(kernel: Kernel, thread: Thread, signal: int, new: int, old: int, size: int) -> int:
    if size != 8:
        raise Err(E.EINVAL)
    signal, program = _number(signal), kernel.program(thread)
    if new and signal in (abi.SIGKILL, abi.SIGSTOP):
        raise Err(E.EINVAL)
    before = program.actions.get(signal) or Action()
    made = Action(*kernel.words(thread, new, "<QQQQ")) if new else None
    if old:
        kernel.write(thread, old, struct.pack("<QQQQ", before.where, before.flags, before.restorer, before.mask))
    if made is not None:
        program.actions[signal] = made
        kernel.signalled = True
    return 0


@call("rt_sigprocmask")
def rt_sigprocmask(kernel: Kernel, thread: Thread, how: int, new: int, old: int, size: int) -> int:
    if size != 8:
        raise Err(E.EINVAL)
    before = thread.mask
    if new:
        (mask,) = kernel.words(thread, new, "<Q")
        match how & 0xFFFFFFFF:
            case 0:
                after = before | mask
            case 1:
                after = before & ~mask
            case 2:
                after = mask
            case _:
                raise Err(E.EINVAL)
        thread.mask = after & ~signals.UNBLOCKABLE
        kernel.signalled = True
    if old:
        kernel.write(thread, old, struct.pack("<Q", before))
    return 0


@call("rt_sigpending")
def rt_sigpending(kernel: Kernel, thread: Thread, buf: int, size: int) -> int:
    kernel.write(thread, buf, struct.pack("<Q", signals.pending_set(kernel, thread) & thread.mask)[: min(size, 8)])
    return 0


@call("rt_sigreturn")
def rt_sigreturn(kernel: Kernel, thread: Thread) -> None:
    signals.leave(kernel, thread)


@call("rt_sigsuspend")
def rt_sigsuspend(kernel: Kernel, thread: Thread, pointer: int, size: int) -> int:
    if size != 8:
        raise Err(E.EINVAL)
    (mask,) = kernel.words(thread, pointer, "<Q")
    thread.saved_mask, thread.mask = thread.mask, mask & ~signals.UNBLOCKABLE
    kernel.signalled = True
    raise Wait("a signal", None, 0, restart=False, polls=False)


@call("rt_sigtimedwait")
def rt_sigtimedwait(kernel: Kernel, thread: Thread, pointer: int, info: int, timeout: int, size: int) -> int:
    if size != 8:
        raise Err(E.EINVAL)
    (wanted,) = kernel.words(thread, pointer, "<Q")
    limit = kernel.now + duration(kernel, thread, timeout) if timeout else None
    signal = signals.take(kernel, thread, wanted & ~signals.UNBLOCKABLE)
    if signal is None:
        if kernel.ended(limit):
            raise Err(E.EAGAIN)
        raise Wait("a signal", kernel.limit(limit), -E.EAGAIN, restart=False, limit=kernel.limit(limit))
    if info:
        kernel.write(thread, info, signals.signal_info(signal))
    return signal.signal


@call("sigaltstack")
def sigaltstack(kernel: Kernel, thread: Thread, new: int, old: int) -> int:
    before = struct.pack("<QixxxxQ", thread.stack, thread.stack_flags, thread.stack_size)
    if new:
        stack, flags, size = kernel.words(thread, new, "<QixxxxQ")
        sp = kernel.view.register(thread.number, "sp")
        if thread.stack <= sp < thread.stack + thread.stack_size:
            raise Err(E.EPERM)
        if flags & ~(abi.SS_DISABLE | abi.SS_ONSTACK | -(1 << 31)):
            raise Err(E.EINVAL)
        if flags & abi.SS_DISABLE:
            stack, size = 0, 0
        elif size < 2048:
            raise Err(E.ENOMEM)
        thread.stack, thread.stack_flags, thread.stack_size = stack, flags & abi.SS_DISABLE, size
    if old:
        kernel.write(thread, old, before)
    return 0


# ---- sending ----------------------------------------------------------------------------------------------


def _send(kernel: Kernel, program: Program, signal: Pending, thread: Thread | None = None) -> None:
    if signal.signal:
        signals.send(kernel, program, signal, thread)
        kernel.poked = True


def _checked(signal: int) -> int:
    signal = s32(signal)
    if not 0 <= signal <= abi.NSIG:
        raise Err(E.EINVAL)
    return signal


@call("kill")
def kill(kernel: Kernel, thread: Thread, pid: int, signal: int) -> int:
    pid, made = s32(pid), Pending(_checked(signal), signals.SI_USER, thread.pid)
    programs = [p for p in kernel.state.programs.values() if p.status is None or p.pid == pid]
    group = kernel.program(thread).group
    if pid > 0:
        found = [p for p in programs if p.pid == pid]
    elif pid == -1:
        found = [p for p in programs if p.pid != thread.pid]
    else:
        found = [p for p in programs if p.group == (group if pid == 0 else -pid)]
    if not found:
        raise Err(E.ESRCH)
    for program in found:
        _send(kernel, program, made)
    return 0


def _by_tid(kernel: Kernel, tid: int) -> Thread:
    found = next((t for t in kernel.state.threads.values() if t.tid == tid), None)
    if found is None:
        raise Err(E.ESRCH)
    return found


@call("tkill")
def tkill(kernel: Kernel, thread: Thread, tid: int, signal: int) -> int:
    if s32(tid) <= 0:
        raise Err(E.EINVAL)
    number = _checked(signal)
    target = _by_tid(kernel, s32(tid))
    _send(kernel, kernel.program(target), Pending(number, signals.SI_TKILL, thread.pid), target)
    return 0


@call("tgkill")
def tgkill(kernel: Kernel, thread: Thread, pid: int, tid: int, signal: int) -> int:
    if s32(tid) <= 0 or s32(pid) <= 0:
        raise Err(E.EINVAL)
    number = _checked(signal)
    target = _by_tid(kernel, s32(tid))
    if target.pid != s32(pid):
        raise Err(E.ESRCH)
    _send(kernel, kernel.program(target), Pending(number, signals.SI_TKILL, thread.pid), target)
    return 0


@call("rt_sigqueueinfo")
def rt_sigqueueinfo(kernel: Kernel, thread: Thread, pid: int, signal: int, info: int) -> int:
    content = kernel.read(thread, info, 128)
    code, value = struct.unpack_from("<i", content, 8)[0], struct.unpack_from("<Q", content, 24)[0]
    number = _checked(signal)
    program = kernel.state.programs.get(s32(pid))
    if program is None:
        raise Err(E.ESRCH)
    _send(kernel, program, Pending(number, code, thread.pid, value))
    return 0


@call("signalfd4")
def signalfd4(kernel: Kernel, thread: Thread, fd: int, pointer: int, size: int, flags: int) -> int:
    if size != 8 or flags & 0xFFFFFFFF & ~(abi.O_CLOEXEC | abi.O_NONBLOCK):
        raise Err(E.EINVAL)
    (mask,) = kernel.words(thread, pointer, "<Q")
    if s32(fd) != -1:
        opened = kernel.opened(thread, fd)
        if opened.kind != "signal":
            raise Err(E.EINVAL)
        kernel.state.counters[opened.target].mask = mask & ~signals.UNBLOCKABLE
        return fd & 0xFFFFFFFF
    number = kernel.state.number()
    kernel.state.counters[number] = Counter(mask=mask & ~signals.UNBLOCKABLE)
    opened = make_open(kernel, "signal", number, flags & abi.O_NONBLOCK | abi.O_RDWR)
    return install(kernel, thread, opened, bool(flags & abi.O_CLOEXEC))
