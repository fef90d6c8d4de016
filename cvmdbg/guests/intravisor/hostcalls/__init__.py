"""The hostcalls, by family: number in x14, arguments in x0 … x7, result in x0. Source: Intravisor src/hostcalls.c."""

from __future__ import annotations

from cvmdbg.guests.intravisor.hostcalls import (
    clock,
    files,
    futex,
    hostfiles,
    locks,
    printing,
    probes,
    shared,
    spinning,
    threads,
    tls,
)
from cvmdbg.guests.intravisor.hostcalls.request import Hostcall

TABLE: dict[int, Hostcall] = {
    **printing.TABLE,
    **locks.TABLE,
    **threads.TABLE,
    **tls.TABLE,
    **clock.TABLE,
    **files.TABLE,
    **futex.TABLE,
    **shared.TABLE,
    **probes.TABLE,
    **spinning.TABLE,
    **hostfiles.TABLE,
}

UNMODELLED = {
    29: "run_yaml",
    100: "blk_request",
    101: "blk_capacity",
    114: "inspect",
    115: "save_snapshot",
    116: "get_arg",
    200: "nanosleep",
    201: "net_rx",
    202: "net_poll",
    203: "net_poll_hup",
    204: "net_free",
    300: "open_tap",
    301: "pipe",
    302: "set_nonblock",
    403: "make_call",
    411: "make_cap_call",
    413: "fetch_cap_call",
    500: "socket",
    501: "setsockopt",
    502: "ioctl",
    503: "accept4",
    504: "listen",
    505: "accept",
    506: "bind",
    509: "send",
    510: "recv",
    511: "close",
    512: "socketpair",
    513: "poll",
    514: "select",
    519: "recvfrom",
    520: "writev",
    530: "getaddrinfo",
    531: "getpeername",
    532: "connect",
    533: "fcntl",
}
"""Names of the others, for the sentence that says they are not modelled."""
