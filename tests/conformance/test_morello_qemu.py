"""Random Morello instructions against QEMU-Morello, whose system emulator `QEMU_MORELLO` names.

All clauses take part, in sequences of about twenty, in both modes, with faults; what is compared is every register,
the memory with its tags, and the exceptions. `MORELLO_SEQUENCES` says how many sequences, `MORELLO_SEED` which. What
QEMU does otherwise than the specification is left out where the sequences are made, with its reason
(morello_programs.py).
"""

import os
import subprocess
from pathlib import Path

import pytest
from morello_harness import Sequence, program
from morello_programs import ENCODINGS, Maker
from test_generated import END_OF_TEST, boot

from emulator_core._core import StopKind
from emulator_core.disassembler import disassemble

QEMU = os.environ.get("QEMU_MORELLO", "")
SEQUENCES = int(os.environ.get("MORELLO_SEQUENCES", "500"))
SEED = int(os.environ.get("MORELLO_SEED", "1"))
BATCH = 500
TIMEOUT = 300  # seconds; QEMU takes about one a batch
BUDGET = 10_000_000


def by_qemu(image: bytes, folder: Path) -> list[str]:
    """What the program prints."""
    file = folder / "program.elf"
    file.write_bytes(image)
    command = [QEMU, "-M", "morello", "-nographic", "-monitor", "none", "-serial", "none", "-kernel", str(file)]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=True)
    return run.stdout.decode("ascii").split()


def by_us(image: bytes, step_engine: bool = False) -> list[str]:
    machine, thread = boot(image)
    machine.use_step_engine(thread, step_engine)
    said = bytearray()
    while True:
        stop = machine.run(thread, BUDGET)
        if stop.kind is StopKind.RING_FULL:
            machine.crossings()
            continue
        assert stop.kind is StopKind.DEVICE, f"the program stopped with {stop.kind.name} at {stop.pc:#x}"
        if stop.value & 0xFF == END_OF_TEST:
            return said.decode("ascii").split()
        said.append(stop.value & 0xFF)


def batches(seed: int) -> list[list[Sequence]]:
    maker = Maker(seed)
    made = [maker.sequence() for _ in range(SEQUENCES)]
    return [made[start : start + BATCH] for start in range(0, len(made), BATCH)]


def listing(sequence: Sequence) -> str:
    mode = "c64" if sequence.c64 else "a64"
    return "\n".join(f"  {word:08x} {disassemble(word, 0, mode).text}" for word in sequence.instructions)


@pytest.mark.skipif(not QEMU, reason="QEMU_MORELLO does not name qemu-system-morello")
def test_every_instruction_does_what_qemu_does(tmp_path: Path) -> None:
    done: dict[str, int] = dict.fromkeys(ENCODINGS, 0)
    for number, sequences in enumerate(batches(SEED)):
        image = program(sequences)
        theirs, ours = by_qemu(image, tmp_path), by_us(image)
        assert len(theirs) == len(ours) == len(sequences)
        for index, (expected, found) in enumerate(zip(theirs, ours, strict=True)):
            assert found == expected, f"sequence {number * BATCH + index}:\n{listing(sequences[index])}"
        for sequence in sequences:
            for clause in sequence.clauses:
                done[clause] += 1
    print(f"{sum(done.values())} instructions of {sum(map(bool, done.values()))} clauses agree")


def test_both_engines_agree() -> None:
    maker = Maker(SEED + 1)
    image = program([maker.sequence() for _ in range(200)])
    assert by_us(image) == by_us(image, step_engine=True)
