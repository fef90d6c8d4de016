"""Rows of the smaller panes: status, threads, backtrace, locals, memory, modules, trace, displays."""

from __future__ import annotations

from cvmdbg.analysis.compartments import Pointers, map_rows
from cvmdbg.analysis.crossings import Entry, pair_text
from cvmdbg.analysis.displays import displayed
from cvmdbg.analysis.filter import Filter
from cvmdbg.analysis.pointing import points_at, stack_room
from cvmdbg.debugger import Debugger
from cvmdbg.dynamic import Dynamic
from cvmdbg.elf import ElfImage
from cvmdbg.forms import VALUE, capability_text, hexa
from cvmdbg.frames import Frame
from cvmdbg.rows import (
    BreakpointRow,
    DisplayRow,
    FrameRow,
    LocalRow,
    MapRow,
    MemoryRow,
    ModuleRow,
    Status,
    SummaryRow,
    ThreadRow,
    TraceRow,
)
from cvmdbg.target import Stop, StopKind, TargetError, Thread, ThreadState, Unknown, UserError, absence
from cvmdbg.types_c import spelling
from cvmdbg.values import number_in, show
from emulator_core.capability import Capability, seal_name

GRANULE = 16

# ---- status ----


def status(debugger: Debugger, session: str, kind: str) -> Status:
    """The status row."""
    stop = debugger.target.stop
    thread = stop.thread if debugger.thread < 0 else debugger.thread
    if thread < 0:
        return Status(session, kind, _state(debugger), _why(debugger, kind), "", None, "", stop.tick, _exit(stop))
    place = _place(debugger, thread)
    links = debugger.trace.open_links(thread)
    entered = debugger.places.label(links[-1].source) if links and links[-1].source != "M" else None
    name = f"thread {debugger.thread_name(thread)}"
    return Status(session, kind, _state(debugger), _why(debugger, kind), place, entered, name, stop.tick, _exit(stop))


def _place(debugger: Debugger, thread: int) -> str:
    """Where a thread is: its compartment, else the name of its code; empty when that was not seen."""
    pc = debugger.known_pc(thread)
    if pc is None:
        return ""
    badge = debugger.places.badge(pc)
    named = debugger.symbols.name_at(pc)
    return debugger.places.label(badge) if badge else (named.text if named is not None else hexa(pc))


def _state(debugger: Debugger) -> str:
    stop, history = debugger.target.stop, debugger.target.history
    for kind, word in (
        (StopKind.LOST, "lost"),
        (StopKind.RUNNING, "run"),
        (StopKind.EXIT, "exit"),
        (StopKind.FAULT, "fault"),
        (StopKind.WAITING, "wait"),
    ):
        if stop.reason(kind) is not None:
            return word
    return "stop" if history is None or history.where == "live" else history.where


FIRST = {"remote": "it stands", "hand-off": "taken over"}
"""What there is to say of a target that was not let run yet, by its kind."""


def _why(debugger: Debugger, kind: str) -> str:
    if debugger.halt is not None:
        return debugger.halt.text
    said = next((r.detail for r in debugger.target.stop.reasons if r.detail), "")
    return said or FIRST.get(kind, "deployed, not started")


def _exit(stop: Stop) -> int | None:
    reason = stop.reason(StopKind.EXIT)
    return reason.status if reason is not None else None


# ---- the map ----


def compartment_rows(debugger: Debugger, unfolded: frozenset[str], folded: frozenset[str]) -> tuple[MapRow, ...]:
    """The Compartments pane."""
    return map_rows(debugger.places, _pointers(debugger), unfolded, folded)


def _pointers(debugger: Debugger) -> Pointers:
    thread = debugger.thread
    if thread < 0 or debugger.known_pc(thread) is None:
        return Pointers()
    frame = debugger.frames(1)[0]
    if debugger.target.arch == "x86_64":
        return Pointers(frame.pc, None, frame.sp, None)
    read = debugger.target.read_register
    ddc, tp = Capability(read(thread, "ddc")), Capability(read(thread, "ctpidr"))
    return Pointers(debugger.pc(thread), ddc.base if ddc.tag else None, frame.sp, tp.value if tp.tag else None)


# ---- threads and frames ----

_STATES = {
    ThreadState.RUNNING: "running",
    ThreadState.RUNNABLE: "runnable",
    ThreadState.WAITING: "waits",
    ThreadState.EXITED: "exited",
    ThreadState.UNKNOWN: "?",
}


def thread_rows(debugger: Debugger) -> tuple[ThreadRow, ...]:
    """The Threads pane."""
    return tuple(_thread_row(debugger, thread) for thread in debugger.threads())


def _thread_row(debugger: Debugger, thread: Thread) -> ThreadRow:
    pc = debugger.known_pc(thread.number)
    ids = {name: hexa(value) if name in ("pthread", "tid") else str(value) for name, value in thread.ids.items()}
    room = "" if pc is None else stack_room(debugger, _stack_pointer(debugger, thread.number))
    note = "the stack is on the heap !" if room.startswith("heap") else ""
    return ThreadRow(
        number=thread.number,
        name=thread.name,
        host=ids.get("host", "—"),
        libos=ids.get("libos", ids.get("tid", "—")),
        pthread=ids.get("pthread", "—"),
        state=_thread_state(debugger, thread),
        badge="?" if pc is None else debugger.places.badge(pc),
        stack=room,
        note=note,
        selected=thread.number == debugger.thread,
    )


def _thread_state(debugger: Debugger, thread: Thread) -> str:
    halt = debugger.halt
    if halt is not None and halt.stop.thread == thread.number and thread.state is ThreadState.RUNNING:
        if halt.number is not None:
            return f"break {halt.number}"
        return {"fault": "fault", "waiting": "reads input", "exit": "ended"}.get(halt.kind, "stopped")
    if thread.state is ThreadState.WAITING:
        return thread.reason or "waits"
    told = thread.state in (ThreadState.EXITED, ThreadState.UNKNOWN) and thread.reason
    return thread.reason if told else _STATES[thread.state]


def _stack_pointer(debugger: Debugger, number: int) -> int:
    from cvmdbg.frames import Unwinder

    unwinder = Unwinder(debugger.target, debugger.symbols, debugger.places, debugger.trace)
    return unwinder.innermost(number).sp or 0


def frame_rows(debugger: Debugger, limit: int) -> tuple[FrameRow, ...]:
    """The Backtrace pane."""
    chosen = debugger.selected_frame
    return tuple(_frame_row(debugger, frame, frame.number == chosen) for frame in debugger.frames(limit))


def _frame_row(debugger: Debugger, frame: Frame, selected: bool) -> FrameRow:
    named = debugger.symbols.name_at(frame.place)
    line = debugger.symbols.line_at(frame.place)
    function = hexa(frame.pc)
    if named is not None:
        offset = frame.pc - named.start
        function = f"{named.name}+{offset}" if offset else named.name
    return FrameRow(
        number=frame.number,
        badge=frame.badge,
        function=function,
        address=frame.pc,
        module=named.module if named is not None else "",
        source=f"{line.file}:{line.number}" if line is not None else "",
        crossing=crossing_text(frame),
        selected=selected,
        sure=frame.sure,
    )


def crossing_text(frame: Frame) -> str | None:
    """``BLRS c29,c22,c23  s4 pair  16 ← 17``: how the younger frame was entered from this one."""
    if frame.link is None:
        return None
    crossing = frame.link.crossing
    how = f"BLRS c29,c{crossing.cn},c{crossing.cm}" if crossing.cm >= 0 else f"branch to c{crossing.cn}"
    seal = seal_name(Capability(crossing.target).otype)
    kind = "pair" if crossing.kind == "pair" else crossing.kind
    return f"{how}  {seal} {kind}  {frame.link.target} ← {frame.link.source}"


def local_rows(debugger: Debugger) -> tuple[LocalRow, ...]:
    """Arguments and locals of the selected frame."""
    scope = debugger.scope()
    found = scope.function()
    if found is None or not found[0].c_like:
        frame = debugger.frame()
        if found is not None:
            raise UserError(f"{found[0].name} is assembly: it has no locals; info registers shows its registers")
        raise UserError(f"no locals here: {debugger.symbols.source_gap(frame.place)}")
    rows: dict[str, LocalRow] = {}
    for variable in scope.variables():
        try:
            value = show(scope.variable_value(variable), scope)
        except (UserError, TargetError) as error:
            value = f"<{str(error).splitlines()[0]}>"
        rows[variable.name] = LocalRow(variable.name, spelling(variable.type), value, variable.kind)
    return tuple(rows.values())


def breakpoint_rows(debugger: Debugger) -> tuple[BreakpointRow, ...]:
    """The Breakpoints pane."""
    return tuple(b.row for b in debugger.breakpoints)


# ---- memory ----


def memory_rows(debugger: Debugger, address: int, count: int) -> tuple[MemoryRow, ...]:
    """``count`` granules."""
    start = address & ~(GRANULE - 1) & VALUE
    return tuple(_memory_row(debugger, start + GRANULE * i & VALUE) for i in range(count))


def _memory_row(debugger: Debugger, address: int) -> MemoryRow:
    try:
        content = debugger.target.read(address, GRANULE)
    except TargetError as error:
        return MemoryRow(address, None, None, None, absence(error))
    bits = _granule(debugger, address)
    if bits is None:
        return MemoryRow(address, content, None, None, _ascii(content))
    if not bits >> 128:
        return MemoryRow(address, content, False, None, _ascii(content))
    badge, text = points_at(debugger, bits)
    shown = f"{capability_text(bits)} {badge} {text}".rstrip()
    return MemoryRow(address, content, True, bits, shown)


def _granule(debugger: Debugger, address: int) -> int | None:
    """With its tag; None where the target tells no tags, or did not at this stop."""
    power = debugger.target.capabilities
    try:
        return None if power is None else power.read(address)
    except Unknown:
        return None


def _ascii(content: bytes) -> str:
    return "".join(chr(b) if 32 <= b < 127 else "." for b in content)


# ---- modules, trace, displays ----


def module_rows(debugger: Debugger, dynamics: dict[int, Dynamic]) -> tuple[ModuleRow, ...]:
    """The Modules pane; ``dynamics`` keeps what is parsed of their files."""
    rows = []
    for entry in sorted(debugger.symbols.loaded, key=lambda e: e.module.base):
        known = "none" if entry.image is None else "symbols"
        if entry.debug is not None and entry.debug.present:
            known = "dwarf"
        module = entry.module
        state = " ".join(s for s in (entry.state, _twin(entry.twin), entry.trouble) if s)
        asks = _asks(entry.image, dynamics)
        rows.append(
            ModuleRow(module.name, module.base, module.size, module.compartment, module.path, known, state, *asks)
        )
    return tuple(rows)


def _asks(image: ElfImage | None, dynamics: dict[int, Dynamic]) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Segments, libraries and relocations of a file; nothing of one that is broken, which its row says."""
    if image is None:
        return (), (), 0
    dynamic = dynamics.setdefault(id(image), Dynamic(image))
    try:
        return tuple(s.flags for s in image.segments), dynamic.needed, len(dynamic.relocations)
    except UserError:
        return (), (), 0


def _twin(twin: ElfImage | None) -> str:
    return f"symbols from {twin.name}" if twin is not None else ""


def trace_rows(debugger: Debugger, start: int, count: int | None, only: str) -> tuple[TraceRow, ...]:
    """Rows of the trace."""
    entries = debugger.trace.entries
    if only.strip():
        wanted = Filter(only, debugger.thread_name)
        entries = [e for e in entries if wanted.takes(e)]
    end = None if count is None else start + count
    return debugger.trace.rows(entries[start:end], debugger.thread_name)


def summary_rows(debugger: Debugger) -> tuple[SummaryRow, ...]:
    """The Summary pane."""
    return debugger.trace.summary()


def call_lines(entry: Entry) -> tuple[str, ...]:
    """One call in full."""
    lines = [f"{entry.call} {entry.result}".rstrip() + f"  {entry.path}"]
    if entry.crossing is not None:
        lines.append(f" crossing {hexa(entry.crossing.pc)} → {hexa(entry.crossing.to)}  {pair_text(entry.crossing)}")
    lines += [f" {row.text}" for row in entry.arguments]
    return tuple(lines)


def display_rows(debugger: Debugger) -> tuple[DisplayRow, ...]:
    """Expressions shown at every stop."""
    rows = []
    for number, (form, expression) in debugger.displays.items():
        try:
            shown = displayed(debugger, form, expression)
        except (UserError, TargetError) as error:
            shown = f"<{str(error).splitlines()[0]}>"
        rows.append(DisplayRow(number, f"/{form} {expression}" if form else expression, shown))
    return tuple(rows)


def plain_number(number: int, debugger: Debugger) -> str:
    """A number in hex with its name."""
    return number_in("a", number, 8, debugger.scope())
