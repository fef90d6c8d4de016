"""The tour of a load as steps, from the trace and from memory: which paths were tried, what was read and mapped from
where, what a module needs, how far its slots are filled, which init functions it has.

    open ─▶ read headers ─▶ map segments ─▶ needs ─▶ relocate k of n ─▶ init

A file counts as a module once its first bytes are an ELF header's. A library that no module needs was asked for at run
time (dlopen). Nothing here is kept that the trace does not hold, so the steps are the same in the past.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cvmdbg.analysis.asked import Asked
from cvmdbg.analysis.crossings import Entry, Trace
from cvmdbg.analysis.relocations import Linked, Relocations
from cvmdbg.dynamic import Dynamic
from cvmdbg.elf import ElfImage
from cvmdbg.forms import VALUE, hexa, minted_text, size_text
from cvmdbg.guests.guest import Module
from cvmdbg.rows import LoadRow
from cvmdbg.target import UserError

if TYPE_CHECKING:
    from cvmdbg.debugger import Debugger

ELF = b"\x7fELF"
_OPENERS = ("open", "openat", "openat2")
_LIBRARY = re.compile(r"\.so(\.\d+)*$")
_READERS = ("read", "pread64", "readv", "preadv")
MAX_TRIED = 64
MAX_STEPS = 256
"""Steps of one file that are kept: a loader takes a dozen, a program may read a library for ever."""
PAGE = 4096
CALLS = frozenset({"close", "munmap", "lseek", "mmap", *_OPENERS, *_READERS})
"""The calls that the steps are made of."""


@dataclass
class _File:
    """An open file: ``steps`` are what was done with it, shown once it proves to be a module."""

    path: str
    badge: str
    offset: int = 0
    module: bool = False
    gone: bool = False
    pieces: list[tuple[int, int, int, bool]] = field(default_factory=list)  # offset, bytes, where to, by mmap?
    made: Module | None = None
    looked: int = 0
    steps: list[LoadRow] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Loading:
    """Follows the files that a guest's loader opens; what was seen of the trace is not looked at again."""

    def __init__(self) -> None:
        self._trace: Trace | None = None
        self._seen = 0
        self._inside: list[Entry] = []
        self._open: dict[tuple[str, int], _File] = {}
        self._tried: dict[str, list[LoadRow]] = {}
        self.files: list[_File] = []
        self.dynamics: dict[int, Dynamic] = {}

    # ---- the trace ----

    def follow(self, trace: Trace) -> None:
        """Take the calls that have ended since."""
        if trace is not self._trace or self._seen > trace.dropped + len(trace.entries):
            self._trace, self._seen = trace, 0
            self._open, self._tried, self.files, self._inside = {}, {}, [], []
        fresh = trace.entries[max(0, self._seen - trace.dropped) :]
        self._seen = trace.dropped + len(trace.entries)
        waiting, self._inside = self._inside, []
        for entry in (*waiting, *(entry for entry in fresh if entry.name in CALLS)):
            if entry.ended is None:
                self._inside.append(entry)
            else:
                self._take(entry)

    def _take(self, entry: Entry) -> None:
        owner = entry.path.partition("→")[0]
        if entry.name in _OPENERS:
            self._opened(entry, owner)
        elif entry.name == "close":
            self._open.pop((owner, entry.word(0)), None)
        elif entry.name == "munmap":
            self._unmapped(entry, owner)
        else:
            self._used(entry, owner)

    def _opened(self, entry: Entry, owner: str) -> None:
        if entry.decoded is None or entry.value is None:
            return
        content = next(
            (
                shown.content
                for argument, shown in zip(entry.entry.arguments, entry.decoded.shown, strict=True)
                if argument.kind == "path"
            ),
            None,
        )
        path = (content or b"").decode("utf-8", "replace")
        name = path.rpartition("/")[2]
        if entry.failed:
            tried = self._tried.setdefault(name, [])
            if len(tried) < MAX_TRIED:
                tried.append(_step(entry, "tried", owner, name, f"{path}: {entry.result.removeprefix('= -1 ')}"))
            return
        file = _File(path, owner)
        file.steps = [*self._tried.pop(name, []), _step(entry, "open", owner, name, path)]
        self._open[owner, entry.value] = file

    def _used(self, entry: Entry, owner: str) -> None:
        """A call on an open file: a read, a seek, a mapping."""
        file = self._open.get((owner, entry.word(4 if entry.name == "mmap" else 0)))
        if file is None or entry.failed or entry.value is None or len(file.steps) >= MAX_STEPS:
            return
        result = entry.value
        if entry.name == "lseek":
            file.offset = result
        elif entry.name in _READERS:
            self._read(entry, file, result)
        elif entry.name == "mmap":
            self._mapped(entry, file, result)

    def _read(self, entry: Entry, file: _File, count: int) -> None:
        assert entry.decoded is not None
        frame = entry.decoded.frame
        at = frame.value(3) if entry.name == "pread64" else file.offset
        content = entry.decoded.shown[1].content or b""
        if at == 0 and content.startswith(ELF):
            self._proved(file)
        elif not file.module:
            self._open = {key: held for key, held in self._open.items() if held is not file}  # a file of data
            return
        address = frame.caller.place(frame.bits[1])
        text = f"{size_text(count)} from offset {at:#x} to {hexa(address)}"
        file.steps.append(_step(entry, "read", file.badge, file.name, text, address))
        file.pieces.append((at, count, address, False))
        if entry.name != "pread64":
            file.offset += count

    def _mapped(self, entry: Entry, file: _File, address: int) -> None:
        assert entry.decoded is not None
        frame = entry.decoded.frame
        prot = frame.value(2)
        letters = "".join(letter if prot & bit else "-" for letter, bit in (("r", 1), ("w", 2), ("x", 4)))
        where = frame.caller.place(address)
        text = f"{letters} {hexa(where)} +{size_text(frame.value(1))} from offset {frame.value(5):#x}"
        file.steps.append(_step(entry, "map", file.badge, file.name, text, where))
        file.pieces.append((frame.value(5), frame.value(1), where, True))

    def _proved(self, file: _File) -> None:
        if not file.module:
            file.module = True
            self.files.append(file)

    def _unmapped(self, entry: Entry, owner: str) -> None:
        """The first mapping of a module goes: dlclose."""
        if not self.files or entry.decoded is None:
            return
        frame = entry.decoded.frame
        address = frame.caller.place(frame.bits[0])
        for file in self.files:
            first = next((s.address for s in file.steps if s.kind == "map"), None)
            if first == address and file.badge == owner:
                text = f"{hexa(address)} +{size_text(frame.value(1))}"
                file.steps.append(_step(entry, "unmap", owner, file.name, text, address))
                file.gone = True

    # ---- modules ----

    def modules(self, content: Callable[[str], bytes | None]) -> tuple[Module, ...]:
        """Modules whose segments are in memory, before any link map lists them; ``content`` gives a file's bytes."""
        found = []
        for file in self.files:
            if file.made is None and not file.gone and file.looked != len(file.pieces):
                file.looked = len(file.pieces)
                file.made = _made(file, content(file.path))
            if file.made is not None and not file.gone:
                found.append(file.made)
        return tuple(found)

    # ---- the steps ----

    def rows(self, debugger: Debugger) -> tuple[LoadRow, ...]:
        """All steps so far: those of files in the order in which they were opened, then what each module asks for."""
        self.follow(debugger.trace)
        relocations = Relocations(debugger, self.dynamics)
        found: list[tuple[int, list[LoadRow]]] = [
            (a.tick, [_asked(a, debugger, self._tried)]) for a in debugger.asking.shown()
        ]
        told: set[int] = set()
        needed = {name for module in relocations.modules for name in _needed(module)}
        for file in self.files:
            module = _module_of(file, relocations.modules)
            rows = list(_noted(file, module, needed))
            if module is not None and id(module) not in told:
                told.add(id(module))
                rows += _asks(module, relocations)
            found.append((rows[0].tick or 0 if rows else 0, rows))
        found += [(rows[0].tick or 0, [*rows, _nowhere(rows)]) for rows in self._tried.values() if _is_library(rows[0])]
        found.sort(key=lambda group: group[0])
        deployed = (module for module in relocations.modules if id(module) not in told)
        asks = (row for module in deployed for row in _asks(module, relocations))
        return (*asks, *(row for _, rows in found for row in rows))


def _made(file: _File, content: bytes | None) -> Module | None:
    """The module that a file has become: its base by the first segment that lies where its headers want it.

    A read may have been one of the headers alone: it takes those of all segments to make a module.
    """
    if content is None:
        return None
    try:
        image = ElfImage(content, file.path)
        wanted = [(s.offset, s.file_size, s.address) for s in image.segments if s.file_size]
        size = image.image_base + image.image_size
    except UserError:
        return None
    read: defaultdict[int, set[int]] = defaultdict(set)
    for offset, count, where, mapped in file.pieces:
        for start, length, address in wanted:
            skew = start - offset  # a mapping begins at a page, a read at the segment
            if not (0 <= skew < PAGE and count >= length + skew and (skew == 0 or not where % PAGE)):
                continue
            base = where + skew - address
            read[base].add(start)
            if mapped or len(read[base]) == len(wanted):
                digest = hashlib.sha256(content).hexdigest()
                return Module(file.name, file.path, base, size, file.badge, digest, content)
    return None


def _step(entry: Entry, kind: str, badge: str, module: str, what: str, address: int | None = None) -> LoadRow:
    state = "failed" if entry.failed else "done"
    return LoadRow(kind, module, badge, what, state, entry.tick, entry.number, address)


def _is_library(row: LoadRow) -> bool:
    """Could a file that was not found have been a module? Programs try many others."""
    return _LIBRARY.search(row.module) is not None


def _nowhere(tried: list[LoadRow]) -> LoadRow:
    """What was looked for, and is nowhere."""
    last = tried[-1]
    return replace(
        last,
        kind="missing",
        what=f"not found: {len(tried)} {'path' if len(tried) == 1 else 'paths'} tried",
        state="failed",
    )


def _asked(asked: Asked, debugger: Debugger, tried: dict[str, list[LoadRow]]) -> LoadRow:
    """A question to the loader at run time, with its answer."""
    handle = asked.value if asked.kind == "dlopen" else asked.handle
    module = debugger.asking.name_of(handle, asked.badge)
    if asked.kind == "dlopen":
        module = asked.word.rpartition("/")[2] or module
        paths = ", ".join(row.what for row in tried.get(module, ()))
        missing = f": tried {paths}" if paths else ""
        what = (
            f"{asked.word or 'the program itself'} → {hexa(asked.value & VALUE) if asked.value else 'null' + missing}"
        )
    elif asked.kind == "dlclose":
        what = "closed" if not asked.value else f"refused with {asked.value}"
    elif asked.value:
        address = asked.value & VALUE & ~1
        named = debugger.symbols.name_at(address)
        minted = f" {minted_text(asked.value)}" if asked.value >> 128 else ""
        what = f"{asked.word} → {hexa(address)}{minted}" + (f" {named.text} of {named.module}" if named else "")
    else:
        what = f"{asked.word} → null: no module that {module} reaches defines it"
    return LoadRow(asked.kind, module, asked.badge, what, "failed" if asked.failed else "done", asked.tick)


def _noted(file: _File, module: Linked | None, needed: set[str]) -> Iterable[LoadRow]:
    """The steps of a file; one that nobody needs was asked for at run time."""
    asked = file.name in needed or (module is not None and module.dynamic.soname in needed)
    program = module is not None and bool(module.dynamic.needed) and not module.dynamic.soname
    for step in file.steps:
        if step.kind == "open" and not asked and not program:
            yield replace(step, what=f"{step.what} at run time: no module needs it")
        else:
            yield step


def _module_of(file: _File, modules: Iterable[Linked]) -> Linked | None:
    """The module that a file became: by its path, else by its name."""
    same = [m for m in modules if m.entry.module.compartment == file.badge]
    exact = next((m for m in same if m.entry.module.path == file.path), None)
    return exact or next((m for m in same if m.entry.module.name == file.name), None)


def _needed(module: Linked) -> tuple[str, ...]:
    return module.dynamic.needed


def _asks(module: Linked, relocations: Relocations) -> Iterable[LoadRow]:
    """What a module needs, how far its relocations are, its init functions."""
    name, badge = module.entry.module.name, module.entry.module.compartment
    base = module.entry.module.base
    if module.dynamic.needed:
        yield LoadRow("needs", name, badge, ", ".join(module.dynamic.needed), "done", address=base)
    rows = relocations.of(module)
    if rows:
        done = sum(row.state in ("done", "lazy") for row in rows)
        failed = next((row for row in rows if row.state == "failed"), None)
        state = "failed" if failed else "done" if done == len(rows) else "now" if done else "expected"
        why = f": {failed.note}" if failed is not None else ""
        yield LoadRow("relocate", name, badge, f"{done} of {len(rows)}{why}", state, address=rows[0].slot)
    functions = module.dynamic.init_functions
    if functions:
        where = f"{len(functions)} from {hexa(module.bias + functions[0])}"
        yield LoadRow("init", name, badge, where, "listed", address=module.bias + functions[0])
