"""Checkpoints in a file: which pages changed, what digest the whole state has.

The digest is over the state without its pages, the tick, and the sum of the digests of all pages that are not zero; so
it follows from the pages that changed. FORMAT.md, "Digests", says it exactly.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from array import array
from collections.abc import Iterator, Sequence

from sessions.columns import Malformed, inflated, shuffled, unshuffled
from sessions.machine import PAGE_BYTES, Json, Saved

ZERO = bytes(PAGE_BYTES)
AT_ONCE = 64
MAX_STATE = 16 << 20
MAX_PAGES = 1 << 22


def pack_state(state: Json) -> bytes:
    """A state as canonical JSON, deflated."""
    return zlib.compress(canonical(state), 6)


def unpack_state(packed: bytes) -> Json:
    """The way back."""
    try:
        value: Json = json.loads(inflated(packed, MAX_STATE))
    except (ValueError, RecursionError):
        raise Malformed("the state of a checkpoint is not JSON") from None
    return value


def canonical(state: Json) -> bytes:
    """One text for one value: sorted keys, no spaces, ASCII."""
    return json.dumps(state, sort_keys=True, separators=(",", ":")).encode("ascii")


def pack_pages(addresses: Sequence[int]) -> bytes:
    """A set of page addresses."""
    numbers = array("Q", sorted(address >> 12 for address in addresses))
    steps = array("Q", [now - before for now, before in zip(numbers, [0, *numbers], strict=False)])
    return zlib.compress(shuffled(steps.tobytes(), 8), 1)


def unpack_pages(packed: bytes) -> list[int]:
    """The way back."""
    raw = inflated(packed, MAX_PAGES * 8)
    steps: array[int] = array("Q")
    if len(raw) % 8:
        raise Malformed("a set of pages is not made of 8-byte numbers")
    steps.frombytes(unshuffled(raw, 8))
    found, at = [], 0
    for step in steps:
        at += step
        found.append(at << 12)
    return found


def pack_page(content: bytes) -> bytes:
    """A page, deflated with the window that a page needs: a larger one costs more to set up than to use."""
    engine = zlib.compressobj(1, zlib.DEFLATED, 12, 6)
    return engine.compress(content) + engine.flush()


class PageSum:
    """The sum of the digests of all pages that are not zero, kept up to date by changes."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._sum = 0

    def change(self, address: int, content: bytes) -> bool:
        """A page has this content now; was it another?"""
        value = 0 if content == ZERO else _page_digest(address, content)
        before = self._known.pop(address, 0)
        if value:
            self._known[address] = value
        self._sum += value - before
        return value != before

    def digest(self, tick: int, state: Json) -> bytes:
        """32 bytes over the whole state."""
        total = (self._sum % (1 << 256)).to_bytes(32, "little")
        return hashlib.blake2b(tick.to_bytes(8, "little") + total + canonical(state), digest_size=32).digest()


def _page_digest(address: int, content: bytes) -> int:
    made = hashlib.blake2b(content, digest_size=32, salt=address.to_bytes(8, "little"))
    return int.from_bytes(made.digest(), "little")


def changed_pages(saved: Saved, base: Saved | None) -> Iterator[tuple[int, bytes]]:
    """The pages that may differ, with their contents, a few at a time so that other threads run in between."""
    addresses = saved.changes(base)
    for at in range(0, len(addresses), AT_ONCE):
        some = addresses[at : at + AT_ONCE]
        content = saved.pages(some)
        for number, address in enumerate(some):
            yield address, content[number * PAGE_BYTES : (number + 1) * PAGE_BYTES]
