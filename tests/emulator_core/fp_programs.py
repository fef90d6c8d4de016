"""Random programs of floating-point, vector and crypto instructions, from the instruction rows.

General registers have the roles of a64_programs, but for these:

    x0..x7   anything; results of instructions that write a general register
    x8..x15  integers of interest, sources only
    x28      what FPSR is before every instruction
    x29      holds FPSR for a moment; x30 gathers what FPSR was after every instruction
"""

import random
from dataclasses import dataclass, field

from a64_programs import ALIGNED, CODE_SIZE, MEMORY, MEMORY_SIZE, MOVING, OFFSETS, SP, family

from emulator_core.isa.table import Encoding, load

# FJCVTZS is not of Armv8.2: undefined here, present in Unicorn's model.
ABSENT = ("fjcvtzs_",)
FAMILIES = ("float_", "vector_", "memory_literal_simdfp", "memory_pair_simdfp", "memory_single_simdfp", "memory_vector")
TO_GENERAL = ("float_convert_int", "float_convert_fix", "integer_move_signed", "integer_move_unsigned")
FPCR_BITS = (1 << 19, 1 << 24, 1 << 25, 1 << 26, 1 << 22, 1 << 23)  # FZ16, FZ, DN, AHP, RMode

MRS_FPSR, MSR_FPSR = 0xD53B4420, 0xD51B4420  # x0; the zero register is 31
GATHER = [MRS_FPSR | 29, MSR_FPSR | 28, 0xCADE1FBE]  # mrs x29, fpsr; msr fpsr, x28; eor x30, x29, x30, ror #7
IXC = 1 << 4
V_COUNT = 32


def in_scope(encoding: Encoding) -> bool:
    _, found, kind = encoding.clause.partition("_aarch64_instrs_")
    return bool(found) and kind.startswith(FAMILIES) and not encoding.clause.startswith(ABSENT)


ENCODINGS = [encoding for encoding in load().encodings if in_scope(encoding)]


def unfit(word: int) -> bool:
    """Words at which Unicorn and qemu themselves depart from the specification."""
    return any(word & mask == value for mask, value in UNFIT)


# The 16-bit FCVTZS (scalar, fixed-point) extends its sign over the register, where the specification clears.
UNFIT = ((0xFFE0FC00, 0x5F00FC00),)


def specials(width: int) -> list[int]:
    """Numbers at which something changes, in the format of this width; all positive."""
    fraction = {16: 10, 32: 23, 64: 52}[width]
    top = (1 << (width - 1 - fraction)) - 1
    one = (top >> 1) << fraction
    quiet = 1 << (fraction - 1)
    infinity = top << fraction
    numbers = [0, 1, 2, (1 << fraction) - 1, 1 << fraction, (1 << fraction) + 1, infinity - 1, infinity]
    numbers += [infinity | quiet, infinity | quiet | 5, infinity | 1, infinity | quiet - 1]
    numbers += [one, one - 1, one + 1, one | quiet, one - (1 << fraction), one + (1 << fraction)]
    for power in (7, 8, 10, 15, 16, 31, 32, 63, 64):
        if power < top >> 1:
            numbers += [one + (power << fraction) + delta for delta in (-1, 0, 1)]
    return numbers


SPECIALS = {width: specials(width) for width in (16, 32, 64)}


@dataclass
class FpGenerator:
    """Words and registers of one seeded stream."""

    random: random.Random
    used: set[str] = field(default_factory=set)

    def element(self, width: int) -> int:
        """A special number, one near 1, one from the ends of the range, or any bits; of either sign."""
        r, fraction = self.random, {16: 10, 32: 23, 64: 52}[width]
        top = (1 << (width - 1 - fraction)) - 1
        kind = r.random()
        if kind < 0.4:
            value = r.choice(SPECIALS[width])
        elif kind < 0.6:
            exponent = (top >> 1) + r.randint(-fraction - 2, fraction + 2)
            value = max(0, min(top, exponent)) << fraction | r.getrandbits(fraction)
        elif kind < 0.75:
            value = r.choice((0, 1, 2, top - 2, top - 1)) << fraction | r.getrandbits(fraction)
        else:
            value = r.getrandbits(width - 1)
        return r.getrandbits(1) << (width - 1) | value

    def vector(self) -> int:
        """128 bits: elements of one width, few alike; or small integers and their complements."""
        r = self.random
        width = r.choice((16, 32, 64))
        if r.random() < 0.15:
            width, pool = 8, [0, 1, 127, 128, 255, r.getrandbits(8), r.randrange(16)]
            elements = [r.choice(pool) for _ in range(16)]
        else:
            elements = [self.element(width) for _ in range(128 // width)]
        return sum(value << width * n for n, value in enumerate(elements))

    def integer(self) -> int:
        r = self.random
        near = (1 << r.randrange(65)) + r.randint(-1, 1)
        return r.choice((r.getrandbits(64), near, -near, r.getrandbits(r.randrange(1, 65)))) & (1 << 64) - 1

    def fpcr(self) -> int:
        r = self.random
        return 0 if r.random() < 0.25 else sum(bit for bit in FPCR_BITS if r.getrandbits(1))

    def general(self) -> list[int]:
        """x0..x30, sp, NZCV."""
        r, middle = self.random, MEMORY + MEMORY_SIZE // 2
        values = [self.integer() for _ in range(31)] + [middle, r.getrandbits(4) << 28]
        for n in OFFSETS:
            values[n] = r.choice((0, 1, 8, 64, 256, -16, -256)) & (1 << 64) - 1
        for n in (*ALIGNED, *MOVING, SP):
            values[n] = middle + 16 * r.randrange(-512, 512)
        values[28] = r.choice((0, IXC))
        return values

    def word(self, encoding: Encoding) -> int:
        """An instruction of this row with the registers' roles kept; fields that are no registers are random."""
        self.used.add(encoding.clause)
        while True:
            word = self.any_word(encoding)
            if encoding.matches(word) and not unfit(word):
                return word

    def any_word(self, encoding: Encoding) -> int:
        bits = encoding.bits
        word = bits.value | bits.canonical
        for place in bits.fields.values():
            word = place.put(word, self.random.getrandbits(place.width))
        for name, value in self.roles(family(encoding), encoding.clause).items():
            if name in bits.fields:
                word = bits.fields[name].put(word, value)
        return word

    def roles(self, kind: str, clause: str) -> dict[str, int]:
        r = self.random
        if kind.startswith("memory"):
            writes_back = "idx" in kind or "post_inc" in kind
            rn = r.choice(MOVING if writes_back else (*ALIGNED, SP))
            rm = r.choice((*OFFSETS, 31))
            rt = r.randrange(V_COUNT)
            rt2 = (rt + r.randrange(1, V_COUNT)) % V_COUNT  # a load of one register twice is for the implementation
            return {"Rn": rn, "Rm": rm, "Rt": rt, "Rt2": rt2, "imm19": r.randint(0, CODE_SIZE // 8)}
        if kind.endswith(TO_GENERAL):
            return {"Rd": r.randrange(8), "Rn": r.randrange(16)}
        return {"Rn": r.randrange(16)} if "gen_" in clause else {}

    def likely(self, encoding: Encoding) -> int:
        """Reserved encodings end a program, so they are rare; `word` draws them as they come."""
        word = self.word(encoding)
        while load().row(word, False) is None and self.random.random() < 0.95:
            word = self.word(encoding)
        return word

    def block(self, length: int) -> list[int]:
        return [self.likely(self.random.choice(ENCODINGS)) for _ in range(length)]


def program(words: list[int], fpcr: int) -> list[int]:
    """The words, each followed by gathering FPSR; FPCR and FPSR are set before (x30 holds FPCR at first)."""
    start = [*load_constant(30, fpcr), 0xD51B4400 | 30, MSR_FPSR | 28]
    return [*start, *(part for word in words for part in (word, *GATHER))]


def load_constant(register: int, value: int) -> list[int]:
    """movz, movk: 32 bits."""
    return [0xD2800000 | (value & 0xFFFF) << 5 | register, 0xF2A00000 | (value >> 16) << 5 | register]


PROLOGUE = 4
STRIDE = 1 + len(GATHER)
