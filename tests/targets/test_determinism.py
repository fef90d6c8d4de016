"""One guest, one history: the state at a tick does not depend on how the run came there."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, StopKind
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.inferior import Inferior
from emulator_core._core import jit_missing
from sessions.event import Event
from sessions.machine import replay

END = {"libhello": 136_514, "threads": 28_041_690}
"""The tick at which each guest ends."""


ASK_ENGINE = "from emulator_core._core import Machine, default_engine as d; print(d(), Machine().engine)"


def fresh(name: str) -> EmulatorTarget:
    return EmulatorTarget(open_guest(f"demo:{name}"))


def digests(target: EmulatorTarget, ticks: list[int], move: Iterator[int]) -> list[bytes]:
    """The digest at each of the ticks, coming there in moves of the given sizes (0: all at once)."""
    found = []
    for tick in ticks:
        while target.tick < tick:
            budget = min(next(move) or tick, tick - target.tick)
            stop = target.resume(Move.STEP) if budget == 1 else target.resume(Move.CONTINUE, budget=budget)
            assert stop.reason(StopKind.FAULT) is None
        found.append(target.inferior.digest())
    return found


def always(size: int) -> Iterator[int]:
    while True:
        yield size


def thrown(seed: int) -> Iterator[int]:
    dice = random.Random(seed)
    while True:
        yield dice.choice([1, 2, 3, 7, dice.randrange(1, 100), dice.randrange(1, 20_000)])


def test_a_load_has_the_same_states_stepped_in_random_slices_and_at_once() -> None:
    ticks = sorted(random.Random(1).sample(range(END["libhello"]), 1000))
    stepped = digests(fresh("libhello"), ticks, always(1))
    assert digests(fresh("libhello"), ticks, thrown(2)) == stepped
    assert digests(fresh("libhello"), ticks, always(0)) == stepped
    assert len(set(stepped)) == len(stepped)


@pytest.mark.parametrize("name", sorted(END))
def test_a_guest_ends_at_the_same_tick_and_state_in_one_continue_and_in_slices(name: str) -> None:
    events: tuple[list[Event], list[Event]] = ([], [])
    whole, sliced = (EmulatorTarget(open_guest(f"demo:{name}"), record=log.append) for log in events)
    whole.resume(Move.CONTINUE)
    dice = random.Random(3)
    while sliced.stop.reason(StopKind.EXIT) is None:
        sliced.resume(Move.CONTINUE, budget=dice.randrange(1, 300_000))
    assert (whole.tick, sliced.tick) == (END[name], END[name])
    assert whole.inferior.digest() == sliced.inferior.digest()
    assert events[0] == events[1]


@pytest.mark.parametrize("name", ["libhello", "threads", "two_layers", "faults"])
def test_the_events_of_a_run_replay_to_its_end(name: str) -> None:
    events: list[Event] = []
    live = EmulatorTarget(open_guest(f"demo:{name}"), record=events.append)
    live.resume(Move.CONTINUE)
    again = Inferior()
    replay(again, events, until=live.tick)
    assert again.digest() == live.inferior.digest()


# ---- two engines ----------------------------------------------------------------------------------------------


def test_the_translator_is_the_default_where_there_is_one() -> None:
    """In a fresh interpreter: the tests themselves may have been told which engine runs them."""
    said = subprocess.run([sys.executable, "-c", ASK_ENGINE], capture_output=True, text=True, check=True).stdout
    assert said.split() == 2 * ["interp" if jit_missing() else "jit"]


@pytest.mark.skipif(jit_missing() is not None, reason=f"no translator: {jit_missing()}")
@pytest.mark.parametrize("name", ["threads", "two_layers"])
def test_both_engines_record_the_same(name: str) -> None:
    """Events, and the digests every million ticks; what one recorded replays in the other to the same end."""
    events: dict[str, list[Event]] = {"jit": [], "interp": []}
    targets = {engine: EmulatorTarget(open_guest(f"demo:{name}"), record=log.append) for engine, log in events.items()}
    for engine, target in targets.items():
        target.use_engine(engine)
    jit, interp = targets["jit"], targets["interp"]
    while jit.stop.reason(StopKind.EXIT) is None:
        for target in targets.values():
            target.resume(Move.CONTINUE, budget=1_000_000)
        assert (jit.tick, jit.inferior.digest()) == (interp.tick, interp.inferior.digest())
    assert events["jit"] == events["interp"]
    assert jit.inferior.machine.translations > 0 or jit.tick < 1_000_000
    for engine in events:
        again = Inferior()
        again.machine.engine = engine
        replay(again, events["interp" if engine == "jit" else "jit"], until=jit.tick)
        assert again.digest() == jit.inferior.digest()
