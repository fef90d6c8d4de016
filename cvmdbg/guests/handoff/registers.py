"""The registers of a machine that is taken over, as effects, and what could not be had of them, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cvmdbg.target import Target, TargetError, UserError
from emulator_core._core import Capability, Machine, register_names
from sessions.event import Effect, RegisterWrite

PCC = "pcc"
LOW = (1 << 64) - 1
EL = 3 << 2  # of PSTATE
DERIVED = frozenset({"", "el", "nzcv", "cpsr", "pcc"})
"""What follows from PSTATE, and what is written before the others: it selects which CSP and DDC they are."""
NAMES = tuple(name for name in register_names() if name not in DERIVED)
ALIASES = ("_EL12", "_EL02")
"""Names of other registers, as EL2 sees them."""
ELSEWHERE = frozenset({"SPSEL", "DAIF", "NZCV", "CURRENTEL", "PAN", "UAO", "FPCR", "FPSR", "SSBS", "DDC", "CID_EL0"})
"""System registers that are parts of what is read as PSTATE, FPCR, or as a capability."""
HALVES = ("SP_", "ELR_", "VBAR_", "TPIDR_")
OF_PCC = ("ELR_", "VBAR_")
"""Half told, these take PCC's bounds; others become numbers without a tag."""


@dataclass
class Taken:
    """What was read. ``system``: it is a machine with all its exception levels, not a program."""

    system: bool = False
    effects: list[Effect] = field(default_factory=list)
    untold: dict[str, str] = field(default_factory=dict)  # by register: why
    halves: list[str] = field(default_factory=list)

    def sentences(self, name: str) -> list[str]:
        """What was not carried over."""
        found = []
        if self.untold:
            names = ", ".join(_ranges(list(self.untold)))
            found.append(f"not carried over: {names}, which {name} does not tell: they begin as at reset")
        if self.halves:
            found.append(
                f"of {', '.join(self.halves)} {name} tells 64 bits: exception links and vectors take PCC's bounds, "
                "others no tag"
            )
        return found


def is_system(remote: Target, thread: int) -> bool:
    """Does the machine have exception levels of its own: is it above EL0, or does it tell system registers?"""
    return bool(remote.read_register(thread, "cpsr") & EL) or any(r.name == "HCR_EL2" for r in remote.registers)


def refuse(remote: Target, name: str) -> None:
    """UserError for a machine that cannot be taken over."""
    if remote.arch != "morello":
        raise UserError(f"{name} is {remote.arch}: the emulator takes over Morello machines, with capability registers")


def translates(remote: Target, thread: int) -> bool | None:
    """Is its MMU on? None where it does not say so."""
    el = max(1, remote.read_register(thread, "cpsr") >> 2 & 3)
    for name in (f"SCTLR_EL{el}", "SCTLR" if el == 1 else ""):
        try:
            return bool(remote.read_register(thread, name) & 1)
        except TargetError:
            continue
    return None


def take(remote: Target, thread: int, number: int, taken: Taken) -> None:
    """All registers of a thread, which is context ``number`` of the emulator."""
    pstate = remote.read_register(thread, "cpsr")
    pcc = remote.read_register(thread, PCC)
    taken.effects.append(RegisterWrite(number, "cpsr", pstate))
    if taken.system:
        taken.effects += _system(remote, thread, number, pcc, taken)
    taken.effects.append(RegisterWrite(number, PCC, pcc))
    for name in NAMES:
        try:
            taken.effects.append(RegisterWrite(number, name, remote.read_register(thread, name)))
        except TargetError as error:
            taken.untold[name] = str(error)


def _system(remote: Target, thread: int, number: int, pcc: int, taken: Taken) -> Iterator[Effect]:
    """System registers whose value is another than at reset. Names are the architecture's; QEMU leaves _EL1 out."""
    machine = Machine()
    fresh = machine.add_thread("system")
    here = remote.read_register(thread, "cpsr") >> 2 & 3
    for register in remote.registers:
        name = next((n for n in (register.name, f"{register.name}_EL1") if _known(machine, fresh, n)), "")
        if not name or name in ELSEWHERE or name.endswith(ALIASES) or name == f"SP_EL{here}":
            continue
        before = machine.get_sysreg(fresh, name) & LOW
        try:
            value = remote.read_register(thread, register.name)
        except TargetError as error:
            taken.untold[name] = str(error)
            continue
        if value == before:
            continue
        whole = _capability_of(name)
        if whole is None:
            yield RegisterWrite(number, name, value)
            continue
        if name not in taken.halves:
            taken.halves.append(name)
        made = Capability(pcc).set_value(value).bits if name.startswith(OF_PCC) else value
        yield RegisterWrite(number, whole, made)


def _known(machine: Machine, thread: int, name: str) -> bool:
    if name != name.upper():
        return False
    try:
        machine.get_sysreg(thread, name)
    except KeyError:
        return False
    return True


def _capability_of(name: str) -> str | None:
    """The capability register whose low half a name is."""
    if name.startswith("DDC_"):
        return name
    return "C" + name if name.startswith(HALVES) else None


def _ranges(names: list[str]) -> list[str]:
    """``c0 … c30`` for many of a kind."""
    found: list[list[str]] = []
    for name in names:
        kind, digits = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
        last = found[-1][-1] if found else ""
        if digits and last == f"{kind}{int(digits) - 1}":
            found[-1].append(name)
        else:
            found.append([name])
    return [run[0] if len(run) == 1 else f"{run[0]} … {run[-1]}" for run in found]
