"""LSE atomics: what memory and the register hold afterwards, and what each access needs."""

import random
from collections.abc import Callable

import pytest
from a64_board import a64
from morello_board import DDC, EXECUTE, LOAD, MEMORY, STORE, Board, bounded

from emulator_core._core import Access, FaultKind, StopKind

SIZES = {"b": 1, "h": 2, "": 4, "x": 8}


def _signed(value: int, size: int) -> int:
    return value - (1 << 8 * size) if value >> (8 * size - 1) else value


OPERATIONS: dict[str, Callable[[int, int, int], int]] = {
    "add": lambda old, x, size: old + x,
    "clr": lambda old, x, size: old & ~x,
    "eor": lambda old, x, size: old ^ x,
    "set": lambda old, x, size: old | x,
    "smax": lambda old, x, size: max(old, x, key=lambda v: _signed(v, size)),
    "smin": lambda old, x, size: min(old, x, key=lambda v: _signed(v, size)),
    "umax": lambda old, x, size: max(old, x),
    "umin": lambda old, x, size: min(old, x),
}


def _instruction(name: str, suffix: str, **fields: int) -> int:
    plain = suffix if suffix in ("b", "h") else ""
    size = {"": 2, "x": 3}.get(suffix)
    return a64(name + plain, **fields, **({} if size is None else {"size": size}))


def _memory(board: Board, size: int) -> int:
    return int.from_bytes(board.machine.read(MEMORY, size), "little")


@pytest.mark.parametrize("suffix", SIZES)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("form", ["ld", "st"])
def test_operations(form: str, operation: str, suffix: str) -> None:
    source, size = random.Random(f"{operation}{suffix}"), SIZES[suffix]
    board, mask = Board(), (1 << 8 * SIZES[suffix]) - 1
    fields = {"Rs": 1, "Rn": 2} | ({"Rt": 3} if form == "ld" else {})
    for _ in range(20):
        old, x = source.getrandbits(8 * size), source.choice((source.getrandbits(64), 1 << 8 * size - 1, mask))
        board.machine.write(MEMORY, old.to_bytes(8, "little"))
        board[1], board[2], board[3] = x, MEMORY, 99
        board[32] = board[32] & ~((1 << 64) - 1) | 0x10000
        assert board.run(_instruction(form + operation, suffix, **fields)).kind is StopKind.BUDGET
        assert _memory(board, size) == OPERATIONS[operation](old, x & mask, size) & mask
        assert board[3] == (old if form == "ld" else 99)


def test_load_and_result_in_one_register() -> None:
    board = Board()
    board.machine.write(MEMORY, (5).to_bytes(8, "little"))
    board[1], board[2] = 7, MEMORY
    board.run(a64("swp", size=3, Rs=1, Rn=2, Rt=1))
    assert (board[1], _memory(board, 8)) == (5, 7)


@pytest.mark.parametrize(("expected", "after"), [(5, 9), (6, 5)])
def test_compare_and_swap(expected: int, after: int) -> None:
    board = Board()
    board.machine.write(MEMORY, (5).to_bytes(8, "little"))
    board[1], board[2], board[3] = expected, MEMORY, 9
    board.run(a64("cas", size=3, Rs=1, Rn=2, Rt=3))
    assert (board[1], _memory(board, 8)) == (5, after)


def test_compare_and_swap_of_bytes_compares_bytes() -> None:
    board = Board()
    board.machine.write(MEMORY, b"\x05\x77")
    board[1], board[2], board[3] = 0xFF05, MEMORY, 0xAA09
    board.run(a64("casb", Rs=1, Rn=2, Rt=3))
    assert (board[1], board.machine.read(MEMORY, 2)) == (5, b"\x09\x77")


@pytest.mark.parametrize(("second", "stored"), [(2, True), (3, False)])
def test_compare_and_swap_pair(second: int, stored: bool) -> None:
    board = Board()
    board.machine.write(MEMORY, (1).to_bytes(8, "little") + (2).to_bytes(8, "little"))
    board[4], board[5], board[6], board[7], board[2] = 1, second, 10, 11, MEMORY
    board.run(a64("casp", sz=1, Rs=4, Rn=2, Rt=6))
    assert (board[4], board[5]) == (1, 2)
    assert _memory(board, 16) == (11 << 64 | 10 if stored else 2 << 64 | 1)


@pytest.mark.parametrize("fields", [{"Rs": 3, "Rt": 4}, {"Rs": 4, "Rt": 5}])
def test_compare_and_swap_pair_wants_even_registers(fields: dict[str, int]) -> None:
    stop = Board().run(a64("casp", sz=1, Rn=2, **fields))
    assert stop.fault is not None and stop.fault.kind is FaultKind.UNDEFINED


def _tagged_board() -> Board:
    board = Board()
    board.machine.write_capability(MEMORY, 5, True)
    board[1], board[2], board[3] = 5, MEMORY, 9
    return board


def test_a_store_clears_the_tag() -> None:
    board = _tagged_board()
    board.run(a64("cas", size=3, Rs=1, Rn=2, Rt=3))
    assert board.machine.read_tags(MEMORY, 16) == b"\0"


def test_a_failed_comparison_keeps_the_tag() -> None:
    board = _tagged_board()
    board[1] = 6
    board.run(a64("cas", size=3, Rs=1, Rn=2, Rt=3))
    assert board.machine.read_tags(MEMORY, 16) == b"\1"


@pytest.mark.parametrize(
    ("perms", "needed", "access"),
    [(STORE, LOAD, Access.READ), (LOAD, STORE, Access.WRITE), (EXECUTE, LOAD, Access.READ)],
)
def test_both_permissions_are_needed_before_memory_changes(perms: int, needed: int, access: Access) -> None:
    board = Board()
    board.set(DDC, bounded(MEMORY, 4096, perms=perms))
    board[1], board[2] = 7, MEMORY
    fault = board.run(a64("swp", size=3, Rs=1, Rn=2, Rt=3)).fault
    assert fault is not None
    assert (fault.kind, fault.needed, fault.access) == (FaultKind.CAP_PERMISSION, needed, access)
    assert (fault.reg, fault.address, fault.size) == (DDC, MEMORY, 8)
    assert (_memory(board, 8), board[3]) == (0, 0)


def test_bounds() -> None:
    board = Board()
    board.set(DDC, bounded(MEMORY, 16))
    board[2] = MEMORY + 16
    fault = board.run(a64("stadd", size=3, Rs=1, Rn=2)).fault
    assert fault is not None and fault.kind is FaultKind.CAP_BOUNDS


@pytest.mark.parametrize("instruction", ["ldadd", "swp", "cas"])
def test_alignment(instruction: str) -> None:
    board = Board()
    board[2] = MEMORY + 4
    fault = board.run(a64(instruction, size=3, Rs=1, Rn=2, Rt=3)).fault
    assert fault is not None
    assert (fault.kind, fault.address, fault.esr & 0x3F) == (FaultKind.ALIGNMENT, MEMORY + 4, 0x21)
