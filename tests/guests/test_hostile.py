"""Cut, bit-flipped and random cvm.yaml, ELF and cpio files: a result or one sentence each, no crash, no hang."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from elves import ONE_CVM, Shape, build
from plan import Plan

from cvmdbg import demo
from cvmdbg.guests import cpio
from cvmdbg.guests.intravisor import config, elf
from cvmdbg.guests.intravisor.deploy import deploy
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, StopKind, UserError
from cvmdbg.targets.emulator import EmulatorTarget

SEED = 20260
SECONDS = 2.0  # no single input may take longer


def place(random_: random.Random, size: int) -> int:
    """An offset, half of the time in the headers, which stand at both ends of a file."""
    where = random_.randrange(4)
    if where == 0:
        return random_.randrange(min(size, 256))
    return size - 1 - random_.randrange(min(size, 1024)) if where == 1 else random_.randrange(size)


def damage(random_: random.Random, good: bytes) -> bytes:
    """One of: cut, bits flipped, a run overwritten, two places swapped, random bytes altogether."""
    content = bytearray(good)
    kind = random_.randrange(6)
    if kind == 0:
        return bytes(content[: random_.randrange(len(content) + 1)])
    if kind == 1:
        return random_.randbytes(random_.randrange(600))
    if kind == 2:
        at = place(random_, len(content))
        content[at : at + random_.randrange(1, 17)] = random_.choice(
            [b"", b"\xff" * 8, b"\0" * 8, random_.randbytes(8)]
        )
        return bytes(content)
    if kind == 3:
        one, other = (place(random_, len(content)) for _ in range(2))
        size = random_.randrange(1, 64)
        content[one : one + size], content[other : other + size] = (
            content[other : other + size],
            content[one : one + size],
        )
        return bytes(content)
    for _ in range(random_.choice([1, 1, 2, 8, 64])):
        content[place(random_, len(content))] ^= 1 << random_.randrange(8)
    return bytes(content)


def survives(use: Callable[[bytes], object], content: bytes) -> bool:
    """Is it refused? Then with one sentence that names the file; anything but a UserError is a failure."""
    begun = time.monotonic()
    try:
        use(content)
        return False
    except UserError as error:
        said = str(error)
        assert said and "\n" not in said and len(said) < 500 and said.startswith("FILE"), said
        return True
    finally:
        assert time.monotonic() - begun < SECONDS


def several(count: int, seed: int, goods: list[bytes], use: Callable[[bytes], object]) -> None:
    """Damages the good files, each of which must be fine, in turn."""
    for good in goods:
        assert not survives(use, good)
    random_ = random.Random(SEED + seed)
    refused = sum(survives(use, damage(random_, goods[number % len(goods)])) for number in range(count))
    assert count // 4 < refused < count


def test_configurations() -> None:
    goods = [path.read_bytes() for path in sorted(demo.ROOT.glob("*/*/cvm.yaml"))]
    full = (Path(__file__).parent / "full.yaml").read_bytes()
    several(4000, 1, [*goods, full], lambda content: config.parse(content, "FILE"))


def plan(content: bytes) -> object:
    """Reads a file and plans its deployment with all its capabilities."""
    parsed = config.parse(ONE_CVM.encode(), "FILE")
    return deploy(parsed, parsed.cvms[0], elf.read(content, "FILE"), None, "M").gate


def test_hybrid_files() -> None:
    goods = [build(), (demo.ROOT / "hybrid/hello/libhello.so").read_bytes()]
    several(2000, 2, goods, plan)


def test_purecap_files() -> None:
    goods = [
        build(Shape(relocations=[(0x1000, 0), (0x1010, 1)], data=b"\1" * 64, symbols={"ret_from_monitor": 0x110})),
        (demo.ROOT / "purecap/libhello/libos.so").read_bytes(),
    ]
    several(2000, 3, goods, plan)


def test_archives() -> None:
    goods = [(demo.ROOT / "purecap" / name / "root.cpio").read_bytes() for name in ("libhello", "dlopen")]
    several(2000, 4, goods, lambda content: cpio.unpack(content, "FILE"))


@pytest.mark.parametrize("file", ["root.cpio", "libos.so", "libldso.so"])
def test_runs_of_damaged_files(tmp_path: Path, file: str) -> None:
    """The guest reads what is broken, or is it: it ends, faults, waits or spins, and the target goes on living."""
    random_ = random.Random(SEED + len(file))
    source = demo.path("demo:libhello")
    for name in ("libos.so", "libldso.so", "cvm.yaml", "root.cpio"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    kinds: set[StopKind | None] = set()
    for _ in range(60):
        (tmp_path / file).write_bytes(damage(random_, (source / file).read_bytes()))
        kinds.add(_run(tmp_path))
    assert len(kinds) > 1


def _run(folder: Path) -> StopKind | None:
    """How a guest stops within a million ticks, after what stops it twice; None when it cannot be opened."""
    try:
        target = EmulatorTarget(open_guest(str(folder)))
    except UserError as error:
        assert "\n" not in str(error)
        return None
    stop = target.resume(Move.CONTINUE, budget=1_000_000)
    kind = stop.reasons[0].kind
    if kind is not StopKind.EXIT:
        target.resume(Move.CONTINUE, budget=100_000)
    return kind


def test_effects_of_planned_files_can_be_applied(tmp_path: Path) -> None:
    """What a damaged file still makes of itself stays inside its own cVM."""
    random_ = random.Random(SEED)
    good = build(Shape(relocations=[(0x1000, 0)], data=b"\1" * 64, symbols={"ret_from_monitor": 0x110}))
    (tmp_path / "cvm.yaml").write_text(ONE_CVM)
    applied = 0
    for _ in range(150):
        (tmp_path / "lib.so").write_bytes(damage(random_, good))
        try:
            made = Plan().start(open_guest(str(tmp_path)))
        except UserError:
            continue
        applied += 1
        outside = [page for page in made.pages if not (0x400000 <= page < 0x440000 or page in (0x24A, 0x24C))]
        assert not outside
    assert applied > 20
