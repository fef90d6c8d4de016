"""What an ELF file asks of a loader: the libraries it needs, its relocations, its init functions. The file is hostile.

Addresses are the file's own. Read from PT_DYNAMIC; a file without one is read by its section ``.rela.dyn``, which the
Intravisor monitor looks for in a cVM's image.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from cvmdbg.elf import ElfImage, careful
from cvmdbg.target import UserError

MAX_RELOCATIONS = 1_000_000
NEEDED, PLTRELSZ, STRTAB, SYMTAB, RELA, RELASZ, SONAME, RPATH = 1, 2, 5, 6, 7, 8, 14, 15
JMPREL, INIT, INIT_ARRAY, INIT_ARRAYSZ, RUNPATH, RELRSZ, RELR = 23, 12, 25, 27, 29, 35, 36
RELA_BYTES = SYMBOL_BYTES = 24
STB_WEAK, SHN_UNDEF = 2, 0
TYPES = {
    0x0: "NONE",
    0x101: "ABS64",
    0x400: "COPY",
    0x401: "GLOB_DAT",
    0x402: "JUMP_SLOT",
    0x403: "RELATIVE",
    0x404: "TLS_DTPMOD",
    0x405: "TLS_DTPREL",
    0x406: "TLS_TPREL",
    0x407: "TLSDESC",
    0x408: "IRELATIVE",
    0xE800: "CAPINIT",
    0xE801: "GLOB_DAT",
    0xE802: "JUMP_SLOT",
    0xE803: "RELATIVE",
    0xE804: "IRELATIVE",
}
"""R_AARCH64_* and R_MORELLO_* by number (ELF for the Arm 64-bit and Morello architectures)."""
MORELLO = range(0xE800, 0xE805)


@dataclass(frozen=True, slots=True)
class Relocation:
    """One entry: where it writes, what kind it is, the symbol it names (empty for none) and what is added.

    ``defined`` is the symbol's own address when the file itself has it, ``weak`` when it may stay undefined.
    """

    offset: int
    kind: int
    symbol: str
    addend: int
    defined: int | None
    weak: bool

    @property
    def name(self) -> str:
        """``CAPINIT``, or the number of an unknown type."""
        return TYPES.get(self.kind, f"type {self.kind:#x}")

    @property
    def mints(self) -> bool:
        """Does it make a capability?"""
        return self.kind in MORELLO


class Dynamic:
    """The dynamic section of a file. Every property may raise UserError with a sentence that names the file."""

    def __init__(self, image: ElfImage) -> None:
        self.image = image

    @cached_property
    def entries(self) -> tuple[tuple[int, int], ...]:
        """Tags and values, in order."""
        return careful(f"{self.image.name}: dynamic section", lambda: tuple(self._entries()))

    def _entries(self) -> Iterator[tuple[int, int]]:
        for header in self.image.raw.iter_segments("PT_DYNAMIC"):
            start, size = header["p_offset"], min(header["p_filesz"], 1 << 20)
            for tag, value in struct.iter_unpack("<qQ", self.image.content[start : start + size // 16 * 16]):
                if tag == 0:
                    return
                yield tag, value

    @cached_property
    def _values(self) -> dict[int, int]:
        return dict(self.entries)

    def _at(self, address: int, size: int) -> bytes:
        """Bytes of the file at an address; empty where it has none."""
        for segment in self.image.segments:
            offset = address - segment.address
            if 0 <= offset < segment.file_size:
                start = segment.offset + offset
                return self.image.content[start : segment.offset + min(segment.file_size, offset + size)]
        return b""

    def _string(self, offset: int) -> str:
        """A string of the dynamic string table."""
        text = self._at(self._values.get(STRTAB, 0) + offset, 4096)
        return text.partition(b"\0")[0].decode("utf-8", "replace")

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """Libraries it needs, in order."""
        return tuple(self._string(value) for tag, value in self.entries if tag == NEEDED)

    @cached_property
    def search(self) -> tuple[str, ...]:
        """Folders that it names for them: RUNPATH, else RPATH."""
        found = self._values.get(RUNPATH, self._values.get(RPATH))
        return tuple(self._string(found).split(":")) if found is not None else ()

    @cached_property
    def soname(self) -> str:
        """The name that others need it by."""
        return self._string(self._values[SONAME]) if SONAME in self._values else ""

    @cached_property
    def init_functions(self) -> tuple[int, ...]:
        """Slots of its init functions: DT_INIT is an address itself, those of DT_INIT_ARRAY are slots."""
        first, size = self._values.get(INIT_ARRAY, 0), min(self._values.get(INIT_ARRAYSZ, 0), 1 << 16)
        width = 16 if self.image.purecap else 8
        return tuple(range(first, first + size // width * width, width))

    # ---- relocations ----

    @cached_property
    def relocations(self) -> tuple[Relocation, ...]:
        """All of them, in the order in which a loader goes through them."""
        return careful(f"{self.image.name}: relocations", lambda: tuple(self._relocations()))

    def _relocations(self) -> Iterator[Relocation]:
        tables = [(self._values.get(RELA, 0), self._values.get(RELASZ, 0))]
        tables.append((self._values.get(JMPREL, 0), self._values.get(PLTRELSZ, 0)))
        if not self.entries:
            tables = list(self._sections())
        count = 0
        for offset in self._relative_words():
            yield Relocation(offset, 0x403, "", self.word(offset), None, False)
        for start, size in tables:
            content = self._at(start, size) if size else b""
            for offset, info, addend in struct.iter_unpack("<QQq", content[: len(content) // RELA_BYTES * RELA_BYTES]):
                count += 1
                if count > MAX_RELOCATIONS:
                    raise UserError(f"{self.image.name}: more than {MAX_RELOCATIONS} relocations")
                yield self._relocation(offset, info, addend)

    def _sections(self) -> Iterator[tuple[int, int]]:
        for section in self.image.raw.iter_sections():
            if section.name in (".rela.dyn", ".rela.plt") and section["sh_addr"]:
                yield section["sh_addr"], section["sh_size"]

    def word(self, address: int) -> int:
        """The number that the file has at an address, 0 where it has none."""
        return int.from_bytes(self._at(address, 8), "little")

    def _relative_words(self) -> Iterator[int]:
        """Addresses of DT_RELR: an even word is one, an odd word is a bitmap of the 63 words behind."""
        size = min(self._values.get(RELRSZ, 0), 8 * MAX_RELOCATIONS)
        content = self._at(self._values.get(RELR, 0), size) if size else b""
        where = 0
        for (word,) in struct.iter_unpack("<Q", content[: len(content) // 8 * 8]):
            if not word & 1:
                yield word
                where = word + 8
                continue
            for bit in range(63):
                if word >> (bit + 1) & 1:
                    yield where + 8 * bit
            where += 8 * 63

    def _relocation(self, offset: int, info: int, addend: int) -> Relocation:
        index, kind = info >> 32, info & 0xFFFFFFFF
        if not index:
            return Relocation(offset, kind, "", addend, None, False)
        entry = self._at(self._values.get(SYMTAB, 0) + SYMBOL_BYTES * index, SYMBOL_BYTES)
        if len(entry) < SYMBOL_BYTES:
            return Relocation(offset, kind, f"symbol {index}?", addend, None, False)
        name, mark, _, section, value, _ = struct.unpack("<IBBHQQ", entry)
        defined = value & ~1 if section != SHN_UNDEF else None
        return Relocation(offset, kind, self._string(name), addend, defined, mark >> 4 == STB_WEAK)
