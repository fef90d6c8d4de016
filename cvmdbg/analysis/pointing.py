"""What a capability or number points at, in words: ``16 syscall_handler``, ``slot 0, 485K left``, ``all of 17``."""

from __future__ import annotations

from cvmdbg.analysis.compartments import Places
from cvmdbg.debugger import Debugger
from cvmdbg.forms import VALUE, size_text
from emulator_core.capability import Capability

EXECUTE = 1 << 15
"""Bit 0 of a code capability's value is its mode, no part of its address."""


def points_at(debugger: Debugger, bits: int, base: int = 0) -> tuple[str, str]:
    """Badge and text for a register's value. ``base`` is what untagged numbers count from in hybrid code."""
    cap = Capability(bits)
    if cap.tag or cap.high:
        return _capability(debugger, cap)
    return _number(debugger, cap.value, base)


def _capability(debugger: Debugger, cap: Capability) -> tuple[str, str]:
    places, address = debugger.places, cap.value & ~1 if cap.perms & EXECUTE else cap.value
    badge = places.badge(address if cap.in_bounds else cap.base) or places.badge(address)
    if cap.length == 1 << 64:
        return badge, "the whole address space" if not debugger.symbols.name_at(address) else _name(debugger, address)
    if cap.tag and not cap.in_bounds and not cap.sealed:
        named = _name(debugger, cap.base)
        return badge, f"out of its bounds, {named}" if named else "out of its bounds"
    named = _name(debugger, address)
    compartment = places.at(cap.base)
    whole = compartment is not None and (cap.base, cap.limit) in (
        (compartment.begin, compartment.end),
        (compartment.base, compartment.base + compartment.size),
    )
    if named and not (whole and address == cap.base):
        return badge, named
    if whole and compartment is not None:
        return badge, f"all of {compartment.name}"
    return badge, _object(places, address) or ""


def _number(debugger: Debugger, number: int, base: int) -> tuple[str, str]:
    badge = debugger.places.badge(number)
    if badge:
        return badge, _name(debugger, number) or _object(debugger.places, number)
    if base and number >= 0x1000:
        badge = debugger.places.badge(number + base & VALUE)
        if badge:
            where = number + base & VALUE
            return badge, f"offset: {_name(debugger, where) or _object(debugger.places, where)}"
    signed = number - (1 << 64) if number >> 63 else number
    return "", f"integer {signed}" if -(1 << 20) < signed < 1 << 20 else ""


def _name(debugger: Debugger, address: int) -> str:
    named = debugger.symbols.name_at(address)
    if named is None or (named.size and named.offset >= named.size) or (not named.size and named.offset > 0x100):
        return ""
    return named.text


def _object(places: Places, address: int) -> str:
    return places.object_text(address)


def stack_room(debugger: Debugger, address: int) -> str:
    """``slot 0, 485K left``: how far a stack pointer is from its stack's end; ``heap …`` when it is on the heap."""
    path = debugger.places.path(address)
    slot = next((p for p in path if p.kind == "slot"), None)
    if slot is None:
        return f"{path[-1].name} {address:x}" if path else ""
    floor = max(
        (p.address + p.size for p in slot.parts if p.kind in ("guard", "tp") and p.address <= address),
        default=slot.address,
    )
    return f"{slot.name}, {size_text(max(0, address - floor))} left"
