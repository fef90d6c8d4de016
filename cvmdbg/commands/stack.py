"""Frames and threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvmdbg.analysis import panes
from cvmdbg.commands.report import current_lines, jsonable, table, where_line
from cvmdbg.commands.stops import thread_number
from cvmdbg.commands.table import Command, Json, Result, Steps
from cvmdbg.forms import hexa
from cvmdbg.target import TargetError, UserError

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "stack"


def backtrace(session: Session, text: str) -> Result:
    """Frames across compartments, with a line for each crossing between them."""
    text = text.strip()
    if text and not text.lstrip("-").isdigit():
        raise UserError("backtrace takes a number of frames")
    limit = abs(int(text)) if text else 200
    rows = panes.frame_rows(session.live, 4096 if text.startswith("-") else limit)
    if text.startswith("-"):
        rows = rows[-limit:]
    lines: list[str] = []
    for row in rows:
        if row.crossing:
            lines.append(f"      ╌╌ {row.crossing} ╌╌")
        lines.append(row.text)
    return Result(tuple(lines), [jsonable(row) for row in rows], "backtrace")


def _select(session: Session, number: int) -> Result:
    debugger = session.live
    frames = debugger.frames(max(64, number + 1))
    if not 0 <= number < len(frames):
        raise UserError(f"there is no frame {number}; the backtrace has {len(frames)}")
    debugger.selected_frame = number
    row = panes.frame_rows(debugger, number + 1)[number]
    return Result((row.text, *current_lines(debugger)), jsonable(row), "backtrace")


def _steps(session: Session, text: str) -> int:
    return session.live.evaluate(text).number if text.strip() else 1


def up(session: Session, text: str) -> Result:
    """To the caller."""
    debugger = session.live
    last = len(debugger.frames(4096)) - 1
    wanted = debugger.selected_frame + _steps(session, text)
    if debugger.selected_frame == last:
        raise UserError("this is the outermost frame")
    return _select(session, min(wanted, last))


def down(session: Session, text: str) -> Result:
    """To the callee."""
    if session.live.selected_frame == 0:
        raise UserError("this is the innermost frame")
    return _select(session, max(0, session.live.selected_frame - _steps(session, text)))


def frame(session: Session, text: str) -> Result:
    """Select a frame by number; alone, show the selected one."""
    return _select(session, session.live.evaluate(text).number if text.strip() else session.live.selected_frame)


def info_frame(session: Session, text: str) -> Result:
    """All of the selected frame."""
    debugger = session.live
    found = debugger.frame()
    cfa = debugger.cfa(found)
    row = panes.frame_rows(debugger, found.number + 1)[found.number]
    lines = [row.text.strip("▶ ")]
    lines.append(f" mode {found.mode.upper()}, pc {hexa(found.pc)} in {debugger.places.label(found.badge)}")
    if found.ddc_base or found.pcc_base:
        lines.append(
            f" addresses count from DDC.base {hexa(found.ddc_base)}, code from PCC.base {hexa(found.pcc_base)}"
        )
    lines.append(f" sp {'?' if found.sp is None else hexa(found.sp)}, cfa {'?' if cfa is None else hexa(cfa)}")
    frames = debugger.frames(found.number + 2)
    if len(frames) > found.number + 1:
        caller = frames[found.number + 1]
        lines.append(f" called by frame {caller.number} at {hexa(caller.pc)}")
        text_ = panes.crossing_text(caller)
        lines += [f" entered by {text_}"] if text_ else []
    saved = [name for name in frames[-1].known if frames[-1] is not found] if not found.live else []
    lines += [f" known registers: {' '.join(sorted(found.known))}"] if saved else []
    body: dict[str, Json] = {
        "number": found.number,
        "pc": hex(found.pc),
        "mode": found.mode,
        "compartment": found.badge,
        "sp": None if found.sp is None else hex(found.sp),
        "cfa": None if cfa is None else hex(cfa),
    }
    return Result(tuple(lines), body, "backtrace")


def info_locals(session: Session, text: str) -> Result:
    """Variables of the frame."""
    rows = [row for row in panes.local_rows(session.live) if row.kind == "local"]
    return table(rows, empty="no locals here", opens="locals")


def info_args(session: Session, text: str) -> Result:
    """Arguments of the frame."""
    rows = [row for row in panes.local_rows(session.live) if row.kind == "argument"]
    return table(rows, empty="no arguments", opens="locals")


# ---- threads ----


def info_threads(session: Session, text: str) -> Result:
    """All threads with their ids."""
    header = f"  {'slot':<6} {'host':<7} {'LibOS':<7} {'pthread':<10} {'state':<16} in  stack"
    return table(panes.thread_rows(session.live), header, "no thread has started", "threads")


def thread(session: Session, text: str) -> Result | Steps:
    """Select a thread by any of its ids; ``apply all COMMAND`` for each."""
    text = text.strip()
    if text.startswith("apply "):
        return _apply(session, text[len("apply ") :].strip())
    debugger = session.live
    if text:
        debugger.select_thread(thread_number(session, text))
    if debugger.thread < 0:
        raise UserError("no thread has started yet")
    row = next(r for r in panes.thread_rows(debugger) if r.selected)
    return Result((row.text, where_line(debugger), *current_lines(debugger)), jsonable(row), "threads")


def _apply(session: Session, text: str) -> Steps:
    which, _, line = text.partition(" ")
    debugger = session.live
    chosen = [t.number for t in debugger.threads()] if which == "all" else [thread_number(session, which)]
    if not line.strip():
        raise UserError("thread apply all COMMAND")
    before, lines, body = debugger.thread, [], []
    for number in chosen:
        debugger.select_thread(number)
        lines.append(f"thread {debugger.thread_name(number)}:")
        try:
            result = yield from session.nested(line)
            lines += [f" {text}" for text in result.lines]
            body.append(result.value)
        except (UserError, TargetError) as error:
            lines.append(f" {error}")
    debugger.select_thread(before)
    return Result(tuple(lines), body)


COMMANDS = (
    Command(
        "backtrace",
        "frames across compartments",
        ("bt", "where"),
        ("w",),
        "[N or -N]",
        "s",
        "Between frames of different compartments one line names the crossing. N innermost frames, or -N outermost.",
        ("backtrace", "bt 5", "bt -3"),
        backtrace,
    ),
    Command("up", "select the caller", (), ("u",), "[N]", "s", "", ("up",), up, repeats=True),
    Command("down", "select the callee", ("do",), ("d",), "[N]", "s", "", ("down",), down, repeats=True),
    Command("frame", "select a frame", ("f",), (), "[N]", "s", "", ("frame 2",), frame),
    Command("info frame", "all of the selected frame", ("info f",), (), "", "s", "", ("info frame",), info_frame),
    Command(
        "info locals", "variables of the frame", ("info lo",), ("v",), "", "s d", "", ("info locals",), info_locals
    ),
    Command("info args", "arguments of the frame", ("info ar",), (), "", "s d", "", ("info args",), info_args),
    Command(
        "info threads",
        "all four ids, state, wait reason",
        ("info th",),
        (),
        "",
        "s",
        "",
        ("info threads",),
        info_threads,
    ),
    Command(
        "thread",
        "select a thread",
        ("t",),
        (),
        "[ID] · apply all COMMAND",
        "s",
        "ID in any of the four spaces: 17/0, the debugger's number, host, LibOS or pthread id.",
        ("thread 17/0", "thread apply all bt 3"),
        thread,
        completes="thread",
    ),
)
