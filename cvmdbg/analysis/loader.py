"""Modules that a guest's own loader mapped, found by walking its link map.

    DT_DEBUG of the application, or the symbol _dl_debug_addr of the loader
      └▶ r_debug: version, r_map, r_brk, r_state          purecap offsets 0, 16, 32, 40; A64 0, 8, 16, 24
           └▶ link_map: l_addr, l_name, l_ld, l_next, …   purecap offsets 0, 16, 32, 48; A64 0, 8, 16, 24

``_dl_debug_state`` is called after each change: a site there tells when to walk again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cvmdbg.analysis.compartments import Places
from cvmdbg.elf import ElfImage
from cvmdbg.forms import VALUE
from cvmdbg.guests.guest import Compartment, Module
from cvmdbg.symbols import Loaded, Symbols
from cvmdbg.target import Target, TargetError, UserError
from cvmdbg.values import c_string

MAX_MODULES = 1000
DT_DEBUG = 21
STATE_NAMES = {0: "loaded", 1: "being added", 2: "being removed"}


@dataclass(frozen=True, slots=True)
class _Shape:
    """Offsets in r_debug and link_map, by the width of a pointer."""

    pure: bool

    @property
    def step(self) -> int:
        """Bytes of a pointer."""
        return 16 if self.pure else 8


class Loader:
    """Looks for link maps in a stopped guest."""

    def __init__(self, target: Target, file: Callable[[str], bytes | None]) -> None:
        self._target, self._file = target, file
        self._cache: dict[tuple[str, int], Module | None] = {}

    def sites(self, symbols: Symbols) -> tuple[int, ...]:
        """Where loaders say that their list has changed."""
        return tuple(found.address for found in symbols.find("_dl_debug_state") if found.kind == "function")

    def modules(self, symbols: Symbols, places: Places) -> list[tuple[Module, str]]:
        """The modules of all link maps that are not known by deployment, with their state."""
        found: list[tuple[Module, str]] = []
        for entry in symbols.loaded:
            compartment = places.named(entry.module.compartment)
            if compartment is None or entry.state:
                continue
            try:
                found += self._walk(entry, compartment, symbols)
            except TargetError:
                continue  # not initialised yet: nothing is listed
        return found

    def _walk(self, entry: Loaded, compartment: Compartment, symbols: Symbols) -> list[tuple[Module, str]]:
        debug = self._debug(entry, compartment)
        if not debug:
            return []
        shape = _Shape(bool(compartment.pure))
        state = self._state(debug, shape)
        bases = {e.module.base for e in symbols.loaded if not e.state}
        modules: list[tuple[Module, str]] = []
        for node, base in self._nodes(debug, shape, compartment):
            if base not in bases:
                module = self._module(node, base, shape, compartment)
                if module is not None:
                    modules.append((module, STATE_NAMES.get(state, f"r_state {state}")))
        return modules

    def _state(self, debug: int, shape: _Shape) -> int:
        return self._word(debug + 2 * shape.step + 8) & 0xFFFFFFFF

    def _nodes(self, debug: int, shape: _Shape, compartment: Compartment) -> Iterator[tuple[int, int]]:
        """Each link_map with the module's base."""
        node = self._pointer(debug + shape.step, compartment)
        for _ in range(MAX_MODULES):
            if not node:
                return
            base = self._word(node)
            yield node, base if compartment.pure or base >= compartment.begin else base + compartment.begin
            node = self._pointer(node + 3 * shape.step, compartment)

    def listed(self, symbols: Symbols, places: Places) -> tuple[dict[tuple[str, int], str], bool]:
        """What the link maps list: names by compartment and base; and whether none of them is being changed."""
        found: dict[tuple[str, int], str] = {}
        settled = True
        for entry in symbols.loaded:
            compartment = places.named(entry.module.compartment)
            if compartment is None or entry.state:
                continue
            try:
                debug = self._debug(entry, compartment)
                if not debug:
                    continue
                shape = _Shape(bool(compartment.pure))
                for node, base in self._nodes(debug, shape, compartment):
                    found[compartment.badge, base] = self._name(node, shape, compartment).rpartition("/")[2]
                settled &= not self._state(debug, shape)
            except TargetError:
                continue  # not initialised yet: nothing is listed
        return found, settled

    def _debug(self, entry: Loaded, compartment: Compartment) -> int:
        """The address of r_debug, 0 when this module knows none (yet)."""
        image = entry.image
        if image is None:
            return 0
        for symbol in image.by_name.get("_dl_debug_addr", ()):
            return self._pointer(symbol.address + entry.bias, compartment)
        if DT_DEBUG in image.dynamic:
            word = self._word(image.dynamic[DT_DEBUG] + entry.bias)
            return word if compartment.pure or not word else word + compartment.begin
        return 0

    def _module(self, node: int, base: int, shape: _Shape, compartment: Compartment) -> Module | None:
        path = self._name(node, shape, compartment)
        if (path, base) not in self._cache:
            self._cache[path, base] = self._open(path, base, compartment)
        return self._cache[path, base]

    def _name(self, node: int, shape: _Shape, compartment: Compartment) -> str:
        name = c_string(self._pointer(node + shape.step, compartment), self._target) or b""
        return name.decode("utf-8", "replace")

    def _open(self, path: str, base: int, compartment: Compartment) -> Module | None:
        content = self._file(path)
        if content is None:
            return Module(path.rsplit("/", 1)[-1], path, base, 0, compartment.badge, "", b"")
        try:
            image = ElfImage(content, path)
            size = image.image_base + image.image_size
        except UserError:
            size = 0
        digest = hashlib.sha256(content).hexdigest()
        return Module(path.rsplit("/", 1)[-1], path, base, size, compartment.badge, digest, content)

    def _word(self, address: int) -> int:
        return int.from_bytes(self._target.read(address, 8), "little")

    def _pointer(self, address: int, compartment: Compartment) -> int:
        """The absolute address that a pointer in memory means, 0 for null."""
        word = self._word(address) & VALUE
        return word if compartment.pure or not word else word + compartment.begin
