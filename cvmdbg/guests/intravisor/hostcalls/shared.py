"""Hostcalls 405 to 412: buffers and streams that cVMs share by name (capfiles, cap streams).

A key that nobody advertised makes the monitor spin; here it is a sentence. Pointers are translated as the monitor does
it: a hybrid cVM's NULL is its base. Source: Intravisor src/host_cap_files.c, src/host_cap_calls.c.
"""

from __future__ import annotations

from cvmdbg.guests.intravisor import capabilities
from cvmdbg.guests.intravisor.capfiles import cut, matches
from cvmdbg.guests.intravisor.config import shown
from cvmdbg.guests.intravisor.deploy import write_capability
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, Show, quoted, words
from cvmdbg.guests.intravisor.state import Advertised, Stream
from emulator_core._core import Capability
from sessions.event import Effect, MemoryWrite

MOST = 10
FULL = "need more cap streams/files, die"
NOTHING = Advertised("", 0, 0)


def key_of(request: Request, index: int) -> str:
    """A key that an argument points at."""
    return request.text(request.address(index)).decode("utf-8", "surrogateescape")


def store(request: Request, address: int, made: Capability) -> Effect:
    """Stores a capability; a Refusal where it cannot lie."""
    if address % 16:
        raise Refusal(
            f"hostcall {request.number} {request.name}: a capability cannot lie at {address:#x}: not aligned to 16"
        )
    request.check_writable(address, 16)
    return write_capability(address, made)


def _full(request: Request, taken: int) -> None:
    if taken >= MOST:
        raise Refusal(f"hostcall {request.number} {request.name}: all {MOST} are taken; the monitor spins", FULL)


def _wrong_key(request: Request, key: str) -> Refusal:
    sentence = f"hostcall {request.number} {request.name}: nobody advertised '{shown(key)}'; the monitor spins"
    return Refusal(sentence, f"wrong cap key {shown(key)} ")


def file_adv(request: Request) -> Answer:
    """cap_file_adv(pointer, size, key): its index."""
    files = request.state.capfiles
    _full(request, len(files))
    files.append(Advertised(cut(key_of(request, 2)), request.address(0), request.number_of(1)))
    return Answer(result=len(files) - 1)


def file_prb(request: Request) -> Answer:
    """cap_file_prb(key, location, size): the capability goes to one place, the size to the other."""
    key, files = key_of(request, 0), request.state.capfiles
    table = files if len(files) == MOST else [*files, NOTHING]
    found = next((file for file in table if matches(file.name, key)), None)
    if found is None:
        raise _wrong_key(request, key)
    made = capabilities.data(found.address, max(found.size, 0), found.address)
    effects = [store(request, request.address(1), made)]
    where = request.address(2)
    if where:
        request.check_writable(where, 8)
        effects.append(MemoryWrite(where, found.size.to_bytes(8, "little", signed=True)))
    return Answer(effects=effects)


def stream_adv(request: Request) -> Answer:
    """cap_stream_adv(function, device, key): its index."""
    streams, function, device = request.state.streams, request.address(0), request.word(1)
    _full(request, len(streams))
    name = cut(key_of(request, 2))
    streams.append(Stream(name, function, device, request.owner.layout.cid))
    number = len(streams) - 1
    said = request.monitor_says(f"MON: STREAM_CAP[{number}] {function:#x} {name} {device:#x}")
    return Answer(result=number, observations=[said])


def stream_prb(request: Request) -> Answer:
    """cap_stream_prb(key): its index; an empty key finds the first that is free."""
    key, streams = key_of(request, 0), request.state.streams
    names = [stream.name for stream in streams] + ["" for _ in range(MOST - len(streams))]
    for number, name in enumerate(names):
        if matches(name, key):
            return Answer(result=number)
    raise _wrong_key(request, key)


def stream_of(request: Request) -> Stream:
    """The stream of argument 0; a Refusal for what is none."""
    number = request.number_of(0)
    if not 0 <= number < len(request.state.streams):
        have = len(request.state.streams)
        raise Refusal(f"hostcall {request.number} {request.name}: there is no stream {number}, {have} are advertised")
    return request.state.streams[number]


def wait(request: Request) -> Answer:
    """cap_wait(stream): goes on at once if it was woken since, else waits for one cap_wake."""
    stream = stream_of(request)
    if stream.woken:
        stream.woken = False
        return Answer()
    stream.waiters.append(request.thread.number)
    return Answer(result=None, wait=f"cap stream {request.word(0)}")


def wake(request: Request) -> Answer:
    """cap_wake(stream): the first that waits, or the next that would."""
    stream, answer = stream_of(request), Answer()
    if stream.waiters:
        request.wake(answer, stream.waiters.pop(0), 0)
    else:
        stream.woken = True
    return answer


def finish_call(request: Request) -> Answer:
    """finish_cap_call(stream, result): the device that was advertised with it."""
    stream, where = stream_of(request), request.address(1)
    request.check_writable(where, 8)
    return Answer(effects=[MemoryWrite(where, stream.device.to_bytes(8, "little"))])


def keyed(count: int, key: int) -> Show:
    """Arguments as words, the one at ``key`` as the text it points at."""

    def show(request: Request) -> tuple[str, ...]:
        plain = words(count)(request)
        try:
            text = quoted(request.text(request.address(key)), 64)
        except Refusal:
            return plain
        return (*plain[:key], text, *plain[key + 1 :])

    return show


TABLE = {
    405: Hostcall("cap_file_adv", file_adv, keyed(3, 2)),
    406: Hostcall("cap_file_prb", file_prb, keyed(3, 0)),
    407: Hostcall("cap_wait", wait, words(1)),
    408: Hostcall("cap_wake", wake, words(1)),
    409: Hostcall("cap_stream_adv", stream_adv, keyed(3, 2)),
    410: Hostcall("cap_stream_prb", stream_prb, keyed(1, 0)),
    412: Hostcall("finish_cap_call", finish_call, words(2)),
}
