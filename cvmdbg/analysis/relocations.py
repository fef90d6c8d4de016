"""Relocations of the modules in memory: what each slot is to hold, what it holds now, and who provides it.

Everything is read from the files and from memory as it stands, so it is as true in the past as it is live.

    done       the slot holds what the file asks for, or a capability with its tag
    lazy       a JUMP_SLOT that still leads into the module's own PLT: bound when it is first called
    expected   not yet
    failed     no module defines the symbol, or a capability was made without its tag
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from cvmdbg.dynamic import Dynamic, Relocation
from cvmdbg.elf import ElfImage
from cvmdbg.forms import VALUE, size_text
from cvmdbg.guests.guest import Compartment
from cvmdbg.rows import RelocationRow
from cvmdbg.symbols import Loaded
from cvmdbg.target import TargetError, UserError
from emulator_core.capability import Capability

if TYPE_CHECKING:
    from cvmdbg.debugger import Debugger

MOST_TIMES = 128
"""Slots whose filling is looked up at once."""
WIDE = 1 << 20
"""Bounds from this size on are worth a note when the module is smaller."""
_TLS = ("TLS_DTPMOD", "TLS_DTPREL", "TLS_TPREL", "TLSDESC")


@dataclass(frozen=True)
class Linked:
    """A module with what its file asks of a loader; ``begin`` is what its pointers are relative to."""

    entry: Loaded
    dynamic: Dynamic
    begin: int

    @property
    def bias(self) -> int:
        """What is added to an address of the file to make it absolute."""
        return self.entry.module.base

    @cached_property
    def relocations(self) -> tuple[Relocation, ...]:
        """Its relocations; none where the file is broken, which the module's row says."""
        try:
            return self.dynamic.relocations
        except UserError:
            return ()


class Relocations:
    """The relocations of all modules, by number from 1, in the order of the modules."""

    def __init__(self, debugger: Debugger, dynamics: dict[int, Dynamic]) -> None:
        self._debugger = debugger
        self.modules = tuple(_linked(debugger, dynamics))
        self._missing: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return sum(len(module.relocations) for module in self.modules)

    def of(self, module: Linked) -> tuple[RelocationRow, ...]:
        """The rows of one module."""
        first = 1
        for other in self.modules:
            if other is module:
                break
            first += len(other.relocations)
        return tuple(self._row(first + index, module, found) for index, found in enumerate(module.relocations))

    def rows(self, start: int, count: int | None, only: str = "") -> tuple[RelocationRow, ...]:
        """Rows from an index on; ``only`` keeps those that hold a text in module, type or symbol."""
        wanted: list[tuple[int, Linked, Relocation]] = []
        number = 0
        for module in self.modules:
            for found in module.relocations:
                number += 1
                if not only or any(only in part for part in (module.entry.module.name, found.name, found.symbol)):
                    wanted.append((number, module, found))
        end = None if count is None else start + count
        return tuple(self._row(*item) for item in wanted[start:end])

    def binding(self, symbol: str) -> tuple[RelocationRow, ...]:
        """The rows whose slots bind a symbol: the loader's name of it, exactly."""
        numbered = enumerate(((module, found) for module in self.modules for found in module.relocations), 1)
        return tuple(self._row(number, *pair) for number, pair in numbered if pair[1].symbol == symbol)

    def done(self, module: Linked) -> int:
        """How many of a module's slots are filled (or wait for their first call)."""
        return sum(row.state in ("done", "lazy") for row in self.of(module))

    # ---- one ----

    def _row(self, number: int, module: Linked, found: Relocation) -> RelocationRow:
        slot = module.bias + found.offset
        provider, target, problem = self._target(module, found)
        made = self._made(slot) if found.mints else None
        held = self._word(slot)
        if made is not None and made >> 128:
            value: int | None = made & VALUE
            state, note = "done", _width(made, module)
        else:
            value, state, note = self._plain(module, found, held, target, problem)
            made = None
        if state == "expected" and found.symbol and target is None and not note and found.name not in _TLS:
            note = f"no module defines it yet: {', '.join(self._awaited(module))} not loaded"
        return RelocationRow(
            number=number,
            module=module.entry.module.name,
            badge=module.entry.module.compartment,
            kind=found.name,
            slot=slot,
            value=value,
            minted=made,
            symbol=found.symbol or self._name(value),
            provider=provider,
            state=state,
            note=problem if state == "failed" and problem else note,
        )

    def _plain(
        self, module: Linked, found: Relocation, held: int | None, target: int | None, problem: str
    ) -> tuple[int | None, str, str]:
        """Value, state and note of a slot that holds no capability (yet)."""
        if problem:
            return held, "failed", problem
        if held is None:
            return target, "expected", "its slot is not mapped"
        if found.mints:
            return target, "expected", ""
        if found.name in _TLS or found.name in ("COPY", "IRELATIVE"):
            untouched = held in (0, self._file_word(module, found))
            return self._absolute(module, held), "expected" if untouched else "done", ""
        if target is not None and held == (target - module.begin) & VALUE:
            return target, "done", ""
        if found.name == "JUMP_SLOT" and module.entry.holds(self._absolute(module, held)) and held:
            return target, "lazy", "bound at its first call"
        if found.weak and target is None:
            return None, "done", "weak, and nobody has it: null"
        if not found.symbol and held not in (0, self._file_word(module, found)):
            return self._absolute(module, held), "done", "changed since"
        bound = self._debugger.symbols.module_at(self._absolute(module, held)) if held else None
        if bound is not None and found.symbol and held != self._file_word(module, found):
            return self._absolute(module, held), "done", f"bound in {bound.module.name}"
        return target, "expected", ""

    def _target(self, module: Linked, found: Relocation) -> tuple[str, int | None, str]:
        """Who provides what it wants: ``17 libldso``, the absolute address, and why there is none."""
        own = f"{module.entry.module.compartment} {module.entry.module.name}"
        if not found.symbol:
            where = found.addend if not found.mints else self._file_word(module, found) + found.addend
            return own, module.bias + (where & ~1) if where else None, ""
        if found.name in _TLS:
            return own if found.defined is not None else "", None, ""
        for other in self._others(module):
            place = _symbol(other.dynamic.image, found.symbol)
            if place is not None:
                who = f"{other.entry.module.compartment} {other.entry.module.name}"
                return who, other.bias + place + found.addend, ""
        if found.weak:
            return "", None, ""
        if self._awaited(module):
            return "", None, ""
        searched = ", ".join(other.entry.module.name for other in self._others(module))
        return "", None, f"no module defines {found.symbol}: looked in {searched}"

    def _awaited(self, module: Linked) -> tuple[str, ...]:
        """Libraries that modules of its compartment need and that are not in memory."""
        badge = module.entry.module.compartment
        if badge not in self._missing:
            others = self._others(module)
            have = {name for other in others for name in (other.entry.module.name, other.dynamic.soname)}
            needed = dict.fromkeys(name for other in others for name in other.dynamic.needed)
            self._missing[badge] = tuple(name for name in needed if name not in have)
        return self._missing[badge]

    def _others(self, module: Linked) -> list[Linked]:
        """The modules that symbols are looked for in: those of the same compartment, in order."""
        return [other for other in self.modules if other.entry.module.compartment == module.entry.module.compartment]

    def _file_word(self, module: Linked, found: Relocation) -> int:
        return module.dynamic.word(found.offset)

    def _absolute(self, module: Linked, held: int) -> int:
        return held + module.begin & VALUE

    def _name(self, value: int | None) -> str:
        named = self._debugger.symbols.name_at(value & ~1) if value else None
        return named.text if named is not None else ""

    def _word(self, slot: int) -> int | None:
        try:
            return int.from_bytes(self._debugger.target.read(slot, 8), "little")
        except TargetError:
            return None

    def _made(self, slot: int) -> int | None:
        power = self._debugger.target.capabilities
        try:
            return power.read(slot & ~15) if power is not None else None
        except TargetError:
            return None


def times_filled(debugger: Debugger, rows: tuple[RelocationRow, ...]) -> tuple[RelocationRow, ...]:
    """Rows with the tick of the write that gave each done slot what it holds; as they are without a history.

    UserError for more than ``MOST_TIMES`` rows: each one is a search of the recording.
    """
    history = debugger.target.history
    if history is None:
        return rows
    if len(rows) > MOST_TIMES:
        raise UserError(f"{len(rows)} slots are too many to look up: at most {MOST_TIMES}; name a module or a symbol")
    found = []
    for row in rows:
        write = history.last_access(row.slot, 8, "w", history.now) if row.state in ("done", "lazy") else None
        found.append(replace(row, filled=write.mark.tick) if write is not None else row)
    return tuple(found)


def _linked(debugger: Debugger, dynamics: dict[int, Dynamic]) -> list[Linked]:
    """The modules whose files are known; ``dynamics`` keeps what is parsed, by the image's identity."""
    found = []
    for entry in debugger.symbols.loaded:
        if entry.image is None:
            continue
        compartment = debugger.places.named(entry.module.compartment)
        dynamic = dynamics.setdefault(id(entry.image), Dynamic(entry.image))
        found.append(Linked(entry, dynamic, _begin(compartment)))
    return found


def _begin(compartment: Compartment | None) -> int:
    return compartment.begin if compartment is not None and not compartment.pure else 0


def _symbol(image: ElfImage, name: str) -> int | None:
    """A symbol that others may use."""
    return next((s.address for s in image.by_name.get(name, ()) if s.bind != "local"), None)


def _width(made: int, module: Linked) -> str:
    """Bounds that reach beyond the module."""
    cap = Capability(made)
    begin, end = module.entry.module.base, module.entry.module.base + module.entry.module.size
    if cap.length < WIDE or (begin <= cap.base and cap.limit <= end):
        return ""
    return f"wide: {size_text(cap.length)} from {cap.base:x}"
