"""A recorded run can be gone back in: the same states, the same stops, whoever comes from where."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvmdbg import demo
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, StopKind, TargetError
from cvmdbg.targets import keeping
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.inferior import Inferior
from sessions.reader import Recording
from sessions.recorder import Recorder
from sessions.source import timeline_of, verify
from sessions.timeline import Point, Timeline
from tests.targets.test_emulator import COUNT
from tests.targets.toy import CODE, MEMORY, ToyGuest


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """States are kept often, so that short runs have many."""
    monkeypatch.setattr(keeping, "FIRST_INTERVAL", 5000)
    monkeypatch.setattr(keeping, "SHORTEST", 5000)
    monkeypatch.setattr(keeping, "LONGEST", 20_000)


def recorded(path: Path, guest: object) -> EmulatorTarget:
    return EmulatorTarget(guest, recorder=Recorder(path, {"title": "test"}))  # type: ignore[arg-type]


def run_out(target: EmulatorTarget) -> None:
    while not any(target.stop.reason(k) for k in (StopKind.EXIT, StopKind.DEADLOCK, StopKind.FAULT)):
        target.resume(Move.CONTINUE, budget=1_000_000)


@pytest.fixture
def counted(tmp_path: Path, often: None) -> Iterator[EmulatorTarget]:
    target = recorded(tmp_path / "count.cvmrec", ToyGuest(COUNT, threads=2))
    target.resume(Move.CONTINUE, budget=300_000)
    yield target
    target.close()


def test_going_to_ticks_and_back_gives_the_states_of_the_live_run(tmp_path: Path, often: None) -> None:
    dice = random.Random(1)
    ticks = sorted(dice.sample(range(300_000), 25))
    live, wanted = EmulatorTarget(ToyGuest(COUNT, threads=2)), {}
    for tick in ticks:
        live.resume(Move.CONTINUE, budget=tick - live.tick)
        wanted[tick] = (live.inferior.digest(), live.stop.pc, live.stop.thread)
    target = recorded(tmp_path / "a.cvmrec", ToyGuest(COUNT, threads=2))
    target.resume(Move.CONTINUE, budget=300_000)
    history, end = target.history, target.inferior.digest()
    assert history is not None
    dice.shuffle(ticks)
    for tick in ticks:
        stop = history.seek(history.at(tick))
        assert (target.inferior.digest(), stop.pc, stop.thread) == wanted[tick]
        assert history.where == "past"
    history.seek(history.last)
    assert (history.where, target.inferior.digest()) == ("live", end)
    target.close()


def test_steps_back_and_forth_are_inverse(counted: EmulatorTarget) -> None:
    history, reverse, dice = counted.history, counted.reverse, random.Random(2)
    assert history is not None
    assert reverse is not None
    for _ in range(20):
        history.seek(history.at(dice.randrange(1, 300_000)))
        counted.resume(Move.STEP)
        before = (counted.inferior.digest(), counted.stop.pc, counted.stop.thread)
        reverse.resume(Move.STEP)
        assert counted.resume(Move.STEP).reason(StopKind.STEP) or history.where == "live"
        assert (counted.inferior.digest(), counted.stop.pc, counted.stop.thread) == before


def test_reverse_continue_finds_what_continue_found(counted: EmulatorTarget) -> None:
    assert counted.history is not None
    assert counted.reverse is not None
    assert counted.stops is not None
    counted.history.seek(counted.history.at(299_000))
    counted.stops.add_breakpoint(CODE + 12)
    forward = []
    while counted.history.where == "past":
        stop = counted.resume(Move.CONTINUE)
        if stop.reason(StopKind.BREAKPOINT):
            forward.append((stop.tick, stop.pc, stop.thread))
    backward = []
    while True:
        stop = counted.reverse.resume(Move.CONTINUE)
        if (stop.tick or 0) < 299_000:
            break
        assert stop.reason(StopKind.BREAKPOINT)
        backward.append((stop.tick, stop.pc, stop.thread))
    assert backward == forward[::-1]
    assert len(forward) > 100


def test_a_watchpoint_is_met_backwards_before_the_access(counted: EmulatorTarget) -> None:
    assert counted.history is not None
    assert counted.reverse is not None
    assert counted.stops is not None
    counted.stops.add_watchpoint(MEMORY, 8, "w")
    now = int.from_bytes(counted.read(MEMORY, 8), "little")
    stop = counted.reverse.resume(Move.CONTINUE)
    hit = stop.reason(StopKind.WATCHPOINT)
    assert hit is not None
    assert hit.watch is not None
    assert stop.pc == hit.watch.pc == CODE + 16
    assert int.from_bytes(counted.read(MEMORY, 8), "little") != now
    counted.resume(Move.STEP)
    assert int.from_bytes(counted.read(MEMORY, 8), "little") == now


def test_the_start_and_the_end_are_stops(counted: EmulatorTarget) -> None:
    history, reverse = counted.history, counted.reverse
    assert history is not None
    assert reverse is not None
    stop = reverse.resume(Move.CONTINUE)
    reason = stop.reason(StopKind.HISTORY)
    assert (stop.tick, reason and reason.detail) == (0, "start")
    assert reverse.resume(Move.STEP).reason(StopKind.HISTORY)
    stop = counted.resume(Move.CONTINUE)
    reason = stop.reason(StopKind.HISTORY)
    assert (stop.tick, reason and reason.detail, history.where) == (300_000, "end", "live")
    assert counted.resume(Move.CONTINUE, budget=1000).tick == 301_000


def test_the_past_is_edited_in_a_diversion_only(counted: EmulatorTarget) -> None:
    history = counted.history
    assert history is not None
    history.seek(history.at(1000))
    with pytest.raises(TargetError, match="the past cannot be edited"):
        counted.write(MEMORY, b"x")
    before = counted.inferior.digest()
    history.diverge()
    counted.write(MEMORY, b"xyz")
    counted.resume(Move.CONTINUE, budget=5000)
    assert (history.where, counted.tick) == ("diverted", 6000)
    history.end_diversion()
    assert (history.where, counted.inferior.digest()) == ("past", before)


def test_a_fault_is_met_again(tmp_path: Path) -> None:
    target = recorded(tmp_path / "fault.cvmrec", ToyGuest(["mov x1, #0x0", "mov x2, #0x1", "ldr x3, [x1]"]))
    live = target.resume(Move.CONTINUE)
    assert live.reason(StopKind.FAULT)
    assert target.history is not None
    assert target.reverse is not None
    assert target.reverse.resume(Move.STEP).tick == 1
    again = target.resume(Move.CONTINUE)
    assert (again.tick, again.pc) == (live.tick, live.pc)
    target.resume(Move.CONTINUE)  # the signal ends the guest
    stop = target.reverse.resume(Move.CONTINUE)
    fault = stop.reason(StopKind.FAULT)
    assert (stop.tick, fault) == (live.tick, live.reason(StopKind.FAULT))
    target.close()


def test_states_that_memory_has_no_room_for_are_executed_again(
    tmp_path: Path, often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MEMORY", 20_000)
    added: list[Point] = []
    add = Timeline.add
    monkeypatch.setattr(Timeline, "add", lambda self, point: (added.append(point), add(self, point)))
    target = recorded(tmp_path / "a.cvmrec", ToyGuest(COUNT, threads=2))
    digests: dict[int, bytes] = {}
    while target.tick < 300_000:
        target.resume(Move.CONTINUE, budget=1000)
        digests[target.tick] = target.inferior.digest()
    assert target.history is not None
    assert isinstance(target.history, keeping.Keeping)
    points = target.history.player.timeline.points
    gone = [point for point in added if point not in points]
    assert len(gone) > len(added) // 4, "nothing was forgotten"
    assert sum(point.cost for point in points if point.saved is not None) <= 2 * keeping.MEMORY
    ticks = [min(t for t in digests if t >= point.mark.tick) for point in gone[-1:5:-3]]
    for tick in ticks:
        target.history.seek(target.history.at(tick))
        assert (target.tick, target.inferior.digest()) == (tick, digests[tick])
    target.close()


@pytest.mark.parametrize("name", demo.names())
def test_a_file_replays_to_the_same_digests(name: str, tmp_path: Path, often: None) -> None:
    path = tmp_path / "a.cvmrec"
    target = recorded(path, open_guest(f"demo:{name}"))
    run_out(target)
    wanted, tick = target.inferior.digest(), target.tick
    target.close()
    recording = Recording(path)
    assert (recording.lost, recording.end.tick) == ("", tick)
    assert verify(recording, Inferior()) == len(recording.checkpoints) > 1
    inferior = Inferior()
    timeline_of(recording, inferior).seek(inferior, recording.end)
    assert inferior.digest() == wanted
    recording.close()


def test_a_recording_knows_no_path_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "a.cvmrec"
    target = recorded(path, open_guest("demo:libhello"))
    run_out(target)
    target.close()
    content = path.read_bytes()
    recording = Recording(path)
    said = repr([recording.facts, recording.guest(recording.end), list(recording.observations())])
    said += repr([recording.event(number) for number in range(recording.events.count)])
    for secret in (str(tmp_path), str(Path(__file__).parents[2]), str(Path.home())):
        assert secret.encode() not in content
        assert secret not in said
    recording.close()
