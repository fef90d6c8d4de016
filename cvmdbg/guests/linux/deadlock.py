"""Nobody can run: who waits for what, who holds it, which wake-up was lost.

A futex word is a mutex of glibc (lock, count, owner's tid at 8), one of musl (the owner's tid in the word), the tid of
a thread that is joined, or anything else, of which only wakes are known.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cvmdbg.guests.linux import abi
from cvmdbg.guests.linux.decoder.names import signal_text
from cvmdbg.guests.linux.kernel import Kernel
from cvmdbg.guests.linux.state import Thread, Waiting
from cvmdbg.target import TargetError

TID = 0x3FFFFFFF
CONTENDED = 2


@dataclass(frozen=True, slots=True)
class Edge:
    """A thread and what it waits for; ``holder`` is the thread that could end the wait, if it is known."""

    thread: Thread
    what: str
    holder: Thread | None = None


def explain(kernel: Kernel) -> str:
    """One clause for each thread that waits, then the cycle if there is one."""
    threads = [t for t in kernel.state.threads.values() if t.waiting is not None]
    edges = {t.number: _edge(kernel, t, t.waiting) for t in threads if t.waiting is not None}
    said = [f"{name(kernel, e.thread)} waits for {e.what}" for e in edges.values()]
    stopped = [p for p in kernel.state.programs.values() if p.stopped and p.status is None]
    said += [f"program {p.pid} is stopped by {signal_text(p.stopped)}, until SIGCONT" for p in stopped]
    if not said:
        return "no thread is left"
    cycle = _cycle(edges)
    if cycle:
        said.append("a deadlock: " + " → ".join(name(kernel, t) for t in cycle))
    return "; ".join(said)


def name(kernel: Kernel, thread: Thread) -> str:
    """``17/1001``."""
    return f"{kernel.badge(kernel.program(thread).cvm)}/{thread.tid}"


def _edge(kernel: Kernel, thread: Thread, waiting: Waiting) -> Edge:
    key = next((k for k, q in kernel.state.futexes.items() if any(s.thread == thread.number for s in q)), None)
    if key is not None:
        return _futex(kernel, thread, waiting, key)
    if waiting.reason.startswith(("data in pipe", "data on socket")):
        return Edge(thread, waiting.reason + _other_end(kernel, waiting))
    return Edge(thread, waiting.reason)


def _futex(kernel: Kernel, thread: Thread, waiting: Waiting, key: int) -> Edge:
    joined = next((t for t in kernel.state.threads.values() if _tid_word(kernel, t) == key), None)
    if joined is not None:
        return Edge(thread, f"the end of {name(kernel, joined)}", joined)
    holder = _holder(kernel, thread, key)
    if holder is not None:
        return Edge(thread, f"{waiting.reason}, a mutex that {name(kernel, holder)} holds", holder)
    missed = kernel.state.missed.get(key)
    if missed is not None and missed[0] <= waiting.since:
        lost = f"a wake-up of it at tick {missed[0]} by {missed[1]} found nobody waiting: it was lost"
        return Edge(thread, f"{waiting.reason} ({lost})")
    return Edge(thread, f"{waiting.reason}, which nobody is known to hold")


def _tid_word(kernel: Kernel, thread: Thread) -> int:
    return kernel.space(thread).base + thread.clear_tid if thread.clear_tid else -1


def _holder(kernel: Kernel, thread: Thread, key: int) -> Thread | None:
    """The owner that the mutex names: itself, when a thread locks twice what can be locked once."""
    try:
        word, _, owner = struct.unpack("<III", kernel.view.read(key, 12))
    except TargetError:
        return None
    for tid in (owner if word == CONTENDED else 0, word & TID):
        for other in kernel.state.threads.values():
            if other.tid == tid and other.pid == thread.pid and tid:
                return other
    return None


def _other_end(kernel: Kernel, waiting: Waiting) -> str:
    """Who could write into what is read."""
    number = int(waiting.reason.rpartition(" ")[2])
    ends = {
        o.number
        for o in kernel.state.opens.values()
        if o.target == number and o.kind == "pipe" and o.flags & abi.O_ACCMODE != abi.O_RDONLY
    }
    programs = [p for p in kernel.state.programs.values() if ends & set(p.files.values())]
    return f", whose write end {', '.join(str(p.pid) for p in programs)} holds" if programs else ""


def _cycle(edges: dict[int, Edge]) -> list[Thread]:
    """Threads each of which waits for the next, the first one again at the end; empty when there is no such."""
    for first in edges.values():
        path = [first.thread]
        holder = first.holder
        while holder is not None and holder not in path:
            path.append(holder)
            edge = edges.get(holder.number)
            holder = edge.holder if edge is not None else None
        if holder is not None and holder is first.thread:
            return [*path, holder]
    return []
