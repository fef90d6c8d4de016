"""Floating point, vectors and crypto against Unicorn: registers, FPSR after every instruction, memory; both engines.

Set CVMDBG_UNICORN_FP_INSTRUCTIONS for a longer run, CVMDBG_UNICORN_FP_SEED for another one.
"""

import contextlib
import os
import random
from dataclasses import dataclass

import pytest
from a64_programs import CODE, MEMORY, MEMORY_SIZE, SP
from fp_programs import ENCODINGS, PROLOGUE, STRIDE, V_COUNT, FpGenerator, program

from emulator_core._core import Capability, StopKind
from emulator_core.disassembler import disassemble

unicorn = pytest.importorskip("unicorn", reason="Unicorn, the independent machine, is not installed")
from test_unicorn import DDC, ENDLESS, HLT, NOP, NZCV, PCC, REGISTERS, Peer  # noqa: E402
from unicorn import arm64_const as uc  # noqa: E402

INSTRUCTIONS = int(os.environ.get("CVMDBG_UNICORN_FP_INSTRUCTIONS", "20000"))
SEED = int(os.environ.get("CVMDBG_UNICORN_FP_SEED", "1"))
BLOCK = 24
V0, FPCR, FPSR = 64, 43, 44
Q = [uc.UC_ARM64_REG_Q0 + n for n in range(V_COUNT)]
NAMES = [*(f"x{n}" for n in range(31)), "sp", "nzcv", *(f"v{n}" for n in range(V_COUNT)), "fpsr", "pc"]


@dataclass
class Start:
    """A program and what it begins with: x0..x30, sp, NZCV; v0..v31."""

    words: list[int]
    general: list[int]
    vectors: list[int]

    @property
    def code(self) -> bytes:
        return b"".join(word.to_bytes(4, "little") for word in [*self.words, *[NOP] * 4, HLT])

    @property
    def end(self) -> int:
        return CODE + len(self.code) - 4


@dataclass
class End:
    """x0..x30, sp, NZCV, v0..v31, FPSR, pc; and memory."""

    registers: list[int]
    memory: bytes

    @property
    def reached(self) -> int:
        """Words that were executed."""
        return (self.registers[-1] - CODE) // 4

    def difference(self, other: "End") -> str:
        pairs = zip(NAMES, self.registers, other.registers, strict=True)
        lines = [f"{name}: {a:#x}, Unicorn {b:#x}" for name, a, b in pairs if a != b]
        if self.memory != other.memory:
            at = next(i for i, (a, b) in enumerate(zip(self.memory, other.memory, strict=True)) if a != b) & ~15
            lines.append(f"memory at {MEMORY + at:#x}: {self.memory[at:][:32].hex()}, {other.memory[at:][:32].hex()}")
        return "\n".join(lines)


class FpPeer(Peer):
    """The same two machines, with V registers, FPCR and FPSR."""

    def unicorn_runs(self, start: Start) -> End:
        machine = self.unicorn
        machine.mem_write(CODE, start.code)
        machine.ctl_remove_cache(CODE, CODE + len(start.code))
        for register, value in zip((*REGISTERS, *Q), (*start.general, *start.vectors), strict=True):
            machine.reg_write(register, value)
        with contextlib.suppress(unicorn.UcError):  # a fault: where it stands is compared like everything else
            machine.emu_start(CODE, start.end)
        registers = [machine.reg_read(register) for register in (*REGISTERS, *Q)]
        registers += [machine.reg_read(uc.UC_ARM64_REG_FPSR), machine.reg_read(uc.UC_ARM64_REG_PC)]
        return End(registers, bytes(machine.mem_read(MEMORY, MEMORY_SIZE)))

    def core_runs(self, start: Start, step: bool) -> End:
        machine, thread = self.machine, self.thread
        machine.use_step_engine(thread, step)
        machine.write(CODE, start.code)
        machine.set(thread, PCC, Capability.almighty().set_value(CODE).bits)
        machine.set(thread, DDC, Capability.almighty().bits)
        numbers = (*range(SP + 1), NZCV, *range(V0, V0 + V_COUNT))
        for number, value in zip(numbers, (*start.general, *start.vectors), strict=True):
            machine.set(thread, number, value)
        stop = machine.run(thread, ENDLESS)
        assert stop.kind in (StopKind.HOSTCALL, StopKind.FAULT), stop.kind
        pc = stop.pc - 4 if stop.kind is StopKind.HOSTCALL else stop.pc
        values = machine.registers(thread)
        registers = [*(values[n] & (1 << 64) - 1 for n in range(SP + 1)), values[NZCV]]
        registers += [*values[V0 : V0 + V_COUNT], values[FPSR], pc]
        return End(registers, machine.read(MEMORY, MEMORY_SIZE))


def difference(peer: FpPeer, start: Start) -> tuple[str, End]:
    before = peer.machine.read(MEMORY, MEMORY_SIZE)
    peer.unicorn.mem_write(MEMORY, before)
    expected = peer.unicorn_runs(start)
    stepped = peer.core_runs(start, step=True).difference(expected)
    peer.machine.write(MEMORY, before)
    return stepped or peer.core_runs(start, step=False).difference(expected), expected


def listing(words: list[int]) -> str:
    return "\n".join(f"  {word:08x}  {disassemble(word).text}" for word in words)


def blame(peer: FpPeer, words: list[int], start: Start, fpcr: int, memory: bytes) -> str:
    """The first instruction whose execution differs, and how."""
    for count in range(1, len(words) + 1):
        peer.fill(memory)
        start.words = program(words[:count], fpcr)
        found, _ = difference(peer, start)
        if found:
            return f"{found}\nfpcr {fpcr:#x}\nfrom {start.general}\n{start.vectors}\n{listing(words[:count])}"
    return "the difference went away"


def compare(peer: FpPeer, generator: FpGenerator, words: list[int]) -> int:
    """Run the words in both; how many were executed: an undefined one ends the program."""
    fpcr, memory = generator.fpcr(), peer.machine.read(MEMORY, MEMORY_SIZE)
    vectors = [generator.vector() for _ in range(V_COUNT)]
    start = Start(program(words, fpcr), generator.general(), vectors)
    found, end = difference(peer, start)
    if found:
        pytest.fail(blame(peer, words, start, fpcr, memory), pytrace=False)
    return min(len(words), (end.reached - PROLOGUE) // STRIDE)


def blocks(seed: int, instructions: int) -> int:
    """Compare that many executed instructions in random programs; the number that were."""
    peer, generator, done = FpPeer(), FpGenerator(random.Random(seed)), 0
    peer.fill(random.Random(seed).randbytes(MEMORY_SIZE))
    while done < instructions:
        words = generator.block(BLOCK)
        while words:
            executed = compare(peer, generator, words)
            done += executed
            words = words[executed + 1 :]
    return done


def test_random_programs() -> None:
    assert blocks(SEED, INSTRUCTIONS) >= INSTRUCTIONS


@pytest.fixture(scope="module")
def peer() -> FpPeer:
    made = FpPeer()
    made.fill(random.Random(SEED).randbytes(MEMORY_SIZE))
    return made


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.clause.replace("aarch64_instrs_", ""))
def test_every_row(peer: FpPeer, encoding) -> None:  # type: ignore[no-untyped-def]
    """Each row by itself, so that none is missed and a difference names its row; some words of it execute."""
    generator = FpGenerator(random.Random(SEED))
    executed = sum(compare(peer, generator, [generator.word(encoding)]) for _ in range(30))
    assert executed > 0
