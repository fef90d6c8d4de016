"""A "newc" archive, as a LibOS reads its root from: 110 characters of header, the name, the contents, padded to 4."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cvmdbg.target import UserError

MAGIC = b"070701"
HEADER = 110
MAX_ENTRIES = 1 << 16
_MODE, _MTIME, _SIZE, _NAME_SIZE = 14, 46, 54, 94
_KIND, _REGULAR = 0o170000, 0o100000


class CpioError(UserError):
    """The archive cannot be read: one sentence."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: its name as the archive spells it, its mode with the kind, its time in seconds."""

    name: str
    mode: int
    mtime: int
    content: bytes


def entries(content: bytes, name: str) -> Iterator[Item]:
    """Everything in an archive. CpioError says where it is broken."""
    at = 0
    for _ in range(MAX_ENTRIES):
        if content[at : at + 6] != MAGIC:
            raise CpioError(f"{name}: no entry of a newc archive at offset {at:#x}")
        mode, mtime, size, length = (_field(content, at, f, name) for f in (_MODE, _MTIME, _SIZE, _NAME_SIZE))
        body = at + -(-(HEADER + length) // 4) * 4
        if not length or body + size > len(content):
            raise CpioError(f"{name}: the entry at offset {at:#x} reaches past the end of the archive")
        path = content[at + HEADER : at + HEADER + length - 1].decode("utf-8", "replace")
        if path == "TRAILER!!!":
            return
        yield Item(path, mode, mtime, content[body : body + size])
        at = body + -(-size // 4) * 4
    raise CpioError(f"{name}: more than {MAX_ENTRIES} entries")


def unpack(content: bytes, name: str) -> dict[str, bytes]:
    """Regular files by absolute path. CpioError says where the archive is broken."""
    regular = (item for item in entries(content, name) if item.mode & _KIND == _REGULAR)
    return {"/" + item.name.lstrip("./"): item.content for item in regular}


def _field(content: bytes, at: int, field: int, name: str) -> int:
    """Eight hexadecimal digits of a header."""
    text = content[at + field : at + field + 8]
    if len(text) != 8 or any(digit not in b"0123456789abcdefABCDEF" for digit in text):
        raise CpioError(f"{name}: the entry at offset {at:#x} has no number in its header")
    return int(text, 16)
