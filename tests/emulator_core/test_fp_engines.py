"""Loads and stores of V registers in the fast engine against the step engine: A64 and C64, tags included."""

import random

import pytest
from a64_programs import ALIGNED, MOVING, SP, family
from fp_programs import ENCODINGS, V_COUNT, FpGenerator
from morello_board import C64, CODE, CPSR, DDC, PCC, V0, almighty, bounded

from emulator_core._core import HOSTCALL_HLT, Machine, Prot, StopKind
from emulator_core.disassembler import disassemble

MEMORY, MEMORY_SIZE = 0x100_0000, 0x2_0000  # where the generator's bases point
HLT = 0xD4400000 | HOSTCALL_HLT << 5
PROGRAMS = 100
MEMORY_ENCODINGS = [encoding for encoding in ENCODINGS if family(encoding).startswith("memory")]


class Twin:
    """One thread on its own memory, with every granule tagged at first."""

    def __init__(self, c64: bool, seed: int) -> None:
        self.machine, self.c64, self.seed = Machine(), c64, seed
        self.machine.map(CODE, 0x1000, Prot.R | Prot.W | Prot.X)
        self.machine.map(MEMORY, MEMORY_SIZE, Prot.R | Prot.W)
        self.thread = self.machine.add_thread("user")

    def start(self, words: list[int]) -> None:
        machine, generator = self.machine, FpGenerator(random.Random(self.seed))
        machine.write(CODE, b"".join(word.to_bytes(4, "little") for word in [*words, HLT]))
        machine.write(MEMORY, random.Random(self.seed).randbytes(MEMORY_SIZE))
        for address in range(MEMORY + 0xE000, MEMORY + 0x12000, 16):
            machine.write_capability(address, almighty(address).raw, True)
        machine.set(self.thread, PCC, almighty(CODE).bits)
        machine.set(self.thread, DDC, bounded(MEMORY, MEMORY_SIZE).bits)
        machine.set(self.thread, CPSR, machine.get(self.thread, CPSR) & ~C64 | (C64 if self.c64 else 0))
        for n, value in enumerate(generator.general()[: SP + 1]):
            is_base = self.c64 and n in (*ALIGNED, *MOVING, SP)
            machine.set(self.thread, n, bounded(MEMORY, MEMORY_SIZE, value).bits if is_base else value)
        for n in range(V_COUNT):
            machine.set(self.thread, V0 + n, generator.vector())

    def run(self, step: bool) -> tuple[StopKind, int, object, int, tuple[int, ...], bytes, bytes]:
        self.machine.use_step_engine(self.thread, step)
        before = self.machine.ticks
        stop = self.machine.run(self.thread, 1 << 30)
        assert stop.kind in (StopKind.HOSTCALL, StopKind.FAULT)
        fault = stop.fault and (stop.fault.kind, stop.fault.address)
        registers = self.machine.registers(self.thread)
        content = self.machine.read(MEMORY, MEMORY_SIZE), self.machine.read_tags(MEMORY, MEMORY_SIZE)
        return stop.kind, stop.pc, fault, stop.tick - before, registers, *content


def retiring(c64: bool, count: int) -> list[int]:
    """Random words of which each retires by itself."""
    generator, twin, found = FpGenerator(random.Random(7)), Twin(c64, 7), []
    while len(found) < count:
        word = generator.word(generator.random.choice(MEMORY_ENCODINGS))
        twin.start([word])
        if twin.machine.run(twin.thread, 10).kind is StopKind.HOSTCALL:
            found.append(word)
    return found


@pytest.mark.parametrize("c64", [False, True], ids=["A64", "C64"])
def test_both_engines_agree(c64: bool) -> None:
    """The second run of the fast engine finds everything cached."""
    pool, choice, executed = retiring(c64, 200), random.Random(8), 0
    for seed in range(PROGRAMS):
        words = choice.choices(pool, k=12)
        twin, ends = Twin(c64, seed), []
        for step in (True, False, False):
            twin.start(words)
            ends.append(twin.run(step))
        assert ends[0] == ends[1] == ends[2], listing(words)
        executed += ends[0][3]
    assert executed > 5 * PROGRAMS


def listing(words: list[int]) -> str:
    return "\n".join(f"  {word:08x}  {disassemble(word).text}" for word in words)
