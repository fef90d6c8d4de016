"""``cvmdbg bench engine``: its programs are what their sources made, compute the same everywhere, and are measured."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from cvmdbg import cli
from cvmdbg.bench import Figure, costs, engine, linux, programs, rendered
from cvmdbg.bench.programs import ENDLESS, LOOPS, WORKLOADS, Flat, Loop, Workload
from cvmdbg.target import TargetError, UserError

RECORDED: dict[str, dict[str, Any]] = json.loads((programs.ROOT / "manifest.json").read_text())
CHECKSUMS = {
    "lists": 0x7B19800DD59D3B2D,
    "sort": 0x2625EB3B0E2632DE,
    "hash": 0x776A80D106F3102C,
    "json": 0x0255AF983FB3A2E3,
    "bytecode": 0xDB7B1320572850C5,
    "tree": 0x197417AE3C498CC5,
    "sha256": 0x5A7EDC1F8AFC7465,
}
"""After one round, from a native build of the same sources on x86-64."""


def _manifest() -> Any:
    spec = importlib.util.spec_from_file_location("workloads_manifest", programs.ROOT / "manifest.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- the programs ---------------------------------------------------------------------------------------------


def test_every_program_is_recorded() -> None:
    assert set(RECORDED) == {path.name for path in programs.ROOT.glob("*.elf")}
    assert set(RECORDED) == {f"{name}.elf" for name in (*WORKLOADS, *LOOPS)}


@pytest.mark.parametrize("program", sorted(RECORDED))
def test_sources_are_those_it_was_built_from(program: str) -> None:
    assert RECORDED[program] == _manifest().manifest()[program], f"{program}: rebuild it with make manifest"


def test_every_source_is_recorded() -> None:
    named = {source for row in RECORDED.values() for source in row["sources"]}
    here = {p.name for p in programs.ROOT.iterdir() if p.suffix in (".c", ".h", ".S", ".ld")}
    assert here | {"tree.py", "branchy.py", "Makefile"} == named


@pytest.mark.parametrize("name", WORKLOADS)
def test_checksums_agree(name: str) -> None:
    """In the fast engine, in exact pieces, in the step engine, in Unicorn, and where it was built natively."""
    work = Workload(name)
    whole = work.run(2)
    in_pieces = work.run(2, 10_007)
    assert (in_pieces.checksum, in_pieces.ticks) == (whole.checksum, whole.ticks)
    work.machine.use_step_engine(work.thread, True)
    stepped = work.run(2)
    assert (stepped.checksum, stepped.ticks) == (whole.checksum, whole.ticks)
    if name in CHECKSUMS:
        assert work.run(1).checksum == CHECKSUMS[name]
    assert work.run(1).checksum != whole.checksum


@pytest.mark.parametrize("name", WORKLOADS)
def test_checksums_agree_with_unicorn(name: str) -> None:
    pytest.importorskip("unicorn", reason="Unicorn, the independent machine, is not installed")
    for rounds in (1, 3):
        assert Flat(name).run(rounds).checksum == Workload(name).run(rounds).checksum


@pytest.mark.parametrize("name", LOOPS)
def test_loops_end(name: str) -> None:
    """In the fast engine, in exact pieces, and in the step engine."""
    iterations = 18_000 // LOOPS[name]
    more = Loop(name, 2 * iterations).run()
    loop = Loop(name, iterations)
    ran, in_pieces = loop.run(), loop.run(997)
    assert 0.9 < (more.ticks - ran.ticks) / iterations / LOOPS[name] < 1.1
    assert (in_pieces.checksum, in_pieces.ticks) == (ran.checksum, ran.ticks) != (more.checksum, more.ticks)
    loop.machine.use_step_engine(loop.thread, True)
    assert loop.run().checksum == ran.checksum


def test_a_cvm_is_really_bounded() -> None:
    """The workloads run under DDC and PCC of their cVM: what lies outside is a fault."""
    work = Workload("sort")
    work.begin(1)
    work.machine.set(work.thread, programs.CSP, programs.CVM_SIZE + 0x1000)
    stop = work.machine.run(work.thread, ENDLESS)
    assert stop.fault is not None and stop.fault.kind.name == "CAP_BOUNDS"


# ---- the measurement ------------------------------------------------------------------------------------------


def test_quick_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "engine", "--quick", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    for row in rows:
        assert list(row) == ["name", "value", "unit", "baseline", "ratio"]
        assert isinstance(row["value"], float) and row["unit"] in ("MIPS", "%", "times", "/s", "ms", "KiB")
        assert (row["ratio"] is None) == (row["baseline"] is None)
    speeds = {row["name"].split(" vs ")[0]: row["value"] for row in rows if row["unit"] == "MIPS"}
    assert set(speeds) >= {*LOOPS, *WORKLOADS, "geometric mean"}
    assert all(value > 0 for value in speeds.values())


def test_without_unicorn_there_is_no_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "unicorn_is_there", lambda: False)
    figure = engine.workload("sort", 100_000, 1)
    assert (figure.name, figure.baseline, figure.ratio) == ("sort", None, None)


def test_a_wrong_checksum_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Liar:
        def __init__(self, name: str) -> None: ...

        def run(self, rounds: int) -> programs.Ran:
            return programs.Ran(1, 0, 1.0)

    monkeypatch.setattr(programs, "unicorn_is_there", lambda: True)
    monkeypatch.setattr(engine, "Flat", Liar)
    with pytest.raises(TargetError, match=r"sort computes 0x\w+ here and 0x1 in Unicorn"):
        engine.workload("sort", 100_000, 1)


def test_outside_a_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(programs, "ROOT", tmp_path)
    assert cli.main(["bench", "engine", "--quick"]) == 1
    assert "bench engine needs a source checkout" in capsys.readouterr().err


def test_qemu_must_be_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QEMU_MORELLO", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="expected a program that can be run"):
        programs.qemu()
    monkeypatch.delenv("QEMU_MORELLO")
    assert programs.qemu() is None


def test_untouched_memory_costs_nothing() -> None:
    assert costs.untouched() <= 64


def test_the_cost_of_system_calls_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CVMDBG_ARM64_ROOT", raising=False)
    figures = linux.measure(quick=True)
    assert [f.name for f in figures] == ["getpid, not recorded", "getpid, recorded", "pread of 4 KiB"]
    assert all(f.value > 0 for f in figures)


def test_a_table_shows_the_digits_that_count() -> None:
    figures = [
        Figure("cost", 1.056, "times", 1.05),
        Figure("calls", 1113769.5, "/s"),
        Figure("cheap", 0.0421, "s", 0.3),
    ]
    lines = [line.split() for line in rendered(figures, as_json=False).splitlines()[1:]]
    assert lines == [
        ["cost", "1.06", "times", "1.05", "1.01"],
        ["calls", "1113770", "/s"],
        ["cheap", "0.0421", "s", "0.3", "0.14"],
    ]
