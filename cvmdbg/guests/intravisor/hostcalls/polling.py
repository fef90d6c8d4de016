"""Hostcalls 200, 513 and 514: sleep, and wait until one of several descriptors is ready.

Pointers are translated, so a hybrid cVM's NULL is its base: select then takes the ELF header for a set.
Source: Intravisor src/hostcalls.c; FreeBSD's manual: nanosleep, poll, select.
"""

from __future__ import annotations

import struct

from cvmdbg.guests.intravisor import freebsd
from cvmdbg.guests.intravisor.hostcalls.descriptors import MOST_OPEN, TAP, channel_at, failing, kernel_of
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Request, words
from cvmdbg.guests.linux import abi, streams
from cvmdbg.guests.linux.abi import E, Err, Wait
from cvmdbg.guests.linux.state import Thread
from sessions.event import Effect, MemoryWrite

SECOND = 1_000_000_000
LASTING = abi.POLLERR | abi.POLLHUP | abi.POLLNVAL
READ, WRITE = abi.POLLIN | abi.POLLRDNORM, abi.POLLOUT
FOREVER = 100_000_000


@failing
def nanosleep(request: Request) -> Answer:
    """nanosleep(time, rest): nothing interrupts it, so the rest is never written."""
    if request.retried is None:
        seconds, nanoseconds = request.words_at(request.address(0), "<qq")
        if not 0 <= nanoseconds < SECOND or seconds < 0:
            raise Err(E.EINVAL)
        deadline = _now(request) + min(seconds, FOREVER) * SECOND + nanoseconds
    limit = request.limit(None if request.retried is not None else deadline)
    if request.ended(limit):
        return Answer()
    raise Wait("sleeps", limit)


def _now(request: Request) -> int:
    return request.state.now(request.view.tick)


def ready(request: Request, descriptor: int) -> int:
    """The POLL… bits that hold now; POLLNVAL for what is not open."""
    if descriptor == 0:
        return READ if request.view.input(0) is not None else 0
    try:
        opened = channel_at(request, descriptor)
    except Err:
        return abi.POLLNVAL
    if opened is None:
        return READ | WRITE if descriptor > 2 else WRITE
    if opened.kind == TAP:
        return WRITE
    return freebsd.events(streams.ready(kernel_of(request), Thread(0, 0, 0), opened))


# ---- poll ----


@failing
def poll(request: Request) -> Answer:
    """poll(descriptors, count, milliseconds): how many have an event; INFTIM is -1."""
    count, timeout, where = request.word(1) & 0xFFFFFFFF, request.number_of(2), request.address(0)
    if count > MOST_OPEN or timeout < -1:
        raise Err(E.EINVAL)
    wanted = list(struct.iter_unpack("<ihh", request.read(where, 8 * count))) if count else []
    found = [ready(request, fd) & (events | LASTING) if fd >= 0 else 0 for fd, events, _ in wanted]
    number = sum(1 for events in found if events)
    limit = request.limit(None if timeout < 0 else _now(request) + timeout * 1_000_000)
    if not number and not request.ended(limit):
        raise Wait(_waits([fd for fd, _, _ in wanted]), limit)
    effects: list[Effect] = [
        MemoryWrite(where + 8 * index + 6, events.to_bytes(2, "little")) for index, events in enumerate(found)
    ]
    return Answer(result=number, effects=effects)


def _waits(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers if number >= 0)
    return f"an event of descriptor {shown}" if shown else "nothing but time"


# ---- select ----


@failing
def select(request: Request) -> Answer:
    """select(count, readable, writable, exceptional, time): how many are ready. Sets are bits in words of 8 bytes."""
    count = request.number_of(0)
    if count < 0:
        raise Err(E.EINVAL)
    count = min(count, MOST_OPEN)
    limit = _select_limit(request)
    places = [request.address(index) for index in (1, 2, 3)]
    size = -(-count // 64) * 8
    sets = [int.from_bytes(request.read(place, size), "little") if place and size else 0 for place in places]
    sets = [bits & ((1 << count) - 1) for bits in sets]
    found = [_selected(request, bits, wanted) for bits, wanted in zip(sets, (READ, WRITE, 0), strict=True)]
    number = sum(bits.bit_count() for bits in found)
    if not number and not request.ended(limit):
        raise Wait(_waits(_numbers(sets[0] | sets[1] | sets[2])), limit)
    effects: list[Effect] = [
        MemoryWrite(place, bits.to_bytes(size, "little"))
        for place, bits in zip(places, found, strict=True)
        if place and size
    ]
    return Answer(result=number, effects=effects)


def _select_limit(request: Request) -> int | None:
    where = request.address(4)
    if request.retried is not None or not where:
        return request.limit(None)
    seconds, microseconds = request.words_at(where, "<qq")
    if seconds < 0 or not 0 <= microseconds < 1_000_000:
        raise Err(E.EINVAL)
    return _now(request) + min(seconds, FOREVER) * SECOND + microseconds * 1000


def _selected(request: Request, bits: int, wanted: int) -> int:
    """The bits of a set whose descriptors are ready; EBADF."""
    found = 0
    for number in _numbers(bits):
        events = ready(request, number)
        if events & abi.POLLNVAL:
            raise Err(E.EBADF)
        if wanted and events & (wanted | abi.POLLHUP | abi.POLLERR):
            found |= 1 << number
    return found


def _numbers(bits: int) -> list[int]:
    return [number for number in range(bits.bit_length()) if bits >> number & 1]


TABLE = {
    200: Hostcall("nanosleep", nanosleep, words(2)),
    513: Hostcall("poll", poll, words(3)),
    514: Hostcall("select", select, words(5)),
}
