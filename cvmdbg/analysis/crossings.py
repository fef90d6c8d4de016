"""The trace: crossings between compartments paired into calls and returns, decoded while their memory is as it was.

    17 ──openat──▶ 16 ──write_out──▶ M ──write──▶ H
       layer 0         layer 1          layer 2

A crossing from A to B returns the newest open call when that went from B to A, unless it lands on a gate; any other
opens a call. Entries by the monitor (M into a cVM) are kept as links of the stack but are no calls. Crossings inside a
compartment are none of ours.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from cvmdbg.analysis.calls import ABI, plain, signature
from cvmdbg.analysis.compartments import Places
from cvmdbg.analysis.observed import Observed, words
from cvmdbg.forms import VALUE
from cvmdbg.frames import Link
from cvmdbg.guests.intravisor.calls import HOSTCALL, PLAIN
from cvmdbg.guests.linux import facts
from cvmdbg.guests.linux.decoder import PANES, Caller, Decoded, Shown, Style, entering, leaving
from cvmdbg.guests.linux.decoder.names import signed
from cvmdbg.guests.linux.facts import Call as Signature
from cvmdbg.rows import ArgumentRow, SummaryRow, TraceRow, trace_text
from cvmdbg.target import Crossing, TargetError
from emulator_core.capability import Capability
from sessions.event import Call, Captured, Note

MAX_ENTRIES = 1_000_000
BLOCK = 1024
"""Entries of which the last end is known together."""
MONITOR = "M"
PAGE = 4096

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
    crossing: Crossing | None
    made: Decoded | None = None
    outcome: str = ""
    ended: int | None = None
    failed: bool = False
    children: int = 0
    texts: tuple[str, ...] | None = None
    note: str = ""
    index: int = 0
    seen: Observed | None = None

    @property
    def decoded(self) -> Decoded | None:
        """The call with its arguments in text, made when it is first asked for."""
        if self.made is None and self.seen is not None:
            self.made = self.seen.decode()
        return self.made

    @property
    def result(self) -> str:
        """``= 3``, ``= -1 ENOENT``; empty while inside."""
        if not self.outcome and self.seen is not None and self.seen.value is not None:
            self.outcome = result_text(self, self.seen.value, self.seen.style)
        return self.outcome

    def reopened(self) -> Entry:
        """The call as it was while it was inside."""
        if self.seen is None:
            return replace(self, ended=None, outcome="", failed=False)
        inside = replace(self.seen, value=None, after=())
        return replace(self, ended=None, outcome="", failed=False, seen=inside, made=None)

    def word(self, index: int) -> int:
        """The low 64 bits of an argument, without decoding anything."""
        held = self.seen.words if self.seen is not None else self.crossing.arguments if self.crossing else ()
        return held[index] & VALUE if index < len(held) else 0

    @property
    def value(self) -> int | None:
        """What came back in 64 bits, None while inside or when it is not known as a number."""
        if self.seen is not None:
            return self.seen.value
        return self.made.frame.result if self.made is not None else None

    @property
    def call(self) -> str:
        """``openat(AT_FDCWD, "/app1", O_RDONLY)``."""
        if self.texts is None and self.decoded is not None:
            return self.decoded.text
        return f"{self.name}({', '.join(self.texts or ())})"

    @property
    def arguments(self) -> tuple[ArgumentRow, ...]:
        """Each argument that is shown, with its register and what it points at."""
        if self.decoded is None:
            return ()
        rows = zip(self.entry.arguments, self.decoded.shown, strict=True)
        letter = "c" if self.decoded.frame.caller.pure else "x"
        return tuple(
            ArgumentRow(f"{letter}{index}", argument.name, argument.kind, shown.text, _meaning(shown), shown.content)
            for index, (argument, shown) in enumerate(rows)
            if shown.text is not None
        )

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


def _as_inside(entry: Entry, tick: int) -> Entry:
    """An entry as it was at a tick."""
    over = entry.ended is not None and entry.ended >= tick and entry.ended != entry.tick
    return entry.reopened() if over else entry


@dataclass
class _Thread:
    """Open crossings of a thread, and the entries that go with them (None for the monitor's own entries).

    ``waiting``: calls that no crossing showed and that have not come back, by path and number.
    """

    links: list[Link] = field(default_factory=list)
    entries: list[Entry | None] = field(default_factory=list)
    waiting: dict[tuple[str, int], list[Entry]] = field(default_factory=dict)

    def waits_in(self) -> Entry | None:
        """The newest of those."""
        return max((calls[-1] for calls in self.waiting.values() if calls), key=lambda e: e.index, default=None)

    def taken(self, path: str, number: int) -> Entry | None:
        """The newest of a path and number, which has come back."""
        calls = self.waiting.get((path, number))
        return calls.pop() if calls else None


Read = Callable[[int, int, int], bytes]
"""Reads memory for a crossing: its tick, an address, a size. TargetError where nothing can be read."""


@dataclass(slots=True)
class Span:
    """A crossing and how long it was open: ticks before the branch there and before the one back.

    ``outer`` is the one that was the innermost open one of the thread before.
    """

    begun: int
    link: Link
    entry: Entry | None
    outer: Span | None = None
    ended: int | None = None


class Trace:
    """All calls seen so far, oldest first; with ``look_at`` those up to a tick, as they were then."""

    def __init__(self, read: Read, places: Callable[[], Places], abi: str = ABI) -> None:
        self._read_at, self.abi = read, abi
        self.style: Style = PANES
        self.keep = True
        self.listeners: list[Callable[[str, Entry], None]] = []
        self.note_listeners: list[Callable[[Note], None]] = []
        self._places = places
        self._all: list[Entry] = []
        self.dropped = 0
        self._outer = self._made = 0
        self._captured: list[Captured] = []
        self._based: Places | None = None
        self._bases: dict[str, int] = {}
        self._threads: defaultdict[int, _Thread] = defaultdict(_Thread)
        self._spans: defaultdict[int, list[Span]] = defaultdict(list)
        self._innermost: dict[int, Span | None] = {}  # open, by thread
        self._ends: dict[int, int] = {}  # the last tick at which an entry ended, by index // BLOCK
        self._seen: list[Seen] = []
        self._tick = 0  # of the crossing that is taken
        self._cursor: int | None = None
        self._shown: list[Entry] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def entries(self) -> list[Entry]:
        """The calls, up to the moment that is looked at."""
        if self._cursor is None:
            return self._all
        if self._shown is None:
            self._shown = self._as_at(self._cursor)
        return self._shown

    @property
    def whole(self) -> Sequence[Entry]:
        """All of them, as far as they are known, whatever moment is looked at."""
        return self._all

    @property
    def crossed(self) -> Sequence[Seen]:
        """All crossings, in the same way."""
        return self._seen

    def look_at(self, tick: int | None) -> None:
        """Show what has happened up to a tick; None: all."""
        self._cursor, self._shown = tick, None

    def open_links(self, thread: int) -> list[Link]:
        """Crossings of a thread that have not returned, oldest first."""
        if self._cursor is None:
            return list(self._threads[thread].links)
        return [span.link for span in self._open_spans(thread)]

    def open_call(self, thread: int) -> Entry | None:
        """The innermost call that a thread is in."""
        if self._cursor is None:
            return next((e for e in reversed(self._threads[thread].entries) if e is not None), None)
        return next((s.entry for s in reversed(self._open_spans(thread)) if s.entry is not None), None)

    def spans(self, thread: int) -> list[Span]:
        """Crossings of a thread with the ticks between which they were open."""
        return self._spans[thread]

    def recall(self, crossing: Crossing) -> Seen | None:
        """What a crossing that comes by again was."""
        at = bisect_left(self._seen, crossing.tick, key=lambda seen: seen.crossing.tick)
        for seen in self._seen[at : at + 16]:
            if (seen.crossing.tick, seen.crossing.thread) == (crossing.tick, crossing.thread):
                return seen
        return None

    def seen(self) -> list[Seen]:
        """Crossings up to the moment that is looked at."""
        if self._cursor is None:
            return self._seen
        return self._seen[: bisect_left(self._seen, self._cursor, key=lambda seen: seen.crossing.tick)]

    # ---- at a moment ----

    def _as_at(self, tick: int) -> list[Entry]:
        """Entries that had begun; those that had not ended are inside again."""
        end = bisect_right(self._all, tick, key=lambda e: e.tick)
        shown = self._all[:end]
        while shown and shown[-1].crossing is not None and shown[-1].tick >= tick:
            shown.pop()
        first = shown[0].index if shown else 0
        for block in range(first // BLOCK, (first + len(shown)) // BLOCK + 1):
            if self._ends.get(block, -1) >= tick:
                low = max(block * BLOCK - first, 0)
                shown[low : low + BLOCK] = [_as_inside(entry, tick) for entry in shown[low : low + BLOCK]]
        return shown

    def _end(self, entry: Entry, tick: int) -> None:
        """A call has come back."""
        entry.ended = tick
        self._ends[entry.index // BLOCK] = tick  # ticks only grow

    def _open_spans(self, thread: int) -> list[Span]:
        """Outermost first: the last that had begun, and those around it, as far as they were open."""
        assert self._cursor is not None
        tick, spans = self._cursor, self._spans[thread]
        at = bisect_left(spans, tick, key=lambda span: span.begun)
        span = spans[at - 1] if at else None
        found = []
        while span is not None:
            if span.ended is None or span.ended >= tick:
                found.append(span)
            span = span.outer
        return found[::-1]

    def _close_span(self, crossing: Crossing) -> None:
        """The newest open crossing of the thread has returned."""
        span = self._innermost.get(crossing.thread)
        if span is not None:
            span.ended = crossing.tick
            self._innermost[crossing.thread] = span.outer

    # ---- what comes in ----

    def crossing(self, crossing: Crossing) -> Seen:
        """Take one crossing and say what it was."""
        self._tick = crossing.tick
        seen = self._judge(crossing)
        self._seen.append(seen)
        if len(self._seen) > MAX_ENTRIES:
            del self._seen[: MAX_ENTRIES // 10]
        return seen

    def _judge(self, crossing: Crossing) -> Seen:
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

    def observed(self, call: Call) -> Entry | None:
        """Take a call as its server saw it: it confirms the open crossing, or is one that no crossing showed.

        The entry that begins with it, if one does.
        """
        state = self._threads[call.thread]
        current = self.open_call(call.thread)
        if current is not None and current.path == call.layer and current.nr == call.number:
            current.failed = current.failed or call.failed
            if not current.entry.numbers:
                current.name, current.texts = call.name, call.arguments
            return None
        waiting = state.taken(call.layer, call.number) if call.result is not None else None
        if waiting is not None:
            self._answered(waiting, call)
            return None
        entry = self._entry(
            call.tick, call.thread, call.layer, plain(call.name), call.number, current or state.waits_in()
        )
        self._begin(entry, call)
        self._tell("begin", entry)
        if call.result is None:
            state.waiting.setdefault((call.layer, call.number), []).append(entry)
            self._captured.clear()
        else:
            self._answered(entry, call)
        return entry

    def noted(self, note: Note) -> None:
        """A signal, or the end of a thread, between the calls."""
        for listener in self.note_listeners:
            listener(note)

    def captured(self, captured: Captured) -> None:
        """Bytes that the next call points at."""
        self._captured.append(captured)

    def _begin(self, entry: Entry, call: Call) -> None:
        """Its arguments: numbers of a system call, which are decoded later, or the texts that its server gave."""
        known, held = facts.call_at(self.abi, call.number), words(call.arguments)
        if known is None or known.name != call.name or held is None:
            entry.texts = call.arguments
            return
        entry.entry = known
        entry.seen = Observed(self.abi, known, held, self._base(call.layer, held), self.style, tuple(self._captured))

    def _base(self, path: str, held: tuple[int, ...]) -> int:
        """What the pointers of a path's caller are relative to; a caller that is gone shows by what was captured."""
        places = self._places()
        if self._based is not places:
            self._based, self._bases = places, {}
        if path not in self._bases:
            found = places.named(path.partition("→")[0])
            if found is None:
                return self._base_of_gone(held)
            self._bases[path] = found.begin if not found.pure else 0
        return self._bases[path]

    def _base_of_gone(self, held: tuple[int, ...]) -> int:
        """The first bytes captured are those behind the first pointer of a call: how far apart the two are."""
        first = self._captured[0].address if self._captured else 0
        return next((first - word for word in held if word and first >= word and not (first - word) % PAGE), 0)

    def _answered(self, entry: Entry, call: Call) -> None:
        """A call that its server saw has come back."""
        if call.result is not None:
            entry.failed = call.failed
            self._end(entry, call.tick)
            value = words((call.result,))
            if entry.seen is not None and value is not None:
                after = tuple(self._captured)
                entry.seen, entry.made = replace(entry.seen, after=after, value=value[0] & VALUE), None
            else:
                entry.texts, entry.outcome = call.arguments, f"= {call.result}"
            self._tell("end", entry)
        self._captured.clear()

    def _tell(self, what: str, entry: Entry) -> None:
        for listener in self.listeners:
            listener(what, entry)

    # ---- pairing ----

    def _is_return(self, crossing: Crossing, state: _Thread, source: str, target: str) -> bool:
        """Does it go back along the newest open link? One that lands on a gate is a call even then."""
        if not state.links or (state.links[-1].target, state.links[-1].source) != (source, target):
            return False
        return crossing.to & ~1 not in self._places().gates

    def _failed(self, crossing: Crossing, source: str) -> Entry:
        shown = f"{source}→?"
        entry = self._entry(crossing.tick, crossing.thread, shown, plain("BLRS"), crossing.number & VALUE, None)
        entry.crossing, entry.failed = crossing, True
        entry.texts = (f"c29, c{crossing.cn}, c{crossing.cm}",)
        entry.note = "; ".join(CHECKS.get(check, check) for check in crossing.failed)
        entry.outcome, entry.ended = "✗ " + " ".join(crossing.failed), crossing.tick
        return entry

    def _return(self, crossing: Crossing, state: _Thread) -> Entry | None:
        state.links.pop()
        self._close_span(crossing)
        entry = state.entries.pop()
        if entry is None:
            return None
        result = Capability(crossing.result)
        if entry.decoded is not None:
            entry.made = leaving(entry.decoded, result.value)
        entry.outcome = result_text(entry, crossing.result, self.style)
        entry.failed = entry.failed or (not result.tag and entry.decoded is not None and entry.decoded.failed)
        self._end(entry, crossing.tick)
        self._tell("end", entry)
        return entry

    def _call(self, crossing: Crossing, state: _Thread, source: str, target: str) -> Entry | None:
        state.links.append(Link(crossing, source, target))
        span = Span(crossing.tick, state.links[-1], None, self._innermost.get(crossing.thread))
        self._innermost[crossing.thread] = span
        self._spans[crossing.thread].append(span)
        if source == MONITOR:
            state.entries.append(None)
            return None
        number = crossing.number & VALUE
        known = signature(number, target == MONITOR)
        parent = next((e for e in reversed(state.entries) if e is not None), None) or state.waits_in()
        entry = self._entry(crossing.tick, crossing.thread, f"{source}→{target}", known, number, parent)
        entry.crossing = crossing
        entry.made = entering(known, crossing.arguments, self._caller(source, PLAIN in known.classes), self.style)
        state.entries.append(entry)
        span.entry = entry
        self._tell("begin", entry)
        return entry

    def _entry(self, tick: int, thread: int, path: str, known: Signature, number: int, parent: Entry | None) -> Entry:
        if parent is None:
            self._outer += 1
            place, layer, above = self._outer, 0, None
        else:
            parent.children += 1
            place, layer, above = parent.children, parent.layer + 1, parent.index
        entry = Entry(place, layer, above, tick, thread, path, known.name, known, number, None)
        entry.index = self._made
        self._made += 1
        if self.keep or not self.listeners:
            self._all.append(entry)
        if len(self._all) > MAX_ENTRIES:
            del self._all[: MAX_ENTRIES // 10]
            self.dropped += MAX_ENTRIES // 10
        return entry

    def _caller(self, badge: str, plain: bool) -> Caller:
        """The memory of a compartment as its own pointers mean it, while it stands as it is now.

        With ``plain`` they are absolute, whatever the compartment.
        """
        found = self._places().named(badge)
        pure = found is not None and bool(found.pure)
        base = found.begin if found is not None and not pure and not plain else 0
        return Caller(ABI, self._read, base, pure)

    def _read(self, address: int, size: int) -> bytes | None:
        try:
            return self._read_at(self._tick, address, size)
        except TargetError:
            return None

    # ---- rows ----

    def rows(self, entries: Iterable[Entry], thread_name: Callable[[int], str]) -> tuple[TraceRow, ...]:
        """Entries as rows."""
        names = _Names(thread_name)
        return tuple(_row(entry, names[entry.thread]) for entry in entries)

    def named(self, text: str) -> tuple[int, ...]:
        """Which entries are calls whose name holds a text: known without decoding anything."""
        names: dict[str, bool] = {}
        found = []
        for index, entry in enumerate(self.entries):
            holds = names.get(entry.name)
            if holds is None:
                holds = names[entry.name] = text in entry.name.casefold()
            if holds:
                found.append(index)
        return tuple(found)

    def texts(self, start: int, count: int, thread_name: Callable[[int], str]) -> tuple[str, ...]:
        """The text of rows, as TraceRow has it; calls that point at nothing are decoded once for all that are alike."""
        names = _Names(thread_name)
        alike: dict[tuple[object, ...], tuple[str, str]] = {}
        return tuple(self._text(entry, names[entry.thread], alike) for entry in self.entries[start : start + count])

    @staticmethod
    def _text(entry: Entry, thread: str, alike: dict[tuple[object, ...], tuple[str, str]]) -> str:
        seen = entry.seen
        if seen is None or seen.before or seen.after:
            return _row(entry, thread).text
        key = (entry.name, seen.words, seen.value)
        if key not in alike:
            alike[key] = (entry.call, entry.result or ("= ?" if not entry.inside else ""))
        call, result = alike[key]
        ticks = None if entry.ended is None else entry.ended - entry.tick
        place = (entry.number, entry.layer, entry.tick, thread, entry.path)
        return trace_text(place, call, "▶ inside" if entry.inside else result, ticks, "✗▶ "[_mark(entry)])

    def summary(self) -> tuple[SummaryRow, ...]:
        """Counts and costs by path and name, most ticks first."""
        groups: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in self.entries:
            groups[entry.path, entry.name].append(entry)
        rows = [_summary(path, name, found) for (path, name), found in groups.items()]
        return tuple(sorted(rows, key=lambda row: (-row.ticks, row.path, row.name)))


def _meaning(shown: Shown) -> str:
    """The address of what a text shows, unless the text is that address."""
    return shown.pointer if shown.pointer and not (shown.text or "").startswith(shown.pointer) else ""


def result_text(entry: Entry, bits: int, style: Style) -> str:
    """``= 3``, ``= -1 ENOENT``, ``= ● addr[…]``; strace's style says the error's text too."""
    decoded = entry.decoded
    if bits >> 128 & 1:
        return f"= {'● ' if style.panes else ''}{style.address(bits)}"
    if decoded is None or decoded.result is None:
        return "= ?"
    text = decoded.result
    if signed(bits) == -1 and (entry.entry.result == "status" or HOSTCALL in entry.entry.numbers):
        return "= -1"
    return f"= {text.partition(' (')[0] if style.panes and decoded.failed else text}"


def _mark(entry: Entry) -> int:
    return 0 if entry.failed else 1 if entry.inside else 2


class _Names(dict[int, str]):
    """What threads are called: asked once for each."""

    def __init__(self, name: Callable[[int], str]) -> None:
        super().__init__()
        self._name = name

    def __missing__(self, thread: int) -> str:
        return self.setdefault(thread, self._name(thread))


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
        arguments=entry.arguments,
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
