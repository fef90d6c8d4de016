"""The loopback inside the LibOS: TCP, UDP and AF_UNIX sockets that reach each other and nobody else.

An address is ``(text, port)``: ``("127.0.0.1", 80)``, ``("::1", 80)``, or for AF_UNIX ``(path, 0)``, where an abstract
name begins with NUL. Every AF_INET address that is not loopback or any is out of reach.
"""

from __future__ import annotations

import ipaddress
import struct

from cvmdbg.guests.linux import abi
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.kernel import Kernel, patience
from cvmdbg.guests.linux.state import Open, Socket

AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
STREAM, DATAGRAM, SEQPACKET = 1, 2, 5
CAPACITY = 212992
MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT, MSG_WAITALL, MSG_NOSIGNAL = 2, 0x20, 0x40, 0x100, 0x4000
IN, OUT = abi.POLLIN | abi.POLLRDNORM, abi.POLLOUT | abi.POLLWRNORM

V6ONLY = (41, 26)

Address = tuple[str, int]
Ports = dict[tuple[int, int], int]


def make(kernel: Kernel, domain: int, kind: int, protocol: int = 0) -> Socket:
    """A new socket."""
    number = kernel.state.number()
    made = Socket(number, domain, kind, protocol)
    kernel.state.sockets[number] = made
    return made


def pair(kernel: Kernel, domain: int, kind: int) -> tuple[Socket, Socket]:
    """Two connected sockets."""
    one, other = make(kernel, domain, kind), make(kernel, domain, kind)
    one.peer, other.peer = other.number, one.number
    one.peer_address = other.peer_address = ("", 0)
    return one, other


# ---- addresses --------------------------------------------------------------------------------------------


def decode(content: bytes, domain: int) -> Address:
    """A sockaddr of a socket's domain; EINVAL, EAFNOSUPPORT."""
    if len(content) < 2:
        raise Err(E.EINVAL)
    family = int.from_bytes(content[:2], "little")
    if family != domain:
        raise Err(E.EAFNOSUPPORT if domain != AF_UNIX else E.EINVAL)
    if domain == AF_UNIX:
        return _unix_name(content[2:]), 0
    port = int.from_bytes(content[2:4], "big")
    if domain == AF_INET:
        if len(content) < 8:
            raise Err(E.EINVAL)
        return str(ipaddress.IPv4Address(content[4:8])), port
    if len(content) < 24:
        raise Err(E.EINVAL)
    address = ipaddress.IPv6Address(content[8:24])
    return str(address.ipv4_mapped or address), port


def _unix_name(content: bytes) -> str:
    if content[:1] != b"\0":
        content = content.partition(b"\0")[0]
    return content.decode("utf-8", "surrogateescape")


def encode(address: Address | None, domain: int) -> bytes:
    """The sockaddr of an address."""
    if domain == AF_UNIX:
        name = (address[0] if address is not None else "").encode("utf-8", "surrogateescape")
        end = b"\0" if name and not name.startswith(b"\0") else b""
        return struct.pack("<H", AF_UNIX) + name + end
    text, port = address or ("0.0.0.0" if domain == AF_INET else "::", 0)
    if domain == AF_INET:
        host = ipaddress.IPv4Address(text if ":" not in text else "127.0.0.1").packed
        return struct.pack("<H", AF_INET) + port.to_bytes(2, "big") + host + bytes(8)
    wide = ipaddress.IPv6Address(text if ":" in text else f"::ffff:{text}").packed
    return struct.pack("<H", AF_INET6) + port.to_bytes(2, "big") + bytes(4) + wide + bytes(4)


def _local(text: str) -> bool:
    return ipaddress.ip_address(text).is_loopback or ipaddress.ip_address(text).is_unspecified


def bind(kernel: Kernel, sock: Socket, address: Address) -> None:
    """Gives a socket its address; EADDRINUSE, EADDRNOTAVAIL."""
    if sock.address is not None:
        raise Err(E.EINVAL)
    state = kernel.state
    if sock.domain == AF_UNIX:
        if address[0] in state.names:
            raise Err(E.EADDRINUSE)
        state.names[address[0]] = sock.number
        sock.address = address
        return
    if not _local(address[0]):
        raise Err(E.EADDRNOTAVAIL)
    ports = _ports(kernel, sock)
    port = address[1] or _free_port(kernel, ports)
    keys = [(domain, port) for domain in _domains(sock)]
    if any(key in ports for key in keys):
        raise Err(E.EADDRINUSE)
    ports.update(dict.fromkeys(keys, sock.number))
    sock.address = (address[0], port)


def _domains(sock: Socket) -> tuple[int, ...]:
    """Where its port counts: an IPv6 socket takes IPv4's too unless IPV6_V6ONLY is set."""
    if sock.domain == AF_INET6 and not any(sock.options.get(V6ONLY, b"")):
        return (AF_INET6, AF_INET)
    return (sock.domain,)


def _ports(kernel: Kernel, sock: Socket) -> Ports:
    return kernel.state.ports if sock.kind == STREAM else kernel.state.datagram_ports


def _free_port(kernel: Kernel, ports: Ports) -> int:
    state = kernel.state
    while (AF_INET, state.next_port) in ports or (AF_INET6, state.next_port) in ports:
        state.next_port = 32768 + (state.next_port - 32767) % 28232
    port = state.next_port
    state.next_port = 32768 + (port - 32767) % 28232
    return port


def _bound(kernel: Kernel, sock: Socket, address: Address) -> Socket | None:
    """The socket that has an address."""
    unix = sock.domain == AF_UNIX
    number = kernel.state.names.get(address[0]) if unix else _ports(kernel, sock).get((_domain(address), address[1]))
    return kernel.state.sockets.get(number) if number is not None else None


def _domain(address: Address) -> int:
    return AF_INET6 if ":" in address[0] else AF_INET


# ---- connections ------------------------------------------------------------------------------------------


def connect(kernel: Kernel, sock: Socket, address: Address) -> None:
    """Reaches a listening socket, or names the peer of a datagram socket. On a loopback this takes no time."""
    if sock.domain != AF_UNIX and not _local(address[0]):
        raise Err(E.ENETUNREACH)
    if sock.kind == DATAGRAM:
        found = _bound(kernel, sock, address)
        if found is None and sock.domain == AF_UNIX:
            raise Err(E.ECONNREFUSED)
        _give_name(kernel, sock)
        sock.peer_address = address
        return
    if sock.peer is not None:
        raise Err(E.EISCONN)
    if sock.backlog >= 0:
        raise Err(E.EINVAL)
    there = _bound(kernel, sock, address)
    if there is None or there.backlog < 0 or there.kind != sock.kind:
        raise Err(E.ECONNREFUSED if there is not None or sock.domain != AF_UNIX else E.ENOENT)
    if len(there.queue) > there.backlog:
        raise Err(E.EAGAIN)
    _give_name(kernel, sock)
    end = make(kernel, there.domain, there.kind)
    end.address, end.peer_address, end.peer = there.address, sock.address, sock.number
    if there.domain != AF_UNIX and there.address is not None:
        end.address = (address[0], address[1])
    sock.peer, sock.peer_address = end.number, address
    there.queue.append(end.number)
    there.generation += 1
    sock.generation += 1
    kernel.poked = True


def _give_name(kernel: Kernel, sock: Socket) -> None:
    if sock.address is None and sock.domain != AF_UNIX:
        bind(kernel, sock, ("127.0.0.1" if sock.domain == AF_INET else "::1", 0))
        if sock.kind == STREAM and sock.address is not None:
            _forget_ports(kernel, sock.number)


def _forget_ports(kernel: Kernel, number: int) -> None:
    for ports in (kernel.state.ports, kernel.state.datagram_ports):
        for key in [key for key, owner in ports.items() if owner == number]:
            del ports[key]


def accept(kernel: Kernel, opened: Open) -> Socket | None:
    """The next connection; None when there is none yet."""
    sock = kernel.state.sockets[opened.target]
    if sock.backlog < 0:
        raise Err(E.EINVAL)
    if not sock.queue:
        return None
    kernel.poked = True
    return kernel.state.sockets[sock.queue.pop(0)]


def close(kernel: Kernel, number: int) -> None:
    """Nobody has the socket any more: its peer reads the end, connections in its queue are reset."""
    state = kernel.state
    sock = state.sockets.pop(number)
    if sock.peer is not None and (peer := state.sockets.get(sock.peer)) is not None:
        peer.peer_gone = True
        peer.generation += 1
        if sock.content:
            peer.error = E.ECONNRESET
    _forget_ports(kernel, number)
    for name in [n for n, s in state.names.items() if s == number]:
        del state.names[name]
    for waiting in sock.queue:
        close(kernel, waiting)


def shutdown(kernel: Kernel, sock: Socket, how: int) -> None:
    """0 no more reading, 1 no more writing, 2 neither."""
    if sock.peer is None:
        raise Err(E.ENOTCONN)
    sock.read_shut |= how in (0, 2)
    sock.write_shut |= how in (1, 2)
    peer = kernel.state.sockets.get(sock.peer)
    if peer is not None:
        peer.generation += 1
    kernel.poked = True


# ---- bytes ------------------------------------------------------------------------------------------------


def receive(kernel: Kernel, opened: Open, size: int, flags: int) -> tuple[bytes, Address | None, int]:
    """Bytes, who sent them, and how long the whole datagram was."""
    sock = kernel.state.sockets[opened.target]
    if sock.kind == STREAM:
        return _receive_stream(kernel, opened, sock, size, flags)
    if not sock.packets:
        if sock.peer_gone or sock.read_shut:
            return b"", None, 0
        raise Err(E.EAGAIN) if flags & MSG_DONTWAIT else patience(opened, f"a packet on socket {sock.number}")
    content, sender = sock.packets[0] if flags & MSG_PEEK else sock.packets.pop(0)
    kernel.poked = True
    return content[:size], sender, len(content)


def _receive_stream(
    kernel: Kernel, opened: Open, sock: Socket, size: int, flags: int
) -> tuple[bytes, Address | None, int]:
    if sock.error:
        error, sock.error = sock.error, 0
        raise Err(error)
    if sock.peer is None:
        raise Err(E.ENOTCONN if sock.domain != AF_UNIX else E.EINVAL)
    ended = _ended(kernel, sock)
    short = flags & MSG_WAITALL and len(sock.content) < size and not ended
    if (not sock.content or short) and size and not ended:
        raise Err(E.EAGAIN) if flags & MSG_DONTWAIT else patience(opened, f"data on socket {sock.number}")
    found = bytes(sock.content[:size])
    if not flags & MSG_PEEK:
        del sock.content[:size]
        kernel.poked = True
    return found, sock.peer_address, len(found)


def _ended(kernel: Kernel, sock: Socket) -> bool:
    """Will no more bytes come?"""
    if sock.peer_gone or sock.read_shut:
        return True
    peer = kernel.state.sockets.get(sock.peer) if sock.peer is not None else None
    return peer is not None and peer.write_shut


def send(kernel: Kernel, opened: Open, content: bytes, to: Address | None, flags: int) -> int:
    """Sends bytes: how many. EPIPE when nobody can read them; the signal is its caller's."""
    sock = kernel.state.sockets[opened.target]
    if sock.kind == DATAGRAM and (to is not None or sock.peer is None):
        return _send_packet(kernel, sock, content, to or sock.peer_address)
    if sock.peer is None:
        raise Err(E.ENOTCONN)
    if sock.error:
        error, sock.error = sock.error, 0
        raise Err(error)
    peer = kernel.state.sockets.get(sock.peer)
    if peer is None or sock.write_shut or sock.peer_gone or peer.read_shut:
        raise Err(E.EPIPE)
    kernel.poked = True
    peer.generation += 1
    if sock.kind != STREAM:
        peer.packets.append((content, sock.address))
        return len(content)
    room = CAPACITY - len(peer.content)
    if room <= 0 and content:
        raise Err(E.EAGAIN) if flags & MSG_DONTWAIT else patience(opened, f"room on socket {sock.number}")
    peer.content += content[:room]
    return min(room, len(content))


def _send_packet(kernel: Kernel, sock: Socket, content: bytes, to: Address | None) -> int:
    if to is None:
        raise Err(E.EDESTADDRREQ)
    if len(content) > 65507:
        raise Err(E.EMSGSIZE)
    there = _bound(kernel, sock, to)
    _give_name(kernel, sock)
    if there is None:
        if sock.domain == AF_UNIX:
            raise Err(E.ECONNREFUSED)
        return len(content)
    there.packets.append((content, sock.address))
    there.generation += 1
    kernel.poked = True
    return len(content)


def ready(kernel: Kernel, opened: Open) -> int:
    """The POLL… bits that hold now."""
    sock = kernel.state.sockets[opened.target]
    if sock.backlog >= 0:
        return IN if sock.queue else 0
    found = IN if sock.content or sock.packets else 0
    if sock.kind == DATAGRAM and sock.peer is None:
        return found | OUT
    if sock.peer is None:
        return OUT | abi.POLLHUP
    if _ended(kernel, sock):
        found |= IN | abi.POLLRDHUP
    if sock.peer_gone or (sock.read_shut and sock.write_shut):
        found |= abi.POLLHUP
    if sock.error:
        found |= abi.POLLERR
    peer = kernel.state.sockets.get(sock.peer)
    if peer is None or sock.kind != STREAM or len(peer.content) < CAPACITY:
        found |= OUT
    return found
