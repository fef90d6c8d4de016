"""What a live machine says of its program: libraries, the program's own file, where it was moved to."""

from __future__ import annotations

import struct
from xml.etree import ElementTree

from cvmdbg.guests.attached import Library, Peer
from cvmdbg.target import Region
from cvmdbg.targets.remote.link import Link
from gdbstub import inspection
from gdbstub.call import ProtocolError
from gdbstub.commands import lldb

AT_ENTRY, AT_NULL = 9, 0
MAX_LIBRARIES = 4096
MAX_XML = 1 << 20
END = 1 << 64
MAX_REGIONS = 4096


def peer(link: Link) -> Peer:
    """What the stub offers of it; a stub that offers nothing is a bare machine."""

    def content(path: str) -> bytes | None:
        with link.telling():
            return inspection.read_file(link.client, path)

    program = _object(link, "exec-file").decode("utf-8", "surrogateescape")
    entry = _entry(link)
    bias = _bias(entry, content(program) if program else None)
    return Peer(link.name, _libraries(link), program, bias, entry, content)


def _object(link: Link, name: str) -> bytes:
    if not link.has(f"qXfer:{name}:read"):
        return b""
    try:
        return inspection.read_object(link.client, name, limit=MAX_XML)
    except ProtocolError:
        return b""  # offered, but it has none now: a program that has not begun


def _libraries(link: Link) -> tuple[Library, ...]:
    text = _object(link, "libraries-svr4")
    if not text or b"<!ENTITY" in text:
        return ()
    try:
        root = ElementTree.fromstring(text)
        rows = [(row.get("name", ""), int(row.get("l_addr", "0"), 0)) for row in root.iter("library")]
    except (ElementTree.ParseError, ValueError):
        return ()
    return tuple(Library(name, base) for name, base in rows[:MAX_LIBRARIES] if name)


def _entry(link: Link) -> int:
    """Where the program begins as auxv tells it; 0 when there is none."""
    auxv = _object(link, "auxv")
    return next((value for kind, value in struct.iter_unpack("<QQ", auxv[: len(auxv) & ~15]) if kind == AT_ENTRY), 0)


def _bias(entry: int, program: bytes | None) -> int | None:
    """Where the kernel has moved a program: its entry, less that of the file."""
    if not entry or program is None or len(program) < 32:
        return None
    return entry - int.from_bytes(program[24:32], "little")


def regions(link: Link) -> tuple[Region, ...]:
    """What the stub's qMemoryRegionInfo tells of what is mapped; nothing where it has none."""
    found: list[Region] = []
    at = 0
    while len(found) < MAX_REGIONS and at < END - 1:
        value = link.client.batch([lldb.region(at)])[0]
        if isinstance(value, ProtocolError) or value.size <= 0:
            break
        if value.prot:
            found.append(Region(value.address, value.size, value.prot))
        at = value.address + value.size
    return tuple(found)
