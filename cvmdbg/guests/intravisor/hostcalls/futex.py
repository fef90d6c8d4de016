"""Hostcall 1000, read as Linux's futex: wait while a word has a value, wake those that wait at its address."""

from __future__ import annotations

import struct

from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, words
from cvmdbg.guests.intravisor.state import FutexWaiter

WAIT, WAKE, COMMAND = 0, 1, 0x7F
EAGAIN, EINVAL, ETIMEDOUT = 11, 22, 110
SECOND = 1_000_000_000


def _error(number: int) -> int:
    return -number & (1 << 64) - 1


def futex(request: Request) -> Answer:
    """futex(word, operation, value, timeout): 0 or the number woken, or a negative Linux error."""
    operation = request.word(1) & COMMAND
    if operation == WAKE:
        answer = Answer()
        answer.result = wake_at(request, answer, request.address(0), request.number_of(2))
        return answer
    if operation != WAIT:
        raise Refusal(f"hostcall 1000 futex: operation {operation} is not modelled, only wait and wake are")
    return _wait(request)


def _wait(request: Request) -> Answer:
    address = request.address(0)
    if address % 4:
        return Answer(result=_error(EINVAL))
    (value,) = struct.unpack("<I", request.read(address, 4))
    if value != request.word(2) & 0xFFFFFFFF:
        return Answer(result=_error(EAGAIN))
    deadline = None
    if request.word(3):
        seconds, nanoseconds = struct.unpack("<qq", request.read(request.address(3), 16))
        if seconds < 0 or not 0 <= nanoseconds < SECOND:
            return Answer(result=_error(EINVAL))
        deadline = request.state.now(request.view.tick) + seconds * SECOND + nanoseconds
    request.state.futexes.append(FutexWaiter(request.thread.number, address, deadline))
    return Answer(result=None, wait=f"futex {address:x}")


def wake_at(request: Request, answer: Answer, address: int, limit: int) -> int:
    """Wakes at most ``limit`` threads in the order in which they came; how many it were."""
    woken = [w for w in request.state.futexes if w.address == address][: max(limit, 0)]
    for waiter in woken:
        request.state.futexes.remove(waiter)
        request.wake(answer, waiter.thread, 0)
    return len(woken)


TABLE = {1000: Hostcall("futex", futex, words(4))}
