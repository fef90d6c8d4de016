"""futex: who sleeps where, and who wakes whom. Source: Linux kernel/futex, futex(2)."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux.abi import E, Err, Wait, s32
from cvmdbg.guests.linux.calls.clocks import REALTIME, deadline_at, duration
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.state import Sleeper, Thread

WAIT, WAKE, FD, REQUEUE, CMP_REQUEUE, WAKE_OP, LOCK_PI, UNLOCK_PI, TRYLOCK_PI, WAIT_BITSET, WAKE_BITSET = range(11)
CLOCK_REALTIME_FLAG, PRIVATE = 256, 128
ANY = 0xFFFFFFFF
ENTRY_LIMIT = 2048
OWNER_DIED, WAITERS, TID = 0x40000000, 0x80000000, 0x3FFFFFFF
LOCK_PI2 = 13
PI = 1 << 32
"""The bits of a sleeper that waits for a lock with an owner: no ordinary wake meets them."""


@call("futex")
def futex(
    kernel: Kernel, thread: Thread, address: int, op: int, value: int, timeout: int, second: int, third: int
) -> int:
    value &= 0xFFFFFFFF
    if address % 4:
        raise Err(E.EINVAL)
    match op & 0x7F:
        case 0 | 9:
            return _sleep(kernel, thread, address, op, value, timeout, third)
        case 1:
            return wake(kernel, thread, address, value, ANY)
        case 10:
            return wake(kernel, thread, address, value, third & ANY)
        case 3 | 4:
            if op & 0x7F == CMP_REQUEUE and kernel.word(thread, address) != third & ANY:
                raise Err(E.EAGAIN)
            return _requeue(kernel, thread, address, value, timeout & ANY, second)
        case 5:
            return _wake_op(kernel, thread, address, value, timeout & ANY, second, third & ANY)
        case 6 | 8 | 13:
            return _lock_pi(kernel, thread, address, op, timeout)
        case 7:
            return _unlock_pi(kernel, thread, address)
        case _:
            raise kernel.unmodelled(f"futex operation {op & 0x7F}")


def _sleep(kernel: Kernel, thread: Thread, address: int, op: int, value: int, timeout: int, bits: int) -> int:
    absolute = op & 0x7F == WAIT_BITSET
    bits = bits & ANY if absolute else ANY
    if not bits:
        raise Err(E.EINVAL)
    deadline = None
    if timeout:
        if absolute:
            clock = REALTIME if op & CLOCK_REALTIME_FLAG else 1
            deadline = deadline_at(kernel, clock, duration(kernel, thread, timeout))
        else:
            deadline = kernel.now + duration(kernel, thread, timeout)
    if kernel.word(thread, address) != value:
        raise Err(E.EAGAIN)
    if deadline is not None and deadline <= kernel.now:
        raise Err(E.ETIMEDOUT)
    kernel.state.futexes.setdefault(kernel.space(thread).base + address, []).append(Sleeper(thread.number, bits))
    raise Wait(f"futex {address:#x}", deadline, -E.ETIMEDOUT, restart=not timeout, polls=False)


def wake(kernel: Kernel, thread: Thread, address: int, count: int, bits: int) -> int:
    """Wakes at most ``count`` threads whose bits meet: how many."""
    if not bits:
        raise Err(E.EINVAL)
    return wake_at(kernel, thread, kernel.space(thread).base + address, count, bits)


def wake_at(kernel: Kernel, thread: Thread, key: int, count: int, bits: int = ANY) -> int:
    """The same by absolute address. A wake that finds nobody is remembered: it may be the one that was lost."""
    queue = kernel.state.futexes.get(key)
    if not queue:
        kernel.state.missed[key] = (kernel.tick, thread.tid)
        return 0
    woken = [s for s in queue if s.bits & bits][: max(count, 0)]
    _leave(kernel, key, woken)
    for sleeper in woken:
        kernel.wake(kernel.state.threads[sleeper.thread], 0)
    return len(woken)


def _leave(kernel: Kernel, key: int, gone: list[Sleeper]) -> None:
    queue = [s for s in kernel.state.futexes[key] if s not in gone]
    if queue:
        kernel.state.futexes[key] = queue
    else:
        del kernel.state.futexes[key]


def _requeue(kernel: Kernel, thread: Thread, address: int, count: int, moved: int, second: int) -> int:
    done = wake(kernel, thread, address, count, ANY)
    base = kernel.space(thread).base
    rest = kernel.state.futexes.get(base + address, [])[: max(s32(moved), 0)]
    if rest and second != address:
        _leave(kernel, base + address, rest)
        kernel.state.futexes.setdefault(base + second, []).extend(rest)
    return done + len(rest)


def _wake_op(kernel: Kernel, thread: Thread, address: int, count: int, count2: int, second: int, code: int) -> int:
    operation, comparison = code >> 28 & 15, code >> 24 & 15
    operand, against = (_signed12(code >> 12), _signed12(code))
    if operation & 8:
        operand = 1 << (operand & 31)
    old = kernel.word(thread, second)
    new = {0: operand, 1: old + operand, 2: old | operand, 3: old & ~operand, 4: old ^ operand}.get(operation & 7)
    if new is None or comparison > 5:
        raise Err(E.ENOSYS)
    kernel.write(thread, second, struct.pack("<I", new & ANY))
    signed = s32(old)
    holds = (signed == against, signed != against, signed < against, signed <= against, signed > against,
             signed >= against)[comparison]  # fmt: skip
    done = wake(kernel, thread, address, count, ANY)
    return done + (wake(kernel, thread, second, count2, ANY) if holds else 0)


def _signed12(value: int) -> int:
    value &= 0xFFF
    return value - 0x1000 if value >> 11 else value


# ---- locks that know their owner --------------------------------------------------------------------------


def _lock_pi(kernel: Kernel, thread: Thread, address: int, op: int, timeout: int) -> int:
    """The word holds the owner's tid. All threads have one priority here, so who waits longest is next."""
    word = kernel.word(thread, address)
    owner, waiters = word & TID, _waiters(kernel, thread, address)
    if owner == thread.tid:
        raise Err(E.EDEADLK)
    if not owner:
        kernel.write(thread, address, struct.pack("<I", word & OWNER_DIED | thread.tid | (WAITERS if waiters else 0)))
        return 0
    if not any(other.tid == owner for other in kernel.state.threads.values()):
        raise Err(E.ESRCH)
    if op & 0x7F == TRYLOCK_PI:
        raise Err(E.EAGAIN)
    clock = 1 if op & 0x7F == LOCK_PI2 and not op & CLOCK_REALTIME_FLAG else REALTIME
    deadline = deadline_at(kernel, clock, duration(kernel, thread, timeout)) if timeout else None
    if deadline is not None and deadline <= kernel.now:
        raise Err(E.ETIMEDOUT)
    kernel.write(thread, address, struct.pack("<I", word | WAITERS))
    kernel.state.futexes.setdefault(kernel.space(thread).base + address, []).append(Sleeper(thread.number, PI))
    raise Wait(f"futex {address:#x}", deadline, -E.ETIMEDOUT, restart=not timeout, polls=False)


def _unlock_pi(kernel: Kernel, thread: Thread, address: int) -> int:
    if kernel.word(thread, address) & TID != thread.tid:
        raise Err(E.EPERM)
    _hand_over(kernel, thread, address, 0)
    return 0


def _waiters(kernel: Kernel, thread: Thread, address: int) -> list[Sleeper]:
    queue = kernel.state.futexes.get(kernel.space(thread).base + address, [])
    return [sleeper for sleeper in queue if sleeper.bits == PI]


def _hand_over(kernel: Kernel, thread: Thread, address: int, died: int) -> None:
    """The next owner is the first that waits; nobody when there is none."""
    waiters = _waiters(kernel, thread, address)
    following = kernel.state.threads[waiters[0].thread] if waiters else None
    word = died | (following.tid if following is not None else 0) | (WAITERS if len(waiters) > 1 else 0)
    kernel.write(thread, address, struct.pack("<I", word))
    if following is not None:
        _leave(kernel, kernel.space(thread).base + address, waiters[:1])
        kernel.wake(following, 0)


@call("set_robust_list")
def set_robust_list(kernel: Kernel, thread: Thread, head: int, size: int) -> int:
    if size != 24:
        raise Err(E.EINVAL)
    thread.robust = head
    return 0


@call("get_robust_list")
def get_robust_list(kernel: Kernel, thread: Thread, pid: int, head: int, size: int) -> int:
    kernel.write(thread, head, struct.pack("<Q", thread.robust))
    kernel.write(thread, size, struct.pack("<Q", 24))
    return 0


def clear_tid(kernel: Kernel, thread: Thread) -> None:
    """A thread ends: its word becomes zero, and who waits for that goes on."""
    try:
        kernel.write(thread, thread.clear_tid, bytes(4))
    except Err:
        return
    wake_at(kernel, thread, kernel.space(thread).base + thread.clear_tid, 1)


def release_robust(kernel: Kernel, thread: Thread) -> None:
    """A thread ends while it holds robust mutexes: their owner died, one waiter each may go on."""
    head = thread.robust
    if not head:
        return
    try:
        following, offset, _ = kernel.words(thread, head, "<QqQ")
        for _ in range(ENTRY_LIMIT):
            if following == head:
                return
            word = (following & ~1) + offset
            if kernel.word(thread, word) & TID == thread.tid and following & 1:
                _hand_over(kernel, thread, word, OWNER_DIED)
            elif kernel.word(thread, word) & TID == thread.tid:
                kernel.write(thread, word, struct.pack("<I", kernel.word(thread, word) & WAITERS | OWNER_DIED))
                wake(kernel, thread, word, 1, ANY)
            (following,) = kernel.words(thread, following & ~1, "<Q")
    except (Err, struct.error):
        return
