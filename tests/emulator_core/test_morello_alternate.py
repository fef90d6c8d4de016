"""Alternate-base loads and stores of integers and V registers: through Cn in A64, through Xn and DDC in C64."""

import pytest
from morello_board import ALL_PERMS, CSP, DDC, EXECUTE, LOAD, MEMORY, MEMORY_SIZE, STORE, V0, Board, almighty, bounded

from emulator_core._core import Capability, FaultKind

AT = MEMORY + 0x200
WHOLE = bounded(MEMORY, MEMORY_SIZE, AT, ALL_PERMS & ~EXECUTE)
CONTENT = bytes.fromhex("8182838485868788898a8b8c8d8e8f90")
UNSCALED = {"imm9": -7}

# size of the access; "" zero extension, else the width a sign extends to
INTEGER_UNSCALED = {
    "ALDURB_R_RI_32": (1, 0),
    "ALDURH_R_RI_32": (2, 0),
    "ALDUR_R_RI_32": (4, 0),
    "ALDUR_R_RI_64": (8, 0),
    "ALDURSB_R_RI_32": (1, 32),
    "ALDURSB_R_RI_64": (1, 64),
    "ALDURSH_R_RI_32": (2, 32),
    "ALDURSH_R_RI_64": (2, 64),
    "ALDURSW_R_RI_64": (4, 64),
}
INTEGER_SCALED = {"ALDRB_R_RUI_B": (1, 0), "ALDR_R_RUI_32": (4, 0), "ALDR_R_RUI_64": (8, 0)}
INTEGER_REGISTER = {
    "ALDRB_R_RRB_B": (1, 0),
    "ALDRH_R_RRB_32": (2, 0),
    "ALDR_R_RRB_32": (4, 0),
    "ALDR_R_RRB_64": (8, 0),
    "ALDRSB_R_RRB_32": (1, 32),
    "ALDRSB_R_RRB_64": (1, 64),
    "ALDRSH_R_RRB_32": (2, 32),
    "ALDRSH_R_RRB_64": (2, 64),
}
ORDERED = {"ALDARB_R_R_B": (1, 0), "ALDAR_R_R_32": (4, 0)}
VECTOR_UNSCALED = {
    "ALDUR_V_RI_B": 1,
    "ALDUR_V_RI_H": 2,
    "ALDUR_V_RI_S": 4,
    "ALDUR_V_RI_D": 8,
    "ALDUR_V_RI_Q": 16,
}
VECTOR_REGISTER = {"ALDR_V_RRB_S": 4, "ALDR_V_RRB_D": 8}
bases = pytest.mark.parametrize("c64", [False, True], ids=["a64", "c64"])


def widened(size: int, to: int) -> int:
    value = int.from_bytes(CONTENT[:size], "little")
    if not to:
        return value
    return (value - (1 << 8 * size) if value >> (8 * size - 1) else value) & (1 << to) - 1


def board_at(c64: bool, authority: Capability = WHOLE, base: int = 1) -> Board:
    board = Board(c64=c64)
    if c64:
        board.set(DDC, authority)
        board[base] = authority.value
    else:
        board.set(DDC, Capability.null())
        board.set(base, authority)
    return board


def stored(load: str) -> str:
    """The store that goes with a load."""
    return load.replace("ALDAR", "ASTLR").replace("ALD", "AST")


def check(c64: bool, clause: str, offset: int, size: int, to: int, fields: dict[str, int], x2: int = 0) -> None:
    """The load, and then its store where one exists, both over granules that hold a tag."""
    board = board_at(c64)
    board[2] = x2
    board.machine.write(AT + offset, CONTENT)
    board.set(3, almighty(99))
    board.step(clause, Rn=1, Rt=3, **fields)
    assert board[3] == widened(size, to)
    if to:
        return
    board = board_at(c64)
    board[2] = x2
    board.store(AT + offset & ~15, WHOLE)
    board.set(3, almighty(0x0102_0304_0506_0708))
    board.step(stored(clause), Rn=1, Rt=3, **fields)
    assert board.machine.read(AT + offset, size) == (0x0102_0304_0506_0708).to_bytes(8, "little")[:size]
    assert not board.load(AT + offset & ~15).tag


@bases
@pytest.mark.parametrize(("clause", "shape"), INTEGER_UNSCALED.items())
def test_unscaled(clause: str, shape: tuple[int, int], c64: bool) -> None:
    check(c64, clause, -7, *shape, fields=UNSCALED)


@bases
@pytest.mark.parametrize(("clause", "shape"), INTEGER_SCALED.items())
def test_scaled(clause: str, shape: tuple[int, int], c64: bool) -> None:
    check(c64, clause, 5 * shape[0], *shape, fields={"imm9": 5})


@bases
@pytest.mark.parametrize(("clause", "shape"), INTEGER_REGISTER.items())
def test_register_offset(clause: str, shape: tuple[int, int], c64: bool) -> None:
    check(c64, clause, 3 * shape[0], *shape, fields={"Rm": 2, "sz": 1, "S": 1}, x2=3)
    check(c64, clause, -5, *shape, fields={"Rm": 2, "sign": 1}, x2=0xFFFF_FFFB)


@bases
@pytest.mark.parametrize(("clause", "shape"), ORDERED.items())
def test_ordered(clause: str, shape: tuple[int, int], c64: bool) -> None:
    check(c64, clause, 0, *shape, fields={})


def check_vector(c64: bool, clause: str, offset: int, size: int, fields: dict[str, int], x2: int = 0) -> None:
    board = board_at(c64)
    board[2] = x2
    board[V0 + 3] = (1 << 128) - 1
    board.machine.write(AT + offset, CONTENT)
    board.step(clause, Rn=1, Rt=3, **fields)
    assert board[V0 + 3] == int.from_bytes(CONTENT[:size], "little")
    board = board_at(c64)
    board[2] = x2
    board[V0 + 3] = int.from_bytes(CONTENT, "little")
    board.step(stored(clause), Rn=1, Rt=3, **fields)
    assert board.machine.read(AT + offset, 16) == CONTENT[:size].ljust(16, b"\0")


@bases
@pytest.mark.parametrize(("clause", "size"), VECTOR_UNSCALED.items())
def test_vectors_unscaled(clause: str, size: int, c64: bool) -> None:
    check_vector(c64, clause, -7, size, UNSCALED)


@bases
@pytest.mark.parametrize(("clause", "size"), VECTOR_REGISTER.items())
def test_vectors_register_offset(clause: str, size: int, c64: bool) -> None:
    check_vector(c64, clause, 3 * size, size, {"Rm": 2, "sz": 1, "S": 1}, x2=3)


ALL = {
    **{clause: shape[0] for clause, shape in (INTEGER_UNSCALED | INTEGER_SCALED | INTEGER_REGISTER | ORDERED).items()},
    **VECTOR_UNSCALED,
    **VECTOR_REGISTER,
}


@bases
@pytest.mark.parametrize("clause", ALL)
def test_checks(clause: str, c64: bool) -> None:
    signed = any(mark in clause for mark in ("RSB", "RSH", "RSW"))
    for name, permission in [(clause, LOAD)] + ([] if signed else [(stored(clause), STORE)]):
        for authority, kind in [
            (WHOLE.with_tag(False), FaultKind.CAP_TAG),
            (WHOLE.set_object_type(1), FaultKind.CAP_SEALED),
            (WHOLE.clear_perms(permission), FaultKind.CAP_PERMISSION),
            (bounded(MEMORY, ALL[clause] - 1, MEMORY), FaultKind.CAP_BOUNDS),
        ]:
            assert board_at(c64, authority).fault(name, Rn=1, Rt=3) is kind


@bases
def test_the_stack_pointer_as_base(c64: bool) -> None:
    board = board_at(c64, base=CSP)
    board.machine.write(AT, CONTENT)
    board.step("ALDR_R_RUI_64", Rn=31, Rt=3)
    assert board[3] == int.from_bytes(CONTENT[:8], "little")
    misaligned = board_at(c64, WHOLE.set_value(AT + 8), base=CSP)
    assert misaligned.fault("ALDR_R_RUI_64", Rn=31, Rt=3) is FaultKind.SP_ALIGNMENT
