"""The session itself: settings, help, scripts, symbol files, export."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from cvmdbg.analysis import panes
from cvmdbg.commands.report import jsonable
from cvmdbg.commands.table import NEEDS, Command, Json, Result, Steps
from cvmdbg.elf import ElfImage
from cvmdbg.settings import SETTINGS, Setting
from cvmdbg.symbols import check_twin
from cvmdbg.target import TargetError, TwoEngines, UserError
from cvmdbg.values import show

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "session"
MAX_SCRIPT = 1 << 20
MAX_DEPTH = 10
OF_THE_GUEST = frozenset({"trace exact", "disassemble-next", "print elements", "explain", "listsize"})
"""Settings that a client of a server may change."""

# ---- set, show ----


def set_(session: Session, text: str) -> Result:
    """Set a setting, a register, a variable or memory."""
    text = re.sub(r"^(var|variable)\s+", "", text.strip())
    if not text:
        raise UserError("set SETTING VALUE, or set EXPRESSION = VALUE")
    if text.startswith("args"):
        session.arguments = tuple(text[4:].split())
        return Result((f"run starts the guest with: {' '.join(session.arguments) or 'no arguments'}",))
    found = session.settings.find(text)
    if found is not None and session.confined and found[0].name not in OF_THE_GUEST:
        raise UserError(f"{found[0].name} is about the host, which a client may not change")
    if found is not None and "=" not in text[len(found[0].name) :].lstrip()[:1]:
        _change(session, *found)
        return Result((f"{found[0].name} is {session.settings.text(found[0].name) or 'empty'}",))
    if "=" not in text:
        raise UserError(f"no setting is called {text.split()[0]}; show lists them")
    value = session.live.evaluate(text)
    shown = show(value, session.live.scope())
    return Result((f"{text.split('=')[0].strip()} = {shown}",), {"text": shown})


def _change(session: Session, setting: Setting, value: str) -> None:
    """Where the guest does not take the value, it stays as it was."""
    before = session.settings.text(setting.name)
    session.settings.change(setting, value)
    if session.debugger is None:
        return
    try:
        if setting.name == "trace exact":
            session.live.follow_crossings()
        elif setting.name == "engine":
            session.live.use_engine()
    except UserError:
        session.settings.values[setting.name] = before
        raise


def show_(session: Session, text: str) -> Result:
    """Show one setting, or all."""
    if text.strip():
        found = session.settings.find(text.strip())
        if found is None:
            raise UserError(f"no setting is called {text.strip()}; show lists them")
        chosen = [found[0]]
    else:
        chosen = list(SETTINGS)
    lines = tuple(f"{s.name} = {session.settings.text(s.name) or '(empty)':<10} {s.about}" for s in chosen)
    target = session.debugger.target if session.debugger is not None else None
    if len(chosen) == 1 and chosen[0].name == "engine" and isinstance(target, TwoEngines):
        lines += (f"{target.engine} runs the guest",)
    return Result(lines, {s.name: session.settings.text(s.name) for s in chosen})


# ---- help ----


def help_(session: Session, text: str) -> Result:
    """All commands by family, or one in full."""
    if not text.strip():
        lines: list[str] = []
        family = ""
        for row in session.table:
            if row.family != family:
                family = row.family
                lines.append(f"{family}:")
            keys = " ".join(row.keys)
            lines.append(f"  {row.name:<20} {keys:<12} {row.one_line}")
        return Result((*lines, "help WORD tells more"), [c.name for c in session.table], "help")
    command, _ = session.table.resolve(text.strip())
    return Result(tuple(help_lines(session, command)), command.name, "help", command.name)


def help_lines(session: Session, command: Command) -> list[str]:
    """One command in full: usage, needs, help, examples, and why it cannot be used now."""
    lines = [command.usage, f"  {command.one_line}"]
    if command.help:
        lines.append(f"  {command.help}")
    if command.abbreviations:
        lines.append(f"  short: {', '.join(command.abbreviations)}")
    if command.keys:
        lines.append(f"  keys: {' '.join(command.keys)}")
    needs = [NEEDS[letter] for letter in command.needs.replace(" ", "") if letter in NEEDS]
    if needs:
        lines.append(f"  needs: {', '.join(needs)}")
    lines += [f"  example: {example}" for example in command.examples]
    reason = session.why_not(command)
    if reason:
        lines.append(f"  not now: {reason}")
    return lines


# ---- scripts and the shell ----


def source(session: Session, text: str) -> Steps:
    """Run the commands of a file."""
    if session.depth >= MAX_DEPTH:
        raise UserError(f"scripts that call scripts: {MAX_DEPTH} deep is the limit")
    lines: list[str] = []
    session.depth += 1
    try:
        for number, line in script_lines(text.strip()):
            try:
                result = yield from session.nested(line)
            except (UserError, TargetError) as error:
                raise type(error)(f"{text.strip()}:{number}: {error}") from None
            lines += result.lines
    finally:
        session.depth -= 1
    return Result(tuple(lines))


def script_lines(path: str) -> list[tuple[int, str]]:
    """The commands of a script with their line numbers; ``commands`` takes the lines up to its ``end`` with it."""
    if not path:
        raise UserError("source FILE")
    try:
        file = Path(path).expanduser()
        if file.stat().st_size > MAX_SCRIPT:
            raise UserError(f"{path}: a script of more than 1 MiB is not believable")
        content = file.read_text("utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except UnicodeError:
        raise UserError(f"{path}: not a text file") from None
    return join_lists(list(enumerate(content.splitlines(), 1)))


def join_lists(numbered: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Leave out comments and blanks; put the body of a ``commands`` list behind it."""
    found: list[tuple[int, str]] = []
    rest = iter(numbered)
    for number, line in rest:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if re.fullmatch(r"(com|comm|commands?)(\s+\d+)?", text):
            body = []
            for _, inner in rest:
                if inner.strip() == "end":
                    break
                body.append(inner.strip())
            text = "\n".join([text, *body])
        found.append((number, text))
    return found


def shell(session: Session, text: str) -> Result:
    """Run a shell command."""
    done = subprocess.run(text or "true", shell=True, capture_output=True, text=True, errors="replace", check=False)
    lines = (done.stdout + done.stderr).splitlines()
    status = (f"exit status {done.returncode}",) if done.returncode else ()
    return Result((*lines, *status), {"status": done.returncode})


# ---- symbols ----


def symbol_file(session: Session, text: str) -> Result:
    """Names and DWARF from another file, checked against what is in memory."""
    match = re.fullmatch(r"(?P<file>\S+)(?:\s+in\s+(?P<cvm>\S+))?(?:\s+(?P<address>\S+))?", text.strip())
    if match is None:
        raise UserError("symbol-file FILE [in CVM] [ADDRESS]")
    path = Path(match["file"]).expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    twin = ElfImage(content, path.name)
    debugger = session.live
    candidates = debugger.select_modules(match["cvm"]) if match["cvm"] else debugger.symbols.loaded
    if match["address"]:
        base = debugger.evaluate(match["address"]).number
        candidates = [e for e in candidates if e.module.base == base]
    problems: list[str] = []
    for entry in candidates:
        try:
            why = check_twin(entry, twin)
        except UserError as error:
            problems.append(str(error))
            continue
        entry.lend(twin)
        debugger.refresh()
        sha = f", SHA-256 {entry.module.sha256[:16]}…" if entry.module.sha256 else ""
        return Result((f"symbols of {entry.module.name} at {entry.module.base:#x} come from {path.name}: {why}{sha}",))
    raise UserError("; ".join(problems[:3]) or f"no module stands there for {path.name}")


# ---- export ----


def export(session: Session, text: str) -> Result:
    """Write the trace or the state to a file."""
    kind, _, path = text.strip().partition(" ")
    makers = {"strace": _strace, "json": _json}
    if kind not in makers or not path.strip():
        raise UserError("export strace FILE, or export json FILE")
    content = makers[kind](session)
    try:
        Path(path.strip()).expanduser().write_text(content, "utf-8")
    except OSError as error:
        raise UserError(f"{path.strip()}: {error.strerror or error}") from None
    return Result((f"{len(session.live.trace)} calls written to {path.strip()}",))


def _strace(session: Session) -> str:
    rows = panes.trace_rows(session.live, 0, None, "")
    return "".join(f"[{r.thread_name}] {'  ' * r.layer}{r.path} {r.call} {r.result}\n" for r in rows)


def _json(session: Session) -> str:
    rows: list[Json] = [jsonable(row) for row in panes.trace_rows(session.live, 0, None, "")]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


COMMANDS = (
    Command(
        "set",
        "change a register, memory, a setting",
        (),
        ("=",),
        "$REG = V · *ADDR = V · NAME = V · SETTING V · args …",
        "",
        "An assignment is C. A plain store clears tags as the machine does.",
        ("set $x0 = 5", "set origin.x = 7", "set listsize 20", "set args /ld.so seal"),
        set_,
        completes="setting",
    ),
    Command(
        "show", "settings", ("sho",), (), "[SETTING]", "", "", ("show", "show listsize"), show_, completes="setting"
    ),
    Command(
        "symbol-file",
        "symbols from another file",
        ("sy", "add-symbol-file", "file"),
        (),
        "FILE [in CVM] [ADDRESS]",
        "o",
        "A twin linked at another image base is taken when its layout and code are those of the loaded image; a file "
        "of the same base when its SHA-256 is that of the loaded image.",
        ("symbol-file libos_debug.so in 16",),
        symbol_file,
    ),
    Command("source", "run a script", ("so",), (), "FILE", "o", "# begins a comment.", ("source setup.cvm",), source),
    Command("shell", "a shell command", ("she", "!"), (), "COMMAND", "o", "", ("shell ls",), shell),
    Command(
        "export",
        "write the trace",
        ("exp",),
        (),
        "strace FILE · json FILE · svg FILE",
        "g o",
        "",
        ("export strace trace.txt",),
        export,
    ),
    Command(
        "help",
        "help of the pane, all keys, a word",
        ("h",),
        ("F1", "?"),
        "[WORD]",
        "",
        "",
        ("help", "help break"),
        help_,
        completes="command",
    ),
)
