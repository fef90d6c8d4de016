"""Stage 1 of address translation at EL3: table walks, permissions, faults with their level, pages and tags."""

import struct

import pytest
from morello_board import CODE, CPSR, MEMORY, MEMORY_SIZE, PCC, Board, almighty, bare, bounded, word

from emulator_core._core import Capability, CapProt, Prot

TABLES = 0x10_0000  # level 0 and then one table a level
# TCR_EL3: T0SZ 16, so level 0; PS 48 bits; HPD; HWU60 and HWU61 enable the descriptor's capability bits
TCR = 16 | 5 << 16 | 1 << 24 | 1 << 26 | 1 << 27
TABLE, BLOCK, PAGE, AF, READ_ONLY, XN = 3, 1, 3, 1 << 10, 1 << 7, 1 << 54
STORE_TAGS, LOAD_TAGS = 1 << 60, 1 << 61
PLAIN = AF | STORE_TAGS | LOAD_TAGS
VIRTUAL = 0x80_0020_0000  # second entry of the level 0 table, with tables of its own below
VALUE = bounded(MEMORY, 0x40)
TRANSLATION, ACCESS_FLAG, PERMISSION, CAPABILITY_PAGE = 0x04, 0x08, 0x0C, 0x2C
ESR_DATA_ABORT = 0x25


def index(address: int, level: int) -> int:
    return address >> (39 - 9 * level) & 0x1FF


def mapped(leaf: int = MEMORY | PAGE | PLAIN) -> Board:
    """EL3 with its MMU on; VIRTUAL is the page of the leaf, and the first 2 MiB map to themselves."""
    board = bare()
    board.machine.map(TABLES, 0x8000, Prot.R | Prot.W)
    write = board.machine.write
    for address, level in [(0, 0), (0, 1), (VIRTUAL, 0), (VIRTUAL, 1), (VIRTUAL, 2)]:
        own = 4 if address and level else 0  # VIRTUAL has tables of its own below level 0
        table = TABLES + 0x1000 * (level + own)
        below = TABLES + 0x1000 * (level + 1 + (4 if address else 0))
        write(table + 8 * index(address, level), struct.pack("<Q", below | TABLE))
    write(TABLES + 0x2000, struct.pack("<Q", BLOCK | PLAIN))
    write(TABLES + 0x7000 + 8 * index(VIRTUAL, 3), struct.pack("<Q", leaf))
    for name, value in [("TTBR0_EL3", TABLES), ("TCR_EL3", TCR), ("SCTLR_EL3", 0x30C5_0831)]:
        board.machine.set_sysreg(board.thread, name, value)
    board.set(1, almighty(VIRTUAL + 0x20))
    return board


LOAD_X = word("ALDR_R_RUI_64", Rn=1, Rt=2)
STORE_X = word("ASTR_R_RUI_64", Rn=1, Rt=2)
LOAD_C = word("ALDR_C_RUI_C", Rn=1, Ct=2)
STORE_C = word("ASTR_C_RUI_C", Rn=1, Ct=2)


def status(board: Board, instruction: int) -> int:
    """The data abort's status code, or 0 when the instruction retired."""
    board.machine.set_sysreg(board.thread, "ESR_EL3", 0)
    board.run(instruction)
    esr = board.sysreg("ESR_EL3")
    assert esr == 0 or esr >> 26 == ESR_DATA_ABORT
    if esr:
        assert board.sysreg("FAR_EL3") == board[1] & (1 << 64) - 1
    return esr & 0x3F


def test_a_page_is_read_and_written_where_it_is() -> None:
    board = mapped()
    board.machine.write(MEMORY + 0x20, struct.pack("<Q", 0x1234))
    assert (status(board, LOAD_X), board[2]) == (0, 0x1234)
    board[2] = 0x5678
    assert status(board, STORE_X) == 0
    assert board.machine.read(MEMORY + 0x20, 8) == struct.pack("<Q", 0x5678)


def test_tags_come_through() -> None:
    board = mapped()
    board.store(MEMORY + 0x20, VALUE)
    assert (status(board, LOAD_C), board.cap(2)) == (0, VALUE)
    board.store(MEMORY + 0x20, Capability.null())
    assert (status(board, STORE_C), board.load(MEMORY + 0x20)) == (0, VALUE)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_missing_descriptor_faults_at_its_level(level: int) -> None:
    board = mapped()
    table = TABLES + 0x1000 * (level + 4 if level else 0)
    board.machine.write(table + 8 * index(VIRTUAL, level), bytes(8))
    assert status(board, LOAD_X) == TRANSLATION | level


@pytest.mark.parametrize(
    ("leaf", "instruction", "expected"),
    [
        (PAGE | STORE_TAGS | LOAD_TAGS, LOAD_X, ACCESS_FLAG | 3),
        (PAGE | PLAIN | READ_ONLY, STORE_X, PERMISSION | 3),
        (PAGE | PLAIN | READ_ONLY, LOAD_X, 0),
        (PAGE | PLAIN | XN, LOAD_X, 0),
        (BLOCK | PLAIN, LOAD_X, TRANSLATION | 3),
    ],
)
def test_what_a_descriptor_permits(leaf: int, instruction: int, expected: int) -> None:
    assert status(mapped(MEMORY | leaf), instruction) == expected


def test_a_page_without_the_load_bit_shows_no_tags() -> None:
    board = mapped(MEMORY | PAGE | AF | STORE_TAGS)
    board.store(MEMORY + 0x20, VALUE)
    assert (status(board, LOAD_C), board.cap(2)) == (0, VALUE.with_tag(False))


def test_a_page_without_the_store_bit_takes_no_tags() -> None:
    board = mapped(MEMORY | PAGE | AF | LOAD_TAGS)
    board.set(2, VALUE)
    assert status(board, STORE_C) == CAPABILITY_PAGE
    board.set(2, VALUE.with_tag(False))
    assert status(board, STORE_C) == 0


def test_a_fetch_from_a_page_that_does_not_execute() -> None:
    board = mapped(CODE | PAGE | PLAIN | XN)
    board.set(PCC, almighty(VIRTUAL))
    board.machine.run(board.thread, 1)
    esr = board.sysreg("ESR_EL3")
    assert (esr >> 26, esr & 0x3F) == (0x21, PERMISSION | 3)


def test_a_block_at_level_2_reaches_2_mib() -> None:
    board = mapped()
    board.set(1, almighty(MEMORY + MEMORY_SIZE - 16))
    assert status(board, STORE_X) == 0
    board.set(1, almighty(0x20_0000))
    assert status(board, LOAD_X) == TRANSLATION | 2


def test_addresses_beyond_the_input_size_fault() -> None:
    board = mapped()
    board.set(1, almighty(1 << 50))
    assert status(board, LOAD_X) == TRANSLATION | 0


# ---- the tables as a list ------------------------------------------------------------------------------------

TCR_EL1 = 16 | 16 << 16 | 2 << 30 | 5 << 32 | 1 << 41 | 1 << 42 | 3 << 44 | 3 << 48
"""48 bits each half, 4 KiB; descriptors say what tags may do."""
EVERY = Prot.R | Prot.W | Prot.X
BOTH = CapProt.LOAD | CapProt.STORE


def test_what_is_mapped_is_listed_by_virtual_address() -> None:
    board = mapped()
    listed = board.machine.mappings(board.thread)
    tables, code = (TABLES, 0x8000, TABLES), (CODE, 0x1000, CODE)
    memory = (MEMORY, MEMORY_SIZE, MEMORY)
    assert [entry[:3] for entry in listed] == sorted([tables, code, memory, (VIRTUAL, 0x1000, MEMORY)])
    assert listed[-1] == (VIRTUAL, 0x1000, MEMORY, Prot.R | Prot.W, BOTH, False)


@pytest.mark.parametrize(
    ("leaf", "prot", "tags"),
    [
        (MEMORY | PAGE | PLAIN | READ_ONLY, Prot.R, BOTH),
        (MEMORY | PAGE | AF | LOAD_TAGS, Prot.R | Prot.W, CapProt.LOAD),
        (MEMORY | PAGE | AF | STORE_TAGS, Prot.R | Prot.W, CapProt.STORE),
        (MEMORY | PAGE | AF, Prot.R | Prot.W, 0),
    ],
)
def test_the_list_says_what_may_be_done(leaf: int, prot: int, tags: int) -> None:
    board = mapped(leaf)
    assert board.machine.mappings(board.thread)[-1] == (VIRTUAL, 0x1000, MEMORY, prot, tags, False)


def test_a_page_without_its_access_flag_is_not_listed() -> None:
    board = mapped(MEMORY | PAGE)
    assert all(entry[0] != VIRTUAL for entry in board.machine.mappings(board.thread))


def test_both_halves_of_el1_are_listed() -> None:
    board = mapped()
    for name, value in [("TTBR0_EL1", TABLES), ("TTBR1_EL1", TABLES), ("TCR_EL1", TCR_EL1), ("SCTLR_EL1", 0x30C5_0831)]:
        board.machine.set_sysreg(board.thread, name, value)
    board[CPSR] = board[CPSR] & ~0xF | 5
    low = [entry for entry in board.machine.mappings(board.thread) if not entry[0] >> 63]
    high = [entry for entry in board.machine.mappings(board.thread) if entry[0] >> 63]
    assert low[-1][:3] == (VIRTUAL, 0x1000, MEMORY)
    assert [(address - (0xFFFF << 48), *rest) for address, *rest in high] == low


def test_tables_that_lead_into_themselves_are_not_listed_for_ever() -> None:
    board = mapped()
    board.machine.write(TABLES, struct.pack("<Q", TABLES | TABLE) * 512)
    with pytest.raises(OverflowError, match="the page tables map too many pieces to list"):
        board.machine.mappings(board.thread)


def test_without_tables_nothing_is_listed() -> None:
    board = bare()
    assert board.machine.mappings(board.thread) == []
