"""``cvmdbg sessions``: list, verify, trim and remove, as text and as JSON; the policy of what is kept."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cvmdbg.cli import main
from cvmdbg.recordings import Recordings, files
from cvmdbg.settings import Settings
from cvmdbg.target import Move
from cvmdbg.targets.emulator import EmulatorTarget
from sessions.recorder import Recorder
from tests.targets.toy import ToyGuest

LINES = ["again:", "add x1, x1, #0x1", "str x1, [x28]", "b @again"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVMDBG_RECORDINGS", str(tmp_path))
    return tmp_path


def record(path: Path, ticks: int = 3_000) -> Path:
    target = EmulatorTarget(ToyGuest(LINES), recorder=Recorder(path, {"title": "toy"}))
    target.resume(Move.CONTINUE, budget=ticks)
    target.close()
    return path


def aged(place: Path, sizes: list[int]) -> list[Path]:
    """Files of so many bytes, the oldest first."""
    made = []
    for number, size in enumerate(sizes):
        path = place / f"{number}.cvmrec"
        path.write_bytes(b"")
        os.truncate(path, size)
        os.utime(path, (1_000_000 + number, 1_000_000 + number))
        made.append(path)
    return made


def settings(**values: str) -> Settings:
    made = Settings()
    made.values |= {f"recordings {name}": value for name, value in values.items()}
    return made


def rows(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[dict[str, Any]]]:
    status = main(["sessions", *map(str, words)])
    return status, json.loads(capsys.readouterr().out)


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    status = main(["sessions", *map(str, words)])
    return status, capsys.readouterr().out


def test_an_empty_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys) == (0, f"no recordings in {place}\n")
    assert rows(capsys, "--json") == (0, [])
    assert rows(capsys, "verify", "--json") == (0, [])


def test_list_tells_the_newest_first_and_what_is_damaged(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = record(place / "old.cvmrec"), record(place / "new.cvmrec", 4_000)
    os.utime(old, (1_000_000, 1_000_000))
    status, found = rows(capsys, "list", "--json")
    assert status == 0
    assert [(row["file"], row["kind"], row["end"]) for row in found] == [
        (str(new), "emulated", 4_000),
        (str(old), "emulated", 3_000),
    ]
    status, text = said(capsys)
    assert (status, text.count("\n")) == (0, 2)
    assert "emulated toy, 3000 ticks" in text
    old.write_bytes(b"nothing")
    os.utime(old, (1_000_000, 1_000_000))
    status, found = rows(capsys, "--json", "list")
    assert (status, [row.get("ok", True) for row in found]) == (1, [True, False])
    assert found[1]["says"] == "old.cvmrec is no recording of cvmdbg"


@pytest.mark.parametrize("order", [["--json", "FILE"], ["FILE", "--json"]])
def test_verify_replays(order: list[str], place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(place / "a.cvmrec")
    status, found = rows(capsys, "verify", *(path if word == "FILE" else word for word in order))
    assert (status, found[0]["ok"], found[0]["equal"]) == (0, True, 2)
    assert "replays to the same digest at all 2 checkpoints" in said(capsys, "verify", "a.cvmrec")[1]


def test_verify_tells_a_recording_that_does_not_hold(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(place / "a.cvmrec")
    with sqlite3.connect(path) as file:
        file.execute("UPDATE checkpoint SET digest=zeroblob(32) WHERE number=1")
    status, found = rows(capsys, "verify", "--json")
    assert (status, found[0]["ok"]) == (1, False)
    assert "replay differs at tick 3000" in found[0]["says"]


def test_remove_takes_what_is_named_and_nothing_that_is_written(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, c = (record(place / f"{name}.cvmrec") for name in "abc")
    assert said(capsys, "remove", a) == (0, "removed a.cvmrec\n")
    assert files(place) and not a.exists()
    recorder = Recorder(place / "busy.cvmrec", {})
    assert main(["sessions", "remove", str(b), "busy.cvmrec"]) == 1
    assert "is being written by another program; nothing was removed" in capsys.readouterr().err
    recorder.close()
    assert b.exists()
    assert [row["file"] for row in rows(capsys, "remove", "--json", b, c)[1]] == [str(b), str(c)]
    assert main(["sessions", "remove", "b.cvmrec"]) == 1
    assert "b.cvmrec: there is no such recording" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["sessions", "remove"])
    assert ended.value.code == 1


def test_the_oldest_go_when_there_are_too_many(place: Path) -> None:
    made = aged(place, [1000] * 5)
    assert Recordings(settings(keep="3")).prune(place) == [made[2], made[1], made[0]]  # room for the one that comes
    assert sorted(files(place)) == made[3:]


def test_the_oldest_go_when_they_take_too_much(place: Path) -> None:
    made = aged(place, [1 << 19, 1 << 20, 1 << 19, 1 << 19])
    assert Recordings(settings(size="1")).prune(place) == [made[1], made[0]]
    assert sorted(files(place)) == made[2:]


def test_what_is_written_stays(place: Path) -> None:
    recorder = Recorder(place / "busy.cvmrec", {})
    os.utime(place / "busy.cvmrec", (1, 1))
    made = aged(place, [10, 10])
    assert Recordings(settings(keep="0")).prune(place) == made[::-1]
    assert files(place) == [place / "busy.cvmrec"]
    recorder.close()


def test_a_run_makes_room_and_a_file_asked_for_by_name_is_left_alone(place: Path, tmp_path_factory: Any) -> None:
    named = record(tmp_path_factory.mktemp("own") / "named.cvmrec")
    made = aged(place, [10] * 4)
    recorder = Recordings(settings(keep="2")).begin("a guest/of mine", {})
    recorder.close()
    assert sorted(files(place)) == sorted([made[3], recorder.path])
    assert recorder.path.name.startswith("a-guest-of-mine-")
    assert named.exists()


def test_trim_keeps_to_the_limits(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = aged(place, [10] * 42)
    status, text = said(capsys, "trim")
    assert (status, text) == (0, "removed 1.cvmrec\nremoved 0.cvmrec\n")
    assert sorted(files(place)) == sorted(made[2:])
    assert said(capsys, "trim") == (0, "nothing had to go\n")
    assert rows(capsys, "trim", "--json") == (0, [])
