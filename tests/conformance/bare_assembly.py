"""Bare-metal programs for differential tests: text with labels to words, and words to an ELF that boards load."""

import struct
from collections.abc import Iterable, Mapping

from emulator_core.assembler import assemble

Sections = Mapping[int, bytes]


def code(origin: int, text: str, names: Mapping[str, int] | None = None) -> bytes:
    """Instructions at origin, one a line. `name:` is a label, `{name}` an address in hex, `.quad N` eight bytes."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    labels, pc = dict(names or {}), origin
    for line in lines:
        if line.endswith(":"):
            labels[line[:-1]] = pc
        else:
            pc += 8 if line.startswith(".quad") else 4
    spelled = {name: hex(value) for name, value in labels.items()}
    out = bytearray()
    for line in lines:
        if line.startswith(".quad"):
            out += struct.pack("<Q", int(line.split()[1].format(**spelled), 0))
        elif not line.endswith(":"):
            out += struct.pack("<I", assemble(line.format(**spelled), origin + len(out)))
    return bytes(out)


def words(instructions: Iterable[int]) -> bytes:
    return b"".join(struct.pack("<I", word) for word in instructions)


def elf(entry: int, sections: Sections) -> bytes:
    """An executable of one PT_LOAD a section, virtual and physical addresses equal."""
    offset = 64 + 56 * len(sections)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01".ljust(16, b"\0"),
        2,
        183,
        1,
        entry,
        64,
        0,
        0,
        64,
        56,
        len(sections),
        64,
        0,
        0,
    )
    table, body = b"", b""
    for address, content in sections.items():
        place = offset + len(body)
        table += struct.pack("<IIQQQQQQ", 1, 7, place, address, address, len(content), len(content), 16)
        body += content
    return header + table + body
