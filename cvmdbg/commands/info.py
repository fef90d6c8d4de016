"""What is known: registers, compartments, crossings, modules, symbols."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

from cvmdbg.analysis import panes
from cvmdbg.analysis.printed import printed_relocations
from cvmdbg.analysis.registers import KINDS, grant_lines, register_rows, register_value
from cvmdbg.analysis.relocations import times_filled
from cvmdbg.commands.report import capability_value, jsonable, table
from cvmdbg.commands.table import Command, Json, Result
from cvmdbg.forms import VALUE, capability_columns, hexa
from cvmdbg.locations import address_of
from cvmdbg.rows import RegisterRow
from cvmdbg.target import Region, UserError

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "info"
NOTHING_LOADED = "nothing loaded dynamically yet"
MAX_SYMBOLS = 400
_ABI = {True: "purecap", False: "hybrid", None: "purecap or hybrid: not known yet"}


def _register_json(row: RegisterRow) -> Json:
    body: dict[str, Json] = {"name": row.name, "value": hex(row.value), "compartment": row.badge, "text": row.points_at}
    if row.kind == "capability":
        body["capability"] = capability_value(row.value)
    return body


def info_registers(session: Session, text: str) -> Result:
    """Registers of the selected frame: capabilities, a kind, all, or named ones."""
    debugger = session.live
    words = text.replace("$", "").split()
    rows: list[RegisterRow] = []
    if words and words[0] not in (*KINDS, "all"):
        known = {row.name: row for kind in KINDS for row in register_rows(debugger, kind)}
        for word in words:
            name = {"fp": "x29", "lr": "x30", "tp": "ctpidr"}.get(word, word)
            if name not in known:
                frame = debugger.frame()
                exists = name in {r.name for r in debugger.target.registers}
                value = register_value(debugger, frame, name) if exists else None
                why = f"the value of {word} in frame {frame.number} is not known" if exists and value is None else None
                raise UserError(why or f"there is no register {word}")
            rows.append(known[name])
    else:
        kinds = KINDS if words and words[0] == "all" else (words[0] if words else "capabilities",)
        for kind in kinds:
            rows += register_rows(debugger, kind)
    header = f"  {'reg':<6} t {'value':>16}  {'perms':<6} {'base':>12} {'+size':<6} seal in points at"
    has_capability = any(r.kind == "capability" for r in rows)
    lines = [row.text for row in rows]
    return Result(
        (header, *lines) if has_capability else tuple(lines), [_register_json(row) for row in rows], "registers"
    )


def info_compartments(session: Session, text: str) -> Result:
    """The map; with a badge, what that compartment was given at entry."""
    debugger = session.live
    if text.strip():
        found = debugger.places.named(text.strip())
        if found is None:
            raise UserError(f"there is no compartment {text.strip()}")
        lines = [f"{found.badge} {found.name}  {hexa(found.base)} … {hexa(found.base + found.size)}"]
        lines.append(f" DDC covers {hexa(found.begin)} … {hexa(found.end)}, {_ABI[found.pure]}")
        lines += [f" {line}" for line in grant_lines(debugger, found.badge)]
        grants: list[Json] = [
            {"name": g.name, "title": g.title, "meaning": g.meaning, "capability": capability_value(g.value)}
            for g in found.grants
        ]
        body: dict[str, Json] = {
            "badge": found.badge,
            "name": found.name,
            "base": hex(found.base),
            "size": found.size,
            "begin": hex(found.begin),
            "end": hex(found.end),
            "pure": found.pure,
            "grants": grants,
        }
        return Result(tuple(lines), body, "map")
    header = f"  {'name':<30} {'from':>12} {'size':>6} now  note"
    return table(panes.compartment_rows(debugger, frozenset(), frozenset()), header, opens="map")


def info_crossings(session: Session, text: str) -> Result:
    """Calls that crossed, filtered as the trace pane is."""
    words = text.split()
    if len(words) == 2 and all(session.live.places.named(word) for word in words):
        return _between(session, *words)
    rows = panes.trace_rows(session.live, 0, None, text)
    empty = "no calls yet. Calls appear when a thread crosses into the LibOS; c continues."
    if session.live.trace.entries and not rows:
        empty = f"none of {len(session.live.trace)} calls passes the filter"
    header = f"  {'#':>5} {'tick':>10} {'thr':<5} {'path':<7} {'call':<50} {'result':<12} ticks"
    return table(rows, header, empty, "trace")


def _between(session: Session, first: str, second: str) -> Result:
    """The sealed pair that leads from one compartment into another, and what its calls cost."""
    places = session.live.places
    source, target = places.named(first), places.named(second)
    assert source is not None
    assert target is not None
    path = f"{source.badge}→{target.badge}"
    gates = [g for g in source.grants if g.name in ("ca3", "ca4")]
    leads = bool(gates) and places.badge(gates[0].value & VALUE & ~1) == target.badge
    lines = [f"{path}: " + ("its gate leads there" if leads else "no gate of it leads there")]
    lines += [f" {g.name} {g.title:<16} {capability_columns(g.value)}  {g.meaning}" for g in gates if leads]
    rows = [row for row in panes.summary_rows(session.live) if row.path == path]
    calls, failed = sum(row.calls for row in rows), sum(row.failed for row in rows)
    lines.append(f" {calls} calls, {failed} failed, {sum(row.ticks for row in rows)} ticks inside")
    lines += [f" {row.text}" for row in rows]
    body: dict[str, Json] = {
        "path": path,
        "gate": [capability_value(g.value) for g in gates] if leads else [],
        "calls": calls,
        "failed": failed,
        "ticks": sum(row.ticks for row in rows),
        "by_name": [jsonable(row) for row in rows],
    }
    return Result(tuple(lines), body, "trace")


def info_syscall(session: Session, text: str) -> Result:
    """The call being made, or a numbered one, in full."""
    debugger = session.live
    if text.strip():
        number = int(text) if text.strip().isdigit() else -1
        entry = next((e for e in debugger.trace.entries if e.layer == 0 and e.number == number), None)
        if entry is None:
            raise UserError(f"there is no call {text.strip()}; info crossings lists them")
    else:
        entry = debugger.trace.open_call(debugger.thread)
        if entry is None:
            raise UserError("this thread is in no call; info syscall N shows an earlier one")
    row = debugger.trace.rows([entry], debugger.thread_name)[0]
    return Result(panes.call_lines(entry), jsonable(row), "trace")


def info_modules(session: Session, text: str) -> Result:
    """ELF files in memory."""
    header = f"{'module':<16} {'base':>12} {'size':>6} in {'symbols':<8} file"
    return table(session.module_rows(), header, "nothing is loaded", "modules")


def info_relocations(session: Session, text: str) -> Result:
    """Slots with what they hold, who provides it, and what did not resolve; a word keeps those that have it."""
    if not session.relocation_count() and printed_relocations(session.live):
        return _printed(session, text)
    when = re.match(r"-when(?=\s|$)", text.strip())
    text = text.strip()[when.end() if when else 0 :]
    rows = session.relocation_rows(0, None, text.strip())
    if when:
        rows = times_filled(session.live, rows)
    header = f"{'#':>6} {'module':<14} {'type':<10} {'slot':>12}   value"
    nothing = f"no relocation has {text.strip()} in its module, type or symbol" if text.strip() else NOTHING_LOADED
    return table(rows, header, nothing, "relocations")


def info_got(session: Session, text: str) -> Result:
    """GOT and PLT slots with their owner and target."""
    rows = [row for row in session.relocation_rows(0, None, text.strip()) if row.kind in ("GLOB_DAT", "JUMP_SLOT")]
    header = f"{'#':>6} {'owner':<14} {'type':<10} {'slot':>12}   target"
    return table(rows, header, "no module has such slots", "relocations")


def info_load(session: Session, text: str) -> Result:
    """The steps of loading; with a module, or a kind as dlsym, only its own."""
    word = text.strip()
    rows = [row for row in session.load_rows() if word in row.module or word == row.kind]
    return table(rows, f"  {'tick':>11} in {'module':<14} step", NOTHING_LOADED, "load")


def _printed(session: Session, text: str) -> Result:
    """What the guest's loader printed of its relocations, where memory cannot be asked; a module keeps its own."""
    rows = [r for r in printed_relocations(session.live) if not text.strip() or text.strip() in r.module]
    header = f"   #  {'module':<10} {'type':<8} {'slot':>10}   {'value':<10} minted in points at"
    return table(rows, header, "no relocations were printed yet", "modules")


def summary(session: Session, text: str) -> Result:
    """Counts and costs of calls; with a path or badge only those."""
    rows = [row for row in panes.summary_rows(session.live) if not text.strip() or text.strip() in row.path]
    header = f"{'path':<7} {'call':<18} {'calls':>6} {'failed':>6} {'ticks':>12} {'avg':>9} {'max':>9}"
    return table(rows, header, "no calls yet", "trace")


def info_symbol(session: Session, text: str) -> Result:
    """What an address is called."""
    if not text.strip():
        raise UserError("info symbol ADDRESS")
    address, _ = address_of(session.live, text)
    named = session.live.symbols.name_at(address)
    badge = session.live.places.badge(address)
    if named is None:
        part = session.live.places.object_text(address)
        if not badge:
            raise UserError(f"no symbol and no compartment has {address:#x}")
        return Result((f"no symbol has {address:#x}; it is in {badge} {part}".rstrip(),))
    line = session.live.symbols.line_at(address)
    where = f" at {line.file}:{line.number}" if line is not None else ""
    body: dict[str, Json] = {
        "address": hex(address),
        "name": named.name,
        "offset": named.offset,
        "module": named.module,
        "compartment": named.badge,
    }
    return Result((f"{named.text} in {named.badge} {named.module}{where}",), body)


def info_line(session: Session, text: str) -> Result:
    """Addresses of a line, line of an address."""
    from cvmdbg.locations import locate

    location = locate(session.live, text, code=False)
    if not location.addresses:
        raise UserError(location.pending)
    lines: list[str] = []
    for address in location.addresses:
        found = session.live.symbols.line_at(address)
        badge = session.live.places.badge(address)
        if found is None:
            lines.append(f"{badge} {address:#x}: {session.live.symbols.source_gap(address)}")
        else:
            lines.append(f"{badge} {found.file}:{found.number} is {found.start:#x} … {found.end:#x}")
    return Result(tuple(lines), [hex(a) for a in location.addresses])


def info_address(session: Session, text: str) -> Result:
    """Where a symbol is, in every module that has it."""
    name = text.strip()
    found = session.live.symbols.find(name)
    if not found:
        raise UserError(session.live.no_symbol(name))
    lines = [f"{p.name} is a {p.kind} at {p.address:#x} in {p.badge} {p.module}" for p in found]
    body: list[Json] = [{"name": p.name, "address": hex(p.address), "module": p.module} for p in found]
    return Result(tuple(lines), body)


def _symbols(session: Session, text: str, kinds: tuple[str, ...]) -> Result:
    pattern = f"*{text.strip()}*" if text.strip() else "*"
    found = sorted(
        {(n, m) for n, k, m in session.live.symbols.names() if k in kinds and fnmatch.fnmatchcase(n, pattern)}
    )
    lines = [f"{module:<16} {name}" for name, module in found[:MAX_SYMBOLS]]
    more = (f"… {len(found) - MAX_SYMBOLS} more",) if len(found) > MAX_SYMBOLS else ()
    body: list[Json] = [{"name": n, "module": m} for n, m in found]
    return Result((*lines, *more) or ("none",), body)


def info_functions(session: Session, text: str) -> Result:
    """Functions whose name holds a text."""
    return _symbols(session, text, ("function",))


def info_variables(session: Session, text: str) -> Result:
    """Objects whose name holds a text."""
    return _symbols(session, text, ("object",))


def info_sources(session: Session, text: str) -> Result:
    """Source files that code comes from."""
    files = session.live.symbols.files()
    body: list[Json] = list(files)
    return Result(tuple(files) or ("no module has line information",), body)


def info_display(session: Session, text: str) -> Result:
    """Expressions shown at every stop."""
    return table(panes.display_rows(session.live), empty="no displays; display EXPRESSION adds one")


def _region_text(region: Region) -> str:
    """Address, end, protection; behind page tables what tags may do and the physical address."""
    end = hexa(region.address + region.size)
    physical = f"  at {hexa(region.physical)}" if region.physical is not None else ""
    return f" {hexa(region.address):>12} … {end:<12} {region.letters}{physical}"


def _region_row(region: Region) -> dict[str, Json]:
    row: dict[str, Json] = {"address": hex(region.address), "size": region.size, "prot": region.prot}
    if region.physical is not None:
        row |= {"capabilities": region.capabilities, "physical": hex(region.physical)}
    return row


def info_target(session: Session, text: str) -> Result:
    """Where the session stands, and the mapped memory."""
    debugger = session.live
    found = session.status()
    lines = [found.text]
    mapped = debugger.target.regions()
    lines += [_region_text(region) for region in mapped]
    regions: list[Json] = [_region_row(region) for region in mapped]
    status = jsonable(found)
    return Result(tuple(lines), {"status": status, "regions": regions})


COMMANDS = (
    Command(
        "info registers",
        "registers of the selected frame",
        ("info r",),
        (),
        f"[{' · '.join(KINDS)} · all · NAMES]",
        "s",
        "* marks what changed since the last stop, + what changed at the one before.",
        ("info registers", "info r c0 csp ddc", "i r integer"),
        info_registers,
        completes="register",
    ),
    Command(
        "info compartments",
        "the map",
        ("info comp",),
        (),
        "[CVM]",
        "g",
        "With a cVM: its bounds and the capabilities that it was given at entry, ca0 to ca8.",
        ("info compartments", "i comp 17"),
        info_compartments,
        completes="compartment",
    ),
    Command(
        "info crossings",
        "calls between compartments, paired with their returns",
        ("info cr", "info crossing"),
        (),
        "[FROM TO · FILTER]",
        "g",
        "FROM TO are badges: the sealed pair between the two, counts and costs. FILTER is words that all must hold: "
        "call=open* nr=56 thread=17/0 path=17>16 layer=0 err err=ENOENT ticks>1000 tick=2M..3M ptr=47ff inside; "
        "! negates.",
        ("info crossings", "i cr path=17>16 err", "info crossing 17 16"),
        info_crossings,
    ),
    Command(
        "info syscall",
        "the call being made or given, decoded",
        ("info sys",),
        (),
        "[N]",
        "s g",
        "",
        ("info syscall", "info syscall 12"),
        info_syscall,
    ),
    Command(
        "info sharedlibrary", "modules", ("info sh", "info modules"), (), "", "g", "", ("info modules",), info_modules
    ),
    Command(
        "info relocations",
        "slots with what they hold and who provides it",
        ("info rel",),
        (),
        "[-when] [MODULE · TYPE · SYMBOL]",
        "g",
        "A slot is done, lazy (bound at its first call), expected, or failed with the reason. -when looks the tick up "
        "at which each was filled, in what is recorded.",
        ("info relocations", "info relocations libso_test", "info relocations -when puts"),
        info_relocations,
    ),
    Command(
        "info got",
        "slots of GOT and PLT with their owner and target",
        (),
        (),
        "[MODULE · SYMBOL]",
        "g",
        "",
        ("info got app1",),
        info_got,
    ),
    Command(
        "info load",
        "the steps of loading",
        (),
        (),
        "[MODULE · KIND]",
        "g",
        "Which paths were tried, what was read and mapped, what is needed, how far relocations are, init functions; "
        "and what the program asked for while it ran: dlopen, dlsym, dlclose, with what came of it.",
        ("info load", "info load app1", "info load dlsym"),
        info_load,
    ),
    Command(
        "info symbol",
        "name of an address",
        ("info s",),
        (),
        "ADDRESS",
        "",
        "",
        ("info symbol $pc",),
        info_symbol,
        completes="expression",
    ),
    Command(
        "info address",
        "where a symbol is",
        ("info add",),
        (),
        "SYMBOL",
        "d",
        "",
        ("info address main",),
        info_address,
        completes="symbol",
    ),
    Command(
        "info line",
        "addresses of a line",
        ("info li",),
        (),
        "LOCATION",
        "d",
        "",
        ("info line main.c:44",),
        info_line,
        completes="location",
    ),
    Command(
        "info functions",
        "functions by name",
        ("info fu",),
        (),
        "[TEXT]",
        "d",
        "",
        ("info functions ramfs",),
        info_functions,
    ),
    Command(
        "info variables", "objects by name", ("info va",), (), "[TEXT]", "d", "", ("info variables",), info_variables
    ),
    Command("info sources", "source files", ("info so",), (), "", "d", "", ("info sources",), info_sources),
    Command("info display", "displays", ("info di",), (), "", "", "", ("info display",), info_display),
    Command("info target", "status and mapped memory", ("info files",), (), "", "", "", ("info target",), info_target),
    Command(
        "summary", "counts and costs of calls", ("sum",), (), "[PATH]", "g", "", ("summary", "summary 17→16"), summary
    ),
)
