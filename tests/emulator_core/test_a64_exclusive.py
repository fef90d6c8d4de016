"""Exclusive, ordered and unprivileged accesses."""

import pytest
from a64_board import a64
from morello_board import CODE, MEMORY, PCC, Board, almighty

from emulator_core._core import FaultKind, StopKind

CLREX = a64("clrex", CRm=15)


def _load(size: int = 3, rn: int = 2) -> int:
    return a64("ldxr", size=size, Rn=rn, Rt=1)


def _store(size: int = 3, rn: int = 2) -> int:
    return a64("stxr", size=size, Rs=4, Rn=rn, Rt=3)


def _board() -> Board:
    board = Board()
    board.machine.write(MEMORY, bytes(range(1, 33)))
    board[2], board[3], board[4], board[5] = MEMORY, 0x99, 7, MEMORY + 64
    return board


def _run(board: Board, *words: int) -> None:
    for word in words:
        assert board.run(word).kind is StopKind.BUDGET
        board.set(PCC, almighty(CODE))


def test_store_after_load() -> None:
    board = _board()
    _run(board, _load(), _store())
    assert board[1] == int.from_bytes(bytes(range(1, 9)), "little")
    assert (board[4], board.machine.read(MEMORY, 8)) == (0, b"\x99" + bytes(7))


@pytest.mark.parametrize(
    "words",
    [
        (_store(),),
        (_load(), CLREX, _store()),
        (_load(), _store(), _store()),
        (_load(rn=5), _store()),
    ],
    ids=["none", "clrex", "second store", "granule"],
)
def test_monitor_is_open(words: tuple[int, ...]) -> None:
    board = _board()
    _run(board, *words[:-1])
    before = board.machine.read(MEMORY, 16)
    board[4] = 7
    _run(board, words[-1])
    assert (board[4], board.machine.read(MEMORY, 16)) == (1, before)


def test_a_store_that_fails_keeps_the_tag() -> None:
    board = _board()
    board.machine.write_capability(MEMORY, 5, True)
    _run(board, _store())
    assert board.machine.read_tags(MEMORY, 16) == b"\1"


def test_another_thread_opens_the_monitor() -> None:
    board = _board()
    _run(board, _load())
    other = board.machine.add_thread("user")
    board.machine.set(other, PCC, almighty(CODE).bits)
    board.machine.write(CODE, (0xD503201F).to_bytes(4, "little"))
    assert board.machine.run(other, 1).kind is StopKind.BUDGET
    _run(board, _store())
    assert board[4] == 1


@pytest.mark.parametrize("sz", [0, 1])
def test_pairs(sz: int) -> None:
    board, size = _board(), 4 << sz
    board[6] = 0x77
    load = a64("ldaxp", sz=sz, Rn=2, Rt=0, Rt2=1)
    _run(board, load, a64("stlxp", sz=sz, Rs=4, Rn=2, Rt=3, Rt2=6))
    assert (board[0] & 0xFF, board[1] & 0xFF, board[4]) == (1, 1 + size, 0)
    assert board.machine.read(MEMORY, 2 * size) == b"\x99" + bytes(size - 1) + b"\x77" + bytes(size - 1)


def test_load_pair_into_one_register_is_undefined() -> None:
    fault = _board().run(a64("ldxp", sz=1, Rn=2, Rt=1, Rt2=1)).fault
    assert fault is not None and fault.kind is FaultKind.UNDEFINED


@pytest.mark.parametrize("offset", [4, 8])
def test_pairs_are_aligned_whole(offset: int) -> None:
    board = _board()
    board[2] = MEMORY + offset
    fault = board.run(a64("ldxp", sz=1, Rn=2, Rt=1, Rt2=3)).fault
    assert fault is not None and fault.kind is FaultKind.ALIGNMENT


@pytest.mark.parametrize(("name", "size"), [("ldarb", 1), ("ldarh", 2), ("ldaprh", 2), ("ldlarb", 1)])
def test_ordered_loads(name: str, size: int) -> None:
    board = _board()
    _run(board, a64(name, Rn=2, Rt=1))
    assert board[1] == int.from_bytes(bytes(range(1, 1 + size)), "little")


@pytest.mark.parametrize("name", ["ldar", "stlr", "ldapr"])
def test_ordered_accesses_are_aligned(name: str) -> None:
    board = _board()
    board[2] = MEMORY + 1
    fault = board.run(a64(name, size=2, Rn=2, Rt=1)).fault
    assert fault is not None and fault.kind is FaultKind.ALIGNMENT


def test_store_release() -> None:
    board = _board()
    board[3] = 0x1234567890
    _run(board, a64("stlr", size=2, Rn=2, Rt=3))
    assert board.machine.read(MEMORY, 5) == bytes.fromhex("90785634 05".replace(" ", ""))


@pytest.mark.parametrize(
    ("name", "opc", "expected"),
    [("ldtrsb", 2, 0xFFFF_FFFF_FFFF_FF80), ("ldtrsb", 3, 0xFFFF_FF80), ("ldtrb", None, 0x80)],
)
def test_unprivileged_loads(name: str, opc: int | None, expected: int) -> None:
    board = _board()
    board.machine.write(MEMORY + 3, b"\x80")
    board[2] = MEMORY + 8
    _run(board, a64(name, imm9=-5, Rn=2, Rt=1, **({} if opc is None else {"opc": opc})))
    assert board[1] == expected
