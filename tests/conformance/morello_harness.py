"""A harness that runs sequences of instructions on bare metal and reports their outcome.

Each sequence starts from registers and memory of its own, as the table says, takes its faults and goes on behind
them, and ends at an SVC or at a fetch that faults. Then the harness folds all registers, memory with its tags and
the exceptions taken into a hash, and prints it; or it prints every granule of them.
"""

import struct
from dataclasses import dataclass, field

from bare_assembly import code, elf, words

from emulator_core._core import Capability

ENTRY, VECTORS, BODIES, BODY_SIZE = 0x40_0000, 0x40_1000, 0x41_0000, 0x200
CODE_SIZE = 0x10_0000
CELLS = 0x50_0000  # current table entry, sequences left, hash of the exceptions
DUMP, DUMP_SLOTS = 0x50_1000, 48
LIVE, LIVE_SLOTS = 0x50_2000, 48  # c0..c30, csp, ddc as a sequence starts with
DATA, DATA_SLOTS = LIVE + 16 * LIVE_SLOTS, 64
TABLE = 0x60_0000
TUBE = 0x1300_0000
SLOTS = LIVE_SLOTS + DATA_SLOTS
SPSR_EL3H, SPSR_C64 = 0x3CD, 1 << 26
DDCBO, PCCBO, ADRDPB, SBL = 4, 8, 16, 128
EXECUTE = 1 << 15
SVC = 0xD4000001

# x0: the table entry. Every capability of it is tagged as it says, then the sequence starts by ERET. Its PCC has the
# code alone and cannot store: what is outside of the RAM differs between boards.
START = """
next:
    ldr x9, ={CELLS}
    ldr x0, [x9]
    mov x1, #0
    str x1, [x9, #16]
    ldr x1, ={LIVE}
    mov x2, #{SLOTS}
tag:
    ldr c3, [x0]
    ldr x4, [x0, #16]
    add x0, x0, #32
    sctag c3, c3, x4
    str c3, [x1], #16
    sub x2, x2, #1
    cbnz x2, {tag}
    ldr x4, [x0]
    msr spsr_el3, x4
    ldr x4, [x0, #8]
    ldr x3, ={ENTRY}
    cvtp c3, x3
    ldr x5, ={CODE_SIZE}
    scbnds c3, c3, x5
    scvalue c4, c3, x4
    clrperm c4, c4, w
    msr celr_el3, c4
    ldr x5, [x0, #16]
    add x0, x0, #32
    str x0, [x9]
    ldr x1, ={LIVE}
    cvtp c30, x1
    ldr c4, [x1, #496]
    mov csp, c4
    ldr c4, [x1, #512]
    msr cctlr_el3, x5
    clrex
    msr ddc, c4
"""
# Alternate-base loads go through C30 whatever DDC has become.
LOAD_REGISTERS = "\n".join(f"    ldr c{n}, [c30, #{16 * n}]" for n in range(31)) + "\n    eret\n"
# An exception is hashed; the instruction is left out, or the sequence is over. The status of an access at the very top
# is not looked at: QEMU reports the address's size before the capability's bounds.
HANDLER = """
exception:
    msr ctpidr_el1, c0
    msr ctpidr_el2, c1
    msr ctpidr_el3, c2
    ldr x1, ={CELLS}
    cvtp c1, x1
    mrs x0, esr_el3
    lsr x0, x0, #26
    sub x2, x0, #0x15
    cbz x2, {done}
    sub x2, x0, #0x21
    cbz x2, {done}
    sub x2, x0, #0x22
    cbz x2, {done}
    sub x2, x0, #0x0e
    cbz x2, {done}
    ldr x2, [c1, #16]
    ror x2, x2, #57
    sub x0, x0, #0x25
    cbnz x0, {status}
    mrs x0, far_el3
    asr x0, x0, #12
    add x0, x0, #1
    cbz x0, {wrapped}
status:
    mrs x0, esr_el3
    and w0, w0, #0xfc00007f
    eor x2, x2, x0
wrapped:
    mrs x0, elr_el3
    add x2, x2, x0
    str x2, [c1, #16]
    mrs c0, celr_el3
    add c0, c0, #4
    msr celr_el3, c0
    mrs c0, ctpidr_el1
    mrs c1, ctpidr_el2
    mrs c2, ctpidr_el3
    eret
done:
    ldr x0, ={DUMP}
    cvtp c0, x0
"""
KEEP_REGISTERS = (
    "\n".join(f"    str c{n}, [c0, #{16 * n}]" for n in range(3, 31))
    + """
    mrs c1, ctpidr_el1
    str c1, [c0]
    mrs c1, ctpidr_el2
    str c1, [c0, #16]
    mrs c1, ctpidr_el3
    str c1, [c0, #32]
    mov c1, csp
    str c1, [c0, #496]
    mrs c1, ddc
    str c1, [c0, #512]
    mrs c1, celr_el3
    str c1, [c0, #528]
    mrs x1, spsr_el3
    and x1, x1, #0xf0000000
    str x1, [c0, #544]
    mov x1, #0
    msr cctlr_el3, x1
    cvtp c1, x1
    msr ddc, c1
    ldr x9, ={CELLS}
    ldr x1, [x9, #16]
    ldr x0, ={DUMP}
    str x1, [x0, #560]
    mov x6, #0
"""
)
REPORT = """
    mov x2, #{DUMP_SLOTS}
    ldr x0, ={DUMP}
    bl {fold}
    mov x2, #{DATA_SLOTS}
    ldr x0, ={DATA}
    bl {fold}
    {report_hash}
    ldr x9, ={CELLS}
    ldr x1, [x9, #8]
    sub x1, x1, #1
    str x1, [x9, #8]
    cbnz x1, {next}
    ldr x7, ={TUBE}
    mov w1, #4
    strb w1, [x7]
over:
    b {over}
fold:
    mov x20, x30
fold_one:
    ldr c3, [x0], #16
    gctag x4, c3
    cfhi x5, c3
    gcvalue x3, c3
    {report_granule}
    eor x6, x6, x3
    mul x6, x6, x10
    ror x6, x6, #29
    eor x6, x6, x5
    mul x6, x6, x10
    ror x6, x6, #31
    eor x6, x6, x4
    mul x6, x6, x10
    sub x2, x2, #1
    cbnz x2, {fold_one}
    br x20
print:
    mov x11, #16
print_digit:
    ror x8, x8, #60
    and x12, x8, #15
    add x12, x12, #0x61
    strb w12, [x7]
    sub x11, x11, #1
    cbnz x11, {print_digit}
    mov w12, #10
    strb w12, [x7]
    br x30
"""


def _constants(text: str) -> str:
    """`ldr xN, =VALUE` as MOVZ and MOVK: the harness has no literals."""
    out = []
    for line in text.splitlines():
        if "=" not in line:
            out.append(line)
            continue
        register, value = line.strip()[4:].split(", =")
        number = int(value.format(**{k: v for k, v in globals().items() if k.isupper()}), 0)
        out.append(f"mov {register}, #{number & 0xFFFF}")
        out.append(f"movk {register}, #{number >> 16 & 0xFFFF}, lsl #16")
    return "\n".join(out)


def harness(detailed: bool) -> dict[int, bytes]:
    sizes = {"SLOTS": SLOTS, "DUMP_SLOTS": DUMP_SLOTS, "DATA_SLOTS": DATA_SLOTS}
    setup = f"""
        mov x0, #0x200
        msr cptr_el3, x0
        isb
        ldr x0, ={VECTORS}
        cvtp c0, x0
        msr cvbar_el3, c0
    """
    granule = "\n".join(f"mov x8, x{n}\nbl {{print}}" for n in (4, 5, 3)) if detailed else ""
    whole = "" if detailed else "mov x8, x6\nbl {print}"
    report = REPORT.replace("{report_granule}", granule).replace("{report_hash}", whole)
    constants = "ldr x7, ={TUBE}\nldr x10, =0x9e3779b1\n"
    text = setup + START + LOAD_REGISTERS + HANDLER + KEEP_REGISTERS + constants + report
    text = _constants(text)
    image = code(ENTRY, text, sizes)
    assert len(image) <= VECTORS - ENTRY
    exception = ENTRY + 4 * _lines_before(text, "exception:")
    branches = b"".join(code(VECTORS + slot * 0x80, f"b {exception:#x}").ljust(0x80, b"\0") for slot in range(16))
    return {ENTRY: image, VECTORS: branches}


def _lines_before(text: str, label: str) -> int:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return sum(not line.endswith(":") for line in lines[: lines.index(label)])


@dataclass
class Sequence:
    """What one run starts with."""

    live: list[Capability]
    data: list[Capability]
    instructions: list[int]
    c64: bool
    nzcv: int
    cctlr: int
    clauses: list[str] = field(default_factory=list)

    def entry(self, body: int) -> bytes:
        live = self.live + [Capability.null()] * (LIVE_SLOTS - len(self.live))
        slots = b"".join(c.to_bytes() + struct.pack("<QQ", c.tag, 0) for c in live + self.data)
        spsr = SPSR_EL3H | self.nzcv << 28 | (SPSR_C64 if self.c64 else 0)
        return slots + struct.pack("<QQQQ", spsr, body, self.cctlr, 0)


def program(sequences: list[Sequence], detailed: bool = False) -> bytes:
    """The ELF that runs them in order."""
    bodies = b"".join(words([*s.instructions, SVC]).ljust(BODY_SIZE, b"\0") for s in sequences)
    table = b"".join(s.entry(BODIES + BODY_SIZE * n) for n, s in enumerate(sequences))
    cells = struct.pack("<QQQ", TABLE, len(sequences), 0)
    assert BODIES + len(bodies) <= CELLS
    return elf(ENTRY, harness(detailed) | {BODIES: bodies, CELLS: cells, TABLE: table})
