"""Looking at values, memory, code; changing them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cvmdbg.analysis.code import code, source_text
from cvmdbg.analysis.explain import explain
from cvmdbg.analysis.inspect import inspect
from cvmdbg.analysis.panes import display_rows
from cvmdbg.analysis.registers import register_rows
from cvmdbg.commands.report import capability_value, explanation_value, jsonable
from cvmdbg.commands.table import Command, Json, Result
from cvmdbg.evaluate import evaluate
from cvmdbg.expressions import Cast, parse, parse_type
from cvmdbg.forms import VALUE, capability_text, hexa
from cvmdbg.locations import address_of, locate, one_address
from cvmdbg.target import TargetError, UserError
from cvmdbg.types_c import ULONG, Array, Base, Struct, bare, definition, spelling
from cvmdbg.values import Value, absolute, c_string, integer, number_in, show

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "look"
FORMATS = "xduotcazfsi"
UNITS = {"b": 1, "h": 2, "w": 4, "g": 8, "c": 16}


@dataclass(frozen=True, slots=True)
class Format:
    """gdb's ``/8xg``: count, letter, unit; empty where not given."""

    count: int = 1
    letter: str = ""
    unit: str = ""


def split_format(text: str, what: str) -> tuple[Format, str]:
    """The format in front of an argument, and the argument. ``c`` behind another letter is the unit of capabilities."""
    text = text.strip()
    if not text.startswith("/"):
        return Format(), text
    head, _, rest = text[1:].partition(" ")
    match = re.fullmatch(r"(-?\d*)([a-z]*)", head)
    if match is None:
        raise UserError(f"{what}: /{head} is no format; it is a count, one of {FORMATS} and one of {''.join(UNITS)}")
    letter = unit = ""
    for character in match[2]:
        if character in FORMATS and not (character == "c" and (letter or unit)):
            letter = character
        elif character in UNITS:
            unit = character
        else:
            raise UserError(f"{what}: no format {character!r}; formats are {FORMATS}, units {''.join(UNITS)}")
    count = int(match[1]) if match[1] not in ("", "-") else 1
    if not 0 < count <= 65536:
        raise UserError(f"{what}: the count must be 1 to 65536")
    return Format(count, letter, unit), rest.strip()


# ---- print ----


def print_(session: Session, text: str) -> Result:
    """Show a value and keep it in the history."""
    form, expression = split_format(text, "print")
    debugger = session.live
    trailing = re.fullmatch(r"(.*?)/([a-z])\s*", expression)
    if trailing is not None and trailing[2] in FORMATS and not form.letter:
        form, expression = Format(1, trailing[2]), trailing[1].strip()
    value = debugger.evaluate(expression) if expression else debugger.history_value("")
    return _printed(session, value, form, expression)


def _printed(session: Session, value: Value, form: Format, expression: str) -> Result:
    debugger, scope = session.live, session.live.scope()
    if form.letter == "s":
        content = c_string(absolute(value, scope), scope)
        shown = f"{content!r}"[1:] if content is not None else "not mapped"
    elif form.letter == "c" and value.bits is not None:
        shown = capability_text(value.bits)
    else:
        shown = show(value, scope, form.letter)
    number = debugger.remember(value)
    body: dict[str, Json] = {"history": number, "type": spelling(value.type), "text": shown}
    body["address"] = None if value.address is None else hex(value.address)
    opens = ""
    if value.bits is not None:
        body["capability"] = capability_value(value.bits)
        opens = "inspector"
    elif not isinstance(bare(value.type), Struct | Array) and value.content and len(value.content) <= 8:
        body["value"] = _plain(value)
        where = absolute(value, scope)
        if where != value.number & VALUE:
            body["absolute"] = hex(where)
            shown = _both(value, shown, where, session)
    return Result((f"${number} = {shown}",), body, opens, expression)


def _plain(value: Value) -> Json:
    core = bare(value.type)
    if value.floating:
        return str(value.real)
    if isinstance(core, Base) and core.encoding in ("signed", "char", "unsigned", "uchar", "bool"):
        return value.number
    try:
        return hex(value.number & VALUE)
    except UserError:
        return None


def _both(value: Value, shown: str, where: int, session: Session) -> str:
    """Integer registers of hybrid code: also say what they are as an address, when that names something."""
    if "(" in shown:
        return shown
    named = session.live.symbols.name_at(where)
    badge = session.live.places.badge(where)
    if named is None or not badge or named.offset > 0x10000:
        return shown
    return f"{shown}  (as an address {badge} {where:#x} <{named.text}>)"


def call(session: Session, text: str) -> Result:
    """Evaluate without the history."""
    value = session.live.evaluate(text)
    return Result((), {"text": show(value, session.live.scope())})


def printf(session: Session, text: str) -> Result:
    """Print by a format."""
    from cvmdbg.values import format_text

    return Result(tuple(format_text(text, session.live.evaluate, session.live.scope()).splitlines()))


def echo(session: Session, text: str) -> Result:
    """Say a text."""
    return Result(tuple(text.replace("\\n", "\n").splitlines()))


def ptype(session: Session, text: str) -> Result:
    """The definition of a type, or of an expression's type."""
    debugger, scope = session.live, session.live.scope()
    named = parse_type(text, scope.is_type)
    if named is not None:
        tree = Cast(named, None, 0)
        from cvmdbg.evaluate import _Evaluator

        ctype = _Evaluator(scope, text).type(tree.type)
    else:
        ctype = evaluate(parse(text, scope.is_type), debugger.scope(), text).type
    lines = tuple(definition(ctype))
    return Result(
        (f"type = {lines[0]}", *lines[1:]), {"type": spelling(ctype), "size": ctype.size, "lines": list(lines)}
    )


def whatis(session: Session, text: str) -> Result:
    """The name of an expression's type."""
    value = session.live.evaluate(text)
    return Result((f"type = {spelling(value.type)}",), {"type": spelling(value.type), "size": value.type.size})


# ---- x ----


def examine(session: Session, text: str) -> Result:
    """Memory in gdb's formats; unit c is capabilities. Without an address it goes on behind the last."""
    form, place = split_format(text, "x")
    before = session.last_examine
    letter = form.letter or before.letter or "x"
    unit = form.unit or before.unit or "g"
    if form.letter == "c" and not form.unit:
        letter = "c"
        unit = "b"
    note = ""
    if place:
        address, note = address_of(session.live, place)
    else:
        address = session.next_examine
    session.last_examine = Format(1, letter, unit)
    if letter == "s":
        lines, body, after = _strings(session, address, form.count)
    elif letter == "i":
        lines, body, after = _instructions(session, address, form.count)
    elif unit == "c":
        lines, body, after = _capabilities(session, address, form.count)
    else:
        lines, body, after = _numbers(session, address, form.count, letter, UNITS[unit])
    session.next_examine = after
    session.live.convenience["_"] = integer(address, ULONG)
    return Result((*((note,) if note else ()), *lines), body, "memory", f"{address:#x}")


Shown = tuple[list[str], Json, int]


def _label(session: Session, address: int) -> str:
    named = session.live.symbols.name_at(address)
    badge = session.live.places.badge(address)
    return f"{badge} {address:#x}" + (f" <{named.text}>" if named is not None and named.offset < 1 << 20 else "")


def _numbers(session: Session, address: int, count: int, letter: str, size: int) -> Shown:
    content = session.live.read(address, count * size)
    scope, per_row = session.live.scope(), max(1, 16 // size) if letter not in ("a",) else 2
    wide = {"x": "z"}.get(letter, letter)
    numbers = [int.from_bytes(content[i : i + size], "little") for i in range(0, len(content), size)]
    shown = [number_in(wide, number, size, scope) for number in numbers]
    lines = [
        f"{_label(session, address + i * size)}:\t" + "\t".join(shown[i : i + per_row])
        for i in range(0, len(shown), per_row)
    ]
    return lines, [hex(number) for number in numbers], address + count * size


def _capabilities(session: Session, address: int, count: int) -> Shown:
    power = session.live.target.capabilities
    if power is None:
        raise UserError("this target gives no tags: capabilities cannot be read")
    if address % 16:
        raise UserError(f"{address:#x} is no multiple of 16: capabilities are")
    from cvmdbg.analysis.pointing import points_at

    lines: list[str] = []
    body: list[Json] = []
    for index in range(count):
        session.live.read(address + 16 * index, 16)
        bits = power.read(address + 16 * index)
        badge, text = points_at(session.live, bits)
        mark = "●" if bits >> 128 else "○"
        where = f"{_label(session, address + 16 * index)}:"
        lines.append(f"{where}\t{mark} {capability_text(bits)} {badge} {text}".rstrip())
        body.append(capability_value(bits))
    return lines, body, address + 16 * count


def _strings(session: Session, address: int, count: int) -> Shown:
    from cvmdbg.forms import quoted

    lines: list[str] = []
    body: list[Json] = []
    limit = session.settings.number("print elements")
    for _ in range(count):
        content = c_string(address, session.live.scope(), limit)
        if content is None:
            session.live.read(address, 1)
            raise TargetError(f"{address:#x} is not mapped")
        lines.append(f"{_label(session, address)}:\t{quoted(content, limit)}")
        body.append(content.decode("utf-8", "replace"))
        address += len(content) + 1
    return lines, body, address


def _instructions(session: Session, address: int, count: int) -> Shown:
    rows = code(session.live, address, 0, count, "asm").rows
    body: list[Json] = [jsonable(row) for row in rows]
    return [row.text for row in rows], body, (address & ~3) + 4 * count


# ---- code ----


def list_(session: Session, text: str) -> Result:
    """Source lines around a place; again goes on."""
    debugger = session.live
    size = session.settings.number("listsize")
    if text.strip():
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
        file, start = session.listed
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
    session.listed = (file, start + size)
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


def goto(session: Session, text: str) -> Result:
    """Show a place."""
    if re.fullmatch(r"@.*|\d+%|'\w+|#.*", text.strip()):
        raise UserError("times need history: no recording of this guest can be gone back to yet")
    location = locate(
        session.live, text if not re.fullmatch("[0-9a-fA-F]{5,}", text.strip()) else f"*{text.strip()}", code=False
    )
    if not location.addresses:
        raise UserError(location.pending)
    address = location.addresses[0]
    found = code(session.live, address, 4, 12)
    lines = (*((location.note,) if location.note else ()), found.title, *(row.text for row in found.rows))
    return Result(lines, {"address": hex(address)}, "code", f"{address:#x}")


# ---- displays ----


def display(session: Session, text: str) -> Result:
    """Show an expression now and at every stop; alone, show all."""
    debugger = session.live
    if text.strip():
        form, expression = split_format(text, "display")
        debugger.parse(expression)
        debugger.displays[max(debugger.displays, default=0) + 1] = (form.letter, expression)
        rows = display_rows(debugger)[-1:]
    else:
        rows = display_rows(debugger)
    return Result(tuple(row.text for row in rows), [jsonable(row) for row in rows])


# ---- search ----

MAX_FOUND = 1000
CHUNK = 1 << 20


def find(session: Session, text: str) -> Result:
    """Search memory for bytes, a number, a text, or (-cap) for capabilities into a range."""
    if text.startswith("-cap"):
        return _find_capabilities(session, text[4:])
    parts = [part.strip() for part in text.split(",")]
    if len(parts) < 3:
        raise UserError('find START, END or +LENGTH, VALUE — as: find 0x400000000, +0x2000, "hello"')
    start, end = _bounds(session, parts[0], parts[1])
    wanted = _pattern(session, ",".join(parts[2:]))
    found = _search(session, start, end, wanted)[:MAX_FOUND]
    lines = [_label(session, address) for address in found] or ["not found"]
    return Result((*lines, f"{len(found)} found") if found else tuple(lines), [hex(a) for a in found], "memory")


def _bounds(session: Session, first: str, last: str) -> tuple[int, int]:
    """A range: its start, and its end or ``+length``."""
    start, _ = address_of(session.live, first)
    if last.startswith("+"):
        return start, start + session.live.evaluate(last[1:]).number
    return start, address_of(session.live, last)[0]


def _pattern(session: Session, text: str) -> bytes:
    value = session.live.evaluate(text)
    content = value.content
    return content[:-1] if text.strip().startswith('"') else content


def _search(session: Session, start: int, end: int, wanted: bytes) -> list[int]:
    """Every place of a pattern in the mapped part of a range."""
    found: list[int] = []
    for region in session.live.target.regions():
        low, high = max(start, region.address), min(end, region.address + region.size)
        for at in range(low, high, CHUNK):
            if session.cancelled:
                raise UserError("the search was cancelled")
            content = session.live.target.read(at, min(CHUNK + len(wanted) - 1, region.address + region.size - at))
            index = content.find(wanted)
            while index >= 0 and at + index < high:
                if index < CHUNK:
                    found.append(at + index)
                index = content.find(wanted, index + 1)
            if len(found) >= MAX_FOUND:
                return found
    return found


def _find_capabilities(session: Session, text: str) -> Result:
    """Tagged granules whose bounds touch a compartment or range."""
    power = session.live.target.capabilities
    if power is None:
        raise UserError("this target gives no tags")
    low, high = _range(session, text.strip())
    lines: list[str] = []
    body: list[Json] = []
    for region in session.live.target.regions():
        for at in range(region.address, region.address + region.size, CHUNK):
            if session.cancelled:
                raise UserError("the search was cancelled")
            size = min(CHUNK, region.address + region.size - at)
            tags = power.tags(at, size)
            index = tags.find(1)
            while index >= 0:
                address = at + 16 * index
                bits = power.read(address)
                value = capability_value(bits)
                if int(str(value["base"]), 16) < high and int(str(value["limit"]), 16) > low:
                    lines.append(f"{_label(session, address)}: {capability_text(bits)}")
                    body.append({"address": hex(address), "capability": value})
                index = tags.find(1, index + 1)
            if len(lines) >= MAX_FOUND:
                return Result((*lines, f"more than {MAX_FOUND}; only these are shown"), body)
    return Result((*lines, f"{len(lines)} found"), body, "memory")


def _range(session: Session, text: str) -> tuple[int, int]:
    if not text:
        return 0, 1 << 65
    compartment = session.live.places.named(text)
    if compartment is not None:
        return compartment.base, compartment.base + compartment.size
    first, _, last = text.partition(",")
    if not last.strip():
        low, _ = address_of(session.live, first)
        return low, low + 1
    return _bounds(session, first, last.strip())


# ---- explain, capability ----


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


_EXPRESSION = (
    "C, over registers ($x0 $c1 $pcc.base), symbols, locals, memory. CVM:ADDRESS is an address of a hybrid cVM."
)
COMMANDS = (
    Command(
        "print",
        "value; a capability opens the inspector",
        ("p", "inspect"),
        ("p",),
        "[/FORMAT] EXPRESSION",
        "s",
        f"{_EXPRESSION} FORMAT is one of {FORMATS}. The value goes to the history: $, $$, $3.",
        ("print origin", "p/x $c1.perms", "p *(long*)0x47e0010d0", "p 'app1'::main"),
        print_,
        completes="expression",
    ),
    Command(
        "call",
        "evaluate, set",
        (),
        (),
        "EXPRESSION",
        "s",
        "As print, without showing.",
        (),
        call,
        completes="expression",
    ),
    Command("printf", "print by a format", (), (), '"FORMAT",EXPRESSIONS', "s", "", ('printf "%d\\n", calls',), printf),
    Command("echo", "say a text", (), (), "TEXT", "", "", ("echo here\\n",), echo),
    Command(
        "ptype",
        "definition of a type",
        ("pt",),
        (),
        "TYPE or EXPRESSION",
        "s d",
        "",
        ("ptype struct point", "ptype origin"),
        ptype,
        completes="expression",
    ),
    Command(
        "whatis",
        "type of an expression",
        (),
        (),
        "EXPRESSION",
        "s d",
        "",
        ("whatis origin",),
        whatis,
        completes="expression",
    ),
    Command(
        "x",
        "memory; unit c = capabilities",
        (),
        ("x",),
        "[/NFU] ADDRESS",
        "s",
        f"N a count, F one of {FORMATS}, U one of b h w g c (1 2 4 8 bytes, capabilities). A lone token of hex digits "
        "needs no 0x. Without an address it goes on.",
        ("x/8xg $sp", "x/4gc $c1", "x/s 0x400000650", "x/5i $pc"),
        examine,
        repeats=True,
        completes="expression",
    ),
    Command(
        "display",
        "show at every stop",
        ("disp",),
        (),
        "[/FORMAT] [EXPRESSION]",
        "s",
        "",
        ("display/x $x0",),
        display,
        completes="expression",
    ),
    Command(
        "find",
        "search memory; -cap for capabilities into a range",
        (),
        (),
        "START, END or +LENGTH, VALUE · -cap [CVM or START, END]",
        "s",
        "",
        ('find 0x400000000, +0x2000, "hello"', "find -cap 17"),
        find,
    ),
    Command(
        "list",
        "source around a place",
        ("l",),
        (),
        "[LOCATION]",
        "d",
        "Again goes on.",
        ("list main", "l 40,60"),
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
