"""Hostcalls 500 to 512, 519, 531 and 532: sockets of the host, on a loopback that all cVMs share and nobody else.

Pointers go to the host's kernel as the monitor hands them over: translated, so a hybrid cVM's NULL is its base, but
those of ioctl, socketpair and recvfrom as they are. Source: Intravisor src/hostcalls.c; FreeBSD's manual.
"""

from __future__ import annotations

import struct

from cvmdbg.guests.intravisor import freebsd
from cvmdbg.guests.intravisor.hostcalls import descriptors, paths
from cvmdbg.guests.intravisor.hostcalls.descriptors import channel, failing, has_room, install, kernel_of, settle
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, words
from cvmdbg.guests.linux import abi, sockets
from cvmdbg.guests.linux.abi import E, Err, Wait
from cvmdbg.guests.linux.sockets import DATAGRAM, SEQPACKET, STREAM, Address
from cvmdbg.guests.linux.state import Open, Socket
from sessions.event import Effect, MemoryWrite

SOL_SOCKET = freebsd.SOL_SOCKET
TIMEOUTS = (0x1005, 0x1006)
KNOWN = {
    SOL_SOCKET: (0x4, 0x8, 0x10, 0x20, 0x80, 0x100, 0x200, freebsd.SO_NOSIGPIPE, 0x1001, 0x1002, 0x1003, 0x1004),
    6: (1, 2, 4, 8, 256, 512, 1024),
    41: (27,),
}
"""Options that are kept, by level: those of sockets, TCP and IPv6. Source: FreeBSD sys/socket.h, netinet/tcp.h."""
V6ONLY = (41, 27)


def _socket(request: Request, index: int = 0) -> tuple[Open, Socket]:
    opened = channel(request, index)
    if opened is None or opened.kind != "socket":
        raise Err(E.ENOTSOCK)
    return opened, request.state.loopback.sockets[opened.target]


def _kind(domain: int, kind: int, protocol: int) -> int:
    if domain not in freebsd.FAMILIES:
        raise Err(E.EAFNOSUPPORT)
    allowed = (STREAM, DATAGRAM, SEQPACKET) if domain == freebsd.AF_UNIX else (STREAM, DATAGRAM)
    known = {STREAM: (0, 6), DATAGRAM: (0, 17)} if domain != freebsd.AF_UNIX else {}
    if kind not in allowed:
        raise Err(E.EPROTOTYPE if not protocol else E.EPROTONOSUPPORT)
    if protocol not in known.get(kind, (0,)):
        raise Err(E.EPROTONOSUPPORT)
    return kind


def _flags(kind: int) -> int:
    return abi.O_RDWR | (abi.O_NONBLOCK if kind & freebsd.SOCK_NONBLOCK else 0)


def _kept(request: Request, sock: Socket, flags: int) -> int:
    kernel = kernel_of(request)
    opened = descriptors.new_channel(kernel, "socket", sock.number, flags)
    sock.owner = opened.number
    return install(request, opened)


@failing
def socket(request: Request) -> Answer:
    """socket(domain, type, protocol)."""
    domain, kind = request.number_of(0), request.word(1) & 0xFFFFFFFF
    base = _kind(domain, kind & ~(freebsd.SOCK_CLOEXEC | freebsd.SOCK_NONBLOCK), request.number_of(2))
    if not has_room(request, 1):
        raise Err(E.EMFILE)
    made = sockets.make(kernel_of(request), freebsd.FAMILIES[domain], base, request.number_of(2))
    return Answer(result=_kept(request, made, _flags(kind)))


@failing
def socketpair(request: Request) -> Answer:
    """socketpair(domain, type, protocol, two ints): the pointer as it is."""
    domain, kind = request.number_of(0), request.word(1) & 0xFFFFFFFF
    base = _kind(domain, kind & ~(freebsd.SOCK_CLOEXEC | freebsd.SOCK_NONBLOCK), request.number_of(2))
    if domain != freebsd.AF_UNIX:
        raise Err(E.EOPNOTSUPP)
    request.check_writable(request.word(3), 8)
    if not has_room(request, 2):
        raise Err(E.EMFILE)
    pair = [_kept(request, sock, _flags(kind)) for sock in sockets.pair(kernel_of(request), sockets.AF_UNIX, base)]
    return Answer(effects=[MemoryWrite(request.word(3), struct.pack("<ii", *pair))])


# ---- addresses ----


def _address(request: Request, index: int, size: int, domain: int) -> Address:
    if size < 2:
        raise Err(E.EINVAL)
    if size > freebsd.MAX_ADDRESS:
        raise Err(E.ENAMETOOLONG)
    return freebsd.decode(request.read(request.address(index), size), domain)


def _give(request: Request, content: bytes, where: int, length: int) -> list[Effect]:
    """An address, cut to the room that ``length`` points at; the length becomes what was copied."""
    if not where:
        return []
    room = int.from_bytes(request.read(length, 4), "little")
    given = content[:room]
    request.check_writable(where, len(given))
    written: list[Effect] = [MemoryWrite(where, given)] if given else []
    return [*written, MemoryWrite(length, len(given).to_bytes(4, "little"))]


@failing
def bind(request: Request) -> Answer:
    """bind(fd, address, its size). A name in AF_UNIX is a node of the folder's overlay."""
    _, sock = _socket(request)
    address = _address(request, 1, request.number_of(2), sock.domain)
    if sock.address is not None:
        raise Err(E.EINVAL)
    if sock.domain == sockets.AF_UNIX:
        paths.make_socket(request, address[0])
    sockets.bind(kernel_of(request), sock, address)
    return Answer()


@failing
def listen(request: Request) -> Answer:
    """listen(fd, backlog)."""
    _, sock = _socket(request)
    if sock.kind == DATAGRAM:
        raise Err(E.EOPNOTSUPP)
    if sock.peer is not None:
        raise Err(E.EINVAL)
    if sock.address is None and sock.domain == sockets.AF_UNIX:
        raise Err(E.EDESTADDRREQ)
    if sock.address is None:
        sockets.bind(kernel_of(request), sock, ("0.0.0.0" if sock.domain == sockets.AF_INET else "::", 0))
    backlog = request.number_of(1)
    sock.backlog = backlog if 0 <= backlog <= 128 else 128
    return Answer()


def _accept(request: Request, kind: int) -> Answer:
    opened, sock = _socket(request)
    if sock.kind == DATAGRAM or sock.backlog < 0:
        raise Err(E.EINVAL)
    if not has_room(request, 1):
        raise Err(E.EMFILE)
    kernel = kernel_of(request)
    if not sock.queue:
        raise Err(E.EAGAIN) if opened.flags & abi.O_NONBLOCK else Wait(f"a connection to socket {sock.number}")
    peer = request.state.loopback.sockets[sock.queue[0]]
    effects = _give(request, freebsd.encode(peer.peer_address, peer.domain), request.address(1), request.address(2))
    end = sockets.accept(kernel, opened)
    assert end is not None
    settle(request, kernel)
    return Answer(result=_kept(request, end, _flags(kind)), effects=effects)


@failing
def accept(request: Request) -> Answer:
    """accept(fd, address, its size)."""
    return _accept(request, 0)


@failing
def accept4(request: Request) -> Answer:
    """accept4(fd, address, its size, flags)."""
    flags = request.word(3) & 0xFFFFFFFF
    if flags & ~(freebsd.SOCK_CLOEXEC | freebsd.SOCK_NONBLOCK):
        raise Err(E.EINVAL)
    return _accept(request, flags)


@failing
def connect(request: Request) -> Answer:
    """connect(fd, address, its size): on a loopback it takes no time."""
    _, sock = _socket(request)
    address = _address(request, 1, request.number_of(2), sock.domain)
    if sock.domain != sockets.AF_UNIX and not address[1]:
        raise Err(E.EADDRNOTAVAIL)
    if sock.backlog >= 0:
        raise Err(E.EOPNOTSUPP)
    kernel = kernel_of(request)
    try:
        sockets.connect(kernel, sock, address)
    except Err as error:
        raise Err(E.ECONNREFUSED) if error.args[0] == E.EAGAIN else error from None
    settle(request, kernel)
    return Answer()


@failing
def getpeername(request: Request) -> Answer:
    """getpeername(fd, address, its size)."""
    _, sock = _socket(request)
    if sock.peer_address is None:
        raise Err(E.ENOTCONN)
    content = freebsd.encode(sock.peer_address, sock.domain)
    return Answer(effects=_give(request, content, request.address(1), request.address(2)))


# ---- options ----


@failing
def setsockopt(request: Request) -> Answer:
    """setsockopt(fd, level, option, value, its size)."""
    _, sock = _socket(request)
    level, option, size = request.number_of(1), request.number_of(2), request.number_of(4)
    if level == SOL_SOCKET and option in TIMEOUTS:
        raise Refusal(f"hostcall {request.number} setsockopt: a timeout of a socket is not modelled")
    if option not in KNOWN.get(level, ()):
        raise Err(E.ENOPROTOOPT if level in KNOWN else E.EINVAL)
    if not 4 <= size <= 256:
        raise Err(E.EINVAL)
    content = request.read(request.address(3), size)
    sock.options[level, option] = content
    if (level, option) == V6ONLY:
        sock.options[sockets.V6ONLY] = content
    return Answer()


@failing
def ioctl(request: Request) -> Answer:
    """ioctl(fd, request, argument): FIONBIO and FIONREAD; the pointer as it is."""
    opened = channel(request)
    command, where = request.word(1) & 0xFFFFFFFF, request.word(2)
    if opened is None or command not in (freebsd.FIONBIO, freebsd.FIONREAD):
        raise Err(E.ENOTTY)
    if command == freebsd.FIONBIO:
        descriptors.set_nonblocking(opened, any(request.read(where, 4)))
        return Answer()
    request.check_writable(where, 4)
    return Answer(effects=[MemoryWrite(where, _waiting(request, opened).to_bytes(4, "little"))])


def _waiting(request: Request, opened: Open) -> int:
    """Bytes that can be read at once."""
    if opened.kind == "pipe":
        return len(request.state.loopback.pipes[opened.target].content)
    if opened.kind != "socket":
        return 0
    sock = request.state.loopback.sockets[opened.target]
    return len(sock.content) or (len(sock.packets[0][0]) if sock.packets else 0)


# ---- bytes ----


@failing
def send(request: Request) -> Answer:
    """send(fd, bytes, size, flags)."""
    opened, _ = _socket(request)
    content, flags = request.sized(request.address(1), request.word(2)), request.word(3) & 0xFFFFFFFF
    try:
        return Answer(result=descriptors.write(request, opened, content, freebsd.flags(flags)))
    except Err as error:
        if flags & freebsd.MSG_NOSIGNAL:
            raise
        return descriptors.broken(request, opened, error)


@failing
def recv(request: Request) -> Answer:
    """recv(fd, bytes, size, flags)."""
    opened, _ = _socket(request)
    where, size = request.address(1), request.length(2)
    content = descriptors.read(request, opened, size, freebsd.flags(request.word(3) & 0xFFFFFFFF))
    request.check_writable(where, len(content))
    return Answer(result=len(content), effects=[MemoryWrite(where, content)] if content else [])


@failing
def recvfrom(request: Request) -> Answer:
    """recvfrom(fd, bytes, size, flags, address, its size): all pointers as they are."""
    opened, sock = _socket(request)
    where, size, flags = request.word(1), request.length(2), request.word(3) & 0xFFFFFFFF
    kernel = kernel_of(request)
    content, sender, _ = sockets.receive(kernel, opened, size, freebsd.flags(flags))
    settle(request, kernel)
    request.check_writable(where, len(content))
    shown = freebsd.encode(sender, sock.domain) if sender is not None and sock.kind == DATAGRAM else b""
    effects: list[Effect] = [MemoryWrite(where, content)] if content else []
    return Answer(result=len(content), effects=[*effects, *_give(request, shown, request.word(4), request.word(5))])


TABLE = {
    500: Hostcall("socket", socket, words(3)),
    501: Hostcall("setsockopt", setsockopt, words(5)),
    502: Hostcall("ioctl", ioctl, words(3)),
    503: Hostcall("accept4", accept4, words(4)),
    504: Hostcall("listen", listen, words(2)),
    505: Hostcall("accept", accept, words(3)),
    506: Hostcall("bind", bind, words(3)),
    509: Hostcall("send", send, words(4)),
    510: Hostcall("recv", recv, words(4)),
    512: Hostcall("socketpair", socketpair, words(4)),
    519: Hostcall("recvfrom", recvfrom, words(6)),
    531: Hostcall("getpeername", getpeername, words(3)),
    532: Hostcall("connect", connect, words(3)),
}
