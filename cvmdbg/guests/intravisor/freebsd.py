"""Numbers of the monitor's host where they are others than Linux's: errors, families, flags, socket addresses.

Source: FreeBSD sys/errno.h, sys/socket.h, sys/filio.h, sys/fcntl.h, netdb.h.
"""

from __future__ import annotations

from cvmdbg.guests.linux import abi, sockets
from cvmdbg.guests.linux.abi import E, Err

ERRORS = {
    E.EAGAIN: 35, E.EINPROGRESS: 36, E.ENOTSOCK: 38, E.EDESTADDRREQ: 39, E.EMSGSIZE: 40, E.EPROTOTYPE: 41,
    E.ENOPROTOOPT: 42, E.EPROTONOSUPPORT: 43, E.EOPNOTSUPP: 45, E.EAFNOSUPPORT: 47, E.EADDRINUSE: 48,
    E.EADDRNOTAVAIL: 49, E.ENETUNREACH: 51, E.ECONNRESET: 54, E.EISCONN: 56, E.ENOTCONN: 57, E.ETIMEDOUT: 60,
    E.ECONNREFUSED: 61, E.ELOOP: 62, E.ENAMETOOLONG: 63, E.ENOTEMPTY: 66, E.ENOSYS: 78, E.EOVERFLOW: 84,
}  # fmt: skip
"""Those up to ERANGE but EAGAIN are the same."""
AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6 = 0, 1, 2, 28
FAMILIES = {AF_UNIX: sockets.AF_UNIX, AF_INET: sockets.AF_INET, AF_INET6: sockets.AF_INET6}
ADDRESS_SIZES = {sockets.AF_INET: 16, sockets.AF_INET6: 28}
MAX_UNIX = 106
MAX_ADDRESS = 255
SOCK_CLOEXEC, SOCK_NONBLOCK = 0x10000000, 0x20000000
MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, MSG_NOSIGNAL = 0x2, 0x40, 0x80, 0x20000
FIONBIO, FIONREAD = 0x8004667E, 0x4004667F
O_NONBLOCK = 4
SOL_SOCKET, SO_NOSIGPIPE = 0xFFFF, 0x800
_FLAGS = {
    MSG_PEEK: sockets.MSG_PEEK, MSG_WAITALL: sockets.MSG_WAITALL, MSG_DONTWAIT: sockets.MSG_DONTWAIT,
}  # fmt: skip


def error(number: int) -> int:
    """errno of the host for one of Linux."""
    return ERRORS.get(number, number)


def family(domain: int) -> int:
    """The host's number of an address family."""
    return next(own for own, linux in FAMILIES.items() if linux == domain)


def flags(given: int) -> int:
    """Flags of send and recv as the loopback takes them; EOPNOTSUPP for the others."""
    known = MSG_PEEK | MSG_WAITALL | MSG_DONTWAIT | MSG_NOSIGNAL
    if given & ~known:
        raise Err(E.EOPNOTSUPP)
    return sum(linux for own, linux in _FLAGS.items() if given & own)


def decode(content: bytes, domain: int) -> sockets.Address:
    """A sockaddr: its own length byte is ignored, its family is one byte. EINVAL, EAFNOSUPPORT."""
    if content[1] != family(domain):
        raise Err(E.EAFNOSUPPORT)
    if len(content) != ADDRESS_SIZES.get(domain, len(content)) or (
        domain == sockets.AF_UNIX and len(content) > MAX_UNIX
    ):
        raise Err(E.EINVAL)
    return sockets.decode(domain.to_bytes(2, "little") + content[2:], domain)


def encode(address: sockets.Address | None, domain: int) -> bytes:
    """The sockaddr of an address."""
    content = sockets.encode(address, domain)
    return bytes((len(content), family(domain))) + content[2:]


def events(linux: int) -> int:
    """POLL… bits as the host has them: POLLWRNORM is POLLOUT, there is no POLLRDHUP."""
    kept = linux & (abi.POLLIN | abi.POLLPRI | abi.POLLOUT | abi.POLLERR | abi.POLLHUP | abi.POLLNVAL | abi.POLLRDNORM)
    return kept | (abi.POLLOUT if linux & abi.POLLWRNORM else 0)
