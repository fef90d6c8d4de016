"""Where a function keeps its caller's registers, read from its code: for assembly without call frame information.

The words from the function's start to the pc are followed in a straight line. Only what moves SP, sets the frame
pointer or saves and restores registers below the caller's SP matters:

    sub csp, csp, #192          CFA = SP + 192
    stp c29, c30, [csp, #160]   c29 at CFA - 32, c30 at CFA - 16
    mov c29, csp                CFA = c29 + 192
    ret                         what follows is reached from the body: its state holds again
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

SP = 31
FP = 29
LR = 30


@dataclass(frozen=True, slots=True)
class SavedAt:
    """A register's place relative to the CFA; ``width`` 8 or 16 bytes."""

    offset: int
    width: int


@dataclass(frozen=True, slots=True)
class FrameState:
    """CFA = SP + ``sp``, and if ``fp`` is known CFA = x29 + ``fp``; ``saved`` by register number."""

    sp: int = 0
    fp: int | None = None
    saved: dict[int, SavedAt] = field(default_factory=dict)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def _add_immediate(word: int) -> int:
    """imm12 of ADD and SUB, shifted."""
    return (word >> 10 & 0xFFF) << (12 if word >> 22 & 1 else 0)


def follow(words: Sequence[int]) -> FrameState:
    """The state behind the last of the words. A local routine that the words call begins a frame of its own."""
    state = body = FrameState()
    for word in words[_local_routine(words) :]:
        if _leaves(word):
            state = body
            continue
        before = state
        state = _step(state, word)
        if state.sp > before.sp or len(state.saved) > len(before.saved) or (before.fp is None and state.fp is not None):
            body = state
    return state


def _local_routine(words: Sequence[int]) -> int:
    """The last index that a BL among the words goes to, 0 when none stays inside."""
    targets = (
        index + _signed(word & 0x3FFFFFF, 26) for index, word in enumerate(words) if word & 0xFC000000 == 0x94000000
    )
    return max((target for target in targets if 0 < target <= len(words)), default=0)


def _leaves(word: int) -> bool:
    """RET, B and BR: the next word is not reached from here."""
    return (
        word & 0xFFFFFC1F in (0xD65F0000, 0xD61F0000)
        or word & 0xFC000000 == 0x14000000
        or word & 0xFFFFFC1F in (0xC2C25000, 0xC2C21000)
    )


_SP_MOVES = {0xD10003FF: 1, 0x910003FF: -1, 0x028003FF: 1, 0x020003FF: -1}
"""SUB/ADD (C)SP, (C)SP, #imm: how the distance to the CFA changes."""


def _step(state: FrameState, word: int) -> FrameState:
    sign = _SP_MOVES.get(word & 0xFF8003FF)
    if sign is not None:
        return replace(state, sp=state.sp + sign * _add_immediate(word))
    if word & 0xFF8003FF in (0x910003FD, 0x020003FD):  # add x29, sp, #imm
        return replace(state, fp=state.sp - _add_immediate(word))
    if word == 0xC2C1D3FD:  # mov c29, csp
        return replace(state, fp=state.sp)
    if word & 0xFF8003FF in (0x910003BF, 0x020003BF) and state.fp is not None:  # add sp, x29, #imm
        return replace(state, sp=state.fp - _add_immediate(word))
    if word == 0xC2C1D3BF and state.fp is not None:  # mov csp, c29
        return replace(state, sp=state.fp)
    if word & 0xFFE0FFFF == 0xAA0003FD or word in (0xAA1F03FD, 0xD280001D):  # mov x29, …
        return replace(state, fp=None)
    return _access(state, word)


def _access(state: FrameState, word: int) -> FrameState:
    """A load or store with SP as its base."""
    if word >> 5 & 31 != SP:
        return state
    for pattern in _PAIRS:
        if word & 0xFFC00000 == pattern.bits:
            offset = _signed(word >> 15 & 0x7F, 7) * pattern.width
            return _move(state, pattern, offset, (word & 31, word >> 10 & 31))
    for pattern in _SINGLES:
        if word & pattern.mask == pattern.bits:
            scaled = pattern.mask == 0xFFC00000
            offset = (word >> 10 & 0xFFF) * pattern.width if scaled else _signed(word >> 12 & 0x1FF, 9) * pattern.scale
            return _move(state, pattern, offset, (word & 31,))
    return state


@dataclass(frozen=True, slots=True)
class _Form:
    """A load or store form: ``when`` SP moves (pre, post, or empty), its bytes a register."""

    bits: int
    load: bool
    when: str
    width: int
    mask: int = 0xFFC00000
    scale: int = 1


_PAIRS = tuple(
    _Form(base | (0x400000 if load else 0), load, when, width)
    for width, forms in (
        (8, {"": 0xA9000000, "pre": 0xA9800000, "post": 0xA8800000}),
        (16, {"": 0x42800000, "pre": 0x62800000, "post": 0x22800000}),
    )
    for when, base in forms.items()
    for load in (False, True)
)
_SINGLES = (
    _Form(0xF9000000, False, "", 8),
    _Form(0xF9400000, True, "", 8),
    _Form(0xC2000000, False, "", 16),
    _Form(0xC2400000, True, "", 16),
    _Form(0xF8000C00, False, "pre", 8, 0xFFE00C00),
    _Form(0xF8400400, True, "post", 8, 0xFFE00C00),
    _Form(0xF8000000, False, "", 8, 0xFFE00C00),
    _Form(0xF8400000, True, "", 8, 0xFFE00C00),
    _Form(0xA2000C00, False, "pre", 16, 0xFFE00C00, 16),
    _Form(0xA2400400, True, "post", 16, 0xFFE00C00, 16),
    _Form(0xA2000000, False, "", 16, 0xFFE00C00),
    _Form(0xA2400000, True, "", 16, 0xFFE00C00),
)


def _move(state: FrameState, form: _Form, offset: int, registers: tuple[int, ...]) -> FrameState:
    at = 0 if form.when == "post" else offset
    sp = state.sp - offset if form.when == "pre" else state.sp
    saved, fp = dict(state.saved), state.fp
    for index, register in enumerate(registers):
        if form.load:
            saved.pop(register, None)
            fp = None if register == FP else fp
        elif register != 31 and register not in saved:
            place = at if form.when != "pre" else 0
            saved[register] = SavedAt(place + index * form.width - sp, form.width)
    if form.when == "post":
        sp -= offset
    return FrameState(sp, fp, saved)
