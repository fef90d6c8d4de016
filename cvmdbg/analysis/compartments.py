"""Which compartment and part an address is in, and the map's rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from cvmdbg.forms import VALUE, count_text, hexa, size_text
from cvmdbg.guests.guest import Compartment, Part
from cvmdbg.rows import MapRow
from cvmdbg.symbols import Loaded
from emulator_core.capability import Capability

GATE = "ca3"
"""The grant that leads out of a compartment: its monitor's hostcall_asm or its LibOS's syscall_handler."""
FOLDED = {"segment", "slots", "heap", "module"}
"""Kinds whose parts are folded away until somebody asks."""


@dataclass(frozen=True, slots=True)
class Pointers:
    """What the letters of ``now`` stand for: addresses of the selected thread, None where there is none."""

    pcc: int | None = None
    ddc: int | None = None
    csp: int | None = None
    ctpidr: int | None = None

    def letters(self, address: int, size: int) -> str:
        """``PDST``, a dot for each that does not point into the range."""
        pairs = zip("PDST", (self.pcc, self.ddc, self.csp, self.ctpidr), strict=True)
        return "".join(letter if at is not None and address <= at < address + size else "·" for letter, at in pairs)


class Places:
    """The compartments of the guest, with the modules that its loader mapped."""

    def __init__(self, compartments: tuple[Compartment, ...], loaded: Iterable[Loaded] = ()) -> None:
        self.compartments = compartments
        self._modules = [entry for entry in loaded if entry.state]
        self.gates = {g.value & VALUE & ~1 for c in compartments for g in c.grants if g.name == GATE}

    @property
    def is_machine(self) -> bool:
        """Is the guest a whole machine: one compartment from address 0 to the end, no system below it?"""
        return [(c.base, c.end) for c in self.compartments] == [(0, 1 << 64)]

    def at(self, address: int) -> Compartment | None:
        """The compartment whose own memory holds an address: the smallest, where a machine as a whole is one too."""
        found = None
        for c in self.compartments:
            if c.base <= address < c.base + c.size and (found is None or c.size < found.size):
                found = c
        return found

    def badge(self, address: int) -> str:
        """The badge of that compartment, empty outside of all."""
        found = self.at(address)
        return found.badge if found is not None else ""

    def named(self, word: str) -> Compartment | None:
        """A compartment by badge or name."""
        return next((c for c in self.compartments if word in (c.badge, c.name)), None)

    def label(self, badge: str) -> str:
        """``16 libos``."""
        found = self.named(badge)
        return f"{found.badge} {found.name}" if found is not None else badge

    def parts(self, compartment: Compartment) -> tuple[Part, ...]:
        """The parts of a compartment, loaded modules put where they lie."""
        extra = [
            Part(e.module.name, "module", e.module.base, e.module.size, "r-x", "rwx", ".so")
            for e in self._modules
            if e.module.compartment == compartment.badge
        ]
        return tuple(_insert(compartment.parts, extra))

    def path(self, address: int) -> tuple[Part, ...]:
        """The parts that hold an address, outer first."""
        compartment = self.at(address)
        found: list[Part] = []
        parts = self.parts(compartment) if compartment is not None else ()
        while True:
            inner = next((p for p in parts if p.address <= address < p.address + p.size), None)
            if inner is None:
                return tuple(found)
            found.append(inner)
            parts = inner.parts

    def object_text(self, address: int) -> str:
        """The innermost named part around an address: ``slot 0 stack``."""
        path = [p for p in self.path(address) if p.kind not in ("segment", "slots")]
        if not path:
            outer = self.path(address)
            return outer[-1].name if outer else ""
        if path[-1].kind in ("stack", "guard", "tp") and len(path) > 1:
            return f"{path[-2].name} {path[-1].name}"
        return path[-1].name


def _insert(parts: tuple[Part, ...], extra: list[Part]) -> Iterator[Part]:
    """Put modules inside the part that holds them, else beside it."""
    left = list(extra)
    for part in parts:
        inside = [e for e in left if part.address <= e.address < part.address + part.size]
        left = [e for e in left if e not in inside]
        yield replace(part, parts=tuple(sorted((*part.parts, *inside), key=lambda p: p.address))) if inside else part
    yield from left


# ---- the rows of the map ----


def map_rows(
    places: Places, pointers: Pointers, unfolded: frozenset[str], folded: frozenset[str]
) -> tuple[MapRow, ...]:
    """Every compartment, outermost first, with its parts unless they are folded away."""
    rows: list[MapRow] = []
    for compartment in places.compartments:
        key = compartment.badge
        closed = key in folded
        parts = places.parts(compartment)
        rows.append(_compartment_row(compartment, pointers, bool(parts), closed))
        if not closed:
            rows.extend(_part_rows(parts, compartment, key, 1, pointers, unfolded, folded))
    return tuple(rows)


def _compartment_row(compartment: Compartment, pointers: Pointers, foldable: bool, folded: bool) -> MapRow:
    inside = f"in {compartment.inside}" if compartment.inside else "outer"
    if compartment.inside == "M":
        inside = "in M"
    kind = "monitor" if compartment.badge == "M" else "cvm"
    return MapRow(
        key=compartment.badge,
        parent=None,
        depth=0,
        badge=compartment.badge,
        name=compartment.name,
        kind=kind,
        flags="",
        address=compartment.base if compartment.size else None,
        size=compartment.size or None,
        now=pointers.letters(compartment.base, compartment.size),
        note=inside,
        foldable=foldable,
        folded=folded,
    )


def _part_rows(
    parts: tuple[Part, ...],
    compartment: Compartment,
    parent: str,
    depth: int,
    pointers: Pointers,
    unfolded: frozenset[str],
    folded: frozenset[str],
) -> Iterator[MapRow]:
    for part in parts:
        key = f"{parent}/{part.kind}@{hexa(part.address)}"
        closed = key in folded or (part.kind in FOLDED and key not in unfolded)
        yield MapRow(
            key=key,
            parent=parent,
            depth=depth,
            badge=compartment.badge,
            name=part.name,
            kind=part.kind,
            flags=part.flags,
            address=part.address,
            size=part.size or None,
            now=pointers.letters(part.address, part.size),
            note=_note(part),
            foldable=bool(part.parts),
            folded=bool(part.parts) and closed,
        )
        if part.parts and not closed:
            yield from _part_rows(part.parts, compartment, key, depth + 1, pointers, unfolded, folded)


def _note(part: Part) -> str:
    """What the guest says of a part, and ``rwx!`` where the pages allow more than the file asks."""
    wider = "rwx!" if part.kind == "segment" and set(part.prot) - {"-"} > set(part.flags) - {"-"} else ""
    return " ".join(note for note in (wider, part.note) if note)


# ---- what a capability reaches ----


def reach_text(places: Places, cap: Capability) -> str:
    """What the bounds cover: ``all of 17``, ``16, 17``, ``slot 0``, or nothing that is known."""
    whole = [c.badge for c in places.compartments if cap.base <= c.base and c.base + c.size <= cap.limit and c.size]
    if len(whole) > 3:
        return f"all of {count_text(len(whole), 'compartment')}"
    if whole:
        return "all of " + ", ".join(whole)
    part = next(
        (p for p in reversed(places.path(cap.base)) if (p.address, p.size) == (cap.base, cap.length)),
        None,
    )
    return part.name if part is not None else f"{size_text(cap.length)} of {places.badge(cap.base) or 'nothing known'}"
