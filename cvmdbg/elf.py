"""One ELF file as the debugger needs it: segments, symbols, code modes. Read lazily; the content is hostile.

Addresses here are the file's own (``p_vaddr``); bit 0 of function symbols, which marks C64 code, is taken off and kept
apart. Morello ELF: e_flags 0x10000 or an odd entry is purecap; ``$x``/``$c``/``$d`` begin A64 code, C64 code, data.
"""

from __future__ import annotations

import bisect
import io
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from elftools.common.exceptions import DWARFError, ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile as Elf
from elftools.elf.sections import SymbolTableSection

from cvmdbg.target import UserError

MAX_SYMBOLS = 2_000_000
MAX_FILE = 1 << 30
PURECAP_FLAG = 0x10000
AARCH64 = 183
_PAGE = 4096

_FLAGS = (("r", 4), ("w", 2), ("x", 1))

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ElfSymbol:
    """A named place of the file. ``kind``: function, object, label. ``c64`` is the LSB of a function's value."""

    name: str
    address: int
    size: int
    kind: str
    c64: bool
    bind: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A PT_LOAD: its address range in memory and the letters of what it asks for."""

    address: int
    size: int
    file_size: int
    offset: int
    flags: str


def careful(what: str, read: Callable[[], T]) -> T:
    """Run a reader of hostile content; whatever it trips over becomes one sentence."""
    try:
        return read()
    except UserError:
        raise
    except RecursionError:
        raise UserError(f"{what}: nested too deeply") from None
    except (
        ELFError,
        DWARFError,
        ConstructError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        TypeError,
        AssertionError,
        OverflowError,
    ) as e:
        raise UserError(f"{what}: broken ({type(e).__name__}: {str(e)[:80] or 'no detail'})") from None
    except (OSError, EOFError, MemoryError, UnicodeError, ArithmeticError, NotImplementedError) as e:
        raise UserError(f"{what}: broken ({type(e).__name__}: {str(e)[:80] or 'no detail'})") from None


class ElfImage:
    """A parsed file. Every property may raise UserError with a sentence that names the file."""

    def __init__(self, content: bytes, name: str) -> None:
        self.name = name
        self.content = content
        if len(content) > MAX_FILE:
            raise UserError(f"{name}: larger than 1 GiB; no ELF file of a guest is")
        self._elf: Any = careful(name, lambda: Elf(io.BytesIO(content)))
        if self._elf.elfclass != 64 or not self._elf.little_endian:
            raise UserError(f"{name}: not a 64-bit little-endian ELF file")

    @property
    def raw(self) -> Any:
        """The pyelftools object, for DWARF."""
        return self._elf

    @property
    def machine(self) -> int:
        """e_machine; 183 is AArch64."""
        return int(self._elf.header.e_machine) if isinstance(self._elf.header.e_machine, int) else AARCH64

    @property
    def purecap(self) -> bool:
        """Is it C64 code with capability pointers?"""
        header = self._elf.header
        return bool(header.e_flags & PURECAP_FLAG or header.e_entry & 1)

    @property
    def entry(self) -> int:
        """The entry, without its mode bit."""
        return int(self._elf.header.e_entry) & ~1

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """PT_LOADs in the file's order."""
        return careful(f"{self.name}: program headers", self._segments)

    def _segments(self) -> tuple[Segment, ...]:
        found = []
        for header in self._elf.iter_segments("PT_LOAD"):
            flags = "".join(
                letter if header["p_flags"] & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1))
            )
            found.append(Segment(header["p_vaddr"], header["p_memsz"], header["p_filesz"], header["p_offset"], flags))
        return tuple(found)

    @property
    def image_base(self) -> int:
        """The page of the lowest segment: what is mapped at the module's base."""
        return min((s.address for s in self.segments), default=0) & ~(_PAGE - 1)

    @property
    def image_size(self) -> int:
        """Bytes from the image base to the end of the last segment."""
        return max((s.address + s.size for s in self.segments), default=0) - self.image_base

    @cached_property
    def dynamic(self) -> dict[int, int]:
        """Addresses in the file of the entries of PT_DYNAMIC, by tag (the last one wins)."""
        return careful(f"{self.name}: dynamic section", self._dynamic)

    def _dynamic(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for header in self._elf.iter_segments("PT_DYNAMIC"):
            start, size = header["p_offset"], min(header["p_filesz"], 1 << 20)
            for offset in range(0, size - 15, 16):
                tag = int.from_bytes(self.content[start + offset : start + offset + 8], "little")
                if tag == 0:
                    break
                found[tag] = header["p_vaddr"] + offset + 8
        return found

    # ---- symbols ----

    @cached_property
    def symbols(self) -> tuple[ElfSymbol, ...]:
        """Named places by address, mapping symbols and local labels of the assembler left out."""
        return tuple(sorted(self._symbols[0], key=lambda s: s.address))

    @cached_property
    def by_name(self) -> dict[str, tuple[ElfSymbol, ...]]:
        """The symbols of a name."""
        names: defaultdict[str, list[ElfSymbol]] = defaultdict(list)
        for symbol in self.symbols:
            names[symbol.name].append(symbol)
        return {name: tuple(found) for name, found in names.items()}

    @cached_property
    def _symbols(self) -> tuple[list[ElfSymbol], list[tuple[int, str]]]:
        return careful(f"{self.name}: symbols", self._read_symbols)

    def _read_symbols(self) -> tuple[list[ElfSymbol], list[tuple[int, str]]]:
        named: dict[tuple[str, int], ElfSymbol] = {}
        marks: dict[int, str] = {}
        for section in self._elf.iter_sections():
            if not isinstance(section, SymbolTableSection):
                continue
            if section.num_symbols() > MAX_SYMBOLS:
                raise UserError(
                    f"{self.name}: {section.num_symbols()} symbols are more than the limit of {MAX_SYMBOLS}"
                )
            for entry in section.iter_symbols():
                _take_symbol(entry, named, marks, self._elf["e_machine"] == "EM_AARCH64")
        return list(named.values()), sorted(marks.items())

    @cached_property
    def _places(self) -> tuple[list[int], list[ElfSymbol]]:
        """One symbol for each address at which code or an object begins: the best name."""
        best: dict[int, ElfSymbol] = {}
        for symbol in self.symbols:
            if symbol.address not in best or _rank(symbol) < _rank(best[symbol.address]):
                best[symbol.address] = symbol
        ordered = [best[a] for a in sorted(best)]
        return [s.address for s in ordered], ordered

    def symbol_at(self, address: int) -> ElfSymbol | None:
        """The symbol that covers an address, else the label or unsized symbol before it in the same segment."""
        starts, symbols = self._places
        index = bisect.bisect_right(starts, address) - 1
        nearest: ElfSymbol | None = None
        for candidate in reversed(symbols[max(0, index - 16) : index + 1]):
            if candidate.size and candidate.address <= address < candidate.address + candidate.size:
                return candidate if nearest is None or candidate.kind == "function" else nearest
            if nearest is None and not candidate.size:
                nearest = candidate
        return nearest if nearest is not None and self._together(nearest.address, address) else None

    def function_start(self, address: int) -> int | None:
        """Where the code that holds an address begins: the function before it, sized or not."""
        starts, symbols = self._places
        index = bisect.bisect_right(starts, address) - 1
        while index >= 0 and symbols[index].kind != "function":
            index -= 1
        if index < 0 or not self._together(symbols[index].address, address):
            return None
        return symbols[index].address

    def _together(self, first: int, second: int) -> bool:
        """Do two addresses lie in one section (or segment, where the file has no sections)?"""
        return any(start <= first < end and start <= second < end for start, end in self._ranges)

    @cached_property
    def _ranges(self) -> tuple[tuple[int, int], ...]:
        return careful(f"{self.name}: sections", self._read_ranges)

    def _read_ranges(self) -> tuple[tuple[int, int], ...]:
        sections = [s for s in self._elf.iter_sections() if s["sh_flags"] & 2]
        ranges = tuple((s["sh_addr"], s["sh_addr"] + s["sh_size"]) for s in sections)
        return ranges or tuple((s.address, s.address + s.size) for s in self.segments)

    def mode_at(self, address: int) -> str | None:
        """``a64``, ``c64`` or ``data`` by the mapping symbol before an address, None where there is none."""
        marks = self._symbols[1]
        index = bisect.bisect_right(marks, address, key=lambda mark: mark[0]) - 1
        if index < 0 or not self._together(marks[index][0], address):
            return None
        return {"$x": "a64", "$c": "c64", "$d": "data"}[marks[index][1]]


def _take_symbol(entry: Any, named: dict[tuple[str, int], ElfSymbol], marks: dict[int, str], modes: bool) -> None:
    """Sort one symbol table entry into names and mapping symbols; with ``modes`` bit 0 of a function's is C64."""
    name, info = entry.name, entry.entry
    kind, value = info.st_info.type, info.st_value
    if info.st_shndx == "SHN_UNDEF" or not name or kind in ("STT_SECTION", "STT_FILE", "STT_TLS"):
        return
    if name[0] == "$" and name[:2] in ("$x", "$c", "$d") and (len(name) == 2 or name[2] == "."):
        marks[value & ~1] = name[:2]
        return
    if name.startswith(".L") or info.st_shndx == "SHN_ABS":
        return
    function = kind == "STT_FUNC"
    what = "function" if function else "object" if kind == "STT_OBJECT" else "label"
    c64 = bool(modes and function and value & 1)
    address = value & ~1 if c64 else value
    size = info.st_size + (1 if c64 and info.st_size & 3 == 3 else 0)
    bind = {"STB_GLOBAL": "global", "STB_WEAK": "weak"}.get(info.st_info.bind, "local")
    named.setdefault((name, address), ElfSymbol(name, address, size, what, c64, bind))


def _rank(symbol: ElfSymbol) -> tuple[bool, bool, bool, int, str]:
    """Which of two names for one address to show: functions, sized, global, short first."""
    return (
        symbol.kind == "label",
        not symbol.size,
        symbol.bind == "local",
        len(symbol.name),
        symbol.name,
    )
