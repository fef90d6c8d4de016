"""Hostcalls 300 and 301: a tap, which the cVM's ``net`` names, and pipes.

Source: Intravisor src/hostcalls.c, open_tap.
"""

from __future__ import annotations

import struct

from cvmdbg.guests.intravisor.hostcalls.descriptors import (
    TAP,
    failing,
    has_room,
    install,
    kernel_of,
    new_channel,
)
from cvmdbg.guests.intravisor.hostcalls.paths import find
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Request, words
from cvmdbg.guests.intravisor.hostcalls.shared import keyed
from cvmdbg.guests.linux import abi
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.state import Pipe
from sessions.event import MemoryWrite


@failing
def open_tap(request: Request) -> Answer:
    """open_tap(name): the cVM's ``net``, with or without /dev, not blocking; else a file of the folder, never made."""
    name = request.text(request.address(0)).decode("utf-8", "surrogateescape")
    if not has_room(request, 1):
        raise Err(E.EMFILE)
    net = request.owner.config.net
    if net and name.removeprefix("/dev/") == net.removeprefix("/dev/"):
        opened = new_channel(kernel_of(request), TAP, 0, abi.O_RDWR | abi.O_NONBLOCK)
        return Answer(result=install(request, opened))
    _, _, _, node = find(request, 0)
    if node is None:
        raise Err(E.ENOENT)
    if node.kind != "file":
        raise Err(E.EISDIR if node.kind == "dir" else E.EOPNOTSUPP)
    node.opens += 1
    return Answer(result=install(request, ino=node.ino))


@failing
def pipe(request: Request) -> Answer:
    """pipe(two ints): the end to read, the end to write."""
    where = request.address(0)
    request.check_writable(where, 8)
    if not has_room(request, 2):
        raise Err(E.EMFILE)
    kernel = kernel_of(request)
    number = kernel.state.number()
    kernel.state.pipes[number] = Pipe(readers=1, writers=1)
    ends = [new_channel(kernel, "pipe", number, mode) for mode in (abi.O_RDONLY, abi.O_WRONLY)]
    return Answer(effects=[MemoryWrite(where, struct.pack("<ii", *(install(request, end) for end in ends)))])


TABLE = {
    300: Hostcall("open_tap", open_tap, keyed(1, 0)),
    301: Hostcall("pipe", pipe, words(1)),
}
