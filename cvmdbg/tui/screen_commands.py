"""What the screen does itself: keys of its own, commands that need no guest, and what results open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cvmdbg.commands.table import Command, Result, Table
from cvmdbg.target import UserError
from cvmdbg.tui import layouts
from cvmdbg.tui.export import screen_svg
from cvmdbg.tui.keys import PRESETS, bindings, key_name
from cvmdbg.tui.layout import WORKSPACES
from cvmdbg.tui.overlays.help import Help, word_help
from cvmdbg.tui.worker import text_of

if TYPE_CHECKING:
    from cvmdbg.tui.app import CvmApp


# ---- keys ----


def _escape(app: CvmApp) -> None:
    """Close what is on top; then zoom, hits; then back to Code."""
    if app.close_sheet():
        return
    pane = app.last_pane
    if pane is not None and pane.hits:
        pane.found("", ())
    elif app.desk.zoomed is not None:
        _zoom(app)
    else:
        app.focus_pane({"debug": "code"}.get(app.desk.workspace, app.desk.workspace))


def _zoom(app: CvmApp) -> None:
    pane = app.last_pane
    if pane is None:
        return
    app.desk.zoomed = None if app.desk.zoomed is not None else pane.ident
    app.desk.arrange_for(app.desk.size)
    app.focus_pane(pane.ident)


def _hide(app: CvmApp) -> None:
    box = app.desk.box_of(app.last_pane.ident) if app.last_pane is not None else None
    if box is None or len(app.desk.placed.boxes) < 2:
        app.say("this is the only pane")
        return
    app.desk.hidden |= {box.name}
    app.desk.arrange_for(app.desk.size)
    app.focus_pane(app.desk.shown()[0])


def _show_all(app: CvmApp) -> None:
    app.desk.hidden, app.desk.zoomed = frozenset(), None
    app.desk.arrange_for(app.desk.size)
    if app.last_pane is not None:
        app.focus_pane(app.last_pane.ident)


def _resize(wider: float, higher: float) -> Callable[[CvmApp], None]:
    def act(app: CvmApp) -> None:
        if app.last_pane is not None:
            app.desk.resize_box(app.last_pane.ident, wider, higher)

    return act


def _hit(step: int) -> Callable[[CvmApp], None]:
    def act(app: CvmApp) -> None:
        pane = app._focused_rows()
        if pane is not None and not pane.next_hit(step):
            app.say("nothing was searched here: / searches")

    return act


def _copy_row(app: CvmApp) -> None:
    pane = app._focused_rows()
    if pane is not None and pane.current is not None:
        app.copy(text_of(pane.current), "the row")


def _back(app: CvmApp) -> None:
    """The place before; where there is none, the moment before: a new moment has no places of its own yet."""
    if not app.code.back():
        _walk(app, "back", "no place before this one")


def _forward(app: CvmApp) -> None:
    if not app.code.forward():
        _walk(app, "forward", "no place after this one")


def _walk(app: CvmApp, name: str, nowhere: str) -> None:
    if app.has_history and not app.worker.busy:
        app.walk_time(name)
    else:
        app.say(nowhere)


KEYS: Mapping[str, Callable[[CvmApp], None]] = {
    "1": lambda app: app.go_workspace("debug"),
    "2": lambda app: app.go_workspace("trace"),
    "3": lambda app: app.go_workspace("load"),
    "tab": lambda app: app.action_focus_next(),
    "shift+tab": lambda app: app.action_focus_previous(),
    "escape": _escape,
    "colon": lambda app: app.open_prompt(":"),
    "greater_than_sign": lambda app: app.open_prompt(">"),
    "slash": lambda app: app.begin_search(),
    "full_stop": _hit(1),
    "comma": _hit(-1),
    "ampersand": lambda app: app.open_prompt("&", app.filtered_pane().only),
    "z": _zoom,
    "minus": _hide,
    "plus": _show_all,
    "y": _copy_row,
    "f1": lambda app: app.help_pane(),
    "question_mark": lambda app: app.help_keys(),
    "backspace": _back,
    "alt+left": _back,
    "alt+right": _forward,
    "ctrl+left": _resize(0.9, 1.0),
    "ctrl+right": _resize(1.1, 1.0),
    "ctrl+up": _resize(1.0, 0.85),
    "ctrl+down": _resize(1.0, 1.18),
}
"""Keys that belong to the screen, by Textual's names."""


# ---- commands ----


def _layout(app: CvmApp, rest: str) -> None:
    words = rest.split()
    if len(words) == 2 and words[0] == "save" and words[1].isidentifier():
        layouts.save(app.folder, words[1], app.desk.kept())
        app.say(f"layout {words[1]} is saved")
    elif len(words) == 1 and words[0] in WORKSPACES:
        app.go_workspace(words[0])
    elif len(words) == 1 and (kept := layouts.load(app.folder, words[0])) is not None:
        app.desk.restore(kept)
        app.focus_pane(app.desk.shown()[0])
    else:
        known = ", ".join((*WORKSPACES, *layouts.names(app.folder)))
        app.say(f"layout: one of {known}, or save NAME")


def _focus(app: CvmApp, rest: str) -> None:
    wanted = rest.strip().lower()
    for ident, pane in app.desk.panes.items():
        if wanted and (ident.startswith(wanted) or pane.title.lower().startswith(wanted)):
            app.focus_pane(ident)
            return
    app.say(f"focus: one of {', '.join(app.desk.panes)}")


def _filter(app: CvmApp, rest: str) -> None:
    if rest.strip():
        app.apply_filter(rest)
    else:
        app.open_prompt("&")


def _search(app: CvmApp, rest: str) -> None:
    pane = app.last_pane
    if rest.strip() and pane is not None:
        app.search(pane, rest.strip())
    else:
        app.begin_search()


def _copy(app: CvmApp, rest: str) -> None:
    words = rest.split(None, 1)
    pane = app.last_pane
    if pane is None:
        return
    if not words:
        _copy_row(app)
    elif words[0] == "all" and len(words) == 1:
        app.copy(pane.plain(), f"all of {pane.title}")
    elif words[0] == "all":
        save(app, words[1], pane.plain() + "\n")
    else:
        app.say("copy takes nothing, or: all, all FILE")


def save(app: CvmApp, name: str, text: str) -> None:
    """Write a text to a file and say so."""
    path = Path(name.strip()).expanduser()
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        app.say(f"{path}: {error.strerror or error}", "fault")
        return
    app.say(f"wrote {path}")


def _export_svg(app: CvmApp, rest: str) -> None:
    name = rest.removeprefix("svg").strip()
    if not name:
        app.say("export svg FILE: the file is missing")
        return
    save(app, name, screen_svg(app))


_COMMANDS: Mapping[str, Callable[[CvmApp, str], None]] = {
    "layout": _layout,
    "focus": _focus,
    "palette": lambda app, rest: app.action_command_palette(),
    "jump": lambda app, rest: app.action_jump(),
    "filter": _filter,
    "search": _search,
    "copy": _copy,
    "marks": lambda app, rest: app.show_marks(),
    "back": lambda app, rest: _back(app),
    "forward": lambda app, rest: _forward(app),
    "quit": lambda app, rest: app.exit(0),
}
NAMES = frozenset(_COMMANDS)
"""Commands that the screen carries out whatever their row says."""


def carry_out(app: CvmApp, command: Command, rest: str) -> bool:
    """Do a command of the screen; False when it is the worker's."""
    if command.name == "export" and rest.split()[:1] == ["svg"]:
        _export_svg(app, rest)
        return True
    act = _COMMANDS.get(command.name)
    if act is None:
        return False
    act(app, rest)
    return True


def keymap(table: Table, name: str) -> dict[str, str]:
    """Keys of a preset, or of a file with lines ``KEY COMMAND``; UserError names clashes and unknown commands."""
    if name in PRESETS:
        return bindings(table, PRESETS[name])
    path = Path(name).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"keymap {name}: not a preset ({', '.join(PRESETS)}) and no file: {error}") from None
    chosen: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        words = line.split(None, 1)
        if not words or line.startswith("#"):
            continue
        if len(words) != 2 or table.find(words[1].strip()) is None:
            raise UserError(f"{name}, line {number}: expected KEY COMMAND, got {line.strip()!r}")
        key = key_name(words[0])
        if chosen.setdefault(key, words[1].strip()) != words[1].strip():
            raise UserError(f"{name}, line {number}: {words[0]} is both {chosen[key]} and {words[1].strip()}")
    return bindings(table, chosen)


# ---- results ----

_PANES = {
    "code": "code",
    "registers": "registers",
    "map": "map",
    "trace": "trace",
    "threads": "threads",
    "backtrace": "backtrace",
    "locals": "locals",
    "breakpoints": "breakpoints",
    "modules": "modules",
    "load": "load",
    "relocations": "relocations",
    "summary": "summary",
    "watch": "watch",
}


_LOOKS = ("info", "backtrace", "list", "disassemble")
"""Commands after which the focus goes to the pane that shows what they ask for."""


def open_result(app: CvmApp, line: str, result: Result, source: str) -> None:
    """Show what a result opens; the focus stays where it is unless the pane was asked for."""
    opens, subject = result.opens, result.subject
    if opens == "quit":
        app.exit(0)
    elif opens == "explain":
        app.explain()
    elif opens == "inspector":
        app.inspect(subject)
    elif opens == "help":
        app.open_sheet(f"Help ╱ {subject}" if subject else "Help", Help(word_help(result.lines)))
    elif opens == "memory" and _address(subject) is not None:
        app.show_memory(_address(subject) or 0)
    elif opens == "code" and _address(subject) is not None:
        app.show_code(_address(subject))
    elif opens in _PANES:
        if _looks(app, line):
            app.focus_pane(_PANES[opens])
    elif source == "prompt" and result.lines and "console" not in app.desk.shown():
        app.notice.say("\n".join(result.lines[:5]))


def _looks(app: CvmApp, line: str) -> bool:
    """Does the line ask for a pane?"""
    command, _ = app.session.table.resolve(line) if line.strip() else (None, "")
    return command is not None and command.name.startswith(_LOOKS)


def _address(subject: str) -> int | None:
    try:
        return int(subject, 16)
    except ValueError:
        return None
