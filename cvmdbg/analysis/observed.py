"""A call as its server saw it: numbers, and the memory behind them, decoded when somebody looks."""

from __future__ import annotations

from dataclasses import dataclass

from cvmdbg.guests.linux.decoder import Caller, Decoded, Style, entering, leaving
from cvmdbg.guests.linux.facts import Call
from sessions.event import Captured


@dataclass(frozen=True, slots=True)
class Observed:
    """``words`` are the arguments, with pointers relative to ``base``; ``value`` is None while the call is inside.

    ``before`` and ``after`` hold memory as it was when the call went in and when it came back, in the order of reading.
    """

    abi: str
    call: Call
    words: tuple[int, ...]
    base: int
    style: Style
    before: tuple[Captured, ...] = ()
    after: tuple[Captured, ...] = ()
    value: int | None = None

    def decode(self) -> Decoded:
        """The call in text."""
        begun = entering(self.call, self.words, self._caller(self.before), self.style)
        if self.value is None:
            return begun
        return leaving(begun, self.value, self._caller(self.after[::-1]))

    def _caller(self, pieces: tuple[Captured, ...]) -> Caller:
        def read(address: int, size: int) -> bytes | None:
            """The first piece that holds ``address``: all that it has of the range; None when none does."""
            for piece in pieces:
                offset = address - piece.address
                if 0 <= offset < len(piece.content):
                    return piece.content[offset : offset + size]
            return None

        return Caller(self.abi, read, self.base)


def words(texts: tuple[str, ...]) -> tuple[int, ...] | None:
    """Arguments as numbers; None when one is none."""
    try:
        return tuple(int(text, 0) for text in texts)
    except ValueError:
        return None
