"""A fault being explained: what is known of it, and the sentences so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cvmdbg.analysis.past import Past
from cvmdbg.debugger import Debugger
from cvmdbg.forms import capability_text, count_text, hexa
from cvmdbg.frames import C64
from cvmdbg.rows import Check
from cvmdbg.target import Fault, TargetError
from emulator_core.disassembler import disassemble

TITLES = {
    "tag": "CAPABILITY TAG FAULT",
    "sealed": "CAPABILITY SEALED FAULT",
    "bounds": "CAPABILITY BOUNDS FAULT",
    "permission": "CAPABILITY PERMISSION FAULT",
    "page": "PAGE PERMISSION FAULT",
    "unmapped": "NOTHING IS MAPPED THERE",
    "alignment": "ALIGNMENT FAULT",
    "undefined": "UNDEFINED INSTRUCTION",
    "brk": "BREAKPOINT INSTRUCTION",
    "system": "FORBIDDEN SYSTEM REGISTER",
}


ACCESSES = {
    "fetch": "instruction fetch",
    "read": "load",
    "write": "store",
    "read-cap": "load of a capability",
    "write-cap": "store of a capability",
}


SIGNALS = {
    "tag": "SIGPROT, PROT_CHERI_TAG, FSC 0x28",
    "sealed": "SIGPROT, PROT_CHERI_SEALED, FSC 0x29",
    "bounds": "SIGPROT, PROT_CHERI_BOUNDS, FSC 0x2a",
    "permission": "SIGPROT, PROT_CHERI_PERM, FSC 0x2b",
    "alignment": "SIGBUS, FSC 0x21",
    "page": "SIGSEGV",
    "unmapped": "SIGSEGV",
    "undefined": "SIGILL",
    "brk": "SIGTRAP",
    "system": "SIGILL",
}
"""How CheriBSD reports each kind, and DFSC (Arm DDI 0606)."""


@dataclass
class Case:
    """A stop being explained; the parts fill in what they find."""

    debugger: Debugger
    fault: Fault
    thread: int
    pc: int
    tick: int | None
    sentences: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    cause: int | None = None
    basis: str = "recorded"
    failed: tuple[str, ...] = ()

    def say(self, sentence: str) -> None:
        """One more sentence."""
        self.sentences.append(sentence)

    def place(self, address: int) -> str:
        """``17 musl cinv2_ret+20``."""
        badge, named = self.debugger.places.badge(address), self.debugger.symbols.name_at(address)
        label = self.debugger.places.label(badge) if badge else ""
        return " ".join(part for part in (label, named.text if named is not None else hexa(address)) if part)

    def instruction(self, address: int) -> str:
        """The text of the instruction at an address."""
        try:
            word = int.from_bytes(self.debugger.target.read(address, 4), "little")
        except TargetError:
            return ""
        mode = self.debugger.symbols.mode_at(address)
        if mode not in ("a64", "c64"):
            mode = "c64" if self.debugger.target.read_register(self.thread, "cpsr") & C64 else "a64"
        return disassemble(word, address, "c64" if mode == "c64" else "a64").text


def through(case: Case) -> str:
    """``ldr x0, [c0] loads 8 bytes through c0``."""
    fault = case.fault
    how = ACCESSES.get(fault.access, fault.access)
    return f"{case.instruction(case.pc)}   {case.place(case.pc)}: {how} of {count_text(fault.size, 'byte')}"


def holder(case: Case) -> str:
    name = (case.fault.register or "the capability").upper() if case.fault.register in ("ddc", "pcc") else None
    return name or case.fault.register or "the capability"


def capability_line(case: Case) -> None:
    if case.fault.capability is not None:
        case.say(f"{holder(case)} = {capability_text(case.fault.capability)}{points(case, case.fault.capability)}")


def points(case: Case, bits: int) -> str:
    from cvmdbg.analysis.pointing import points_at

    badge, text = points_at(case.debugger, bits)
    return f"  {badge} {text}".rstrip() if badge or text else ""


def past_of(case: Case) -> Past:
    assert case.debugger.past is not None
    return case.debugger.past


def look_back(case: Case, ask: Callable[[dict[str, int]], object]) -> object:
    """Ask the past, if this target keeps one."""
    if case.debugger.past is None or case.tick is None:
        return None
    target = case.debugger.target
    now = {r.name: target.read_register(case.thread, r.name) for r in target.registers}
    try:
        return ask(now)
    except TargetError:
        return None


def has(bit: object) -> str:
    return "present" if bit else "absent"
