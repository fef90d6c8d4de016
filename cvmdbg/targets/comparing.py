"""Where two recordings differ first: in their events, or in what a replay makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.registers import NUMBERS
from emulator_core.capability import Capability
from sessions.machine import Json
from sessions.reader import Recording
from sessions.source import timeline_of
from sessions.timeline import Timeline

FIELDS = ("tag", "value", "base", "limit", "perms", "otype")
MAX_PAGES = 8


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
    return _states_differ(a.at(low), b.at(low), low)


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
    registers: list[Json] = []
    for thread in sorted({*a.machine.threads()} & {*b.machine.threads()}):
        for name, mine, theirs in _registers(a, b, thread):
            lines.append(f"  thread {thread} {name}: {_how(mine, theirs)}")
            registers.append({"thread": thread, "register": name, "a": hex(mine), "b": hex(theirs)})
    pages = a.save().changes(None), b.save().changes(None)
    memory: list[Json] = []
    for address in sorted({*pages[0], *pages[1]}):
        found = _bytes(a, b, address)
        if found is not None and len(memory) < MAX_PAGES:
            lines.append(f"  memory {found[0]:x}: {found[1].hex()} and {found[2].hex()}")
            memory.append({"address": hex(found[0]), "a": found[1].hex(), "b": found[2].hex()})
    return Difference(tick, tuple(lines), {"kind": "state", "tick": tick, "registers": registers, "memory": memory})


def _registers(a: Inferior, b: Inferior, thread: int) -> list[tuple[str, int, int]]:
    left, right = a.machine.registers(thread), b.machine.registers(thread)
    return [(name, left[n], right[n]) for name, n in NUMBERS.items() if left[n] != right[n]]


def _how(mine: int, theirs: int) -> str:
    """Field by field where either is a capability."""
    if not (mine | theirs) >> 64:
        return f"{mine:x} and {theirs:x}"
    a, b = Capability(mine), Capability(theirs)
    parts = [
        f"{name} {_text(getattr(a, name))} and {_text(getattr(b, name))}"
        for name in FIELDS
        if getattr(a, name) != getattr(b, name)
    ]
    return ", ".join(parts) or "raw bits"


def _text(value: int | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else f"{value:x}"


def _bytes(a: Inferior, b: Inferior, address: int) -> tuple[int, bytes, bytes] | None:
    """The first granule of a page that differs, tags included."""
    left, right = a.save().pages([address]), b.save().pages([address])
    if left == right:
        return None
    at = next((n for n in range(0, 4096, 16) if left[n : n + 16] != right[n : n + 16]), 0)
    return address + at, left[at : at + 16], right[at : at + 16]


def moment_difference(a: Inferior, b: Inferior, tick: int) -> Difference | None:
    """How two moments differ."""
    return None if a.digest() == b.digest() else _states_differ(a, b, tick)
