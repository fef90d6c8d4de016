"""The benchmark programs and the machines that run them.

A workload is one A64 image, entered with a number of rounds in x0 and a stack; it ends at the trap behind its first
instruction with a checksum in x0. Its addresses are offsets: into a cVM whose DDC and PCC have bounds, or into a flat
machine. A loop is a bare-metal program that ends by a store to the tube.

    cVM     0x4_0000_0000 ┌──────────────────────────────┐ 0x4_4000_0000     CCTLR as Intravisor sets it:
            (base of DDC  │ image at 64 KiB   stack ▷    │                   SBL, PERMVCT, PCCBO, DDCBO
             and of PCC)  └──────────────────────────────┘
    flat    0 …
"""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cvmdbg.guests.bare import RAM
from cvmdbg.guests.intravisor import elf
from cvmdbg.target import TargetError, UserError
from emulator_core._core import Capability, Machine, Prot, Stop, StopKind

ROOT = Path(__file__).parents[2] / "tests" / "bench" / "workloads"
WORKLOADS = ("lists", "sort", "hash", "json", "bytecode", "tree", "sha256", "nbody", "matmul", "fft")
LOOPS = {"loop0": 18, "loop1": 18, "loop2": 18, "branchy0": 8_200, "branchy2": 7_800}
"""Instructions of an iteration, about. loop.S: A64 by DDC, C64, C64 with loads and stores of capabilities. branchy.py:
the first and the last of these with thousands of instructions that are live."""

CVM_BASE, CVM_SIZE = 0x4_0000_0000, 1 << 30
CCTLR = 1 << 7 | 1 << 6 | 1 << 3 | 1 << 2
STACK = 0xF0_0000
FLAT_SIZE = 16 << 20
CSP, PCC, DDC, CCTLR_REGISTER = 31, 32, 33, 42
ENDLESS = 1 << 62
MARK = struct.pack("<Q", 0x1234567890ABCDEF)
"""Stands in a loop's image where its number of iterations belongs."""
QEMU_LIMIT = 600.0


def content(name: str) -> bytes:
    """A program's ELF file."""
    try:
        return (ROOT / f"{name}.elf").read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"bench engine needs a source checkout: its programs belong in {ROOT}, {name}.elf is not there"
        ) from None


@cache
def _parsed(name: str) -> elf.Elf:
    return elf.read(content(name), f"{name}.elf")


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: what it computed, how many instructions retired (0: not known), seconds of processor time."""

    checksum: int
    ticks: int
    seconds: float


def titled(name: str, engine: str) -> str:
    """A row's name: the interpreter's rows are called as what they measure."""
    return name if engine == "interp" else f"{name} {engine}"


class Workload:
    """A workload in a cVM of this machine. Its first run decodes it."""

    def __init__(self, name: str, engine: str = "interp") -> None:
        self.name = name
        self._elf = _parsed(name)
        self.machine = Machine()
        self.machine.engine = engine
        self.machine.map(CVM_BASE, CVM_SIZE, Prot.R | Prot.W | Prot.X)
        self.thread = self.machine.add_thread("user")
        for segment in self._elf.segments:
            image = self._elf.content[segment.offset : segment.offset + segment.filesz]
            self.machine.write(CVM_BASE + segment.vaddr, image)

    @property
    def entry(self) -> int:
        """Where it begins, absolute; not reached again while it runs."""
        return CVM_BASE + self._elf.entry

    def begin(self, rounds: int) -> None:
        """Registers as at the entry."""
        machine, thread = self.machine, self.thread
        bounds = Capability.almighty().set_value(CVM_BASE).set_bounds(CVM_SIZE, True)
        machine.set(thread, CCTLR_REGISTER, CCTLR)
        machine.set(thread, DDC, bounds.bits)
        machine.set(thread, PCC, bounds.set_value(self.entry).bits)
        machine.set(thread, CSP, STACK)
        machine.set(thread, 0, rounds)

    def run(self, rounds: int, piece: int = ENDLESS) -> Ran:
        """So many rounds, in runs of at most ``piece`` instructions."""
        self.begin(rounds)
        before, start = self.machine.ticks, time.process_time()
        stop = self.machine.run(self.thread, piece)
        while stop.kind is StopKind.BUDGET:
            stop = self.machine.run(self.thread, piece)
        seconds = time.process_time() - start
        _expect(stop, StopKind.HOSTCALL, self.name)
        return Ran(self.machine.get(self.thread, 0) & (1 << 64) - 1, self.machine.ticks - before, seconds)


def _expect(stop: Stop, kind: StopKind, name: str) -> None:
    if stop.kind is not kind:
        why = stop.fault.kind.name if stop.fault else stop.kind.name
        raise TargetError(f"{name} did not reach its end: {why} at {stop.pc:#x}")


class Flat:
    """A workload in Unicorn, without hooks."""

    def __init__(self, name: str) -> None:
        unicorn = import_module("unicorn")
        self._elf = _parsed(name)
        self._names: Any = import_module("unicorn.arm64_const")
        self._machine: Any = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self._machine.mem_map(0, FLAT_SIZE)
        for segment in self._elf.segments:
            image = self._elf.content[segment.offset : segment.offset + segment.filesz]
            self._machine.mem_write(segment.vaddr, image)
        self._machine.reg_write(self._names.UC_ARM64_REG_CPACR_EL1, 3 << 20)  # floating point is open

    def run(self, rounds: int) -> Ran:
        """So many rounds."""
        self._machine.reg_write(self._names.UC_ARM64_REG_SP, STACK)
        self._machine.reg_write(self._names.UC_ARM64_REG_X0, rounds)
        start = time.process_time()
        self._machine.emu_start(self._elf.entry, self._elf.entry + 4)
        seconds = time.process_time() - start
        return Ran(self._machine.reg_read(self._names.UC_ARM64_REG_X0), 0, seconds)


def unicorn_is_there() -> bool:
    """Is the package installed?"""
    return find_spec("unicorn") is not None


# ---- loops ----------------------------------------------------------------------------------------------------


def loop_image(name: str, iterations: int) -> bytes:
    """A loop's ELF file for that many iterations."""
    image = content(name)
    if image.count(MARK) != 1:
        raise TargetError(f"{name}.elf: the number of its iterations should stand there once")
    return image.replace(MARK, struct.pack("<Q", iterations))


class Loop:
    """A loop on a bare machine of this engine."""

    def __init__(self, name: str, iterations: int, engine: str = "interp") -> None:
        self._image = elf.read(loop_image(name, iterations), f"{name}.elf")
        self.name = name
        self.machine = Machine()
        self.machine.engine = engine
        self.machine.map(0, RAM, Prot.R | Prot.W | Prot.X)
        self.machine.map_device(RAM, 0x1000)
        self.thread = self.machine.add_thread("system")
        for segment in self._image.segments:
            data = self._image.content[segment.offset : segment.offset + segment.filesz]
            self.machine.write(segment.paddr, data)

    def begin(self) -> None:
        """Registers as after a reset: EL3, A64."""
        everything = Capability.almighty()
        self.machine.set(self.thread, 41, 0x3CD)
        self.machine.set(self.thread, DDC, everything.bits)
        self.machine.set(self.thread, PCC, everything.set_value(self._image.entry).bits)

    def run(self, piece: int = ENDLESS) -> Ran:
        """From the reset to the first byte of output."""
        self.begin()
        before, start = self.machine.ticks, time.process_time()
        stop = self.machine.run(self.thread, piece)
        while stop.kind is StopKind.BUDGET:
            stop = self.machine.run(self.thread, piece)
        seconds = time.process_time() - start
        _expect(stop, StopKind.DEVICE, self.name)
        return Ran(self.machine.get(self.thread, 7) & (1 << 64) - 1, self.machine.ticks - before, seconds)


class QemuLoop:
    """A loop in QEMU-Morello; its start is measured apart and taken off."""

    def __init__(self, binary: str, name: str, iterations: int) -> None:
        self._binary, self._name, self._iterations = binary, name, iterations

    def run(self) -> float:
        """Seconds of processor time of the iterations."""
        return max(self._seconds(self._iterations) - self._seconds(1), 1e-9)

    def _seconds(self, iterations: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{self._name}.elf"
            path.write_bytes(loop_image(self._name, iterations))
            machine = ["-M", "morello", "-nographic", "-monitor", "none", "-serial", "none", "-kernel", str(path)]
            before = _children()
            done = subprocess.run(
                [self._binary, *machine], stdin=subprocess.DEVNULL, capture_output=True, timeout=QEMU_LIMIT, check=False
            )
            seconds = _children() - before
        if done.returncode or b"OK" not in done.stdout:
            raise TargetError(f"QEMU_MORELLO ended {self._name}.elf with status {done.returncode}: {done.stderr!r}")
        return seconds


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def qemu() -> str | None:
    """The QEMU-Morello that QEMU_MORELLO names, if it does. UserError when there is none."""
    binary = os.environ.get("QEMU_MORELLO")
    if binary and not os.access(binary, os.X_OK):
        raise UserError(f"QEMU_MORELLO is {binary}: expected a program that can be run")
    return binary or None
