"""Hostcalls 403, 411 and 413: a cVM has a function called on a new thread, its own or an advertised one.

Source: Intravisor src/hostcalls.c, host_make_call; src/host_cap_calls.c.
"""

from __future__ import annotations

from cvmdbg.guests.intravisor import capabilities
from cvmdbg.guests.intravisor.hostcalls import threads
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Request, words
from cvmdbg.guests.intravisor.hostcalls.shared import store, stream_of
from cvmdbg.guests.intravisor.state import Creation
from sessions.event import MemoryWrite, ProgramExit


def _no_slot(request: Request) -> Answer:
    """The monitor's exit(1), all cVMs with it."""
    said = request.monitor_says("need more threads, die")
    return Answer(result=None, effects=[ProgramExit(1)], observations=[said])


def make_call(request: Request) -> Answer:
    """make_call(function, argument): runs it on a thread of its own, and waits for its end."""
    cid = request.owner.layout.cid
    slot = request.state.free_slot(cid)
    if slot is None:
        return _no_slot(request)
    answer = Answer(result=None)
    argument = capabilities.integer(request.word(1)).bits
    host = threads.begin(request, answer, Creation(request.thread.number, cid, request.address(0), argument), slot)
    called = request.state.by_host(host)
    assert called is not None
    request.state.joins[request.thread.number] = (called.number, 0)
    answer.wait = f"the end of thread {host}"
    return answer


def make_cap_call(request: Request) -> Answer:
    """make_cap_call(stream, buffer, size): what was advertised begins to run, once; it never comes back to the monitor,
    so who calls again waits for ever."""
    stream = stream_of(request)
    stream.buffer, stream.size = request.address(1), request.number_of(2)
    if stream.armed:
        return Answer(result=None, wait=f"the call thread of cap stream {request.number_of(0)}")
    slot = request.state.free_slot(stream.cid)
    if slot is None:
        return _no_slot(request)
    stream.armed = True
    number, answer = request.number_of(0), Answer()
    argument = capabilities.integer(number).bits
    threads.begin(request, answer, Creation(request.thread.number, stream.cid, stream.function, argument), slot)
    top = request.cvms[stream.cid].layout.slot(slot).top
    answer.observations.append(
        request.monitor_says(f"me->func = {stream.function:#x}, addr={number:#x}, sp = {top - FRAME:#x}")
    )
    return answer


FRAME = 0x690
"""How far below its slot's top c_call_thread_body's own stack pointer is."""


def fetch_cap_call(request: Request) -> Answer:
    """fetch_cap_call(stream, location, size): the buffer of the last make_cap_call, as a capability."""
    stream = stream_of(request)
    made = capabilities.data(stream.buffer, max(stream.size, 0), stream.buffer)
    answer = Answer(effects=[store(request, request.address(1), made)])
    where = request.address(2)
    if where:
        request.check_writable(where, 8)
        answer.effects.append(MemoryWrite(where, stream.size.to_bytes(8, "little", signed=True)))
    return answer


TABLE = {
    403: Hostcall("make_call", make_call, threads.show_function),
    411: Hostcall("make_cap_call", make_cap_call, words(3)),
    413: Hostcall("fetch_cap_call", fetch_cap_call, words(3)),
}
