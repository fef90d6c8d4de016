"""Breakpoints, watchpoints, catchpoints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cvmdbg.analysis.calls import number_of
from cvmdbg.analysis.relocations import times_filled
from cvmdbg.breakpoints import Breakpoint, sites_text
from cvmdbg.commands.report import jsonable, table
from cvmdbg.commands.table import Command, Result
from cvmdbg.debugger import CROSSING
from cvmdbg.expressions import parse
from cvmdbg.forms import hexa
from cvmdbg.locations import describe_sites, locate
from cvmdbg.slots import slot_rows, watch_slots
from cvmdbg.target import TargetError, UserError
from cvmdbg.values import load

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "stops"
_TAIL = re.compile(
    r"^(?P<where>.*?)(?:\s+in\s+(?P<cvm>\S+))?(?:\s+thread\s+(?P<thread>\S+))?(?:\s+if\s+(?P<if>.+))?$", re.S
)


def thread_number(session: Session, text: str) -> int:
    """A thread by any of its ids: number, ``17/0``, or an id of the host, the LibOS or pthread."""
    threads = session.live.threads()
    for found in threads:
        if text == found.name or text == str(found.number):
            return found.number
    try:
        value = int(text, 0)
    except ValueError:
        value = int(text, 16) if re.fullmatch("[0-9a-fA-F]+", text) else -1
    for found in threads:
        if value >= 0 and value in found.ids.values():
            return found.number
    raise UserError(f"there is no thread {text}; threads: {', '.join(t.name for t in threads) or 'none yet'}")


def _break(session: Session, text: str, temporary: bool = False) -> Result:
    match = _TAIL.match(text.strip())
    assert match is not None
    where, condition = match["where"].strip(), (match["if"] or "").strip()
    if where.startswith("if "):
        where, condition = "", where[3:]
    if condition:
        parse(condition, lambda name: False)
    thread = thread_number(session, match["thread"]) if match["thread"] else None
    found = Breakpoint(0, "breakpoint", where or f"*{session.live.frame().pc:#x}", temporary=temporary)
    found.condition, found.thread, found.inside = condition, thread, match["cvm"] or ""
    return _place(session, found)


def _place(session: Session, found: Breakpoint) -> Result:
    debugger = session.live
    location = locate(debugger, found.spec, inside=found.inside)
    waiting = _mapped(session, location.addresses)
    found.sites, found.pending = location.addresses, location.pending
    found.badge, found.where = " ".join(location.badges), describe_sites(debugger, location)
    debugger.breakpoints.add(found)
    word = "temporary breakpoint" if found.temporary else found.kind
    if found.pending:
        line = f"{word} {found.number} ({found.spec}) waits: {found.pending}"
    else:
        places = sites_text(found.sites)
        line = f"{word} {found.number} at {places}: {found.badge} {found.where}".rstrip()
        line += f" ({len(found.sites)} sites)" if len(found.sites) > 1 else ""
    lines = (line, *((location.note,) if location.note else ()), *waiting)
    return Result(lines, jsonable(found.row), "breakpoints")


def _mapped(session: Session, addresses: tuple[int, ...]) -> list[str]:
    """Refuse a place where nothing can ever run; the sentence says what a small number may have meant.

    Of a machine, which may map anything by its page tables, it says what is not mapped now.
    """
    waiting = []
    for address in addresses:
        try:
            session.live.read(address & ~3, 4)
        except TargetError as error:
            if not session.live.places.is_machine:
                raise UserError(f"no breakpoint there: {error}") from None
            waiting.append(f"{hexa(address)} is not mapped now: it waits for page tables that map it")
    return waiting


def break_(session: Session, text: str) -> Result:
    """Set a breakpoint."""
    return _break(session, text)


def tbreak(session: Session, text: str) -> Result:
    """Set one that goes when it is hit."""
    return _break(session, text, True)


# ---- watchpoints ----

_WATCH = {"w": "hw watchpoint", "r": "read watchpoint", "rw": "acc watchpoint", "tag": "tag watchpoint"}


def _watch(session: Session, text: str, access: str) -> Result:
    debugger = session.live
    if text.startswith("-tag"):
        access, text = "tag", text[4:].strip()
    text = re.sub(r"^-l(ocation)?\s", "", text)  # every watchpoint here is on the place that the expression has now
    text, _, condition = (part.strip() for part in text.partition(" if "))
    if not text:
        raise UserError("watch what? An expression with an address, as counter or *(long*)0x400002010")
    value = debugger.evaluate(text)
    if value.address is None:
        raise UserError(f"{text} has no address to watch" + (f": it is in ${value.register}" if value.register else ""))
    address, size = value.address, max(1, value.type.size)
    if access == "tag":
        address, size = address & ~15, 16
    if size > 1 << 16:
        raise UserError(f"{text} is {size} bytes; at most 65536 can be watched")
    found = Breakpoint(0, _WATCH[access], text, where=text, badge=debugger.places.badge(address))
    found.address, found.size, found.access, found.condition = address, size, access, condition
    found.old = load(value.type, value.address, value.base, debugger.scope())
    debugger.breakpoints.add(found)
    return Result((f"{found.kind} {found.number}: {text}, {size} bytes at {address:#x}",), jsonable(found.row))


def watch(session: Session, text: str) -> Result:
    """Stop when it is written, or when a tag changes."""
    return _watch(session, text, "w")


def rwatch(session: Session, text: str) -> Result:
    """Stop when it is read."""
    return _watch(session, text, "r")


def awatch(session: Session, text: str) -> Result:
    """Stop on any access."""
    return _watch(session, text, "rw")


# ---- catchpoints ----

EVENTS = ("syscall", "hostcall", "crossing", "fault", "load", "reloc")


def catch(session: Session, text: str) -> Result:
    """Stop on an event of the guest."""
    event, _, which = text.strip().partition(" ")
    if event not in EVENTS:
        raise UserError(f"catch what? {', '.join(EVENTS)}")
    which = which.strip()
    if event == "reloc" and (not which or " " in which):
        raise UserError("catch reloc takes one SYMBOL, as catch reloc puts")
    if event == "load":
        _expression(which)
    if event in ("syscall", "hostcall"):
        for word in which.split():
            if number_of(word, event == "hostcall") is None:
                raise UserError(f"no {event} is called {word}; give its number")
    found = Breakpoint(0, "catchpoint", text.strip(), where=text.strip(), event=event, which=which)
    debugger = session.live
    debugger.breakpoints.add(found)
    if event in CROSSING:
        debugger.breakpoints.power.catch_crossings(True)
    line = f"catchpoint {found.number} ({text.strip()})"
    if event == "reloc":
        watch_slots(debugger)
        return Result((line, *_slot_lines(session, found)), jsonable(found.row))
    return Result((line,), jsonable(found.row))


def _expression(text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise UserError(f"catch load takes an expression for names of modules: {text}: {error}") from None


def _slot_lines(session: Session, found: Breakpoint) -> tuple[str, ...]:
    """The slots that are known already, with the moment at which each was filled where there is a history."""
    rows = times_filled(session.live, slot_rows(session.live, found.which))
    return tuple(row.text for row in rows) or (f"no module in memory binds {found.which} yet: it waits for one",)


# ---- changing them ----


def _numbers(session: Session, text: str, verb: str) -> list[int]:
    """``1 3-5``; without any, all."""
    if not text.strip():
        return list(session.live.breakpoints.all)
    found: list[int] = []
    for word in text.replace(",", " ").split():
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        if match is None:
            raise UserError(f"{verb} takes numbers of breakpoints, as 2 or 1-3")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    for number in found:
        session.live.breakpoints.get(number)
    return found


def delete(session: Session, text: str) -> Result:
    """Remove breakpoints, or displays."""
    text = re.sub(r"^breakpoints?\b", "", text.strip()).strip()
    if text.startswith("display"):
        return undisplay(session, text[len("display") :])
    for number in _numbers(session, text, "delete"):
        session.live.breakpoints.remove(number)
    return Result()


def undisplay(session: Session, text: str) -> Result:
    """Remove expressions that are shown at every stop."""
    numbers = [int(word) for word in text.split() if word.isdigit()] or list(session.live.displays)
    for number in numbers:
        if session.live.displays.pop(number, None) is None:
            raise UserError(f"there is no display {number}")
    return Result()


def enable(session: Session, text: str) -> Result:
    """Switch on."""
    for number in _numbers(session, text, "enable"):
        session.live.breakpoints.enable(number, True)
    return Result()


def disable(session: Session, text: str) -> Result:
    """Switch off."""
    for number in _numbers(session, text, "disable"):
        session.live.breakpoints.enable(number, False)
    return Result()


def _one(session: Session, text: str, what: str) -> tuple[Breakpoint, str]:
    number, _, rest = text.strip().partition(" ")
    if not number.isdigit():
        raise UserError(f"{what} needs the number of a breakpoint first")
    return session.live.breakpoints.get(int(number)), rest.strip()


def condition(session: Session, text: str) -> Result:
    """Set or remove a condition."""
    found, rest = _one(session, text, "condition")
    if rest:
        parse(rest, lambda name: False)
    found.condition = rest
    return Result((f"breakpoint {found.number} " + (f"stops if {rest}" if rest else "is unconditional"),))


def ignore(session: Session, text: str) -> Result:
    """Pass a breakpoint some times."""
    found, rest = _one(session, text, "ignore")
    if not rest.isdigit():
        raise UserError("ignore needs a number of times")
    found.ignore = int(rest)
    return Result((f"the next {rest} hits of breakpoint {found.number} are passed",))


def commands(session: Session, text: str) -> Result:
    """Set the command list of a breakpoint; scripts give it line by line up to ``end``."""
    head, _, body = text.partition("\n")
    number, _, rest = head.strip().partition(" ")
    if number and not number.isdigit():
        number, rest = "", head.strip()
    known = session.live.breakpoints
    found = known.get(int(number)) if number else (known.get(max(known.all)) if known.all else None)
    if found is None:
        raise UserError("there is no breakpoint yet")
    lines = [line.strip() for part in (rest, body) for line in re.split(r"[;\n]", part)]
    found.commands = [line for line in lines if line and line != "end"]
    if not found.commands:
        return Result((f"breakpoint {found.number} has no commands",))
    return Result((f"breakpoint {found.number} runs: {'; '.join(found.commands)}",))


def dprintf(session: Session, text: str) -> Result:
    """Print at a place without stopping there."""
    where, _, form = text.partition(",")
    if not form.strip():
        raise UserError('dprintf needs LOCATION,"FORMAT",EXPRESSIONS')
    return _place(session, Breakpoint(0, "dprintf", where.strip(), format=form.strip()))


def info_breakpoints(session: Session, text: str) -> Result:
    """The list."""
    header = f"{'num':<3} {'kind':<14} {'disp':<4} e {'address':<12} in where"
    rows = [b.row for b in session.live.breakpoints]
    found = table(rows, header, "no breakpoints; b sets one", "breakpoints")
    lines: list[str] = [found.lines[0]]
    for row in rows:
        lines += [row.text, *(f"        {line}" for line in row.commands)]
    return Result(tuple(lines) if rows else found.lines, found.value, found.opens)


_LOCATIONS = (
    "LOCATION is SYMBOL, FILE:LINE, a line of the current file, *ADDRESS, CVM:SYMBOL, 'MODULE'::SYMBOL or CVM:ADDRESS. "
    "A symbol that several modules have gets a site in each; one that none has yet waits for a module."
)
COMMANDS = (
    Command(
        "break",
        "breakpoint here or there; key toggles",
        ("b",),
        ("b", "F9"),
        "[LOCATION] [in CVM] [thread T] [if EXPRESSION]",
        "b",
        _LOCATIONS,
        ("break main", "b 16:syscall_handler", "b main.c:44 if n == 3", "b *0x4000003c8"),
        break_,
        completes="location",
    ),
    Command(
        "tbreak",
        "temporary breakpoint",
        ("tb", "hbreak", "hb"),
        (),
        "as break",
        "b",
        "It goes when it is hit. Breakpoints of the emulator cost nothing, so hbreak is the same.",
        ("tbreak main",),
        tbreak,
        completes="location",
    ),
    Command(
        "watch",
        "stop on write, or when a tag changes",
        ("wa",),
        (),
        "[-tag] EXPRESSION [if EXPRESSION]",
        "b",
        "The expression must have an address. A write of the same value does not stop. -tag stops when the tag of the "
        "granule is set or lost.",
        ("watch calls", "watch -tag parked_capability", "watch *(long*)0x400002010"),
        watch,
        completes="expression",
    ),
    Command(
        "rwatch", "stop on read", ("rw",), (), "EXPRESSION", "b", "", ("rwatch origin",), rwatch, completes="expression"
    ),
    Command(
        "awatch",
        "stop on any access",
        ("aw",),
        (),
        "EXPRESSION",
        "b",
        "",
        ("awatch origin",),
        awatch,
        completes="expression",
    ),
    Command(
        "catch",
        "stop on an event",
        ("cat",),
        (),
        "syscall · hostcall · crossing · fault · load [WHICH] · reloc SYMBOL",
        "b g",
        "syscall and hostcall take names or numbers, crossing takes FROM TO badges, load an expression for names. "
        "reloc stops when a loader binds a slot to the symbol, backwards before it does; a slot that is zeroed, copied "
        "or pointed into its PLT is not bound yet.",
        ("catch syscall openat", "catch crossing 17 16", "catch load", "catch hostcall 1", "catch reloc puts"),
        catch,
        completes="catch",
    ),
    Command(
        "delete",
        "remove breakpoints",
        ("d",),
        ("Del",),
        "[NUMBERS]",
        "b",
        "Without numbers, all. delete display N removes a display.",
        ("delete 2", "d 1-3"),
        delete,
        completes="breakpoint",
    ),
    Command("undisplay", "remove displays", ("undisp",), (), "[NUMBERS]", "", "", ("undisplay 1",), undisplay),
    Command(
        "enable",
        "switch breakpoints on",
        ("en",),
        ("Space",),
        "[NUMBERS]",
        "b",
        "",
        ("enable 2",),
        enable,
        completes="breakpoint",
    ),
    Command(
        "disable",
        "switch breakpoints off",
        ("disa",),
        (),
        "[NUMBERS]",
        "b",
        "",
        ("disable 2",),
        disable,
        completes="breakpoint",
    ),
    Command(
        "condition",
        "refine a breakpoint",
        ("cond",),
        (),
        "NUMBER [EXPRESSION]",
        "b",
        "Without an expression the breakpoint becomes unconditional.",
        ("condition 2 n > 5",),
        condition,
        completes="breakpoint",
    ),
    Command(
        "ignore",
        "pass a breakpoint some times",
        ("ig",),
        (),
        "NUMBER TIMES",
        "b",
        "",
        ("ignore 2 100",),
        ignore,
        completes="breakpoint",
    ),
    Command(
        "commands",
        "act at a breakpoint",
        ("com",),
        (),
        "[NUMBER] COMMAND; COMMAND…",
        "b",
        "In a script the commands may stand on the lines below, up to one with end. silent says nothing of the stop.",
        ("commands 1 print n; continue",),
        commands,
        completes="breakpoint",
    ),
    Command(
        "dprintf",
        "print at a place without stopping",
        ("dp",),
        (),
        'LOCATION,"FORMAT",EXPRESSIONS',
        "b",
        "FORMAT as printf: %d %u %x %o %c %s %p %f.",
        ('dprintf fibonacci,"n = %d\\n",n',),
        dprintf,
        completes="location",
    ),
    Command(
        "info breakpoints",
        "breakpoints with sites and hits",
        ("info b",),
        (),
        "",
        "b",
        "",
        ("info b",),
        info_breakpoints,
    ),
)
