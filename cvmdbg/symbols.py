"""Symbols of everything in memory: which name an address has, and which addresses a name has.

Each module is an ELF file at a base in a compartment; a ``*_debug.so`` twin with another image base may lend its
symbols and DWARF. Code without an ELF file (the monitor's trampolines) has bare symbols. All addresses are absolute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from cvmdbg.dwarf.functions import FunctionInfo
from cvmdbg.dwarf.info import DebugInfo
from cvmdbg.dwarf.lines import Line
from cvmdbg.elf import ElfImage, ElfSymbol
from cvmdbg.guests.guest import Module, Symbol
from cvmdbg.target import UserError

MAX_IMAGE = 1 << 30


@dataclass(frozen=True, slots=True)
class Named:
    """The name of an address. ``kind``: function, object, label; ``start`` is where the named thing begins."""

    name: str
    offset: int
    start: int
    size: int
    kind: str
    module: str
    badge: str

    @property
    def text(self) -> str:
        """``name+offset``."""
        return f"{self.name}+{self.offset}" if self.offset else self.name


@dataclass(frozen=True, slots=True)
class Found:
    """A place that a name means."""

    address: int
    name: str
    kind: str
    size: int
    module: str
    badge: str


@dataclass
class Loaded:
    """A module in memory with its symbols. ``trouble`` says why its file could not be read."""

    module: Module
    image: ElfImage | None
    trouble: str = ""
    twin: ElfImage | None = None
    state: str = ""

    @property
    def symbols_from(self) -> ElfImage | None:
        """The file that names come from."""
        return self.twin or self.image

    @cached_property
    def debug(self) -> DebugInfo | None:
        """DWARF of the file that names come from."""
        return DebugInfo(self.symbols_from) if self.symbols_from is not None else None

    @property
    def bias(self) -> int:
        """What is added to an address of the symbol file to make it absolute: a twin is linked at another base."""
        if self.twin is None or self.image is None:
            return self.base
        return self.base + self.image.image_base - self.twin.image_base

    @cached_property
    def base(self) -> int:
        """The module's base; below 0 where the file is linked above where it lies."""
        base, first = self.module.base, self.image.image_base if self.image is not None else 0
        return base - (1 << 64) if base + first >> 64 else base

    def holds(self, address: int) -> bool:
        """Is an absolute address in this module?"""
        return self.base <= address < self.base + self.module.size

    def lend(self, twin: ElfImage) -> None:
        """Take names and DWARF from another file."""
        self.twin = twin
        self.__dict__.pop("debug", None)


def load(module: Module, state: str = "") -> Loaded:
    """Parse a module's file; one that is broken, or whose file nobody has, stays in the list without symbols."""
    if not module.content:
        return Loaded(module, None, state=state)
    try:
        return Loaded(module, ElfImage(module.content, module.name), state=state)
    except UserError as error:
        return Loaded(module, None, str(error), state=state)


@dataclass
class Symbols:
    """The modules and bare symbols that are in memory now."""

    loaded: list[Loaded] = field(default_factory=list)
    bare: tuple[Symbol, ...] = ()

    def update(self, modules: Iterable[tuple[Module, str]], bare: tuple[Symbol, ...]) -> bool:
        """Take the modules that are in memory now, keeping what is read of those that stay. True when it changed."""
        wanted = list(modules)
        kept = {(entry.module.path, entry.module.base): entry for entry in self.loaded}
        fresh = [kept.get((module.path, module.base)) or load(module) for module, _ in wanted]
        for entry, (_, state) in zip(fresh, wanted, strict=True):
            entry.state = state
        changed = [e.module.base for e in fresh] != [e.module.base for e in self.loaded] or bare != self.bare
        self.loaded, self.bare = fresh, bare
        return changed

    # ---- from an address ----

    def module_at(self, address: int) -> Loaded | None:
        """The module that holds an address."""
        return next((entry for entry in self.loaded if entry.holds(address)), None)

    def name_at(self, address: int) -> Named | None:
        """What an address is called: the symbol that covers it, else the label before it."""
        entry = self.module_at(address)
        if entry is None:
            return self._bare_at(address)
        source = entry.symbols_from
        symbol = source.symbol_at(address - entry.bias) if source is not None else None
        if symbol is None:
            return None
        start = symbol.address + entry.bias
        return Named(
            symbol.name, address - start, start, symbol.size, symbol.kind, entry.module.name, entry.module.compartment
        )

    def _bare_at(self, address: int) -> Named | None:
        for symbol in self.bare:
            if symbol.address <= address < symbol.address + max(symbol.size, 4):
                return Named(
                    symbol.name,
                    address - symbol.address,
                    symbol.address,
                    symbol.size,
                    "function",
                    "monitor",
                    symbol.compartment,
                )
        return None

    def function_start(self, address: int) -> int | None:
        """Where the code around an address begins, as far as symbols know."""
        entry = self.module_at(address)
        if entry is None or entry.symbols_from is None:
            named = self._bare_at(address)
            return named.start if named is not None else None
        start = entry.symbols_from.function_start(address - entry.bias)
        return start + entry.bias if start is not None else None

    def mode_at(self, address: int) -> str | None:
        """``a64``, ``c64`` or ``data`` by mapping symbols; None where there are none."""
        entry = self.module_at(address)
        if entry is None or entry.symbols_from is None:
            return None
        return entry.symbols_from.mode_at(address - entry.bias)

    def line_at(self, address: int) -> Line | None:
        """The source line of an address."""
        entry = self.module_at(address)
        if entry is None or entry.debug is None:
            return None
        line = entry.debug.line_at(address - entry.bias)
        return _moved(line, entry.bias) if line is not None else None

    def line_block(self, address: int) -> tuple[int, int] | None:
        """The stretch of code around an address that belongs to its line."""
        entry = self.module_at(address)
        if entry is None or entry.debug is None or not entry.debug.present:
            return None
        block = entry.debug.lines.block(address - entry.bias)
        return (block[0] + entry.bias, block[1] + entry.bias) if block is not None else None

    def function_at(self, address: int) -> tuple[FunctionInfo, Loaded] | None:
        """The DWARF function of an address and its module."""
        entry = self.module_at(address)
        if entry is None or entry.debug is None:
            return None
        function = entry.debug.function_at(address - entry.bias)
        return (function, entry) if function is not None else None

    def source_gap(self, address: int) -> str:
        """Why there is no source for an address, and what would give it."""
        entry = self.module_at(address)
        if entry is None:
            return "no module is mapped here: assembly only"
        if entry.trouble:
            return entry.trouble
        stem = entry.module.name.removesuffix(".so")
        return f"no DWARF for {entry.module.name}: assembly only. Give it with: symbol-file {stem}_debug.so"

    # ---- from a name ----

    def select(self, where: str) -> list[Loaded]:
        """The modules of a compartment badge, or those whose name or path is ``where``."""
        by_badge = [e for e in self.loaded if e.module.compartment == where]
        by_name = [e for e in self.loaded if where in (e.module.name, e.module.path, e.module.name.removesuffix(".so"))]
        return by_badge or by_name

    def find(self, name: str, among: list[Loaded] | None = None) -> list[Found]:
        """Every place that a name means; functions before objects before labels."""
        places = list(self._find(name, self.loaded if among is None else among))
        if among is None:
            places += [
                Found(s.address, s.name, "function", s.size, "monitor", s.compartment)
                for s in self.bare
                if s.name == name
            ]
        order = {"function": 0, "object": 1, "label": 2}
        best = min((order[p.kind] for p in places), default=0)
        return [p for p in places if order[p.kind] == best]

    def _find(self, name: str, among: list[Loaded]) -> Iterator[Found]:
        for entry in among:
            source = entry.symbols_from
            for symbol in source.by_name.get(name, ()) if source is not None else ():
                yield _found(symbol, entry)

    def find_line(self, file: str, number: int) -> tuple[list[Found], int]:
        """The places at which a line begins, in every module, and the line that has code."""
        places: list[Found] = []
        taken = number
        for entry in self.loaded:
            if entry.debug is None or not entry.debug.present:
                continue
            starts, line = entry.debug.lines.starts_of(file, number)
            if starts:
                taken = line
            for start in starts:
                label = f"{file}:{line}"
                places.append(Found(start + entry.bias, label, "line", 0, entry.module.name, entry.module.compartment))
        return places, taken

    def knows_file(self, file: str) -> bool:
        """Has some module code from a source file of this name?"""
        return any(path == file or path.endswith("/" + file) for path in self.files())

    def files(self) -> list[str]:
        """All source files."""
        found: set[str] = set()
        for entry in self.loaded:
            if entry.debug is not None and entry.debug.present:
                found.update(entry.debug.lines.files)
        return sorted(found)

    def names(self) -> Iterator[tuple[str, str, str]]:
        """Every symbol as (name, kind, module), for completion and the palette."""
        for entry in self.loaded:
            if entry.symbols_from is not None:
                for symbol in entry.symbols_from.symbols:
                    yield symbol.name, symbol.kind, entry.module.name
        for bare in self.bare:
            yield bare.name, "function", "monitor"

    def body(self, address: int) -> int:
        """Where a breakpoint on a function that begins at ``address`` belongs: behind the prologue of compiled code."""
        found = self.function_at(address)
        if found is None:
            return address
        function, entry = found
        if not function.c_like or function.start + entry.bias != address or entry.debug is None:
            return address
        after = entry.debug.lines.after_prologue(function.start, function.end)
        return after + entry.bias if after is not None else address


def _found(symbol: ElfSymbol, entry: Loaded) -> Found:
    return Found(
        symbol.address + entry.bias,
        symbol.name,
        symbol.kind,
        symbol.size,
        entry.module.name,
        entry.module.compartment,
    )


def _moved(line: Line, bias: int) -> Line:
    return Line(line.start + bias, line.end + bias, line.file, line.number, line.statement)


# ---- twins ----


def image_digest(image: ElfImage) -> str:
    """SHA-256 over the image as a monitor maps it: the PT_LOADs in zeroed memory, before relocation."""
    if image.image_size > MAX_IMAGE:
        raise UserError(f"{image.name}: an image of {image.image_size:#x} bytes is not believable")
    memory = bytearray(image.image_size)
    for segment in image.segments:
        at = segment.address - image.image_base
        content = image.content[segment.offset : segment.offset + segment.file_size]
        memory[at : at + len(content)] = content
    return hashlib.sha256(memory).hexdigest()


def check_twin(loaded: Loaded, twin: ElfImage) -> str:
    """Say how a symbol file agrees with the module it is given for; UserError when it is another build.

    Files of one image base must have the digest of the loaded image; twins of another base must have the same
    layout and the same code bytes (position-independent code does not change with its base).
    """
    image = loaded.image
    if image is None:
        raise UserError(f"{loaded.module.name} cannot be compared with {twin.name}: {loaded.trouble}")
    if twin.image_base == image.image_base and image_digest(twin) == image_digest(image):
        return f"SHA-256 {image_digest(image)[:16]}… of the loaded image agrees"
    layout = [(s.address - image.image_base, s.size, s.flags) for s in image.segments]
    if [(s.address - twin.image_base, s.size, s.flags) for s in twin.segments] != layout:
        raise UserError(f"{twin.name} is no twin of {loaded.module.name}: their segments differ")
    for name, mine, theirs in _code(image, twin):
        if mine != theirs:
            at = next((i for i, pair in enumerate(zip(mine, theirs, strict=False)) if pair[0] != pair[1]), 0)
            raise UserError(f"{twin.name} is no twin of {loaded.module.name}: {name} differs at +{at:#x}")
    return f"image base {twin.image_base:#x}, same layout and code as the loaded image"


def _code(image: ElfImage, twin: ElfImage) -> Iterator[tuple[str, bytes, bytes]]:
    """The executable sections of both, side by side."""
    ours = {s.name: s for s in image.raw.iter_sections() if s["sh_flags"] & 4}
    theirs = {s.name: s for s in twin.raw.iter_sections() if s["sh_flags"] & 4}
    for name, section in ours.items():
        yield name, section.data(), theirs[name].data() if name in theirs else b""
