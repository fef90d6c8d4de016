"""poll, select, epoll: which open files are ready."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi, signals, streams
from cvmdbg.guests.linux.abi import E, Err, Wait, s32
from cvmdbg.guests.linux.calls.clocks import duration
from cvmdbg.guests.linux.calls.descriptors import install, make_open
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.state import Open, Thread, Watched

ALWAYS = abi.POLLERR | abi.POLLHUP
MILLISECOND = 10**6
MAX_FDS = 1 << 16
EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE, EPOLLWAKEUP = 1 << 31, 1 << 30, 1 << 28, 1 << 29
ADD, DEL, MOD = 1, 2, 3


def own_mask(kernel: Kernel, thread: Thread, pointer: int, size: int) -> None:
    """The signal mask that holds while the call waits."""
    if not pointer or kernel.retrying is not None:
        return
    if size != 8:
        raise Err(E.EINVAL)
    (mask,) = kernel.words(thread, pointer, "<Q")
    thread.saved_mask, thread.mask = thread.mask, mask & ~signals.UNBLOCKABLE
    kernel.signalled = True


def over(kernel: Kernel, thread: Thread, value: int) -> int:
    """The call does not wait: its mask is put back."""
    if kernel.retrying is None:
        kernel.restore_mask(thread)
    return value


def timers_due(kernel: Kernel, opens: list[Open]) -> int | None:
    """The first moment at which one of these timerfds runs out."""
    found = [
        moment
        for o in opens
        if o.kind == "timer" and (moment := streams.due_moment(kernel, kernel.state.counters[o.target])) is not None
    ]
    return min(found) if found else None


def earliest(kernel: Kernel, deadline: int | None, opens: list[Open]) -> int | None:
    """When to look again: the call's own deadline, or a timerfd's."""
    moments = [m for m in (deadline, timers_due(kernel, opens)) if m is not None]
    return min(moments) if moments else None


@call("ppoll")
def ppoll(kernel: Kernel, thread: Thread, fds: int, count: int, timeout: int, mask: int, size: int) -> int:
    if count > MAX_FDS:
        raise Err(E.EINVAL)
    limit = kernel.now + duration(kernel, thread, timeout) if timeout else None
    rows = list(struct.iter_unpack("<ihh", kernel.read(thread, fds, 8 * count)))
    own_mask(kernel, thread, mask, size)
    opens: list[Open] = []
    found, out = 0, b""
    for fd, events, _ in rows:
        got = _polled(kernel, thread, fd, events & 0xFFFF, opens)
        found += bool(got)
        out += struct.pack("<ihh", fd, events, got - 0x10000 if got >> 15 else got)
    if not found and not kernel.ended(limit):
        raise Wait(
            f"poll of {count} files",
            earliest(kernel, kernel.limit(limit), opens),
            restart=False,
            limit=kernel.limit(limit),
        )
    kernel.write(thread, fds, out)
    return over(kernel, thread, found)


def _polled(kernel: Kernel, thread: Thread, fd: int, events: int, opens: list[Open]) -> int:
    if fd < 0:
        return 0
    number = kernel.program(thread).files.get(fd)
    if number is None:
        return abi.POLLNVAL
    opened = kernel.state.opens[number]
    opens.append(opened)
    return streams.ready(kernel, thread, opened) & (events | ALWAYS)


@call("pselect6")
def pselect6(
    kernel: Kernel, thread: Thread, nfds: int, reads: int, writes: int, excepts: int, timeout: int, sig: int
) -> int:
    nfds = s32(nfds)
    if not 0 <= nfds <= MAX_FDS:
        raise Err(E.EINVAL)
    size = (nfds + 63) // 64 * 8
    limit = kernel.now + duration(kernel, thread, timeout) if timeout else None
    if sig:
        own_mask(kernel, thread, *kernel.words(thread, sig, "<QQ"))
    opens: list[Open] = []
    sets: list[tuple[int, int]] = []
    found = 0
    for pointer, wanted in ((reads, streams.IN | ALWAYS), (writes, streams.OUT | abi.POLLERR), (excepts, abi.POLLPRI)):
        if not pointer:
            continue
        asked = int.from_bytes(kernel.read(thread, pointer, size), "little") & ((1 << nfds) - 1)
        got = _selected(kernel, thread, asked, wanted, opens)
        found += got.bit_count()
        sets.append((pointer, got))
    if not found and not kernel.ended(limit):
        raise Wait("select", earliest(kernel, kernel.limit(limit), opens), restart=False, limit=kernel.limit(limit))
    for pointer, got in sets:
        kernel.write(thread, pointer, got.to_bytes(size, "little"))
    return over(kernel, thread, found)


def _selected(kernel: Kernel, thread: Thread, asked: int, wanted: int, opens: list[Open]) -> int:
    got = 0
    while asked:
        bit = asked & -asked
        asked ^= bit
        opened = kernel.opened(thread, bit.bit_length() - 1)
        opens.append(opened)
        got |= bit if streams.ready(kernel, thread, opened) & wanted else 0
    return got


# ---- epoll ------------------------------------------------------------------------------------------------


@call("epoll_create1")
def epoll_create1(kernel: Kernel, thread: Thread, flags: int) -> int:
    if flags & 0xFFFFFFFF & ~abi.O_CLOEXEC:
        raise Err(E.EINVAL)
    number = kernel.state.number()
    kernel.state.epolls[number] = {}
    opened = make_open(kernel, "epoll", number, abi.O_RDWR)
    return install(kernel, thread, opened, bool(flags & abi.O_CLOEXEC))


def _instance(kernel: Kernel, thread: Thread, fd: int) -> Open:
    opened = kernel.opened(thread, fd)
    if opened.kind != "epoll":
        raise Err(E.EINVAL)
    return opened


@call("epoll_ctl")
def epoll_ctl(kernel: Kernel, thread: Thread, epfd: int, op: int, fd: int, event: int) -> int:
    instance = _instance(kernel, thread, epfd)
    opened = kernel.opened(thread, fd)
    fd &= 0xFFFFFFFF
    watched = kernel.state.epolls[instance.target]
    if opened is instance:
        raise Err(E.EINVAL)
    if opened.kind in ("file", "dir", "proc", "path"):
        raise Err(E.EPERM)
    if op == DEL:
        if fd not in watched:
            raise Err(E.ENOENT)
        del watched[fd]
        return 0
    if op not in (ADD, MOD):
        raise Err(E.EINVAL)
    events, word = kernel.words(thread, event, "<I4xQ")
    if (op == ADD) == (fd in watched):
        raise Err(E.EEXIST if op == ADD else E.ENOENT)
    watched[fd] = Watched(opened.number, events, word)
    kernel.poked = True
    return 0


def epoll_ready(kernel: Kernel, thread: Thread, target: int, limit: int, peek: bool = False) -> list[tuple[int, int]]:
    """(events, word) of what is ready, at most ``limit``; an edge is told once unless it is only looked at."""
    found: list[tuple[int, int]] = []
    watched = kernel.state.epolls[target]
    for key in list(watched):
        one = watched[key]
        opened = kernel.state.opens.get(one.open)
        if opened is None or one.off:
            continue
        got = streams.ready(kernel, thread, opened) & (one.events | ALWAYS)
        if one.events & EPOLLET:
            now = streams.generation(kernel, opened)
            fresh = got & ~one.told or now != one.generation
            if not fresh or not got:
                one.told &= got
                continue
            if not peek:
                one.told, one.generation = got, now
        if not got:
            continue
        found.append((got, one.word))
        if not peek:
            one.off = bool(one.events & EPOLLONESHOT)
            watched[key] = watched.pop(key)  # the next look begins behind it
        if len(found) == limit:
            break
    return found


@call("epoll_pwait")
def epoll_pwait(
    kernel: Kernel, thread: Thread, epfd: int, events: int, limit: int, timeout: int, mask: int, size: int
) -> int:
    milliseconds = s32(timeout)
    wait = kernel.now + milliseconds * MILLISECOND if milliseconds >= 0 else None
    return _wait(kernel, thread, epfd, events, limit, wait, mask, size)


@call("epoll_pwait2")
def epoll_pwait2(
    kernel: Kernel, thread: Thread, epfd: int, events: int, limit: int, timeout: int, mask: int, size: int
) -> int:
    wait = kernel.now + duration(kernel, thread, timeout) if timeout else None
    return _wait(kernel, thread, epfd, events, limit, wait, mask, size)


def _wait(
    kernel: Kernel, thread: Thread, epfd: int, events: int, limit: int, wait: int | None, mask: int, size: int
) -> int:
    instance = _instance(kernel, thread, epfd)
    limit = s32(limit)
    if not 0 < limit <= 1 << 20:
        raise Err(E.EINVAL)
    if not kernel.space(thread).allows(events, 16, "w"):
        raise Err(E.EFAULT)
    own_mask(kernel, thread, mask, size)
    found = epoll_ready(kernel, thread, instance.target, limit)
    if not found and not kernel.ended(wait):
        opens = [
            kernel.state.opens[w.open]
            for w in kernel.state.epolls[instance.target].values()
            if w.open in kernel.state.opens
        ]
        raise Wait(
            f"epoll {epfd & 0xFFFFFFFF}",
            earliest(kernel, kernel.limit(wait), opens),
            restart=False,
            limit=kernel.limit(wait),
        )
    kernel.write(thread, events, b"".join(struct.pack("<I4xQ", got, word) for got, word in found))
    return over(kernel, thread, len(found))
