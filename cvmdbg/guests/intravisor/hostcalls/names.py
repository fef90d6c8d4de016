"""Hostcall 530: getaddrinfo of the host, for numbers and ``localhost``; nobody else is known, and no one is asked.

The list lies in the monitor's own memory, as malloc puts it there, so a cVM finds a pointer that it cannot follow.
Source: Intravisor src/hostcalls.c; FreeBSD netdb.h, getaddrinfo(3).
"""

from __future__ import annotations

import ipaddress
import struct

from cvmdbg.guests.intravisor import freebsd
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Request, words
from cvmdbg.guests.intravisor.layout import PAGE
from sessions.event import Effect, Map, MemoryWrite

HEAP, HEAP_SIZE = 0xF00000, 0x40000
"""Where the monitor's malloc puts lists."""
PASSIVE, NUMERIC_HOST, NUMERIC_SERVICE, KNOWN_FLAGS = 1, 4, 8, 0x1C0F
BAD_FLAGS, FAMILY, NO_MEMORY, NO_NAME, SERVICE, SOCKET_TYPE, BAD_HINTS = 3, 5, 6, 8, 9, 10, 12
PROTOCOLS = {1: 6, 2: 17}
SERVICES = {"ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "https": 443}
INFO = struct.Struct("<iiiiIxxxxQQQ")


class Unresolved(Exception):
    """What getaddrinfo returns: ``args[0]``."""


def getaddrinfo(request: Request) -> Answer:
    """getaddrinfo(node, service, hints, result): 0, or an EAI number."""
    try:
        return _answer(request)
    except Unresolved as error:
        return Answer(result=int(error.args[0]))


def _answer(request: Request) -> Answer:
    node, service = _text(request, 0), _text(request, 1)
    flags, family, kind, protocol = _hints(request)
    if node is None and service is None:
        raise Unresolved(NO_NAME)
    kinds = [k for k in (2, 1) if kind in (0, k) and protocol in (0, PROTOCOLS[k])]
    port = _port(service, flags)
    found = [(own, one, address) for own, address in _addresses(node, flags, family, port) for one in kinds]
    effects, first = _list(request, found)
    where = request.address(3)
    request.check_writable(where, 8)
    return Answer(effects=[*effects, MemoryWrite(where, first.to_bytes(8, "little"))])


def _text(request: Request, index: int) -> str | None:
    where = request.address(index)
    return request.text(where).decode("utf-8", "replace") if where else None


def _hints(request: Request) -> tuple[int, int, int, int]:
    """Flags, family, type and protocol that are wanted."""
    where = request.address(2)
    if not where:
        return 0, 0, 0, 0
    flags, family, kind, protocol, size, name, address, following = request.words_at(where, INFO.format)
    if size or name or address or following:
        raise Unresolved(BAD_HINTS)
    if flags & ~KNOWN_FLAGS:
        raise Unresolved(BAD_FLAGS)
    if family not in (0, freebsd.AF_INET, freebsd.AF_INET6):
        raise Unresolved(FAMILY)
    if kind not in (0, 1, 2):
        raise Unresolved(SOCKET_TYPE)
    return flags, family, kind, protocol


def _port(service: str | None, flags: int) -> int:
    if service is None:
        return 0
    if service.isascii() and service.isdigit() and int(service) < 65536:
        return int(service)
    if flags & NUMERIC_SERVICE:
        raise Unresolved(NO_NAME)
    if service not in SERVICES:
        raise Unresolved(SERVICE)
    return SERVICES[service]


def _addresses(node: str | None, flags: int, family: int, port: int) -> list[tuple[int, bytes]]:
    """Families and socket addresses, IPv6 first."""
    if node is None:
        texts = ["::", "0.0.0.0"] if flags & PASSIVE else ["::1", "127.0.0.1"]
    elif node == "localhost" and not flags & NUMERIC_HOST:
        texts = ["::1", "127.0.0.1"]
    else:
        try:
            texts = [str(ipaddress.ip_address(node))]
        except ValueError:
            raise Unresolved(NO_NAME) from None
    wanted = [(freebsd.AF_INET6 if ":" in text else freebsd.AF_INET, text) for text in texts]
    kept = [(own, freebsd.encode((text, port), freebsd.FAMILIES[own])) for own, text in wanted if family in (0, own)]
    if not kept:
        raise Unresolved(NO_NAME)
    return kept


def _list(request: Request, found: list[tuple[int, int, bytes]]) -> tuple[list[Effect], int]:
    """The linked list in the monitor's heap, and where it begins."""
    state, size = request.state, INFO.size + 32
    if state.heap + size * len(found) > HEAP_SIZE:
        raise Unresolved(NO_MEMORY)
    effects: list[Effect] = []
    end = -(-(state.heap + size * len(found)) // PAGE) * PAGE
    start = -(-state.heap // PAGE) * PAGE
    if end > start:
        effects.append(Map(HEAP + start, end - start, "rw"))
    first = HEAP + state.heap
    for index, (family, kind, address) in enumerate(found):
        at = first + size * index
        following = at + size if index + 1 < len(found) else 0
        info = INFO.pack(0, family, kind, PROTOCOLS[kind], len(address), 0, at + INFO.size, following)
        effects.append(MemoryWrite(at, info + address))
    state.heap += size * len(found)
    return effects, first if found else 0


TABLE = {530: Hostcall("getaddrinfo", getaddrinfo, words(4))}
