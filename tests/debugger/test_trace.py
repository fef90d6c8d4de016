"""The trace of calls, its filter and summary; compartments, explanations, the console."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from cvmdbg.analysis import crossings
from cvmdbg.analysis.console import Console
from cvmdbg.analysis.explain import explain
from cvmdbg.demo import ROOT
from cvmdbg.rows import TraceRow
from cvmdbg.target import UserError
from sessions.event import Output
from tests.debugger.conftest import Open

DESCRIPTORS = ("read", "write", "writev", "close", "openat", "lseek", "fstat")


def test_calls_are_paired_with_their_returns(opened: Open) -> None:
    rows = opened("files", "run").trace_rows()
    served = [row for row in rows if row.path == "17→16"]
    assert all(not row.inside for row in served if row.name not in ("exit", "exit_group"))
    opens = [row for row in served if row.name == "openat"]
    assert opens[0].call == 'openat(AT_FDCWD, "/app1", O_RDONLY)'
    assert opens[0].result == "= 3"
    failed = {row.name: row.result for row in served if row.failed}
    assert failed
    assert all(result.startswith("= -1 E") for result in failed.values())


def test_inner_layers_follow_their_call(opened: Open) -> None:
    rows = opened("libhello", "run").trace_rows()
    inner = [row for row in rows if row.layer == 1 and row.path == "16→M"]
    assert inner
    for row in inner:
        assert row.parent is not None
        parent = rows[row.parent]
        assert parent.path == "17→16"
        assert parent.tick < row.tick
        if row.name != "thread_exit":
            assert row.ticks is not None
            assert parent.ticks is None or parent.ticks > row.ticks


def test_read_shows_what_was_read(opened: Open) -> None:
    rows = opened("libhello", "run").trace_rows(only="call=read")
    assert '"\\x7fELF' in rows[0].call


def test_hybrid_pointers_say_both(opened: Open) -> None:
    row = opened("hello", "run").trace_rows(only="call=write_out")[0]
    assert row.call == 'write_out(1b28→400001b28 "hello from a hybrid cVM\\n", 24)'
    assert (row.result, row.path) == ("= 0", "16→M")


def test_two_layers(opened: Open) -> None:
    rows = opened("two_layers", "run").trace_rows(only="path=16>17")
    assert len(rows) == 23
    assert rows[0].name == "write"


def test_filter(opened: Open) -> None:
    session = opened("files", "run")
    everything = session.trace_rows()
    tests: tuple[tuple[str, Callable[[TraceRow], bool]], ...] = (
        ("call=open*", lambda r: r.name.startswith("open")),
        ("path=17>16 !err", lambda r: r.path == "17→16" and not r.failed),
        ("err", lambda r: r.failed),
        ("class=file", lambda r: r.name == "openat"),
        ("cvm=17 class=desc", lambda r: r.path == "17→16" and r.name in DESCRIPTORS),
        ("file=missing", lambda r: "missing" in r.call),
        ("layer>0", lambda r: r.layer > 0),
        ("ticks>1000", lambda r: r.ticks is not None and r.ticks > 1000),
        ("tick=0..20k", lambda r: r.tick <= 20_000),
        ("thread=17/0 call=read,write", lambda r: r.thread_name == "17/0" and r.name in ("read", "write")),
        ("err=EBADF", lambda r: r.result.endswith("EBADF")),
    )
    for text, test in tests:
        wanted = [r.tick for r in everything if test(r)]
        assert [r.tick for r in session.trace_rows(only=text)] == wanted, text
        assert wanted, text
    with pytest.raises(UserError, match="there is no class odd"):
        session.trace_rows(only="class=odd")
    with pytest.raises(UserError, match="the filter knows no colour"):
        session.trace_rows(only="colour=red")
    with pytest.raises(UserError, match="is no number"):
        session.trace_rows(only="ticks>many")


def test_summary_adds_up(opened: Open) -> None:
    session = opened("files", "run")
    rows = session.summary_rows()
    assert sum(row.calls for row in rows) == session.trace_count()
    reads = next(row for row in rows if row.name == "read" and row.path == "17→16")
    costs = [r.ticks for r in session.trace_rows(only="call=read path=17>16") if r.ticks is not None]
    assert (reads.ticks, reads.maximum, reads.calls) == (sum(costs), max(costs), len(costs))


def test_the_inexact_trace_is_the_same_but_for_what_it_captures(opened: Open) -> None:
    exact = [(r.path, r.name, r.tick, r.result) for r in opened("libhello", "run").trace_rows()]
    session = opened("libhello", "set trace exact off", "run")
    loose = [(r.path, r.name, r.tick, r.result) for r in session.trace_rows()]
    assert loose == exact


def test_between_two_compartments(opened: Open) -> None:
    session = opened("libhello", "run")
    result = session.execute("info crossing 17 16")
    assert result.lines[0] == "17→16: its gate leads there"
    assert isinstance(result.value, dict)
    assert result.value["calls"] == len(session.trace_rows(only="path=17>16"))
    assert session.execute("info crossing 16 17").lines[0] == "16→17: no gate of it leads there"


def test_the_code_says_what_a_sealed_branch_will_do(opened: Open) -> None:
    session = opened("libhello", "break *'libldso.so'::c_out+64", "run")
    assert session.code(before=0, count=1).rows[0].comment == "✓ pair: enters 16 syscall_handler"
    session = opened("faults", "break *blrs_with_mismatched_types+16", args=("blrs_types",))
    session.execute("run")
    assert session.code(before=0, count=1).rows[0].comment == "✗ the object types differ"


@pytest.mark.parametrize("demo", ["libhello", "two_layers", "threads"])
def test_the_trace_of_a_moment_is_what_had_begun_by_then(
    demo: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossings, "BLOCK", 4)
    trace = opened(demo, "run").live.trace
    whole = list(trace.whole)
    threads = sorted({entry.thread for entry in whole})
    moments = sorted({e.tick + d for e in whole for d in (-1, 0, 1)} | {e.ended for e in whole if e.ended is not None})
    for tick in moments[:: max(1, len(moments) // 200)]:
        trace.look_at(tick)
        begun = [e for e in whole if e.tick < tick or (e.tick == tick and e.crossing is None)]
        over = [e.ended is not None and (e.ended < tick or e.ended == e.tick) for e in begun]
        shown = trace.entries
        assert [e.index for e in shown] == [e.index for e in begun]
        assert [e.ended is not None for e in shown] == over
        for thread in threads:
            around = [s for s in trace.spans(thread) if s.begun < tick and (s.ended is None or s.ended >= tick)]
            assert trace.open_links(thread) == [span.link for span in around]


# ---- compartments ----


def test_the_map(opened: Open) -> None:
    session = opened("libhello", "break 16:syscall_handler", "run")
    rows = {row.key: row for row in session.map_rows()}
    assert [key for key, row in rows.items() if row.depth == 0] == ["M", "16", "17"]
    assert rows["16"].now == "P···"
    assert rows["17"].now == "·DST"
    assert rows["17"].note == "in 16"
    slots = next(row for row in rows.values() if row.badge == "17" and row.kind == "slots")
    assert slots.folded
    opened_rows = session.map_rows(unfolded=frozenset({slots.key}))
    assert any(row.parent == slots.key and row.kind == "slot" for row in opened_rows)
    assert len(session.map_rows(folded=frozenset({"16", "17"}))) < len(rows)


def test_what_a_compartment_was_given(opened: Open) -> None:
    lines = opened("libhello", "start").grants("17")
    assert lines[3].startswith("ca3 sealed HC PCC")
    assert "16 syscall_handler" in lines[3]
    assert lines[-1].startswith("! otype 4 is shared by 16, 17")


def test_loaded_modules_stand_in_the_heap(opened: Open) -> None:
    session = opened("libhello", "break main", "run")
    heap = next(row for row in session.map_rows() if row.badge == "17" and row.kind == "heap")
    rows = session.map_rows(unfolded=frozenset({heap.key}))
    assert {row.name for row in rows if row.kind == "module"} == {"app1", "libso_test.so"}


def test_registers_name_what_they_point_at(opened: Open) -> None:
    session = opened("libhello", "break 16:syscall_handler", "run")
    rows = {row.name: row for row in session.register_rows()}
    assert rows["pcc"].points_at == "syscall_handler"
    assert (rows["ddc"].badge, rows["ddc"].points_at) == ("17", "all of ldso ≠pcc")
    assert rows["csp"].points_at.startswith("slot 0, ")
    assert rows["c9"].points_at == "ret_from_monitor"
    assert rows["cctlr"].points_at == "SBL PERMVCT PCCBO DDCBO"
    assert rows["c11"].tag is True
    session.execute("stepi")
    changed = {row.name for row in session.register_rows() if row.changed == 0}
    assert changed == {"pcc"}  # mrs c11, ddc: c11 held it already


def test_an_inspection_nests_its_bars(opened: Open) -> None:
    session = opened("libhello", "break 16:syscall_handler", "run")
    found = session.inspect("$csp")
    assert [bar.name for bar in found.bars] == ["17 ldso", "bounds"]
    for outer, inner in zip(found.bars, found.bars[1:], strict=False):
        assert outer.address <= inner.address
        assert inner.limit <= outer.limit
    assert dict(found.facts)["perms"].startswith("37145")
    with pytest.raises(UserError, match="is no capability"):
        session.inspect("1 + 1")


# ---- explanations ----


@pytest.mark.parametrize("name", sorted(json.loads((ROOT / "hybrid/faults/expected.json").read_text())))
def test_faults_without_a_past_still_say_what_is_known(opened: Open, name: str) -> None:
    expected = json.loads((ROOT / "hybrid/faults/expected.json").read_text())[name]
    session = opened("faults", args=(name,), recording=False)
    session.execute("run")
    found = explain(session.live)
    assert (found.kind, found.access, found.register) == (expected["kind"], expected["access"], expected["register"])
    assert found.function == expected["function"]
    if expected["cause"] is not None and "failed_checks" not in expected:
        assert (found.cause, found.basis) == (None, "derived")


def test_a_borrowed_capability_names_the_caller_and_its_argument(opened: Open) -> None:
    session = opened("overrun", "run")
    found = session.explain()
    assert (found.kind, found.register, found.function, found.compartment) == ("bounds", "c5", "memcpy", "16")
    text = "\n".join(found.lines)
    assert "17 handed it over" in text
    assert "argument c1 (small_buffer): 16 bytes were allowed" in text


def test_stops_that_are_no_fault_are_explained_too(opened: Open) -> None:
    session = opened("libhello", "break 16:syscall_handler", "run")
    found = session.explain()
    assert found.kind == "breakpoint"
    assert any("inside 17→16 write(" in sentence for sentence in found.sentences)


# ---- the console ----


def said(*parts: bytes) -> list[str]:
    """The lines that come of printed pieces."""
    console = Console()
    for part in parts:
        console.output(Output(1, 0, "16", "guest", part))
    return [row.line for row in console.rows()]


def test_lines_grow_until_their_newline() -> None:
    assert said(b"one", b" and two\nthree", b"\n") == ["one and two", "three"]


def test_control_bytes_are_spelt() -> None:
    assert said(b"\x1b[31mred\x1b[0m [/b] \xff\n") == ["\\x1b[31mred\\x1b[0m [/b] \\xff"]
    assert said(b"10%\r20%\r\n") == ["20%"]
    assert said(b"ab\bc\td\n") == ["ac      d"]
    assert said("grüße\n".encode()) == ["grüße"]


def test_threads_do_not_mix_their_lines() -> None:
    console = Console()
    console.output(Output(1, 0, "16", "guest", b"a"))
    console.output(Output(2, 1, "16", "guest", b"b\n"))
    console.output(Output(3, 0, "16", "guest", b"c\n"))
    assert [row.line for row in console.rows()] == ["ac", "b"]
