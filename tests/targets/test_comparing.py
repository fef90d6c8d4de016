"""Two recordings, compared by the command line: the first tick at which they differ, and how."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvmdbg.cli import main
from cvmdbg.target import Move
from cvmdbg.targets.emulator import EmulatorTarget
from emulator_core.capability import Capability
from sessions.recorder import Recorder
from tests.targets.toy import MEMORY, PRINT, TRAP, ToyGuest

LOOP = ["add x1, x1, #0x1", "str x1, [x28]", "b @again"]
TELL = ["mov x0, #{}", f"mov x14, #{PRINT:#x}", TRAP]


def recorded(path: Path, lines: list[str], ticks: int = 5_000, seed: int = 0, threads: int = 1) -> Path:
    target = EmulatorTarget(ToyGuest(lines, threads), recorder=Recorder(path, {"title": "toy"}), seed=seed)
    target.resume(Move.CONTINUE, budget=ticks)
    target.close()
    return path


def compared(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = main(["diff", *map(str, arguments)])
    return status, capsys.readouterr().out


def test_the_same_run_is_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = (recorded(tmp_path / f"{name}.cvmrec", ["again:", *LOOP]) for name in "ab")
    assert compared(capsys, a, b) == (0, "the recordings are equal\n")
    assert compared(capsys, a, b, "--json") == (0, "null\n")
    assert compared(capsys, "--json", a, b) == (0, "null\n")


def test_a_run_that_ends_sooner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = recorded(tmp_path / "a.cvmrec", ["again:", *LOOP], 4_000)
    b = recorded(tmp_path / "b.cvmrec", ["again:", *LOOP], 5_000)
    assert compared(capsys, a, b) == (1, "equal up to tick 4000; A ends at tick 4000, B at tick 5000\n")
    assert json.loads(compared(capsys, a, b, "--json")[1]) == {"kind": "end", "a": 4000, "b": 5000}


def test_an_other_program_differs_at_the_start_in_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = recorded(tmp_path / "a.cvmrec", ["again:", *LOOP])
    b = recorded(tmp_path / "b.cvmrec", ["nop", "again:", *LOOP])
    status, said = compared(capsys, a, b, "--json")
    found = json.loads(said)
    assert (status, found["tick"], found["differs"]["event"]) == (1, 0, 0)
    assert [row["address"] for row in found["memory"]] == ["0x10000"]


def test_an_other_schedule_differs_where_the_turns_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [recorded(tmp_path / f"{n}.cvmrec", ["again:", *LOOP], 200_000, seed=n, threads=3) for n in (1, 2)]
    status, said = compared(capsys, *paths, "--json")
    found = json.loads(said)
    live = [EmulatorTarget(ToyGuest(["again:", *LOOP], 3), seed=n) for n in (1, 2)]
    for target in live:
        target.resume(Move.CONTINUE, budget=found["tick"])
    assert status == 1
    assert found["tick"] > 0
    assert live[0].inferior.digest() == live[1].inferior.digest()
    for target in live:
        target.resume(Move.STEP)
    assert live[0].inferior.digest() != live[1].inferior.digest()
    assert compared(capsys, *paths)[1].startswith(f"event {found['event']} differs, at tick {found['tick']}:")


def test_capabilities_are_told_field_by_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = Capability.almighty().set_value(MEMORY)
    paths = []
    for name, value in (("a", base.set_bounds(64, True)), ("b", base.set_bounds(128, True))):
        path = tmp_path / f"{name}.cvmrec"
        target = EmulatorTarget(ToyGuest(["again:", *LOOP]), recorder=Recorder(path, {"title": "toy"}))
        target.resume(Move.CONTINUE, budget=1_000)
        target.write_register(0, "c5", value.bits)
        assert target.capabilities is not None
        target.capabilities.write(MEMORY + 64, value.bits if name == "a" else value.bits & (1 << 128) - 1)
        target.resume(Move.CONTINUE, budget=1_000)
        target.close()
        paths.append(path)
    status, said = compared(capsys, *paths)
    assert status == 1
    assert f"  thread 0 c5: limit {MEMORY + 64:x} and {MEMORY + 128:x}\n" in said
    assert f"  memory {MEMORY + 64:x}: tag 1 and 0, limit {MEMORY + 64:x} and {MEMORY + 128:x}\n" in said
    found = json.loads(compared(capsys, *paths, "--json")[1])
    assert found["tick"] == 1_000
    assert found["memory"][0]["fields"] == {"tag": ["1", "0"], "limit": [f"{MEMORY + 64:x}", f"{MEMORY + 128:x}"]}


@pytest.mark.parametrize("arguments", [[], ["missing"], ["missing", "missing"], ["a", "b", "c"]])
def test_mistakes_are_one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["diff", *arguments])
    except SystemExit as error:
        status = int(error.code or 0)
    said = capsys.readouterr().err
    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith("cvmdbg")
