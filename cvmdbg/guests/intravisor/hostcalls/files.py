"""Hostcalls 900 and 901: a file of the host, here of the cvm.yaml's folder only. The original spins without it."""

from __future__ import annotations

from cvmdbg.guests.intravisor.config import shown
from cvmdbg.guests.intravisor.folder import FolderError
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, quoted
from sessions.event import MemoryWrite


def _name(request: Request) -> str:
    return request.text(request.address(0)).decode("utf-8", "surrogateescape")


def _content(request: Request) -> bytes:
    try:
        return request.folder.read(_name(request))
    except FolderError as error:
        said = "Error opening file: No such file or directory"
        raise Refusal(f"hostcall {request.number} {request.name}: {error}; the monitor spins", said) from None


def get_file_size(request: Request) -> Answer:
    """get_file_size(name)."""
    size = len(_content(request))
    line = f"WARNING: get_file_size is unsafe and doesnt filename ({_name(request)}) when it loads"
    return Answer(result=size, observations=[request.monitor_says(line)])


def copy_file(request: Request) -> Answer:
    """copy_file(name, where, size): the first ``size`` bytes, all of which must be there."""
    content, where, size = _content(request), request.address(1), request.word(2)
    if size > len(content):
        raise Refusal(
            f"hostcall 901 copy_file: {size} bytes of {shown(_name(request))} were asked for, it has {len(content)}; "
            "the monitor spins",
            "Error reading file: Undefined error: 0",
        )
    request.check_writable(where, size)
    line = (
        f"WARNING: copy_file_into_cvm is unsafe and doesnt check where ({where:#x}/{size}) "
        f"and what ({_name(request)}) it loads"
    )
    effects = [MemoryWrite(where, content[:size])] if size else []
    return Answer(result=size, effects=[*effects], observations=[request.monitor_says(line)])


def _show_name(request: Request) -> tuple[str, ...]:
    return (quoted(request.text(request.address(0)), 64),)


def _show_copy(request: Request) -> tuple[str, ...]:
    return (*_show_name(request), request.shown(1), str(request.word(2)))


TABLE = {
    900: Hostcall("get_file_size", get_file_size, _show_name),
    901: Hostcall("copy_file", copy_file, _show_copy),
}
