"""States of a recording's file, put into a machine; the whole file, replayed and compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sessions.checkpoint import PageSum, canonical, changed_pages
from sessions.machine import Json, Saved, TimeMachine
from sessions.reader import Checkpoint, Recording
from sessions.timeline import Point, Timeline

AT_ONCE = 256


class FileSource:
    """Loads checkpoints: from a state near by only the pages that differ."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._checkpoints = {checkpoint.number: checkpoint for checkpoint in recording.checkpoints}

    def load(self, point: Point, near: Point | None, machine: TimeMachine) -> None:
        """Put a machine, which stands at ``near`` if that is given, into a point's state."""
        number, other = point.number, near.number if near is not None else -1
        addresses = self._recording.written(min(number, other), max(number, other))
        for at in range(0, len(addresses), AT_ONCE):
            some = addresses[at : at + AT_ONCE]
            machine.put_pages(some, b"".join(self._recording.page(address, number) for address in some))
        machine.restore(point.mark.tick, self._recording.state(self._checkpoints[number]))

    def touched(self, point: Point) -> Sequence[int]:
        """Pages that were read or written since the checkpoint before."""
        return self._recording.touched(self._checkpoints[point.number])


def timeline_of(recording: Recording, machine: TimeMachine) -> Timeline:
    """The points of a file; ``machine`` is empty, and stays so."""
    timeline = Timeline(recording.events, machine.save(), FileSource(recording))
    for checkpoint in recording.checkpoints:
        timeline.add(Point(checkpoint.mark, None, checkpoint.number, None))
    return timeline


class Diverged(Exception):
    """A replay went another way than its recording."""

    def __init__(self, tick: int, expected: str, found: str) -> None:
        super().__init__(f"replay differs at tick {tick}: expected {expected}, found {found}")
        self.tick, self.expected, self.found = tick, expected, found


def verify(recording: Recording, machine: TimeMachine, cancelled: Callable[[], bool] = lambda: False) -> int:
    """Replay everything in an empty machine and compare it at each checkpoint; how many were equal.

    Diverged names the first that is not; Cancelled when it was asked for on the way.
    """
    timeline = Timeline(recording.events, machine.save())
    at, sums, before = timeline.points[0].mark, PageSum(), None
    for checkpoint in recording.checkpoints:
        at = timeline.forward(machine, at, checkpoint.mark, cancelled)
        saved = machine.save()
        _compare(recording, checkpoint, saved, before, sums)
        before = saved
    timeline.forward(machine, at, recording.end, cancelled)
    return len(recording.checkpoints)


def _compare(recording: Recording, checkpoint: Checkpoint, saved: Saved, before: Saved | None, sums: PageSum) -> None:
    tick, state = checkpoint.mark.tick, saved.state()
    for address, content in changed_pages(saved, before):
        sums.change(address, content)
    if sums.digest(tick, state) == checkpoint.digest:
        return
    expected = recording.state(checkpoint)
    if canonical(expected) != canonical(state):
        raise Diverged(tick, *_first_difference("", expected, state))
    for address, content in changed_pages(saved, None):
        if recording.page(address, checkpoint.number) != content:
            raise Diverged(tick, f"the page at {address:#x} as it was recorded", "other bytes or tags there")
    raise Diverged(tick, f"digest {checkpoint.digest.hex()[:16]}", "a page that was recorded and is not there")


def _first_difference(where: str, expected: Json, found: Json) -> tuple[str, str]:
    """Two sentences: the first place where two states differ, and how."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted({*expected, *found}):
            if expected.get(name) != found.get(name):
                return _first_difference(f"{where} {name}".strip(), expected.get(name), found.get(name))
    return f"{where} {_shown(expected)}", _shown(found)


def _shown(value: Json) -> str:
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)
