"""Breakpoints, watchpoints and catchpoints on the shipped guests."""

from __future__ import annotations

import pytest

from cvmdbg.session import Session
from cvmdbg.target import UserError
from tests.debugger.conftest import Open


def where(session: Session) -> str:
    """Function+offset of the innermost frame."""
    return session.frame_rows(1)[0].function


def hits(session: Session, number: int) -> int:
    """How often a breakpoint was hit."""
    return next(row.hits for row in session.breakpoint_rows() if row.number == number)


def test_condition_ignore_and_count(opened: Open) -> None:
    session = opened("hello", "break fibonacci if n == 3", "run")
    assert session.execute("print n").text == "$1 = 3"
    assert hits(session, 1) == 1
    session.execute("condition 1")
    session.execute("ignore 1 10")
    session.execute("continue")
    assert hits(session, 1) == 12
    session.execute("continue 5")
    assert hits(session, 1) == 17
    session.execute("condition 1 n > 100")
    assert session.execute("continue").lines[-1].startswith("○ exited")


def test_a_condition_that_cannot_be_evaluated_stops_and_says_so(opened: Open) -> None:
    session = opened("hello", "break fibonacci if nothing > 3", "run")
    assert where(session) == "fibonacci+16"
    assert any("condition of breakpoint 1: no symbol 'nothing'" in row.line for row in session.output_rows())


def test_temporary_ones_go(opened: Open) -> None:
    session = opened("hello", "tbreak fibonacci", "run")
    assert session.status().reason == "temporary breakpoint 1, fibonacci+16"
    assert session.breakpoint_rows() == ()


def test_enable_disable_delete(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "break print_point", "disable 2", "run")
    assert where(session) == "fibonacci+16"
    session.execute("disable")
    session.execute("enable 1")
    session.execute("continue")
    assert where(session) == "fibonacci+16"
    session.execute("delete 1-2")
    assert session.execute("info breakpoints").lines == ("no breakpoints; b sets one",)
    with pytest.raises(UserError, match="no breakpoint 9"):
        session.execute("delete 9")


def test_two_breakpoints_share_a_site(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "break main.c:20", "delete 1", "run")
    assert session.status().reason.startswith("breakpoint 2")
    session.execute("delete 2")
    assert session.execute("continue").lines[-1].startswith("○ exited")


def test_only_one_thread(opened: Open) -> None:
    session = opened("threads", "catch hostcall mutex_lock", "run", "delete", "break c_out thread 16/1", "continue")
    assert session.live.thread == 1
    assert session.live.thread_name(1) == "16/1"


def test_only_one_compartment(opened: Open) -> None:
    session = opened("libhello", "break c_out in 17", "run")
    assert session.frame_rows(1)[0].badge == "17"
    assert session.breakpoint_rows()[0].badge == "17"


def test_command_lists(opened: Open) -> None:
    session = opened("hello", "break fibonacci if n == 5", "commands 1 print n * 2; info args", "run")
    session.execute("delete")
    session = opened("hello", "break fibonacci", "commands 1 silent; continue", "break main.c:79")
    result = session.execute("run")
    assert hits(session, 1) == 177
    assert "breakpoint 2" in result.text


def test_command_list_prints(opened: Open) -> None:
    session = opened("hello", "break fibonacci if n == 5", "commands 1 print n * 2")
    assert session.execute("run").lines[-1] == "$1 = 10"


def test_dprintf_goes_on(opened: Open) -> None:
    session = opened("hello", 'dprintf fibonacci,"n is %d\\n",n', "run")
    lines = [row.line for row in session.output_rows() if row.source == "debugger"]
    assert lines[:3] == ["n is 10", "n is 9", "n is 8"]
    assert len(lines) == 177


def test_displays(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run", "display n", "display/x calls")
    result = session.execute("continue")
    assert result.lines[-2:] == ("1: n = 9", "2: /x calls = 0x1")
    session.execute("undisplay 1")
    assert [row.number for row in session.display_rows()] == [2]


def test_displays_of_memory_follow_x(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run", "display/2i $pc", "display/2dw &origin")
    session.execute("display/s origin.label")
    code, words, text = (row.value for row in session.display_rows())
    assert "4000001fc" in code and "4000001fc" not in code.partition(";")[2]
    assert words == "3 4"
    assert text == '"origin"'


# ---- watchpoints ----


def test_watch_stops_behind_the_write_with_both_values(opened: Open) -> None:
    session = opened("hello", "watch calls", "run")
    assert session.live.halt is not None
    assert session.live.halt.lines == ("old value = 0", "new value = 1")
    assert "write by fibonacci+" in session.live.halt.text
    session.execute("continue")
    assert session.live.halt.lines == ("old value = 1", "new value = 2")


def test_watch_with_a_condition(opened: Open) -> None:
    session = opened("hello", "watch calls if calls == 50", "run")
    assert session.execute("print calls").text == "$1 = 50"


def test_watch_on_a_member_and_read_watch(opened: Open) -> None:
    session = opened("hello", "rwatch origin.y", "run")
    assert session.live.halt is not None
    assert where(session).startswith("print_point+")
    assert "read by print_point" in session.live.halt.text
    session = opened("hello", "awatch origin.label", "run")
    assert where(session).startswith("cvm_main+")
    session.execute("continue")
    assert where(session).startswith("print_point+")


def test_watch_the_tag_of_a_parked_capability(opened: Open) -> None:
    session = opened("faults", "watch -tag parked_capability", args=("overwrite",))
    session.execute("run")
    assert session.live.halt is not None
    assert session.live.halt.lines == ("tag of 400002690: set",)
    session.execute("continue")
    assert session.live.halt.lines == ("tag of 400002690: cleared",)
    assert where(session) == "partial_overwrite_of_parked_capability+36"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("watch", "watch what"),
        ("watch 5", "has no address"),
        ("watch $x0", "it is in"),
        ("catch", "catch what"),
        ("catch syscall nothing", "no syscall is called nothing"),
        ("condition", "needs the number"),
        ("ignore 1", "needs a number of times|no breakpoint 1"),
        ("break fibonacci if (", "operand is missing"),
        ("dprintf fibonacci", "dprintf needs"),
        ("commands", "no breakpoint yet"),
        ("break fibonacci thread 77", "there is no thread 77"),
        ("break *0x123450", "no breakpoint there: 0x123450 is not mapped"),
    ],
)
def test_mistakes(opened: Open, line: str, sentence: str) -> None:
    session = opened("hello", "stepi")
    with pytest.raises(UserError, match=sentence):
        session.execute(line)


def test_a_relative_address_is_no_place_for_a_breakpoint_and_the_sentence_says_what_is(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run")
    with pytest.raises(UserError, match="0x1fc is not mapped; in 16 it is 0x4000001fc: write 16:1fc"):
        session.execute("break *0x1fc")


def test_the_old_value_is_of_this_run_and_what_was_set(opened: Open) -> None:
    session = opened("hello", "watch calls", "run", "continue", "run")
    assert session.live.halt is not None
    assert session.live.halt.lines == ("old value = 0", "new value = 1")
    session.execute("set var calls = 40")
    session.execute("continue")
    assert session.live.halt.lines == ("old value = 40", "new value = 41")


def test_a_read_has_one_value(opened: Open) -> None:
    session = opened("faults", "rwatch parked_capability", args=("overwrite",))
    for said in ("0x400002670 [rwRW,0x400002670-0x400002680] <victim>", "(invalid) <victim>"):
        session.execute("continue" if said.startswith("(") else "run")
        assert session.live.halt is not None
        assert len(session.live.halt.lines) == 1
        assert session.live.halt.lines[0].startswith("value = ")
        assert session.live.halt.lines[0].endswith(said)


def test_watch_location_is_watch(opened: Open) -> None:
    session = opened("hello", "watch -location calls", "run")
    assert session.live.halt is not None
    assert session.live.halt.lines == ("old value = 0", "new value = 1")


# ---- catchpoints ----


def test_catch_a_system_call_by_name_and_number(opened: Open) -> None:
    session = opened("libhello", "catch syscall openat", "run")
    assert session.live.halt is not None
    assert 'syscall 17 → 16 openat(AT_FDCWD, "/app1"' in session.live.halt.text
    assert where(session) == "syscall_handler"
    session.execute("delete")
    session.execute("catch syscall 62")
    session.execute("continue")
    assert "lseek" in session.live.halt.text if session.live.halt else False


def test_catch_a_crossing_between_two(opened: Open) -> None:
    session = opened("libhello", "catch crossing 16 17", "run")
    assert session.live.halt is not None
    assert "crossing 16 → 17" in session.live.halt.text
    assert where(session) == "ret_from_monitor"


def test_catch_load(opened: Open) -> None:
    session = opened("dlopen", "catch load libplugin", "run")
    assert session.live.halt is not None
    assert session.live.halt.text == "catchpoint 1 (loaded libplugin.so, libso_test.so)"


def test_catch_fault_counts(opened: Open) -> None:
    session = opened("faults", "catch fault", "run")
    assert session.status().state == "fault"
    assert hits(session, 1) == 1


def test_a_failed_crossing_is_caught(opened: Open) -> None:
    session = opened("faults", "catch crossing", args=("blrs_types",))
    session.execute("run")
    for _ in range(8):
        if session.live.halt is not None and "BLRS" in session.live.halt.text:
            break
        session.execute("continue")
    assert session.live.halt is not None
    assert "✗ otype" in session.live.halt.text


def test_catch_reloc_stops_when_a_slot_is_bound_and_backwards_before_it(opened: Open) -> None:
    session = opened("libhello")
    assert session.execute("catch reloc puts").lines[1].startswith("no module in memory binds puts yet")
    session.execute("run")
    places = []
    for _ in range(2):
        halt = session.live.halt
        assert halt is not None and "write by relocate_table" in halt.text
        places.append((halt.text, halt.stop.tick))
        slot = int(halt.text.split("slot ")[1].split()[0], 16)
        row = next(row for row in session.relocation_rows(only="puts") if row.slot == slot)
        assert (row.state, halt.lines) == ("done", (row.text,))
        session.execute("continue")
    assert [text.split(" of ")[1].split(",")[0] for text, _ in places] == ["libso_test.so", "app1"]
    assert session.status().state == "exit" and hits(session, 1) == 2
    for text, tick in reversed(places):
        session.execute("reverse-continue")
        halt = session.live.halt
        assert halt is not None and tick is not None and (halt.text, halt.stop.tick) == (text, tick - 1)
        assert halt.lines[0].startswith("·") and "expected" in halt.lines[0]
    session.execute("run")
    assert session.live.halt is not None and session.live.halt.text == places[0][0]
    session.execute("disable 1")
    assert session.execute("continue").lines[-1].startswith("○ exited")


def test_catch_reloc_of_a_bound_slot_says_when_it_was(opened: Open) -> None:
    session = opened("libhello", "run")
    said = session.execute("catch reloc libhello").lines[1:]
    ticks = [int(line.rpartition(" tick ")[2].replace(",", "")) for line in said]
    assert len(ticks) == 2
    for tick in reversed(ticks):
        session.execute("reverse-continue")
        assert session.live.target.stop.tick == tick
    with pytest.raises(UserError, match="one SYMBOL"):
        session.execute("catch reloc")


def test_without_a_recording_catch_reloc_stops_too(opened: Open) -> None:
    session = opened("libhello", "catch reloc libhello", recording=False)
    session.execute("run")
    assert session.live.halt is not None and "slot 4400056b0 of app1" in session.live.halt.text
    assert "tick" not in session.execute("info relocations -when libhello").lines[1]
