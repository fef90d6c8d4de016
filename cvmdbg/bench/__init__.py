"""Measurements: ``cvmdbg bench NAME``, a table or with --json rows of name, value, unit, baseline, ratio."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module

WHAT = (
    "engine: the emulator, beside Unicorn and the QEMU that QEMU_MORELLO names; "
    "programs: Linux programs beside qemu-aarch64, and what system calls cost; "
    "remote: the GDB protocol over loopback, beside that QEMU's stub; "
    "time: recording and going back; tui: keys and paints of the screen"
)
MODULES = {
    "engine": "cvmdbg.bench.engine",
    "programs": "cvmdbg.bench.linux",
    "remote": "cvmdbg.bench.remote",
    "time": "cvmdbg.bench.time",
    "tui": "cvmdbg.bench.tui",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. ``baseline`` is the budget or what it is compared with; None where there is none."""

    name: str
    value: float
    unit: str
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value over baseline."""
        return None if not self.baseline else round(self.value / self.baseline, 3)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``bench`` to a command line; the parsed arguments go to ``main``."""
    bench = subparsers.add_parser("bench", help="measure cvmdbg itself", description="Measure cvmdbg itself.")
    bench.add_argument("what", choices=tuple(MODULES), help=WHAT)
    bench.add_argument("--quick", action="store_true", help="fewer rounds")
    bench.add_argument("--json", action="store_true", help="one JSON array of rows")


def main(arguments: argparse.Namespace) -> int:
    """Measure and print; exit status 0."""
    measure: Callable[..., Sequence[Figure]] = import_module(MODULES[arguments.what]).measure
    print(rendered(measure(quick=arguments.quick), arguments.json))
    return 0


def rendered(figures: Sequence[Figure], as_json: bool) -> str:
    """Figures as a table, or as JSON."""
    if as_json:
        rows = [asdict(figure) | {"value": round(figure.value, 3), "ratio": figure.ratio} for figure in figures]
        return json.dumps(rows, indent=1)
    wide = max(len(figure.name) for figure in figures)
    lines = [f"{'':<{wide}} {'value':>10} {'unit':<5} {'baseline':>9} {'ratio':>6}"]
    for figure in figures:
        baseline = "" if figure.baseline is None else _number(figure.baseline)
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        lines.append(f"{figure.name:<{wide}} {_number(figure.value):>10} {figure.unit:<5} {baseline:>9} {ratio:>6}")
    return "\n".join(lines)


def _number(value: float) -> str:
    """Three digits that count, whole ones all."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
