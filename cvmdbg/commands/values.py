"""Printing values and types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cvmdbg.analysis.panes import display_rows
from cvmdbg.commands.format import FORMATS, Format, split_format
from cvmdbg.commands.report import capability_value, jsonable
from cvmdbg.commands.table import Command, Json, Result
from cvmdbg.evaluate import evaluate
from cvmdbg.expressions import Cast, parse, parse_type
from cvmdbg.forms import VALUE, capability_text
from cvmdbg.target import UserError
from cvmdbg.types_c import Array, Base, Struct, bare, definition, spelling
from cvmdbg.values import Value, absolute, c_string, show

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "values"


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
    if form.letter == "s" and not isinstance(bare(value.type), Struct | Array):
        content = c_string(absolute(value, scope), scope)
        shown = f"{content!r}"[1:] if content is not None else "not mapped"
    elif form.letter == "c" and value.bits is not None:
        shown = capability_text(value.bits)
    else:
        shown = show(value, scope, form.letter.replace("s", ""))
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


def display(session: Session, text: str) -> Result:
    """Show an expression now and at every stop; alone, show all."""
    debugger = session.live
    if text.strip():
        form, expression = split_format(text, "display")
        debugger.parse(expression)
        shape = f"{form.count if form.count > 1 else ''}{form.letter}{form.unit}"
        debugger.displays[max(debugger.displays, default=0) + 1] = (shape, expression)
        rows = display_rows(debugger)[-1:]
    else:
        rows = display_rows(debugger)
    return Result(tuple(row.text for row in rows), [jsonable(row) for row in rows])


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
        "display",
        "show at every stop",
        ("disp",),
        (),
        "[/FORMAT] [EXPRESSION]",
        "s",
        "With i, s, a count or a unit, FORMAT is that of x: the expression is an address.",
        ("display/x $x0", "display/i $pc", "display/4xw &origin"),
        display,
        completes="expression",
    ),
)
