"""Random calls with hostile pointers and lengths: an errno or a result, never a crash, nothing outside the root."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from cvmdbg.guests.linux.kernel import CALLS
from cvmdbg.target import StopKind
from tests.guests.linux.board import BUFFER, CODE, READ_ONLY, SIZE, Board

SECRET = "nobody may read this"
PATHS = (
    *("/", ".", "..", "/host", "/host/file", "/host/out", "/host/above", "/host/dir/../../..", "/proc/self/fd/3"),
    *(
        "/host/loop",
        "/proc/self/exe",
        "/proc/self/maps",
        "/dev/null",
        "/dev/zero",
        "/tmp/new",
        "",
        "/host/" + "x" * 300,
    ),
    *("/host/dir", "../../../../etc/passwd", "/proc/self/task/1000/fd", "//host//file/", "/tmp/new/", "\udcff\udc80"),
)
NUMBERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 24, 63, 64, 128, 255, 1024, 4095, 4096, 4097, 65536, 1 << 20)
HUGE = (-1, -2, -100, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 36, (1 << 36) - 1, 1 << 47, 1 << 62, 1 << 63, (1 << 63) - 1)
POINTERS = (
    *(BUFFER, BUFFER + 0x100, BUFFER + SIZE - 1, BUFFER + SIZE - 8, BUFFER + SIZE, BUFFER + 3, BUFFER + 0x800),
    *(CODE, CODE + 4, READ_ONLY, READ_ONLY + 0xFF8, 1, 8, 0x1000),
)
LASTING = frozenset({"exit", "exit_group"})  # they end the board, which is all they do
STEPS = int(os.environ.get("CVMDBG_FUZZ_CALLS", "700"))
"""Calls for each seed; CVMDBG_FUZZ_CALLS asks for a longer run."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with links that lead out of it, beside a file that must not be read or changed."""
    (tmp_path / "secret").write_text(SECRET)
    inside = tmp_path / "root"
    (inside / "dir").mkdir(parents=True)
    (inside / "file").write_text("inside")
    (inside / "out").symlink_to(tmp_path / "secret")
    (inside / "above").symlink_to("../secret")
    (inside / "loop").symlink_to("loop")
    return inside


def _arguments(rng: random.Random, board: Board) -> list[int]:
    made = []
    for place in range(6):
        kind = rng.random()
        if kind < 0.3:
            made.append(rng.choice(POINTERS))
        elif kind < 0.5:
            made.append(board.path(rng.choice(PATHS), 0x2000 + 0x200 * place))
        elif kind < 0.85:
            made.append(rng.choice(NUMBERS))
        else:
            made.append(rng.choice(HUGE))
    return made


def _snapshot(root: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        for path in sorted(root.parent.rglob("*"))
    }


@pytest.mark.parametrize("seed", range(8))
def test_hostile_calls_end_in_a_result_or_an_errno(seed: int, root: Path) -> None:
    rng = random.Random(seed)
    names = sorted(set(CALLS) - LASTING)
    before, board = _snapshot(root), Board(root)
    for _ in range(STEPS):
        if not board.has_buffer:  # munmap and its kin took it away
            board = Board(root)
        board.put(rng.randbytes(rng.choice((0, 16, 64, 0x400))), rng.choice((0, 0x100, 0x800)))
        result = board.call(rng.choice(names), *_arguments(rng, board))
        assert result >= -4095 or result < -(1 << 32), f"{result} is no result"
        assert board.stop is not None
        assert not board.has_buffer or SECRET.encode() not in board.get(0, SIZE)
        if len(board.target.inferior.schedule.threads) > 1 or any(
            r.kind in (StopKind.EXIT, StopKind.DEADLOCK, StopKind.WAITING, StopKind.FAULT) for r in board.stop.reasons
        ):
            board = Board(root)
        elif rng.random() < 0.02:
            board.guest.load(board.guest.save())
    assert _snapshot(root) == before


@pytest.mark.parametrize("path", ["/host/out", "/host/above", "/host/dir/../../secret", "/host/../secret"])
def test_no_path_leads_out_of_the_root(root: Path, path: str) -> None:
    board = Board(root)
    assert board.call("openat", -100, board.path(path), 0, 0) == -2


def test_what_is_written_stays_in_memory(root: Path) -> None:
    before, board = _snapshot(root), Board(root)
    fd = board.call("openat", -100, board.path("/host/file"), 0o2, 0)
    assert board.call("write", fd, board.put(b"changed"), 7) == 7
    assert board.call("unlinkat", -100, board.path("/host/dir"), 0x200) == 0
    assert board.call("renameat2", -100, board.path("/host/file"), -100, board.path("/host/other", 0x3800), 0) == 0
    assert board.call("pread64", fd, BUFFER + 0x100, 64, 0) == 7
    assert board.get(0x100, 7) == b"changed"
    assert _snapshot(root) == before
