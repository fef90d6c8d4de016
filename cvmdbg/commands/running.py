"""Commands that run the guest."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from cvmdbg.analysis.crossings import Seen
from cvmdbg.commands.report import running
from cvmdbg.commands.table import Command, Result, Steps
from cvmdbg.debugger import Halt
from cvmdbg.judging import describe
from cvmdbg.locations import locate
from cvmdbg.target import UserError
from cvmdbg.types_c import VOID, bare, spelling
from cvmdbg.values import Value, show

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "running"


def count(session: Session, text: str) -> int:
    """The optional count behind a step."""
    if not text.strip():
        return 1
    number = session.live.evaluate(text).number
    if number < 1:
        raise UserError("the count must be at least 1")
    return number


def run(session: Session, text: str) -> Steps:
    """Start the guest, or start it again."""
    fresh = session.debugger is None or (session.live.target.stop.tick or 0) > 0
    if session.launch.kind == "recording":
        session.history.seek(session.history.first)
    elif fresh or text.strip():
        session.connect(shlex.split(text) if text.strip() else None)
    return (yield from running(session, session.runner.continue_()))


def start(session: Session, text: str) -> Steps:
    """Run to the first instruction of a cVM: the named one, else the last that is deployed."""
    if session.debugger is None or (session.live.target.stop.tick or 0) > 0:
        session.connect()
    places = [c for c in session.live.places.compartments if c.grants or c.badge != "M"]
    if text.strip():
        found = session.live.places.named(text.strip())
        if found is None:
            raise UserError(f"there is no compartment {text.strip()}")
        places = [found]
    if not places:
        raise UserError("this guest has no cVM to start")
    wanted = places[-1].badge

    def entered(seen: Seen) -> str | None:
        return f"the first instruction of {wanted}" if seen.kind == "enter" and seen.target == wanted else None

    return (yield from running(session, session.runner.next_crossing(entered)))


def continue_(session: Session, text: str) -> Steps:
    """Run until something stops it; with N, pass the breakpoint here N-1 more times."""
    event = re.fullmatch(r"to (?:the )?next (.+)", text.strip())
    if event is not None:
        return (yield from next_event(session, event[1]))
    number = count(session, text)
    halt = session.live.halt
    if number > 1 and halt is not None and halt.number in session.live.breakpoints.all:
        session.live.breakpoints.get(halt.number).ignore = number - 1
    return (yield from running(session, session.runner.continue_()))


def stepi(session: Session, text: str) -> Steps:
    """One instruction."""
    return (yield from running(session, session.runner.stepi(count(session, text))))


def nexti(session: Session, text: str) -> Steps:
    """One instruction, over calls and crossings."""
    return (yield from running(session, session.runner.nexti(count(session, text))))


def step(session: Session, text: str) -> Steps:
    """One source line, into calls and crossings."""
    return (yield from running(session, session.runner.step(count(session, text))))


def next_(session: Session, text: str) -> Steps:
    """One source line, over calls and crossings."""
    return (yield from running(session, session.runner.next(count(session, text))))


def finish(session: Session, text: str) -> Steps:
    """Run until the selected frame returns; show the value."""
    debugger = session.live
    function = debugger.scope().function()
    result_type = bare(function[0].result) if function is not None and function[0].c_like else None
    result = yield from running(session, session.runner.finish())
    halt = debugger.halt
    if not isinstance(halt, Halt) or halt.text != "finished":
        return result
    value = _returned(session, result_type)
    if value is None:
        return result
    number = debugger.remember(value)
    shown = show(value, debugger.scope())
    line = f"value returned is ${number} = {shown}"
    body = result.value if isinstance(result.value, dict) else {}
    return Result((*result.lines, line), body | {"returned": shown, "history": number}, result.opens)


def _returned(session: Session, ctype: object) -> Value | None:
    """What the function left in x0 (rax): by its type, else as the capability register."""
    scope, x86 = session.live.scope(), session.live.target.arch == "x86_64"
    if ctype is None:
        return scope.register("rax" if x86 else "c0")
    if ctype == VOID or not hasattr(ctype, "size") or ctype.size > 8:
        return None
    raw = scope.register("rax" if x86 else "x0")
    return Value(ctype, raw.content[: ctype.size], base=raw.base)  # type: ignore[arg-type]


def until(session: Session, text: str) -> Steps:
    """Without a location: as next, but never backwards. With one: there, or out of this frame."""
    if not text.strip():
        return (yield from running(session, session.runner.until()))
    return (yield from running(session, session.runner.advance(_places(session, text), True)))


def advance(session: Session, text: str) -> Steps:
    """Run to a location."""
    return (yield from running(session, session.runner.advance(_places(session, text), False)))


def _places(session: Session, text: str) -> tuple[int, ...]:
    if not text.strip():
        raise UserError("advance where? SYMBOL, FILE:LINE or *ADDRESS")
    location = locate(session.live, text)
    if not location.addresses:
        raise UserError(location.pending)
    return location.addresses


KINDS = ("call", "return", "crossing", "syscall", "hostcall", "load", "thread", "stop")


def next_event(session: Session, text: str) -> Steps:
    """Run to the next event of a kind (default: crossing)."""
    kind = text.strip() or "crossing"
    if kind not in KINDS:
        raise UserError(f"the next what? {', '.join(KINDS)}")
    runner = session.runner
    if kind == "load":
        return (yield from running(session, runner.next_load()))
    if kind == "thread":
        return (yield from running(session, runner.next_thread()))
    if kind == "stop":
        return (yield from running(session, runner.continue_()))
    return (yield from running(session, runner.next_crossing(lambda seen: event_text(kind, seen))))


def event_text(kind: str, seen: Seen) -> str | None:
    if seen.kind not in ("call", "return", "failed"):
        return None
    wanted = {
        "crossing": True,
        "call": seen.kind == "call",
        "return": seen.kind == "return",
        "syscall": seen.kind == "call" and seen.target != "M",
        "hostcall": seen.kind == "call" and seen.target == "M",
    }
    return f"crossing {describe(seen)}" if wanted[kind] else None


def interrupt(session: Session, text: str) -> Result:
    """What runs is stopped by Ctrl-C; here nothing does."""
    return Result(("nothing runs; q quits",))


def kill(session: Session, text: str) -> Result:
    """End the guest; run starts it again."""
    session.connect()
    return Result(("the guest was ended and deployed anew; run starts it",))


def type_text(value: Value) -> str:
    """The spelling of a value's type."""
    return spelling(value.type)


COMMANDS = (
    Command(
        "run",
        "start, or start again; a recording goes to tick 0",
        (),
        ("r",),
        "[ARGUMENTS]",
        "r",
        "Deploys the guest anew unless it stands at tick 0, then runs until something stops it. ARGUMENTS replace the "
        "args of its cvm.yaml.",
        ("run", "run cap_bounds"),
        run,
    ),
    Command(
        "start",
        "run to the first instruction of the app",
        ("sta",),
        (),
        "[CVM]",
        "r",
        "Runs to the first instruction of a cVM: the named one, else the last one deployed.",
        ("start", "start 16"),
        start,
        completes="compartment",
    ),
    Command(
        "continue",
        "run until something stops it",
        ("c",),
        ("c", "F5"),
        "[N] · to the next KIND",
        "s r",
        "With N, the breakpoint at which the guest stands is passed N-1 more times. KIND is as for next-event.",
        ("continue", "c 5", "continue to the next crossing"),
        continue_,
        repeats=True,
    ),
    Command(
        "next",
        "one source line (else instruction), over calls and crossings",
        ("n",),
        ("n", "F8"),
        "[N]",
        "s r",
        "A call or a crossing into another compartment is run to its return. Without line information it is one "
        "instruction.",
        ("next", "n 3"),
        next_,
        repeats=True,
    ),
    Command(
        "step",
        "one source line, into calls and crossings",
        ("s",),
        ("s", "F7"),
        "[N]",
        "s r",
        "Enters functions that have lines, and every crossing: into the LibOS, into the monitor.",
        ("step",),
        step,
        repeats=True,
    ),
    Command(
        "nexti",
        "one instruction, over calls and crossings",
        ("ni",),
        ("o",),
        "[N]",
        "s r",
        "",
        ("nexti",),
        nexti,
        repeats=True,
    ),
    Command("stepi", "one instruction", ("si",), ("i",), "[N]", "s r", "", ("stepi", "si 100"), stepi, repeats=True),
    Command(
        "finish",
        "run until this frame returns; shows the value",
        ("fin",),
        ("f", "F6"),
        "",
        "s r",
        "Works for the selected frame. The value goes to the history; functions without DWARF show c0.",
        ("finish",),
        finish,
    ),
    Command(
        "advance",
        "run to here",
        ("adv",),
        ("F4",),
        "LOCATION",
        "s r",
        "Runs until the place is reached, wherever it is called from.",
        ("advance main.c:70", "advance 16:syscall_handler"),
        advance,
        completes="location",
    ),
    Command(
        "until",
        "run to here or out of this frame; without a place: past a loop",
        ("u",),
        (),
        "[LOCATION]",
        "s r",
        "Without LOCATION it is next that never goes backwards, so a loop is run to its end.",
        ("until", "until 55"),
        until,
        repeats=True,
        completes="location",
    ),
    Command(
        "next-event",
        "run to the next call, thread switch, load, stop",
        ("ne",),
        ("]", "}"),
        "[KIND]",
        "s r",
        f"KIND is one of {', '.join(KINDS)}; crossing when it is left out.",
        ("next-event", "ne syscall", "ne load"),
        next_event,
        repeats=True,
        completes="event",
    ),
    Command(
        "interrupt",
        "stop the guest, or cancel what is busy",
        ("int",),
        ("Ctrl-C",),
        "",
        "",
        "Ctrl-C does it at any time.",
        (),
        interrupt,
    ),
    Command("kill", "end the guest", ("k",), (), "", "r", "It is deployed anew; run starts it.", (), kill),
)
