"""Small ELF files for tests, made field by field."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

EXEC, DYN = 2, 3


@dataclass
class Shape:
    """What an ELF is made of. ``text`` is loaded at 0, ``data`` at 0x1000; sizes in bytes."""

    text: bytes = b"\x1f\x20\x03\xd5" * 8
    data: bytes = bytes(64)
    bss: int = 64
    entry: int = 0x100
    kind: int = DYN
    machine: int = 183
    symbols: dict[str, int] = field(
        default_factory=lambda: {"ret_from_monitor": 0x110, "cvm_heap_begin": 0x1000, "cvm_heap_size": 0x1010}
    )
    relocations: list[tuple[int, int]] | None = None  # (offset, addend); None: hybrid


def build(shape: Shape | None = None) -> bytes:
    """The bytes of an ELF with two PT_LOADs, a symbol table and, when asked for, .rela.dyn."""
    shape = shape or Shape()
    text = shape.text.rjust(0x100 + len(shape.text), b"\0")
    out = bytearray(0x1000)
    out[0x100 : 0x100 + len(shape.text)] = shape.text
    out += shape.data
    sections = [("", 0, 0, b"", 0, 0)]
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in shape.symbols)
    table = bytes(24)
    for name, value in shape.symbols.items():
        table += struct.pack("<IBBHQQ", strings.index(b"\0" + name.encode() + b"\0") + 1, 0x12, 0, 1, value, 0)
    sections.append((".strtab", 3, 0, strings, 0, 0))
    sections.append((".symtab", 2, 1, table, 24, 0))
    if shape.relocations is not None:
        entries = b"".join(struct.pack("<QQq", offset, 59395, addend) for offset, addend in shape.relocations)
        sections.append((".rela.dyn", 4, 0, entries, 24, 0))
    names = b"\0".join(s[0].encode() for s in sections) + b"\0.shstrtab\0"
    sections.append((".shstrtab", 3, 0, names, 0, 0))
    headers = b""
    for name, kind, link, content, entry_size, _ in sections:
        headers += struct.pack(
            "<IIQQQQIIQQ",
            names.index(name.encode() + b"\0"),
            kind,
            0,
            0,
            len(out),
            len(content),
            link,
            0,
            1,
            entry_size,
        )
        out += content
    phoff = 64
    loads = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, len(text), len(text), 0x1000)
    loads += struct.pack(
        "<IIQQQQQQ", 1, 6, 0x1000, 0x1000, 0x1000, len(shape.data), len(shape.data) + shape.bss, 0x1000
    )
    out[phoff : phoff + len(loads)] = loads
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = ident, shape.kind, shape.machine, 1, shape.entry, phoff, len(out), 0, 64, 56, 2, 64
    out[:64] = struct.pack("<16sHHIQQQIHHHHHH", *head, len(sections), len(sections) - 1)
    return bytes(out + headers)


GIB = 0x40000000


def entry(name: str = "one", base: int = 0x400000000, **keys: object) -> str:
    """One entry of ``cVMs``; the keys replace or follow the usual ones."""
    fields: dict[str, object] = {"runtime": "lib.so", "args": "/ld.so", "callback_out": "monitor"} | keys
    lines = [f"- name: {name}\n", *(f"  {key}: {value}\n" for key, value in fields.items())]
    place = f"base: {base:#x}, size: {GIB:#x}, begin: {base:#x}, end: {base + GIB:#x}"
    return "".join(lines) + f"  isolation: [{{{place}}}]\n"


HEAD = "---\ncVMs:\n"
ONE_CVM = HEAD + entry()
