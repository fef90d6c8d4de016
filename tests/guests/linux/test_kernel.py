"""What the LibOS does that few programs need: stop signals, locks with owners, children, what it does not model."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvmdbg.guests.linux.opening import Root
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import StopKind
from cvmdbg.targets.emulator import EmulatorTarget
from tests.guests.linux.board import Board
from tests.guests.linux.running import PROGRAMS, Ran, finish, in_qemu, run
from tests.guests.linux.test_programs import THREADS

ENOSYS = -38


@pytest.mark.parametrize("name", ["stops", "owners"])
def test_it_prints_what_it_prints_in_qemu(debian: Path, qemu: str, name: str) -> None:
    ran = run(PROGRAMS / name, root=debian)
    assert (ran.status, ran.printed) == in_qemu(qemu, debian, PROGRAMS / name)


def test_a_program_that_nobody_wakes_is_said_to_be_stopped(debian: Path) -> None:
    (stop,) = run(PROGRAMS / "stops", "alone", root=debian).stops
    assert stop.kind is StopKind.DEADLOCK and stop.detail == "program 1000 is stopped by SIGSTOP, until SIGCONT"


def test_children_get_cvms_of_their_own_under_the_same_libos(debian: Path) -> None:
    """vfork and posix_spawn with execve, and fork without: the copy lives in a cVM too."""
    ran = run(PROGRAMS / "children", root=debian)
    assert ran.text.splitlines() == [
        "from another program", "vfork: 0", "from another program", "posix_spawn: 0", "fork: 7", "mine is still 1",
    ]  # fmt: skip
    assert {call.layer for call in ran.calls} == {"17→16", "18→16"}


def test_a_call_that_is_not_modelled_stops_with_its_arguments_and_goes_on_with_enosys(debian: Path) -> None:
    ran = run(PROGRAMS / "children", "inotify", root=debian)
    assert [(r.kind, r.detail) for r in ran.stops[:-1]] == [
        (StopKind.UNMODELLED, "system call inotify_init1(0) is not modelled")
    ]
    assert ran.text == "inotify_init1: -1 Function not implemented\n" and ran.status == 0


def test_the_arguments_are_those_that_the_call_takes() -> None:
    board = Board()
    assert board.call("inotify_add_watch", 1, 2, 3) == ENOSYS
    assert board.text() == "system call inotify_add_watch(1, 2, 3) is not modelled"


def seeded(debian: Path, seed: int) -> Ran:
    source = THREADS.replace("COUNT", "1000")
    made = EmulatorTarget(open_guest("/usr/bin/python3.11", ("-c", source), Root(str(debian))), seed=seed)
    made.input.end()
    return finish(made)


def order(ran: Ran) -> tuple[tuple[int, int, str], ...]:
    """Who made which call when."""
    return tuple((call.tick, call.thread, call.name) for call in ran.calls)


def test_a_seed_chooses_a_schedule_and_keeps_to_it(debian: Path) -> None:
    """The same seed gives the same run, another one another run; what the program prints is the same."""
    runs = {seed: seeded(debian, seed) for seed in (0, 1, 2)}
    assert order(seeded(debian, 1)) == order(runs[1])
    assert len({order(ran) for ran in runs.values()}) == 3
    assert {ran.text.splitlines()[-1] for ran in runs.values()} == {"Final counter value: 2000"}
