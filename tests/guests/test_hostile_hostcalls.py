"""Random hostcalls with hostile pointers and numbers: a result, a wait or one sentence, nothing outside the folder."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest
from elves import HEAD, entry
from test_hostcalls import BASE, BUFFER, TOP, Bench

from cvmdbg.guests.guest import Boundary, BoundaryKind
from cvmdbg.guests.intravisor.hostcalls import TABLE

SECRET = b"nobody may read this"
CALLS = int(os.environ.get("CVMDBG_FUZZ_CALLS", "700"))
"""For each seed; CVMDBG_FUZZ_CALLS asks for a longer run."""
PATHS = (
    b"/",
    b".",
    b"..",
    b"inner/text",
    b"link",
    b"loop",
    b"up",
    b"away",
    b"../secret",
    b"new",
    b"",
    b"x" * 300,
    b"\xff",
)
NUMBERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 28, 64, 80, 512, 1024, 4096, 0xFFFF, 1 << 20)
HUGE = (-1, -2, -4095, 1 << 31, 1 << 32, 1 << 40, 1 << 47, 1 << 55, 1 << 62, 1 << 63)
ADDRESSES = (bytes((16, 2, 0, 80, 127, 0, 0, 1)) + bytes(8), bytes((28, 28, 0, 81)) + bytes(24), b"\x08\x01socket")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cvm.yaml's folder with links that lead out of it, beside a file that must not be read or changed."""
    (tmp_path / "secret").write_bytes(SECRET)
    inside = tmp_path / "folder"
    (inside / "inner").mkdir(parents=True)
    (inside / "inner/text").write_bytes(b"0123456789")
    (inside / "disk.img").write_bytes(bytes(4096))
    for name, target in (("link", "inner/text"), ("loop", "loop"), ("up", "../secret"), ("away", "/etc/passwd")):
        (inside / name).symlink_to(target)
    return inside


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        for path in sorted(folder.parent.rglob("*"))
        if path.name not in ("lib.so", "cvm.yaml")
    }


def _bench(folder: Path, pure: bool) -> Bench:
    made = Bench(folder, pure, HEAD + entry(disk="disk.img", net="tap0", libvirt=1))
    made.plan.stdin = b"x" * 64
    return made


def _arguments(rng: random.Random, bench: Bench) -> list[int]:
    made = []
    for place in range(6):
        where, kind = BUFFER + 0x400 + 0x100 * place, rng.random()
        if kind < 0.3:
            made.append(bench.pointer(rng.choice((BUFFER, BUFFER + 8, where, TOP - 8, TOP, BASE, 0x10))))
        elif kind < 0.5:
            made.append(
                bench.put(rng.choice((*PATHS, *ADDRESSES, struct.pack("<4Q", BUFFER, 8, where, 3))) + b"\0", where)
            )
        elif kind < 0.6:
            made.append(where)
        else:
            made.append(rng.choice(NUMBERS if kind < 0.9 else HUGE))
    return made


def _goes_on(bench: Bench) -> bool:
    """Can the first thread make another call?"""
    plan = bench.plan
    while 0 in plan.blocked and bench.guest.alarm() is not None:
        plan.take(bench.guest.boundary(Boundary(BoundaryKind.ALARM, -1), plan))
    return not plan.blocked and not plan.ended and plan.exit_status is None and len(plan.started) < 40


@pytest.mark.parametrize("seed", range(4))
def test_hostile_hostcalls_end_in_results_waits_or_sentences(seed: int, folder: Path) -> None:
    rng, names = random.Random(seed), sorted(TABLE)
    bench = _bench(folder, bool(seed & 1))
    before = _snapshot(folder)
    for number in range(CALLS):
        if number % 500 == 499 or not _goes_on(bench):
            bench = _bench(folder, bool(seed & 1))
        bench.put(rng.randbytes(64))
        state, threads = bench.guest.save() if rng.random() < 0.02 else None, len(bench.plan.started)
        outcome = bench.call(rng.choice(names), *_arguments(rng, bench))
        if outcome.stop is not None:
            assert outcome.stop.detail and "\n" not in outcome.stop.detail
        assert SECRET not in bench.plan.read(BUFFER, 0x1000)
        if state is not None and _goes_on(bench) and len(bench.plan.started) == threads:
            bench.guest.load(state)
    assert _snapshot(folder) == before
