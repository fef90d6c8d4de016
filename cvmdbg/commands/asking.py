"""Asking the past without going there: last and next accesses, events by kind, origins, differences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cvmdbg.analysis.origin import Link, origin_of
from cvmdbg.analysis.readers import Readers
from cvmdbg.commands.history import moment, share
from cvmdbg.commands.table import Command, Json, Result
from cvmdbg.forms import capability_text, hexa
from cvmdbg.target import Access, History, UserError
from sessions.event import (
    Call,
    Event,
    Halted,
    Map,
    ModuleLoad,
    Note,
    Output,
    ProgramExit,
    Protect,
    ThreadBlock,
    ThreadExit,
    ThreadStart,
    ThreadSwitch,
    ThreadWake,
    Unmap,
)
from sessions.mark import Mark

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "asking"
WORDS = {"write": "w", "read": "r", "access": "rw", "tag": "tag"}
MAX_ROWS = 10_000


# ---- accesses ------------------------------------------------------------------------------------------------------


def info_last(session: Session, text: str) -> Result:
    """The last access before now."""
    return _asked(session, text, backwards=True)


def info_next(session: Session, text: str) -> Result:
    """The next access from now on."""
    return _asked(session, text, backwards=False)


def _asked(session: Session, text: str, backwards: bool) -> Result:
    words = text.split(None, 1)
    if len(words) != 2 or words[0] not in (*WORDS, "change", "bounds"):
        raise UserError("of what? write, read, access or tag EXPRESSION, read, change or bounds $REGISTER")
    register = re.fullmatch(r"\$(\w+)", words[1].strip())
    if register is not None:
        found = _register(session, register[1], words[0], backwards)
    elif words[0] in WORDS:
        found = _memory(session, words[1], WORDS[words[0]], backwards)
    else:
        raise UserError(f"{words[0]} is asked of a register: $c0, $x3, $csp")
    if found is None:
        edge = "start" if backwards else "end"
        return Result((f"none between here and the {edge} of the recording",), None)
    return Result((access_line(session, found),), access_value(found))


def _register(session: Session, name: str, what: str, backwards: bool) -> Access | None:
    if what not in ("write", "change", "bounds", "read"):
        raise UserError("of a register reads and changes are known: read, change, or bounds for all but its value")
    history, thread, bounds = session.history, session.live.thread, what == "bounds"
    if what == "read":
        readers = Readers(session.live, history, thread, name)
        return readers.last() if backwards else readers.next()
    if backwards:
        return history.last_change(thread, name, history.now, bounds)
    return history.next_change(thread, name, history.now, bounds)


def _memory(session: Session, text: str, access: str, backwards: bool) -> Access | None:
    history = session.history
    value = session.live.evaluate(text)
    address, size = (value.number, 1) if value.address is None else (value.address, len(value.content))
    if access == "tag":
        address, size = address & ~15, 16
    if backwards:
        return history.last_access(address, size, access, history.now)
    return history.next_access(address, size, access, history.now)


def access_line(session: Session, access: Access) -> str:
    """``tick 1234  write of 8 at 400002b18 by 16 fibonacci+28, thread 16/0``."""
    named = session.live.symbols.name_at(access.pc)
    place = named.text if named is not None else hexa(access.pc)
    who = session.live.thread_name(access.thread)
    plain = "read" if access.kind == "read" else "changed"
    what = f"{access.kind} of {access.size} at {hexa(access.address)}" if access.size else plain
    if access.kind == "event":
        what = f"written by {access.label}" if access.size else f"set by {access.label}"
    return f"tick {access.mark.tick}  {what}, {place}, thread {who}; goto @{access.mark.tick}"


def access_value(access: Access) -> dict[str, Json]:
    """An access for programs."""
    return {
        "tick": access.mark.tick,
        "event": access.mark.event,
        "thread": access.thread,
        "pc": hex(access.pc),
        "kind": access.kind,
        "address": hex(access.address) if access.size else None,
        "size": access.size or None,
        "label": access.label or None,
    }


# ---- events --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Happened:
    """Something of the recording, with its moment."""

    mark: Mark
    kind: str
    text: str


EFFECT_KINDS: dict[str, tuple[type, ...]] = {
    "mapping": (Map, Protect, Unmap),
    "thread": (ThreadStart, ThreadExit, ThreadSwitch, ThreadBlock, ThreadWake),
    "exit": (ProgramExit,),
}
OBSERVED: dict[str, tuple[type, ...]] = {
    "fault": (Halted,),
    "load": (ModuleLoad,),
    "call": (Call,),
    "output": (Output,),
    "note": (Note,),
}
EVENT_KINDS = ("all", "event", "crossing", "set", *EFFECT_KINDS, *OBSERVED)


def info_events(session: Session, text: str) -> Result:
    """Everything of a kind, or what lies between two ticks."""
    words = text.split()
    kind = words[0] if words and words[0] in EVENT_KINDS else "all"
    span = next((w for w in words if re.fullmatch(r"\d*\.\.\d*", w)), None)
    if any(w not in (kind, span) for w in words):
        raise UserError(f"info events [{' · '.join(EVENT_KINDS)}] [TICK..TICK]")
    low, high = (span or "..").split("..")
    first, last = int(low or 0), int(high or session.history.last.tick)
    rows = sorted(_happened(session.history, kind, first, last), key=lambda h: (h.mark.tick, h.mark.event))
    lines = [f"{h.mark.tick:>12}  {share(session, h.mark):>6}  {h.kind:<8}  {h.text}" for h in rows[:MAX_ROWS]]
    if len(rows) > MAX_ROWS:
        lines.append(f"{len(rows) - MAX_ROWS} more; ask between two ticks: info events {kind} A..B")
    found: list[Json] = [
        {"tick": h.mark.tick, "event": h.mark.event, "kind": h.kind, "text": h.text} for h in rows[:MAX_ROWS]
    ]
    return Result(tuple(lines) or (f"no {kind} in the recording",), found)


def _happened(history: History, kind: str, first: int, last: int) -> Iterator[Happened]:
    if kind in ("all", "event", "set", *EFFECT_KINDS):
        yield from _events(history, kind, first, last)
    if kind in ("all", "crossing"):
        for crossing in history.crossings(first, last):
            said = f"{crossing.kind} {hexa(crossing.pc)} → {hexa(crossing.to)} {' '.join(crossing.failed)}".rstrip()
            yield Happened(Mark(0, crossing.tick), "crossing", said)
    for name, kinds in OBSERVED.items():
        if kind in ("all", name):
            for seen in history.observations(kinds, first, last):
                if name != "fault" or getattr(seen, "kind", "") == "fault":
                    yield Happened(Mark(0, seen.tick), name, _said(seen))


def _events(history: History, kind: str, first: int, last: int) -> Iterator[Happened]:
    events = history.events
    number = events.after(first - 1) if first else 0
    while number < history.last.event:
        event = events.at(number)
        if event.tick > last:
            return
        wanted = kind in ("all", "event") or (kind == "set" and event.label == "set")
        if wanted or any(isinstance(effect, EFFECT_KINDS.get(kind, ())) for effect in event.effects):
            yield Happened(Mark(number, event.tick), "event", f"#{number} {_event_text(event)}")
        number += 1


def _event_text(event: Event) -> str:
    shown = ", ".join(_effect_text(effect) for effect in event.effects[:4])
    more = f", {len(event.effects) - 4} more" if len(event.effects) > 4 else ""
    return f"{event.label}: {shown}{more}"


def _effect_text(effect: object) -> str:
    parts = []
    for name in type(effect).__dataclass_fields__:  # type: ignore[attr-defined]
        value = getattr(effect, name)
        shown = f"{len(value)} bytes" if isinstance(value, bytes) else hexa(value) if type(value) is int else str(value)
        parts.append(f"{name} {shown}")
    return f"{type(effect).__name__} {' '.join(parts)}"


def _said(seen: object) -> str:
    match seen:
        case Halted(_, thread, pc, kind, detail):
            return f"{kind} {detail}, thread {thread} at {hexa(pc)}"
        case ModuleLoad():
            return f"{seen.name} at {hexa(seen.base)} in {seen.compartment}"
        case Call():
            return f"{seen.layer} {seen.name}({', '.join(seen.arguments)}) = {seen.result}"
        case Output():
            return repr(seen.text)[1:]
        case Note():
            return seen.text or " ".join(f"{name} {value}" for name, value in seen.facts.items())
    return str(seen)


# ---- origins -------------------------------------------------------------------------------------------------------


def origin(session: Session, text: str) -> Result:
    """Where a value comes from: each link of the chain back to its root."""
    if not text.strip():
        raise UserError("origin of what? a register ($c0) or something in memory")
    links = origin_of(session.live, session.history, text.strip())
    lines = [_link_line(session, link) for link in links]
    return Result(tuple(lines), [_link_value(link) for link in links], "origin", text.strip())


def _link_line(session: Session, link: Link) -> str:
    named = session.live.symbols.name_at(link.pc)
    place = named.text if named is not None else hexa(link.pc)
    value = capability_text(link.value) if link.value >> 64 else hexa(link.value)
    return f"tick {link.tick:>10}  {link.what:<28} {place}  {link.instruction}".rstrip() + f"  ; {value}"


def _link_value(link: Link) -> dict[str, Json]:
    return {
        "tick": link.tick,
        "thread": link.thread,
        "pc": hex(link.pc),
        "what": link.what,
        "instruction": link.instruction,
        "value": hex(link.value),
        "root": link.root,
    }


# ---- differences ---------------------------------------------------------------------------------------------------


def diff(session: Session, text: str) -> Result:
    """Registers, capabilities and memory that differ between two moments."""
    words = text.split()
    if not 1 <= len(words) <= 2:
        raise UserError("diff MARK [MARK]: without the second, now")
    first = moment(session, words[0])
    second = moment(session, words[1]) if len(words) > 1 else session.history.now
    found = session.history.difference(first, second)
    head = f"tick {first.tick} and tick {second.tick}"
    if found is None:
        return Result((f"{head}: no difference",), None)
    lines, value = found
    return Result((f"{head}:", *lines[1:]), value)


COMMANDS = (
    Command(
        "info last",
        "who last accessed memory, read or changed a register",
        (),
        (),
        "write · read · access · tag EXPRESSION, read · change · bounds $REGISTER",
        "h",
        "Before this moment; the target stays here. bounds is everything of a capability register but its value.",
        ("info last write calls", "info last tag parked_capability", "info last bounds $c0"),
        info_last,
        completes="expression",
    ),
    Command(
        "info next",
        "who accesses memory next, reads or changes a register",
        (),
        (),
        "write · read · access · tag EXPRESSION, read · change · bounds $REGISTER",
        "h",
        "From this moment to the end of the recording.",
        ("info next write calls",),
        info_next,
        completes="expression",
    ),
    Command(
        "info events",
        "what the recording holds, by kind",
        ("info ev",),
        (),
        "[KIND] [TICK..TICK]",
        "h",
        f"KIND is one of {', '.join(EVENT_KINDS)}.",
        ("info events fault", "info events mapping 0..20000"),
        info_events,
    ),
    Command(
        "origin",
        "where this capability or value comes from",
        ("or",),
        ("t", "F3"),
        "EXPRESSION",
        "h c",
        "The chain back to its root, through registers and memory, executed again from the recording.",
        ("origin $c0", "origin parked_capability"),
        origin,
        completes="expression",
    ),
    Command(
        "diff",
        "registers, capabilities, memory that differ between two moments",
        ("di",),
        (),
        "MARK [MARK]",
        "h",
        "A moment is a mark, @TICK, #EVENT, 50%, start or end; the second is now when it is left out.",
        ("diff before", "diff start end"),
        diff,
    ),
)
