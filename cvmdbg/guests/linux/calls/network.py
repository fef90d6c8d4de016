"""Sockets on the loopback inside the LibOS."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi, sockets, streams
from cvmdbg.guests.linux.abi import E, Err, Wait, s32
from cvmdbg.guests.linux.calls.descriptors import install, make_open
from cvmdbg.guests.linux.calls.transfer import gather, scatter, vector, writable
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.paths import find
from cvmdbg.guests.linux.sockets import AF_UNIX, DATAGRAM, SEQPACKET, STREAM, Address
from cvmdbg.guests.linux.state import Open, Socket, Thread

NONBLOCK, CLOEXEC = abi.O_NONBLOCK, abi.O_CLOEXEC
SOL_SOCKET, SCM_RIGHTS = 1, 1
SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN, SO_PEERCRED = 3, 4, 7, 8, 30, 38, 39, 17
MSG_CTRUNC, MSG_CMSG_CLOEXEC = 8, 0x40000000
MAX_ADDRESS = 128
MAX_CONTROL = 4096
SECOND = 10**9


def _socket(kernel: Kernel, thread: Thread, fd: int) -> tuple[Open, Socket]:
    opened = kernel.opened(thread, fd)
    if opened.kind != "socket":
        raise Err(E.ENOTSOCK)
    return opened, kernel.state.sockets[opened.target]


def _install(kernel: Kernel, thread: Thread, sock: Socket, kind: int) -> int:
    opened = make_open(kernel, "socket", sock.number, abi.O_RDWR | kind & NONBLOCK)
    sock.owner = opened.number
    return install(kernel, thread, opened, bool(kind & CLOEXEC))


def _kind(domain: int, kind: int, protocol: int) -> int:
    base = kind & 0xF
    if domain not in (AF_UNIX, sockets.AF_INET, sockets.AF_INET6):
        raise Err(E.EAFNOSUPPORT)
    if base not in (STREAM, DATAGRAM, SEQPACKET) or (base == SEQPACKET and domain != AF_UNIX):
        raise Err(E.EPROTONOSUPPORT if base == 3 else E.EINVAL)
    if domain != AF_UNIX and protocol not in (0, 6 if base == STREAM else 17):
        raise Err(E.EPROTONOSUPPORT)
    return base


@call("socket")
def socket(kernel: Kernel, thread: Thread, domain: int, kind: int, protocol: int) -> int:
    domain = s32(domain)
    if domain != AF_UNIX and not kernel.network:
        raise Err(E.EAFNOSUPPORT)
    return _install(kernel, thread, sockets.make(kernel, domain, _kind(domain, kind, protocol), protocol), kind)


@call("socketpair")
def socketpair(kernel: Kernel, thread: Thread, domain: int, kind: int, protocol: int, fds: int) -> int:
    if s32(domain) != AF_UNIX:
        raise Err(E.EOPNOTSUPP)
    base = _kind(AF_UNIX, kind, protocol)
    if not kernel.space(thread).allows(fds, 8, "w"):
        raise Err(E.EFAULT)
    pair = [_install(kernel, thread, sock, kind) for sock in sockets.pair(kernel, AF_UNIX, base)]
    kernel.write(thread, fds, struct.pack("<ii", *pair))
    return 0


def _address(kernel: Kernel, thread: Thread, pointer: int, size: int, domain: int) -> Address:
    if not 2 <= size & 0xFFFFFFFF <= MAX_ADDRESS:
        raise Err(E.EINVAL)
    return sockets.decode(kernel.read(thread, pointer, size & 0xFFFFFFFF), domain)


def _give(kernel: Kernel, thread: Thread, content: bytes, pointer: int, length: int) -> None:
    """An address into the program's buffer, cut to its size; the length says how long it really is."""
    if not pointer:
        return
    room = s32(kernel.word(thread, length))
    if room < 0:
        raise Err(E.EINVAL)
    kernel.write(thread, pointer, content[:room])
    kernel.write(thread, length, struct.pack("<I", len(content)))


@call("bind")
def bind(kernel: Kernel, thread: Thread, fd: int, pointer: int, size: int) -> int:
    _, sock = _socket(kernel, thread, fd)
    address = _address(kernel, thread, pointer, size, sock.domain)
    if sock.domain == AF_UNIX and address[0] and not address[0].startswith("\0"):
        found = find(kernel, thread, abi.AT_FDCWD, address[0], follow=False)
        if found.node is not None:
            raise Err(E.EADDRINUSE)
        node = kernel.files.make("sock", 0o777 & ~kernel.program(thread).umask, found.folder.ino, kernel.realtime)
        kernel.files.add(found.folder, found.name, node, kernel.realtime)
    sockets.bind(kernel, sock, address)
    return 0


@call("listen")
def listen(kernel: Kernel, thread: Thread, fd: int, backlog: int) -> int:
    _, sock = _socket(kernel, thread, fd)
    if sock.kind == DATAGRAM:
        raise Err(E.EOPNOTSUPP)
    if sock.peer is not None:
        raise Err(E.EINVAL)
    if sock.address is None:
        sockets.bind(kernel, sock, ("0.0.0.0" if sock.domain == sockets.AF_INET else "::", 0))
    sock.backlog = min(max(s32(backlog), 0), 4096)
    return 0


@call("accept", "accept4")
def accept(kernel: Kernel, thread: Thread, fd: int, pointer: int, length: int, flags: int) -> int:
    opened, sock = _socket(kernel, thread, fd)
    if sock.kind == DATAGRAM:
        raise Err(E.EOPNOTSUPP)
    end = sockets.accept(kernel, opened)
    if end is None:
        if opened.flags & NONBLOCK:
            raise Err(E.EAGAIN)
        raise Wait(f"a connection to socket {sock.number}")
    new = _install(kernel, thread, end, flags)
    _give(kernel, thread, sockets.encode(end.peer_address, end.domain), pointer, length)
    return new


@call("connect")
def connect(kernel: Kernel, thread: Thread, fd: int, pointer: int, size: int) -> int:
    opened, sock = _socket(kernel, thread, fd)
    if sock.kind == DATAGRAM and size >= 2 and kernel.read(thread, pointer, 2) == b"\0\0":
        sock.peer_address = None
        return 0
    address = _address(kernel, thread, pointer, size, sock.domain)
    try:
        sockets.connect(kernel, sock, address)
    except Err as error:
        if error.args[0] == E.EAGAIN and not opened.flags & NONBLOCK:
            raise Wait(f"room in the queue of {address[0]}:{address[1]}") from None
        raise
    return 0


@call("getsockname")
def getsockname(kernel: Kernel, thread: Thread, fd: int, pointer: int, length: int) -> int:
    _, sock = _socket(kernel, thread, fd)
    _give(kernel, thread, sockets.encode(sock.address, sock.domain), pointer, length)
    return 0


@call("getpeername")
def getpeername(kernel: Kernel, thread: Thread, fd: int, pointer: int, length: int) -> int:
    _, sock = _socket(kernel, thread, fd)
    if sock.peer_address is None:
        raise Err(E.ENOTCONN)
    _give(kernel, thread, sockets.encode(sock.peer_address, sock.domain), pointer, length)
    return 0


@call("shutdown")
def shutdown(kernel: Kernel, thread: Thread, fd: int, how: int) -> int:
    _, sock = _socket(kernel, thread, fd)
    if how & 0xFFFFFFFF > 2:
        raise Err(E.EINVAL)
    sockets.shutdown(kernel, sock, how)
    return 0


@call("setsockopt")
def setsockopt(kernel: Kernel, thread: Thread, fd: int, level: int, name: int, pointer: int, size: int) -> int:
    _, sock = _socket(kernel, thread, fd)
    if size & 0xFFFFFFFF > 1024:
        raise Err(E.EINVAL)
    sock.options[(s32(level), s32(name))] = kernel.read(thread, pointer, size & 0xFFFFFFFF)
    return 0


@call("getsockopt")
def getsockopt(kernel: Kernel, thread: Thread, fd: int, level: int, name: int, pointer: int, length: int) -> int:
    opened, sock = _socket(kernel, thread, fd)
    room = s32(kernel.word(thread, length))
    if room < 0:
        raise Err(E.EINVAL)
    value = _option(sock, opened, s32(level), s32(name), thread)
    kernel.write(thread, pointer, value[:room])
    kernel.write(thread, length, struct.pack("<I", min(room, len(value))))
    return 0


def _option(sock: Socket, opened: Open, level: int, name: int, thread: Thread) -> bytes:
    if level == SOL_SOCKET:
        facts = {SO_TYPE: sock.kind, SO_ACCEPTCONN: int(sock.backlog >= 0), SO_DOMAIN: sock.domain,
                 SO_PROTOCOL: sock.protocol}  # fmt: skip
        if name == SO_ERROR:
            error, sock.error = sock.error, 0
            return struct.pack("<i", error)
        if name in facts:
            return struct.pack("<i", facts[name])
        if name in (SO_SNDBUF, SO_RCVBUF) and (level, name) not in sock.options:
            return struct.pack("<i", sockets.CAPACITY)
        if name == SO_PEERCRED:
            return struct.pack("<iii", thread.pid, 0, 0)
    return sock.options.get((level, name), bytes(4))


# ---- bytes ------------------------------------------------------------------------------------------------


@call("sendto")
def sendto(kernel: Kernel, thread: Thread, fd: int, buf: int, size: int, flags: int, pointer: int, length: int) -> int:
    opened, sock = _socket(kernel, thread, fd)
    to = _address(kernel, thread, pointer, length, sock.domain) if pointer and sock.kind == DATAGRAM else None
    return streams.send(kernel, thread, opened, kernel.readable(thread, buf, size), to, flags)


@call("recvfrom")
def recvfrom(
    kernel: Kernel, thread: Thread, fd: int, buf: int, size: int, flags: int, pointer: int, length: int
) -> int:
    opened, sock = _socket(kernel, thread, fd)
    content, sender, whole = sockets.receive(kernel, opened, kernel.room(thread, buf, size), flags)
    kernel.write(thread, buf, content)
    if pointer and sender is not None:
        _give(kernel, thread, sockets.encode(sender, sock.domain), pointer, length)
    return whole if flags & sockets.MSG_TRUNC and sock.kind != STREAM else len(content)


def _header(kernel: Kernel, thread: Thread, pointer: int) -> tuple[int, ...]:
    """name, its length, iov, its count, control, its length, flags of a struct msghdr."""
    return kernel.words(thread, pointer, "<QIxxxxQQQQi")


@call("sendmsg")
def sendmsg(kernel: Kernel, thread: Thread, fd: int, pointer: int, flags: int) -> int:
    opened, sock = _socket(kernel, thread, fd)
    name, name_size, iov, count, control, control_size, _ = _header(kernel, thread, pointer)
    to = _address(kernel, thread, name, name_size, sock.domain) if name and sock.kind == DATAGRAM else None
    passed = _rights(kernel, thread, control, control_size) if control and control_size else []
    content = gather(kernel, thread, vector(kernel, thread, iov, count))
    done = streams.send(kernel, thread, opened, content, to, flags)
    peer = kernel.state.sockets.get(sock.peer) if sock.peer is not None else None
    if passed and peer is not None:
        for number in passed:
            kernel.state.opens[number].refs += 1
        peer.passed.append(passed)
    return done


def _rights(kernel: Kernel, thread: Thread, control: int, size: int) -> list[int]:
    """The open files of SCM_RIGHTS."""
    content = kernel.read(thread, control, min(size, MAX_CONTROL))
    if len(content) < 16:
        raise Err(E.EINVAL)
    length, level, kind = struct.unpack_from("<Qii", content)
    if length > len(content) or length < 16:
        raise Err(E.EINVAL)
    if (level, kind) != (SOL_SOCKET, SCM_RIGHTS):
        return []
    fds = struct.unpack_from(f"<{(length - 16) // 4}i", content, 16)
    return [kernel.opened(thread, fd).number for fd in fds]


@call("recvmsg")
def recvmsg(kernel: Kernel, thread: Thread, fd: int, pointer: int, flags: int) -> int:
    opened, sock = _socket(kernel, thread, fd)
    name, name_size, iov, count, control, control_size, _ = _header(kernel, thread, pointer)
    pairs = vector(kernel, thread, iov, count)
    content, sender, whole = sockets.receive(kernel, opened, writable(kernel, thread, pairs), flags)
    scatter(kernel, thread, pairs, content)
    told = sockets.MSG_TRUNC if whole > len(content) else 0
    if name:
        encoded = sockets.encode(sender, sock.domain) if sender is not None and sock.kind == DATAGRAM else b""
        kernel.write(thread, name, encoded[:name_size])
        kernel.write(thread, pointer + 8, struct.pack("<I", len(encoded)))
    used = _receive_rights(kernel, thread, sock, control, control_size, flags)
    kernel.write(thread, pointer + 40, struct.pack("<Qi", used, told))
    return whole if flags & sockets.MSG_TRUNC and sock.kind != STREAM else len(content)


def _receive_rights(kernel: Kernel, thread: Thread, sock: Socket, control: int, size: int, flags: int) -> int:
    if not sock.passed or not control or size < 20:
        return 0
    numbers = sock.passed.pop(0)
    cloexec = bool(flags & MSG_CMSG_CLOEXEC)
    fds = [install(kernel, thread, kernel.state.opens[n], cloexec) for n in numbers]
    length = 16 + 4 * len(fds)
    kernel.write(thread, control, struct.pack(f"<Qii{len(fds)}i", length, SOL_SOCKET, SCM_RIGHTS, *fds)[:size])
    return min(length, size)
