"""Hostcalls 17 to 20: thread-local storage of the host. The destructor given to tls_alloc is ignored, as it says."""

from __future__ import annotations

from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, words

MINUS_ONE = (1 << 64) - 1


def tls_alloc(request: Request) -> Answer:
    """tls_alloc(destructor): a key, 0 in every thread."""
    answer = Answer(result=request.state.handle())
    request.state.keys.add(answer.result or 0)
    if request.word(0):
        answer.observations.append(request.monitor_says(f"INT: ignore destructor {request.word(0):x} in tls_alloc"))
    return answer


def tls_free(request: Request) -> Answer:
    key = request.word(0)
    if key not in request.state.keys:
        raise Refusal(f"hostcall 18 tls_free: {key:#x} is no key")
    request.state.keys.remove(key)
    for thread in request.state.threads:
        thread.tls.pop(key, None)
    return Answer()


def tls_set(request: Request) -> Answer:
    """tls_set(key, value): 0, or -1 for what is no key."""
    if request.word(0) not in request.state.keys:
        return Answer(result=MINUS_ONE)
    request.thread.tls[request.word(0)] = request.word(1)
    return Answer()


def tls_get(request: Request) -> Answer:
    return Answer(result=request.thread.tls.get(request.word(0), 0))


TABLE = {
    17: Hostcall("tls_alloc", tls_alloc, words(1)),
    18: Hostcall("tls_free", tls_free, words(1)),
    19: Hostcall("tls_set", tls_set, words(2)),
    20: Hostcall("tls_get", tls_get, words(1)),
}
