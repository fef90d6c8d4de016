"""All operand kinds by the names that templates use."""

from functools import cache

from emulator_core.isa import operands, operands_a64, operands_fp, operands_system
from emulator_core.isa.operands import Kind

_KINDS = operands.KINDS | operands_a64.KINDS | operands_system.KINDS | operands_fp.KINDS
_FAMILIES = operands.FAMILIES | operands_a64.FAMILIES | operands_fp.FAMILIES


@cache
def kind(name: str) -> Kind:
    """The kind of a name in a template; KeyError when there is none."""
    if name in _KINDS:
        return _KINDS[name]
    family, _, number = name.partition("*")
    return _FAMILIES[family](int(number or 1))
