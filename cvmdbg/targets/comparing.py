"""Where two recordings differ first: in their events, or in what a replay makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.registers import NUMBERS
from emulator_core.capability import Capability
from sessions.machine import PAGE, Json
from sessions.reader import Recording
from sessions.source import timeline_of
from sessions.timeline import Timeline

FIELDS = ("tag", "value", "base", "limit", "perms", "otype")
GRANULE = 16
MAX_PAGES = 8
"""So many pages are told of."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first tick at which something differs, and what."""

    tick: int
    lines: tuple[str, ...]
    value: dict[str, Json] = field(default_factory=dict)


class _Side:
    """One recording with a machine that goes to moments of it."""

    def __init__(self, recording: Recording) -> None:
        self.recording, self.machine = recording, Inferior()
        self.timeline: Timeline = timeline_of(recording, self.machine)

    def at(self, tick: int) -> Inferior:
        """The machine at a tick, its events applied."""
        self.timeline.seek(self.machine, min(self.timeline.settled(tick), self.recording.end))
        return self.machine


def first_difference(first: Recording, second: Recording) -> Difference | None:
    """None when both hold the same run."""
    a, b = _Side(first), _Side(second)
    last = min(first.end.tick, second.end.tick)
    number = _first_event(first, second)
    bound = (
        last
        if number is None
        else min(last, *(s.event(number).tick for s in (first, second) if number < s.events.count))
    )
    if _digests(a, b, bound):
        if number is not None:
            return _events_differ(first, second, number)
        return None if first.end == second.end else _ends_differ(first, second)
    low, high = 0, bound
    while low < high:
        middle = (low + high) // 2
        if _digests(a, b, middle):
            low = middle + 1
        else:
            high = middle
    return _joined(_states_differ(a.at(low), b.at(low), low), first, second, number)


def _joined(states: Difference, first: Recording, second: Recording, number: int | None) -> Difference:
    """The event from which states differ is told before them."""
    if number is None:
        return states
    event = _events_differ(first, second, number)
    if event.tick != states.tick:
        return states
    return Difference(event.tick, (*event.lines, *states.lines), states.value | {"differs": event.value})


def _digests(a: _Side, b: _Side, tick: int) -> bool:
    return a.at(tick).digest() == b.at(tick).digest()


def _first_event(first: Recording, second: Recording) -> int | None:
    """The number of the first event that differs."""
    count = min(first.events.count, second.events.count)
    for number in range(count):
        if first.event(number) != second.event(number):
            return number
    return None if first.events.count == second.events.count else count


def _events_differ(first: Recording, second: Recording, number: int) -> Difference:
    shown = [_event_text(recording, number) for recording in (first, second)]
    tick = min(r.event(number).tick for r in (first, second) if number < r.events.count)
    lines = (f"event {number} differs, at tick {tick}:", f"  A {shown[0]}", f"  B {shown[1]}")
    return Difference(tick, lines, {"kind": "event", "tick": tick, "event": number, "a": shown[0], "b": shown[1]})


def _event_text(recording: Recording, number: int) -> str:
    if number >= recording.events.count:
        return f"ends before, at tick {recording.end.tick}"
    event = recording.event(number)
    return f"tick {event.tick} {event.label}: {', '.join(repr(effect)[:80] for effect in event.effects[:4])}"


def _ends_differ(first: Recording, second: Recording) -> Difference:
    a, b = first.end, second.end
    line = f"equal up to tick {min(a.tick, b.tick)}; A ends at tick {a.tick}, B at tick {b.tick}"
    return Difference(min(a.tick, b.tick), (line,), {"kind": "end", "a": a.tick, "b": b.tick})


def _states_differ(a: Inferior, b: Inferior, tick: int) -> Difference:
    lines = [f"states differ from tick {tick} on:"]
    lines += _only(a, b)
    registers: list[Json] = []
    for thread in sorted({*a.machine.threads()} & {*b.machine.threads()}):
        for name, mine, theirs in _registers(a, b, thread):
            lines.append(f"  thread {thread} {name}: {_how(mine, theirs)}")
            registers.append({"thread": thread, "register": name, **_both(mine, theirs)})
    memory: list[Json] = []
    for address, mine, theirs in _granules(a, b):
        lines.append(f"  memory {address:x}: {_how(mine, theirs)}")
        memory.append({"address": hex(address), **_both(mine, theirs)})
    return Difference(tick, tuple(lines), {"kind": "state", "tick": tick, "registers": registers, "memory": memory})


def _only(a: Inferior, b: Inferior) -> list[str]:
    """What the schedules and the mappings of one alone have."""
    lines = []
    for letter, one, other in (("A", a.machine, b.machine), ("B", b.machine, a.machine)):
        lines += [f"  thread {number} is in {letter} alone" for number in sorted({*one.threads()} - {*other.threads()})]
        regions = sorted({*one.regions()} - {*other.regions()})
        lines += [f"  mapping {low:x}, {size:#x} bytes, is in {letter} alone" for low, size, *_ in regions]
    if a.schedule.current != b.schedule.current:
        lines.append(f"  thread {a.schedule.current} runs and thread {b.schedule.current}")
    return lines


def _both(mine: int, theirs: int) -> dict[str, Json]:
    """Both values; what differs by field where either is a capability."""
    said: dict[str, Json] = {"a": hex(mine), "b": hex(theirs)}
    if (mine | theirs) >> 64:
        said["fields"] = {name: [_text(x), _text(y)] for name, x, y in _fields(mine, theirs)}
    return said


def _registers(a: Inferior, b: Inferior, thread: int) -> list[tuple[str, int, int]]:
    left, right = a.machine.registers(thread), b.machine.registers(thread)
    return [(name, left[n], right[n]) for name, n in NUMBERS.items() if left[n] != right[n]]


def _how(mine: int, theirs: int) -> str:
    """Field by field where either is a capability."""
    if not (mine | theirs) >> 64:
        return f"{mine:x} and {theirs:x}"
    if not (mine | theirs) >> 128:
        return f"{mine:032x} and {theirs:032x}"
    parts = [f"{name} {_text(x)} and {_text(y)}" for name, x, y in _fields(mine, theirs)]
    return ", ".join(parts) or f"raw bits {mine:x} and {theirs:x}"


def _fields(mine: int, theirs: int) -> list[tuple[str, int | bool, int | bool]]:
    a, b = Capability(mine), Capability(theirs)
    fields = [(name, getattr(a, name), getattr(b, name)) for name in FIELDS]
    return [field for field in fields if field[1] != field[2]]


def _text(value: int | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else f"{value:x}"


def _granules(a: Inferior, b: Inferior) -> Iterator[tuple[int, int, int]]:
    """The first granule that differs, with its tag as bit 128, of the first pages that do."""
    left, right = a.save(), b.save()
    shown = 0
    for address in sorted({*left.changes(None), *right.changes(None)}):
        mine, theirs = left.pages([address]), right.pages([address])
        if mine != theirs:
            at = next(at for at in range(0, PAGE, GRANULE) if _granule(mine, at) != _granule(theirs, at))
            yield address + at, _granule(mine, at), _granule(theirs, at)
            shown += 1
        if shown == MAX_PAGES:
            return


def _granule(page: bytes, at: int) -> int:
    number = at // GRANULE
    tag = page[PAGE + number // 8] >> number % 8 & 1
    return tag << 128 | int.from_bytes(page[at : at + GRANULE], "little")


def moment_difference(a: Inferior, b: Inferior, tick: int) -> Difference | None:
    """How two moments differ."""
    return None if a.digest() == b.digest() else _states_differ(a, b, tick)
