"""x86-64 as far as panes and steps need it: instructions as capstone prints them, callers by rules or by rbp.

Source of the DWARF numbers: System V ABI, AMD64 supplement, figure 3.36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cvmdbg.dwarf.frames import FrameRule

DWARF = ("rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16)))
RETURN, SP = 16, 7
KEPT = ("rbx", "rbp", "r12", "r13", "r14", "r15")
LONGEST = 15
VALUE = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Decoded:
    """One instruction; ``mnemonic`` is ``(bad)`` and ``size`` 1 where there is none."""

    address: int
    size: int
    mnemonic: str
    operands: str

    @property
    def text(self) -> str:
        """``mov rbp, rsp``."""
        return f"{self.mnemonic} {self.operands}".rstrip()

    @property
    def calls(self) -> bool:
        """Does it call?"""
        return self.mnemonic == "call"


@lru_cache(maxsize=1)
def _engine() -> Any:
    import capstone

    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)


def decode(content: bytes, address: int) -> Iterator[Decoded]:
    """The instructions of some bytes, as many as are whole."""
    at = 0
    while at < len(content):
        for start, size, mnemonic, operands in _engine().disasm_lite(content[at : at + 4096], address + at):
            yield Decoded(start, size, mnemonic, operands)
            at = start + size - address
        if len(content) - at < LONGEST:
            return
        yield Decoded(address + at, 1, "(bad)", f"{content[at]:#04x}")
        at += 1


def first(content: bytes, address: int) -> Decoded:
    """The instruction at an address; ``content`` holds at least LONGEST bytes, or all there are."""
    return next(decode(content.ljust(2 * LONGEST, b"\0"), address))


@dataclass(frozen=True, slots=True)
class Caller:
    """What a frame returns to: its pc, its SP (the CFA), registers that are known in it; ``sure`` by a rule."""

    pc: int
    cfa: int
    known: dict[str, int]
    sure: bool


def caller(
    sp: int, known: Mapping[str, int], rule: FrameRule | None, load: Callable[[int], int | None]
) -> Caller | None:
    """The caller by a rule of call frame information, else by the chain of rbp; None at the outermost."""
    kept = {name: known[name] for name in KEPT if name in known}
    if rule is None:
        return _by_chain(kept, load)
    base = sp if rule.register == SP else known.get(DWARF[rule.register]) if rule.register < len(DWARF) else None
    if base is None:
        return None
    cfa = base + rule.offset & VALUE
    pc = load(cfa + rule.saved.get(RETURN, -8) & VALUE)
    for number, offset in rule.saved.items():
        value = load(cfa + offset & VALUE) if number < len(DWARF) else None
        if value is not None:
            kept[DWARF[number]] = value
    return Caller(pc, cfa, kept, True) if pc else None


def _by_chain(kept: dict[str, int], load: Callable[[int], int | None]) -> Caller | None:
    frame = kept.get("rbp", 0)
    before, pc = (load(frame), load(frame + 8)) if frame else (None, None)
    if before is None or not pc:
        return None
    return Caller(pc, frame + 16, kept | {"rbp": before}, False)
