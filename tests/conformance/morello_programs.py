"""Random sequences of Morello instructions, and what they start with."""

import random

from morello_harness import ADRDPB, DATA, DATA_SLOTS, DDCBO, EXECUTE, PCCBO, SBL, Sequence

from emulator_core._core import Capability
from emulator_core.isa.table import Encoding, load

MASK64 = (1 << 64) - 1
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
        """Each BX changes the mode."""
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
