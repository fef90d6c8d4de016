"""The application: keys and messages. It never sees a target; every question goes to the worker.

status row
desk: panes and their titles        sheets and the prompt lie above, nothing shifts
key line
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import platformdirs
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from cvmdbg.commands.history import is_time
from cvmdbg.commands.table import Command
from cvmdbg.rows import Status, TraceRow
from cvmdbg.session import Session
from cvmdbg.target import UserError
from cvmdbg.tui import screen_commands
from cvmdbg.tui.desk import Desk
from cvmdbg.tui.glyphs import wants_ascii
from cvmdbg.tui.keys import PRESETS, bindings
from cvmdbg.tui.messages import Began, Broken, Completed, Ended, Found, Looked, Taken, Ticking, Unable
from cvmdbg.tui.overlays.explain import Explain
from cvmdbg.tui.overlays.help import Help, all_keys, pane_help
from cvmdbg.tui.overlays.inspector import Inspector
from cvmdbg.tui.overlays.jump import Jump, assign
from cvmdbg.tui.overlays.sheet import Sheet
from cvmdbg.tui.palette import Everything
from cvmdbg.tui.panes.backtrace import Backtrace, Locals
from cvmdbg.tui.panes.base import Rows
from cvmdbg.tui.panes.breakpoints import Breakpoints, Modules, Watch
from cvmdbg.tui.panes.code import Code
from cvmdbg.tui.panes.compartments import Compartments, Grants
from cvmdbg.tui.panes.console import Console
from cvmdbg.tui.panes.load import Load, RelocationsPane
from cvmdbg.tui.panes.memory import Memory
from cvmdbg.tui.panes.registers import Integers, Registers, Systems, Vectors
from cvmdbg.tui.panes.threads import Threads
from cvmdbg.tui.panes.time import Marks, Time
from cvmdbg.tui.panes.trace import CallDetail, Summary, Trace
from cvmdbg.tui.prompt import Candidates, Entry, History, Prompt
from cvmdbg.tui.snapshot import Content, Look
from cvmdbg.tui.status import KeyLine, Notice, StatusRow, TimeStrip
from cvmdbg.tui.theme import OWN, Palette, colours_of, theme_of
from cvmdbg.tui.worker import Worker

SWITCH = 0.001
"""Seconds after which the worker's Python gives way to a key."""
NO_ANSWER = 2.0
"""Seconds after which a stop that was asked for is told to be missing."""
RUNNING = "the guest runs: Ctrl-C stops it first"
STRIP = "strip"
"""What the worker calls the time strip."""
SLOW = 0.1
"""Seconds from which a seek says that it is busy."""
ASKED = frozenset({"print", "break", "x", "delete", "enable", "mark"})
"""Commands that do something without arguments, yet whose key opens the prompt for them."""
BIGGER = frozenset({"left_curly_bracket", "right_curly_bracket"})
FOLLOWS = frozenset({"frame", "up", "down", "thread", "run", "start", "back", "forward"})
"""Commands after which Code shows where the selected frame stands, beside those that run the guest."""


class CvmApp(App[int]):
    """cvmdbg on a terminal."""

    TITLE = "cvmdbg"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    COMMANDS: ClassVar = {Everything}
    CSS = """
    Screen { layers: base sheet over; background: $background; overflow: hidden hidden; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "stop", "stop", priority=True, show=False),
        Binding("ctrl+q", "quit_now", "quit", priority=True, show=False),
        Binding("ctrl+o", "jump", "jump", priority=True, show=False),
    ]

    def __init__(self, session: Session, folder: Path | None = None) -> None:
        super().__init__()
        self.folder = folder
        self.last_pane: Rows | None = None
        self.session = session
        self.worker = Worker(session, self.post_message)
        for colours in OWN.values():
            self.register_theme(theme_of(colours))
        self.theme = self._first_theme()
        self.palette = Palette(colours_of(self.current_theme))
        self.ascii = wants_ascii(session.settings.text("glyphs"))
        self.keymap_name = session.settings.text("keymap")
        self.bound = bindings(session.table, PRESETS.get(self.keymap_name, {}))
        self.desk: Desk = Desk(
            (
                Code(),
                Registers(),
                Compartments(),
                Threads(),
                Backtrace(),
                Console(),
                Trace(),
                Breakpoints(),
                Memory(),
                Locals(),
                Watch(),
                Modules(),
                Integers(),
                Systems(),
                Vectors(),
                CallDetail(),
                Summary(),
                Load(),
                RelocationsPane(),
                Time(),
            )
        )
        self.status_row = StatusRow()
        self.strip = TimeStrip()
        self.key_line = KeyLine()
        self.notice = Notice()
        self.prompt = Prompt(History(folder / "history" if folder is not None else None))
        self.sheets: list[Sheet] = []
        self.status: Status | None = None
        self.reasons: dict[str, str] = {}
        self.running = False
        self._sure = ""
        self._asked_to_stop = 0
        self._searched: Rows | None = None
        self._batch = False

    def _first_theme(self) -> str:
        chosen = self.session.settings.text("theme")
        if self.no_color:
            return "cvm-mono"
        return chosen if chosen in self.available_themes else "cvm-dark"

    def compose(self) -> ComposeResult:
        """Rows from top to bottom, then what lies above them."""
        yield self.status_row
        yield self.desk
        yield self.strip
        yield self.key_line
        yield self.notice
        yield Candidates()
        yield self.prompt

    def on_mount(self) -> None:
        """Panes first, then the guest: the worker deploys it after the first paint."""
        self.set_focus(self.desk.panes["code"])
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.update_wants()
        self.worker.start()

    def on_unmount(self) -> None:
        """Let the guest go."""
        self.worker.close()

    # ---- what the worker tells ----

    def on_taken(self, message: Taken) -> None:
        """A snapshot: everything visible is current."""
        shot = message.snapshot
        self._set_running(False)
        self.reasons = dict(shot.reasons)
        for badge in shot.badges:
            self.palette.style(f"badge:{badge}")
        self._show_status(shot.status)
        for ident, (look, content) in shot.panes.items():
            self._show(ident, look, content)
        self.key_line.show(self.reasons, False)
        self._lay_sheets()
        self.update_wants()
        self._ask_those_left(set(shot.panes))

    def _ask_those_left(self, done: set[str]) -> None:
        """Panes that came into view, or changed their question, while the snapshot was taken."""
        for ident, pane in self.visible_panes():
            if ident not in done or pane.stale:
                self.ask(pane)

    def on_began(self, message: Began) -> None:
        """A line is being carried out."""

    def on_ticking(self, message: Ticking) -> None:
        """The guest runs."""
        if not self.running:
            self._set_running(True)
            for _, shown in self.visible_panes():
                if not shown.live:
                    shown.go_stale()
        self._show_status(message.status)
        for ident, (look, content) in message.panes.items():
            self._show(ident, look, content)
        self.update_wants()

    def _show(self, ident: str, look: Look, content: Content) -> bool:
        """Hand a pane, or the time strip, its answer; late ones to an old question are dropped."""
        if ident == STRIP:
            if self.strip.look() == look and self.strip.show_content(content):
                self.ask_strip()
            return False
        pane = self.pane(ident)
        if pane is None or pane.look() != look:
            return False
        pane.show_content(content)
        return True

    def on_ended(self, message: Ended) -> None:
        """A line is done: say what went wrong, open what it opens."""
        self._take_settings()
        self.ask(self.desk.panes["console"])
        if message.error:
            self._show_error(message)
        elif message.result is not None:
            screen_commands.open_result(self, message.line, message.result, message.source)

    def _show_error(self, message: Ended) -> None:
        if message.source == "prompt" and not self.prompt.is_open:
            self.open_prompt(":", message.line)
        self.notice.say(message.error, "fault")

    def on_looked(self, message: Looked) -> None:
        """One pane's answer; late ones to an old question are dropped."""
        if self._show(message.pane, message.look, message.content):
            pane = self.pane(message.pane)
            assert pane is not None
            pane.stale = self.running and not pane.live
            self._lay_sheets()
        self.update_wants()

    def _lay_sheets(self) -> None:
        """Sheets are as high as their rows."""
        for sheet in self.sheets:
            sheet.lay()

    def on_completed(self, message: Completed) -> None:
        """Candidates."""
        self.prompt.offer(message.text, message.candidates)

    def on_found(self, message: Found) -> None:
        """Hits of a search."""
        pane = self.pane(message.pane)
        if pane is not None:
            pane.found(message.needle, message.rows, message.first)
            if message.whole and not message.rows and message.needle:
                self.say(f"not found: {message.needle}")

    def on_broken(self, message: Broken) -> None:
        """An error of the program itself ends it, with its traceback."""
        raise message.error

    def on_unable(self, message: Unable) -> None:
        """No guest: say why and leave."""
        self.exit(message.status, message.status, message.sentence)

    # ---- state ----

    def _show_status(self, status: Status) -> None:
        self.status = status
        self.status_row.stopping = self.running and self._asked_to_stop > 0
        self.status_row.show(status)
        console = self.desk.panes["console"]
        assert isinstance(console, Console)
        console.waiting = status.state == "wait"

    def _set_running(self, running: bool) -> None:
        self.running = running
        if not running:
            self._asked_to_stop = 0
        self.key_line.show(self.reasons, running)

    def _take_settings(self) -> None:
        """Settings that the screen follows."""
        settings = self.session.settings
        theme, glyphs, keymap = settings.text("theme"), wants_ascii(settings.text("glyphs")), settings.text("keymap")
        if theme in self.available_themes and theme != self.theme and not self.no_color:
            self.take_theme(theme)
        if glyphs != self.ascii:
            self.ascii = glyphs
            self.refresh_all()
        if keymap != self.keymap_name:
            self.keymap_name = keymap
            self._take_keymap(keymap)

    def _take_keymap(self, name: str) -> None:
        try:
            self.bound = screen_commands.keymap(self.session.table, name)
        except UserError as error:
            self.say(str(error), "fault")

    def take_theme(self, name: str) -> None:
        """Another theme."""
        self.theme = name
        self.session.settings.values["theme"] = name
        order = self.palette.order
        self.palette = Palette(colours_of(self.current_theme), order)
        self.refresh_all()

    def refresh_all(self) -> None:
        """Draw everything again."""
        for pane in self.query(Rows):
            pane.redraw()
        self.desk.refresh()
        for row in (self.status_row, self.key_line, self.notice):
            row.refresh()
        for sheet in self.sheets:
            sheet.refresh()

    # ---- panes ----

    def pane(self, ident: str) -> Rows | None:
        """A pane by name; ``sheet:N`` is the list of the Nth sheet."""
        if ident.startswith("sheet:"):
            index = int(ident.removeprefix("sheet:"))
            return self.sheets[index].body if index < len(self.sheets) else None
        return self.desk.panes.get(ident)

    def visible_panes(self) -> Iterable[tuple[str, Rows]]:
        """Panes that are shown, sheets included."""
        for ident in self.desk.shown():
            yield ident, self.desk.panes[ident]
        for index, sheet in enumerate(self.sheets):
            yield f"sheet:{index}", sheet.body

    def update_wants(self) -> None:
        """Tell the worker what is visible."""
        looks: dict[str, Look] = {STRIP: self.strip.look()}
        live = {STRIP}
        for ident, pane in self.visible_panes():
            look = pane.look()
            if look is not None:
                looks[ident] = look
                if pane.live:
                    live.add(ident)
        self.worker.want(looks, frozenset(live))

    def ask(self, pane: Rows) -> None:
        """Ask for a pane's content anew, when it is shown."""
        for ident, shown in self.visible_panes():
            look = pane.look() if shown is pane else None
            if look is not None:
                self.worker.look(ident, look)
        self.update_wants()

    def ask_strip(self) -> None:
        """Ask for the time strip anew."""
        self.worker.look(STRIP, self.strip.look())
        self.update_wants()

    def on_rows_changed(self, message: Rows.Changed) -> None:
        """A title changed."""
        self.desk.retitle()
        if message.pane.display and isinstance(message.pane, (Code, Memory)):
            self.ask(message.pane)
        for sheet in self.sheets:
            if sheet.body is message.pane:
                sheet.lay()

    def on_rows_moved(self, message: Rows.Moved) -> None:
        """The call detail follows the trace's cursor."""
        if isinstance(message.pane, Trace):
            detail = self.desk.panes["call"]
            assert isinstance(detail, CallDetail)
            row = message.pane.current
            detail.show_call(row if isinstance(row, TraceRow) else None)

    def focus_moved(self, pane: Rows) -> None:
        """Remember where the focus is; the titles change."""
        if pane.ident in self.desk.panes:
            self.last_pane = pane
        self.desk.retitle()

    def focus_pane(self, ident: str) -> None:
        """Show a pane and put the focus there."""
        self.close_sheets()
        if not self.desk.bring(ident):
            self.say(f"there is no pane {ident} here")
            return
        pane = self.desk.panes[ident]
        self.set_focus(pane)
        self.focus_moved(pane)
        self.ask(pane)
        self._ask_those_left(set())

    def restore_focus(self) -> None:
        """Back to the topmost sheet, or to the pane that had it."""
        target = self.sheets[-1].body if self.sheets else self.last_pane
        if target is not None and target.is_attached:
            if isinstance(target, Rows) and not target.display:
                target = self.desk.panes[self.desk.shown()[0]]
            self.set_focus(target)

    def turn_tab(self, pane: Rows, step: int) -> None:
        """The next tab of a pane's box."""
        if pane.ident in self.desk.panes:
            following = self.desk.turn(pane.ident, step)
            if following != pane.ident:
                self.focus_pane(following)

    def action_focus_next(self) -> None:
        """Tab."""
        self._step_focus(1)

    def action_focus_previous(self) -> None:
        """Shift+Tab."""
        self._step_focus(-1)

    def _step_focus(self, step: int) -> None:
        order = self.desk.shown()
        current = self.last_pane.ident if self.last_pane is not None else order[0]
        at = order.index(current) if current in order else 0
        self.focus_pane(order[(at + step) % len(order)])

    def go_workspace(self, name: str) -> None:
        """Debug or trace."""
        self.desk.workspace, self.desk.zoomed = name, None
        self.desk.arrange_for(self.desk.size)
        self.focus_pane(self.desk.shown()[0])
        for _, pane in self.visible_panes():
            self.ask(pane)

    def show_code(self, address: int | None) -> None:
        """A place in Code."""
        self.focus_pane("code")
        self.code.go(address)

    @property
    def code(self) -> Code:
        """The Code pane."""
        pane = self.desk.panes["code"]
        assert isinstance(pane, Code)
        return pane

    def go_time(self, moment: str) -> None:
        """Go to a moment: ``@TICK``, ``'MARK``, ``50%``, ``start``, ``end``; without history say why not."""
        if not self.has_history:
            self.say(self.reasons.get("marks", "nothing is recorded here"))
        else:
            self.submit(f"goto {moment}")

    @property
    def has_history(self) -> bool:
        """Is there a recording of this run?"""
        return "marks" not in self.reasons

    def walk_time(self, name: str) -> None:
        """``back`` or ``forward`` in the history of moments."""
        command = self.session.table.find(name)
        assert command is not None
        self._expect(command, "")
        self.worker.submit(name, "key")

    def show_marks(self) -> None:
        """The list of marks."""
        if not any(isinstance(sheet.body, Marks) for sheet in self.sheets):
            self.open_sheet("Marks", Marks(), "⏎ go there   Del take away   Esc close")

    def show_memory(self, address: int) -> None:
        """Memory at an address."""
        memory = self.desk.panes["memory"]
        assert isinstance(memory, Memory)
        self.focus_pane("memory")
        memory.go(address)

    def filtered_pane(self) -> Trace | RelocationsPane:
        """The pane that ``&`` filters by its own words."""
        pane = self.last_pane if isinstance(self.last_pane, RelocationsPane) else self.desk.panes["trace"]
        assert isinstance(pane, (Trace, RelocationsPane))
        return pane

    def filter_trace(self, text: str) -> None:
        """Filter the trace and go there."""
        trace = self.desk.panes["trace"]
        assert isinstance(trace, Trace)
        self.focus_pane("trace")
        trace.filter(text)

    # ---- sheets ----

    def open_sheet(self, title: str, body: Rows, keys: str = "Esc close   y copy") -> None:
        """Lay a sheet over the panes."""
        sheet = Sheet(title, body, keys)
        self.sheets.append(sheet)
        self.screen.mount(sheet)
        self.call_after_refresh(self._sheet_ready, body)

    def _sheet_ready(self, body: Rows) -> None:
        if body.is_attached:
            self.set_focus(body)
            self.ask(body)

    def close_sheet(self) -> bool:
        """Close the topmost; False when there is none."""
        if not self.sheets:
            return False
        self.sheets.pop().remove()
        self.restore_focus()
        self.update_wants()
        return True

    def close_sheets(self) -> None:
        """Close them all."""
        while self.sheets:
            self.sheets.pop().remove()

    def inspect(self, expression: str, value: int | None = None) -> None:
        """The inspector on an expression."""
        if isinstance(self.sheets[-1].body if self.sheets else None, Inspector):
            self.close_sheet()
        thread = self._thread()
        title = f"Capability ╱ {expression.removeprefix('$')}, thread {thread}"
        self.open_sheet(title, Inspector(expression), "Esc close  = set  x memory  y copy")

    def _thread(self) -> str:
        """The selected thread's name."""
        return self.status.thread.removeprefix("thread ") if self.status is not None else ""

    def show_grants(self, badge: str, name: str) -> None:
        """What a compartment was given."""
        self.open_sheet(f"Compartment {badge} {name} ╱ capabilities at entry", Grants(badge))

    def show_call(self, call: TraceRow) -> None:
        """A whole call: in its pane when that is shown, else in a sheet."""
        if "call" in self.desk.shown():
            self.focus_pane("call")
        else:
            self.open_sheet(f"Call {call.number} ╱ {call.name}", CallDetail(call))

    def explain(self) -> None:
        """Why did it stop."""
        if any(isinstance(sheet.body, Explain) for sheet in self.sheets):
            return
        tick = f", tick {self.status.tick}" if self.status is not None and self.status.tick is not None else ""
        thread = f" ╱ thread {self._thread()}" if self._thread() else ""
        self.open_sheet(f"Why did it stop?{thread}{tick}", Explain())

    def help_pane(self) -> None:
        """F1."""
        pane = self.sheets[-1].body if self.sheets else self.last_pane
        if pane is not None and not isinstance(pane, Help):
            self.open_sheet(f"Help ╱ {pane.title}", Help(pane_help(pane, self.size.width)))

    def help_keys(self) -> None:
        """``?``."""
        cells = min(self.size.width, 108)
        self.open_sheet("Help ╱ all keys", Help(all_keys(self.session.table, cells)))

    # ---- lines ----

    def say(self, sentence: str, role: str = "fg") -> None:
        """One sentence above the key line, kept in the console."""
        self.session.console.say(sentence)
        self.notice.say(sentence, role)
        self.ask(self.desk.panes["console"])

    def why_not(self, command: Command) -> str | None:
        """Why a command cannot be used now."""
        if self.worker.busy and set(command.needs) & set("srbh") and not command.screen:
            return RUNNING
        return self.reasons.get(command.name)

    def submit(self, line: str, source: str = "key") -> None:
        """Carry out a line: here when it is the screen's, else by the worker."""
        try:
            command, rest = self.session.table.resolve(line) if line.strip() else (None, "")
        except UserError:
            self.worker.submit(line, source)  # the worker says what is wrong with it
            return
        if command is not None:
            reason = self.why_not(command)
            if reason is not None:
                self._refuse(line, source, reason)
                return
            if screen_commands.carry_out(self, command, rest):
                return
            self._expect(command, rest)
        elif self.worker.busy:
            self._refuse(line, source, RUNNING)
            return
        self.worker.submit(line, source)

    def _refuse(self, line: str, source: str, reason: str) -> None:
        if source == "prompt":
            self.session.console.say(f"(cvmdbg) {line}", "prompt")
        self.say(reason)

    def _expect(self, command: Command, rest: str) -> None:
        """The place will change: Code follows it, Memory tells changes against what it shows."""
        moves = moves_in_time(command, rest)
        if moves:
            self.set_timer(SLOW, self._tell_busy)
        if moves or "r" in command.needs or command.name in FOLLOWS:
            memory = self.desk.panes["memory"]
            assert isinstance(memory, Memory)
            self.code.follow()
            if moves or "r" in command.needs:
                memory.new_stop()
            self.close_explanation()
            self.update_wants()

    def _tell_busy(self) -> None:
        """What takes longer than a moment says so, with how far it has come, until it is done."""
        busy = self.worker.busy and not self.running
        if self.status_row.busy or busy:
            self.status_row.show_busy(self.session.progress() if busy else None)
        if busy:
            self.set_timer(SLOW, self._tell_busy)

    def close_explanation(self) -> None:
        """An explanation is of one stop."""
        for sheet in [s for s in self.sheets if isinstance(s.body, Explain)]:
            self.sheets.remove(sheet)
            sheet.remove()
            self.restore_focus()

    def send_input(self, content: bytes | None) -> None:
        """Standard input for the guest; one that waits goes on."""
        self.worker.send_input(content)
        if self.status is not None and self.status.state == "wait" and not self.worker.busy:
            self.submit("continue")

    def toggle_break(self, address: int, present: bool) -> str:
        """The line that sets a breakpoint at an address, or takes it away."""
        return f"clear *{address:#x}" if present else f"break *{address:#x}"

    # ---- keys ----

    async def on_event(self, event: events.Event) -> None:
        """Keys are carried out here, in the order in which they come; Textual would queue them at the widgets."""
        ours = isinstance(event, events.Key) and not event.is_forwarded and len(self.screen_stack) == 1
        if not ours or not self.is_running:
            await super().on_event(event)
            return
        assert isinstance(event, events.Key)
        if not await self._check_bindings(event.key, priority=True):
            await self._take_key(event)

    async def _take_key(self, event: events.Key) -> None:
        """The focused widget's own keys, then the prompt's text, then the screen's keys and the table's."""
        focused = self.focused
        own = focused._bindings.key_to_bindings.get(event.key, ()) if focused is not None else ()
        if isinstance(focused, Jump):
            focused.take_key(event.character or "")
        elif focused is not None and own:
            self._clear_notice(focused)
            await self.run_action(own[0].action, focused)
        elif isinstance(focused, Entry) and not _is_function_key(event.key):
            await focused._on_key(event)
        else:
            self._press_key(event.key)

    def _clear_notice(self, focused: Widget) -> None:
        """A sentence stands until the next key; at the prompt until the text changes."""
        if not isinstance(focused, Entry):
            self.notice.clear()
            self._sure = ""

    def _press_key(self, key: str) -> None:
        self.notice.clear()
        sure, self._sure = self._sure, ""
        act = screen_commands.KEYS.get(key)
        name = self.bound.get(key)
        if act is not None:
            act(self)
        elif name is not None:
            command = self.session.table.find(name)
            assert command is not None
            self.press(command, sure, key in BIGGER)

    def press(self, command: Command, sure: str = "", bigger: bool = False) -> None:
        """A command's key; ``bigger``: the one for the larger events of a pane."""
        reason = self.why_not(command)
        if reason is not None:
            self.say(reason)
            return
        if command.name in ("quit", "run") and sure != command.name and self._asks(command.name):
            return
        pane = self._focused_rows()
        line = pane.line_for(command.name) if pane is not None else None
        if line is None and pane is not None and command.name in ("next-event", "previous-event") and pane.event:
            line = f"{command.name} {(bigger and pane.bigger) or pane.event}"
        if line is not None:
            if line:
                self.submit(line)
            return
        prefill = pane.prefill_for(command.name) if pane is not None and hasattr(pane, "prefill_for") else None
        if prefill is not None:
            self.open_prompt(":", prefill)
            return
        self.choose(command)

    def _asks(self, name: str) -> bool:
        """Before something is lost the same key is asked for again."""
        live = (
            self.status is not None
            and self.status.state in ("stop", "wait", "fault", "past", "diverted")
            and bool(self.status.tick)
        )
        if not live or not self.session.settings.on("confirm"):
            return False
        self._sure = name
        what = "q again leaves: the guest lives" if name == "quit" else "r again starts over: the guest lives"
        self.notice.say(what, "mark")
        return True

    def choose(self, command: Command) -> None:
        """A command from its key or the palette: at once, or with the prompt open for its arguments."""
        reason = self.why_not(command)
        if reason is not None:
            self.say(reason)
        elif command.name in screen_commands.NAMES:
            screen_commands.carry_out(self, command, "")
        elif _wants_arguments(command):
            self.open_prompt(":", f"{command.name} ")
        else:
            self.submit(command.name)

    def _focused_rows(self) -> Rows | None:
        focused = self.focused
        return focused if isinstance(focused, Rows) else self.last_pane

    def action_stop(self) -> None:
        """Ctrl-C: stops the guest, cancels what is busy, else says so. It never quits."""
        if self.worker.interrupt():
            self._asked_to_stop += 1
            self.status_row.stopping = True
            self.status_row.refresh()
            self.set_timer(NO_ANSWER, self._no_answer)
        else:
            self.notice.say("nothing runs; q quits")

    def _no_answer(self) -> None:
        if self._asked_to_stop and self.worker.busy:
            self.notice.say("asked to stop, no answer yet")

    def action_quit_now(self) -> None:
        """Ctrl+Q: as q, from everywhere."""
        command = self.session.table.find("quit")
        if command is None or self._sure == "quit" or not self._asks("quit"):
            self.exit(0)

    def action_jump(self) -> None:
        """Ctrl+O: letters on panes and tabs."""
        if self.screen is not self.screen_stack[0] or self.query(Jump):
            return
        self.close_sheets()
        if self.prompt.is_open:
            self.prompt.leave()
        places = {i: at for i in self.desk.panes if (at := self.desk.title_of(i)) is not None}
        letters = assign(list(places), {"map": "m"})
        targets = {letter: (ident, *places[ident]) for ident, letter in letters.items()}
        self.screen.mount(Jump(targets))

    # ---- prompt ----

    def open_prompt(self, sign: str, text: str = "") -> None:
        """Open the prompt on a text."""
        self.notice.clear()
        self.prompt.begin(sign, text)

    def entered(self, kind: str, text: str) -> None:
        """A line was entered at the prompt. ``kind``: line, input, search, filter."""
        if kind == "search":
            pane = self._searched
            self.prompt.leave()
            if pane is not None and not text:
                pane.found("", ())
            return
        self.prompt.leave()
        if kind == "line":
            self.submit(text, "prompt")
        elif kind == "input":
            self.send_input((text + "\n").encode())
        else:
            self.apply_filter(text)

    def on_prompt_typed(self, message: Prompt.Typed) -> None:
        """Search as you type."""
        if message.kind == "search" and self._searched is not None:
            self.search(self._searched, message.text)

    def begin_search(self) -> None:
        """``/`` in the focused pane."""
        self._searched = self._focused_rows()
        self.open_prompt("/")

    def search(self, pane: Rows, needle: str) -> None:
        """Look for a text in a pane's rows, on the worker."""
        ident = next((i for i, shown in self.visible_panes() if shown is pane), None)
        if ident is None:
            return
        if not needle:
            pane.found("", ())
        else:
            rows = pane.search_rows()
            self.worker.search(ident, needle, None if rows is None else tuple(rows))

    def search_left(self) -> None:
        """The search box closed: the hits stay."""
        self._searched = None

    def apply_filter(self, text: str) -> None:
        """``&``: the trace filters by its words, other lists show hits."""
        pane = self.last_pane
        if isinstance(pane, RelocationsPane):
            pane.filter(text)
        elif isinstance(pane, (Trace, Summary, CallDetail)):
            self.filter_trace(text)
        elif pane is not None:
            self.search(pane, text)

    # ---- pieces of Textual ----

    def copy(self, text: str, what: str) -> None:
        """Text to the clipboard (OSC 52)."""
        self.copy_to_clipboard(text)
        self.notice.say(f"copied {what}", "dim")

    def get_system_commands(self, screen: Any) -> Iterable[Any]:
        """Textual's own commands are not ours."""
        return ()

    def on_resize(self, event: events.Resize) -> None:
        """What lies above the panes finds its place again."""
        self.notice.lay()
        if self.prompt.is_open:
            self.prompt.place()
        for sheet in self.sheets:
            sheet.lay()
        self.call_after_refresh(self._ask_those_left, set())


def moves_in_time(command: Command, rest: str) -> bool:
    """Does a command go to another moment of the recording?"""
    return command.name in ("back", "forward") or "h" in command.needs or (command.name == "goto" and is_time(rest))


def _is_function_key(key: str) -> bool:
    """F1 … F24, with or without modifiers: they work inside the prompt, too."""
    last = key.rpartition("+")[2]
    return last[:1] == "f" and last[1:].isdigit()


def _wants_arguments(command: Command) -> bool:
    """Do its arguments begin with one that cannot be left out?"""
    return command.name in ASKED or (bool(command.arguments) and not command.arguments.startswith("["))


def run_app(session: Session) -> int:
    """Show the screen until it is left; the exit status: 0, 1 (user error), 2 (target error)."""
    folder = Path(platformdirs.user_state_dir("cvmdbg", appauthor=False))
    app = CvmApp(session, folder)
    sys.setswitchinterval(SWITCH)
    status = app.run()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    return app.return_code or status or 0
