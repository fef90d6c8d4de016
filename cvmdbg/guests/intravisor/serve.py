"""One hostcall: who made it, what the monitor does, and what comes back in c0."""

from __future__ import annotations

import struct
from dataclasses import replace

from cvmdbg.guests.guest import Outcome, View
from cvmdbg.guests.intravisor.deploy import Deployment
from cvmdbg.guests.intravisor.folder import Folder
from cvmdbg.guests.intravisor.hostcalls import TABLE
from cvmdbg.guests.intravisor.hostcalls.futex import ETIMEDOUT
from cvmdbg.guests.intravisor.hostcalls.request import WORD, Answer, Hostcall, Refusal, Request, call
from cvmdbg.guests.intravisor.layout import CVM_MAX_SIZE
from cvmdbg.guests.intravisor.state import GuestThread, Pending, Polling, State
from cvmdbg.target import Reason, StopKind, TargetError
from sessions.event import Effect, Observation, Output, RegisterWrite, ThreadBlock, ThreadWake, Wait

MINUS_ONE = WORD


def serve(number: int, view: View, state: State, cvms: dict[int, Deployment], folder: Folder) -> Outcome:
    """Serves the hostcall that the thread stands in. A refusal stops the run; going on finds -1 in c0."""
    thread = state.threads[number]
    wanted = view.register(number, "x14") & WORD
    hostcall = TABLE.get(wanted)
    name = hostcall.name if hostcall else "unknown"
    caller = _caller(view, number, cvms)
    label = f"hostcall {wanted} {name}"
    try:
        owner = _owner(view, number, cvms, thread)
        request = Request(wanted, name, thread, owner, caller, state, view, folder, cvms)
        if hostcall is None:
            raise _unknown(wanted)
        return _settled(_outcome(label, request, hostcall), view, state, cvms, folder)
    except Refusal as refusal:
        return _refused(label, number, view, refusal)


def _unknown(number: int) -> Refusal:
    number = (number + (1 << 31)) % (1 << 32) - (1 << 31)
    return Refusal(
        f"there is no hostcall {number}: the monitor prints so and spins", f"Intravisor: unknown t5 {number}"
    )


def _outcome(label: str, request: Request, hostcall: Hostcall) -> Outcome:
    thread, view = request.thread, request.view
    pending = Pending(request.number, request.name, hostcall.show(request), f"{request.caller}→M")
    answer = hostcall.serve(request)
    if answer.again:
        return Outcome(label, stop=Reason(StopKind.WAITING, "the guest reads standard input"), again=True)
    effects, said = _returned(request.state, thread, view, pending, answer)
    return Outcome(label, effects, said)


def _returned(
    state: State, thread: GuestThread, view: View, pending: Pending, answer: Answer
) -> tuple[tuple[Effect, ...], tuple[Observation, ...]]:
    """The caller's result or its wait, in front of what the answer does to others."""
    seen = call(view.tick, thread, pending, answer.result)
    if answer.wait is not None:
        thread.pending = pending
        if answer.polls:
            state.polling.append(Polling(thread.number, answer.deadline))
        block = ThreadBlock(thread.number, answer.wait)
        wait = Wait(view.tick, thread.number, answer.wait)
        return (block, *answer.effects), (seen, wait, *answer.observations)
    if answer.result is None:
        return tuple(answer.effects), (seen, *answer.observations)
    result = RegisterWrite(thread.number, "c0", answer.result & WORD)
    return (result, *answer.effects), (seen, *answer.observations)


def _refused(label: str, number: int, view: View, refusal: Refusal) -> Outcome:
    said = (Output(view.tick, number, "M", "monitor", refusal.said.encode() + b"\n"),) if refusal.said else ()
    return Outcome(
        label, (RegisterWrite(number, "c0", MINUS_ONE),), said, Reason(StopKind.UNMODELLED, str(refusal.args[0]))
    )


def _caller(view: View, number: int, cvms: dict[int, Deployment]) -> str:
    """The badge of the cVM whose return capability came along in c9."""
    back = view.register(number, "x9") & WORD
    return next((made.layout.badge for made in cvms.values() if made.layout.owns(back)), "?")


def _owner(view: View, number: int, cvms: dict[int, Deployment], thread: GuestThread) -> Deployment:
    """get_cur_thread: a hybrid build divides SP, a purecap one believes the second word of the TP page."""
    sp = view.register(number, "sp") & WORD
    if not cvms[thread.cid].layout.pure:
        cid = sp // CVM_MAX_SIZE
    else:
        tp = view.register(number, "ctpidr") & WORD
        try:
            (cid,) = struct.unpack("<Q", view.read(tp + 8, 8))
        except TargetError as error:
            raise Refusal(f"the monitor looks for the cVM's number at {tp + 8:#x}, behind TP: {error}") from None
        cid %= 1 << 32
    if cid not in cvms:
        raise Refusal(
            f"the monitor takes the caller for cVM {cid}, which does not exist, and spins",
            f"wrong cvm id {cid}, sp = {sp:#x}, die",
        )
    return cvms[cid]


# ---- waits ----


def _settled(outcome: Outcome, view: View, state: State, cvms: dict[int, Deployment], folder: Folder) -> Outcome:
    """The outcome, and what it lets go on: hostcalls that wait are made again until nothing happens any more."""
    effects, said = list(outcome.effects), list(outcome.observations)
    while state.poked:
        state.poked = False
        for waiting in list(state.polling):
            _retry(waiting, effects, said, view, state, cvms, folder)
    return replace(outcome, effects=tuple(effects), observations=tuple(said))


def _retry(
    waiting: Polling,
    effects: list[Effect],
    said: list[Observation],
    view: View,
    state: State,
    cvms: dict[int, Deployment],
    folder: Folder,
) -> None:
    """Makes a waiting hostcall again: it comes back, or waits on."""
    thread = state.threads[waiting.thread]
    assert thread.pending is not None
    number, owner = thread.pending.number, _owner(view, thread.number, cvms, thread)
    caller = thread.pending.layer.partition("→")[0]
    request = Request(number, thread.pending.name, thread, owner, caller, state, view, folder, cvms, waiting)
    answer = TABLE[number].serve(request)
    if answer.wait is not None:
        return
    state.polling.remove(waiting)
    if answer.result is not None:
        effects += request.finish(thread, answer.result)
        said += request.finished(thread, answer.result)
    effects += answer.effects
    said += answer.observations


def time_out(view: View, state: State, cvms: dict[int, Deployment], folder: Folder, due: int) -> Outcome:
    """Ends the waits whose time is over: those of hostcall 1000 with -ETIMEDOUT, others as their calls say."""
    effects: list[Effect] = []
    said: list[Observation] = []
    result = -ETIMEDOUT & WORD
    for waiter in [w for w in state.futexes if w.deadline is not None and w.deadline <= due]:
        state.futexes.remove(waiter)
        thread = state.threads[waiter.thread]
        effects += [RegisterWrite(thread.number, "c0", result), ThreadWake(thread.number)]
        said.append(Wait(view.tick, thread.number, None))
        if thread.pending is not None:
            said.append(call(view.tick, thread, thread.pending, result))
            thread.pending = None
    for waiting in [w for w in state.polling if w.deadline is not None and w.deadline <= due]:
        _retry(waiting, effects, said, view, state, cvms, folder)
    return _settled(Outcome("timeout", tuple(effects), tuple(said)), view, state, cvms, folder)
