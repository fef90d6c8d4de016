"""Calls into a kernel that lies in its caller's own cVM: traced by the symbol lkl_syscall, now, later and backwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cvmdbg.guests.opening import open_guest
from cvmdbg.launch import emulated, replayed
from cvmdbg.rows import TraceRow
from cvmdbg.session import Session
from cvmdbg.target import Move, StopKind
from cvmdbg.targets.emulator import EmulatorTarget
from sessions.event import Call

PATH = "16→LKL"


@pytest.fixture
def session() -> Iterator[Session]:
    made = emulated("demo:lkl")
    made.connect()
    yield made
    made.close()


def kernel_calls(session: Session) -> list[TraceRow]:
    return [row for row in session.trace_rows() if row.path == PATH]


def texts(session: Session) -> list[str]:
    return [f"{row.call} {row.result}" for row in kernel_calls(session)]


def test_calls_have_names_arguments_and_results(session: Session) -> None:
    session.execute("run")
    found = texts(session)
    assert found[0] == 'openat(AT_FDCWD, "/app/motd", O_RDONLY) = 3'
    assert any(text.startswith("read(3, ") and '"a kernel in the same cVM", 24) = 24' in text for text in found)
    assert 'openat(AT_FDCWD, "/app/none", O_RDONLY) = -1 ENOENT' in found
    assert any(text.startswith("read(77, ") and text.endswith("= -1 EBADF") for text in found)
    assert any(text.startswith("syscall_999(0x1, 0x2, 0x3") and text.endswith("= -38") for text in found)
    assert any(text.startswith("clock_gettime(CLOCK_MONOTONIC, ") and "tv_nsec=" in text for text in found)
    assert [row.thread_name for row in kernel_calls(session) if row.name == "getpid"] == ["16/1"] * 3
    assert not any(row.inside for row in kernel_calls(session))


def test_what_the_kernel_asks_of_the_monitor_is_inside_the_call(session: Session) -> None:
    session.execute("run")
    rows = session.trace_rows()
    write = next(row for row in rows if row.path == PATH and row.name == "write")
    inside = [
        row.name for row in rows if row.path == "16→M" and write.tick < row.tick < write.tick + (write.ticks or 0)
    ]
    assert inside == ["sem_down", "write_out", "sem_up"]
    assert {row.layer for row in rows if row.path == "16→M" and row.name == "write_out"} == {1}
    assert {row.layer for row in rows if row.path == "M→H"} == {2}


def test_going_back_shows_the_calls_of_the_moment(session: Session) -> None:
    session.execute("run")
    every = kernel_calls(session)
    session.execute(f"goto @{every[4].tick + 10}")
    assert [row.tick for row in kernel_calls(session)] == [row.tick for row in every[:5]]
    assert [row.inside for row in kernel_calls(session)] == [False] * 4 + [True]
    session.execute("reverse-continue")
    assert kernel_calls(session) == []
    session.execute("continue")
    assert kernel_calls(session) == every


def test_a_recording_has_them(session: Session, tmp_path: Path) -> None:
    session.execute("run")
    session.execute(f"record save {tmp_path / 'lkl.cvmrec'}")
    again = replayed(str(tmp_path / "lkl.cvmrec"))
    again.connect()
    assert kernel_calls(again) == kernel_calls(session)
    again.execute("goto @600")
    assert texts(again)[0].endswith("= 3") and kernel_calls(again)[1].inside
    again.close()


def test_stepping_and_stopping_change_nothing(session: Session) -> None:
    """A breakpoint of the user at the same place, and single steps over it, show each call once."""
    session.execute("run")
    every = kernel_calls(session)
    session.execute("break *lkl_syscall")
    session.execute("run")
    assert session.status().reason == "breakpoint 1, lkl_syscall"
    assert [row.inside for row in kernel_calls(session)] == [True]
    for _ in range(320):
        session.execute("stepi")
    session.execute("delete")
    session.execute("continue")
    assert kernel_calls(session) == every


def test_nothing_is_looked_at_when_nobody_wants_to_know() -> None:
    """The engine has no breakpoint then, runs the same instructions, and ends in the same state."""
    seen, unseen = (EmulatorTarget(open_guest("demo:lkl")) for _ in range(2))
    unseen.observing = False
    armed: list[int] = []
    arm = unseen.breaks.add_hidden
    unseen.breaks.add_hidden = lambda address: (armed.append(address), arm(address))[1]  # type: ignore[method-assign]
    for target in (seen, unseen):
        stop = target.resume(Move.CONTINUE)
        assert stop.reason(StopKind.EXIT) is not None and not target.breaks.hidden
    assert not armed and (seen.tick, seen.inferior.digest()) == (unseen.tick, unseen.inferior.digest())
    calls = [o for o in seen.drain() if isinstance(o, Call) and o.layer == PATH]
    assert len(calls) > 60 and not any(isinstance(o, Call) and o.layer == PATH for o in unseen.drain())


def test_slices_and_other_schedules_show_the_same_calls() -> None:
    found = []
    for budget, seed in ((None, 0), (7, 0), (None, 3), (50, 9)):
        target = EmulatorTarget(open_guest("demo:lkl"), seed=seed)
        calls: dict[int, list[tuple[str, str | None]]] = {}
        while target.resume(Move.CONTINUE, budget=budget).reason(StopKind.EXIT) is None:
            pass
        for seen in target.drain():
            if isinstance(seen, Call) and seen.layer == PATH:
                calls.setdefault(seen.thread, []).append((seen.name, seen.result))
        found.append(calls)
    assert found[0] == found[1] == found[2] == found[3] and set(found[0]) == {0, 1}
