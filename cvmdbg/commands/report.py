"""How stops and rows become results: the same text for batch and screen, the same JSON for programs."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from cvmdbg import x86
from cvmdbg.analysis.code import comment_for, mode_at, source_line
from cvmdbg.analysis.explain import explain
from cvmdbg.analysis.panes import display_rows, status
from cvmdbg.commands.table import Json, Progress, Result, Steps
from cvmdbg.debugger import Debugger, Halt
from cvmdbg.forms import hexa
from cvmdbg.rows import Check, Explanation
from cvmdbg.target import TargetError, UserError, absence
from emulator_core.capability import Capability
from emulator_core.disassembler import disassemble

if TYPE_CHECKING:
    from cvmdbg.running import Run
    from cvmdbg.session import Session

HEX_FIELDS = {
    "address",
    "base",
    "origin",
    "target",
    "pc",
    "limit",
    "word",
    "cause",
    "value",
    "sites",
    "capability",
    "slot",
    "minted",
}
"""Fields of rows that are addresses, words or capabilities: hex strings in JSON."""


def jsonable(row: Any) -> Json:
    """A row as JSON: addresses and capabilities as hex strings, bytes as hex digits, the text beside them."""
    found: dict[str, Json] = {}
    for entry in fields(row):
        found[entry.name] = _field(entry.name, getattr(row, entry.name))
    text = getattr(row, "text", None)
    if isinstance(text, str):
        found["text"] = text
    return found


def _field(name: str, value: Any) -> Json:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return hex(value) if name in HEX_FIELDS else value
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value):
        return jsonable(value)
    return [_field(name, item) for item in value]


def table(rows: Iterable[Any], header: str = "", empty: str = "", opens: str = "") -> Result:
    """Rows as a result: their texts, and their JSON."""
    found = list(rows)
    lines = [row.text for row in found]
    if header and found:
        lines.insert(0, header)
    return Result(tuple(lines) or ((empty,) if empty else ()), [jsonable(row) for row in found], opens)


# ---- stops ----


def running(session: Session, run: Run) -> Steps:
    """Carry out a run and report where it ended. A breakpoint's command list may send the guest on again."""
    if session.in_list:  # a list ends with the command that resumes; whoever runs the list goes on with its run
        session.following = run
        return Result()
    lines: list[str] = []
    while True:
        halt = yield from run
        commands = _list_of(session, halt)
        if "silent" not in commands[:1]:
            lines += stop_lines(session, halt)
        again = yield from _carry_out(session, commands, lines)
        if again is None:
            break
        run = again
    value = stop_value(session, halt)
    opens = "explain" if halt.kind == "fault" and session.settings.text("explain") == "auto" else ""
    return Result(tuple(lines), value, opens)


def _list_of(session: Session, halt: Halt) -> list[str]:
    """The command list of the breakpoint that was hit."""
    found = session.live.breakpoints.all.get(halt.number) if halt.number is not None else None
    return [line.strip() for line in found.commands] if found is not None else []


def _carry_out(session: Session, commands: list[str], lines: list[str]) -> Generator[Progress, None, Run | None]:
    """Run a command list, adding what it says; the run that its last command asks for, if it does."""
    for line in commands:
        if line == "silent":
            continue
        session.in_list, session.following = True, None
        try:
            result = yield from session.nested(line)
        except (UserError, TargetError) as error:
            lines.append(str(error))
            return None
        finally:
            session.in_list = False
        lines += result.lines
        if session.following is not None:
            return session.following
    return None


def stop_lines(session: Session, halt: Halt) -> Iterable[str]:
    """What is said at a stop: why, where, the source line or instruction, displays."""
    debugger = session.live
    tick = "" if halt.stop.tick is None else f", tick {halt.stop.tick}"
    if halt.kind == "exit":
        yield f"○ {halt.text}{tick}"
        return
    mark = "✗" if halt.kind == "fault" else "■"
    if halt.text:
        thread = f", thread {debugger.thread_name(halt.stop.thread)}" if halt.stop.thread >= 0 else ""
        yield f"{mark} {halt.text}{thread}{tick}"
    yield from halt.lines
    if halt.kind == "fault":
        yield from explain(debugger).lines
    if debugger.thread >= 0 and debugger.known_pc(debugger.thread) is not None:
        yield where_line(debugger)
        yield from current_lines(debugger)
    for row in display_rows(debugger):
        yield row.text


def where_line(debugger: Debugger) -> str:
    """``16 libos ← 17 ldso  syscall_handler () at purecap/libos/handler.S:8``."""
    frame = debugger.frame()
    found = status(debugger, "", "")
    place = (
        f"{found.place} ← {found.entered}"
        if found.entered and frame.number == 0
        else debugger.places.label(frame.badge)
    )
    named = debugger.symbols.name_at(frame.place)
    line = debugger.symbols.line_at(frame.place)
    name = hexa(frame.pc)
    if named is not None:
        offset = frame.pc - named.start
        name = f"{named.name}+{offset}" if offset else named.name
    return f"{place}  {name}" + (f" at {line.file}:{line.number}" if line is not None else "")


def current_lines(debugger: Debugger) -> Iterable[str]:
    """The source line, or the instruction where there is none (or when asked for both)."""
    frame = debugger.frame()
    line = debugger.symbols.line_at(frame.place)
    text = source_line(debugger, line.file, line.number) if line is not None else None
    if line is not None and text is not None:
        yield f"{line.number:>6} {text}"
    if line is None or text is None or debugger.settings.on("disassemble-next"):
        yield instruction_line(debugger, frame.pc)


def instruction_line(debugger: Debugger, address: int) -> str:
    """``=> 40001f47c: c29b412b  mrs c11, ddc``."""
    if debugger.target.arch == "x86_64":
        try:
            found_x86 = x86.first(debugger.target.read(address, x86.LONGEST), address)
        except TargetError as error:
            return f"=> {hexa(address)}: {absence(error)}"
        return f"=> {hexa(address)}: {found_x86.text}"
    try:
        word = int.from_bytes(debugger.target.read(address, 4), "little")
    except TargetError as error:
        return f"=> {hexa(address)}: {absence(error)}"
    found = disassemble(word, address, mode_at(debugger, address))
    comment = comment_for(debugger, found, debugger.frame())
    return f"=> {hexa(address)}: {word:08x}  {found.text}" + (f"  ; {comment}" if comment else "")


def stop_value(session: Session, halt: Halt) -> dict[str, Json]:
    """A stop for programs."""
    debugger = session.live
    known = debugger.known_pc(debugger.thread) is not None if debugger.thread >= 0 else True
    value: dict[str, Json] = {
        "kind": halt.kind,
        "reason": halt.text,
        "thread": halt.stop.thread,
        "pc": hex(halt.stop.pc) if known else None,
        "tick": halt.stop.tick,
        "breakpoint": halt.number,
    }
    if halt.kind == "exit":
        found = status(debugger, "", "").exit_status
        value["status"] = found
    elif debugger.thread >= 0 and known:
        named, line = debugger.symbols.name_at(halt.stop.pc), debugger.symbols.line_at(halt.stop.pc)
        value["function"] = named.name if named is not None else ""
        value["offset"] = named.offset if named is not None else 0
        value["compartment"] = debugger.places.badge(halt.stop.pc)
        value["file"] = line.file if line is not None else None
        value["line"] = line.number if line is not None else None
    if halt.kind == "fault":
        value["explain"] = explanation_value(explain(debugger))
    return value


def explanation_value(found: Explanation) -> dict[str, Json]:
    """``explain --json``: the facts, then the sentences."""
    cause: Json = None
    if found.cause is not None:
        cause = {"pc": hex(found.cause), "function": found.cause_function, "offset": found.cause_offset}
    value: dict[str, Json] = {
        "title": found.title,
        "kind": found.kind,
        "access": found.access,
        "address": None if found.address is None else hex(found.address),
        "size": found.size,
        "register": found.register,
        "capability": None if found.capability is None else capability_value(found.capability),
        "pc": hex(found.pc),
        "function": found.function,
        "offset": found.offset,
        "compartment": found.compartment,
        "cause": cause,
        "checks": [_check(check) for check in found.checks],
        "failed_checks": list(found.failed_checks),
        "immediate": None if found.immediate is None else hex(found.immediate),
        "sentences": list(found.sentences),
        "next": list(found.next),
        "basis": found.basis,
    }
    return value


def _check(check: Check) -> Json:
    return {"name": check.name, "register": check.register, "holds": check.holds, "found": check.found}


def capability_value(bits: int) -> dict[str, Json]:
    """The fields of a capability for programs."""
    cap = Capability(bits)
    return {
        "tag": int(cap.tag),
        "value": hex(cap.value),
        "base": hex(cap.base),
        "limit": hex(cap.limit),
        "perms": hex(cap.perms),
        "otype": cap.otype,
        "bits": hex(bits),
    }
