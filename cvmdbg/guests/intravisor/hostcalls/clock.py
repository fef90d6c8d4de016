"""Hostcalls 25 to 28: the clock and the timers.

An instruction takes one nanosecond. A timer is kept but never rings: the monitor arms one only when it was started
with -t, which is off by default.
"""

from __future__ import annotations

from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, words


def time_ns(request: Request) -> Answer:
    return Answer(result=request.state.now(request.view.tick))


def timer_alloc(request: Request) -> Answer:
    """timer_alloc(function, argument)."""
    handle = request.state.handle()
    request.state.timers.add(handle)
    return Answer(result=handle, observations=[request.monitor_says("TODO: CREATE_CARRIE_TIMER")])


def timer_set_oneshot(request: Request) -> Answer:
    """timer_set_oneshot(timer, nanoseconds): nothing, since timers are off."""
    return Answer()


def timer_free(request: Request) -> Answer:
    if request.word(0) not in request.state.timers:
        raise Refusal(f"hostcall 28 timer_free: {request.word(0):#x} is no timer")
    request.state.timers.remove(request.word(0))
    return Answer(observations=[request.monitor_says("TODO: TIMER_FREE")])


TABLE = {
    25: Hostcall("time_ns", time_ns, words(0)),
    26: Hostcall("timer_alloc", timer_alloc, words(2)),
    27: Hostcall("timer_set_oneshot", timer_set_oneshot, words(2)),
    28: Hostcall("timer_free", timer_free, words(1)),
}
