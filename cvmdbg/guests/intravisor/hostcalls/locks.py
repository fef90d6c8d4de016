"""Hostcalls 3 to 10: semaphores and mutexes of the host. Waiters are served in the order in which they came."""

from __future__ import annotations

from cvmdbg.guests.intravisor.hostcalls.request import Answer, Hostcall, Refusal, Request, words
from cvmdbg.guests.intravisor.state import Mutex, Semaphore


def _semaphore(request: Request) -> Semaphore:
    found = request.state.semaphores.get(request.word(0))
    if found is None:
        raise Refusal(f"hostcall {request.number} {request.name}: {request.word(0):#x} is no semaphore")
    return found


def _mutex(request: Request) -> Mutex:
    found = request.state.mutexes.get(request.word(0))
    if found is None:
        raise Refusal(f"hostcall {request.number} {request.name}: {request.word(0):#x} is no mutex")
    return found


def sem_alloc(request: Request) -> Answer:
    handle = request.state.handle()
    request.state.semaphores[handle] = Semaphore(request.number_of(0))
    return Answer(result=handle)


def sem_free(request: Request) -> Answer:
    _refuse_waiters(request, _semaphore(request).waiters)
    del request.state.semaphores[request.word(0)]
    return Answer()


def _refuse_waiters(request: Request, waiters: list[int]) -> None:
    if waiters:
        names = ", ".join(str(number) for number in waiters)
        raise Refusal(f"hostcall {request.number} {request.name}: thread {names} still waits for {request.word(0)}")


def sem_up(request: Request) -> Answer:
    """Adds one, or hands it to the first that waits."""
    semaphore, answer = _semaphore(request), Answer()
    if semaphore.waiters:
        request.wake(answer, semaphore.waiters.pop(0), 0)
    else:
        semaphore.count += 1
    return answer


def sem_down(request: Request) -> Answer:
    """Takes one, or waits for it."""
    semaphore = _semaphore(request)
    if semaphore.count > 0:
        semaphore.count -= 1
        return Answer()
    semaphore.waiters.append(request.thread.number)
    return Answer(result=None, wait=f"semaphore {request.word(0)}")


def mutex_alloc(request: Request) -> Answer:
    """mutex_alloc(recursive)."""
    handle = request.state.handle()
    request.state.mutexes[handle] = Mutex(recursive=request.word(0) != 0)
    return Answer(result=handle)


def mutex_free(request: Request) -> Answer:
    _refuse_waiters(request, _mutex(request).waiters)
    del request.state.mutexes[request.word(0)]
    return Answer()


def lock(request: Request) -> Answer:
    """Takes a mutex or waits; who locks a plain one twice waits for itself."""
    mutex, thread = _mutex(request), request.thread.number
    if mutex.owner is None or (mutex.owner == thread and mutex.recursive):
        mutex.owner = thread
        mutex.depth += 1
        return Answer()
    mutex.waiters.append(thread)
    return Answer(result=None, wait=f"lock {request.word(0)}")


def unlock(request: Request) -> Answer:
    """Gives a mutex to the first that waits for it."""
    mutex, answer = _mutex(request), Answer()
    if mutex.owner != request.thread.number:
        held = "nobody" if mutex.owner is None else f"thread {mutex.owner}"
        raise Refusal(f"hostcall {request.number} unlock: mutex {request.word(0)} is held by {held}, not by the caller")
    mutex.depth -= 1
    if mutex.depth == 0:
        mutex.owner = mutex.waiters.pop(0) if mutex.waiters else None
        if mutex.owner is not None:
            mutex.depth = 1
            request.wake(answer, mutex.owner, 0)
    return answer


TABLE = {
    3: Hostcall("sem_alloc", sem_alloc, words(1)),
    4: Hostcall("sem_free", sem_free, words(1)),
    5: Hostcall("sem_up", sem_up, words(1)),
    6: Hostcall("sem_down", sem_down, words(1)),
    7: Hostcall("mutex_alloc", mutex_alloc, words(1)),
    8: Hostcall("mutex_free", mutex_free, words(1)),
    9: Hostcall("mutex_lock", lock, words(1)),
    10: Hostcall("mutex_unlock", unlock, words(1)),
}
