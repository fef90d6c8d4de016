"""What is read of an ELF file: PT_LOADs, .rela.dyn, __cap_relocs and four symbols by the loader, one by the tracer.

Every offset is checked against the file, every count against a limit: the file may come from anywhere.
Source: Intravisor src/load_elf.c; Morello fragments: Arm, Morello extensions to ELF for the AArch64 ABI.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cvmdbg.target import UserError

MAX_BYTES = 128 << 20
MAX_SEGMENTS = 64
MAX_SECTIONS = 4096
MAX_SYMBOLS = 1 << 20
MAX_RELOCATIONS = 1 << 20
EM_AARCH64 = 183
PT_LOAD, SHT_SYMTAB = 1, 2
PF_X, PF_W, PF_R = 1, 2, 4
WANTED = (b"ret_from_monitor", b"syscall_handler", b"cvm_heap_begin", b"cvm_heap_size", b"lkl_syscall")

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")


class ElfError(UserError):
    """The file cannot be loaded: one sentence."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A PT_LOAD. ``index`` is its place among all program headers."""

    index: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int

    @property
    def end(self) -> int:
        """First virtual address behind the segment."""
        return self.vaddr + self.memsz

    @property
    def letters(self) -> str:
        """``r-x``."""
        return "".join(r if self.flags & bit else "-" for r, bit in (("r", PF_R), ("w", PF_W), ("x", PF_X)))


@dataclass(frozen=True, slots=True)
class Section:
    """A section header with its name. ``offset`` and ``size`` lie inside the file unless it takes no bytes there."""

    name: str
    kind: int
    address: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class Relocation:
    """An entry of .rela.dyn: what the monitor uses of it."""

    offset: int
    addend: int


@dataclass(frozen=True, slots=True)
class Elf:
    """A loadable file. Addresses are the file's own, ``symbols`` the wanted ones that it defines."""

    name: str
    content: bytes
    entry: int
    flags: int
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    symbols: dict[str, int]
    relocations: tuple[Relocation, ...] | None  # None: there is no .rela.dyn, so it is a hybrid object
    has_cap_relocs: bool

    @property
    def end(self) -> int:
        """End of the last PT_LOAD in memory: the monitor's size of the image."""
        return self.segments[-1].end


def read(content: bytes, name: str) -> Elf:
    """Parses an AArch64 ELF. ElfError says what is wrong with it."""
    if len(content) > MAX_BYTES:
        raise ElfError(f"{name}: {len(content)} bytes are too many: at most {MAX_BYTES}")
    if len(content) < _HEADER.size or content[:4] != b"\x7fELF":
        raise ElfError(f"{name}: not an ELF file")
    ident, kind, machine, _, entry, phoff, shoff, flags, _, phsize, phnum, shsize, shnum, shstr = _HEADER.unpack_from(
        content
    )
    if ident[4] != 2 or ident[5] != 1:
        raise ElfError(f"{name}: expected a 64-bit little-endian ELF")
    if machine != EM_AARCH64:
        raise ElfError(f"{name}: its machine is {machine}, expected AArch64 ({EM_AARCH64})")
    if kind not in (2, 3):
        raise ElfError(f"{name}: its type is {kind}, expected an executable or a shared object")
    file = _File(name, content)
    segments = file.segments(phoff, phsize, phnum)
    sections = file.sections(shoff, shsize, shnum, shstr)
    relocations = file.relocations(sections)
    caps = any(s.name.startswith("__cap_relocs") for s in sections)
    return Elf(name, content, entry, flags, segments, sections, file.symbols(sections), relocations, caps)


@dataclass(frozen=True, slots=True)
class _File:
    """The bytes, with every access checked."""

    name: str
    content: bytes

    def table(self, layout: struct.Struct, offset: int, count: int, what: str) -> list[tuple[int, ...]]:
        """``count`` records at ``offset``."""
        size = count * layout.size
        if offset + size > len(self.content):
            raise ElfError(f"{self.name}: {what} at {offset:#x} reach past the end of the file, {len(self.content):#x}")
        return list(layout.iter_unpack(self.content[offset : offset + size]))

    def segments(self, offset: int, size: int, count: int) -> tuple[Segment, ...]:
        if size != _SEGMENT.size or count > MAX_SEGMENTS:
            raise ElfError(
                f"{self.name}: {count} program headers of {size} bytes, "
                f"expected at most {MAX_SEGMENTS} of {_SEGMENT.size}"
            )
        headers = self.table(_SEGMENT, offset, count, "the program headers")
        loads = tuple(
            Segment(index, flags, file_offset, vaddr, paddr, filesz, memsz)
            for index, (kind, flags, file_offset, vaddr, paddr, filesz, memsz, _) in enumerate(headers)
            if kind == PT_LOAD
        )
        if not loads:
            raise ElfError(f"{self.name}: it has no PT_LOAD, so there is nothing to load")
        for load in loads:
            self._check(load)
        return loads

    def _check(self, load: Segment) -> None:
        what = f"{self.name}: program header {load.index}"
        if load.offset + load.filesz > len(self.content):
            raise ElfError(f"{what} reaches past the end of the file")
        if load.filesz > load.memsz:
            raise ElfError(f"{what} has more bytes in the file ({load.filesz:#x}) than in memory ({load.memsz:#x})")
        if load.end >= 1 << 64:
            raise ElfError(f"{what} ends past the address space")

    def sections(self, offset: int, size: int, count: int, names: int) -> tuple[Section, ...]:
        if count == 0:
            return ()
        if size != _SECTION.size or count > MAX_SECTIONS:
            raise ElfError(
                f"{self.name}: {count} section headers of {size} bytes, "
                f"expected at most {MAX_SECTIONS} of {_SECTION.size}"
            )
        rows = self.table(_SECTION, offset, count, "the section headers")
        if names >= count:
            raise ElfError(f"{self.name}: the section names are in section {names} of {count}")
        strings = self._bytes(rows[names][4], rows[names][5], "the section names")
        return tuple(Section(_string(strings, r[0]).decode("latin-1"), r[1], r[3], r[4], r[5], r[6]) for r in rows)

    def _bytes(self, offset: int, size: int, what: str) -> bytes:
        if offset + size > len(self.content):
            raise ElfError(f"{self.name}: {what} at {offset:#x} reach past the end of the file")
        return self.content[offset : offset + size]

    def relocations(self, sections: tuple[Section, ...]) -> tuple[Relocation, ...] | None:
        """The last section whose name begins with .rela.dyn, whatever the types of its entries."""
        found = [s for s in sections if s.name.startswith(".rela.dyn")]
        if not found:
            return None
        count = found[-1].size // _RELOCATION.size
        if count > MAX_RELOCATIONS:
            raise ElfError(f"{self.name}: {count} relocations are too many: at most {MAX_RELOCATIONS}")
        rows = self.table(_RELOCATION, found[-1].offset, count, "the entries of .rela.dyn")
        return tuple(Relocation(offset, addend) for offset, _, addend in rows)

    def symbols(self, sections: tuple[Section, ...]) -> dict[str, int]:
        """The wanted symbols of every symbol table; of two with one name the later counts."""
        found: dict[str, int] = {}
        for section in sections:
            if section.kind == SHT_SYMTAB:
                found |= self._wanted(section, sections)
        return found

    def _wanted(self, table: Section, sections: tuple[Section, ...]) -> dict[str, int]:
        if table.link >= len(sections):
            raise ElfError(f"{self.name}: the symbol table's strings are in section {table.link} of {len(sections)}")
        count = table.size // _SYMBOL.size
        if count > MAX_SYMBOLS:
            raise ElfError(f"{self.name}: {count} symbols are too many: at most {MAX_SYMBOLS}")
        strings = self._bytes(sections[table.link].offset, sections[table.link].size, "the symbol names")
        rows = self.table(_SYMBOL, table.offset, count, "the symbols")
        named = ((_string(strings, row[0]), row[4]) for row in rows)
        return {name.decode(): value for name, value in named if name in WANTED}


def _string(strings: bytes, offset: int) -> bytes:
    """The NUL-terminated string at ``offset``; empty when it lies outside."""
    end = strings.find(b"\0", offset)
    return strings[offset : end if end >= 0 else len(strings)][:256] if offset < len(strings) else b""
