"""Plain A64 against Unicorn: random programs must leave the same registers, flags and memory in both.

Set CVMDBG_UNICORN_INSTRUCTIONS for a longer run. Both engines of the core run every program: the fast one with an
endless budget, the step engine one instruction at a time.
"""

import os
import random
from contextlib import suppress
from dataclasses import dataclass

import pytest
from a64_programs import (
    CODE,
    CODE_SIZE,
    ENCODINGS,
    MEMORY,
    MEMORY_SIZE,
    SP,
    Generator,
    family,
)

from emulator_core._core import HOSTCALL_HLT, Capability, Machine, Prot, StopKind
from emulator_core.disassembler import disassemble

unicorn = pytest.importorskip("unicorn", reason="Unicorn, the independent machine, is not installed")
from unicorn import arm64_const as uc  # noqa: E402

INSTRUCTIONS = int(os.environ.get("CVMDBG_UNICORN_INSTRUCTIONS", "20000"))
SEED = int(os.environ.get("CVMDBG_UNICORN_SEED", "1"))
BLOCK = 24
NOP, HLT = 0xD503201F, 0xD4400000 | HOSTCALL_HLT << 5
PCC, DDC, CSP, NZCV = 32, 33, 31, 40
ENDLESS = 1 << 40
X = [uc.UC_ARM64_REG_X0 + n for n in range(29)] + [uc.UC_ARM64_REG_X29, uc.UC_ARM64_REG_X30]
REGISTERS = [*X, uc.UC_ARM64_REG_SP, uc.UC_ARM64_REG_NZCV]


@dataclass
class State:
    """pc, x0..x30, sp, NZCV, and what the touched part of memory holds."""

    pc: int
    registers: list[int]
    memory: bytes

    def difference(self, other: "State") -> str:
        names = [*(f"x{n}" for n in range(31)), "sp", "nzcv"]
        lines = [
            f"{name}: {a:#x}, Unicorn {b:#x}"
            for name, a, b in zip(["pc", *names], [self.pc, *self.registers], [other.pc, *other.registers], strict=True)
            if a != b
        ]
        if self.memory != other.memory:
            at = next(i for i, (a, b) in enumerate(zip(self.memory, other.memory, strict=True)) if a != b)
            lines.append(
                f"memory at {MEMORY + at:#x}: {self.memory[at : at + 8].hex()}, {other.memory[at : at + 8].hex()}"
            )
        return "; ".join(lines)


class Peer:
    """Unicorn, and a machine of the core in user mode with almighty PCC and DDC; both mapped alike."""

    def __init__(self) -> None:
        self.unicorn = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.unicorn.ctl_set_cpu_model(uc.UC_CPU_ARM64_MAX)
        self.unicorn.mem_map(CODE, CODE_SIZE)
        self.unicorn.mem_map(MEMORY, MEMORY_SIZE)
        self.machine = Machine()
        self.machine.map(CODE, CODE_SIZE, Prot.R | Prot.W | Prot.X)
        self.machine.map(MEMORY, MEMORY_SIZE, Prot.R | Prot.W)
        self.thread = self.machine.add_thread("user")

        self.fill(bytes(MEMORY_SIZE))

    def fill(self, memory: bytes) -> None:
        self.unicorn.mem_write(MEMORY, memory)
        self.machine.write(MEMORY, memory)

    def in_unicorn(self, start: "Start", end: int) -> State:
        machine = self.unicorn
        machine.mem_write(CODE, start.code)
        machine.ctl_remove_cache(CODE, CODE + CODE_SIZE)
        for register, value in zip(REGISTERS, start.registers, strict=True):
            machine.reg_write(register, value)
        with suppress(unicorn.UcError):  # a fault: where it stands is compared like everything else
            machine.emu_start(CODE, end)
        values = [machine.reg_read(register) for register in REGISTERS]
        return State(machine.reg_read(uc.UC_ARM64_REG_PC), values, bytes(machine.mem_read(MEMORY, MEMORY_SIZE)))

    def in_core(self, start: "Start", budget: int, runs: int) -> State:
        """So many runs of at most budget instructions; one that ends otherwise is the last."""
        machine, thread = self.machine, self.thread
        machine.write(CODE, start.code)
        machine.set(thread, PCC, Capability.almighty().set_value(CODE).bits)
        machine.set(thread, DDC, Capability.almighty().bits)
        for n, value in zip((*range(SP + 1), NZCV), start.registers, strict=True):
            machine.set(thread, n, value)
        for _ in range(runs):
            stop = machine.run(thread, budget)
            if stop.kind is not StopKind.BUDGET:
                break
        pc = stop.pc - 4 if stop.kind is StopKind.HOSTCALL else stop.pc
        values = [machine.get(thread, n) & (1 << 64) - 1 for n in range(SP + 1)]
        return State(pc, [*values, machine.get(thread, NZCV)], machine.read(MEMORY, MEMORY_SIZE))


@dataclass
class Start:
    """Code and registers that a program begins with; memory is what the one before left."""

    code: bytes
    registers: list[int]


def listing(words: list[int]) -> str:
    return "\n".join(f"  {word:08x}  {disassemble(word, CODE + 4 * n).text}" for n, word in enumerate(words))


def compare(peer: Peer, words: list[int], registers: list[int]) -> None:
    """Run in Unicorn and in both engines; the programs end at an HLT behind a landing of NOPs."""
    code = b"".join(word.to_bytes(4, "little") for word in [*words, *[NOP] * 4, HLT])
    start, end = Start(code, registers), CODE + len(code) - 4
    expected, before = peer.in_unicorn(start, end), peer.machine.save()
    for name, budget, runs in (("fast", ENDLESS, 1), ("step", 1, 2 * len(words) + 8)):
        peer.machine.load(before)
        difference = peer.in_core(start, budget, runs).difference(expected)
        assert not difference, f"{name} engine: {difference}\nfrom {registers}\n{listing(words)}"


def start_registers(generator: Generator, length: int) -> list[int]:
    """x0..x30, sp, NZCV."""
    state = generator.state(length)
    return [*(state[n] for n in range(SP + 1)), generator.random.getrandbits(4) << 28]


def blocks(seed: int, instructions: int) -> int:
    """Compare that many instructions in random programs; the number that were."""
    peer, source = Peer(), random.Random(seed)
    generator, done = Generator(source), 0
    peer.fill(source.randbytes(MEMORY_SIZE))
    while done < instructions:
        words = generator.block(BLOCK, ENCODINGS)
        compare(peer, words, start_registers(generator, len(words)))
        done += len(words)
    return done


def test_random_programs() -> None:
    assert blocks(SEED, INSTRUCTIONS) >= INSTRUCTIONS


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.clause.partition("_aarch64")[0])
def test_every_row(encoding) -> None:  # type: ignore[no-untyped-def]
    """Each row by itself, so that none is missed and a difference names its row."""
    peer, source = Peer(), random.Random(SEED)
    generator = Generator(source)
    peer.fill(source.randbytes(MEMORY_SIZE))
    for _ in range(20):
        words = generator.exclusive(encoding) if "exclusive" in family(encoding) else [generator.word(encoding)]
        compare(peer, words, start_registers(generator, len(words)))
