"""Random straight programs of plain A64 instructions, from the instruction rows.

Registers have roles, so that a program of many instructions keeps running:

    x0..x15, x30   anything; every instruction may write them
    x16..x19       offsets: small numbers, written by none
    x20..x23       bases: addresses in the middle of memory, multiples of 16, written by none
    x24..x27       bases that write-back changes
    x28            0..63, for shifts of interest
    x29            the end of the program, for register branches
    sp             an aligned address in memory; written by none
"""

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from emulator_core.isa.table import Encoding, load

CODE, CODE_SIZE = 0x10_0000, 0x1_0000
MEMORY, MEMORY_SIZE = 0x100_0000, 0x2_0000
OFFSETS, ALIGNED, MOVING = range(16, 20), range(20, 24), range(24, 28)
END, SP = 29, 31

# Not generated, because Unicorn and the specification's model choose apart where the architecture leaves it open: a
# load whose second register is its first, or whose write-back would overwrite what it loads.
CLREX = 0xD5033F5F
FAMILIES = (
    "integer_arithmetic",
    "integer_bitfield",
    "integer_conditional",
    "integer_crc",
    "integer_ins_ext",
    "integer_logical",
    "integer_shift",
    "branch_conditional",
    "branch_unconditional_immediate",
    "branch_unconditional_register",
    "memory_atomicops",
    "memory_exclusive",
    "memory_literal_general",
    "memory_ordered",
    "memory_pair_general",
    "memory_single_general",
    "system_barriers",
    "system_monitors",
)
ABSENT = ("bra_", "blra_", "reta_", "sb_")  # undefined here; Unicorn's model has pointer authentication and SB
# Unicorn 2.1 compares more than the bytes of these if they are fewer than 8; test_a64_atomic has the narrow ones.
MISCOMPARED = re.compile(r"(ld|st)[su](max|min)([bh]?)_")
ADDRESSES = ("ADR_C_I_C", "ADRP_C_IP_C", "ADRDP_C_ID_C")


def in_scope(encoding: Encoding) -> bool:
    name = encoding.clause
    if name in ADDRESSES:
        return True
    _, found, family = name.partition("_aarch64_instrs_")
    miscompared = MISCOMPARED.match(name)
    apart = name.startswith(ABSENT) or (miscompared is not None and miscompared[3] != "")
    return bool(found) and not apart and family.startswith(FAMILIES)


ENCODINGS = [encoding for encoding in load().encodings if in_scope(encoding)]


def family(encoding: Encoding) -> str:
    return encoding.clause.rpartition("_aarch64_instrs_")[2]


@dataclass
class Generator:
    """Words of one seeded stream."""

    random: random.Random
    used: set[str] = field(default_factory=set)

    def word(self, encoding: Encoding) -> int:
        """An instruction with the registers' roles kept; fields that are no registers are random."""
        bits = encoding.bits
        word = bits.value | bits.canonical
        for place in bits.fields.values():
            word = place.put(word, self.random.getrandbits(place.width))
        for name, value in self.roles(encoding).items():
            if name in bits.fields:
                word = bits.fields[name].put(word, value)
        return word

    def any_register(self) -> int:
        return self.random.choice((*range(16), 28, 30, 31))

    def result(self) -> int:
        return self.random.choice((*range(16), 30, 31))

    def roles(self, encoding: Encoding) -> dict[str, int]:
        kind = family(encoding)
        if kind.startswith("memory"):
            return self.memory_roles(kind, encoding)
        roles = {name: self.any_register() for name in ("Rn", "Rm", "Ra", "Rt")} | {"Rd": self.result()}
        if "add_sub_immediate" in kind or "logical_immediate" in kind or "extendedreg" in kind:
            roles["Rd"] = self.random.choice((*range(16), 30))
        if kind.startswith("branch"):
            roles |= self.branch_roles()
        return roles

    def branch_roles(self) -> dict[str, int]:
        """Forward, over at most three instructions, or to the end."""
        return dict.fromkeys(("imm19", "imm14", "imm26"), self.random.randint(1, 4)) | {"Rn": END}

    def memory_roles(self, kind: str, encoding: Encoding) -> dict[str, int]:
        writes_back = "idx" in kind
        roles = {
            "Rn": self.random.choice(MOVING if writes_back else (*ALIGNED, SP)),
            "Rm": self.random.choice((*OFFSETS, 31)),
            "Rt": self.result(),
            "Rs": self.result(),
            "imm19": self.random.randint(0, CODE_SIZE // 8),
        }
        roles["Rt2"] = self.random.choice([r for r in (*range(16), 30) if r != roles["Rt"]])
        if MISCOMPARED.match(encoding.clause):
            roles["size"] = 3
        if "cas_pair" in kind:
            roles |= {"Rs": self.random.randrange(0, 14, 2), "Rt": self.random.randrange(0, 14, 2)}
        return roles

    def block(self, length: int, encodings: Iterable[Encoding]) -> list[int]:
        pool, words = list(encodings), []
        while len(words) < length:
            encoding = self.random.choice(pool)
            self.used.add(encoding.clause)
            words += self.exclusive(encoding) if "exclusive" in family(encoding) else [self.likely(encoding)]
        return words

    def likely(self, encoding: Encoding) -> int:
        """Reserved encodings end a program, so they are rare."""
        word = self.word(encoding)
        while load().row(word, False) is None and self.random.random() < 0.95:
            word = self.word(encoding)
        return word

    def exclusive(self, encoding: Encoding) -> list[int]:
        """A load, and a store of its size and address or a CLREX: no branch can meet a monitor that is set."""
        word = self.word(encoding)
        if encoding.clause.startswith("ld"):
            return [word, CLREX]
        load = word | 1 << 22 | 31 << 16 | (31 << 10 if "single" in encoding.clause else 0)
        return [self.random.choice((load, CLREX)), word]

    def state(self, length: int) -> dict[int, int]:
        """Registers x0..x30 and 31 for the stack pointer, for a program of that many words."""
        interesting: tuple[Callable[[], int], ...] = (
            lambda: self.random.getrandbits(64),
            lambda: self.random.getrandbits(32),
            lambda: self.random.getrandbits(8),
            lambda: (1 << self.random.randrange(65)) - 1,
            lambda: 1 << self.random.randrange(64),
            lambda: -self.random.getrandbits(12),
            lambda: self.random.choice((0, 1, 2**31, 2**63, 2**32 - 1, 2**64 - 1)),
        )
        registers = {n: self.random.choice(interesting)() & (1 << 64) - 1 for n in range(31)}
        registers |= {n: self.random.choice((0, 8, 64, 4096, -16, -4096)) & (1 << 64) - 1 for n in OFFSETS}
        registers |= {n: MEMORY + MEMORY_SIZE // 2 + 16 * self.random.randrange(-512, 512) for n in (*ALIGNED, *MOVING)}
        stack = MEMORY + MEMORY_SIZE // 2 + 16 * self.random.randrange(256)
        return registers | {28: self.random.randrange(64), END: CODE + 4 * length, SP: stack}
