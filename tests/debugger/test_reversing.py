"""Commands that go back: inverse of those that go forward, and asking without going."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from cvmdbg.analysis.past import Decoder
from cvmdbg.analysis.readers import sources
from cvmdbg.launch import replayed
from cvmdbg.session import Session
from cvmdbg.target import UserError
from tests.debugger.conftest import Open


def place(session: Session) -> tuple[int | None, int, int]:
    return (session.live.target.stop.tick, session.live.pc(session.live.thread), session.live.thread)


@pytest.mark.parametrize("pair", [("stepi", "reverse-stepi"), ("nexti", "reverse-nexti")])
def test_instructions_forth_and_back(pair: tuple[str, str], opened: Open) -> None:
    session = opened("libhello", "run")
    dice, end = random.Random(3), session.history.last.tick
    for _ in range(25):
        session.execute(f"goto @{dice.randrange(1, end - 2000)}")
        before = place(session)
        session.execute(pair[0])
        session.execute(pair[1])
        assert place(session) == before


@pytest.mark.parametrize("pair", [("step", "reverse-step"), ("next", "reverse-next")])
def test_lines_forth_and_back(pair: tuple[str, str], opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run", "delete")
    before = place(session)
    for _ in range(12):
        depth = len(session.live.frames())
        session.execute(pair[0])
        after = place(session)
        if len(session.live.frames()) < depth:  # what has returned is gone back over as one
            break
        session.execute(pair[1])
        assert place(session) == before
        session.execute(pair[0])
        assert place(session) == after
        before = after


def test_finish_and_its_inverse(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run", "c", "mark in", "delete", "c", "goto 'in")
    inner = session.live.frames(2)
    call = inner[1].pc - 4
    session.execute("reverse-finish")
    assert session.live.pc(session.live.thread) == call
    session.execute("nexti")
    assert session.live.pc(session.live.thread) == call + 4


def test_crossings_are_gone_back_over_and_into(opened: Open) -> None:
    session = opened("libhello", "catch crossing 17 16", "run")
    seen = []
    for _ in range(6):
        seen.append(session.live.target.stop.tick)
        session.execute("continue")
    seen.append(session.live.target.stop.tick)
    for tick in reversed(seen):
        session.execute("reverse-continue")
        assert session.live.target.stop.tick == (tick or 0) - 1  # before the branch that it stopped behind
    session.execute("delete")
    session.execute("nexti")
    session.execute("reverse-nexti")
    assert session.live.target.stop.tick == (seen[0] or 0) - 1


def test_trace_and_console_are_never_ahead(opened: Open) -> None:
    session = opened("libhello", "run")
    whole, lines = session.trace_rows(), session.output_rows()
    session.execute("goto 40%")
    tick = session.live.target.stop.tick or 0
    rows = session.trace_rows()
    assert 0 < len(rows) < len(whole)
    assert all(row.tick <= tick and (row.ticks is None or row.tick + row.ticks <= tick) for row in rows)
    shown = session.output_rows()
    assert 0 < len(shown) < len(lines)
    assert all(row.tick is None or row.tick <= tick for row in shown)
    session.execute("goto end")
    assert session.trace_rows() == whole
    assert session.output_rows() == lines


def test_a_watchpoint_backwards_says_what_was_written(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run", "c", "c", "delete", "watch calls")
    result = session.execute("reverse-continue")
    assert any("watchpoint" in line for line in result.lines)
    assert "old value = 2" in result.lines
    assert "new value = 1" in result.lines


def test_asking_the_past_moves_nothing(opened: Open) -> None:
    session = opened("hello", "break fibonacci if n == 3", "run")
    before = place(session)
    last = session.execute("info last write calls").value
    assert isinstance(last, dict)
    assert place(session) == before
    session.execute(f"goto @{last['tick']}")
    count = session.live.evaluate("calls").number
    session.execute("stepi")
    assert session.live.evaluate("calls").number == count + 1
    session.execute(f"goto @{last['tick']}")
    assert session.execute("info next write calls").value == last
    session.execute("goto end")
    found = session.execute("info last change $c30").value
    assert isinstance(found, dict)
    session.execute(f"goto @{found['tick']}")
    value = session.live.target.read_register(0, "c30")
    session.execute("stepi")
    assert session.live.target.read_register(0, "c30") != value


@pytest.mark.parametrize("register", ["$c30", "$x0", "$csp"])
def test_reads_of_a_register_are_found_by_the_instruction_that_makes_them(opened: Open, register: str) -> None:
    session = opened("hello", "break fibonacci if n == 3", "run")
    before = place(session)
    last = session.execute(f"info last read {register}").value
    assert isinstance(last, dict)
    assert place(session) == before
    assert before[0] is not None
    assert last["tick"] < before[0]
    session.execute(f"goto @{last['tick']}")
    assert session.execute(f"info next read {register}").value == last
    history, name = session.history, register.replace("$x", "c").lstrip("$")
    decoder = Decoder(history)
    path = history.path(last["tick"], before[0])
    readers = [step.tick for step in path if name in sources(decoder.instruction(step))]
    assert readers == [last["tick"]]
    with pytest.raises(UserError, match="reads of v0 are not known"):
        session.execute("info last read $v0")


def test_marks_diversions_and_positions(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run", "mark here the first call", "c")
    assert session.execute("marks").value == [
        {"name": "here", "event": 28, "tick": session.history.marks()[0].mark.tick, "note": "the first call"}
    ]
    session.execute("goto 'here")
    with pytest.raises(Exception, match="the past cannot be edited"):
        session.execute("set $x0 = 7")
    session.execute("diverge")
    session.execute("set $x0 = 7")
    assert session.status().state == "diverted"
    session.execute("diverge end")
    assert session.live.target.read_register(0, "x0") != 7
    assert session.status().state == "past"
    session.execute("back")
    assert session.history.where == "live"
    session.execute("forward")
    assert session.history.where == "past"
    with pytest.raises(UserError, match="the recording goes from tick"):
        session.execute("goto @99999999")
    assert session.execute("diff 'here end").lines


def test_a_saved_recording_opens_elsewhere_at_its_end(opened: Open, tmp_path: Path) -> None:
    session = opened("faults", args=("cap_bounds",))
    session.execute("run")
    fault = session.explain()
    trace = session.trace_rows()
    path = tmp_path / "saved.cvmrec"
    session.execute(f"record save {path}")
    again = replayed(str(path))
    again.connect()
    assert again.explain().lines == fault.lines
    assert again.trace_rows() == trace
    assert again.output_rows() == tuple(row for row in session.output_rows() if row.source != "debugger")
    assert again.map_rows() == session.map_rows()
    assert again.register_rows() == session.register_rows()
    assert [row.text for row in again.frame_rows()] == [row.text for row in session.frame_rows()]
    assert again.live.history == []
    again.execute("reverse-stepi")
    again.execute("continue")
    assert again.explain().lines == fault.lines
    json.dumps(again.execute("info events").value)
    again.close()


def test_origin_leads_to_a_root(opened: Open) -> None:
    session = opened("libhello", "catch crossing 17 16", "run", "c", "c")
    found = session.execute("origin $c1").value
    assert isinstance(found, list)
    assert isinstance(found[-1], dict)
    assert found[-1]["root"]


def test_without_a_recording_the_keys_say_why(opened: Open) -> None:
    session = opened("hello", recording=False)
    with pytest.raises(UserError, match="no history: recording is off"):
        session.execute("reverse-stepi")
    session.execute("break fibonacci")
    session.execute("run")
    session.execute("record start")
    session.execute("c")
    session.execute("rc")
    assert session.history.where == "past"
    assert session.history.now == session.history.first


@pytest.mark.parametrize(
    ("guest", "stop"),
    [
        ("libhello", "break syscall_handler"),
        ("libhello", "watch -tag *0x440005680"),
        ("libhello", "watch *0x440005690"),
        ("libhello", "catch crossing 17 16"),
        ("libhello", "catch load"),
        ("hello", "watch calls"),
    ],
)
def test_backwards_from_the_end_meets_what_forwards_met(guest: str, stop: str, opened: Open) -> None:
    session = opened(guest, stop)
    forward, backward = list[int](), list[int]()
    result = session.execute("run").value
    while isinstance(result, dict) and result["kind"] != "exit":
        forward.append(result["tick"])
        result = session.execute("continue").value
    result = session.execute("reverse-continue").value
    while isinstance(result, dict) and result["kind"] in ("breakpoint", "watchpoint"):
        backward.append(result["tick"])
        result = session.execute("reverse-continue").value
    assert forward, "it stops"
    late = 0 if stop.startswith(("break", "catch load")) else 1  # behind what happened; backwards before it
    assert backward == [tick - late for tick in reversed(forward)]
