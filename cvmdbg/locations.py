"""Places as people write them: ``main``, ``main.c:44``, ``*0x4400``, ``16:main``, ``'app1'::main``, ``17:640``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cvmdbg.breakpoints import Breakpoint
from cvmdbg.symbols import Found
from cvmdbg.target import UserError
from cvmdbg.types_c import Array, Function, Struct, bare
from cvmdbg.values import absolute
from emulator_core.capability import Capability

if TYPE_CHECKING:
    from cvmdbg.debugger import Debugger


EXECUTE = 1 << 15


@dataclass(frozen=True, slots=True)
class Location:
    """The addresses that a text means; ``pending`` says what is missing when there is none yet."""

    addresses: tuple[int, ...]
    text: str
    badges: tuple[str, ...]
    pending: str = ""
    note: str = ""


_LINE = re.compile(r"(?P<file>[^:'*]+\.\w+):(?P<line>\d+)$")
_OFFSET = re.compile(r"(?P<name>.+?)\s*\+\s*(?P<offset>0x[0-9a-fA-F]+|\d+)$")
_SCOPED = re.compile(r"'(?P<where>[^']+)'\s*::\s*(?P<name>[\w.$]+)$")
_INSIDE = re.compile(r"(?P<where>[\w.\-]+):(?P<name>[\w.$]+)$")


def locate(debugger: Debugger, text: str, *, code: bool = True, inside: str = "") -> Location:
    """What a location means now. ``code``: functions mean the place behind their prologue, as for breakpoints.

    UserError when it can never mean anything; pending when a module that is not loaded yet may have it.
    """
    text = text.strip()
    if not text:
        pc = debugger.frame().pc
        return Location((pc,), _place_text(debugger, pc), (debugger.places.badge(pc),))
    if text.startswith("*"):
        return _address(debugger, text[1:].strip())
    line = _LINE.match(text)
    if line is not None:
        return _line(debugger, line["file"], int(line["line"]), text, inside)
    if text.isdigit():
        return _line(debugger, _current_file(debugger), int(text), text, inside)
    return _named(debugger, text, code, inside)


def _place_text(debugger: Debugger, address: int) -> str:
    named = debugger.symbols.name_at(address)
    line = debugger.symbols.line_at(address)
    name = named.text if named is not None else f"{address:#x}"
    return f"{name} at {line.file}:{line.number}" if line is not None else name


def _address(debugger: Debugger, text: str) -> Location:
    """``*expr``; a lone token of hex digits needs no 0x, and the note says how it was read."""
    address, note = address_of(debugger, text)
    return Location((address,), _place_text(debugger, address), (debugger.places.badge(address),), note=note)


def address_of(debugger: Debugger, text: str) -> tuple[int, str]:
    """The absolute address that a text means where only one can stand, and how it was read if that is unclear."""
    text = text.strip()
    if re.fullmatch(r"[0-9a-fA-F]+", text) and (not text.isdigit() or len(text) > 5):
        return int(text, 16), f"read as 0x{text.lower()}"
    value = debugger.evaluate(text)
    if value.address is not None and isinstance(bare(value.type), Function | Array | Struct):
        return value.address, ""
    where = absolute(value, debugger.scope())
    if value.bits is not None and Capability(value.bits).perms & EXECUTE and where & 1:
        return where & ~1, "bit 0 is the mode: C64"
    note = f"{value.number:#x} is {where:#x} in {debugger.places.badge(where)}" if where != value.number else ""
    return where, note


def _current_file(debugger: Debugger) -> str:
    line = debugger.symbols.line_at(debugger.frame().place)
    if line is None:
        raise UserError("there is no current source file: write FILE:LINE")
    return line.file


def _line(debugger: Debugger, file: str, number: int, text: str, inside: str) -> Location:
    found, taken = debugger.symbols.find_line(file, number)
    found = _only(debugger, found, inside)
    if not found and not debugger.symbols.knows_file(file):
        return Location((), text, (), f"no module with {file} yet")
    if not found:
        raise UserError(f"no code at line {number} of {file} or behind it")
    note = f"line {taken} is the next with code" if taken != number else ""
    return Location(
        tuple(p.address for p in found), f"{file}:{taken}", tuple(dict.fromkeys(p.badge for p in found)), note=note
    )


def _named(debugger: Debugger, text: str, code: bool, inside: str) -> Location:
    offset = 0
    match = _OFFSET.match(text)
    if match is not None:
        text, offset = match["name"], int(match["offset"], 0)
    where, name = "", text
    scoped = _SCOPED.match(text) or _INSIDE.match(text)
    if scoped is not None:
        where, name = scoped["where"], scoped["name"]
    if where and re.fullmatch("(?:0[xX])?[0-9a-fA-F]+", name) and debugger.places.named(where) is not None:
        address = debugger.scope().relative(where, int(name, 16)) + offset
        return Location((address,), _place_text(debugger, address), (debugger.places.badge(address),))
    if where.endswith(".so") and not debugger.symbols.select(where):
        return Location((), text, (), f"no module {where} yet")
    found = debugger.symbols.find(name, debugger.select_modules(where) if where else None)
    found = _only(debugger, [p for p in found if p.kind != "object"] or found, inside)
    if not found:
        if not re.fullmatch(r"[A-Za-z_.$][\w.$]*", name):
            raise UserError(f"{text!r} is no location: SYMBOL, FILE:LINE, *ADDRESS, CVM:SYMBOL or 'MODULE'::SYMBOL")
        return Location((), text, (), f"no module with {name} yet")
    starts = [p.address + offset if offset or not code else debugger.symbols.body(p.address) for p in found]
    shown = f"{name}+{offset}" if offset else name
    return Location(tuple(starts), shown, tuple(dict.fromkeys(p.badge for p in found)))


def _only(debugger: Debugger, found: list[Found], inside: str) -> list[Found]:
    """Those of one compartment, when one was asked for."""
    if not inside:
        return found
    compartment = debugger.places.named(inside)
    if compartment is None:
        raise UserError(f"there is no compartment {inside}")
    return [p for p in found if p.badge == compartment.badge]


def one_address(debugger: Debugger, text: str, *, code: bool = False) -> int:
    """The single address of a location; of several one in the module that executes, else the first.

    UserError when it is pending.
    """
    location = locate(debugger, text, code=code)
    if not location.addresses:
        raise UserError(location.pending)
    here = debugger.symbols.module_at(debugger.frame().pc) if len(location.addresses) > 1 else None
    near = (address for address in location.addresses if debugger.symbols.module_at(address) is here)
    return next(near, location.addresses[0])


def resolve_pending(debugger: Debugger) -> None:
    """Give sites to breakpoints whose module has come, and take them from those whose module has gone."""
    for breakpoint_ in debugger.breakpoints:
        if not breakpoint_.named:
            continue
        try:
            location = locate(debugger, breakpoint_.spec, inside=breakpoint_.inside)
        except UserError:
            continue  # its compartment or module is not there now: it keeps waiting
        _move(debugger, breakpoint_, location)


def _move(debugger: Debugger, breakpoint_: Breakpoint, location: Location) -> None:
    if location.addresses != breakpoint_.sites:
        debugger.breakpoints.place(breakpoint_, location.addresses)
    breakpoint_.badge = " ".join(location.badges)
    breakpoint_.pending = location.pending
    if location.addresses:
        breakpoint_.where = describe_sites(debugger, location)


def describe_sites(debugger: Debugger, location: Location) -> str:
    """``syscall_handler at purecap/libos/handler.S:8``."""
    if len(location.addresses) == 1:
        line = debugger.symbols.line_at(location.addresses[0])
        if line is not None:
            name = debugger.symbols.name_at(location.addresses[0])
            shown = name.text if name is not None and ":" in location.text else location.text
            return f"{shown.split(' at ')[0]} at {line.file}:{line.number}"
    return location.text
