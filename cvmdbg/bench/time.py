"""Recording and going back: what a recording costs, how much it holds, how soon any moment of it is there.

Runs without, with and without a recorder alternate; a figure is the median of their ratios. Times are of the wall, as
the recorder's thread works beside the run, and of the processor, with all that thread does: on a busy machine that one
says more. What the two runs without a recorder differ by is a row of its own.
"""

from __future__ import annotations

import gc
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from cvmdbg.bench import Figure
from cvmdbg.bench.programs import CCTLR, CVM_BASE, CVM_SIZE, STACK, _parsed
from cvmdbg.guests.guest import Boundary, BoundaryKind, Compartment, Guest, Module, Outcome, Symbol, View
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, StopKind, TargetError
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.replay import ReplayTarget
from emulator_core._core import HOSTCALL_HLT, Capability
from emulator_core.assembler import assemble
from sessions.event import Call, Effect, Map, MemoryWrite, ProgramExit, RegisterWrite, ThreadStart
from sessions.reader import Recording
from sessions.recorder import Recorder

T = TypeVar("T")
LONG, QUICK_LONG = 1_000_000_000, 30_000_000
PAIRS, QUICK_PAIRS = 5, 1
SEEKS, QUICK_SEEKS = 200, 10
COST, GROWTH, SEEK, SEEK_99, QUERY, THROUGHOUT, OPENING = 1.05, 1.0, 50.0, 100.0, 0.3, 1.2, 0.5
WORKLOAD = "json"
OTHERS = ("lists", "sort", "hash", "bytecode")
CODE, DATA, PAGE = 0x10000, 0x20000, 4096
RATES = (2_000, 20_000, 200_000)
SHORT, MORE = 0.05, 5
"""A run of fewer seconds is measured so many times as often."""


def measure(quick: bool = False) -> list[Figure]:
    """All figures."""
    ticks, pairs = (QUICK_LONG, QUICK_PAIRS) if quick else (LONG, PAIRS)
    seeks = QUICK_SEEKS if quick else SEEKS
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        figures = [
            *cost("threads", lambda: open_guest("demo:threads"), place, pairs),
            *cost("libhello, its load", lambda: open_guest("demo:libhello"), place, pairs),
            *(row for name in OTHERS for row in cost(name, partial(Image, name, ticks // 10), place, pairs)),
            *cost(f"{WORKLOAD}, {ticks:.0e} ticks", lambda: Image(WORKLOAD, ticks), place, pairs),
            *(row for rate in RATES for row in calls(rate, place, pairs, quick)),
        ]
        return [
            *figures,
            *long_run(place / "long.cvmrec", ticks, seeks),
            *queries(place / "asked.cvmrec", ticks // 2, pairs),
        ]


# ---- what recording costs ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of a run: of the wall, and of the processor for all threads."""

    wall: float
    processor: float


def cost(name: str, guest: Callable[[], Guest], place: Path, pairs: int) -> list[Figure]:
    """Times as long as without a recorder; what two runs without one differ by is the noise of that."""
    shortest = _run(guest(), None).wall
    rounds = [_round(guest, place / "cost.cvmrec") for _ in range(pairs if shortest > SHORT else pairs * MORE)]
    return [
        Figure(f"recording on, {name}", _median(2 * on.wall / (a.wall + b.wall) for a, on, b in rounds), "times", COST),
        Figure(
            f"recording on, {name}, processor",
            _median(2 * on.processor / (a.processor + b.processor) for a, on, b in rounds),
            "times",
            COST,
        ),
        Figure(f"noise, {name}", _median(b.wall / a.wall for a, _, b in rounds), "times"),
    ]


def _round(guest: Callable[[], Guest], path: Path) -> tuple[Spent, Spent, Spent]:
    """Without, with, without."""
    return _run(guest(), None), _run(guest(), path), _run(guest(), None)


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def calls(rate: int, place: Path, pairs: int, quick: bool) -> list[Figure]:
    """The same for a program that makes so many calls in a second of the processor without a recorder."""
    count = max(rate // (10 if quick else 1), 100)
    spin = _spin_for(rate)
    reached = count / min(_run(Caller(count, spin), None).processor for _ in range(2))
    return cost(f"{round(reached, -3):.0f} calls/s", lambda: Caller(count, spin), place, pairs)


def _spin_for(rate: int) -> int:
    """Iterations of the loop between two calls so that there are about so many calls in a second."""
    each = min(_run(Caller(2000, 1), None).processor for _ in range(5)) / 2000
    looping = (min(_run(Caller(200, 200_000), None).processor for _ in range(3)) / 200 - each) / 200_000
    return max(1, int((1 / rate - each) / max(looping, 1e-10)))


def _run(guest: Guest, path: Path | None) -> Spent:
    """From the first instruction to the last; what is written after that is not the run's."""
    if path is not None:
        path.unlink(missing_ok=True)
    target = EmulatorTarget(guest, recorder=None if path is None else Recorder(path, {"title": "bench"}))
    gc.collect()
    start, processor = time.perf_counter(), time.process_time()
    while not any(target.stop.reason(kind) for kind in (StopKind.EXIT, StopKind.FAULT, StopKind.DEADLOCK)):
        target.resume(Move.CONTINUE)
    spent = Spent(time.perf_counter() - start, time.process_time() - processor)
    target.drain()
    target.close()
    return spent


# ---- one long recording --------------------------------------------------------------------------------------------


def long_run(path: Path, ticks: int, seeks: int) -> list[Figure]:
    """How large it is, how soon any moment is there, live and opened again."""
    target = EmulatorTarget(Image(WORKLOAD, ticks), recorder=Recorder(path, {"title": "bench"}))
    while target.tick < ticks and not target.stop.reason(StopKind.EXIT):
        target.resume(Move.CONTINUE, budget=ticks - target.tick)
    figures = _moving("live", target, seeks)
    target.close()
    start = time.perf_counter()
    again = ReplayTarget(Recording(path))
    opening = Figure("opening at the end", time.perf_counter() - start, "s", OPENING)
    figures += _moving("a file", again, seeks)
    again.close()
    return [*_sizes(path, ticks), opening, *figures]


def _sizes(path: Path, ticks: int) -> list[Figure]:
    file = sqlite3.connect(path)
    tables = ("events", "observations", "crossings")
    told = sum(file.execute(f"SELECT coalesce(sum(length(packed)), 0) FROM {table}").fetchone()[0] for table in tables)
    file.close()
    return [
        Figure("events and observations, bytes per 1000 ticks", told / (ticks / 1000), "B", GROWTH),
        Figure("all with checkpoints", path.stat().st_size / 1e6, "MB"),
    ]


def _moving(where: str, target: EmulatorTarget | ReplayTarget, seeks: int) -> list[Figure]:
    history, reverse, dice = target.history, target.reverse, random.Random(1)
    if history is None or reverse is None:
        raise TargetError("nothing was recorded")
    gone, stepped = [], []
    for _ in range(seeks):
        tick = dice.randrange(1, history.last.tick)
        start = time.perf_counter()
        history.seek(history.at(tick))
        gone.append(1000 * (time.perf_counter() - start))
        start = time.perf_counter()
        reverse.resume(Move.STEP)
        stepped.append(1000 * (time.perf_counter() - start))
    return [
        Figure(f"goto in {where}, median", statistics.median(gone), "ms", SEEK),
        Figure(f"goto in {where}, 99 %", _high(gone), "ms", SEEK_99),
        Figure(f"reverse-step in {where}, median", statistics.median(stepped), "ms", SEEK),
        Figure(f"reverse-step in {where}, 99 %", _high(stepped), "ms", SEEK_99),
    ]


def _high(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


# ---- asking --------------------------------------------------------------------------------------------------------


def queries(path: Path, ticks: int, rounds: int) -> list[Figure]:
    """The last write: to a page that was left alone since, and to one that is written throughout; a watchpoint."""
    target = EmulatorTarget(Writer(), recorder=Recorder(path, {"title": "bench"}))
    target.resume(Move.CONTINUE, budget=ticks)
    history, reverse, stops = target.history, target.reverse, target.stops
    if history is None or reverse is None or stops is None:
        raise TargetError("nothing was recorded")
    end = history.now
    left, alone = _timed(lambda: history.last_access(DATA, 8, "w", end))
    plain, searched, watched = list[float](), list[float](), list[float]()
    for _ in range(rounds):
        plain.append(_timed(partial(EmulatorTarget(Writer()).resume, Move.CONTINUE, budget=ticks))[0])
        seconds, busy = _timed(lambda: history.last_access(DATA + PAGE, 8, "w", end))
        searched.append(seconds)
        number = stops.add_watchpoint(DATA + PAGE, 8, "w")
        watched.append(_timed(partial(reverse.resume, Move.CONTINUE))[0])
        stops.remove_watchpoint(number)
        history.seek(end)
    target.close()
    if alone is None or busy is None or alone.mark.tick > 64 or busy.mark.tick > 64:
        raise TargetError("the last writes were not found where they are")
    return [
        Figure(f"last write, page left alone for {ticks:.0e} ticks", left, "s", QUERY),
        Figure("last write, page written throughout, of the plain run", _ratio(searched, plain), "times", THROUGHOUT),
        Figure("reverse-continue to that write, of the plain run", _ratio(watched, plain), "times"),
    ]


def _timed(act: Callable[[], T]) -> tuple[float, T]:
    """Seconds that it took, and what came of it."""
    start = time.perf_counter()
    found = act()
    return time.perf_counter() - start, found


def _ratio(values: Sequence[float], baselines: Sequence[float]) -> float:
    """The median of what each round gives."""
    return _median(value / baseline for value, baseline in zip(values, baselines, strict=True))


# ---- guests --------------------------------------------------------------------------------------------------------


class _Program:
    """One thread on mapped pages; a trap ends it."""

    arch = "morello"
    calls = None
    absent = None
    taps = ()

    @property
    def name(self) -> str:
        return "bench"

    def start(self) -> tuple[Outcome, ...]:
        raise NotImplementedError

    def boundary(self, boundary: Boundary, view: View) -> Outcome:
        if boundary.kind is not BoundaryKind.HOSTCALL:
            raise TargetError(f"the program ended by a {boundary.kind.value}: {boundary.detail}")
        return Outcome("end", (ProgramExit(0),))

    def alarm(self) -> int | None:
        return None

    def save(self) -> object:
        return None

    def load(self, state: object) -> None:
        """There is none."""

    def thread_ids(self, thread: int) -> Mapping[str, int]:
        return {}

    def thread_name(self, thread: int) -> str:
        return "cpu"

    def compartments(self) -> tuple[Compartment, ...]:
        return ()

    def modules(self) -> tuple[Module, ...]:
        return ()

    def symbols(self) -> tuple[Symbol, ...]:
        return ()

    def file(self, path: str) -> bytes | None:
        return None

    @property
    def waits(self) -> None:
        return None


class Image(_Program):
    """A workload in a cVM, for about so many ticks."""

    def __init__(self, name: str, ticks: int) -> None:
        self._elf = _parsed(name)
        self._rounds = 1 << 40
        self._ticks = ticks

    def start(self) -> tuple[Outcome, ...]:
        bounds = Capability.almighty().set_value(CVM_BASE).set_bounds(CVM_SIZE, True)
        content = self._elf.content
        effects: list[Effect] = [Map(CVM_BASE, CVM_SIZE, "rwx")]
        for s in self._elf.segments:
            effects.append(MemoryWrite(CVM_BASE + s.vaddr, content[s.offset : s.offset + s.filesz]))
        effects += [
            ThreadStart(0),
            RegisterWrite(0, "cctlr", CCTLR),
            RegisterWrite(0, "ddc", bounds.bits),
            RegisterWrite(0, "pcc", bounds.set_value(CVM_BASE + self._elf.entry).bits),
            RegisterWrite(0, "csp", STACK),
            RegisterWrite(0, "x0", self._rounds),
        ]
        return (Outcome("deploy", tuple(effects)),)

    def alarm(self) -> int | None:
        """When it has run long enough."""
        return self._ticks

    def boundary(self, boundary: Boundary, view: View) -> Outcome:
        return Outcome("end", (ProgramExit(0),))


class _Flat(_Program):
    """A few instructions over two pages of data."""

    lines: tuple[str, ...] = ()

    def start(self) -> tuple[Outcome, ...]:
        words: list[str] = []
        labels: dict[str, int] = {}
        for line in self.lines:
            if line.endswith(":"):
                labels[line[:-1]] = CODE + 4 * len(words)
            else:
                words.append(line)
        code = b""
        for number, line in enumerate(words):
            for name, address in labels.items():
                line = line.replace(f"@{name}", f"{address:x}")
            code += assemble(line, CODE + 4 * number).to_bytes(4, "little")
        almighty = Capability.almighty()
        effects: tuple[Effect, ...] = (
            Map(CODE, PAGE, "rx"),
            Map(DATA, 4 * PAGE, "rw"),
            MemoryWrite(CODE, code),
            ThreadStart(0),
            RegisterWrite(0, "pcc", almighty.set_value(CODE).bits),
            RegisterWrite(0, "ddc", almighty.bits),
            RegisterWrite(0, "x28", DATA),
            RegisterWrite(0, "x27", DATA + PAGE),
        )
        return (Outcome("deploy", effects),)


class Writer(_Flat):
    """Writes the first word of two pages once, then other words of the second for ever."""

    lines = (
        "str x28, [x28]",
        "str x28, [x27]",
        "again:",
        "add x1, x1, #0x1",
        "str x1, [x27, #64]",
        "ldr x2, [x27, #128]",
        "add x2, x2, x1",
        "str x2, [x27, #128]",
        "b @again",
    )


class Caller(_Flat):
    """So many calls, with a loop of so many iterations before each."""

    def __init__(self, count: int, spin: int) -> None:
        self._left = count
        self.lines = (
            "again:",
            f"movz x1, #{spin & 0xFFFF:#x}",
            f"movk x1, #{spin >> 16 & 0xFFFF:#x}, lsl #16",
            "loop:",
            "sub x1, x1, #0x1",
            "cbnz x1, @loop",
            f"hlt #{HOSTCALL_HLT:#x}",
            "b @again",
        )

    def boundary(self, boundary: Boundary, view: View) -> Outcome:
        self._left -= 1
        if self._left <= 0:
            return Outcome("end", (ProgramExit(0),))
        said = Call(view.tick, 0, "1→M", 1, "write", ("1", '"text"', "4"), "4")
        return Outcome("hostcall 1 write", (RegisterWrite(0, "x0", 4),), (said,))
