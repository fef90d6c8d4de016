"""Standard input of an emulated guest, until the guest takes it."""

from __future__ import annotations


class Input:
    """Bytes that wait, and whether more can come."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._ended = False

    def feed(self, content: bytes) -> None:
        """Adds bytes behind those that wait."""
        self._waiting += content

    def end(self) -> None:
        """No more will come: a guest that reads on sees the end of the file."""
        self._ended = True

    def take(self, size: int) -> bytes | None:
        """At most ``size`` bytes; None while nothing is there, ``b""`` at the end."""
        if not self._waiting:
            return b"" if self._ended else None
        taken = bytes(self._waiting[:size])
        del self._waiting[:size]
        return taken
