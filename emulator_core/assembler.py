"""Text to words: the inverse of the disassembler, from the same rows."""

from collections import defaultdict
from functools import cache

from emulator_core.disassembler import Mode
from emulator_core.isa.operands import Place
from emulator_core.isa.table import load
from emulator_core.isa.template import Failure, Form

_LONGEST = 200  # characters of an instruction: the longest form has about 50


class AssemblyError(ValueError):
    """The text is no instruction: says where and what was expected."""


def assemble(text: str, pc: int = 0, mode: Mode = "a64") -> int:
    """The word of one instruction at an address; AssemblyError when it has none.

    `; ...`, `// ...` at the end is a comment.  `.inst N` gives any word.
    """
    plain = " ".join(text.partition("//")[0].partition(";")[0].lower().split())
    if len(plain) > _LONGEST:
        raise AssemblyError(f"expected an instruction, found {len(plain)} characters")
    mnemonic = plain.partition(" ")[0]
    if mnemonic == ".inst":
        return _inst(plain)
    forms = _forms().get(mnemonic)
    if forms is None:
        raise AssemblyError(f"{mnemonic!r} is no instruction" if mnemonic else "expected an instruction, found nothing")
    failure = Failure()
    place = Place(pc, mode == "c64")
    for form in forms:
        word = form.read(plain, place, failure)
        if word is not None:
            return word
    raise AssemblyError(_sentence(plain, failure))


def _inst(plain: str) -> int:
    try:
        word = int(plain.partition(" ")[2], 0)
    except ValueError:
        word = -1
    if not 0 <= word < 1 << 32:
        raise AssemblyError(f"{plain!r}: expected a number of 32 bits after .inst")
    return word


def _sentence(plain: str, failure: Failure) -> str:
    found = repr(plain[failure.position :]) if failure.position < len(plain) else "the end"
    wanted = failure.expected
    expected = wanted[0] if len(wanted) == 1 else ", ".join(wanted[:-1]) + " or " + wanted[-1]
    return f"{plain!r}, column {failure.position + 1}: expected {expected}, found {found}"


@cache
def _forms() -> dict[str, list[Form]]:
    """Forms by every mnemonic that they can spell, in the order of the rows."""
    forms: dict[str, list[Form]] = defaultdict(list)
    for row in load().rows:
        form = Form(row)
        for mnemonic in form.mnemonics:
            forms[mnemonic].append(form)
    return dict(forms)
