"""A caller's arguments and the memory behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cvmdbg.guests.linux.decoder.style import VALUE

Read = Callable[[int, int], bytes | None]
"""Bytes at an absolute address, None where they cannot be read."""

PAGE = 4096
MAX_STRING = 4096


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: its ABI, how to read its memory, the base of its pointers (DDC), and whether they are capabilities."""

    abi: str
    read: Read
    base: int = 0
    pure: bool = False

    @property
    def word(self) -> int:
        """Bytes of a pointer."""
        return 16 if self.pure else 8

    def place(self, bits: int) -> int:
        """The absolute address that a pointer (a number, or 129 bits) means."""
        return (bits & VALUE) + (0 if bits >> 64 else self.base) & VALUE

    def bytes_at(self, bits: int, size: int) -> bytes | None:
        """Bytes behind a pointer; None for null and what cannot be read."""
        if size <= 0:
            return b""
        return self.read(self.place(bits), size) if bits & VALUE else None

    def number_at(self, bits: int, size: int) -> int | None:
        """A little-endian number behind a pointer."""
        content = self.bytes_at(bits, size)
        return None if content is None else int.from_bytes(content, "little")

    def string_at(self, bits: int, limit: int = MAX_STRING) -> tuple[bytes, bool] | None:
        """A string up to its NUL, and whether that was found within ``limit`` bytes; None where nothing is readable."""
        if not bits & VALUE:
            return None
        address, content = self.place(bits), b""
        while len(content) < limit:
            part = self._some(address + len(content), limit - len(content))
            if part is None:
                return (content, False) if content else None
            head, zero, _ = part.partition(b"\0")
            content += head
            if zero:
                return content, True
        return content[:limit], False

    def _some(self, address: int, limit: int) -> bytes | None:
        """Some bytes of one page: 64, or one where 64 are too many."""
        size = min(64, PAGE - address % PAGE, limit)
        return self.read(address & VALUE, size) or self.read(address & VALUE, 1)
