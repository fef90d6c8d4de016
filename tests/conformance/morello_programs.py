"""Random sequences of Morello instructions, with a harness that runs them on bare metal and reports their outcome.

Each sequence starts from registers and memory of its own, as the table says, takes its faults and goes on behind
them, and ends at an SVC or at a fetch that faults. Then the harness folds all registers, memory with its tags and
the exceptions taken into a hash, and prints it; or it prints every granule of them.
"""

import random
import struct
from dataclasses import dataclass, field

from bare_assembly import code, elf, words

from emulator_core._core import Capability
from emulator_core.isa.table import Encoding, load

ENTRY, VECTORS, BODIES, BODY_SIZE = 0x40_0000, 0x40_1000, 0x41_0000, 0x200
CODE_SIZE = 0x10_0000
CELLS = 0x50_0000  # current table entry, sequences left, hash of the exceptions
DUMP, DUMP_SLOTS = 0x50_1000, 48
LIVE, LIVE_SLOTS = 0x50_2000, 48  # c0..c30, csp, ddc as a sequence starts with
DATA, DATA_SLOTS = LIVE + 16 * LIVE_SLOTS, 64
TABLE = 0x60_0000
TUBE = 0x1300_0000
SLOTS = LIVE_SLOTS + DATA_SLOTS
ENTRY_SIZE = 32 * SLOTS + 32
MASK64 = (1 << 64) - 1
CSP_SLOT, DDC_SLOT = 31, 32
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


# ---- what sequences are made of ----

ENCODINGS: dict[str, Encoding] = {e.clause: e for e in load().encodings if e.place.startswith("morello.isa")}
BRANCHES = {clause for clause, e in ENCODINGS.items() if e.kinds & {"branch", "call", "return"}}
STORES_EXCLUSIVE = {"STXR_R_CR_C", "STLXR_R_CR_C", "STXP_R_CR_C", "STLXP_R_CR_C"}
CLREX = 0xD5033F5F
CTPIDR_EL0, RCTPIDR_EL0, CID_EL0 = (1, 3, 13, 0, 2), (1, 3, 13, 0, 4), (1, 3, 13, 0, 7)
CTPIDRRO_EL0, RDDC_EL0 = (1, 3, 13, 0, 3), (1, 3, 4, 3, 1)
SYSTEM_REGISTERS = [CTPIDR_EL0, RCTPIDR_EL0, CID_EL0, CTPIDRRO_EL0, RDDC_EL0]


class Maker:
    """Random sequences from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    # Values.

    def pointer(self) -> Capability:
        """To the data, mostly usable."""
        size = self.random.choice([16 * DATA_SLOTS, 16 * DATA_SLOTS, 256, 64])
        base = DATA + self.random.randrange(0, 16 * DATA_SLOTS - size + 1, 16)
        made = Capability.almighty().set_value(base).set_bounds(size)
        made = made.set_value(base + self.random.randrange(0, size, self.random.choice([1, 16, 16, 16, 32, 64])))
        return made.clear_perms(EXECUTE | self.random.choice([0, 0, 0, 0, 1 << self.random.randrange(18)]))

    def shaped(self) -> Capability:
        """Any bounds, permissions and type that instructions can make, beyond all physical addresses."""
        base, length = self.random.getrandbits(56) | 1 << 50, self.random.getrandbits(self.random.randrange(1, 56))
        made = Capability.almighty().set_value(base).set_bounds(length)
        made = made.clear_perms(self.random.getrandbits(18) & self.random.getrandbits(18))
        return self.typed(made.set_value(base + self.random.getrandbits(self.random.randrange(1, 60)) & MASK64))

    def typed(self, made: Capability) -> Capability:
        otype = self.random.choice([0, 0, 1, 2, 3, 4, 5, 0x7FFF])
        return made.set_object_type(otype)

    def key(self) -> Capability:
        low = self.random.randrange(8)
        made = Capability.almighty().set_value(low).set_bounds(self.random.choice([0, 8, 0x8000]))
        return made.clear_perms(EXECUTE)

    def integer(self) -> Capability:
        return Capability(self.random.getrandbits(self.random.choice([1, 4, 8, 16, 64])))

    def value(self) -> Capability:
        kind = self.random.randrange(20)
        if kind < 8:
            return self.pointer()
        if kind < 10:
            return self.typed(self.pointer())
        if kind < 12:
            return self.key()
        if kind < 16:
            return self.integer()
        made = self.shaped()
        return made.with_tag(False) if self.random.random() < 0.2 else made

    # Instructions.

    def bits_of(self, name: str, width: int) -> int:
        """Immediates are small more often than not; the rest is anything."""
        small = name.startswith("imm") and self.random.random() < 0.7
        value = self.random.choice([0, 1, 2, 3, -1, -2]) if small else self.random.getrandbits(width)
        return value & (1 << width) - 1

    def word(self, clause: str, **fixed: int) -> int:
        bits = ENCODINGS[clause].bits
        word = bits.value | bits.canonical
        for name, place in bits.fields.items():
            value = fixed.get(name, self.bits_of(name, place.width))
            word |= (value & (1 << place.width) - 1) << place.lsb
        return word

    def plain(self, clause: str) -> int:
        """One instruction with any fields but those whose outcome the architecture leaves open."""
        fixed: dict[str, int] = {}
        if clause in ("MRS_C_I_C", "MSR_C_I_C"):
            name = self.random.choice(SYSTEM_REGISTERS)
            fixed = dict(zip(("o0", "op1", "CRn", "CRm", "op2"), name, strict=True))
        if clause == "SEAL_C_CI_C":  # QEMU takes 31 for CSP
            fixed = {"Cn": self.random.randrange(31), "Cd": self.random.randrange(31)}
        if clause in ("CVT_R_CC_C", "CVTD_R_C_C", "CVTP_R_C_C"):  # QEMU clears CSP for Rd 31
            fixed = {"Rd": self.random.randrange(31)}
        if clause in ("LDR_C_RIAW_C", "LDR_C_RIBW_C"):
            fixed = dict(zip(("Ct", "Rn"), self.random.sample(range(31), 2), strict=True))
        if clause.startswith(("LDP", "LDNP", "LDXP", "LDAXP")) and "Ct2" in ENCODINGS[clause].bits.fields:
            fixed = dict(zip(("Ct", "Ct2", "Rn"), self.random.sample(range(31), 3), strict=True))
        return self.word(clause, **fixed)

    def branch(self, clause: str, c64: bool) -> list[int]:
        """A branch to the instruction behind it, through a register or memory that is made for it just before."""
        fields = ENCODINGS[clause].bits.fields
        target, other = self.random.sample(range(29), 2)
        spoil = self.spoiled(target)
        count = 1 + len(spoil) + (1 if c64 else 2)
        loads = "imm7" in fields or "Ct" in fields
        distance = 4 * (count + (1 if loads else 0))
        offset = distance + (1 if c64 else 0)
        make = [self.word("ADR_C_I_C", immlo=offset & 3, immhi=offset >> 2, P=0, Rd=target)]
        if not c64:
            make.append(self.word("CVTP_C_R_C", Rn=target, Cd=target))
        if not loads:
            pair = {"Cm": other} if "Cm" in fields else {}
            return [*make, *spoil, self.word(clause, Cn=target, **pair)]
        return [*make, *spoil, *self.through_memory(clause, target, other)]

    def spoiled(self, register: int) -> list[int]:
        """Perhaps a seal, perhaps a permission or the tag less."""
        choice = self.random.randrange(6)
        if choice < 2:
            return [self.word("SEAL_C_CI_C", form=1 + choice, Cn=register, Cd=register)]
        if choice == 2:
            return [self.word("CLRPERM_C_CI_C", Cn=register, Cd=register)]
        if choice == 3:
            return [self.word("CLRTAG_C_C_C", Cn=register, Cd=register)]
        return []

    def through_memory(self, clause: str, target: int, base: int) -> list[int]:
        slot = 16 if "Ct" in ENCODINGS[clause].bits.fields else 0
        store = self.word("ASTUR_C_RI_C" if base % 2 else "STUR_C_RI_C", imm9=slot, Rn=base, Ct=target)
        return [store, self.word(clause, Cn=base, imm7=0)]

    def made(self, clause: str, c64: bool) -> list[int]:
        """The instruction, behind what makes its outcome one that the architecture fixes."""
        if clause in BRANCHES - {"BX___C"}:
            return self.branch(clause, c64)
        if clause in STORES_EXCLUSIVE:  # QEMU's monitor is another, and an open one asks for no page
            return [CLREX, self.word(clause, Rn=31)]
        if clause in ("RRLEN_R_R_C", "RRMASK_R_R_C"):  # QEMU rounds lengths that end up at 2^64 otherwise
            base = self.random.randrange(31)
            return [self.word("BICFLGS_C_CI_C", imm8=0xFF, Cn=base, Cd=base), self.word(clause, Rn=base)]
        if clause != "STCT_R_R__":
            return [self.plain(clause)]
        base = self.random.randrange(32)  # QEMU checks all four granules at once, and before the alignment
        return [self.word("ALIGND_C_CI_C", imm6=6, Cn=base, Cd=base), self.word(clause, Rn=base, Rt=31)]

    def sequence(self, length: int = 20) -> Sequence:
        c64 = self.random.random() < 0.5
        instructions: list[int] = []
        clauses: list[str] = []
        names = sorted(ENCODINGS)
        while len(instructions) < length:
            clause = self.random.choice(names)
            if clause == "BX___C":
                c64 = not c64
            made = self.made(clause, c64)
            instructions += made
            clauses += [clause] * len(made)
        first = self.first_mode(clauses, c64)
        return Sequence(
            live=[self.value() for _ in range(31)] + [self.stack(), self.ddc()],
            data=[self.value() for _ in range(DATA_SLOTS)],
            instructions=instructions,
            c64=first,
            nzcv=self.random.getrandbits(4),
            cctlr=self.random.choice([0, 0, SBL, DDCBO, PCCBO, ADRDPB, SBL | PCCBO | DDCBO]),
            clauses=clauses,
        )

    def first_mode(self, clauses: list[str], last: bool) -> bool:
        return last ^ bool(clauses.count("BX___C") % 2)

    def stack(self) -> Capability:
        """Aligned, mostly."""
        if self.random.random() < 0.3:
            return self.pointer()
        return self.pointer().set_value(DATA + 16 * self.random.randrange(DATA_SLOTS))

    def ddc(self) -> Capability:
        """All of the data, mostly; never the harness."""
        whole = Capability.almighty().set_value(DATA).set_bounds(16 * DATA_SLOTS)
        return whole if self.random.random() < 0.6 else self.pointer()
