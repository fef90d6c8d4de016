"""Hostcalls 11 to 16, 40 to 42, 1001 and 1002: threads of the host, one for each slot of a cVM.

A thread begins on its slot in the monitor's cinv2_sp. 11 gives it a number as argument. 40 turns the number into a
capability over all of the monitor's memory, as the original does. 1001 is read as Linux's clone: the child comes back
from the same hostcall with 0, on the stack it was given. Source: Intravisor src/hostcalls.c, create_carrie_thread.
"""

from __future__ import annotations

from cvmdbg.guests.intravisor import capabilities, thread
from cvmdbg.guests.intravisor.hostcalls import futex
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Request, words
from cvmdbg.guests.intravisor.state import FIRST_HOST_ID, Creation, GuestThread
from sessions.event import MemoryWrite, ProgramExit, RegisterWrite, ThreadExit

ESRCH, EINVAL, EDEADLK = 3, 22, 11
MINUS_ONE = (1 << 64) - 1
PARENT_SETTID, CHILD_CLEARTID, SETTLS, CHILD_SETTID = 0x100000, 0x200000, 0x80000, 0x1000000


def _new(request: Request, cid: int, slot: int) -> GuestThread:
    number = len(request.state.threads)
    fresh = GuestThread(number, cid, slot, FIRST_HOST_ID + number)
    request.state.threads.append(fresh)
    return fresh


def _create(request: Request, argument: int) -> Answer:
    """create_carrie_thread(function, argument): waits for a slot when all are taken."""
    made = Creation(request.thread.number, request.owner.layout.cid, request.address(0), argument)
    slot = request.state.free_slot(made.cid)
    if slot is None:
        request.state.creations.append(made)
        return Answer(result=None, wait="a free slot")
    answer = Answer()
    answer.result = begin(request, answer, made, slot)
    return answer


def begin(request: Request, answer: Answer, made: Creation, slot: int) -> int:
    """Starts a thread on a slot, as part of an answer; its host number."""
    owner = request.cvms[made.cid]
    fresh = _new(request, made.cid, slot)
    beginning = thread.begin_extra(owner, fresh.number, owner.layout.slot(slot), made.entry, made.argument)
    answer.effects += beginning.effects
    return fresh.host


def thread_create(request: Request) -> Answer:
    """thread_create(function, argument): the argument arrives as a number."""
    return _create(request, capabilities.integer(request.word(1)).bits)


def pure_thread_create(request: Request) -> Answer:
    """thread_create(function, argument): the argument arrives as a capability of the monitor."""
    value = request.word(1)
    return _create(request, capabilities.monitor_data(value).bits if value else 0)


def thread_detach(request: Request) -> Answer:
    request.thread.detached = True
    return Answer()


def thread_exit(request: Request) -> Answer:
    """Ends the calling thread; its slot is free at once, who joins it goes on, the program may be over."""
    current = request.thread
    return leave(request, current, request.word(0) if request.number == 42 else 0)


def leave(request: Request, current: GuestThread, status: int) -> Answer:
    """All that the end of a thread brings about."""
    answer = Answer(result=None, effects=[ThreadExit(current.number, status & 0xFFFFFFFF)])
    current.exited, current.status = True, status
    if current.clear_tid:
        answer.effects.append(MemoryWrite(current.clear_tid, bytes(4)))
        futex.wake_at(request, answer, current.clear_tid, 1)
    for waiter, (target, result) in list(request.state.joins.items()):
        if target == current.number:
            _joined(request, answer, waiter, result)
    _serve_creation(request, answer, current.cid)
    mains = [t for t in request.state.threads if t.main]
    if all(t.exited for t in mains) and len(mains) == len(request.cvms):
        answer.effects.append(ProgramExit(0))
    return answer


def _joined(request: Request, answer: Answer, waiter: int, result: int) -> None:
    target, _ = request.state.joins.pop(waiter)
    ended = request.state.threads[target]
    ended.joined = True
    if result:
        answer.effects.append(MemoryWrite(result, ended.status.to_bytes(8, "little")))
    request.wake(answer, waiter, 0)


def _serve_creation(request: Request, answer: Answer, cid: int) -> None:
    """A slot of this cVM is free: the first creation that waits for one goes on."""
    for made in request.state.creations:
        slot = request.state.free_slot(cid)
        if made.cid == cid and slot is not None:
            request.state.creations.remove(made)
            request.wake(answer, made.creator, begin(request, answer, made, slot))
            return


def _join(request: Request, result: int) -> tuple[int, Answer]:
    """pthread_join: an error number, or 0 and the answer."""
    target = request.state.by_host(request.word(0))
    if target is None or target.joined:
        return ESRCH, Answer()
    if target.detached or any(joined == target.number for joined, _ in request.state.joins.values()):
        return EINVAL, Answer()
    if target is request.thread:
        return EDEADLK, Answer()
    if not target.exited:
        request.state.joins[request.thread.number] = (target.number, result)
        return 0, Answer(result=None, wait=f"join {target.host}")
    target.joined = True
    written = [MemoryWrite(result, target.status.to_bytes(8, "little"))] if result else []
    return 0, Answer(effects=[*written])


def thread_join(request: Request) -> Answer:
    """thread_join(id): 0, or -1."""
    error, answer = _join(request, 0)
    return Answer(result=MINUS_ONE) if error else answer


def pthread_join(request: Request) -> Answer:
    """pthread_join(id, result): 0 or an error number; the result's pointer is taken as it is."""
    result = request.word(1)
    if result:
        request.check_writable(result, 8)
    error, answer = _join(request, result)
    return Answer(result=error) if error else answer


def thread_self(request: Request) -> Answer:
    return Answer(result=request.thread.host)


def thread_equal(request: Request) -> Answer:
    return Answer(result=int(request.word(0) == request.word(1)))


def clone(request: Request) -> Answer:
    """clone(flags, stack, parent_tid, tls, child_tid): the child leaves by the caller's own return pair."""
    slot = request.state.free_slot(request.owner.layout.cid)
    if slot is None:
        return Answer(result=-EDEADLK & MINUS_ONE)  # EAGAIN of Linux
    flags, parent = request.word(0), request.thread.number
    for index, wanted in ((2, PARENT_SETTID), (4, CHILD_SETTID | CHILD_CLEARTID)):
        if flags & wanted:
            request.check_writable(request.address(index), 4)
    answer = Answer()
    host = begin(request, answer, Creation(parent, request.owner.layout.cid, 0, 0), slot)
    child = request.state.threads[-1]
    copied = {"c0": 0, **{f"c{n}": request.view.register(parent, f"c{n}") for n in range(19, 29)}}
    copied |= {new: request.view.register(parent, old) for new, old in _RETURN_PAIR}
    copied["ctpidr"] = request.view.register(parent, "c3" if flags & SETTLS else "ctpidr")
    answer.effects += [RegisterWrite(child.number, name, value) for name, value in copied.items()]
    tid = host.to_bytes(4, "little")
    if flags & PARENT_SETTID:
        answer.effects.append(MemoryWrite(request.address(2), tid))
    if flags & CHILD_SETTID:
        answer.effects.append(MemoryWrite(request.address(4), tid))
    child.clear_tid = request.address(4) if flags & CHILD_CLEARTID else 0
    answer.result = host
    return answer


_RETURN_PAIR = (("c1", "c9"), ("c2", "c10"), ("c3", "c11"), ("c4", "c1"))
"""What cinv2_sp takes, and where the caller has it: sealed code and data, its DDC, the child's stack."""


def show_function(request: Request) -> tuple[str, ...]:
    return (request.shown(0), f"{request.word(1):#x}")


TABLE = {
    11: Hostcall("thread_create", thread_create, show_function),
    12: Hostcall("thread_detach", thread_detach, words(0)),
    13: Hostcall("thread_exit", thread_exit, words(0)),
    14: Hostcall("thread_join", thread_join, words(1)),
    15: Hostcall("thread_self", thread_self, words(0)),
    16: Hostcall("thread_equal", thread_equal, words(2)),
    40: Hostcall("thread_create", pure_thread_create, show_function),
    41: Hostcall("pthread_join", pthread_join, words(2)),
    42: Hostcall("thread_exit", thread_exit, words(1)),
    1001: Hostcall("clone", clone, words(5)),
    1002: Hostcall("gettid", thread_self, words(0)),
}
