"""The trace: crossings between compartments paired into calls and returns, decoded while their memory is as it was.

    17 ──openat──▶ 16 ──write_out──▶ M ──write──▶ H
       layer 0         layer 1          layer 2

A crossing from A to B returns the newest open call when that went from B to A, unless it lands on a gate; any other
opens a call. Entries by the monitor (M into a cVM) are kept as links of the stack but are no calls. Crossings inside a
compartment are none of ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cvmdbg.analysis.calls import Signature, number_text, result_text, signature
from cvmdbg.analysis.compartments import Places
from cvmdbg.forms import VALUE, hexa, pointer_text, quoted
from cvmdbg.frames import Link
from cvmdbg.rows import ArgumentRow, SummaryRow, TraceRow
from cvmdbg.target import Crossing, Target, TargetError
from emulator_core.capability import Capability
from sessions.event import Call

MAX_ENTRIES = 1_000_000
MAX_STRING = 256
MAX_BUFFER = 64
MAX_VECTOR = 16
MONITOR = "M"

CHECKS = {
    "cn-tag": "Cn has no tag",
    "cm-tag": "Cm has no tag",
    "cn-sealed": "Cn is not sealed with a key",
    "cm-sealed": "Cm is not sealed with a key",
    "otype": "the otypes differ",
    "bsp": "BranchSealedPair is missing",
    "execute": "Execute: Cn must have it, Cm must not",
    "executive": "Cn lacks Executive",
}
"""What each check of BLRS C29, Cn, Cm asks (Sail BLRS_C_C_C), by the name the target gives it."""


@dataclass
class Entry:
    """A call: open while ``ended`` is None. ``number`` counts outermost calls from 1, or children of the parent."""

    number: int
    layer: int
    parent: int | None
    tick: int
    thread: int
    path: str
    name: str
    entry: Signature
    nr: int
    arguments: list[ArgumentRow]
    crossing: Crossing | None
    result: str = ""
    ended: int | None = None
    failed: bool = False
    children: int = 0
    texts: tuple[str, ...] | None = None
    note: str = ""
    index: int = 0

    @property
    def call(self) -> str:
        """``openat(AT_FDCWD, "/app1", O_RDONLY)``."""
        texts = self.texts if self.texts is not None else tuple(a.value for a in self.arguments)
        return f"{self.name}({', '.join(texts)})"

    @property
    def inside(self) -> bool:
        """Has it not returned (and may yet)?"""
        return self.ended is None and not self.failed and self.entry.result != "none"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one crossing was: ``call``, ``return``, ``failed``, ``enter`` (by the monitor), ``leave``, ``inside``."""

    kind: str
    crossing: Crossing
    source: str
    target: str
    entry: Entry | None = None


@dataclass
class _Thread:
    """Open crossings of a thread, and the entries that go with them (None for the monitor's own entries)."""

    links: list[Link] = field(default_factory=list)
    entries: list[Entry | None] = field(default_factory=list)


class Trace:
    """All calls seen so far, oldest first."""

    def __init__(self, target: Target, places: Callable[[], Places]) -> None:
        self._target = target
        self._places = places
        self.entries: list[Entry] = []
        self.dropped = 0
        self._outer = 0
        self._threads: defaultdict[int, _Thread] = defaultdict(_Thread)

    def __len__(self) -> int:
        return len(self.entries)

    def open_links(self, thread: int) -> list[Link]:
        """Crossings of a thread that have not returned, oldest first."""
        return list(self._threads[thread].links)

    def open_call(self, thread: int) -> Entry | None:
        """The innermost call that a thread is in."""
        return next((e for e in reversed(self._threads[thread].entries) if e is not None), None)

    # ---- what comes in ----

    def crossing(self, crossing: Crossing) -> Seen:
        """Take one crossing and say what it was."""
        places = self._places()
        source, target = places.badge(crossing.pc), places.badge(crossing.to)
        if crossing.kind == "failed":
            return Seen("failed", crossing, source, target, self._failed(crossing, source))
        if source == target:
            return Seen("inside", crossing, source, target)
        state = self._threads[crossing.thread]
        if self._is_return(crossing, state, source, target):
            closed = self._return(crossing, state)
            return Seen("return" if closed is not None else "leave", crossing, source, target, closed)
        opened = self._call(crossing, state, source, target)
        return Seen("call" if opened is not None else "enter", crossing, source, target, opened)

    def observed(self, call: Call) -> None:
        """Take a call as its server decoded it: it explains the open hostcall, or is one of a deeper layer."""
        state = self._threads[call.thread]
        current = next((e for e in reversed(state.entries) if e is not None), None)
        path = call.layer
        if current is not None and current.path == path and current.nr == call.number and current.texts is None:
            current.name, current.texts = call.name, call.arguments
            current.failed = current.failed or call.failed
            return
        entry = self._entry(call.tick, call.thread, path, call.name, Signature(call.name, ()), call.number, current)
        entry.texts, entry.result, entry.failed = call.arguments, f"= {call.result}", call.failed
        if call.result is None:
            entry.result = "= ?"
        entry.ended = call.tick

    # ---- pairing ----

    def _is_return(self, crossing: Crossing, state: _Thread, source: str, target: str) -> bool:
        """Does it go back along the newest open link? One that lands on a gate is a call even then."""
        if not state.links or (state.links[-1].target, state.links[-1].source) != (source, target):
            return False
        return crossing.to & ~1 not in self._places().gates

    def _failed(self, crossing: Crossing, source: str) -> Entry:
        shown = f"{source}→?"
        entry = self._entry(
            crossing.tick, crossing.thread, shown, "BLRS", Signature("BLRS", ()), crossing.number & VALUE, None
        )
        entry.crossing, entry.failed = crossing, True
        entry.texts = (f"c29, c{crossing.cn}, c{crossing.cm}",)
        entry.note = "; ".join(CHECKS.get(check, check) for check in crossing.failed)
        entry.result, entry.ended = "✗ " + " ".join(crossing.failed), crossing.tick
        return entry

    def _return(self, crossing: Crossing, state: _Thread) -> Entry | None:
        state.links.pop()
        entry = state.entries.pop()
        if entry is None:
            return None
        result = Capability(crossing.result)
        text, failed = result_text(entry.entry, result.value, result.tag, pointer_text(crossing.result))
        entry.result, entry.failed, entry.ended = text, entry.failed or failed, crossing.tick
        self._fill_out(entry, result.value)
        return entry

    def _call(self, crossing: Crossing, state: _Thread, source: str, target: str) -> Entry | None:
        state.links.append(Link(crossing, source, target))
        if source == MONITOR:
            state.entries.append(None)
            return None
        number = crossing.number & VALUE
        known = signature(number, target == MONITOR)
        parent = next((e for e in reversed(state.entries) if e is not None), None)
        entry = self._entry(crossing.tick, crossing.thread, f"{source}→{target}", known.name, known, number, parent)
        entry.crossing = crossing
        entry.arguments = self._decode(known, crossing, source)
        state.entries.append(entry)
        return entry

    def _entry(
        self, tick: int, thread: int, path: str, name: str, known: Signature, number: int, parent: Entry | None
    ) -> Entry:
        if parent is None:
            self._outer += 1
            place, layer, above = self._outer, 0, None
        else:
            parent.children += 1
            place, layer, above = parent.children, parent.layer + 1, parent.index
        entry = Entry(place, layer, above, tick, thread, path, name, known, number, [], None)
        entry.index = self.dropped + len(self.entries)
        self.entries.append(entry)
        if len(self.entries) > MAX_ENTRIES:
            del self.entries[: MAX_ENTRIES // 10]
            self.dropped += MAX_ENTRIES // 10
        return entry

    # ---- arguments ----

    def _decode(self, known: Signature, crossing: Crossing, source: str) -> list[ArgumentRow]:
        compartment = self._places().named(source)
        base = compartment.begin if compartment is not None and not compartment.pure else 0
        decoder = _Decoder(self._target, base, crossing.arguments)
        return [decoder.row(index, argument.name, argument.kind) for index, argument in enumerate(known.arguments)]

    def _fill_out(self, entry: Entry, result: int) -> None:
        """Buffers that the callee filled are read when it returns."""
        if entry.crossing is None or entry.failed:
            return
        for index, argument in enumerate(entry.entry.arguments):
            if argument.kind != "out" or index >= len(entry.arguments):
                continue
            compartment = self._places().named(entry.path.split("→")[0])
            base = compartment.begin if compartment is not None and not compartment.pure else 0
            decoder = _Decoder(self._target, base, entry.crossing.arguments)
            content = decoder.bytes_at(index, min(result, MAX_BUFFER))
            if content is not None:
                entry.arguments[index] = decoder.buffer(index, argument.name, content, result)

    # ---- rows ----

    def rows(self, entries: Iterable[Entry], thread_name: Callable[[int], str]) -> tuple[TraceRow, ...]:
        """Entries as rows."""
        return tuple(_row(entry, thread_name(entry.thread)) for entry in entries)

    def summary(self) -> tuple[SummaryRow, ...]:
        """Counts and costs by path and name, most ticks first."""
        groups: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in self.entries:
            groups[entry.path, entry.name].append(entry)
        rows = [_summary(path, name, found) for (path, name), found in groups.items()]
        return tuple(sorted(rows, key=lambda row: (-row.ticks, row.path, row.name)))


class _Decoder:
    """Arguments of one call, read from the caller's registers and memory as they are now."""

    def __init__(self, target: Target, base: int, arguments: tuple[int, ...]) -> None:
        self._target, self._base, self._arguments = target, base, arguments

    def row(self, index: int, name: str, kind: str) -> ArgumentRow:
        """One argument: a plain number by its kind, or a pointer with what it points at."""
        bits = self._arguments[index] if index < len(self._arguments) else 0
        if kind not in ("path", "in", "out", "iov", "ptr"):
            return ArgumentRow(f"x{index}", name, kind, number_text(kind, bits & VALUE), "")
        if kind == "path":
            text = self._string(bits)
            return self._pointer(index, name, kind, text, quoted(text, 64) if text is not None else "")
        if kind == "in":
            count = self._arguments[index + 1] & VALUE if index + 1 < len(self._arguments) else 0
            content = self.bytes_at(index, min(count, MAX_BUFFER))
            return self.buffer(index, name, content, count) if content is not None else self._pointer(index, name, kind)
        if kind == "iov":
            return self._vector(index, name)
        return self._pointer(index, name, kind)

    def buffer(self, index: int, name: str, content: bytes, count: int) -> ArgumentRow:
        """A pointer with the bytes behind it."""
        shown = quoted(content) if count <= len(content) else quoted(content).rstrip("…") + "…"
        return ArgumentRow(
            self._register(index), name, "buffer", f"{self._shown(self._arguments[index])} {shown}", "", content
        )

    def bytes_at(self, index: int, size: int) -> bytes | None:
        """Bytes that an argument points at; None where nothing can be read."""
        return self._read(self._arguments[index], size) if index < len(self._arguments) else None

    def _pointer(self, index: int, name: str, kind: str, content: bytes | None = None, text: str = "") -> ArgumentRow:
        bits = self._arguments[index]
        shown = text or ("NULL" if not bits & VALUE else self._shown(bits))
        return ArgumentRow(self._register(index), name, kind, shown, self._shown(bits) if text else "", content)

    def _vector(self, index: int, name: str) -> ArgumentRow:
        count = self._arguments[index + 1] & VALUE if index + 1 < len(self._arguments) else 0
        pure = not self._base and self._arguments[index] >> 128
        stride = 32 if pure else 16
        parts = []
        for number in range(min(count, MAX_VECTOR)):
            item = self._read(self._arguments[index] + stride * number, stride)
            if item is None:
                return self._pointer(index, name, "ptr")
            length = int.from_bytes(item[stride // 2 : stride // 2 + 8], "little")
            content = self._read(int.from_bytes(item[:8], "little"), min(length, MAX_BUFFER)) or b""
            shown = quoted(content) if length <= len(content) else quoted(content).rstrip("…") + "…"
            parts.append(f"{{{shown}, {length}}}")
        more = ", …" if count > MAX_VECTOR else ""
        text = f"[{', '.join(parts)}{more}]"
        return ArgumentRow(self._register(index), name, "iov", text, self._shown(self._arguments[index]))

    def _register(self, index: int) -> str:
        return f"{'x' if self._base else 'c'}{index}"

    def _shown(self, bits: int) -> str:
        """``addr[perms,+size]`` of a capability, ``addr→abs`` of a hybrid pointer."""
        if bits >> 64 or not self._base:
            return pointer_text(bits)
        return f"{hexa(bits & VALUE)}→{hexa(self._absolute(bits))}"

    def _absolute(self, bits: int) -> int:
        return (bits & VALUE) + (0 if bits >> 64 else self._base) & VALUE

    def _read(self, bits: int, size: int) -> bytes | None:
        try:
            return self._target.read(self._absolute(bits), size) if size > 0 else b""
        except TargetError:
            return None

    def _string(self, bits: int) -> bytes | None:
        """A NUL-terminated string of at most MAX_STRING bytes."""
        content = b""
        while len(content) < MAX_STRING:
            part = self._read(bits + len(content), 32)
            if part is None:
                part = self._read(bits + len(content), 1)
            if part is None:
                return content or None
            head, zero, _ = part.partition(b"\0")
            content += head
            if zero:
                return content
        return content


def _row(entry: Entry, thread_name: str) -> TraceRow:
    crossing = entry.crossing
    return TraceRow(
        number=entry.number,
        layer=entry.layer,
        parent=entry.parent,
        tick=entry.tick,
        thread=entry.thread,
        thread_name=thread_name,
        path=entry.path,
        name=entry.name,
        call=entry.call,
        result=entry.result or ("= ?" if not entry.inside else ""),
        ticks=None if entry.ended is None else entry.ended - entry.tick,
        failed=entry.failed,
        inside=entry.inside,
        origin=crossing.pc if crossing is not None else None,
        target=crossing.to if crossing is not None else None,
        arguments=tuple(entry.arguments),
        checks=entry.note or (pair_text(crossing) if crossing is not None else ""),
    )


def pair_text(crossing: Crossing) -> str:
    """What the checks of a sealed pair said."""
    if crossing.kind == "pair":
        otype = Capability(crossing.target).otype
        return f"✓ pair: otype {otype}, both BranchSealedPair, Execute only in c{crossing.cn}"
    return "✓ sentry" if crossing.kind == "sentry" else "✗ " + "; ".join(CHECKS[c] for c in crossing.failed)


def _summary(path: str, name: str, entries: list[Entry]) -> SummaryRow:
    costs = [e.ended - e.tick for e in entries if e.ended is not None]
    total = sum(costs)
    failed = sum(e.failed for e in entries)
    average = total // len(costs) if costs else 0
    return SummaryRow(path, name, len(entries), failed, total, average, max(costs, default=0))
