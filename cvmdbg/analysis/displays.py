"""What ``display`` shows at every stop: a value, or memory where the expression is an address."""

from __future__ import annotations

import re

from cvmdbg.analysis.code import code
from cvmdbg.debugger import Debugger
from cvmdbg.forms import capability_text, quoted
from cvmdbg.locations import address_of
from cvmdbg.target import TargetError, UserError
from cvmdbg.values import c_string, number_in, show


def displayed(debugger: Debugger, form: str, expression: str) -> str:
    """A value; with ``i``, ``s``, a count or a unit what lies in memory at the expression, as x has it."""
    shape = re.fullmatch(r"(\d*)([a-z]?)([bhwgc]?)", form)
    assert shape is not None
    count, letter, unit = int(shape[1] or 1), shape[2], shape[3]
    if letter not in ("i", "s") and not shape[1] and not unit:
        return show(debugger.evaluate(expression), debugger.scope(), letter)
    address, _ = address_of(debugger, expression)
    if letter == "i":
        return "; ".join(row.text.strip() for row in code(debugger, address, 0, count, "asm").rows)
    if letter == "s":
        return _string_at(debugger, address)
    if unit == "c":
        return "  ".join(_capability_at(debugger, address + 16 * i) for i in range(count))
    size = {"b": 1, "h": 2, "w": 4}.get(unit, 8)
    content = debugger.read(address, count * size)
    wide = {"x": "z", "": "z"}.get(letter, letter)
    words = (int.from_bytes(content[at : at + size], "little") for at in range(0, len(content), size))
    return " ".join(number_in(wide, word, size, debugger.scope()) for word in words)


def _string_at(debugger: Debugger, address: int) -> str:
    limit = debugger.settings.number("print elements")
    content = c_string(address, debugger.scope(), limit)
    if content is None:
        raise TargetError(f"{address:#x} is not mapped")
    return quoted(content, limit)


def _capability_at(debugger: Debugger, address: int) -> str:
    if debugger.target.capabilities is None:
        raise UserError("this target gives no tags: capabilities cannot be read")
    debugger.read(address, 16)
    return capability_text(debugger.target.capabilities.read(address))
