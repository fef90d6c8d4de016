"""Going back: reverse runs, moments, marks, diversions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cvmdbg.commands.report import running
from cvmdbg.commands.running import KINDS, count, event_text
from cvmdbg.commands.table import Command, Json, Result, Run, Steps
from cvmdbg.target import UserError
from sessions.event import ThreadSwitch
from sessions.mark import Mark, Named

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "history"
MARK_NAME = re.compile(r"[A-Za-z_][\w.-]*")


# ---- running backwards ----


def reverse_continue(session: Session, text: str) -> Steps:
    """Back to the last stop, N times."""
    times = count(session, text)
    for _ in range(times - 1):
        yield from session.reverser.continue_()
    return (yield from running(session, session.reverser.continue_()))


def reverse_step(session: Session, text: str) -> Steps:
    """Back one line, into calls."""
    return (yield from running(session, session.reverser.step(count(session, text))))


def reverse_next(session: Session, text: str) -> Steps:
    """Back one line, over calls."""
    return (yield from running(session, session.reverser.next(count(session, text))))


def reverse_stepi(session: Session, text: str) -> Steps:
    """Back one instruction."""
    return (yield from running(session, session.reverser.stepi(count(session, text))))


def reverse_nexti(session: Session, text: str) -> Steps:
    """Back one instruction, over calls."""
    return (yield from running(session, session.reverser.nexti(count(session, text))))


def reverse_finish(session: Session, text: str) -> Steps:
    """Back to the call of this function."""
    return (yield from running(session, session.reverser.finish()))


def previous_event(session: Session, text: str) -> Steps:
    """Back to the previous event of a kind."""
    kind = text.strip() or "crossing"
    if kind not in KINDS:
        raise UserError(f"the previous what? {', '.join(KINDS)}")
    if kind == "stop":
        return (yield from running(session, session.reverser.continue_()))
    if kind in ("thread", "load"):
        return (yield from running(session, session.reverser.go(_previous(session, kind))))
    return (yield from running(session, session.reverser.to_event(lambda seen: event_text(kind, seen))))


def _previous(session: Session, kind: str) -> Mark:
    """The moment of the last switch of threads, or before the last load, that lies before now."""
    history = session.history
    if kind == "load":
        ticks = [tick for tick, _ in session.live.loads if tick < history.now.tick]
        return history.at(ticks[-1]) if ticks else history.first
    for number in range(history.now.event - 1, history.first.event - 1, -1):
        event = history.events.at(number)
        if any(isinstance(effect, ThreadSwitch) for effect in event.effects) and event.tick < history.now.tick:
            return Mark(number + 1, event.tick)
    return history.first


# ---- going to a moment ----


def is_time(text: str) -> bool:
    """Does a place name a moment?"""
    return bool(re.fullmatch(r"@\d+|\d+(\.\d+)?%|'.+|#\d+|start|end", text.strip()))


def moment(session: Session, text: str) -> Mark:
    """@TICK, #EVENT, 'MARK, 50%, start, end, or the name of a mark."""
    history, word = session.history, text.strip()
    if word in ("start", "end"):
        return history.first if word == "start" else history.last
    if word.startswith("#"):
        return _of_event(session, int(word[1:]))
    if word.endswith("%"):
        share, first, last = float(word[:-1]), history.first.tick, history.last.tick
        if share > 100:
            raise UserError("a share of the recording is between 0% and 100%")
        return history.at(first + round((last - first) * share / 100))
    if re.fullmatch(r"@?\d+", word):
        return _of_tick(session, int(word.lstrip("@")))
    return _named(session, word.lstrip("'")).mark


def _of_tick(session: Session, tick: int) -> Mark:
    history = session.history
    if not history.first.tick <= tick <= history.last.tick:
        raise UserError(f"the recording goes from tick {history.first.tick} to tick {history.last.tick}")
    return history.at(tick)


def _of_event(session: Session, number: int) -> Mark:
    """Before an event, numbered from 0."""
    history = session.history
    if not history.first.event <= number < history.last.event:
        raise UserError(f"the recording has the events {history.first.event} to {history.last.event - 1}")
    return Mark(number, history.events.at(number).tick)


def _named(session: Session, name: str) -> Named:
    found = {named.name: named for named in session.history.marks()}
    if name not in found:
        raise UserError(f"there is no mark {name}; marks are: {', '.join(found) or 'none'}")
    return found[name]


def goto_time(session: Session, text: str) -> Steps:
    """Stand at a moment."""
    return (yield from running(session, session.reverser.go(moment(session, text))))


def mark(session: Session, text: str) -> Result:
    """Name this moment."""
    words = text.split(None, 1)
    if words[:1] == ["-d"]:
        session.history.unmark(words[1] if len(words) > 1 else "")
        return Result((f"mark {words[1]} is gone",))
    name = words[0] if words else _next_name(session)
    if not MARK_NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name of a mark: letters, digits, _ . - and no digit first")
    named = session.history.mark(name, words[1] if len(words) > 1 else "")
    return Result((mark_line(session, named),), mark_value(named))


def _next_name(session: Session) -> str:
    taken, number = {named.name for named in session.history.marks()}, 1
    while f"m{number}" in taken:
        number += 1
    return f"m{number}"


def mark_line(session: Session, named: Named) -> str:
    """``here  tick 1234  12.5%  note``."""
    return f"{named.name:<12} tick {named.mark.tick:>12}  {share(session, named.mark):>6}  {named.note}".rstrip()


def mark_value(named: Named) -> dict[str, Json]:
    """A mark for programs."""
    return {"name": named.name, "event": named.mark.event, "tick": named.mark.tick, "note": named.note}


def share(session: Session, mark: Mark) -> str:
    """How much of the recording lies before a moment."""
    first, last = session.history.first.tick, session.history.last.tick
    return f"{100 * (mark.tick - first) / max(last - first, 1):.1f}%"


def marks(session: Session, text: str) -> Result:
    """List marks."""
    found = session.history.marks()
    lines = tuple(mark_line(session, named) for named in found) or ("no marks; mark NAME TEXT sets one here",)
    return Result(lines, [mark_value(named) for named in found])


def when(session: Session, text: str) -> Result:
    """Say event and tick."""
    tick, history = session.live.target.stop.tick, session.live.target.history
    calls = len(session.live.trace)
    if tick is None and history is not None:
        place, end = history.now.tick, history.last.tick
        line = f"{place} of {end}, call {calls}, {history.where}"
        return Result((line,), {"position": place, "end": end, "calls": calls, "where": history.where})
    if tick is None:
        raise UserError(f"{session.launch.title} counts no ticks")
    if history is None:
        return Result((f"tick {tick}, call {calls}",), {"tick": tick, "calls": calls})
    now, last = history.now, history.last
    where = {"live": "live", "past": f"{share(session, now)} of {last.tick}", "diverted": "in a diversion"}[
        history.where
    ]
    line = f"tick {tick}, event {now.event}, call {calls}, {where}"
    value: dict[str, Json] = {
        "tick": tick,
        "event": now.event,
        "calls": calls,
        "where": history.where,
        "end": last.tick,
    }
    return Result((line,), value)


def back(session: Session, text: str) -> Steps:
    """Where in time the session was before."""
    if not session.been:
        raise UserError("there is no earlier position")
    session.ahead.append(session.history.now)
    return (yield from running(session, session.reverser.go(session.been.pop())))


def forward(session: Session, text: str) -> Steps:
    """Where back came from."""
    if not session.ahead:
        raise UserError("there is no later position")
    session.been.append(session.history.now)
    return (yield from running(session, session.reverser.go(session.ahead.pop())))


# ---- diversions, recordings ----


def diverge(session: Session, text: str) -> Result:
    """A scratch copy, or its end."""
    history = session.history
    if text.strip() == "end":
        history.end_diversion()
        session.live.moved()
        return Result((f"the diversion is thrown away: tick {history.now.tick}",), {"where": history.where})
    if text.strip():
        raise UserError("diverge, or diverge end")
    history.diverge()
    session.live.moved()
    line = f"a diversion from tick {history.now.tick}: registers and memory may be set; diverge end throws it away"
    return Result((line,), {"where": history.where})


def record(session: Session, text: str) -> Result:
    """Control the recording."""
    words = text.split(None, 1)
    what, rest = (words[0] if words else ""), (words[1].strip() if len(words) > 1 else "")
    if what == "save" and rest:
        return _save(session, Path(rest))
    if what in ("start", "stop") and session.recording is None:
        raise UserError(f"the recording of {session.launch.title} cannot be started or stopped")
    if what == "start" and session.recording is not None:
        return Result((f"recording into {session.recording.start(Path(rest) if rest else None)}",))
    if what == "stop" and session.recording is not None:
        _written(session)
        session.recording.stop()
        if session.launch.kind != "remote":
            session.why_no_history = "the recording was stopped; record start begins another"
        return Result(("the recording is closed",))
    if what:
        raise UserError("record start [FILE], record stop, record save FILE")
    file, unit, end = _written(session)
    return Result((f"{file}: to {unit} {end}",), {"file": str(file), "end": end})


def _written(session: Session) -> tuple[Path, str, int]:
    """Where the session is recorded, what is counted there, how far it has come; UserError when it is not."""
    if session.recording is None:
        history = session.history
        return history.file, "tick" if history.executes else "position", history.last.tick
    found = session.recording.written()
    if found is None and session.launch.kind != "remote":
        raise UserError(f"no history: {session.why_no_history}")
    if found is None:
        raise UserError("what is seen of this machine is not recorded; record start begins it here")
    return found


def _save(session: Session, path: Path) -> Result:
    _, unit, end = _written(session)
    if path.exists():
        raise UserError(f"{path} exists already")
    try:
        if session.recording is None:
            session.history.save(path)
        else:
            session.recording.save(path)
    except OSError as error:
        raise UserError(str(error)) from None
    return Result((f"recorded until {unit} {end} into {path}",), {"file": str(path)})


def _reverse(
    name: str, short: str, keys: tuple[str, ...], one_line: str, run: Run, help_: str, arguments: str = "[N]"
) -> Command:
    return Command(
        name,
        one_line,
        (short,),
        keys,
        arguments,
        "s h",
        help_,
        (name, f"{short} 3") if arguments == "[N]" else (name,),
        run,
        repeats=True,
    )


COMMANDS = (
    _reverse(
        "reverse-continue",
        "rc",
        ("C", "Shift+F5"),
        "back to the previous stop",
        reverse_continue,
        "To breakpoints, watchpoints, catchpoints and faults, standing before them; the start is a stop.",
    ),
    _reverse(
        "reverse-next",
        "rn",
        ("N", "Shift+F8"),
        "back one line, over calls",
        reverse_next,
        "To where the line before was begun.",
    ),
    _reverse(
        "reverse-step",
        "rs",
        ("S", "Shift+F7"),
        "back one line, into calls",
        reverse_step,
        "Into functions that have lines, and across crossings.",
    ),
    _reverse(
        "reverse-nexti",
        "rni",
        ("O",),
        "back one instruction, over calls",
        reverse_nexti,
        "What a call or a crossing did is taken back as one.",
    ),
    _reverse("reverse-stepi", "rsi", ("I",), "back one instruction", reverse_stepi, "Of the selected thread."),
    _reverse(
        "reverse-finish",
        "rfin",
        ("F", "Shift+F6"),
        "back to the call of this function",
        reverse_finish,
        "Or to the crossing that entered this compartment.",
        "",
    ),
    Command(
        "previous-event",
        "back to the previous event of the kind",
        ("pe",),
        ("[", "{"),
        "[KIND]",
        "s h",
        f"KIND is one of {', '.join(KINDS)}; crossing when it is left out.",
        ("previous-event", "pe syscall"),
        previous_event,
        repeats=True,
        completes="event",
    ),
    Command(
        "mark",
        "name this moment",
        ("ma", "checkpoint"),
        ("m",),
        "[NAME [TEXT]] · -d NAME",
        "h",
        "Marks and their notes are kept in the recording. Without a name it is m1, m2 …",
        ("mark before the read fails", "mark -d before"),
        mark,
    ),
    Command("marks", "list marks", ("mar",), ("'",), "", "h", "goto 'NAME goes to one.", ("marks",), marks),
    Command("when", "say event, tick, and how much of the recording that is", ("wh",), (), "", "", "", ("when",), when),
    Command(
        "back",
        "back in the history of places and times",
        ("ba",),
        ("Backspace", "Alt+←"),
        "",
        "",
        "In batch: of times.",
        ("back",),
        back,
        screen=True,
    ),
    Command(
        "forward",
        "forward in the history of places and times",
        ("forw",),
        ("Alt+→",),
        "",
        "",
        "In batch: of times.",
        ("forward",),
        forward,
        screen=True,
    ),
    Command(
        "diverge",
        "scratch copy that may be edited; end throws it away",
        ("div",),
        (),
        "[end]",
        "h",
        "It runs on without the recorded events: nobody serves its calls. Going elsewhere in time ends it too.",
        ("diverge", "diverge end"),
        diverge,
    ),
    Command(
        "record",
        "control the recording of a live session",
        ("rec",),
        (),
        "start [FILE] · stop · save FILE",
        "",
        "Alone it says where this session is recorded. save copies everything until now.",
        ("record", "record save bug.cvmrec"),
        record,
    ),
)
