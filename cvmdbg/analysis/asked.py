"""What a program asks of its loader at run time: dlopen, dlsym, dlclose, seen at their entries and their returns.

    entry of dlsym ──▶ handle, name, where it returns to ──▶ that return: x0 is the answer

These functions make no call of their own that a trace could show, so sites are held at them while the guest runs. An
answer is kept as a note of the recording: it is there again when the recording is opened, and goes away in the past
before it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cvmdbg.forms import VALUE, hexa
from cvmdbg.target import Stop, TargetError
from cvmdbg.values import c_string
from sessions.event import Note

if TYPE_CHECKING:
    from cvmdbg.debugger import Debugger

WORDS = {"dlopen": 0, "dlsym": 1, "dlvsym": 1, "dlclose": None}
"""The functions, and which of their arguments is a name."""
MOST = 10_000
"""Answers that are kept."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One of these calls: ``value`` is the absolute address that it came back with, 129 bits where pointers are

    capabilities (of dlclose: its status); 0 for none.

    ``handle`` is the word that named the module, ``word`` the file or symbol.
    """

    tick: int
    thread: int
    kind: str
    badge: str
    word: str
    handle: int
    ended: int = 0
    value: int = 0

    @property
    def failed(self) -> bool:
        """Did it come back with nothing?"""
        return bool(self.value) if self.kind == "dlclose" else not self.value

    def note(self) -> Note:
        """What a recording keeps of it."""
        names = ("tick", "thread", "kind", "badge", "word", "handle", "value")
        return Note(self.ended, "", {"asked": self.kind, **{name: str(getattr(self, name)) for name in names}})


def from_note(note: Note) -> Asked | None:
    """The call that a note of a recording tells of; None when it tells of something else, or is broken."""
    facts = note.facts
    if facts.get("asked") not in WORDS:
        return None
    try:
        tick, thread, handle, value = (int(facts[name]) for name in ("tick", "thread", "handle", "value"))
        return Asked(tick, thread, facts["kind"], facts["badge"], facts["word"], handle, note.tick, value)
    except (KeyError, ValueError):
        return None


class Asking:
    """Follows these calls of a debugger's guest."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._sites: dict[int, str] = {}
        self._waiting: defaultdict[int, list[tuple[int, Asked]]] = defaultdict(list)  # by return address: SP, call
        self._held: set[int] = set()
        self._known: set[tuple[int, int]] = set()
        self._runs = False
        self.answered: list[Asked] = []

    # ---- sites ----

    def begin(self) -> None:
        """The guest is about to run. Only where ticks tell one visit from another."""
        target = self._debugger.target
        self._runs = target.stops is not None and target.stop.tick is not None
        self.update()

    def update(self) -> None:
        """Hold what the modules in memory have, and the returns that are waited for."""
        if not self._runs:
            return
        found = ((symbol, name) for name in WORDS for symbol in self._debugger.symbols.find(name))
        self._sites = {symbol.address: name for symbol, name in found if symbol.kind == "function"}
        self._hold({*self._sites, *self._waiting})

    def end(self) -> None:
        """The guest stands."""
        self._runs = False
        self._hold(set())

    def forget(self) -> None:
        """The guest was put elsewhere: no return is waited for."""
        self._waiting.clear()

    def _hold(self, wanted: set[int]) -> None:
        for address in wanted - self._held:
            self._debugger.breakpoints.hold(address)
        for address in self._held - wanted:
            self._debugger.breakpoints.release(address)
        self._held = wanted

    # ---- what happens there ----

    def look(self, stop: Stop) -> None:
        """The guest has stopped somewhere: an entry, or a return that is waited for."""
        try:
            if stop.pc in self._waiting:
                self._returned(stop)
            if stop.pc in self._sites and self._runs:
                self._entered(stop)
        except TargetError:
            return  # a register or a name that cannot be read: the call is not listed

    def _entered(self, stop: Stop) -> None:
        debugger, kind, tick = self._debugger, self._sites[stop.pc], stop.tick or 0
        if (tick, stop.thread) in self._known:
            return
        self._known.add((tick, stop.thread))
        compartment = debugger.places.at(stop.pc)
        begin = compartment.begin if compartment is not None and not compartment.pure else 0
        first, second, back, sp = (self._register(stop.thread, name) for name in ("x0", "x1", "x30", "sp"))
        place = WORDS[kind]
        pointer = (first, second)[place] if place is not None else 0
        word = (c_string(pointer + begin, debugger.target) or b"").decode("utf-8", "replace") if pointer else ""
        badge = compartment.badge if compartment is not None else ""
        asked = Asked(tick, stop.thread, kind, badge, word, 0 if kind == "dlopen" else first)
        self._waiting[(back & ~1) + begin].append((sp, asked))
        self.update()

    def _returned(self, stop: Stop) -> None:
        waiting, sp = self._waiting[stop.pc], self._register(stop.thread, "sp")
        mine = next((w for w in reversed(waiting) if w[1].thread == stop.thread and w[0] <= sp), None)
        if mine is None:
            return
        waiting.remove(mine)
        if not waiting:
            del self._waiting[stop.pc]
        asked, value = mine[1], self._register(stop.thread, "x0")
        compartment = self._debugger.places.named(asked.badge)
        if asked.kind == "dlclose":
            value &= 0xFFFFFFFF
        elif value and compartment is not None and compartment.pure:
            value = self._debugger.target.read_register(stop.thread, "c0")
        elif value and asked.kind != "dlopen" and compartment is not None:
            value += compartment.begin
        self._answer(asked, stop.tick or 0, value)
        self.update()

    def _register(self, thread: int, name: str) -> int:
        return self._debugger.target.read_register(thread, name) & VALUE

    def _answer(self, asked: Asked, ended: int, value: int) -> None:
        words = (asked.tick, asked.thread, asked.kind, asked.badge, asked.word, asked.handle)
        whole = Asked(*words, ended, value)
        self.answered.append(whole)
        del self.answered[:-MOST]
        history = self._debugger.target.history
        if history is not None and not self._debugger.in_past:
            history.observe(whole.note())

    def recall(self, note: Note) -> None:
        """A note of a recording."""
        asked = from_note(note)
        if asked is not None and (asked.tick, asked.thread) not in self._known:
            self._known.add((asked.tick, asked.thread))
            self.answered.append(asked)

    # ---- looking at it ----

    def shown(self) -> list[Asked]:
        """Those that had been answered where the target stands."""
        history = self._debugger.target.history
        now = history.now.tick if history is not None else None
        return [asked for asked in self.answered if now is None or asked.ended <= now]

    def name_of(self, handle: int, badge: str) -> str:
        """What was opened with a handle."""
        opened = (
            a
            for a in reversed(self.answered)
            if a.kind == "dlopen" and (a.value & VALUE, a.badge) == (handle & VALUE, badge)
        )
        found = next(opened, None)
        if found is not None:
            return found.word.rpartition("/")[2] or "the program"
        return {0: "the program's modules", VALUE: "the modules behind the caller"}.get(
            handle, f"handle {hexa(handle)}"
        )
