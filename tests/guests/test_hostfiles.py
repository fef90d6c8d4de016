"""Files of the host through hostcalls: the folder under an overlay, errno, and nothing outside of either."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from elves import HEAD, entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_hostcalls import BUFFER, MINUS_ONE, Bench

from cvmdbg.guests.intravisor.hostcalls.hostfiles import TABLE

NAME, OUT = BUFFER + 0x200, BUFFER + 0x800


@pytest.fixture(params=[False, True], ids=["hybrid", "pure"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/text").write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to("inner/text")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "up").symlink_to("../../../../etc/passwd")
    (tmp_path / "away").symlink_to("/etc/passwd")
    return Bench(tmp_path, request.param, HEAD + entry())


def name(bench: Bench, text: str) -> int:
    return bench.put(text.encode() + b"\0", NAME)


def open_(bench: Bench, text: str) -> int:
    return bench.result(811, name(bench, text), 0, 0)


def failed(bench: Bench, number: int, *arguments: int) -> int:
    """The errno of a call that must fail."""
    assert bench.result(number, *arguments) == MINUS_ONE
    return bench.result(813)


def read(bench: Bench, fd: int, size: int) -> bytes:
    count = bench.result(809, fd, bench.pointer(OUT), size)
    return bench.plan.read(OUT, count)


def test_a_file_is_read_written_and_the_folder_stays_as_it_is(bench: Bench, tmp_path: Path) -> None:
    fd = open_(bench, "/inner/text")
    assert fd == 3 and read(bench, fd, 4) == b"0123"
    assert bench.result(810, fd, bench.put(b"AB"), 2) == 2
    assert read(bench, fd, 100) == b"6789" and read(bench, fd, 100) == b""
    assert bench.result(812, fd, -2 & MINUS_ONE, 2) == 8 and read(bench, fd, 9) == b"89"
    assert bench.result(812, fd, 0, 0) == 0 and read(bench, fd, 10) == b"0123AB6789"
    assert bench.result(803, fd) == 0 and failed(bench, 803, fd) == 9
    again = open_(bench, "link")
    assert again == 3 and read(bench, again, 10) == b"0123AB6789"
    assert (tmp_path / "inner/text").read_bytes() == b"0123456789"


def test_an_untranslated_pointer_reads_files_too(bench: Bench) -> None:
    fd = open_(bench, "inner/text")
    assert bench.result(508, fd, OUT, 3) == 3 and bench.plan.read(OUT, 3) == b"012"


def test_open_makes_what_is_not_there(bench: Bench, tmp_path: Path) -> None:
    first, second = open_(bench, "inner/../new"), open_(bench, "./new")
    assert (first, second) == (3, 4) and not (tmp_path / "new").exists()
    bench.result(810, first, bench.put(b"text"), 4)
    assert read(bench, second, 9) == b"text"
    assert bench.result(802, name(bench, "new")) == 0 and failed(bench, 804, name(bench, "new"), 0) == 2
    assert bench.result(812, second, 0, 0) == 0 and read(bench, second, 9) == b"text"
    assert bench.result(803, first) == bench.result(803, second) == 0
    assert open_(bench, "new") == 3 and read(bench, 3, 9) == b""


@pytest.mark.parametrize(
    ("number", "text", "error"),
    [
        (811, "inner", 21),
        (811, "none/new", 2),
        (811, "inner/text/x", 20),
        (811, "", 2),
        (811, "loop", 62),
        (811, "x" * 256, 63),
        (802, "inner", 1),
        (802, "none", 2),
        (806, "none", 2),
        (808, "inner", 21),
    ],
)
def test_what_fails_says_why_in_errno(bench: Bench, number: int, text: str, error: int) -> None:
    assert failed(bench, number, name(bench, text), 0) == error


def test_no_link_leads_out(bench: Bench) -> None:
    secret = Path("/etc/passwd").read_bytes()[:16]
    assert failed(bench, 806, name(bench, "up"), bench.pointer(OUT)) == 2
    assert failed(bench, 806, name(bench, "away"), bench.pointer(OUT)) == 2
    assert failed(bench, 806, name(bench, "/../../etc/passwd"), bench.pointer(OUT)) == 2
    assert secret not in bytes(bench.plan.read(OUT, 0x100))


def test_stat_is_freebsds(bench: Bench) -> None:
    assert bench.result(801, name(bench, "link"), bench.pointer(OUT)) == 0
    assert struct.unpack_from("<H", bench.plan.read(OUT, 224), 24)[0] & 0o170000 == 0o120000
    assert bench.result(806, name(bench, "link"), bench.pointer(OUT)) == 0
    found = bench.plan.read(OUT, 224)
    mode, (size, blocks, block) = struct.unpack_from("<H", found, 24)[0], struct.unpack_from("<qqI", found, 112)
    assert (mode & 0o170000, size, blocks, block) == (0o100000, 10, 1, 4096)
    fd = open_(bench, "inner/text")
    assert bench.result(808, name(bench, "inner/text"), 4096) == 0
    assert bench.result(807, fd, bench.pointer(OUT)) == 0
    assert struct.unpack_from("<q", bench.plan.read(OUT, 224), 112) == (4096,)
    assert bench.result(807, 1, bench.pointer(OUT)) == 0
    assert struct.unpack_from("<H", bench.plan.read(OUT, 224), 24)[0] & 0o170000 == 0o020000


def test_seeks_and_flags(bench: Bench) -> None:
    fd = open_(bench, "inner/text")
    assert failed(bench, 812, fd, -1 & MINUS_ONE, 0) == 22 and failed(bench, 812, fd, 0, 9) == 22
    assert failed(bench, 812, 1, 0, 0) == 29 and failed(bench, 812, 77, 0, 0) == 9
    assert bench.result(814, fd, 3) == 2 and bench.result(814, fd, 4, 0, 4) == 0
    stop = bench.call(814, fd, 99).stop
    assert stop is not None and "command 99 is not modelled" in stop.detail
    bench.plan.tick = 5_000_000_900
    assert bench.result(800, bench.pointer(OUT), 0) == 0
    assert struct.unpack("<qq", bench.plan.read(OUT, 16)) == (5, 1)


def test_errno_belongs_to_the_thread_and_files_to_a_snapshot(bench: Bench) -> None:
    other = bench.second()
    assert failed(bench, 803, 50) == 9 and bench.result(813, thread=other) == 0
    saved = bench.guest.save()
    fd = open_(bench, "inner/text")
    bench.result(810, fd, bench.put(b"x"), 1)
    bench.guest.load(saved)
    assert open_(bench, "inner/text") == fd and read(bench, fd, 2) == b"01"


PATHS = st.lists(st.sampled_from(["inner", "text", "..", ".", "", "link", "loop", "up", "away", "new"]), max_size=5)
NUMBERS = st.one_of(st.integers(-2, 12), st.integers(0, (1 << 64) - 1))
CALL = st.tuples(st.sampled_from([*sorted(TABLE), 809, 810]), PATHS, NUMBERS, NUMBERS, st.booleans())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(CALL, max_size=12))
def test_any_calls_give_results_errors_or_sentences(
    bench: Bench, tmp_path: Path, calls: list[tuple[int, list[str], int, int, bool]]
) -> None:
    before = {path: path.lstat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}
    for number, path, second, third, good in calls:
        first = name(bench, "/".join(path)) if number in (801, 802, 804, 806, 808, 811) else second
        place = bench.pointer(OUT) if good else second
        outcome = bench.call(number, first, place, third)
        if outcome.stop is not None:
            assert outcome.stop.detail and "\n" not in outcome.stop.detail
    assert {path: path.lstat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))} == before
