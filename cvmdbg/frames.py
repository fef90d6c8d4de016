"""The call stack of a thread, across compartments.

A frame's caller is found by call frame information, else by reading the function's own code (prologue.py). Where a
function was entered by a crossing, the crossing says who called: the branch in the other compartment, whose SP is the
callee's CFA because all run on one stack.

    17 puts ◀─record─ 17 c_out ◀─crossing 17→16─ 16 syscall_handler ◀─record─ 16 sys_write

SP and CFA are absolute. A64 code under CCTLR.DDCBO/PCCBO holds addresses relative to DDC.base and PCC.base: each
frame knows these two bases.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Protocol

from cvmdbg import x86
from cvmdbg.analysis.compartments import Places
from cvmdbg.dwarf.frames import FrameRule
from cvmdbg.dwarf.info import DebugInfo
from cvmdbg.forms import VALUE
from cvmdbg.prologue import FP, LR, SP, SavedAt, follow
from cvmdbg.symbols import Symbols
from cvmdbg.target import Crossing, Target, TargetError, UserError
from emulator_core.capability import Capability

DDCBO, PCCBO = 1 << 2, 1 << 3
"""CCTLR_ELx bits (Arm DDI 0606)."""
C64 = 1 << 26
"""PSTATE.C64 as SPSR holds it."""
MAX_PROLOGUE = 4096
TAG = 1 << 128


@dataclass(frozen=True, slots=True)
class Link:
    """How one frame was entered from another compartment: the branch, and the badges of both sides."""

    crossing: Crossing
    source: str
    target: str


class Entered(Protocol):
    """The open crossings of a thread, as the trace has them."""

    def open_links(self, thread: int) -> list[Link]:
        """Crossings that have not returned, oldest first."""


@dataclass
class Frame:
    """One frame. ``known`` holds the registers whose values in this frame are known (129-bit capabilities by name)."""

    number: int
    thread: int
    pc: int
    mode: str
    ddc_base: int
    pcc_base: int
    badge: str
    known: dict[str, int] = field(repr=False)
    live: bool = False
    sp: int | None = None
    cfa: int | None = None
    link: Link | None = None
    sure: bool = True

    @property
    def place(self) -> int:
        """The address to look names up by: the call, not what follows it."""
        return self.pc if self.number == 0 else self.pc - (1 if self.mode == "x86" else 4)


@dataclass
class _Caller:
    """What is known of the caller: CFA (its SP), and restored registers."""

    cfa: int
    restored: dict[int, int]
    sure: bool = True


class Unwinder:
    """Finds frames of stopped threads."""

    def __init__(self, target: Target, symbols: Symbols, places: Places, entered: Entered) -> None:
        self.target, self.symbols, self.places, self.entered = target, symbols, places, entered

    def frames(self, thread: int, limit: int = 64) -> list[Frame]:
        """At most ``limit`` frames, innermost first."""
        links = self.entered.open_links(thread)
        frame: Frame | None = self.innermost(thread)
        found: list[Frame] = []
        while frame is not None and len(found) < limit:
            found.append(frame)
            following = self._caller(frame, links)
            if following is not None and not self._deeper(frame, following):
                break
            frame = following
        return found

    def innermost(self, thread: int) -> Frame:
        """Frame 0: the thread's own registers."""
        if self.target.arch == "x86_64":
            return self._innermost_x86(thread)
        read = self.target.read_register
        pcc, ddc, csp = (Capability(read(thread, name)) for name in ("pcc", "ddc", "csp"))
        control, state = read(thread, "cctlr"), read(thread, "cpsr")
        mode = "c64" if state & C64 else "a64"
        ddc_base = ddc.base if control & DDCBO and mode == "a64" else 0
        made_by = pcc if pcc.tag else ddc  # after a failed branch PCC is not what the return address counts from
        pcc_base = made_by.base if control & PCCBO and mode == "a64" else 0
        sp = _stack_pointer(csp, ddc, ddc_base)
        pc = read(thread, "pc")
        known = {f"c{n}": read(thread, f"c{n}") for n in range(31)} | {"csp": csp.bits, "pcc": pcc.bits}
        known["ddc"] = ddc.bits
        return Frame(0, thread, pc, mode, ddc_base, pcc_base, self.places.badge(pc), known, True, sp)

    def _innermost_x86(self, thread: int) -> Frame:
        read = self.target.read_register
        pc, known = read(thread, "rip"), {name: read(thread, name) for name in x86.DWARF}
        return Frame(0, thread, pc, "x86", 0, 0, self.places.badge(pc), known, True, known["rsp"])

    # ---- one step up ----

    def _caller_x86(self, frame: Frame) -> Frame | None:
        """By call frame information or the chain of rbp."""
        entry = self.symbols.module_at(frame.place)
        rule = None if entry is None or entry.debug is None else self._rule(entry.debug, frame.place - entry.bias)
        if frame.sp is None:
            return None
        found = x86.caller(frame.sp, frame.known, rule, lambda at: self._load(at, 8))
        if found is None:
            return None
        frame.cfa = found.cfa
        if not self._is_code(found.pc - 1):
            return None
        badge = self.places.badge(found.pc - 1)
        known = found.known | {"rsp": found.cfa}
        return Frame(frame.number + 1, frame.thread, found.pc, "x86", 0, 0, badge, known, sp=found.cfa, sure=found.sure)

    def _rule(self, debug: DebugInfo, address: int) -> FrameRule | None:
        try:
            return debug.rule_at(address)
        except UserError:
            return None

    def _caller(self, frame: Frame, links: list[Link]) -> Frame | None:
        if frame.mode == "x86":
            return self._caller_x86(frame)
        caller = self._unwind(frame)
        frame.cfa = caller.cfa if caller is not None else None
        start = self.symbols.function_start(frame.place)
        if links and start is not None and start == links[-1].crossing.to & ~1:
            return self._crossed(frame, links.pop())
        if caller is None:
            return None
        returns = caller.restored.get(LR, frame.known.get("c30") if frame.live else None)
        if returns is None or not returns & VALUE:
            return self._crossed(frame, links.pop()) if links and links[-1].target == frame.badge else None
        return self._returned(frame, caller, returns)

    def _crossed(self, frame: Frame, link: Link) -> Frame:
        """The caller on the other side: it stands behind its branch, its SP is our CFA."""
        pc = link.crossing.pc + 4
        mode = self.symbols.mode_at(pc - 4) or "a64"
        base = self._base(pc - 4, mode)
        known = {} if frame.cfa is None else {"csp": (frame.cfa - base) & VALUE}
        above = Frame(
            frame.number + 1, frame.thread, pc, mode, base, base, self.places.badge(pc - 4), known, sp=frame.cfa
        )
        above.link = link
        return above

    def _returned(self, frame: Frame, caller: _Caller, returns: int) -> Frame | None:
        """The caller by an ordinary return address: a capability in C64, an offset from PCC.base in A64."""
        value = returns & VALUE
        absolute = bool(returns >> 64) or frame.mode == "c64"
        pc = (value & ~1) if absolute else (value + frame.pcc_base & VALUE)
        if not self._is_code(pc - 4):
            return None
        mode = self.symbols.mode_at(pc - 4) or ("c64" if absolute and value & 1 else frame.mode)
        base = frame.ddc_base if frame.badge == self.places.badge(pc - 4) else self._base(pc - 4, mode)
        known = {name: bits for name, bits in frame.known.items() if _kept(name)}
        known |= {f"c{number}": bits for number, bits in caller.restored.items() if number < 31}
        known["csp"] = (caller.cfa - base) & VALUE if mode == "a64" else caller.cfa
        pcc_base = frame.pcc_base if base == frame.ddc_base else base
        return Frame(
            frame.number + 1,
            frame.thread,
            pc,
            mode,
            base,
            pcc_base,
            self.places.badge(pc - 4),
            known,
            sp=caller.cfa,
            sure=caller.sure,
        )

    def _base(self, pc: int, mode: str) -> int:
        """What addresses in code at ``pc`` count from: the compartment's DDC.base when it is hybrid."""
        compartment = self.places.at(pc)
        return compartment.begin if compartment is not None and mode == "a64" and not compartment.pure else 0

    def _is_code(self, address: int) -> bool:
        if self.symbols.module_at(address) is not None or self.symbols.name_at(address) is not None:
            return True
        try:
            self.target.read(address, 4)
        except TargetError:
            return False
        return self.places.at(address) is not None

    def _deeper(self, inner: Frame, outer: Frame) -> bool:
        """A caller's SP is above its callee's, unless a crossing lies between them or both are leaves."""
        if outer.link is not None or inner.sp is None or outer.sp is None:
            return True
        return outer.sp > inner.sp or (inner.number == 0 and outer.sp == inner.sp and outer.pc != inner.pc)

    # ---- registers of the caller ----

    def _unwind(self, frame: Frame) -> _Caller | None:
        return self._by_rules(frame) or self._by_code(frame)

    def _by_rules(self, frame: Frame) -> _Caller | None:
        """By call frame information (A64 only: the numbers of capability registers differ)."""
        entry = self.symbols.module_at(frame.place)
        if entry is None or entry.debug is None or frame.mode != "a64":
            return None
        try:
            rule = entry.debug.rule_at((frame.pc if frame.number == 0 else frame.place) - entry.bias)
        except UserError:
            return None
        base = self._register(frame, rule.register) if rule is not None else None
        if rule is None or base is None:
            return None
        cfa = base + rule.offset & VALUE
        saved = {number: SavedAt(offset, 8) for number, offset in rule.saved.items()}
        return self._restored(cfa, saved)

    def _by_code(self, frame: Frame) -> _Caller | None:
        """By what the function's instructions up to here have done."""
        start = self.symbols.function_start(frame.place)
        if start is None:
            return _Caller(frame.sp, {}, False) if frame.live and frame.sp is not None else None
        count = min((frame.pc - start) // 4, MAX_PROLOGUE)
        try:
            content = self.target.read(start, 4 * count) if count else b""
        except TargetError:
            return None
        state = follow(struct.unpack(f"<{len(content) // 4}I", content))
        pointer = self._register(frame, FP)
        if state.fp is not None and pointer is not None:
            cfa = pointer + state.fp & VALUE
        elif frame.sp is not None:
            cfa = frame.sp + state.sp & VALUE
        else:
            return None
        if not frame.live and LR not in state.saved and state.fp is None:
            return self._by_record(frame, pointer) or _Caller(cfa, {})
        return self._restored(cfa, state.saved)

    def _by_record(self, frame: Frame, pointer: int | None) -> _Caller | None:
        """A function that keeps no frame has called: x29 still points at the record of its caller, which is skipped."""
        if pointer is None or not frame.known["c29"] & VALUE:
            return None
        width = 16 if frame.mode == "c64" else 8
        before, returns = self._load(pointer, width), self._load(pointer + width, width)
        if before is None or not returns:
            return None
        return _Caller(pointer + 2 * width & VALUE, {FP: before, LR: returns}, False)

    def _restored(self, cfa: int, saved: dict[int, SavedAt]) -> _Caller | None:
        caller = _Caller(cfa, {})
        for number, at in saved.items():
            value = self._load(cfa + at.offset & VALUE, at.width)
            if value is None and number == LR:
                return None
            if value is not None:
                caller.restored[number] = value
        return caller

    def _load(self, address: int, width: int) -> int | None:
        try:
            if width == 16 and self.target.capabilities is not None and address % 16 == 0:
                return self.target.capabilities.read(address)
            return int.from_bytes(self.target.read(address, width), "little")
        except TargetError:
            return None

    def _register(self, frame: Frame, number: int) -> int | None:
        """The absolute address that a base register holds."""
        if number == SP:
            return frame.sp
        bits = frame.known.get(f"c{number}")
        return None if bits is None else (bits & VALUE) + frame.ddc_base & VALUE


def _stack_pointer(csp: Capability, ddc: Capability, ddc_base: int) -> int:
    """The absolute SP. A number counts from DDC.base when it can be an offset in DDC; a trampoline that changes DDC
    and SP in two steps holds an absolute one for a moment.
    """
    return csp.value if csp.tag or csp.value >= ddc.length else csp.value + ddc_base & VALUE


def _kept(name: str) -> bool:
    """Registers that a callee keeps (AAPCS64: x19 to x29)."""
    return name[0] == "c" and name[1:].isdigit() and 19 <= int(name[1:]) <= 29
