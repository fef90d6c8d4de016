"""Running and stepping the shipped guests: lines, calls, crossings, threads, stops."""

from __future__ import annotations

import threading
import time

import pytest

from cvmdbg.commands.table import Progress, Result
from cvmdbg.session import Session
from cvmdbg.target import UserError
from tests.debugger.conftest import Open


def place(session: Session) -> tuple[str, str]:
    """Badge and function+offset of the innermost frame."""
    row = session.frame_rows(1)[0]
    return row.badge, row.function


def line(session: Session) -> str:
    """The source line of the innermost frame."""
    return session.frame_rows(1)[0].source


def test_steps_by_line_enter_calls_and_next_does_not(opened: Open) -> None:
    session = opened("hello", "break main.c:74", "run")
    session.execute("step")
    assert place(session) == ("16", "print_point+16")
    session.execute("next")
    assert line(session) == "hybrid/hello/main.c:29"
    session.execute("finish")
    assert place(session) == ("16", "cvm_main+220")
    assert line(session) == "hybrid/hello/main.c:76"
    session.execute("next")
    assert line(session) == "hybrid/hello/main.c:77"


def test_step_goes_through_a_procedure_linkage_stub(opened: Open) -> None:
    session = opened("libhello", "break app1.S:38", "run", "step")
    assert place(session) == ("17", "puts")


def test_stepi_and_nexti(opened: Open) -> None:
    session = opened("hello", "tbreak *fibonacci+44", "run")
    assert session.code(count=1, before=0).rows[0].mnemonic == "bl"
    session.execute("nexti")
    assert place(session) == ("16", "fibonacci+48")
    session.execute("tbreak *fibonacci+44")
    session.execute("continue")
    session.execute("stepi")
    assert place(session) == ("16", "fibonacci")


def test_step_enters_a_crossing_and_next_goes_over_it(opened: Open) -> None:
    session = opened("libhello", "break *'libldso.so'::c_out+64", "run")
    assert session.code(count=1, before=0).rows[0].mnemonic == "blrs"
    depth = len(session.live.trace.open_links(session.live.thread))
    session.execute("nexti")
    assert place(session) == ("17", "ret_from_monitor")
    assert len(session.live.trace.open_links(session.live.thread)) == depth
    session.execute("continue")
    session.execute("step")
    assert place(session) == ("16", "syscall_handler")
    assert session.status().entered == "17 ldso"
    session.execute("finish")
    assert place(session) == ("17", "ret_from_monitor")


def test_from_the_apps_call_into_the_libos_and_back(opened: Open) -> None:
    session = opened("libhello", "break libhello", "run", "delete", "break *'libldso.so'::c_out+64", "continue")
    functions = [row.function.split("+")[0] for row in session.frame_rows()]
    assert functions[:3] == ["c_out", "flush_line", "print_char"] or "libhello" in functions
    session.execute("step")
    assert place(session) == ("16", "syscall_handler")
    rows = session.frame_rows()
    assert rows[1].crossing == "BLRS c29,c22,c23  s4 pair  16 ← 17"
    assert [row.badge for row in rows][-1] == "M"
    call = session.trace_rows()[-1]
    assert (call.path, call.name, call.inside) == ("17→16", "writev", True)
    assert "hello world" in call.call
    for _ in range(200):
        session.execute("next")
        if session.frame_rows(1)[0].badge == "17":
            break
    assert place(session) == ("17", "ret_from_monitor")
    assert session.trace_rows()[call.number - 1 :][0].path == call.path
    done = next(row for row in session.trace_rows() if row.layer == 0 and row.number == call.number)
    assert (done.inside, done.result) == (False, "= 21")


def test_the_monitor_is_entered_too(opened: Open) -> None:
    session = opened("hello", "break *c_out+56", "run", "stepi")
    assert place(session) == ("M", "hostcall_asm")
    crossings = [row.crossing for row in session.frame_rows() if row.crossing]
    assert crossings == ["BLRS c29,c22,c23  s4 pair  M ← 16", "BLRS c29,c0,c1  s4 pair  16 ← M"]
    session.execute("finish")
    assert place(session) == ("16", "ret_from_monitor")


def test_finish_shows_the_value_and_keeps_it(opened: Open) -> None:
    session = opened("hello", "break fibonacci if n == 3", "run")
    result = session.execute("finish")
    assert result.lines[-1] == "value returned is $1 = 2"
    assert session.execute("print $ * 2").text == "$2 = 4"


def test_finish_of_an_outer_frame(opened: Open) -> None:
    session = opened("hello", "break fibonacci if n == 7", "run", "up")
    assert session.execute("finish").lines[-1] == "value returned is $1 = 21"


def test_finish_has_its_end(opened: Open) -> None:
    session = opened("hello", "start")
    with pytest.raises(UserError, match="finish is not meaningful"):
        session.execute("frame 1")
        session.execute("finish")


def test_until_leaves_a_loop(opened: Open) -> None:
    session = opened("hello", "break main.c:61", "run", "delete")
    session.execute("until")
    assert line(session) == "hybrid/hello/main.c:65"


def test_advance_and_until_a_place(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run", "delete")
    session.execute("advance main.c:79")
    assert line(session) == "hybrid/hello/main.c:79"
    session = opened("hello", "break fibonacci if n == 2", "run", "delete")
    session.execute("until print_point")  # never called again: stops where the frame returns
    assert place(session)[1].startswith("fibonacci+")


def test_start_stops_at_the_entry_of_the_named_cvm(opened: Open) -> None:
    session = opened("libhello", "start")
    assert place(session) == ("17", "_dlstart")
    session.execute("start 16")
    assert place(session) == ("16", "_start")


def test_next_events(opened: Open) -> None:
    session = opened("libhello", "start")
    assert "crossing 17 → 16 write" in session.execute("next-event").lines[0]
    assert "crossing 16 → M write_out" in session.execute("next-event hostcall").lines[0]
    assert "crossing M → 16 write_out = 0" in session.execute("next-event return").lines[0]
    assert session.execute("next-event load").lines[0].startswith("■ loaded app1, libso_test.so")
    with pytest.raises(UserError, match="the next what"):
        session.execute("next-event relocation")


def test_continue_to_the_next_crossing(opened: Open) -> None:
    session = opened("libhello", "break 17:c_out", "run", "delete", "continue to the next crossing")
    assert place(session)[1].startswith("syscall_handler")
    session.execute("continue to next hostcall")
    assert place(session)[1].startswith("hostcall_asm")
    with pytest.raises(UserError, match="the next what"):
        session.execute("continue to the next monday")


def test_next_event_thread(opened: Open) -> None:
    session = opened("threads", "break worker", "run", "delete")
    before = session.live.thread
    session.execute("next-event thread")
    assert session.live.thread != before


# ---- threads ----


def test_a_step_stays_with_its_thread_while_others_follow_the_schedule(opened: Open) -> None:
    session = opened("threads", "break worker", "run", "delete")
    mine = session.live.thread
    for _ in range(12):
        session.execute("next")
        assert session.live.thread == mine
    assert place(session)[1].split("+")[0] in ("worker", "thread_entry")


def test_stepping_over_a_wait_lets_the_others_run(opened: Open) -> None:
    session = opened("threads", "catch hostcall thread_join", "run")
    mine = session.live.thread
    session.execute("delete")
    session.execute("finish")
    assert session.live.thread == mine
    assert place(session) == ("16", "ret_from_monitor")
    assert session.execute("print counter").text == "$2 = 2000000"


def test_threads_by_any_of_their_ids(opened: Open) -> None:
    session = opened("threads", "break worker", "run")
    host = session.live.threads()[2].ids["host"]
    for text in ("16/2", "2", str(host)):
        session.execute("thread 0")
        session.execute(f"thread {text}")
        assert session.live.thread == 2
    with pytest.raises(UserError, match="there is no thread 99"):
        session.execute("thread 99")
    lines = session.execute("thread apply all print $pc").lines
    assert [row for row in lines if row.startswith("thread ")] == ["thread 16/0:", "thread 16/1:", "thread 16/2:"]


# ---- long runs ----


def endless(opened: Open) -> Session:
    """A guest that spins where it stands."""
    session = opened("hello", "break fibonacci", "run", "delete")
    session.execute(f"set *(int*){session.live.frame().pc:#x} = 0x14000000")  # b .
    return session


def test_a_run_gives_way_in_slices(opened: Open) -> None:
    session = endless(opened)
    steps = session.steps("continue")
    before = time.monotonic()
    ticks = [next(steps).tick or 0 for _ in range(10)]
    taken = time.monotonic() - before
    assert sorted(set(ticks)) == ticks
    assert taken < 3
    session.interrupt()
    with pytest.raises(StopIteration) as end:
        while True:
            assert isinstance(next(steps), Progress)
    assert isinstance(end.value.value, Result)
    assert end.value.value.lines[0].startswith("■ interrupted")


def test_interrupt_stops_an_endless_guest(opened: Open) -> None:
    session = endless(opened)
    pc = session.live.frame().pc
    threading.Timer(0.2, session.interrupt).start()
    before = time.monotonic()
    result = session.execute("continue")
    assert time.monotonic() - before < 3
    assert result.lines[0].startswith("■ interrupted")
    assert session.live.frame().pc == pc
    threading.Timer(0.2, session.interrupt).start()
    assert session.execute("stepi 1000000000").lines[0].startswith("■ interrupted")


def test_stepping_is_fast_enough_to_be_used(opened: Open) -> None:
    session = opened("libhello", "start")
    tick = session.live.target.stop.tick
    assert tick is not None
    session.execute("stepi 3000")
    assert session.live.target.stop.tick == tick + 3000


def test_the_end(opened: Open) -> None:
    session = opened("hello", "run")
    assert session.status().state == "exit"
    assert session.status().exit_status == 0
    for command in ("continue", "next", "stepi", "finish"):
        with pytest.raises(UserError, match="the guest has ended"):
            session.execute(command)
    session.execute("print origin")
    session.execute("break fibonacci")
    session.execute("run")
    assert place(session) == ("16", "fibonacci+16")
