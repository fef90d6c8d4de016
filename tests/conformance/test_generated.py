"""The generated Morello tests (rems-project/morello-generated-tests): self-checking bare-metal ELFs.

`MORELLO_TESTS` names their folder. Each starts at EL3 with the MMU off, stores its verdict to the tube at 0x13000000
("OK\\n" or "FAILED\\n") and ends with byte 4. One pytest case is one folder in one of the engines, where
``jit`` translates code when it is first seen; it prints how many pass and why others do not, and
`MORELLO_TESTS_REPORT` names a file that receives a line a test that did not pass.
"""

import gzip
import io
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from emulator_core._core import (
    PAGE,
    Machine,
    Prot,
    Stop,
    StopKind,
    default_engine,
    jit_missing,
    set_default_engine,
)

FOLDER = os.environ.get("MORELLO_TESTS", "")
REPORT = os.environ.get("MORELLO_TESTS_REPORT", "")
RAM_END = TUBE = 0x13000000
END_OF_TEST = 4
BUDGET = 1_000_000  # the longest takes a few thousand instructions
PCC = 32
MASK64 = (1 << 64) - 1
AT_ONCE, USUAL = 1, 4096
"""Ticks between the translator's looks at what runs."""


@dataclass(frozen=True)
class Verdict:
    passed: bool
    why: str


def load(machine: Machine, elf: ELFFile) -> None:
    """Segments at their physical addresses."""
    for segment in elf.iter_segments("PT_LOAD"):
        machine.write(segment["p_paddr"], segment.data())


@pytest.fixture
def new_machines(engine: str) -> Iterator[None]:
    """Machines made from now on run in this engine."""
    if engine == "jit" and jit_missing():
        pytest.skip(f"no translator: {jit_missing()}")
    before = default_engine()
    set_default_engine("jit" if engine == "jit" else "interp", AT_ONCE)
    yield
    set_default_engine(before, AT_ONCE if before == "jit" else USUAL)


def boot(image: bytes, engine: str = "fast") -> tuple[Machine, int]:
    machine = Machine()
    machine.map(0, RAM_END, Prot.R | Prot.W | Prot.X)
    machine.map_device(TUBE, PAGE)
    elf = ELFFile(io.BytesIO(image))
    load(machine, elf)
    thread = machine.add_thread("system")
    machine.use_step_engine(thread, engine == "step")
    machine.set(thread, PCC, machine.get(thread, PCC) & ~MASK64 | elf["e_entry"])
    return machine, thread


def why_stopped(stop: Stop) -> str:
    detail = {
        StopKind.FAULT: lambda: f" {stop.fault.kind.name}" if stop.fault else "",
        StopKind.UNSUPPORTED: lambda: f" clause {stop.clause}",
        StopKind.DEVICE: lambda: f" store to {stop.address:#x}",
    }.get(stop.kind, lambda: "")
    return f"stopped: {stop.kind.name.lower()}{detail()} at {stop.pc:#x}"


def run(image: bytes, engine: str) -> tuple[Verdict, int]:
    """What came of a test, and how many pages of code were translated."""
    machine, thread = boot(image, engine)
    return verdict(machine, thread), machine.translations


def verdict(machine: Machine, thread: int) -> Verdict:
    said = bytearray()
    while machine.ticks < BUDGET:
        stop = machine.run(thread, BUDGET - machine.ticks)
        if stop.kind is StopKind.RING_FULL:
            machine.crossings()
            continue
        if stop.kind is not StopKind.DEVICE or stop.address != TUBE:
            return Verdict(False, why_stopped(stop))
        if stop.value & 0xFF == END_OF_TEST:
            text = said.decode("latin-1").strip()
            return Verdict(text == "OK", f"said {text!r}")
        said.append(stop.value & 0xFF)
    return Verdict(False, f"no verdict after {BUDGET} instructions")


def folders() -> list[Path]:
    """Folders that hold tests, however deep."""
    return sorted({path.parent for path in Path(FOLDER).rglob("*.elf.gz")}) if FOLDER else []


def name_of(folder: Path) -> str:
    return str(folder.relative_to(FOLDER))


def report(lines: list[str]) -> None:
    if REPORT:
        with Path(REPORT).open("a") as file:
            file.writelines(line + "\n" for line in lines)


@pytest.mark.skipif(not FOLDER, reason="MORELLO_TESTS does not name the folder of morello-generated-tests")
@pytest.mark.usefixtures("new_machines")
@pytest.mark.parametrize("folder", folders() or [None], ids=lambda f: name_of(f) if f else "none")
@pytest.mark.parametrize("engine", ["fast", "step", "jit"])
def test_folder(engine: str, folder: Path | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder is not None, f"{FOLDER} holds no *.elf.gz"
    tests = sorted(folder.glob("*.elf.gz"))
    ran = {path.name: run(gzip.decompress(path.read_bytes()), engine) for path in tests}
    failed = {name: verdict.why for name, (verdict, _) in ran.items() if not verdict.passed}
    translated = sum(map(bool, (translations for _, translations in ran.values())))
    with capsys.disabled():
        also = f", {translated} of them with translated code" if engine == "jit" else ""
        print(f"\n{name_of(folder)}, {engine} engine: {len(tests) - len(failed)} of {len(tests)} pass{also}")
        for why, count in Counter(failed.values()).most_common(8):
            print(f"  {count:4} {why}")
    report([f"{name_of(folder)}/{name}, {engine} engine: {why}" for name, why in failed.items()])
    assert not failed, f"{len(failed)} of {len(tests)} do not pass"
    assert bool(translated) == (engine == "jit")
