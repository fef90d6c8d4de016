"""What debugging costs: stops that are set, exact ticks, single steps, large cVMs."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cvmdbg.bench import Figure
from cvmdbg.bench.programs import CVM_BASE, Loop, Workload, loop_image, titled
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, TargetError
from cvmdbg.targets.emulator import EmulatorTarget
from emulator_core._core import PAGE, Machine, Prot, StopKind, Watch

CHEAP, WATCHED = 2.0, 2.0
"""Budgets: per cent, and times as slow."""
STEPS_INSIDE, STEPS_THROUGH = 1e6, 1e5
OPENING = 50.0
"""Milliseconds."""
PROGRAM = "sort"
UNTOUCHED = CVM_BASE + (1 << 29)
SLICE, SHORT_SLICE = 20_000_000, 1_000_000
"""Ticks: about what runs between two looks at the keyboard, and a twentieth of it for information."""
LOOP_OUT = 0x501000
"""The page that the loops store to; its second half is not used."""
GIB = 1 << 30


def measure(quick: bool = False, engines: Sequence[str] = ("interp",)) -> list[Figure]:
    """All of them; what depends on the engine, for each."""
    rounds, pairs, steps = (5, 3, 20_000) if quick else (150, 11, 300_000)
    iterations = 100_000 if quick else 3_000_000
    per_engine = [(_stops(engine, rounds, pairs), _watched(engine, iterations, pairs)) for engine in engines]
    return [
        *(figure for stops, watched in per_engine for figure in (*stops, *watched)),
        *_stepping(steps),
        *_opening(3 if quick else 15),
        Figure("untouched 1 GiB mapping", untouched(), "KiB", 64.0),
    ]


# ---- stops that do not happen ---------------------------------------------------------------------------------


def _stops(engine: str, rounds: int, pairs: int) -> list[Figure]:
    """Per cent that a run takes longer; one that is not stopped, by turns with one that could be."""
    work = Workload(PROGRAM, engine)
    machine = work.machine

    def plain() -> float:
        return work.run(rounds).seconds

    def with_breakpoint() -> float:
        machine.add_breakpoint(work.entry)  # on the code's own page; a run does not stop where it starts
        try:
            return plain()
        finally:
            machine.remove_breakpoint(work.entry)

    def watched_and_not() -> float:
        machine.remove_watchpoint(machine.add_watchpoint(UNTOUCHED, 8, Watch.WRITE))
        return plain()

    def watched_elsewhere() -> float:
        watch = machine.add_watchpoint(UNTOUCHED, 8, Watch.READ | Watch.WRITE)
        try:
            return plain()
        finally:
            machine.remove_watchpoint(watch)

    def in_slices(ticks: int) -> float:
        return work.run(rounds, ticks).seconds

    cases = {
        "breakpoint set elsewhere": with_breakpoint,
        "watchpoint no longer set": watched_and_not,
        "watchpoint on another page": watched_elsewhere,
        f"exact stop every {SLICE:,} ticks": lambda: in_slices(SLICE),
    }
    often = _cost(plain, lambda: in_slices(SHORT_SLICE), pairs)
    return [
        *(Figure(titled(name, engine), _cost(plain, case, pairs), "%", CHEAP) for name, case in cases.items()),
        Figure(titled(f"exact stop every {SHORT_SLICE:,} ticks", engine), often, "%"),
    ]


def _cost(plain: Callable[[], float], other: Callable[[], float], pairs: int) -> float:
    """Per cent by which the second takes longer."""
    return 100 * (_ratio(plain, other, pairs) - 1)


def _ratio(plain: Callable[[], float], other: Callable[[], float], pairs: int) -> float:
    """How many times as long the second takes: the median over pairs, whose order alternates."""
    plain()
    other()
    ratios = []
    for index in range(pairs):
        if index % 2:
            second, first = other(), plain()
        else:
            first, second = plain(), other()
        ratios.append(second / first)
    return statistics.median(ratios)


def _watched(engine: str, iterations: int, pairs: int) -> list[Figure]:
    """Times as slow when the page that is stored to and loaded from is watched where nothing is."""
    work = Loop("loop0", iterations, engine)
    machine = work.machine

    def watched(access: Watch) -> float:
        watch = machine.add_watchpoint(LOOP_OUT + PAGE // 2, 8, access)
        try:
            return work.run().seconds
        finally:
            machine.remove_watchpoint(watch)

    def plain() -> float:
        return work.run().seconds

    writes = _ratio(plain, lambda: watched(Watch.WRITE), pairs)
    both = _ratio(plain, lambda: watched(Watch.READ | Watch.WRITE), pairs)
    return [
        Figure(titled("watched page, writes, no match", engine), writes, "times", WATCHED),
        Figure(titled("watched page, all accesses, no match", engine), both, "times", WATCHED),
    ]


# ---- single steps ---------------------------------------------------------------------------------------------


def _stepping(steps: int) -> list[Figure]:
    """Single steps a second: inside the engine, by runs of one instruction, and through the target."""
    return [
        Figure("single steps inside the engine", _inside(10 * steps), "/s", STEPS_INSIDE),
        Figure("runs of one instruction from Python", _by_runs(steps), "/s"),
        Figure("single steps through Target.resume", _through(steps), "/s", STEPS_THROUGH),
        Figure("loop0 through Target.resume", _continued(100 * steps), "MIPS"),
    ]


def _inside(steps: int) -> float:
    """The engine that makes every check anew at each instruction, and is where a single step goes."""
    work = Workload(PROGRAM)
    work.machine.use_step_engine(work.thread, True)
    work.begin(1_000_000)
    start = time.process_time()
    stop = work.machine.run(work.thread, steps)
    seconds = time.process_time() - start
    if stop.kind is not StopKind.BUDGET:
        raise TargetError(f"{PROGRAM} stopped while it was stepped: {stop.kind.name}")
    return steps / seconds


def _by_runs(steps: int) -> float:
    work = Workload(PROGRAM)
    work.begin(1_000_000)
    run, thread = work.machine.run, work.thread
    start = time.process_time()
    for _ in range(steps):
        run(thread, 1)
    return steps / (time.process_time() - start)


def _target() -> EmulatorTarget:
    """The first loop, debugged; it does not end within any measurement."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "loop0.elf"
        path.write_bytes(loop_image("loop0", 1 << 40))
        return EmulatorTarget(open_guest(str(path)))


def _through(steps: int) -> float:
    target = _target()
    start = time.process_time()
    for _ in range(steps):
        target.resume(Move.STEP)
    return steps / (time.process_time() - start)


def _continued(ticks: int) -> float:
    target = _target()
    start = time.process_time()
    target.resume(Move.CONTINUE, budget=ticks)
    return ticks / (time.process_time() - start) / 1e6


# ---- large cVMs -----------------------------------------------------------------------------------------------


def _opening(rounds: int) -> list[Figure]:
    """Milliseconds from the name of a guest to its first instruction; the demo's cVM has 1 GiB."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        target = EmulatorTarget(open_guest("demo:hello"))
        times.append(1000 * (time.process_time() - start))
        if sum(region.size for region in target.regions()) < GIB:
            raise TargetError("demo:hello has no cVM of 1 GiB")
    return [Figure("opening a 1 GiB cVM", statistics.median(times), "ms", OPENING)]


def untouched() -> float:
    """KiB of this process's memory that a mapping of 1 GiB takes, once looked at where it holds nothing."""
    machine = Machine()
    before = _resident()
    machine.map(CVM_BASE, GIB, Prot.R | Prot.W)
    for address in range(CVM_BASE, CVM_BASE + GIB, GIB // 1024):
        machine.read(address, 8)
    return (_resident() - before) / 1024


def _resident() -> int:
    """Bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
