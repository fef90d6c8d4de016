"""Loads and stores of V registers in the fast engine against the step engine: A64 and C64, tags included."""

import random
from collections.abc import Callable, Iterator

import pytest
from a64_programs import ALIGNED, MOVING, SP, family
from fp_programs import ENCODINGS, V_COUNT, FpGenerator
from morello_board import C64, CODE, CPSR, DDC, PCC, V0, almighty, bounded

from emulator_core._core import (
    HOSTCALL_HLT,
    Machine,
    Prot,
    StopKind,
    default_engine,
    jit_missing,
    set_default_engine,
)
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
        machine = self.machine
        machine.write(CODE, b"".join(word.to_bytes(4, "little") for word in [*words, HLT]))
        machine.write(MEMORY, random.Random(self.seed).randbytes(MEMORY_SIZE))
        for address in range(MEMORY + 0xE000, MEMORY + 0x12000, 16):
            machine.write_capability(address, almighty(address).raw, True)
        self.registers()

    def registers(self) -> None:
        """At the first word, with the seed's values."""
        machine, generator = self.machine, FpGenerator(random.Random(self.seed))
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


def retiring(c64: bool, count: int, draw: Callable[[], int]) -> list[int]:
    """Words of which each retires by itself."""
    twin, found = Twin(c64, 7), list[int]()
    while len(found) < count:
        word = draw()
        twin.start([word])
        if twin.machine.run(twin.thread, 10).kind is StopKind.HOSTCALL:
            found.append(word)
    return found


@pytest.mark.parametrize("c64", [False, True], ids=["A64", "C64"])
def test_both_engines_agree(c64: bool) -> None:
    """The second run of the fast engine finds everything cached."""
    generator = FpGenerator(random.Random(7))
    pool = retiring(c64, 200, lambda: generator.word(generator.random.choice(MEMORY_ENCODINGS)))
    choice, executed = random.Random(8), 0
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


# ---- arithmetic that the host does ----------------------------------------------------------------------------

ARITHMETIC = ("fadd", "fsub", "fmul", "fnmul", "fdiv", "fmadd", "fmsub", "fnmadd", "fnmsub", "fmla", "fmls")
FPCR, FPSR, IXC = 43, 44, 1 << 4
ROUNDING_AND_FLUSHING = [0, 0, 0, 1 << 22, 2 << 22, 3 << 22, 1 << 24, 1 << 25]


def arithmetic_word(choice: random.Random) -> int:
    """Scalar, by vectors or by an element; of V0..V7, into V8..V15."""
    encodings = [e for e in ENCODINGS if e.clause.split("_")[0] in ARITHMETIC]
    word = FpGenerator(choice).word(choice.choice(encodings))
    for low in (0, 5, 10, 16):  # the third source of a fused scalar is a register, too
        if low != 10 or word >> 24 & 0x1F == 0x1F:
            word &= ~(3 << (low + 3))
    return word | 1 << 3


def near(choice: random.Random) -> int:
    """Four floats or two doubles around the least normal, infinity, one and zero."""
    wide = choice.random() < 0.5
    width, fraction = (64, 52) if wide else (32, 23)
    lanes = 0
    for lane in range(128 // width):
        top = choice.choice([0, 1, 2, (1 << (width - fraction - 2)) - 1, *[(1 << (width - fraction - 2)) - 2] * 2])
        exponent = choice.choice([top, (1 << (width - fraction - 1)) - choice.choice([1, 2, 3]), choice.randrange(256)])
        bits = exponent << fraction | choice.choice([0, 1, (1 << fraction) - 1, choice.getrandbits(fraction)])
        lanes |= ((bits | choice.getrandbits(1) << (width - 1)) & (1 << width) - 1) << lane * width
    return lanes


@pytest.mark.parametrize("seed", range(4))
def test_host_arithmetic_agrees(seed: int) -> None:
    """Results and flags of the fast engine are those of the step engine, whatever FPCR and FPSR say."""
    choice, twin = random.Random(seed), Twin(False, seed)
    pool = retiring(False, 200, lambda: arithmetic_word(choice))
    for _ in range(100):
        words = choice.choices(pool, k=16)
        values, fpcr = [near(choice) for _ in range(V_COUNT)], choice.choice(ROUNDING_AND_FLUSHING)
        fpsr, ends = choice.choice([IXC, IXC, 0]), []
        for step in (True, False):
            twin.start(words)
            for n, value in enumerate(values):
                twin.machine.set(twin.thread, V0 + n, value)
            twin.machine.set(twin.thread, FPCR, fpcr)
            twin.machine.set(twin.thread, FPSR, fpsr)
            ends.append(twin.run(step))
        assert ends[0] == ends[1], listing(words)
        assert ends[0][3] == len(words) + 1


# ---- translated -----------------------------------------------------------------------------------------------


@pytest.fixture
def at_once() -> Iterator[None]:
    """Machines that are made now translate what they meet twice."""
    before = default_engine()
    set_default_engine("jit", 1)
    yield
    set_default_engine(before)


HOT_TICKS = 6000
"""Of a run that does not go step by step."""
STAYING = [encoding for encoding in ENCODINGS if not encoding.clause.split("_aarch64_")[1].endswith(("_inc", "_wb"))]


def looping(words: list[int]) -> list[int]:
    """The words over and over."""
    return [*words, 0x14000000 | -len(words) & 0x3FFFFFF]


@pytest.mark.usefixtures("at_once")
@pytest.mark.skipif(jit_missing() is not None, reason=f"no translator: {jit_missing()}")
@pytest.mark.parametrize("arithmetic", [False, True], ids=["all", "arithmetic"])
@pytest.mark.parametrize("c64", [False, True], ids=["A64", "C64"])
def test_what_is_translated_agrees(c64: bool, arithmetic: bool) -> None:
    """Loops of any vector and floating-point instructions, and of what the host computes, whatever FPCR says; new
    registers under warm code."""
    choice = random.Random(f"{c64} {arithmetic}")
    generator, retired = FpGenerator(choice), 0

    def draw() -> int:
        return arithmetic_word(choice) if arithmetic else generator.word(choice.choice(STAYING))

    pool = retiring(c64, 500, draw)
    for seed in range(25):
        words, twins = choice.choices(pool, k=24), [Twin(c64, seed), Twin(c64, seed)]
        twins[1].machine.use_step_engine(twins[1].thread, True)
        for twin in twins:
            twin.start(looping(words))
        for _ in range(8):
            values = [near(choice) if arithmetic else generator.vector() for _ in range(V_COUNT)]
            fpcr, fpsr, ends = choice.choice(ROUNDING_AND_FLUSHING), choice.choice([IXC, IXC, 0]), []
            for twin in twins:
                twin.registers()
                for reg, value in [*enumerate(values, V0), (FPCR, fpcr), (FPSR, fpsr)]:
                    twin.machine.set(twin.thread, reg, value)
                stop = twin.machine.run(twin.thread, HOT_TICKS)
                ends.append((stop.kind, stop.pc, stop.tick, twin.machine.digest()))
            assert ends[0] == ends[1], listing(words)
            retired += HOT_TICKS if stop.kind is StopKind.BUDGET else 0
        assert twins[0].machine.translations > 0
    assert retired > 25 * HOT_TICKS
