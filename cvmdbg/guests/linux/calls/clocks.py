"""Time: a tick is a nanosecond, and what all threads sleep through is added."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import signals
from cvmdbg.guests.linux.abi import SIGALRM, E, Err, Wait, s32
from cvmdbg.guests.linux.calls.descriptors import install, make_open
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.state import Counter, Pending, Program, Thread, Timer

SECOND = 10**9
REALTIME, MONOTONIC, PROCESS, THREAD = 0, 1, 2, 3
KNOWN = frozenset(range(12)) - {10}
TIMER_ABSTIME = 1
LONGEST = 1 << 62


def duration(kernel: Kernel, thread: Thread, pointer: int) -> int:
    """A timespec in nanoseconds; EINVAL, EFAULT."""
    return span(*kernel.words(thread, pointer, "<qq"))


def span(seconds: int, nanoseconds: int) -> int:
    """Seconds and nanoseconds as nanoseconds, at most what the clock can hold."""
    if seconds < 0 or not 0 <= nanoseconds < SECOND:
        raise Err(E.EINVAL)
    return min(seconds * SECOND + nanoseconds, LONGEST)


def deadline_at(kernel: Kernel, clock: int, moment: int) -> int:
    """A moment of a clock as one of CLOCK_MONOTONIC."""
    return moment - kernel.clock(clock) + kernel.now


def timespec(moment: int) -> bytes:
    """A struct timespec."""
    return struct.pack("<qq", moment // SECOND, moment % SECOND)


def _known(clock: int) -> int:
    clock = s32(clock)
    if clock < 0:
        return PROCESS if clock & 7 != 6 else THREAD
    if clock not in KNOWN:
        raise Err(E.EINVAL)
    return clock


@call("clock_gettime")
def clock_gettime(kernel: Kernel, thread: Thread, clock: int, buf: int) -> int:
    kernel.write(thread, buf, timespec(kernel.clock(_known(clock))))
    return 0


@call("clock_getres")
def clock_getres(kernel: Kernel, thread: Thread, clock: int, buf: int) -> int:
    _known(clock)
    if buf:
        kernel.write(thread, buf, timespec(1))
    return 0


@call("clock_settime", "settimeofday", "adjtimex", "clock_adjtime")
def clock_settime(kernel: Kernel, thread: Thread) -> int:
    raise Err(E.EPERM)


@call("gettimeofday")
def gettimeofday(kernel: Kernel, thread: Thread, buf: int, zone: int) -> int:
    if buf:
        moment = kernel.realtime
        kernel.write(thread, buf, struct.pack("<qq", moment // SECOND, moment % SECOND // 1000))
    if zone:
        kernel.write(thread, zone, bytes(8))
    return 0


@call("nanosleep")
def nanosleep(kernel: Kernel, thread: Thread, request: int, remain: int) -> int:
    raise Wait("sleep", kernel.now + duration(kernel, thread, request), 0, restart=False, polls=False)


@call("clock_nanosleep")
def clock_nanosleep(kernel: Kernel, thread: Thread, clock: int, flags: int, request: int, remain: int) -> int:
    clock = _known(clock)
    wanted = duration(kernel, thread, request)
    deadline = deadline_at(kernel, clock, wanted) if flags & TIMER_ABSTIME else kernel.now + wanted
    if deadline <= kernel.now:
        return 0
    raise Wait("sleep", deadline, 0, restart=False, polls=False)


@call("times")
def times(kernel: Kernel, thread: Thread, buf: int) -> int:
    ticks = kernel.tick // 10**7
    if buf:
        kernel.write(thread, buf, struct.pack("<qqqq", ticks, 0, 0, 0))
    return kernel.now // 10**7


# ---- interval timers --------------------------------------------------------------------------------------


@call("setitimer")
def setitimer(kernel: Kernel, thread: Thread, which: int, new: int, old: int) -> int:
    if which & 0xFFFFFFFF > 2:
        raise Err(E.EINVAL)
    if which:
        raise kernel.unmodelled("setitimer of CPU time")
    program = kernel.program(thread)
    interval, left = (0, 0) if not new else _itimer(kernel, thread, new)
    if old:
        kernel.write(thread, old, _left(kernel, program))
    if new:
        program.itimer = (kernel.now + left if left else 0, interval)
        kernel.alarm_known = False
    return 0


def _itimer(kernel: Kernel, thread: Thread, pointer: int) -> tuple[int, int]:
    words = kernel.words(thread, pointer, "<qqqq")
    if not 0 <= words[1] < 10**6 or not 0 <= words[3] < 10**6:
        raise Err(E.EINVAL)
    return span(words[0], words[1] * 1000), span(words[2], words[3] * 1000)


def _left(kernel: Kernel, program: Program) -> bytes:
    due, interval = program.itimer
    left = max(due - kernel.now, 1000) if due else 0
    parts = (interval // SECOND, interval % SECOND // 1000, left // SECOND, left % SECOND // 1000)
    return struct.pack("<qqqq", *parts)


@call("getitimer")
def getitimer(kernel: Kernel, thread: Thread, which: int, buf: int) -> int:
    kernel.write(thread, buf, _left(kernel, kernel.program(thread)) if not which else bytes(32))
    return 0


@call("timer_create")
def timer_create(kernel: Kernel, thread: Thread, clock: int, event: int, result: int) -> int:
    _known(clock)
    number = kernel.state.number()
    value, signal, notify, tid = number, SIGALRM, 0, 0
    if event:
        value, signal, notify, tid = kernel.words(thread, event, "<QiiI")
    if notify not in (0, 1, 4):
        raise Err(E.EINVAL)
    kernel.write(thread, result, struct.pack("<i", number))
    signal = 0 if notify == 1 else signal
    kernel.state.timers[number] = Timer(thread.pid, signal, value, tid if notify == 4 else 0)
    return 0


def _timer(kernel: Kernel, thread: Thread, number: int) -> Timer:
    timer = kernel.state.timers.get(number & 0xFFFFFFFF)
    if timer is None or timer.pid != thread.pid:
        raise Err(E.EINVAL)
    return timer


@call("timer_settime")
def timer_settime(kernel: Kernel, thread: Thread, number: int, flags: int, new: int, old: int) -> int:
    timer = _timer(kernel, thread, number)
    words = kernel.words(thread, new, "<qqqq")
    interval, first = span(*words[:2]), span(*words[2:])
    if old:
        kernel.write(thread, old, _rest(kernel, timer))
    timer.interval = interval
    timer.due = 0 if not first else (max(first, 1) if flags & TIMER_ABSTIME else kernel.now + first)
    kernel.alarm_known = False
    return 0


def _rest(kernel: Kernel, timer: Timer) -> bytes:
    left = max(timer.due - kernel.now, 1) if timer.due else 0
    return timespec(timer.interval) + timespec(left)


@call("timer_gettime")
def timer_gettime(kernel: Kernel, thread: Thread, number: int, buf: int) -> int:
    kernel.write(thread, buf, _rest(kernel, _timer(kernel, thread, number)))
    return 0


@call("timer_getoverrun")
def timer_getoverrun(kernel: Kernel, thread: Thread, number: int) -> int:
    return _timer(kernel, thread, number).overruns


@call("timer_delete")
def timer_delete(kernel: Kernel, thread: Thread, number: int) -> int:
    _timer(kernel, thread, number)
    del kernel.state.timers[number & 0xFFFFFFFF]
    kernel.alarm_known = False
    return 0


def ring(kernel: Kernel) -> None:
    """Serves what is due: waits that end, timers that send their signal."""
    now = kernel.now
    for thread in list(kernel.state.threads.values()):
        waiting = thread.waiting
        if waiting is None or waiting.deadline is None or waiting.deadline > now:
            continue
        if waiting.polls:
            kernel.retry(thread)
        else:
            signals.forget_waits(kernel, thread)
            kernel.wake(thread, waiting.timeout)
    for program in list(kernel.state.programs.values()):
        due, interval = program.itimer
        if due and due <= now:
            program.itimer = (due + interval * (1 + (now - due) // interval) if interval else 0, interval)
            signals.send(kernel, program, Pending(SIGALRM, signals.SI_KERNEL))
    for timer in kernel.state.timers.values():
        if timer.due and timer.due <= now:
            _expire(kernel, timer, now)


def _expire(kernel: Kernel, timer: Timer, now: int) -> None:
    missed = (now - timer.due) // timer.interval if timer.interval else 0
    timer.overruns, timer.due = missed, timer.due + (missed + 1) * timer.interval if timer.interval else 0
    program = kernel.state.programs.get(timer.pid)
    if program is not None and timer.signal:
        thread = next((t for t in kernel.state.threads.values() if t.tid == timer.thread), None)
        signals.send(kernel, program, Pending(timer.signal, signals.SI_TIMER, 0, timer.value), thread)


# ---- timerfd ----------------------------------------------------------------------------------------------


@call("timerfd_create")
def timerfd_create(kernel: Kernel, thread: Thread, clock: int, flags: int) -> int:
    if _known(clock) not in (0, 1, 7, 8, 9) or flags & 0xFFFFFFFF & ~0o2004000:
        raise Err(E.EINVAL)
    number = kernel.state.number()
    kernel.state.counters[number] = Counter(clock=clock)
    opened = make_open(kernel, "timer", number, flags & 0o4000 | 2)
    return install(kernel, thread, opened, bool(flags & 0o2000000))


def _counter(kernel: Kernel, thread: Thread, fd: int) -> Counter:
    opened = kernel.opened(thread, fd)
    if opened.kind != "timer":
        raise Err(E.EINVAL)
    return kernel.state.counters[opened.target]


@call("timerfd_settime")
def timerfd_settime(kernel: Kernel, thread: Thread, fd: int, flags: int, new: int, old: int) -> int:
    counter = _counter(kernel, thread, fd)
    words = kernel.words(thread, new, "<qqqq")
    interval, first = span(*words[:2]), span(*words[2:])
    if old:
        kernel.write(thread, old, _timer_left(kernel, counter))
    counter.interval, counter.value = interval, 0
    counter.due = 0 if not first else (first if flags & 1 else kernel.clock(counter.clock) + first)
    kernel.alarm_known = False
    kernel.poked = True
    return 0


def _timer_left(kernel: Kernel, counter: Counter) -> bytes:
    left = max(counter.due - kernel.clock(counter.clock), 1) if counter.due else 0
    return timespec(counter.interval) + timespec(left)


@call("timerfd_gettime")
def timerfd_gettime(kernel: Kernel, thread: Thread, fd: int, buf: int) -> int:
    kernel.write(thread, buf, _timer_left(kernel, _counter(kernel, thread, fd)))
    return 0
