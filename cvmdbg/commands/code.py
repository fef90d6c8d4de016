"""Source, instructions, places; why the guest stopped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cvmdbg.analysis.code import code, source_text
from cvmdbg.analysis.explain import explain
from cvmdbg.analysis.inspect import inspect
from cvmdbg.analysis.registers import register_rows
from cvmdbg.commands.format import split_format
from cvmdbg.commands.history import goto_time, is_time
from cvmdbg.commands.report import capability_value, explanation_value, jsonable
from cvmdbg.commands.table import Command, Json, Result, Steps
from cvmdbg.forms import hexa
from cvmdbg.locations import locate, one_address
from cvmdbg.target import UserError

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "code"


def list_(session: Session, text: str) -> Result:
    """Source lines around a place; again goes on."""
    debugger = session.live
    size = session.settings.number("listsize")
    if text.strip() == "-" and session.listed is not None:
        file, first_shown, _ = session.listed
        if first_shown == 1:
            raise UserError(f"line 1 of {file} has been shown")
        start = max(1, first_shown - size)
        return _listed(session, file, start, first_shown - start)
    if text.strip() not in ("", "-"):
        first, _, last = text.partition(",")
        place = first.strip()
        address = one_address(debugger, place, code=False)
        line = debugger.symbols.line_at(address)
        if line is None:
            raise UserError(debugger.symbols.source_gap(address))
        file = line.file
        start = max(1, line.number - size // 2)
        if last.strip().isdigit() and place.isdigit():
            start, size = int(place), max(1, int(last) - int(place) + 1)
    elif session.listed is not None:
        file, _, start = session.listed
    else:
        line = debugger.symbols.line_at(debugger.frame().place)
        if line is None:
            raise UserError(debugger.symbols.source_gap(debugger.frame().place))
        file, start = line.file, max(1, line.number - size // 2)
    return _listed(session, file, start, size)


def _listed(session: Session, file: str, start: int, size: int) -> Result:
    lines = source_text(session.live, file)
    if lines is None:
        raise UserError(f"{file} is not to be found; set directories names folders to look in")
    if start > len(lines):
        raise UserError(f"{file} has {len(lines)} lines")
    session.listed = (file, start, start + size)
    shown = [(n, lines[n - 1]) for n in range(start, min(start + size, len(lines) + 1))]
    body: list[Json] = [{"file": file, "line": n, "text": text} for n, text in shown]
    return Result((f"{file}", *(f"{n:>6} {text}" for n, text in shown)), body, "code")


def disassemble_(session: Session, text: str) -> Result:
    """Instructions of a function, or around an address; /s with source, /N a number of them."""
    form, place = split_format(text.replace("/s", "/1s", 1) if text.startswith("/s") else text, "disassemble")
    debugger = session.live
    address = one_address(debugger, place, code=False) if place else debugger.frame().pc
    view = "both" if form.letter == "s" else "asm"
    start, count = debugger.symbols.function_start(address), form.count
    if form.count == 1:
        named = debugger.symbols.name_at(address)
        size = named.size if named is not None and named.size else 64
        start = start if start is not None else address
        count = min(max(size, 4) // 4, 4096)
    else:
        start = address
    found = code(debugger, start, 0, count * (2 if view == "both" else 1), view)
    last = start + 4 * count
    rows = [row for row in found.rows if row.address < last]
    return Result((found.title, *(row.text for row in rows)), [jsonable(row) for row in rows], "code", hexa(start))


def goto(session: Session, text: str) -> Result | Steps:
    """Show a place, or go to a time."""
    if is_time(text):
        return goto_time(session, text)
    location = locate(
        session.live, text if not re.fullmatch("[0-9a-fA-F]{5,}", text.strip()) else f"*{text.strip()}", code=False
    )
    if not location.addresses:
        raise UserError(location.pending)
    address = location.addresses[0]
    found = code(session.live, address, 4, 12)
    lines = (*((location.note,) if location.note else ()), found.title, *(row.text for row in found.rows))
    return Result(lines, {"address": hex(address)}, "code", f"{address:#x}")


def explain_(session: Session, text: str) -> Result:
    """Why did it stop?"""
    found = explain(session.live)
    return Result(found.lines, explanation_value(found), "explain")


def info_capability(session: Session, text: str) -> Result:
    """Everything about a capability; without one, the capability registers."""
    if not text.strip():
        rows = register_rows(session.live)
        return Result(tuple(row.text for row in rows), [jsonable(row) for row in rows], "registers")
    found = inspect(session.live, text)
    value: Json = capability_value(found.value) | {"facts": dict(found.facts)}
    return Result(found.lines, value, "inspector", text)


COMMANDS = (
    Command(
        "list",
        "source around a place",
        ("l",),
        (),
        "[LOCATION] · -",
        "d",
        "Again goes on; - shows what stands before the last lines.",
        ("list main", "l 40,60", "list -"),
        list_,
        repeats=True,
        completes="location",
    ),
    Command(
        "disassemble",
        "code around a place",
        ("disas",),
        (),
        "[/s] [/N] [LOCATION]",
        "",
        "/s puts source lines between.",
        ("disassemble fibonacci", "disas/s"),
        disassemble_,
        completes="location",
    ),
    Command(
        "goto",
        "show a place, or go to a time (times need history)",
        ("go",),
        ("g",),
        "ADDRESS · SYMBOL · @TICK",
        "",
        "",
        ("goto 16:syscall_handler", "go 4000003c8"),
        goto,
        completes="location",
    ),
    Command(
        "explain",
        "why did it stop, why did the call fail",
        ("e",),
        ("e", "F2"),
        "",
        "s",
        "Names the instruction, the check that failed, the capability, and where it lost its tag.",
        ("explain",),
        explain_,
    ),
    Command(
        "info capability",
        "all fields and bars of a capability",
        ("info cap", "info caps"),
        (),
        "[EXPRESSION]",
        "s c",
        "Without an expression, the capability registers.",
        ("info capability $c1",),
        info_capability,
        completes="expression",
    ),
)
