"""What execve reads of an ELF file: its PT_LOADs, its interpreter, its program headers.

Every offset is checked against the file: the file may come from anywhere. Source: System V gABI; Linux fs/binfmt_elf.c.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PAGE = 0x1000
MAX_HEADERS = 64
MAX_PATH = 4096
EM_AARCH64 = 183
ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_TLS, PT_GNU_STACK = 1, 2, 3, 4, 7, 0x6474E551
PF_X, PF_W, PF_R = 1, 2, 4
OSABI_GNU = 3
DT_FLAGS_1, DF_1_PIE = 0x6FFFFFFB, 0x08000000
EF_PURECAP = 0x10000

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")


class ImageError(Exception):
    """The file cannot be executed: ``args[0]`` says why, behind the file's name."""


@dataclass(frozen=True, slots=True)
class Header:
    """A program header."""

    kind: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int

    @property
    def letters(self) -> str:
        """``rx``."""
        return "".join(r for r, bit in (("r", PF_R), ("w", PF_W), ("x", PF_X)) if self.flags & bit)


@dataclass(frozen=True, slots=True)
class Image:
    """An executable or an interpreter. Addresses are the file's own."""

    entry: int
    fixed: bool  # ET_EXEC: it must lie where its headers say
    flags: int
    osabi: int
    headers: tuple[Header, ...]
    header_offset: int
    interpreter: str | None

    @property
    def loads(self) -> tuple[Header, ...]:
        """The segments to map."""
        return tuple(h for h in self.headers if h.kind == PT_LOAD)

    @property
    def begin(self) -> int:
        """First page of the first segment."""
        return min(h.vaddr for h in self.loads) // PAGE * PAGE

    @property
    def end(self) -> int:
        """End of the last segment, not rounded."""
        return max(h.vaddr + h.memsz for h in self.loads)

    @property
    def program_headers(self) -> int:
        """Where the program headers lie in memory; 0 when no segment holds them."""
        for load in self.loads:
            if load.offset <= self.header_offset < load.offset + load.filesz:
                return self.header_offset - load.offset + load.vaddr
        return 0

    @property
    def executable_stack(self) -> bool:
        """Does the file ask for it? AArch64 gives none unless PT_GNU_STACK says so."""
        return any(h.kind == PT_GNU_STACK and h.flags & PF_X for h in self.headers)


def read(content: bytes) -> Image:
    """Parses an AArch64 executable or shared object."""
    if len(content) < _HEADER.size or content[:4] != b"\x7fELF":
        raise ImageError("not an ELF file")
    ident, kind, machine, _, entry, phoff, _, flags, _, phsize, phnum, _, _, _ = _HEADER.unpack_from(content)
    if ident[4] != 2 or ident[5] != 1 or machine != EM_AARCH64:
        raise ImageError(f"expected a 64-bit little-endian ELF for AArch64 ({EM_AARCH64}), its machine is {machine}")
    if kind not in (ET_EXEC, ET_DYN):
        raise ImageError(f"its type is {kind}, expected an executable or a shared object")
    if flags & EF_PURECAP:
        raise ImageError("it is a purecap program, expected plain AArch64")
    headers = _headers(content, phoff, phsize, phnum)
    image = Image(entry, kind == ET_EXEC, flags, ident[7], headers, phoff, _interpreter(content, headers))
    if not image.loads:
        raise ImageError("it has no PT_LOAD, so there is nothing to load")
    return image


def _headers(content: bytes, offset: int, size: int, count: int) -> tuple[Header, ...]:
    if size != _SEGMENT.size or not 0 < count <= MAX_HEADERS:
        raise ImageError(f"it has {count} program headers of {size} bytes, expected 1 to {MAX_HEADERS} of 56")
    if offset + size * count > len(content):
        raise ImageError("its program headers reach past the end of the file")
    rows = _SEGMENT.iter_unpack(content[offset : offset + size * count])
    headers = tuple(
        Header(kind, flags, off, va, filesz, memsz, align) for kind, flags, off, va, _, filesz, memsz, align in rows
    )
    for number, header in enumerate(headers):
        if header.kind == PT_LOAD:
            _check(number, header, len(content))
    return headers


def _check(number: int, header: Header, size: int) -> None:
    what = f"its program header {number}"
    if header.offset + header.filesz > size:
        raise ImageError(f"{what} reaches past the end of the file")
    if header.filesz > header.memsz:
        raise ImageError(f"{what} has more bytes in the file ({header.filesz:#x}) than in memory ({header.memsz:#x})")
    if header.vaddr + header.memsz >= 1 << 47 or (header.vaddr - header.offset) % PAGE:
        raise ImageError(f"{what} cannot be mapped: address {header.vaddr:#x}, offset {header.offset:#x}")


def _interpreter(content: bytes, headers: tuple[Header, ...]) -> str | None:
    for header in headers:
        if header.kind == PT_INTERP:
            text = content[header.offset : header.offset + min(header.filesz, MAX_PATH)].partition(b"\0")[0]
            if not text:
                raise ImageError("its PT_INTERP is empty")
            return text.decode("utf-8", "surrogateescape")
    return None


def is_linux(content: bytes) -> bool:
    """Does an AArch64 ELF say that it is a program for Linux? A bare-metal program and a cVM's runtime do not.

    It names an interpreter, is a static-pie program, or has fixed addresses and TLS, a GNU note or the GNU ABI.
    """
    try:
        image = read(content)
    except ImageError:
        return False
    if image.interpreter is not None:
        return True
    if not image.fixed:
        return any(h.kind == PT_DYNAMIC and _is_pie(content, h) for h in image.headers)
    return image.osabi == OSABI_GNU or any(
        h.kind == PT_TLS or (h.kind == PT_NOTE and content[h.offset + 12 : h.offset + 16] == b"GNU\0")
        for h in image.headers
    )


def _is_pie(content: bytes, dynamic: Header) -> bool:
    """DF_1_PIE in the dynamic section: a static-pie program, no library."""
    table = content[dynamic.offset : dynamic.offset + dynamic.filesz // 16 * 16]
    return any(tag == DT_FLAGS_1 and value & DF_1_PIE for tag, value in struct.iter_unpack("<QQ", table))
