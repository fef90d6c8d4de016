"""The engine's speed: the same programs here and in other machines, by turns, in processor time.

The machine is shared and its speed wanders, so each repetition runs every machine once, and medians are compared.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from cvmdbg.bench import Figure, costs, programs
from cvmdbg.bench.programs import LOOPS, WORKLOADS, Flat, Loop, QemuLoop, Ran, Workload, titled
from cvmdbg.target import TargetError
from emulator_core._core import jit_missing

WORK_TICKS, LOOP_TICKS, REPETITIONS = 100_000_000, 180_000_000, 5
QUICK_TICKS, QUICK_LOOP_TICKS, QUICK_REPETITIONS = 3_000_000, 36_000_000, 1


def measure(quick: bool = False) -> list[Figure]:
    """All figures: loops against QEMU-Morello if QEMU_MORELLO names it, work against Unicorn if it is installed."""
    repetitions = QUICK_REPETITIONS if quick else REPETITIONS
    loop_ticks, ticks = (QUICK_LOOP_TICKS, QUICK_TICKS) if quick else (LOOP_TICKS, WORK_TICKS)
    figures = []
    for engine in engines():
        figures += [loop(name, loop_ticks // LOOPS[name], repetitions, engine) for name in LOOPS]
        work = [workload(name, ticks, repetitions, engine) for name in WORKLOADS]
        figures += [*work, *_means(work, engine)]
    return [*figures, *costs.measure(quick, engines())]


def engines() -> tuple[str, ...]:
    """The interpreter, and the translator where there is one."""
    return ("interp",) if jit_missing() else ("interp", "jit")


def loop(name: str, iterations: int, repetitions: int, engine: str = "interp") -> Figure:
    """MIPS of a bare-metal loop."""
    binary, ours = programs.qemu(), Loop(name, iterations, engine)
    theirs = None if binary is None else QemuLoop(binary, name, iterations)
    ticks, own, other = ours.run().ticks, [], []
    for _ in range(repetitions):
        own.append(ours.run().seconds)
        if theirs is not None:
            other.append(theirs.run())
    return _rate(titled(name, engine), ticks, own, other, "QEMU-Morello")


def workload(name: str, ticks: int, repetitions: int, engine: str = "interp") -> Figure:
    """MIPS of a workload; both machines must compute the same."""
    ours, theirs = Workload(name, engine), Flat(name) if programs.unicorn_is_there() else None
    first = ours.run(1)
    rounds = max(1, ticks // first.ticks)
    if theirs is not None:
        _agree(name, first, theirs.run(1))
    own, other = [], []
    for _ in range(repetitions):
        ran = ours.run(rounds)
        own.append(ran.seconds)
        if theirs is not None:
            flat = theirs.run(rounds)
            _agree(name, ran, flat)
            other.append(flat.seconds)
    return _rate(titled(name, engine), ran.ticks, own, other, "Unicorn")


def _agree(name: str, ours: Ran, theirs: Ran) -> None:
    if ours.checksum != theirs.checksum:
        raise TargetError(f"{name} computes {ours.checksum:#x} here and {theirs.checksum:#x} in Unicorn")


def _rate(name: str, ticks: int, own: list[float], other: list[float], peer: str) -> Figure:
    """Millions of instructions a second; the peer retires as many."""
    value = ticks / statistics.median(own) / 1e6
    if not other:
        return Figure(name, value, "MIPS")
    return Figure(f"{name} vs {peer}", value, "MIPS", ticks / statistics.median(other) / 1e6)


def _means(work: list[Figure], engine: str) -> Iterator[Figure]:
    """The geometric mean over the workloads."""
    value = statistics.geometric_mean(figure.value for figure in work)
    others = [figure.baseline for figure in work if figure.baseline is not None]
    if len(others) == len(work):
        yield Figure(f"{titled('geometric mean', engine)} vs Unicorn", value, "MIPS", statistics.geometric_mean(others))
    else:
        yield Figure(titled("geometric mean", engine), value, "MIPS")
