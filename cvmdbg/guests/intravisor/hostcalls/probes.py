"""Hostcalls 700 to 702: the gates of the monitor and of other cVMs. Source: src/host_syscall_callbacs.c, host_sc.c."""

from __future__ import annotations

from cvmdbg.guests.intravisor.config import shown
from cvmdbg.guests.intravisor.deploy import Deployment, Gate, monitor_gate
from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, words
from cvmdbg.guests.intravisor.hostcalls.shared import key_of, keyed, store
from cvmdbg.guests.intravisor.planning import NAME_LENGTH


def my_inner(request: Request) -> Answer:
    """get_my_inner(location): the inner cVM's way back, sealed data and data, one behind the other."""
    inner = _inner(request)
    where = request.address(0)
    made = (inner.caps[6], inner.caps[1], inner.caps[2])
    return Answer(effects=[store(request, where + 16 * index, cap) for index, cap in enumerate(made)])


def _inner(request: Request) -> Deployment:
    """The cVM that callback_in names."""
    wanted = request.owner.config.callback_in
    found = next((made for made in request.cvms.values() if wanted and made.config.runtime == wanted), None)
    if found is None:
        badge = request.owner.layout.badge
        raise Refusal(f"hostcall {request.number} get_my_inner: cVM {badge} has no callback_in, so no inner cVM")
    return found


def probe(request: Request) -> Answer:
    """probe_handler(key, pcc, ddc, pcc2): the gate that a key names; its index in the monitor's table."""
    key = key_of(request, 0)
    for number, (name, gate) in enumerate(_gates(request)):
        if name == key[: NAME_LENGTH + 1]:
            places = ((1, gate.code), (3, gate.inner), (2, gate.data))
            effects = [store(request, request.address(index), cap) for index, cap in places]
            return Answer(result=number, effects=effects)
    raise Refusal(
        f"hostcall {request.number} probe_handler: no compartment advertised '{shown(key)}'; the monitor spins",
        f"wrong SC key {shown(key)}",
    )


def _gates(request: Request) -> list[tuple[str, Gate]]:
    """Who offers a gate, in the order in which they were advertised."""
    served = [(made.config.runtime or "", made.gate) for made in request.cvms.values()]
    known = [("monitor", monitor_gate(request.owner.layout.pure)), *served]
    return [(name[:NAME_LENGTH], gate) for name, gate in known if gate is not None]


def sc_caps(request: Request) -> Answer:
    """get_sc_caps: 0, as in a monitor that was built without single-cVM components."""
    return Answer()


TABLE = {
    700: Hostcall("get_my_inner", my_inner, words(1)),
    701: Hostcall("probe_handler", probe, keyed(4, 0)),
    702: Hostcall("get_sc_caps", sc_caps, words(3)),
}
