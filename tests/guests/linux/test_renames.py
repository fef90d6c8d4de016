"""Renames: the same errno and the same tree as the host's own kernel, for random renames in one small tree."""

from __future__ import annotations

import ctypes
import os
import random
import sys
from pathlib import Path

import pytest

from tests.guests.linux.board import Board

NAMES = ("a", "b", "d", "d/x", "d/e", "d/e/y", "f", "missing", "d/missing", "missing/z", "a/under")
FLAGS = (0, 0, 1, 2, 3, 8)
AT_FDCWD = -100


def _host_tree(top: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(top)): p.read_bytes() if p.is_file() else None for p in top.rglob("*")}


def _filled(top: Path) -> None:
    (top / "d/e").mkdir(parents=True)
    (top / "f").mkdir()
    for name in ("a", "b", "d/x", "d/e/y"):
        (top / name).write_bytes(name.encode())


def _exists(board: Board, path: str) -> int:
    return board.call("newfstatat", AT_FDCWD, board.path(f"/host/{path}"), board.put(bytes(128)), 0)


def _guest_content(board: Board, path: str) -> bytes | None:
    fd = board.call("openat", AT_FDCWD, board.path(f"/host/{path}"), 0, 0)
    count = board.call("read", fd, board.put(bytes(64)), 64)
    board.call("close", fd)
    return None if count == -21 else board.get(0, count)


@pytest.mark.skipif(sys.platform != "linux", reason="compares with the host's renameat2")
@pytest.mark.parametrize("seed", range(8))
def test_renames_are_those_of_linux(seed: int, tmp_path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    dice, host, below = random.Random(seed), tmp_path / "host", tmp_path / "below"
    for top in (host, below):
        top.mkdir()
        _filled(top)
    board = Board(below)
    for _ in range(60):
        old, new, flags = dice.choice(NAMES), dice.choice(NAMES), dice.choice(FLAGS)
        found = libc.renameat2(AT_FDCWD, os.fsencode(host / old), AT_FDCWD, os.fsencode(host / new), flags)
        expected = -ctypes.get_errno() if found else 0
        places = (AT_FDCWD, board.path(f"/host/{old}"), AT_FDCWD, board.path(f"/host/{new}", 0x3800))
        assert board.call("renameat2", *places, flags) == expected, (old, new, flags)
    for path, content in _host_tree(host).items():
        assert _guest_content(board, path) == content
    for name in NAMES:
        assert (_exists(board, name) == 0) == (host / name).exists()


def test_the_older_call_has_no_flags(tmp_path: Path) -> None:
    _filled(tmp_path)
    board = Board(tmp_path)
    places = (AT_FDCWD, board.path("/host/a"), AT_FDCWD, board.path("/host/b", 0x3800))
    assert board.call("renameat", *places, 1) == 0, "what stands in x4 is not its own"
    assert _guest_content(board, "b") == b"a"
