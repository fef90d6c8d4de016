"""Bare-metal programs for differential tests: text with labels to words, and words to an ELF that boards load."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from emulator_core.assembler import assemble

Sections = Mapping[int, bytes]


def labels(origin: int, text: str) -> dict[str, int]:
    """The addresses of `name:` in instructions at origin, one a line."""
    found, pc = dict[str, int](), origin
    for line in _lines(text):
        if line.endswith(":"):
            found[line[:-1]] = pc
        else:
            pc += 8 if line.startswith(".quad") else 4
    return found


def code(origin: int, text: str, names: Mapping[str, int] | None = None) -> bytes:
    """Instructions at origin, one a line. `name:` is a label, `{name}` an address in hex, `.quad N` eight bytes."""
    spelled = {name: hex(value) for name, value in ({**(names or {})} | labels(origin, text)).items()}
    out = bytearray()
    for line in _lines(text):
        if line.startswith(".quad"):
            out += struct.pack("<Q", int(line.split()[1].format(**spelled), 0))
        elif not line.endswith(":"):
            out += struct.pack("<I", assemble(line.format(**spelled), origin + len(out)))
    return bytes(out)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def words(instructions: Iterable[int]) -> bytes:
    return b"".join(struct.pack("<I", word) for word in instructions)


@dataclass(frozen=True)
class Linked:
    """How an executable is linked: what each section's virtual address is beyond its physical one, and its symbols.

    ``page``: what each section's place in the file is a multiple of.
    """

    offset: int = 0
    page: int = 1
    symbols: Mapping[str, int] = field(default_factory=dict)


def elf(entry: int, sections: Sections, linked: Linked = Linked()) -> bytes:
    """An executable of one PT_LOAD a section, at their physical addresses; symbols are global functions."""
    offset = 64 + 56 * len(sections)
    table, body = b"", b""
    for address, content in sections.items():
        body += bytes(-(offset + len(body)) % linked.page)
        place, virtual = offset + len(body), address + linked.offset
        table += struct.pack("<IIQQQQQQ", 1, 7, place, virtual, address, len(content), len(content), 16)
        body += content
    described = _symbol_table(offset + len(body), linked.symbols) if linked.symbols else b""
    count = 4 if described else 0
    headers = offset + len(body) + len(described) - 64 * count if described else 0
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01".ljust(16, b"\0"),
        2,
        183,
        1,
        entry,
        64,
        headers,
        0,
        64,
        56,
        len(sections),
        64,
        count,
        max(count - 1, 0),
    )
    return header + table + body + described


def _symbol_table(at: int, symbols: Mapping[str, int]) -> bytes:
    """Strings, symbols and section headers, as they stand from an offset in the file on."""
    names, strings, entries = b"\0.strtab\0.symtab\0.shstrtab\0", b"\0", bytes(24)
    for name, address in symbols.items():
        entries += struct.pack("<IBBHQQ", len(strings), 0x12, 0, 1, address, 0)
        strings += name.encode() + b"\0"
    parts, headers = b"", bytes(64)
    for name, kind, content, link, size in [
        (b".strtab", 3, strings, 0, 0),
        (b".symtab", 2, entries, 1, 24),
        (b".shstrtab", 3, names, 0, 0),
    ]:
        place = at + len(parts)
        headers += struct.pack(
            "<IIQQQQIIQQ", names.index(name + b"\0"), kind, 0, 0, place, len(content), link, 1, 1, size
        )
        parts += content
    return parts + headers
