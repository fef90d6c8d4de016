"""Hostcalls at which the original prints a line and spins for ever: here the run stops with the reason."""

from __future__ import annotations

from collections.abc import Callable

from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, words


def _spins(why: str, said: Callable[[Request], str]) -> Callable[[Request], Answer]:
    def serve(request: Request) -> Answer:
        raise Refusal(f"hostcall {request.number} {request.name}: {why}; the monitor spins", said(request))

    return serve


_OWN = "a cVM has its own memory and must not ask for the host's"
_OLD = _spins("it is deprecated", lambda request: f"deprecated {request.number}")

_NETWORK = {201: "net_rx", 202: "net_poll", 203: "net_poll_hup", 204: "net_free"}
_NO_NET = _spins(
    "network devices are not compiled into the monitor", lambda request: f"Intravisor: unknown t5 {request.number}"
)

TABLE = {
    21: Hostcall("mem_alloc", _spins(_OWN, lambda request: "MEM_ALLOC, who called?"), words(1)),
    22: Hostcall("mem_free", _spins(_OWN, lambda request: f"MEM_FREE {request.word(0):#x}, who called?"), words(1)),
    23: Hostcall(
        "mem_executable_alloc", _spins(_OWN, lambda request: f"EXEC ALLOC {request.word(0):#x}, who called?"), words(1)
    ),
    24: Hostcall(
        "mem_executable_free", _spins(_OWN, lambda request: f"EXEC FREE {request.word(0):#x}, who called?"), words(2)
    ),
    **{number: Hostcall(name, _NO_NET, words(0)) for number, name in _NETWORK.items()},
    **{number: Hostcall("deprecated", _OLD, words(0)) for number in (400, 401, 402, 404)},
}
