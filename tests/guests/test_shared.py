"""Capfiles, cap streams and probes: who finds what by name, which capability it is, and what makes the monitor spin."""

from __future__ import annotations

from pathlib import Path

import pytest
from elves import HEAD, entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_hostcalls import BASE, BUFFER, TOP, Bench

from cvmdbg.guests.intravisor import capabilities
from cvmdbg.guests.intravisor.capfiles import START
from cvmdbg.guests.intravisor.deploy import monitor_gate
from cvmdbg.guests.intravisor.hostcalls import TABLE
from emulator_core._core import Capability

CAPFILES = (
    '---\ncapfiles:\n- {name: test1, size: "0x20", data: "Hello world\\n"}\n'
    '- {name: test2, size: "0x1000", addr: "0x40"}\n'
)
PLACE, SIZE, KEY = BUFFER + 0x100, BUFFER + 0x140, BUFFER + 0x200


@pytest.fixture(params=[False, True], ids=["hybrid", "pure"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, request.param, CAPFILES + HEAD + entry())


def key(bench: Bench, text: bytes) -> int:
    return bench.put(text + b"\0", KEY)


def stored(bench: Bench, address: int = PLACE) -> Capability:
    return Capability.from_bytes(bench.plan.read(address, 16), tag=address in bench.plan.tags)


def said(bench: Bench, number: int, *arguments: int) -> str:
    stop = bench.call(number, *arguments).stop
    assert stop is not None
    return stop.detail


def find(bench: Bench, text: bytes) -> tuple[Capability, int]:
    """What cap_file_prb gives for a key."""
    assert bench.result(406, key(bench, text), bench.pointer(PLACE), bench.pointer(SIZE)) == 0
    return stored(bench), int.from_bytes(bench.plan.read(SIZE, 8), "little", signed=True)


def test_a_capfile_of_the_yaml_is_found_by_name(bench: Bench) -> None:
    assert "capfiles with pre-defined addresses are not supported" in bench.plan.console("monitor")
    made, size = find(bench, b"test1")
    assert (made.tag, made.base, made.limit, made.perms) == (True, START, START + 0x20, capabilities.DATA)
    assert size == 0x20 and bench.plan.read(made.base, 16) == b"Hello world\n\0\0\0\0"
    other, size = find(bench, b"test2")
    assert (other.base, other.length, size) == (START + 0x1000, 0x1000, 0x1000)
    monitor = bench.guest.compartments()[0]
    names = {part.name for part in monitor.parts}
    assert {"capfile test1", "capfile test2"} <= names and monitor.base + monitor.size == START + 0x2000


def test_what_a_cvm_advertises_is_found_under_nine_characters(bench: Bench) -> None:
    where = bench.put(b"shared", BUFFER)
    assert bench.result(405, where, 6, key(bench, b"mine")) == 2
    made, size = find(bench, b"mine")
    assert (made.base, made.length, size) == (BUFFER, 6, 6)
    assert bench.result(405, where, 6, key(bench, b"ten characters")) == 3
    assert find(bench, b"ten chara")[0].base == BUFFER
    assert said(bench, 406, key(bench, b"ten characters"), bench.pointer(PLACE), 0) == (
        "hostcall 406 cap_file_prb: nobody advertised 'ten characters'; the monitor spins"
    )
    assert bench.plan.console("monitor").endswith("wrong cap key ten characters \n")


def test_an_empty_key_finds_nothing_and_gets_a_capability_to_it(bench: Bench) -> None:
    made, size = find(bench, b"")
    assert (made.base, made.length, size) == (0, 0, 0)


def test_ten_capfiles_are_all_there_are(bench: Bench) -> None:
    for number in range(2, 10):
        assert bench.result(405, bench.pointer(BUFFER), 6, key(bench, b"k%d" % number)) == number
    assert said(bench, 405, bench.pointer(BUFFER), 6, key(bench, b"more")).endswith(
        "all 10 are taken; the monitor spins"
    )
    assert bench.plan.console("monitor").endswith("need more cap streams/files, die\n")


def test_a_capability_wants_an_aligned_place_that_is_mapped(bench: Bench) -> None:
    assert "not aligned to 16" in said(bench, 406, key(bench, b"test1"), bench.pointer(PLACE + 8), bench.pointer(SIZE))
    assert "reads" in said(bench, 406, key(bench, b"test1"), bench.pointer(TOP + 0x1000), bench.pointer(SIZE))


def test_streams(bench: Bench) -> None:
    assert bench.result(409, bench.pointer(BASE + 0x110), 0xDE0, key(bench, b"stream")) == 0
    assert bench.plan.console("monitor").endswith(f"MON: STREAM_CAP[0] {BASE + 0x110:#x} stream 0xde0\n")
    assert bench.result(410, key(bench, b"stream")) == 0
    assert bench.result(410, key(bench, b"")) == 1
    assert "nobody advertised 'other'" in said(bench, 410, key(bench, b"other"))
    assert bench.result(412, 0, bench.pointer(SIZE)) == 0
    assert bench.plan.read(SIZE, 8) == (0xDE0).to_bytes(8, "little")
    assert said(bench, 407, 1) == "hostcall 407 cap_wait: there is no stream 1, 1 are advertised"


def test_a_wake_lets_one_that_waits_go_or_the_next(bench: Bench) -> None:
    bench.result(409, bench.pointer(BASE), 0, key(bench, b"s"))
    first, second = bench.second(), bench.second()
    for thread in (first, second):
        bench.call(407, 0, thread=thread)
    assert bench.plan.blocked == {first: "cap stream 0", second: "cap stream 0"}
    assert bench.result(408, 0) == 0 and bench.plan.blocked == {second: "cap stream 0"}
    assert bench.result(408, 0) == 0 and not bench.plan.blocked
    assert bench.result(408, 0) == 0 and bench.result(408, 0) == 0
    assert bench.result(407, 0) == 0
    bench.call(407, 0)
    assert bench.plan.blocked == {0: "cap stream 0"}


# ---- probes ----


def test_the_gate_of_the_monitor(bench: Bench) -> None:
    places = [bench.pointer(PLACE + 16 * index) for index in range(3)]
    assert bench.result(701, key(bench, b"monitor"), *places) == 0
    gate = monitor_gate(bench.pure)
    assert [stored(bench, PLACE + 16 * index).to_bytes() for index in range(3)] == [
        cap.to_bytes() for cap in (gate.code, gate.data, gate.inner)
    ]
    assert "no compartment advertised 'libos.so'" in said(bench, 701, key(bench, b"libos.so"), *places)
    assert bench.plan.console("monitor").endswith("wrong SC key libos.so\n")
    assert bench.result(702, 0, 0, 0) == 0


def test_the_way_into_the_inner_cvm(tmp_path: Path) -> None:
    bench = Bench(tmp_path, True, HEAD + entry(callback_in="lib.so"))
    assert bench.result(700, bench.pointer(PLACE)) == 0
    made = bench.guest._cvms[16]
    wanted = [made.caps[index].to_bytes() for index in (6, 1, 2)]
    assert [stored(bench, PLACE + 16 * index).to_bytes() for index in range(3)] == wanted


def test_without_an_inner_cvm(bench: Bench) -> None:
    assert said(bench, 700, bench.pointer(PLACE)).endswith("cVM 16 has no callback_in, so no inner cVM")


# ---- what spins ----


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (21, "MEM_ALLOC, who called?"),
        (22, "MEM_FREE 0x7, who called?"),
        (23, "EXEC ALLOC 0x7, who called?"),
        (24, "EXEC FREE 0x7, who called?"),
        (400, "deprecated 400"),
        (404, "deprecated 404"),
    ],
)
def test_what_spins_in_the_original_stops_with_the_reason(bench: Bench, number: int, line: str) -> None:
    assert said(bench, number, 7).endswith("; the monitor spins")
    assert bench.plan.console("monitor").endswith(line + "\n")


WORDS = st.one_of(
    st.integers(0, (1 << 64) - 1), st.integers(BASE, BASE + 0x6000), st.integers(0, 0x6000), st.integers(-4, 12)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from(sorted({*range(405, 414), 700, 701, 702} & set(TABLE))),
            st.lists(WORDS, min_size=4, max_size=4),
        ),
        max_size=12,
    ),
    text=st.binary(max_size=40),
)
def test_any_sequence_ends_in_results_or_sentences(
    tmp_path: Path, calls: list[tuple[int, list[int]]], text: bytes
) -> None:
    bench = Bench(tmp_path, False, CAPFILES + HEAD + entry())
    bench.put(text + b"\0", KEY)
    for number, arguments in calls:
        outcome = bench.call(number, *arguments)
        if outcome.stop is not None:
            assert outcome.stop.detail and "\n" not in outcome.stop.detail
        if bench.plan.blocked:
            return
