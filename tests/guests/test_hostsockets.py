"""Sockets, pipes and taps of the host by hostcalls: one loopback for all cVMs, FreeBSD's numbers, waits that end."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from elves import HEAD, entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_hostcalls import BASE, BUFFER, MINUS_ONE, TOP, Bench

from cvmdbg.guests.guest import Boundary, BoundaryKind
from cvmdbg.guests.intravisor.hostcalls import TABLE
from sessions.event import Call

OUT, NAME, SET, TIME = BUFFER + 0x800, BUFFER + 0x200, BUFFER + 0x400, BUFFER + 0x600
INET, STREAM, DGRAM = 2, 1, 2
EAGAIN, ENOTSOCK, EPROTOTYPE, EAFNOSUPPORT, EADDRINUSE, ECONNREFUSED, ENOTCONN = 35, 38, 41, 47, 48, 61, 57


@pytest.fixture(params=[False, True], ids=["hybrid", "pure"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, request.param, HEAD + entry(net="tap0"))


@pytest.fixture
def hybrid(tmp_path: Path) -> Bench:
    return Bench(tmp_path, False, HEAD + entry())


def address(port: int, host: bytes = b"\x7f\0\0\1", family: int = INET) -> bytes:
    """A sockaddr_in: its size, its family, port, address."""
    return bytes((16, family)) + port.to_bytes(2, "big") + host + bytes(8)


def failed(bench: Bench, number: int, *arguments: int, thread: int = 0) -> int:
    """The errno of a call that must fail."""
    assert bench.result(number, *arguments, thread=thread) == MINUS_ONE
    return bench.result(813, thread=thread)


def bound(bench: Bench, port: int, kind: int = STREAM) -> int:
    fd = bench.result(500, INET, kind, 0)
    assert bench.result(506, fd, bench.put(address(port), NAME), 16) == 0
    return fd


def connected(bench: Bench, port: int = 7000) -> tuple[int, int]:
    """Both ends of a connection."""
    server = bound(bench, port)
    assert bench.result(504, server, 5) == 0
    client = bench.result(500, INET, STREAM, 0)
    assert bench.result(532, client, bench.put(address(port), NAME), 16) == 0
    bench.put(struct.pack("<I", 16), NAME + 0x40)
    end = bench.result(505, server, bench.pointer(NAME), bench.pointer(NAME + 0x40))
    return client, end


def received(bench: Bench, fd: int, size: int = 100, flags: int = 0) -> bytes:
    return bench.plan.read(OUT, bench.result(510, fd, bench.pointer(OUT), size, flags))


def test_bytes_go_both_ways_and_an_end_is_read(bench: Bench) -> None:
    client, end = connected(bench)
    family = struct.unpack_from("<BB", bench.plan.read(NAME, 16))
    assert family == (16, INET) and bench.plan.read(NAME + 4, 4) == b"\x7f\0\0\1"
    assert bench.result(509, client, bench.put(b"to the server"), 13, 0) == 13
    assert received(bench, end, flags=2) == b"to the server" and received(bench, end, 6) == b"to the"
    assert bench.result(809, end, bench.pointer(OUT), 100) == 7 and bench.plan.read(OUT, 7) == b" server"
    assert bench.result(507, end, BUFFER, 4) == 4 and received(bench, client) == b"to t"
    bench.put(struct.pack("<I", 16), NAME + 0x40)
    assert bench.result(531, client, bench.pointer(NAME), bench.pointer(NAME + 0x40)) == 0
    assert bench.plan.read(NAME, 4) == address(7000)[:4]
    assert bench.result(511, client) == 0 and received(bench, end) == b""


def test_the_sockets_of_one_cvm_are_reached_by_another(tmp_path: Path) -> None:
    bench = Bench(tmp_path, False, HEAD + entry() + entry("two", TOP))
    server = bound(bench, 80)
    assert bench.result(504, server, 1) == 0
    bench.plan._write(TOP + 0x3000, address(80))
    words = {"c14": 500, "c0": INET, "c1": STREAM, "c2": 0, "csp": TOP + 0x3FFF0000, "c9": TOP + 0x110}
    for more in (words, {**words, "c14": 532, "c0": 4, "c1": 0x3000, "c2": 16}):
        bench.plan.registers |= {(1, name): value for name, value in more.items()}
        bench.plan.take(bench.guest.boundary(Boundary(BoundaryKind.HOSTCALL, 1), bench.plan))
    assert bench.plan.register(1, "x0") == 0
    assert bench.result(505, server, bench.pointer(OUT), bench.put(struct.pack("<I", 16))) == 5


@pytest.mark.parametrize(
    ("number", "arguments", "error"),
    [
        (500, (99, 1, 0), EAFNOSUPPORT),
        (500, (10, 1, 0), EAFNOSUPPORT),  # Linux's AF_INET6
        (500, (INET, 5, 0), EPROTOTYPE),
        (500, (INET, 1, 17), 43),
        (512, (INET, 1, 0, BUFFER), 45),
        (512, (1, 1, 0, 8), 14),
        (504, (77, 1), 9),
        (504, (1, 1), ENOTSOCK),
        (505, (3, 0, 0), 22),
        (509, (3, 0, 0, 0), ENOTCONN),
        (510, (3, 0, 8, 0), ENOTCONN),
        (510, (3, 0, 1 << 63, 0), 22),
        (531, (3, 0, 0), ENOTCONN),
        (501, (3, 0xFFFF, 0x9999, 0, 4), 42),
        (501, (3, 77, 1, 0, 4), 22),
        (502, (3, 0x1234, 0), 25),
        (503, (3, 0, 0, 1), 22),
        (513, (0, 99999, 0), 22),
        (513, (0, 0, -5), 22),
        (514, (-1, 0, 0, 0, 0), 22),
        (520, (1, BUFFER, 0), 22),
        (520, (77, BUFFER, 1), 9),
        (533, (77, 3), 9),
        (301, (1 << 40,), 14),
        (200, (1 << 40, 0), 14),
        (811, (1 << 40,), 14),
    ],
)
def test_what_fails_says_why_in_freebsds_errno(
    bench: Bench, number: int, arguments: tuple[int, ...], error: int
) -> None:
    assert bench.result(500, INET, STREAM, 0) == 3
    assert failed(bench, number, *arguments) == error


def test_addresses_that_cannot_be(bench: Bench) -> None:
    fd = bench.result(500, INET, STREAM, 0)
    assert failed(bench, 506, fd, bench.put(b"\x02\0" + address(80)[2:], NAME), 16) == EAFNOSUPPORT  # Linux's form
    assert failed(bench, 506, fd, bench.put(address(80), NAME), 15) == 22
    assert (
        failed(bench, 506, fd, bench.pointer(NAME), 256) == 63 and failed(bench, 506, fd, bench.pointer(NAME), 1) == 22
    )
    assert failed(bench, 506, fd, bench.put(address(80, b"\x08\x08\x08\x08"), NAME), 16) == 49
    assert failed(bench, 532, fd, bench.pointer(NAME), 16) == 51
    assert failed(bench, 532, fd, bench.put(address(80), NAME), 16) == ECONNREFUSED
    bound(bench, 80)
    assert failed(bench, 506, fd, bench.pointer(NAME), 16) == EADDRINUSE


def test_a_socket_that_does_not_wait(bench: Bench) -> None:
    server = bound(bench, 9)
    bench.result(504, server, 1)
    assert bench.result(302, server) == 0 and bench.result(533, server, 3, 0) == 6
    assert failed(bench, 505, server, bench.pointer(OUT), bench.pointer(NAME)) == EAGAIN
    client, end = connected(bench)
    assert failed(bench, 510, client, bench.pointer(OUT), 9, 0x80) == EAGAIN
    assert bench.result(502, end, 0x8004667E, bench.put((1).to_bytes(4, "little"), SET) and SET) == 0
    assert failed(bench, 510, end, bench.pointer(OUT), 9, 0) == EAGAIN
    bench.result(509, client, bench.put(b"12345"), 5, 0)
    assert bench.result(502, end, 0x4004667F, SET) == 0 and bench.plan.word(SET) & 0xFF == 5


def test_waits_end_when_what_they_wait_for_has_come(hybrid: Bench) -> None:
    server, other = bound(hybrid, 80), hybrid.second()
    hybrid.result(504, server, 1)
    hybrid.put(struct.pack("<I", 16), OUT + 0x40)
    hybrid.call(505, server, hybrid.pointer(OUT), hybrid.pointer(OUT + 0x40), thread=other)
    assert hybrid.plan.blocked == {other: "a connection to socket 1"}
    client = hybrid.result(500, INET, STREAM, 0)
    outcome = hybrid.call(532, client, hybrid.put(address(80), NAME), 16)
    end = hybrid.plan.register(other, "x0")
    assert not hybrid.plan.blocked and end == 5
    back = [o for o in outcome.observations if isinstance(o, Call) and o.thread == other]
    assert [(c.number, c.name, c.result) for c in back] == [(505, "accept", "5")]
    hybrid.call(510, end, hybrid.pointer(OUT), 64, 0, thread=other)
    assert other in hybrid.plan.blocked
    hybrid.result(509, client, hybrid.put(b"woken"), 5, 0)
    assert hybrid.plan.register(other, "x0") == 5 and hybrid.plan.read(OUT, 5) == b"woken"
    saved = hybrid.guest.save()
    hybrid.call(510, end, hybrid.pointer(OUT), 64, 0, thread=other)
    hybrid.guest.load(saved)
    hybrid.plan.blocked.clear()
    assert hybrid.result(511, client) == 0


def test_writing_to_who_is_gone_ends_the_monitor(bench: Bench) -> None:
    client, end = connected(bench)
    assert bench.result(501, end, 0xFFFF, 0x800, bench.put((1).to_bytes(4, "little"), SET), 4) == 0
    bench.result(511, client)
    assert failed(bench, 509, end, bench.put(b"x"), 1, 0) == 32
    pair = bench.result(301, bench.pointer(SET))
    reader, writer = struct.unpack("<ii", bench.plan.read(SET, 8))
    bench.result(511, reader)
    assert pair == 0 and bench.plan.exit_status is None
    bench.call(810, writer, bench.put(b"x"), 1)
    assert bench.plan.exit_status == 128 + 13


def test_datagrams(bench: Bench) -> None:
    server, client = bound(bench, 53, DGRAM), bench.result(500, INET, DGRAM, 0)
    assert bench.result(532, client, bench.put(address(53), NAME), 16) == 0
    assert bench.result(509, client, bench.put(b"question"), 8, 0) == 8
    bench.put(struct.pack("<I", 16), NAME + 0x40)
    assert bench.result(519, server, OUT, 100, 0, NAME, NAME + 0x40) == 8
    assert bench.plan.read(OUT, 8) == b"question" and bench.plan.read(NAME, 2) == bytes((16, INET))
    assert failed(bench, 509, client, bench.put(b"x"), 1, 0x4000) == 45


def test_pairs_names_and_vectors(bench: Bench) -> None:
    assert bench.result(512, 1, STREAM, 0, SET) == 0
    one, other = struct.unpack("<ii", bench.plan.read(SET, 8))
    bench.put(struct.pack("<4Q", BUFFER, 3, BUFFER + 16, 2), OUT)
    bench.put(b"abcdefghijklmnopqrstuvwxyz")
    assert bench.result(520, 1, OUT, 2) == 5 and bench.plan.console("guest") == "abcqr"
    assert bench.result(520, one, OUT, 2) == 5 and received(bench, other) == b"abcqr"
    name = bytes((8, 1)) + b"socket"
    server = bench.result(500, 1, STREAM, 0)
    assert bench.result(506, server, bench.put(name, NAME), 8) == 0 and bench.result(504, server, 1) == 0
    again = bench.result(500, 1, STREAM, 0)
    assert failed(bench, 506, again, bench.pointer(NAME), 8) == EADDRINUSE
    assert bench.result(532, again, bench.pointer(NAME), 8) == 0
    assert failed(bench, 811, bench.put(b"socket\0", NAME)) == 45
    bench.result(807, server, bench.pointer(OUT))
    assert struct.unpack_from("<H", bench.plan.read(OUT, 224), 24)[0] & 0o170000 == 0o140000
    assert failed(bench, 812, server, 0, 0) == 29


def test_a_tap_is_the_one_of_the_net_key(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    fd = bench.result(300, bench.put(b"/dev/tap0\0", NAME))
    assert (
        bench.result(810, fd, bench.put(bytes(60)), 60) == 60
        and failed(bench, 809, fd, bench.pointer(OUT), 9) == EAGAIN
    )
    assert bench.result(803, fd) == 0 and failed(bench, 803, fd) == 9
    assert failed(bench, 300, bench.put(b"tap1\0", NAME)) == 2
    assert bench.result(300, bench.put(b"file\0", NAME)) == fd and failed(bench, 300, bench.put(b".\0", NAME)) == 21


# ---- poll, select, sleep ----


def events(bench: Bench, *pairs: tuple[int, int], timeout: int = 0, thread: int = 0) -> tuple[int, list[int]]:
    """The result of poll and what came back for each descriptor."""
    bench.put(b"".join(struct.pack("<ihh", fd, wanted, 0x7FF) for fd, wanted in pairs), SET)
    count = bench.result(513, bench.pointer(SET), len(pairs), timeout, thread=thread)
    return count, [found for _, _, found in struct.iter_unpack("<ihh", bench.plan.read(SET, 8 * len(pairs)))]


def test_poll(bench: Bench) -> None:
    client, end = connected(bench)
    assert events(bench, (client, 1), (end, 5), (99, 1), (-1, 1), (1, 4)) == (3, [0, 4, 0x20, 0, 4])
    bench.result(509, client, bench.put(b"x"), 1, 0)
    assert events(bench, (end, 0x41)) == (1, [0x41])
    bench.result(511, client)
    assert events(bench, (end, 0))[1] == [0x10]


def test_poll_that_waits_for_a_time(hybrid: Bench) -> None:
    client, _ = connected(hybrid)
    hybrid.put(struct.pack("<ihh", client, 1, 0), SET)
    hybrid.call(513, hybrid.pointer(SET), 1, 20)
    assert hybrid.plan.blocked == {0: f"an event of descriptor {client}"}
    assert hybrid.guest.alarm() == hybrid.plan.tick + 20_000_000
    hybrid.plan.take(hybrid.guest.boundary(Boundary(BoundaryKind.ALARM, -1), hybrid.plan))
    assert not hybrid.plan.blocked and hybrid.plan.register(0, "x0") == 0 and hybrid.guest.alarm() is None


def test_select(bench: Bench) -> None:
    client, end = connected(bench)
    bench.result(509, client, bench.put(b"x"), 1, 0)
    none = bench.put(bytes(8), SET + 0x40)
    both = bench.put((1 << client | 1 << end).to_bytes(8, "little"), SET)
    bench.put((1 << client).to_bytes(8, "little"), SET + 0x20)
    bench.put(bytes(16), TIME)
    assert bench.result(514, 8, both, bench.pointer(SET + 0x20), none, bench.pointer(TIME)) == 2
    assert (bench.plan.word(SET), bench.plan.word(SET + 0x20)) == (1 << end, 1 << client)
    bench.put((1 << 7).to_bytes(8, "little"), SET)
    assert failed(bench, 514, 8, both, none, none, bench.pointer(TIME)) == 9


def test_a_hybrid_cvms_null_set_is_its_elf_header(hybrid: Bench) -> None:
    """Translated like any pointer, so select reads what lies at the base; here descriptors that are not open."""
    hybrid.put(bytes(16), TIME)
    none = hybrid.put(bytes(8), SET)
    assert failed(hybrid, 514, 64, none, none, 0, hybrid.pointer(TIME)) == 9


def test_nanosleep(hybrid: Bench) -> None:
    hybrid.call(200, hybrid.put(struct.pack("<qq", 1, 5), TIME), 0)
    due = hybrid.plan.tick + 1_000_000_005
    assert hybrid.plan.blocked == {0: "sleeps"} and hybrid.guest.alarm() == due
    hybrid.plan.take(hybrid.guest.boundary(Boundary(BoundaryKind.ALARM, -1), hybrid.plan))
    assert not hybrid.plan.blocked and hybrid.plan.register(0, "x0") == 0
    assert failed(hybrid, 200, hybrid.put(struct.pack("<qq", 0, 1_000_000_000), TIME), 0) == 22


# ---- any calls ----

WORDS = st.one_of(
    st.integers(0, MINUS_ONE),
    st.integers(BUFFER - BASE, BUFFER - BASE + 0x40),
    st.integers(-3, 9),
    st.sampled_from([16, 28]),
)
CALLS = sorted({*range(300, 303), *range(500, 534)} & set(TABLE))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(st.tuples(st.sampled_from(CALLS), st.lists(WORDS, min_size=6, max_size=6)), max_size=16),
    text=st.binary(min_size=64, max_size=64),
)
def test_any_sequence_ends_in_results_waits_or_sentences(
    tmp_path: Path, calls: list[tuple[int, list[int]]], text: bytes
) -> None:
    bench = Bench(tmp_path, False, HEAD + entry())
    bench.put(text)
    for number, arguments in calls:
        outcome = bench.call(number, *arguments)
        if outcome.stop is not None:
            assert outcome.stop.detail and "\n" not in outcome.stop.detail
        if bench.plan.blocked or bench.plan.exit_status is not None:
            return
