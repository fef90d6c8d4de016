"""Disks, calls on new threads, cVMs that have others deployed, and names: what the rarer hostcalls do."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from elves import HEAD, entry
from test_hostcalls import BASE, BUFFER, MINUS_ONE, TOP, Bench

from cvmdbg.guests.intravisor import capabilities
from cvmdbg.guests.intravisor.config import ConfigError
from cvmdbg.guests.intravisor.hostcalls.names import HEAP
from emulator_core._core import Capability
from sessions.event import Call

REQUEST, VECTOR, OUT = BUFFER, BUFFER + 0x100, BUFFER + 0x400
READ, WRITE, FLUSH = 0, 1, 4
SECTORS = 6


@pytest.fixture(params=[False, True], ids=["hybrid", "pure"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    (tmp_path / "disk.img").write_bytes(bytes(range(SECTORS)) * 512)
    return Bench(tmp_path, request.param, HEAD + entry(disk="disk.img", libvirt=1, args='"/app/first second"'))


def said(bench: Bench, number: int, *arguments: int) -> str:
    stop = bench.call(number, *arguments).stop
    assert stop is not None
    return stop.detail


# ---- disks ----


def blocks(bench: Bench, kind: int, sector: int, *buffers: tuple[int, int]) -> int:
    """blk_request: its result. The pointers are numbers to which the monitor adds where the cVM begins."""
    where = BASE
    bench.put(b"".join(struct.pack("<QQ", address - where, size) for address, size in buffers) or bytes(16), VECTOR)
    bench.put(struct.pack("<IIQQi", kind, 0, sector, VECTOR - where, len(buffers)), REQUEST)
    return bench.result(100, 0, REQUEST - where)


@pytest.fixture
def hybrid(tmp_path: Path) -> Bench:
    (tmp_path / "disk.img").write_bytes(bytes(range(SECTORS)) * 512)
    return Bench(tmp_path, False, HEAD + entry(disk="disk.img"))


def test_a_disk_is_read_and_written_and_the_file_stays_as_it_is(hybrid: Bench, tmp_path: Path) -> None:
    assert hybrid.result(101, 0, hybrid.pointer(OUT)) == 0 and hybrid.plan.word(OUT) == SECTORS * 512
    assert blocks(hybrid, READ, 1, (OUT, 3), (OUT + 0x10, 512)) == 0
    content = (bytes(range(SECTORS)) * 512)[512:]
    assert hybrid.plan.read(OUT, 3) == content[:3] and hybrid.plan.read(OUT + 0x10, 512) == content[3:515]
    hybrid.put(b"changed" * 100, OUT)
    assert blocks(hybrid, WRITE, 2, (OUT, 700)) == 0
    assert blocks(hybrid, READ, 2, (OUT + 0x400, 1024)) == 0
    assert hybrid.plan.read(OUT + 0x400, 1024) == b"changed" * 100 + content[512 + 700 : 512 + 1024]
    assert blocks(hybrid, FLUSH, 0) == 0
    assert (tmp_path / "disk.img").read_bytes() == bytes(range(SECTORS)) * 512


def test_a_disk_grows_and_a_snapshot_has_its_own(hybrid: Bench) -> None:
    saved = hybrid.guest.save()
    assert blocks(hybrid, WRITE, SECTORS + 1, (OUT, 512)) == 0
    hybrid.result(101, 0, hybrid.pointer(OUT))
    assert hybrid.plan.word(OUT) == (SECTORS + 2) * 512
    hybrid.guest.load(saved)
    hybrid.result(101, 0, hybrid.pointer(OUT))
    assert hybrid.plan.word(OUT) == SECTORS * 512


def test_what_is_no_request_and_what_the_disk_has_not(hybrid: Bench) -> None:
    assert blocks(hybrid, 9, 0) == 2
    assert blocks(hybrid, READ, SECTORS, (OUT, 1)) == 1 and blocks(hybrid, READ, SECTORS - 1, (OUT, 513)) == 1
    assert blocks(hybrid, READ, 0, (OUT, 0)) == 1 and blocks(hybrid, WRITE, 1 << 60, (OUT, 1)) == 1
    assert "reads" in said(hybrid, 100, 0, 1 << 40)


def test_a_purecap_cvms_pointers_are_moved_too(bench: Bench) -> None:
    """The monitor adds where the cVM begins to whatever it gets."""
    assert bench.result(101, 0, OUT - BASE) == 0 and bench.plan.word(OUT) == SECTORS * 512
    assert blocks(bench, READ, 0, (OUT, 6)) == 0 and bench.plan.read(OUT, 6) == bytes(range(6))


def test_without_a_disk(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.result(101, 0, bench.pointer(OUT)) == MINUS_ONE
    assert blocks(bench, READ, 0, (OUT, 1)) == 1 and blocks(bench, FLUSH, 0) == 1


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"disk": "none.img"}, r"cvm.yaml:3: disk of cVM 'one': none.img: there is no such file in"),
        ({"disk": "../x"}, r"disk of cVM 'one': \.\./x: it leads out of the folder of the cvm.yaml"),
        ({"net": "'two words'"}, r"cvm.yaml:3: net of cVM 'one' is 'two words': expected the name of an interface"),
        ({"net": "a" * 16}, r"such as tap0, of at most 15 characters"),
    ],
)
def test_disk_and_net_are_checked(tmp_path: Path, keys: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        Bench(tmp_path, False, HEAD + entry(**keys))
    assert "\n" not in str(caught.value)


# ---- calls on other threads ----


def test_a_call_waits_for_the_end_of_its_thread(bench: Bench) -> None:
    bench.call(403, bench.pointer(BASE + 0x120), 42)
    assert bench.plan.blocked == {0: "the end of thread 100002"} and bench.plan.started == [0, 1]
    target = capabilities.Capability(bench.plan.register(1, "c1"))
    assert (target.value, bench.plan.register(1, "c0")) == (BASE + 0x120, 42)
    outcome = bench.call(13, thread=1)
    assert not bench.plan.blocked and bench.plan.register(0, "x0") == 0
    assert [(c.name, c.result) for c in outcome.observations if isinstance(c, Call) and c.thread == 0] == [
        ("make_call", "0")
    ]


def test_calls_without_a_slot_end_the_monitor(bench: Bench) -> None:
    for _ in range(62):
        bench.second()
    bench.call(403, 0, 0)
    assert bench.plan.exit_status == 1 and bench.plan.console("monitor").endswith("need more threads, die\n")


def test_a_cap_call_runs_what_was_advertised(bench: Bench) -> None:
    bench.result(409, bench.pointer(BASE + 0x120), 0xDE0, bench.put(b"s\0", OUT))
    assert bench.result(411, 0, bench.pointer(BUFFER), 0x40) == 0
    assert f"me->func = {BASE + 0x120:#x}, addr=0x0, sp = 0x" in bench.plan.console("monitor")
    assert capabilities.Capability(bench.plan.register(1, "c1")).value == BASE + 0x120
    assert bench.result(413, 0, bench.pointer(OUT), bench.pointer(OUT + 0x20), thread=1) == 0
    made = Capability.from_bytes(bench.plan.read(OUT, 16), tag=OUT in bench.plan.tags)
    assert (made.tag, made.base, made.length, bench.plan.word(OUT + 0x20)) == (True, BUFFER, 0x40, 0x40)
    bench.call(411, 0, bench.pointer(BUFFER), 0x80)
    assert bench.plan.blocked == {0: "the call thread of cap stream 0"}
    assert "there is no stream 3, 1 are advertised" in said(bench, 413, 3, 0, 0)


# ---- what a cVM has deployed ----


def test_a_cvm_has_another_deployed(bench: Bench) -> None:
    saved = bench.guest.save()
    text = (HEAD + entry("more", TOP)).encode()
    assert bench.result(29, bench.put(text), len(text)) == 0
    said = bench.plan.console("monitor")
    assert "request for ppr yaml from 1\n" in said and "[17] Deploy 'more'" in said
    assert said.count("***************** ALL cVMs loaded ***************\n") == 2
    assert bench.plan.started == [0, 1] and bench.guest.thread_name(1) == "17/0"
    assert [c.badge for c in bench.guest.compartments()] == ["M", "16", "17"]
    later = bench.guest.save()
    bench.guest.load(saved)
    assert [c.badge for c in bench.guest.compartments()] == ["M", "16"]
    bench.guest.load(later)
    assert [c.badge for c in bench.guest.compartments()] == ["M", "16", "17"]
    bench.call(13)
    assert bench.plan.exit_status is None


def test_what_cannot_be_deployed(bench: Bench, tmp_path: Path) -> None:
    for text, sentence in (
        (b"cVMs: 7\n", "run_yaml:1: '7': expected a list under cVMs"),
        ((HEAD + entry()).encode(), "belongs to cVM 'one' already"),
        ((HEAD + entry("more", TOP, wait=1)).encode(), "a wait in the yaml of a running cVM is not modelled"),
        (b"---\ncapfiles:\n- {name: a, size: 1}\n" + (HEAD + entry("m", TOP)).encode(), "capfiles of a running cVM"),
    ):
        assert sentence in said(bench, 29, bench.put(text), len(text))
    folder = tmp_path / "plain"
    folder.mkdir()
    plain = Bench(folder)
    assert plain.result(29, plain.put(b"x"), 1) == MINUS_ONE
    assert plain.plan.console("monitor").endswith("request for ppr yaml from 0\n")


def test_arguments_and_templates(bench: Bench) -> None:
    assert bench.result(114) == 1 and bench.result(115) == 0
    assert bench.result(116, bench.pointer(OUT), 16) == 0 and bench.plan.read(OUT, 16) == b"/app/first".ljust(16, b"\0")
    assert bench.result(116, bench.pointer(OUT), 4) == 0 and bench.plan.read(OUT, 4) == b"/app"
    assert bench.plan.console("monitor").endswith("[intravisor/hostcall] arg size larger than buf\n")


# ---- names ----


def resolve(bench: Bench, node: str, service: str, hints: tuple[int, ...] = (0, 0, 0, 0)) -> tuple[int, list[bytes]]:
    """The result of getaddrinfo, and the addresses of its list."""
    node_at, service_at = bench.put(node.encode() + b"\0", OUT), bench.put(service.encode() + b"\0", OUT + 0x80)
    hints_at = bench.put(struct.pack("<iiii", *hints) + bytes(32), OUT + 0x100)
    result = bench.result(530, node_at, service_at, hints_at, bench.pointer(OUT + 0x180))
    found, at = [], bench.plan.word(OUT + 0x180) if not result else 0
    while at:
        *_, size, _, address, at = struct.unpack("<iiiiIxxxxQQQ", bench.plan.read(at, 48))
        found.append(bench.plan.read(address, size))
    return result, found


def test_numbers_and_localhost_have_addresses(bench: Bench) -> None:
    four = bytes((16, 2)) + (80).to_bytes(2, "big") + b"\x7f\0\0\1" + bytes(8)
    assert resolve(bench, "127.0.0.1", "80", (0, 2, 1, 0)) == (0, [four])
    result, both = resolve(bench, "localhost", "http")
    assert result == 0 and [address[1] for address in both] == [28, 28, 2, 2]
    assert HEAP <= bench.plan.word(OUT + 0x180) < HEAP + 0x1000
    assert any(part.name == "heap of getaddrinfo" for part in bench.guest.compartments()[0].parts)


@pytest.mark.parametrize(
    ("node", "service", "hints", "result"),
    [
        ("nobody.example", "80", (0, 0, 0, 0), 8),
        ("localhost", "80", (4, 0, 0, 0), 8),
        ("::1", "80", (0, 2, 0, 0), 8),
        ("localhost", "nothing", (0, 0, 0, 0), 9),
        ("localhost", "http", (8, 0, 0, 0), 8),
        ("localhost", "80", (1 << 30, 0, 0, 0), 3),
        ("localhost", "80", (0, 10, 0, 0), 5),
        ("localhost", "80", (0, 0, 9, 0), 10),
    ],
)
def test_names_that_have_none(bench: Bench, node: str, service: str, hints: tuple[int, ...], result: int) -> None:
    assert resolve(bench, node, service, hints) == (result, [])


def test_the_heap_of_getaddrinfo_ends(bench: Bench) -> None:
    results = [resolve(bench, "127.0.0.1", "1", (0, 2, 1, 0))[0] for _ in range(3500)]
    assert results[0] == 0 and results[-1] == 6 and results == sorted(results)


# ---- what spins ----


@pytest.mark.parametrize("number", [201, 202, 203, 204])
def test_network_devices_are_not_compiled_in(bench: Bench, number: int) -> None:
    assert said(bench, number).endswith("network devices are not compiled into the monitor; the monitor spins")
    assert bench.plan.console("monitor").endswith(f"Intravisor: unknown t5 {number}\n")
