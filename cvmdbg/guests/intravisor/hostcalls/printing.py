"""Hostcall 1 and the host's own read and write on its standard streams (507, 508, 809, 810).

The fork prints through ``fprintf(stdout, text)``, so a per cent sign is a conversion there; this is the newer monitor,
which writes the bytes as they are.
"""

from __future__ import annotations

from cvmdbg.guests.intravisor.hostcalls import hostfiles
from cvmdbg.guests.intravisor.hostcalls.descriptors import STREAMS
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, quoted
from sessions.event import MemoryWrite

FREEBSD_READ, FREEBSD_WRITE = 3, 4


def _write(request: Request, descriptor: int, address: int, size: int) -> Answer:
    text = request.read(address, size) if size > 0 else b""
    shown = (str(descriptor), quoted(text), str(size))
    done = request.host_call(FREEBSD_WRITE, "write", shown, max(size, -1))
    printed = [request.say(text, request.caller, "guest")] if text else []
    return Answer(result=max(size, -1), observations=[*printed, done])


def write_out(request: Request) -> Answer:
    """write_out(text, length): the bytes go to the console; it returns 0 whatever becomes of them."""
    answer = _write(request, 1, request.address(0), request.number_of(1))
    answer.result = 0
    return answer


def show_write_out(request: Request) -> tuple[str, ...]:
    size = request.number_of(1)
    text = request.read(request.address(0), min(max(size, 0), 64))
    return (f"{request.shown(0)} {quoted(text)}", str(size))


def _stream(request: Request, allowed: tuple[int, ...]) -> int:
    descriptor = request.number_of(0)
    if descriptor not in allowed:
        raise Refusal(
            f"hostcall {request.number} {request.name}: host file {descriptor} is not modelled, "
            "only the standard streams are"
        )
    return descriptor


def write_translated(request: Request) -> Answer:
    """write(fd, text, size) with the pointer translated."""
    return _write_to(request, request.address(1))


def write_plain(request: Request) -> Answer:
    """write(fd, text, size) with the pointer as it is, also from a hybrid cVM."""
    return _write_to(request, request.word(1))


def _write_to(request: Request, address: int) -> Answer:
    if request.number_of(0) not in STREAMS:
        return hostfiles.write(request, address)
    return _write(request, _stream(request, (1, 2)), address, request.number_of(2))


def _read(request: Request, address: int) -> Answer:
    if request.number_of(0) not in STREAMS:
        return hostfiles.read(request, address)
    _stream(request, (0,))
    size = request.number_of(2)
    if size <= 0:
        return Answer(result=0 if size == 0 else -1)
    request.check_writable(address, size)
    content = request.view.input(size)
    if content is None:
        return Answer(result=None, again=True)
    done = request.host_call(FREEBSD_READ, "read", ("0", quoted(content), str(size)), len(content))
    written = [MemoryWrite(address, content)] if content else []
    return Answer(result=len(content), effects=[*written], observations=[done])


def read_translated(request: Request) -> Answer:
    """read(0, buffer, size) with the pointer translated: standard input, as much as is there."""
    return _read(request, request.address(1))


def read_plain(request: Request) -> Answer:
    """read(0, buffer, size) with the pointer as it is."""
    return _read(request, request.word(1))


def _show_transfer(request: Request) -> tuple[str, ...]:
    return (str(request.number_of(0)), request.shown(1), str(request.number_of(2)))


TABLE = {
    1: Hostcall("write_out", write_out, show_write_out),
    507: Hostcall("write", write_plain, _show_transfer),
    508: Hostcall("read", read_plain, _show_transfer),
    809: Hostcall("read", read_translated, _show_transfer),
    810: Hostcall("write", write_translated, _show_transfer),
}
