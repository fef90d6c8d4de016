"""What the Debug workspace costs at a stop of a live machine: its time, and in how many batches it asks the stub."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from cvmdbg.bench import Figure
from cvmdbg.launch import remote
from cvmdbg.session import Session
from cvmdbg.targets.remote.target import RemoteTarget

ROUNDS, QUICK_ROUNDS = 60, 15
BATCHES, MILLISECONDS = 3.0, 10.0


def workspace(address: str, symbols: Path, place: str, quick: bool) -> tuple[float, float]:
    """Milliseconds and batches of a stop with all that the workspace shows; medians over single steps."""
    session = remote(address, symbols=(symbols,))
    session.connect()
    try:
        if place:
            session.execute(f"tbreak {place}")
            session.execute("continue")
        return _measured(session, QUICK_ROUNDS if quick else ROUNDS)
    finally:
        session.close()


def _measured(session: Session, rounds: int) -> tuple[float, float]:
    target = session.live.target
    assert isinstance(target, RemoteTarget)
    taken, asked = list[float](), list[float]()
    for _ in range(rounds):
        session.execute("stepi")
        target.memory.stopped()  # as after a stop that nobody has looked at yet
        target.state.forget()
        before, start = target.link.client.batches, time.perf_counter()
        look(session)
        taken.append((time.perf_counter() - start) * 1000)
        asked.append(target.link.client.batches - before)
    half = rounds // 2
    return statistics.median(taken[half:]), statistics.median(asked[half:])


def look(session: Session) -> None:
    """The panes of the Debug workspace."""
    session.status()
    session.register_rows()
    session.code()
    session.frame_rows()
    session.thread_rows()
    session.map_rows()
    session.breakpoint_rows()
    stack = session.live.target.read_register(session.live.thread, "sp")
    session.memory_rows(stack, 16)


def figures(own: tuple[float, float], qemu: tuple[float, float] | None) -> list[Figure]:
    """Rows: ours against what is asked for, QEMU's beside them."""
    name = "Debug workspace of a stop"
    rows = [Figure(name, own[0], "ms", MILLISECONDS), Figure(f"{name}: batches", own[1], "", BATCHES)]
    if qemu is not None:
        rows += [Figure(f"{name}, QEMU-Morello", qemu[0], "ms"), Figure(f"{name}, QEMU-Morello: batches", qemu[1], "")]
    return rows
