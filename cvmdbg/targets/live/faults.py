"""A fault of a live machine, as far as its peer says: the kind and the address from siginfo, the rest from the
instruction that did not retire and the registers that it names.

Sources: Linux asm-generic/siginfo.h, Morello's SEGV_CAP* codes (arch/aarch64-cap-linux.h of CTSRD gdb); CheriBSD
sys/signal.h (PROT_CHERI_*), sys/_siginfo: si_addr behind si_pid, si_uid and si_status.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from cvmdbg.frames import C64
from cvmdbg.target import Fault, TargetError, Unknown
from emulator_core.capability import Capability
from emulator_core.disassembler import Instruction, disassemble

SEGV, PROT = 11, 34
LINUX = {1: "unmapped", 2: "page", 10: "tag", 11: "sealed", 12: "bounds", 13: "permission"}
CHERIBSD = {1: "bounds", 2: "tag", 3: "sealed", 4: "sealed", 5: "permission"}
ADDRESSES = {SEGV: 16, PROT: 24}
"""Where si_addr is."""
CAPABILITY = frozenset({"tag", "sealed", "bounds", "permission"})
WORDS = {"unmapped": "nothing is mapped there", "page": "its page does not allow it"}
NEEDED = {"fetch": 1 << 15, "read": 1 << 17, "write": 1 << 16, "read-cap": 1 << 14, "write-cap": 1 << 13}
LOW = (1 << 64) - 1
_BASE = re.compile(r"\[(c\d+|csp|x\d+|sp)\b")
_FIRST = re.compile(r"([cxwqdshbv])\d+|[cx]zr|csp")
_SIZES = {"c": 16, "x": 8, "w": 4, "q": 16, "d": 8, "s": 4, "h": 2, "b": 1}


@dataclass(frozen=True, slots=True)
class Told:
    """What siginfo says: the kind of a fault and its address."""

    kind: str
    address: int

    @property
    def text(self) -> str:
        """`` at 1234: nothing is mapped there``."""
        words = WORDS.get(self.kind, f"capability {self.kind} fault")
        return f" at {self.address:#x}: {words}"


def told(siginfo: bytes) -> Told | None:
    """None for another signal, a code that is not known, or what is too short."""
    signal, code = (int.from_bytes(siginfo[at : at + 4], "little") for at in (0, 8))
    kind = {SEGV: LINUX, PROT: CHERIBSD}.get(signal, {}).get(code)
    at = ADDRESSES.get(signal, 0)
    if kind is None or len(siginfo) < at + 8:
        return None
    return Told(kind, int.from_bytes(siginfo[at : at + 8], "little"))


@dataclass(frozen=True, slots=True)
class Scene:
    """A Morello thread that stands at an instruction which faulted."""

    thread: int
    read: Callable[[int, int], bytes]
    register: Callable[[int, str], int]

    def fault(self, found: Told) -> Fault | None:
        """The fault, when the instruction and its registers explain it; else None."""
        if found.kind not in CAPABILITY:
            return None
        try:
            pc = self.register(self.thread, "pc") & LOW
            if found.address & ~1 == pc & ~1:
                return self._made(found, "fetch", 4, "pcc")
            word = int.from_bytes(self.read(pc, 4), "little")
            mode = "c64" if self.register(self.thread, "cpsr") & C64 else "a64"
            return self._access(found, disassemble(word, pc, "c64" if mode == "c64" else "a64"))
        except (TargetError, Unknown):
            return None

    def _access(self, found: Told, instruction: Instruction) -> Fault | None:
        base = _BASE.search(instruction.operands)
        if base is None or not instruction.kinds & {"load", "store"}:
            return None
        first = _FIRST.match(instruction.operands)
        letter = first[1] if first is not None and first[1] else "c" if instruction.operands.startswith("c") else "x"
        size = _SIZES.get({"b": "b", "h": "h"}.get(_narrow(instruction.mnemonic), letter), 8)
        size *= 2 if instruction.mnemonic.startswith(("ldp", "stp", "ldnp", "stnp")) else 1
        kind = ("read" if "load" in instruction.kinds else "write") + ("-cap" if letter == "c" else "")
        return self._made(found, kind, size, base[1] if base[1][0] == "c" else "ddc")

    def _made(self, found: Told, access: str, size: int, register: str) -> Fault | None:
        """None where the capability that it went through does not fail as it is told."""
        bits = self.register(self.thread, register)
        if not _fails(found, access, size, Capability(bits)):
            return None
        return Fault(found.kind, access, found.address, size, register, bits, NEEDED[access], 0)


def _narrow(mnemonic: str) -> str:
    """``b`` for ldrb, ldursb …, ``h`` for strh …"""
    return mnemonic[-1] if mnemonic[:2] in ("ld", "st") and mnemonic[-1] in "bh" else ""


def _fails(found: Told, access: str, size: int, cap: Capability) -> bool:
    match found.kind:
        case "tag":
            return not cap.tag
        case "sealed":
            return cap.otype != 0
        case "bounds":
            return not cap.base <= found.address <= found.address + size <= cap.limit
    return not cap.perms & NEEDED[access]
