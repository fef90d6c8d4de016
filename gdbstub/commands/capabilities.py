"""Capabilities in memory: ``qXfer:capa:read:ADDR:0,LEN`` and ``qXfer:capa:write:ADDR:0:BYTES``, a granule each.

    17 bytes: the tag's byte, then the 16 bytes of the granule, little-endian      (CTSRD gdb, gdbserver and QEMU)

The address is 16-aligned; QEMU answers E22 otherwise and wants a length of at least 11 (hex); gdbserver ignores the
offset. QEMU has no write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbstub import hexadecimal
from gdbstub.call import Call
from gdbstub.layout import RAW
from gdbstub.verb import EINVAL, Refused

if TYPE_CHECKING:
    from gdbstub.serving import Serving

SIZE = 17
GRANULE = 16


def spell(value: int) -> bytes:
    """129 bits as they travel."""
    return bytes((value >> 128 & 1,)) + (value & RAW).to_bytes(16, "little")


def unspell(content: bytes) -> int:
    """129 bits of 17 bytes."""
    if len(content) != SIZE or content[0] > 1:
        raise ValueError(f"expected a tag's byte and 16 more, found {hexadecimal.shown(content)}")
    return content[0] << 128 | int.from_bytes(content[1:], "little")


def _aligned(address: int) -> int:
    if address % GRANULE:
        raise ValueError(f"a capability in memory is aligned to 16 bytes, {address:#x} is not")
    return address


# ---- client ----------------------------------------------------------------------------------------------


def read(address: int) -> Call[int]:
    """The granule at an aligned address, 129 bits."""

    def value(reply: bytes) -> int:
        if reply[:1] not in (b"l", b"m"):
            raise ValueError(f"expected l and 17 bytes, found {hexadecimal.shown(reply)}")
        return unspell(reply[1:])

    return Call(b"qXfer:capa:read:%x:0,%x" % (_aligned(address), SIZE), value)


def write(address: int, value: int) -> Call[None]:
    """Store 129 bits; Unsupported with QEMU."""

    def written(reply: bytes) -> None:
        if hexadecimal.number(reply) != SIZE:
            raise ValueError(f"{hexadecimal.shown(reply)} bytes were written, {SIZE:x} were sent")

    return Call(b"qXfer:capa:write:%x:0:%b" % (_aligned(address), spell(value)), written)


# ---- server ----------------------------------------------------------------------------------------------


def serve_read(serving: Serving, annex: str) -> bytes:
    """The whole granule, whatever offset and length say."""
    power = serving.target.capabilities
    if power is None:
        return b""
    return b"l" + spell(power.read(_address(annex)))


def serve_write(serving: Serving, annex: str, content: bytes) -> bytes:
    """All 17 bytes at once."""
    power = serving.target.capabilities
    if power is None:
        return b""
    power.write(_address(annex), unspell(content))
    return b"%x" % SIZE


def _address(annex: str) -> int:
    address = hexadecimal.number(annex.encode())
    if address % GRANULE:
        raise Refused(EINVAL, f"{address:#x} is not aligned to 16 bytes")
    return address
