"""A target that is only what was seen: it stands at moments, walks over them, and makes nothing up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cvmdbg.guests.guest import Compartment, Module
from cvmdbg.guests.observed import Seen
from cvmdbg.target import Crossing, Move, Register, StopKind, TargetError, Thread, ThreadState, Unknown
from cvmdbg.targets.observed import FactsSeen, ObservedTarget
from sessions.event import Observation, Output
from sessions.mark import Mark


@dataclass(frozen=True)
class Stops:
    """A remote run as it could be kept: ten stops, registers at some, eight bytes of memory at one."""

    name = "board"
    arch = "morello"
    unit = "stop"
    file = Path("board")
    notice = ""
    registers = (Register("x0", 64, "integer"), Register("pc", 64, "integer"))
    first, last = 0, 9
    steps = (2, 4, 8)

    def seen(self, position: int) -> Seen:
        values = {0: {"x0": position, "pc": 0x1000 + 4 * position}} if position % 2 == 0 else {}
        threads = (Thread(0, "0", ThreadState.UNKNOWN),)
        return Seen(0, threads, values, ((0x2000, b"12345678"),) if position == 4 else ())

    def about(self, position: int) -> str:
        return f"stop {position}"

    def observations(self, first: int, last: int) -> Sequence[Observation | Crossing]:
        return [Output(n, 0, "", "guest", b"%d\n" % n) for n in range(first, last + 1)]

    def compartments(self, position: int) -> tuple[Compartment, ...]:
        return ()

    def modules(self, position: int) -> tuple[Module, ...]:
        return (Module("a", "a", position, 0, "", "", b""),)

    def missing(self, what: str) -> str:
        return f"{what} were not read at this stop"


def test_it_opens_at_its_end_and_walks_both_ways() -> None:
    target = ObservedTarget(Stops())
    assert target.position == 9 and target.stop.tick is None
    assert target.reverse is not None
    there = [target.reverse.resume(Move.STEP) and target.position for _ in range(4)]
    assert there == [8, 4, 2, 0]
    assert target.stop.reason(StopKind.HISTORY) is not None
    back = [target.resume(Move.STEP) and target.position for _ in range(4)]
    assert back == [2, 4, 8, 9]
    assert target.stop.reason(StopKind.HISTORY) is not None
    target.reverse.resume(Move.CONTINUE)
    assert target.position == 0
    target.resume(Move.CONTINUE)
    assert target.position == 9


def test_what_was_seen_is_there_and_nothing_else() -> None:
    target = ObservedTarget(Stops())
    target.go(4)
    assert target.read_register(0, "x0") == 4 and target.stop.pc == 0x1010
    assert target.read(0x2002, 3) == b"345"
    for address, size in ((0x1FFF, 2), (0x2000, 9), (0x3000, 1)):
        with pytest.raises(Unknown, match="memory were not read"):
            target.read(address, size)
    target.go(5)
    with pytest.raises(Unknown, match="registers were not read"):
        target.read_register(0, "x0")
    for change in (lambda: target.write(0x2000, b"1"), lambda: target.write_register(0, "x0", 1)):
        with pytest.raises(TargetError, match="cannot be changed"):
            change()


def test_its_history_is_by_position() -> None:
    target = ObservedTarget(Stops())
    history = target.history
    assert history is not None and history.where == "past"
    assert (history.first, history.now, history.last) == (Mark(0, 0), Mark(3, 9), Mark(3, 9))
    history.seek(history.at(4))
    assert target.position == 4 and history.now == Mark(2, 4) == history.at(5 - 1)
    assert history.at(-5) == history.first and history.at(99) == history.last
    assert [history.events.at(n).tick for n in range(history.events.count)] == [2, 4, 8]
    assert [o.tick for o in history.observations((Output,), 3, 5)] == [3, 4, 5]
    assert list(history.crossings()) == []
    named = history.mark("here", "a note")
    assert history.marks() == (named,) and named.mark == Mark(2, 4)
    history.unmark("here")
    with pytest.raises(TargetError, match="no mark here"):
        history.unmark("here")
    for refused in (history.diverge, history.end_diversion, lambda: history.moment(1)):
        with pytest.raises(TargetError):
            refused()


def test_observations_come_once_and_facts_follow() -> None:
    target = ObservedTarget(Stops())
    assert len(target.drain()) == 10 and target.drain() == ()
    target.go(3)
    assert FactsSeen(target).modules()[0].base == 3 and target.drain() == ()
