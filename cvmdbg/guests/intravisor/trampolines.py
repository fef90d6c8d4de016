"""The monitor's own Morello code: how a cVM is entered, how a hostcall comes in and goes back.

The words stand where the logs show them (ca3 is hostcall_asm, ca5 ret_from_cinv2), in the order of the original:
cinv, hostcall_asm, st_cap, cinv2_sp, cinv2, ret_from_cinv2. Only hostcall() is ours: its body is one trap, and it
destroys what a C function may destroy, so that a guest which relies on such a register fails here as it would there.

    cVM  blrs c29, c22, c23 ─▶ hostcall_asm: bl hostcall ─▶ hlt #0xc0de   the guest module answers
    cVM  ret_from_monitor  ◀─ blrs c29, c9, c10           ◀─ ret

Source: Intravisor src/arch/arm/asm.S (purecap) and src/arch/arm_hyb/asm.S (hybrid).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cvmdbg.guests.guest import Symbol
from cvmdbg.guests.intravisor.layout import PAGE

Code = tuple[tuple[int, str], ...]  # word and its assembly, A64; a label stands for its address

_CINV: Code = (
    (0xAA0003E9, "mov x9, x0"),
    (0xC2400822, "ldr c2, [x1, #32]"),
    (0xC2000922, "str c2, [x9, #32]"),
    (0xC2400C23, "ldr c3, [x1, #48]"),
    (0xC2000D23, "str c3, [x9, #48]"),
    (0xC2401024, "ldr c4, [x1, #64]"),
    (0xC2001124, "str c4, [x9, #64]"),
    (0xC2401425, "ldr c5, [x1, #80]"),
    (0xC2003525, "str c5, [x9, #208]"),
    (0xC2401826, "ldr c6, [x1, #96]"),
    (0xC2002D26, "str c6, [x9, #176]"),
    (0xC2400420, "ldr c0, [x1, #16]"),
    (0xC2003120, "str c0, [x9, #192]"),
    (0xC2401C20, "ldr c0, [x1, #112]"),
    (0xC2402026, "ldr c6, [x1, #128]"),
    (0xC28BD046, "msr ctpidr_el0, c6"),
    (0xC2C1D01F, "mov csp, c0"),
    (0xC2C1D01E, "mov c30, c0"),
    (0xC2400020, "ldr c0, [x1]"),
    (0xC2400822, "ldr c2, [x1, #32]"),
    (0xC2400421, "ldr c1, [x1, #16]"),
    (0xC28B4122, "msr ddc, c2"),
    (0xC2C1A400, "blrs c29, c0, c1"),
)
_SAVE: Code = (
    (0xD101C3FF, "sub sp, sp, #112"),
    (0xF90003F3, "str x19, [sp]"),
)
_CALL: Code = (
    (0x9101C3F3, "add x19, sp, #112"),
    (0xA21F0269, "stur c9, [x19, #-16]"),
    (0xA21E026A, "stur c10, [x19, #-32]"),
    (0xA21D026B, "stur c11, [x19, #-48]"),
    (0x94000000, "bl hostcall"),
    (0xA25F0269, "ldur c9, [x19, #-16]"),
    (0xA25E026A, "ldur c10, [x19, #-32]"),
    (0xA25D026B, "ldur c11, [x19, #-48]"),
    (0xF94003F3, "ldr x19, [sp]"),
    (0xC24007FE, "ldr c30, [sp, #16]"),
    (0x9101C3FF, "add sp, sp, #112"),
    (0xA25C03EC, "ldur c12, [sp, #-64]"),
    (0xC2C1D19F, "mov csp, c12"),
    (0xC28B412B, "msr ddc, c11"),
)
_PURE_HOSTCALL_ASM: Code = (
    (0xC28B413D, "msr ddc, c29"),
    (0xC2C1D3EC, "mov c12, csp"),
    (0xA21C03EC, "stur c12, [sp, #-64]"),
    *_SAVE,
    (0xC20007FE, "str c30, [sp, #16]"),
    *_CALL,
    (0xC2CAA520, "blrs c29, c9, c10"),
)
_HYBRID_HOSTCALL_ASM: Code = (
    (0xC29B412C, "mrs c12, ddc"),
    (0xC2C0118C, "gcbase x12, c12"),
    (0x8B2C63FF, "add sp, sp, x12"),
    (0xC28B413D, "msr ddc, c29"),
    (0x910003EC, "mov x12, sp"),
    (0xF81C03EC, "stur x12, [sp, #-64]"),
    *_SAVE,
    (0xF9000BFE, "str x30, [sp, #16]"),
    *_CALL,
    (0xC2C0116B, "gcbase x11, c11"),
    (0xCB2B63FF, "sub sp, sp, x11"),
    (0xC2CAA520, "blrs c29, c9, c10"),
)
_ST_CAP: Code = ((0xC2000001, "str c1, [x0]"), (0xD65F03C0, "ret"))
_CINV2: Code = ((0xC28B4123, "msr ddc, c3"), (0xC2C2A420, "blrs c29, c1, c2"))
_HOSTCALL: Code = (
    (0xD4581BC0, "hlt #0xc0de"),
    *((0xAA1F03E0 | n, f"mov x{n}, xzr") for n in (*range(1, 9), *range(13, 18))),
    (0xD65F03C0, "ret"),
)


@dataclass(frozen=True, slots=True)
class Routine:
    """A routine of the monitor at its address."""

    name: str
    address: int
    code: Code

    @property
    def size(self) -> int:
        return 4 * len(self.code)


@dataclass(frozen=True, slots=True)
class Trampolines:
    """One build of the monitor: for purecap cVMs or for hybrid ones."""

    routines: tuple[Routine, ...]

    def address(self, name: str) -> int:
        """Where a routine begins."""
        return next(r.address for r in self.routines if r.name == name)

    @property
    def page(self) -> int:
        return self.routines[0].address // PAGE * PAGE

    def write(self) -> tuple[int, bytes]:
        """Address and bytes of all of it; the gaps are zero, which is UDF."""
        start, last = self.routines[0].address, self.routines[-1]
        image = bytearray(last.address + last.size - start)
        for routine in self.routines:
            for index, (word, text) in enumerate(routine.code):
                at = routine.address + 4 * index
                target = self.address(text.split()[1]) if text.startswith("bl ") else at
                struct.pack_into("<I", image, at - start, word | (target - at) >> 2 & 0x3FFFFFF)
        return start, bytes(image)

    def symbols(self) -> tuple[Symbol, ...]:
        return tuple(Symbol(r.name, r.address, r.size, "M") for r in self.routines)


def _build(hostcall_asm: int, gate: Code, cinv2_sp: tuple[int, str], hostcall: int) -> Trampolines:
    """The routines one behind the other; ``hostcall`` is the only address that the logs do not give."""
    at = hostcall_asm - 4 * len(_CINV)
    routines = []
    for name, code in (
        ("cinv", _CINV),
        ("hostcall_asm", gate),
        ("st_cap", _ST_CAP),
        ("cinv2_sp", (cinv2_sp,)),
        ("cinv2", _CINV2),
        ("ret_from_cinv2", ((0xD4200000, "brk #0"),)),
    ):
        routines.append(Routine(name, at, code))
        at += 4 * len(code)
    return Trampolines((*routines, Routine("hostcall", hostcall, _HOSTCALL)))


PURE = _build(0x24A410, _PURE_HOSTCALL_ASM, (0xC2C1D09F, "mov csp, c4"), 0x24A480)
HYBRID = _build(0x24C1A4, _HYBRID_HOSTCALL_ASM, (0x9100009F, "mov sp, x4"), 0x24C230)


def for_abi(pure: bool) -> Trampolines:
    """The build of the monitor that a cVM needs."""
    return PURE if pure else HYBRID
