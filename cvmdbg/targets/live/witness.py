"""Writes down what is seen of a live machine, as it is seen: a recording of kind *observed*.

State, Memory ──what was read──▶ witness ──sights──▶ recorder ──within a quarter second──▶ file
                                  tick: the number of the stop
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Protocol

from cvmdbg.guests.guest import Compartment, Facts, Module, Symbol
from cvmdbg.guests.recorded import said_of, to_plain
from cvmdbg.target import Crossing, Fault, Reason, Region, Register, Stop, StopKind, Thread, ThreadState, WatchHit
from sessions.coding import record_of
from sessions.event import Note, Observation
from sessions.mark import Mark
from sessions.recorder import Recorder
from sessions.sight import SawGranules, SawMemory, SawRegion, SawRegisters, SawThread, Stood, sized, wide

GRANULE = 16


@dataclass(frozen=True, slots=True)
class KeptReason:
    """A reason of a stop; ``kind`` is a StopKind's word."""

    kind: str
    detail: str
    fault: Fault | None
    watch: WatchHit | None
    status: int | None

    @staticmethod
    def of(reason: Reason) -> KeptReason:
        """From the reason."""
        return KeptReason(reason.kind.value, reason.detail, reason.fault, reason.watch, reason.status)

    @property
    def reason(self) -> Reason:
        """The way back; ValueError for a word that is none."""
        return Reason(StopKind(self.kind), self.detail, self.fault, self.watch, self.status)


@dataclass(frozen=True, slots=True)
class KeptStop:
    """Why a machine stood."""

    reasons: tuple[KeptReason, ...]


def facts_of(title: str, arch: str, peers: Iterable[Register]) -> dict[str, str]:
    """What stands at the head of the recording of a machine that has these registers."""
    registers = " ".join(f"{one.name}:{one.bits}" for one in peers)
    return {"kind": "observed", "title": title, "arch": arch, "registers": registers}


def public(address: str) -> str:
    """What a recording calls a machine: of a path its last part, of a command its first word."""
    kind, _, place = address.partition(":")
    if kind == "unix":
        return f"unix:{PurePath(place).name}"
    words = address.removeprefix("|").split()
    if len(words) > 1 or "/" in address:
        return PurePath(words[0]).name if words else ""
    return address


class Witness:
    """Gives a recorder what is seen of a machine at an address. ``tick`` is the number of the stop; it only grows."""

    def __init__(self, recorder: Recorder, first: int = 0, address: str = "") -> None:
        self.recorder, self.tick, self._address = recorder, first, address
        self._threads: tuple[Thread, ...] = ()
        self._regions: tuple[Region, ...] = ()
        self._files: set[str] = set()

    @property
    def failure(self) -> str:
        """Why nothing can be written any more, or ``""``."""
        return self.recorder.failure or ""

    def stands(self, stop: Stop) -> None:
        """The machine has come to stand at the stop of this number."""
        reasons = (KeptReason.of(reason) for reason in stop.reasons)
        kept = KeptStop(tuple(replace(reason, detail=self._spoken(reason.detail)) for reason in reasons))
        self.recorder.saw(Stood(self.tick, stop.thread, stop.pc, json.dumps(to_plain(kept))))
        self.recorder.reached(self.tick)

    # ---- what was read: a Sink ----

    def registers(self, thread: int, values: Mapping[str, int | None]) -> None:
        """Registers of a thread by the peer's names; None: the peer does not tell it."""
        known = {name: value for name, value in values.items() if value is not None}
        if known:
            self.recorder.saw(SawRegisters(self.tick, thread, tuple(known), sized(list(known.values()))))

    def memory(self, pieces: Iterable[tuple[int, bytes]]) -> None:
        """Bytes at addresses."""
        self.recorder.saw(*(SawMemory(self.tick, at, content) for at, content in _joined(pieces)))

    def granules(self, values: Mapping[int, int]) -> None:
        """Capabilities with their tags, 129 bits each, by address."""
        runs: list[tuple[int, list[int]]] = []
        for at, value in sorted(values.items()):
            if runs and runs[-1][0] + GRANULE * len(runs[-1][1]) == at:
                runs[-1][1].append(value)
            else:
                runs.append((at, [value]))
        self.recorder.saw(*(SawGranules(self.tick, at, wide(run)) for at, run in runs))

    # ---- what is listed ----

    def threads(self, threads: tuple[Thread, ...]) -> None:
        """The threads, if they are others than before: which of them stood there, the stop tells."""
        now = tuple(replace(one, state=ThreadState.RUNNABLE) for one in threads)
        if now != self._threads:
            self._threads = now
            self.recorder.saw(*(_seen(self.tick, one) for one in now))

    def regions(self, regions: tuple[Region, ...]) -> None:
        """What is mapped, if it is something else than before."""
        if regions != self._regions:
            self._regions = regions
            self.recorder.saw(*(SawRegion(self.tick, r.address, r.size, r.prot) for r in regions))

    # ---- what happened, what is known ----

    def observe(self, item: Observation | Crossing) -> None:
        """A crossing, output, a note; what the debugger found out."""
        if isinstance(item, Crossing):
            self.recorder.crossings(record_of(item))
        elif isinstance(item, Note):
            self.recorder.observe(replace(item, text=self._spoken(item.text)))
        else:
            self.recorder.observe(item)

    def _spoken(self, text: str) -> str:
        """A sentence without a path of this machine."""
        return text.replace(self._address, public(self._address)) if self._address else text

    def told(self, facts: Facts) -> None:
        """What is known of the guest from this stop on."""
        said = said_of(facts, self.recorder.content)
        places = tuple(replace(c, name=self._spoken(c.name)) for c in said.compartments)
        said = replace(said, name=self._spoken(said.name), compartments=places)
        self.recorder.guest(lambda: to_plain(said), Mark(self.tick, self.tick))

    def file(self, path: str, content: bytes) -> None:
        """A file of the guest's root that somebody read."""
        if path not in self._files:
            self._files.add(path)
            self.recorder.file(path, content)

    def close(self) -> None:
        """The end of the recording."""
        self.recorder.close(self.tick)


def _seen(tick: int, one: Thread) -> SawThread:
    ids = {name: str(value) for name, value in one.ids.items()}
    return SawThread(tick, one.number, one.name, one.state.value, one.reason, ids)


def _joined(pieces: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Pieces that touch each other as one."""
    runs: list[tuple[int, list[bytes], int]] = []
    for at, content in sorted(pieces):
        if runs and runs[-1][2] == at:
            first, parts, _ = runs.pop()
            runs.append((first, [*parts, content], at + len(content)))
        else:
            runs.append((at, [content], at + len(content)))
    return [(first, b"".join(parts)) for first, parts, _ in runs]


class Witnessed(Protocol):
    """A target that may have a witness."""

    witness: Witness | None


class FactsKept:
    """The facts of a live machine. Whenever they change, ``changed`` is called and the witness is told of them."""

    def __init__(self, facts: Facts, target: Witnessed, changed: Callable[[], None] = lambda: None) -> None:
        self._facts, self._target, self._changed = facts, target, changed
        self._known: tuple[object, ...] = ()
        self._told: tuple[object, ...] = ()

    @property
    def name(self) -> str:
        return self._facts.name

    def compartments(self) -> tuple[Compartment, ...]:
        return self._facts.compartments()

    def symbols(self) -> tuple[Symbol, ...]:
        return self._facts.symbols()

    def modules(self) -> tuple[Module, ...]:
        found, witness = self._facts.modules(), self._target.witness
        known = (found, self._facts.compartments())
        if known != self._known:
            self._known = known
            self._changed()
        now = (witness, *known)
        if witness is not None and now != self._told:
            self._told = now
            witness.told(self._facts)
        return found

    def file(self, path: str) -> bytes | None:
        content = self._facts.file(path)
        if content is not None and self._target.witness is not None:
            self._target.witness.file(path, content)
        return content
