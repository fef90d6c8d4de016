"""Which instruction reads a register, before a moment or from it on: executed again, and read as its text says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cvmdbg.analysis.origin import NO_RESULT, REGISTER, capability_name
from cvmdbg.analysis.past import Decoder
from cvmdbg.debugger import Debugger
from cvmdbg.target import Access, History, Step, UserError
from emulator_core.disassembler import Instruction

WINDOWS = (500, 5_000, 50_000)
"""Ticks that are executed at once, nearest first; the last size again and again."""
KNOWN = re.compile(r"c([12]?\d|30)|csp|ddc")
KEEPS = re.compile(r"(movk|bfm|bfi|bfxil|cas|swp|ld(add|clr|eor|set|[su]max|[su]min))")
"""What reads its first operand too."""
PAIRS = re.compile(r"ld(x|ax|n)?p")


class Readers:
    """Searches one recording for reads of one register by one thread."""

    def __init__(self, debugger: Debugger, history: History, thread: int, register: str) -> None:
        self._debugger, self._history, self._thread = debugger, history, thread
        self._name = capability_name(register)
        self._decoder = Decoder(history)
        if not KNOWN.fullmatch(self._name):
            raise UserError(f"reads of {register} are not known: expected a general register, csp or ddc")

    def last(self) -> Access | None:
        """The last read before now."""
        return self._first(reversed(self._history.path(*span)) for span in self._before())

    def next(self) -> Access | None:
        """The next read from now on."""
        return self._first(self._history.path(*span) for span in self._behind())

    def _first(self, pieces: Iterable[Iterable[Step]]) -> Access | None:
        for piece in pieces:
            if self._debugger.cancel.is_set():
                raise UserError("the search was interrupted")
            for step in piece:
                if step.thread == self._thread and self._name in sources(self._decoder.instruction(step)):
                    return Access(self._history.at(step.tick, turn=True), step.thread, step.pc, "read")
        return None

    def _before(self) -> Iterator[tuple[int, int]]:
        end, first = self._history.now.tick, self._history.first.tick
        for size in _sizes():
            if end <= first:
                return
            yield max(end - size, first), end
            end -= size

    def _behind(self) -> Iterator[tuple[int, int]]:
        start, last = self._history.now.tick, self._history.last.tick
        for size in _sizes():
            if start >= last:
                return
            yield start, min(start + size, last)
            start += size


def sources(found: Instruction) -> set[str]:
    """The general registers that an instruction reads, ``c3`` for ``x3`` and ``w3``; the one that ``ret`` takes too."""
    mnemonic, operands = found.mnemonic, found.operands
    names = [capability_name(m) for m in REGISTER.findall(operands)]
    if mnemonic == "ret" and not names:
        return {"c30"}
    if "store" in found.kinds or KEEPS.match(mnemonic) or NO_RESULT.match(mnemonic):
        return set(names)
    return set(names[2 if PAIRS.match(mnemonic) else 1 :])


def _sizes() -> Iterator[int]:
    yield from WINDOWS
    while True:
        yield WINDOWS[-1]
