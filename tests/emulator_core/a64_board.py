"""What the tests of single A64 instructions share: short names of clauses, system registers by their encoding."""

from morello_board import CODE, CPSR, Board, word

from emulator_core.isa.table import load

_CLAUSES = [encoding.clause for encoding in load().encodings]

# op0, op1, CRn, CRm, op2
SYSTEM_REGISTERS = {
    "NZCV": (3, 3, 4, 2, 0),
    "DAIF": (3, 3, 4, 2, 1),
    "FPCR": (3, 3, 4, 4, 0),
    "FPSR": (3, 3, 4, 4, 1),
    "TPIDR_EL0": (3, 3, 13, 0, 2),
    "TPIDRRO_EL0": (3, 3, 13, 0, 3),
    "CCTLR_EL0": (3, 3, 1, 2, 2),
    "CTR_EL0": (3, 3, 0, 0, 1),
    "DCZID_EL0": (3, 3, 0, 0, 7),
    "CNTFRQ_EL0": (3, 3, 14, 0, 0),
    "CNTVCT_EL0": (3, 3, 14, 0, 2),
    "CNTPCT_EL0": (3, 3, 14, 0, 1),
    "CurrentEL": (3, 0, 4, 2, 2),
    "SPSel": (3, 0, 4, 2, 0),
    "SP_EL0": (3, 0, 4, 1, 0),
    "SP_EL1": (3, 4, 4, 1, 0),
    "MIDR_EL1": (3, 0, 0, 0, 0),
    "ID_AA64PFR0_EL1": (3, 0, 0, 4, 0),
    "SCTLR_EL1": (3, 0, 1, 0, 0),
    "SCTLR_EL12": (3, 5, 1, 0, 0),
    "VBAR_EL1": (3, 0, 12, 0, 0),
    "VBAR_EL3": (3, 6, 12, 0, 0),
    "ELR_EL1": (3, 0, 4, 0, 1),
    "HCR_EL2": (3, 4, 1, 1, 0),
    "TCR_EL1": (3, 0, 2, 0, 2),
}


def clause(name: str) -> str:
    """The clause whose name begins so; `ldr_reg_gen` and `ldadd` are enough."""
    found = [c for c in _CLAUSES if c.startswith(f"{name}_aarch64_")]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def a64(name: str, **fields: int) -> int:
    return word(clause(name), **fields)


def _system(name: str) -> dict[str, int]:
    op0, op1, crn, crm, op2 = SYSTEM_REGISTERS[name]
    return {"o0": op0 & 1, "op1": op1, "CRn": crn, "CRm": crm, "op2": op2}


def mrs(name: str, rt: int = 0) -> int:
    return a64("mrs", Rt=rt, **_system(name))


def msr(name: str, rt: int = 0) -> int:
    return a64("msr_reg", Rt=rt, **_system(name))


def sys(op1: int, crn: int, crm: int, op2: int, rt: int = 31) -> int:
    return a64("sys", op1=op1, CRn=crn, CRm=crm, op2=op2, Rt=rt)


DC_ZVA, DC_CIVAC, TLBI_VMALLE1 = (3, 7, 4, 1), (3, 7, 14, 1), (0, 8, 7, 0)

NOP = 0xD503201F
VECTORS = CODE + 0x800
DAIF = 0xF << 6


class Metal(Board):
    """Bare metal in a page of NOPs, with the vectors of every EL in its upper half; at the EL of `spsr`."""

    def __init__(self, el: int = 3, c64: bool = False) -> None:
        super().__init__(c64=c64, mode="system")
        self.machine.write(CODE, NOP.to_bytes(4, "little") * 1024)
        for n in (1, 2, 3):
            self.sysreg(f"VBAR_EL{n}", VECTORS)
        self[CPSR] = self[CPSR] & ~0xF | el << 2 | (el != 0)

    def sysreg(self, name: str, value: int | None = None) -> int:
        """Read, or write, a system register by its name."""
        if value is not None:
            self.machine.set_sysreg(self.thread, name, value)
        return self.machine.get_sysreg(self.thread, name)
