"""The registers of a Morello thread by name, over the engine's numbering."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cvmdbg.target import Register, TargetError
from emulator_core import _core

NUMBERS = {name: number for number, name in enumerate(_core.register_names()) if name}
LOW = (1 << 64) - 1
WHOLE = (1 << 129) - 1
_VIEWS = {f"x{n}": f"c{n}" for n in range(31)} | {"sp": "csp", "pc": "pcc", "tp": "ctpidr", "fp": "c29", "lr": "c30"}
"""64-bit names and the capability register whose low word they are."""

_CAPABILITIES = [f"c{n}" for n in range(31)] + ["csp", "pcc", "ddc", "ctpidr", "rcsp", "rddc", "rctpidr", "cid"]
REGISTERS = (
    *(Register(name, 129, "capability") for name in _CAPABILITIES),
    Register("cctlr", 64, "integer"),
    Register("nzcv", 64, "flags"),
    Register("cpsr", 64, "flags"),
    Register("fpcr", 64, "integer"),
    Register("fpsr", 64, "integer"),
    *(Register(f"v{n}", 128, "vector") for n in range(32)),
)


def number(name: str) -> int:
    """The engine's number of a register; TargetError when there is none of that name."""
    try:
        return NUMBERS[_VIEWS.get(name, name)]
    except KeyError:
        raise TargetError(f"there is no register {name!r}") from None


def read_register(machine: _core.Machine, thread: int, name: str) -> int:
    """129 bits for a capability register, 128 for a vector, 64 otherwise."""
    value = machine.get(thread, number(name))
    return value & LOW if name in _VIEWS else value


def read_registers(machine: _core.Machine, thread: int, names: Sequence[str]) -> list[int]:
    """The same for many."""
    values = machine.registers(thread)
    return [values[index] & mask for index, mask in _places(tuple(names))]


@lru_cache(maxsize=64)
def _places(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Where each name stands among all registers, and what of it the name means."""
    return tuple((number(name), LOW if name in _VIEWS else WHOLE) for name in names)


def write_register(machine: _core.Machine, thread: int, name: str, value: int) -> None:
    """Writes a register. A 64-bit name writes as A64 code does: upper half and tag go; ``pc`` moves within PCC."""
    if name not in NUMBERS and name not in _VIEWS:
        _write_system(machine, thread, name, value)
        return
    index = number(name)
    if name == "pc":
        value = machine.get(thread, index) & ~LOW | value & LOW
    elif name in _VIEWS:
        value &= LOW
    machine.set(thread, index, value)


def _write_system(machine: _core.Machine, thread: int, name: str, value: int) -> None:
    """A system register by its architectural name."""
    try:
        machine.set_sysreg(thread, name, value)
    except KeyError:
        raise TargetError(f"there is no register {name!r}") from None
