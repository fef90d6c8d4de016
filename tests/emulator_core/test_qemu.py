"""What Unicorn is too old for, against qemu-aarch64: floating point, vectors, crypto, minima and maxima in memory.

The same code runs in both. Each instruction has registers and memory of its own: load q0..q31, x0..x15, FPCR, FPSR,
NZCV · the instruction · store them all.
Set CVMDBG_QEMU_INSTRUCTIONS for a longer run, CVMDBG_QEMU_SEED for another one.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from a64_programs import MISCOMPARED
from fp_programs import ENCODINGS, FpGenerator, family, unfit

from emulator_core._core import PAGE, Capability, Machine, Prot, StopKind
from emulator_core.assembler import assemble
from emulator_core.disassembler import disassemble
from emulator_core.isa.table import Encoding, load
from tests.conformance.bare_assembly import Linked, code, elf, words

QEMU = os.environ.get("CVMDBG_QEMU_AARCH64") or shutil.which("qemu-aarch64")
INSTRUCTIONS = int(os.environ.get("CVMDBG_QEMU_INSTRUCTIONS", "6000"))
SEED = int(os.environ.get("CVMDBG_QEMU_SEED", "1"))
BATCH = 2000
CODE, BLOCKS, BLOCK = 0x40_0000, 0x4000_0000, 1024
FPCR, FLAGS, VECTORS, MEMORY = 0x80, 0x90, 0x100, 0x300
"""What lies where in a block: x0 first; FPCR and FPSR; NZCV and FPSR as they are left. x26 points to the memory."""
PCC, DDC = 32, 33
ARITHMETIC = [encoding for encoding in ENCODINGS if not family(encoding).startswith("memory")]
ATOMIC = [encoding for encoding in load().encodings if MISCOMPARED.match(encoding.clause)]
POOL = 4096
NAMES = [*(f"v{n}" for n in range(32)), *(f"x{n}" for n in range(16)), "nzcv", "fpsr", "memory"]

pytestmark = pytest.mark.skipif(QEMU is None, reason="qemu-aarch64 is not installed")

LOAD = "\n".join(
    [
        *(f"ldp q{n}, q{n + 1}, [x27, #{VECTORS + 16 * n:#x}]" for n in range(0, 32, 2)),
        *(f"ldp x{n}, x{n + 1}, [x27, #{8 * n:#x}]" for n in range(0, 16, 2)),
        f"ldp x28, x29, [x27, #{FPCR:#x}]",
        "msr fpcr, x28",
        "msr fpsr, x29",
        "msr nzcv, x0",
        f"add x26, x27, #{MEMORY:#x}",
    ]
)
STORE = "\n".join(
    [
        "mrs x29, fpsr",
        "mrs x28, nzcv",
        *(f"stp q{n}, q{n + 1}, [x27, #{VECTORS + 16 * n:#x}]" for n in range(0, 32, 2)),
        *(f"stp x{n}, x{n + 1}, [x27, #{8 * n:#x}]" for n in range(0, 16, 2)),
        f"stp x28, x29, [x27, #{FLAGS:#x}]",
        f"add x27, x27, #{BLOCK:#x}",
    ]
)


def program(tried: list[int]) -> bytes:
    """x27 goes from block to block; at the end all blocks are written to standard output."""
    before, after = code(0, LOAD), code(0, STORE)
    start = words([assemble(f"movz x27, #{BLOCKS >> 16:#x}, lsl #16")])
    size = len(tried) * BLOCK
    end = f"""
    mov x0, #0x1
    movz x1, #{BLOCKS >> 16:#x}, lsl #16
    movz x2, #{size & 0xFFFF:#x}
    movk x2, #{size >> 16:#x}, lsl #16
    mov x8, #0x40
    svc #0x0
    mov x0, #0x0
    mov x8, #0x5d
    svc #0x0
    """
    return start + b"".join(before + words([word]) + after for word in tried) + code(0, end)


def block(pool: list[int], generator: FpGenerator) -> bytes:
    """x0..x15, FPCR, FPSR, q0..q31, memory."""
    r = generator.random
    vectors = b"".join(vector.to_bytes(16, "little") for vector in r.choices(pool, k=32))
    numbers = [*(generator.integer() for _ in range(16)), generator.fpcr(), r.choice((0, 1 << 4))]
    general = b"".join(n.to_bytes(8, "little") for n in numbers)
    return general.ljust(VECTORS, b"\0") + vectors + r.randbytes(BLOCK - MEMORY)


def in_core(text: bytes, blocks: bytes, step: bool) -> bytes:
    machine = Machine()
    machine.map(CODE, -(-len(text) // PAGE) * PAGE, Prot.R | Prot.X)
    machine.map(BLOCKS, -(-len(blocks) // PAGE) * PAGE, Prot.R | Prot.W)
    machine.write(CODE, text)
    machine.write(BLOCKS, blocks)
    thread = machine.add_thread("user")
    machine.use_step_engine(thread, step)
    machine.set(thread, PCC, Capability.almighty().set_value(CODE).bits)
    machine.set(thread, DDC, Capability.almighty().bits)
    stop = machine.run(thread, 1 << 40)
    assert stop.kind is StopKind.SYSCALL, f"{stop.kind} at {stop.pc:#x}"
    return machine.read(BLOCKS, len(blocks))


def in_qemu(text: bytes, blocks: bytes, path: Path) -> bytes:
    assert QEMU is not None
    path.write_bytes(elf(CODE, {CODE: text, BLOCKS: blocks}, Linked(page=PAGE)))
    path.chmod(0o755)
    done = subprocess.run([QEMU, "-cpu", "max", str(path)], capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, f"qemu-aarch64 ended with {done.returncode}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def fields(block: bytes) -> list[int]:
    vectors = [int.from_bytes(block[n : n + 16], "little") for n in range(VECTORS, VECTORS + 512, 16)]
    numbers = [int.from_bytes(block[n : n + 8], "little") for n in (*range(0, 128, 8), FLAGS, FLAGS + 8, MEMORY)]
    return vectors + numbers


def differences(tried: list[int], before: bytes, ours: bytes, theirs: bytes) -> Iterable[str]:
    for n, word in enumerate(tried):
        place = slice(n * BLOCK, (n + 1) * BLOCK)
        if ours[place] == theirs[place]:
            continue
        pairs = zip(NAMES, fields(before[place]), fields(ours[place]), fields(theirs[place]), strict=True)
        said = [f"{name} from {a:#x}: {b:#x}, qemu {c:#x}" for name, a, b, c in pairs if b != c]
        fpcr = int.from_bytes(before[place][FPCR : FPCR + 8], "little")
        yield f"{word:08x}  {disassemble(word).text}  fpcr {fpcr:#x}  " + "; ".join(said)


def word_of(generator: FpGenerator, encoding: Encoding) -> int:
    word = generator.any_word(encoding)
    if encoding in ATOMIC:
        registers = {"Rn": 26, "Rs": generator.random.randrange(16), "Rt": generator.random.randrange(16)}
        for name in registers.keys() & encoding.bits.fields.keys():
            word = encoding.bits.fields[name].put(word, registers[name])
    return word


def drawn(generator: FpGenerator, count: int) -> list[int]:
    """Words of all rows in turn; no reserved ones, which would end qemu's program, nor those where it is wrong, too."""
    found: list[int] = []
    rows = generator.random.sample([*ARITHMETIC, *ATOMIC], len(ARITHMETIC) + len(ATOMIC))
    while len(found) < count:
        encoding = rows[len(found) % len(rows)]
        word = word_of(generator, encoding)
        if load().row(word, False) is not None and encoding.matches(word) and not unfit(word):
            found.append(word)
    return found


def test_the_same_code_leaves_the_same_registers(tmp_path: Path) -> None:
    generator = FpGenerator(random.Random(SEED))
    pool = [generator.vector() for _ in range(POOL)]
    done = 0
    while done < INSTRUCTIONS:
        tried = drawn(generator, min(BATCH, INSTRUCTIONS - done))
        text, before = program(tried), b"".join(block(pool, generator) for _ in tried)
        theirs = in_qemu(text, before, tmp_path / "qemu.elf")
        for step in (True, False):
            found = list(differences(tried, before, in_core(text, before, step), theirs))
            assert not found, f"{len(found)} of {len(tried)} differ:\n" + "\n".join(found[:20])
        done += len(tried)
