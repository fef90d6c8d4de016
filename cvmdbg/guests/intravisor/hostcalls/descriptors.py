"""The monitor's descriptors that are no files: sockets, pipes, a tap. All cVMs share them; no host stands behind them.

The loopback and the pipes are those of the Linux guests' LibOS; numbers and rules are the host's.
Source: Intravisor src/hostcalls.c; FreeBSD's manual, section 2.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from cvmdbg.guests.intravisor import freebsd
from cvmdbg.guests.intravisor.hostcalls.request import WORD, Answer, Refusal, Request, Unreadable
from cvmdbg.guests.intravisor.state import HostFile
from cvmdbg.guests.linux import abi, streams
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.calls.descriptors import make_open
from cvmdbg.guests.linux.kernel import Kernel
from cvmdbg.guests.linux.nodes import ROOT, Overlay
from cvmdbg.guests.linux.sockets import receive, send
from cvmdbg.guests.linux.state import Open, Thread
from sessions.event import ProgramExit

P = ParamSpec("P")
STREAMS = (0, 1, 2)
MOST_OPEN = 1024
SIGPIPE = 13
TAP = "tap"


def failing(serve: Callable[Concatenate[Request, P], Answer]) -> Callable[Concatenate[Request, P], Answer]:
    """What the host's kernel does with a call: an error is -1 and the thread's errno, a wait is made again later."""

    @functools.wraps(serve)
    def guarded(request: Request, /, *more: P.args, **named: P.kwargs) -> Answer:
        try:
            return serve(request, *more, **named)
        except Err as error:
            request.thread.errno = freebsd.error(error.args[0])
            return Answer(result=WORD)
        except Unreadable:
            request.thread.errno = E.EFAULT
            return Answer(result=WORD)
        except abi.Wait as wait:
            return Answer(result=None, wait=wait.reason, polls=True, deadline=wait.deadline)

    return guarded


def overlay_of(request: Request) -> Overlay:
    """The overlay over the folder, with the nodes of the guest's state."""
    found = Overlay([request.folder.tree])
    found.nodes, found.next_ino = request.state.nodes, request.state.next_ino
    if not found.nodes:
        found.mount(0, "", ROOT)
        request.state.next_ino = found.next_ino
    return found


def kernel_of(request: Request) -> Kernel:
    """The loopback and the pipes of all cVMs."""
    kernel = Kernel(overlay_of(request), {}, request.state.loopback, tick=request.view.tick)
    kernel.view = request.view
    return kernel


def settle(request: Request, kernel: Kernel) -> None:
    """Says that waiting calls may be able to go on, if so."""
    request.state.poked |= kernel.poked


def install(request: Request, opened: Open | None = None, ino: int = 0) -> int:
    """The lowest free descriptor for an open file; EMFILE."""
    number = next((n for n in range(3, MOST_OPEN) if n not in request.state.files), None)
    if number is None:
        raise Err(E.EMFILE)
    request.state.files[number] = HostFile(ino, channel=opened.number if opened is not None else 0)
    return number


def has_room(request: Request, wanted: int) -> bool:
    """Are so many descriptors free?"""
    return len(request.state.files) + wanted <= MOST_OPEN - len(STREAMS)


def channel(request: Request, index: int = 0) -> Open | None:
    """The socket, pipe or tap of a descriptor; None for a file and the standard streams, EBADF for what is not open."""
    return channel_at(request, request.number_of(index))


def channel_at(request: Request, descriptor: int) -> Open | None:
    """The same by the descriptor's number."""
    if descriptor in STREAMS:
        return None
    file = request.state.files.get(descriptor)
    if file is None:
        raise Err(E.EBADF)
    return request.state.loopback.opens[file.channel] if file.channel else None


def new_channel(kernel: Kernel, kind: str, target: int, flags: int) -> Open:
    """An open socket or end of a pipe."""
    return make_open(kernel, kind, target, flags)


def read(request: Request, opened: Open, size: int, flags: int = 0) -> bytes:
    """Bytes from a socket, a pipe or a tap, on which no frame ever comes."""
    kernel = kernel_of(request)
    if opened.kind == TAP:
        raise Err(E.EAGAIN)
    if opened.kind == "socket":
        content = receive(kernel, opened, size, flags)[0]
    else:
        content = streams.read(kernel, _nobody(), opened, size)
    settle(request, kernel)
    return content


def write(request: Request, opened: Open, content: bytes, flags: int = 0) -> int:
    """Bytes to a socket, a pipe or a tap, which takes and forgets them."""
    kernel = kernel_of(request)
    if opened.kind == TAP:
        return len(content)
    if opened.kind == "socket":
        done = send(kernel, opened, content, None, flags)
    elif not kernel.state.pipes[opened.target].readers:
        raise Err(E.EPIPE)
    else:
        done = streams.write(kernel, _nobody(), opened, content)
    settle(request, kernel)
    return done


def _nobody() -> Thread:
    """The thread that the loopback would signal: the monitor's are never."""
    return Thread(0, 0, 0)


def broken(request: Request, opened: Open, error: Err) -> Answer:
    """A write that nobody can read: the monitor ignores no SIGPIPE, so all cVMs end with it. Other errors stay."""
    sock = request.state.loopback.sockets.get(opened.target) if opened.kind == "socket" else None
    silent = sock is not None and any(sock.options.get((freebsd.SOL_SOCKET, freebsd.SO_NOSIGPIPE), b""))
    if error.args[0] != E.EPIPE or silent:
        raise error
    return Answer(result=None, effects=[ProgramExit(128 + SIGPIPE)])


def close(request: Request) -> Answer:
    """close of a socket, a pipe or a tap; a Refusal for the standard streams."""
    descriptor = request.number_of(0)
    if descriptor in STREAMS:
        raise Refusal(f"hostcall {request.number} close: the monitor's own standard streams are not modelled as closed")
    opened = channel(request)
    assert opened is not None
    kernel = kernel_of(request)
    del request.state.files[descriptor]
    if opened.kind == TAP:
        del kernel.state.opens[opened.number]
    else:
        streams.close(kernel, opened)
    settle(request, kernel)
    return Answer()


def set_nonblocking(opened: Open, on: bool) -> None:
    """O_NONBLOCK of a socket or a pipe."""
    opened.flags = opened.flags | abi.O_NONBLOCK if on else opened.flags & ~abi.O_NONBLOCK
