"""A machine with one thread, a page of code and some of memory: what the tests of single instructions run on."""

from emulator_core._core import Capability, Crossing, FaultKind, Machine, Prot, Stop, StopKind
from emulator_core.isa.table import load

CODE, VECTORS, MEMORY, MEMORY_SIZE = 0x1_0000, 0x1_0800, 0x2_0000, 0x4000
NOP = bytes.fromhex("1f2003d5")
C0, CSP, PCC, DDC, RCSP, RDDC, NZCV, CPSR, CCTLR, EL, V0 = 0, 31, 32, 33, 35, 36, 40, 41, 42, 45, 64
LINK = 30
C64 = 1 << 26
N, Z, C, V = 8, 4, 2, 1
DDCBO, PCCBO, ADRDPB, SBL = 1 << 2, 1 << 3, 1 << 4, 1 << 7
GLOBAL, EXECUTIVE, MUTABLE_LOAD, BSP, SYSTEM, UNSEAL, SEAL = 1, 2, 1 << 6, 1 << 8, 1 << 9, 1 << 10, 1 << 11
STORE_LOCAL, STORE_CAP, LOAD_CAP, EXECUTE, STORE, LOAD = (1 << bit for bit in range(12, 18))
ALL_PERMS = (1 << 18) - 1
RB, LPB, LB = 1, 2, 3
MASK64 = (1 << 64) - 1

_ENCODINGS = {encoding.clause: encoding for encoding in load().encodings}


def word(clause: str, **fields: int) -> int:
    """The instruction word of a clause with these fields; the rest is zero."""
    bits = _ENCODINGS[clause].bits
    result = bits.value | bits.canonical
    for name, value in fields.items():
        field = bits.fields[name]
        result |= (value & (1 << field.width) - 1) << field.lsb
    return result


def almighty(value: int = 0) -> Capability:
    return Capability.almighty().set_value(value)


def bounded(base: int, length: int, value: int | None = None, perms: int = ALL_PERMS) -> Capability:
    """A tagged capability over [base, base + length), exactly, with its value at base."""
    made = almighty(base).set_bounds(length, exact=True)
    assert made.tag
    return made.set_value(base if value is None else value).clear_perms(ALL_PERMS & ~perms)


def sealed(capability: Capability, otype: int) -> Capability:
    return capability.set_object_type(otype)


class Board:
    """PCC and DDC are almighty, the thread is in user mode, the pc is at CODE."""

    def __init__(self, c64: bool = False, mode: str = "user", cctlr: int = 0) -> None:
        self.machine = Machine()
        self.machine.map(CODE, 0x1000, Prot.R | Prot.W | Prot.X)
        self.machine.map(MEMORY, MEMORY_SIZE, Prot.R | Prot.W)
        self.thread = self.machine.add_thread(mode)
        self.set(PCC, almighty(CODE))
        self.set(DDC, almighty())
        self[CPSR] = self[CPSR] & ~C64 | (C64 if c64 else 0)
        self[CCTLR] = cctlr

    def __getitem__(self, reg: int) -> int:
        return self.machine.get(self.thread, reg)

    def __setitem__(self, reg: int, value: int) -> None:
        self.machine.set(self.thread, reg, value)

    def set(self, reg: int, value: Capability) -> None:
        self[reg] = value.bits

    def cap(self, reg: int) -> Capability:
        return Capability(self[reg])

    def rewind(self) -> None:
        """The pc back to CODE; the rest of PCC stays."""
        self[PCC] = self[PCC] & ~MASK64 | CODE

    def run(self, instruction: int) -> Stop:
        """One instruction at CODE; the stop is a used-up budget or its fault."""
        self.rewind()
        self.machine.write(CODE, instruction.to_bytes(4, "little"))
        return self.machine.run(self.thread, 1)

    def step(self, clause: str, **fields: int) -> None:
        """One instruction that retires."""
        stop = self.run(word(clause, **fields))
        assert stop.kind is StopKind.BUDGET, f"{clause} stopped with {stop.kind.name}: {stop.fault}"

    def fault(self, clause: str, **fields: int) -> FaultKind:
        """One instruction that faults and changes no register."""
        self.rewind()
        before = self.machine.registers(self.thread)
        stop = self.run(word(clause, **fields))
        assert stop.kind is StopKind.FAULT and stop.fault, f"{clause} stopped with {stop.kind.name}"
        assert self.machine.registers(self.thread) == before
        assert stop.pc == CODE
        return stop.fault.kind

    def fetch_fault(self) -> FaultKind:
        """What the fetch at the current pc faults with."""
        stop = self.machine.run(self.thread, 1)
        assert stop.kind is StopKind.FAULT and stop.fault
        return stop.fault.kind

    def crossings(self) -> list[Crossing]:
        return self.machine.crossings()

    def load(self, address: int) -> Capability:
        raw, tag = self.machine.read_capability(address)
        return Capability(raw | tag << 128)

    def store(self, address: int, value: Capability) -> None:
        self.machine.write_capability(address, value.raw, value.tag)

    def sysreg(self, name: str) -> int:
        return self.machine.get_sysreg(self.thread, name)


def bare(c64: bool = False) -> Board:
    """At EL3, where CPTR_EL3.EC lets capability instructions through and each vector holds a NOP."""
    board = Board(c64=c64, mode="system")
    board.machine.set_sysreg(board.thread, "CPTR_EL3", 1 << 9)
    board.machine.set_sysreg(board.thread, "CVBAR_EL3", almighty(VECTORS).bits)
    for offset in range(0, 0x800, 0x80):
        board.machine.write(VECTORS + offset, NOP)
    return board
