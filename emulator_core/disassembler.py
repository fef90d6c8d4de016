"""Words to text: the assembly form of an instruction, in GNU spelling.

The decoder is the compiled one; this module prints what it finds from the same rows (emulator_core/isa).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from emulator_core import _core
from emulator_core.isa.operands import Place
from emulator_core.isa.table import load
from emulator_core.isa.template import Form

Mode = Literal["a64", "c64"]
MODES: tuple[Mode, ...] = ("a64", "c64")
WORD_SIZE = 4


@dataclass(frozen=True)
class Instruction:
    """One decoded word.

    `clause` is the specification's name of what executes, "UNDEFINED" when nothing does.  `target` is the address that
    the text names (branch, adr, literal), already absolute.  `kinds` says what the instruction does to control and
    memory: load, store, branch, call, return, conditional, syscall, trap.  `bases` are registers that address memory.
    """

    word: int
    pc: int
    mode: Mode
    text: str
    clause: str
    kinds: frozenset[str]
    target: int | None
    bases: tuple[str, ...]

    @property
    def mnemonic(self) -> str:
        return self.text.partition(" ")[0]

    @property
    def operands(self) -> str:
        return self.text.partition(" ")[2]


def disassemble(word: int, pc: int = 0, mode: Mode = "a64") -> Instruction:
    """The instruction of a 32-bit word at an address; unallocated words read `.inst 0x...`."""
    place = Place(pc, mode == "c64")
    clause = _core.isa_clause(word)
    form = _form(word, place.c64)
    fields = form.row.encoding.fields(word) if form else {}
    text = form.show(fields, place) if form else None
    if form is None or text is None:
        return Instruction(word, pc, mode, f".inst {word:#010x}", clause, frozenset(), None, ())
    target: int | None = None
    bases: list[str] = []
    for operand in form.marked:
        spelt = operand.kind.show(operand.value(fields), operand.width, place) or ""
        if operand.kind.base:
            bases.append(spelt)
        else:
            target = int(spelt, 16)
    return Instruction(word, pc, mode, text, clause, form.row.encoding.kinds, target, tuple(bases))


def text_of(word: int, pc: int = 0, mode: Mode = "a64") -> str:
    """Only the text: the fast way through many words."""
    place = Place(pc, mode == "c64")
    form = _form(word, place.c64)
    text = form.show(form.row.encoding.fields(word), place) if form else None
    return text if text is not None else f".inst {word:#010x}"


@cache
def _decoder() -> Callable[[int, bool], int]:
    """The compiled decoder, or the rows' own where a source tree has newer rows than its build."""
    return _core.isa_row if load().digest == _core.ISA_DIGEST else load().row_index


@cache
def _compiled(index: int) -> Form:
    return Form(load().rows[index])


def _form(word: int, c64: bool) -> Form | None:
    index = _decoder()(word, c64)
    return _compiled(index) if index >= 0 else None
