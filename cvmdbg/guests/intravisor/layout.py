"""Where the monitor puts what in a cVM.

    base                                  ELF image, rwx pages
    heap   next page behind the image     rwx
    stacks top - 64 * 512K                slot 63: canary, then the capability store one page up
    slot i top - 512K * (i + 1)           guard page (canary, read-only) | TP page | stack … SP | argv | monitor frames
    top    base + size

Source: Intravisor src/monitor.h, build_cvm and init_thread in src/main.c.
"""

from __future__ import annotations

from dataclasses import dataclass

from cvmdbg.guests.intravisor.config import Config, ConfigError, CvmConfig, shown
from cvmdbg.guests.intravisor.elf import Elf, ElfError

PAGE = 0x1000
CVM_MAX_SIZE = 0x40000000
STACK_SIZE = 0x80000
MAX_THREADS = 63
STACKS_SIZE = (MAX_THREADS + 1) * STACK_SIZE
MAX_CVMS = 200
MAX_ARGS = 15
MAX_IMAGE = 64 << 20
CANARY = 0xABBACACA
SP_BELOW_TOP = 4 * PAGE  # where a thread's stack pointer starts
ARGV_BELOW_TOP = 3 * PAGE  # where its argument strings are
PURE_EXTRA = 0x40  # the newest loader reports this much more than the last segment's end, for purecap files


@dataclass(frozen=True, slots=True)
class Slot:
    """The stack of one thread. Addresses are absolute."""

    number: int
    bottom: int

    @property
    def top(self) -> int:
        return self.bottom + STACK_SIZE

    @property
    def tp(self) -> int:
        """The page whose first words are the capability store's address and the cVM's number."""
        return self.bottom + PAGE

    @property
    def sp(self) -> int:
        return self.top - SP_BELOW_TOP

    @property
    def argv(self) -> int:
        return self.top - ARGV_BELOW_TOP


@dataclass(frozen=True, slots=True)
class Layout:
    """The addresses of one cVM, absolute unless said otherwise."""

    cid: int
    base: int
    size: int
    begin: int
    end: int
    pure: bool
    image_size: int  # bytes from base that the loader reports and hashes

    @property
    def badge(self) -> str:
        return str(self.cid)

    @property
    def top(self) -> int:
        return self.base + self.size

    @property
    def image_pages(self) -> int:
        """Bytes of the image's mapping."""
        return -(-self.image_size // PAGE) * PAGE

    @property
    def heap(self) -> int:
        return ((self.base + self.image_size) // PAGE + 1) * PAGE

    @property
    def heap_size(self) -> int:
        return self.stacks - self.heap

    @property
    def stacks(self) -> int:
        return self.top - STACKS_SIZE

    @property
    def store(self) -> int:
        """The capability store."""
        return self.stacks + PAGE

    def slot(self, number: int) -> Slot:
        """Slot 0 is at the top."""
        return Slot(number, self.top - STACK_SIZE * (number + 1))

    def relative(self, address: int) -> int:
        """What the cVM's own code calls an absolute address: relative to begin unless it is purecap."""
        return address if self.pure else address - self.begin

    def absolute(self, address: int) -> int:
        """The monitor's reading of a cVM's pointer, modulo 2^64."""
        return (address if self.pure else address + self.begin) % (1 << 64)

    def owns(self, address: int) -> bool:
        return self.base <= address < self.top


def lay_out(config: Config, cvm: CvmConfig, elf: Elf) -> Layout:
    """The addresses of a cVM, or a sentence about what does not fit."""
    _check_isolation(config, cvm)
    for segment in elf.segments:
        if segment.end > MAX_IMAGE:
            where = f"{elf.name}: program header {segment.index} ends at {segment.end:#x}"
            raise ElfError(f"{where}, images may have {MAX_IMAGE:#x} bytes")
    pure = elf.relocations is not None
    size = elf.end + (PURE_EXTRA if pure else 0)
    layout = Layout(cvm.base // CVM_MAX_SIZE, cvm.base, cvm.size, cvm.begin, cvm.end, pure, size)
    _check_image(elf, layout)
    return layout


def _check_isolation(config: Config, cvm: CvmConfig) -> None:
    where = f"{config.file}:{cvm.line}: cVM '{shown(cvm.name)}'"
    if cvm.size != CVM_MAX_SIZE:
        raise ConfigError(f"{where} has size {cvm.size:#x}, expected 0x40000000 (isolation is in hexadecimal)")
    if not 1 <= cvm.base // CVM_MAX_SIZE < MAX_CVMS:
        raise ConfigError(f"{where} has base {cvm.base:#x}, expected 0x40000000 to {MAX_CVMS * CVM_MAX_SIZE - 1:#x}")
    if (cvm.base | cvm.begin | cvm.end) % PAGE:
        raise ConfigError(f"{where}: base, begin and end must be multiples of {PAGE:#x}")
    if cvm.begin > cvm.base or cvm.end != cvm.base + cvm.size:
        raise ConfigError(
            f"{where} runs from {cvm.begin:#x} to {cvm.end:#x}, expected begin at or below base "
            f"and end at base + size, {cvm.base + cvm.size:#x}"
        )


def _check_image(elf: Elf, layout: Layout) -> None:
    if not elf.entry or not elf.symbols.get("ret_from_monitor"):
        missing = "an entry point" if not elf.entry else "the symbol ret_from_monitor (is it stripped?)"
        raise ElfError(f"{elf.name}: it has no {missing}, so the monitor cannot run it")
    for what, offset in [("entry point", elf.entry), *((f"symbol {n}", v) for n, v in elf.symbols.items())]:
        if offset >= layout.image_size:
            size = layout.image_size
            raise ElfError(f"{elf.name}: the {what}, {offset:#x}, lies outside of the image of {size:#x} bytes")
