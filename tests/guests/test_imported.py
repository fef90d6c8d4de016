"""The console log of a real run, read back: facts, order, what stays unknown, and hostile files."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from cvmdbg.guests.intravisor.imported import text as reading
from cvmdbg.guests.intravisor.imported.forms import MAX_MATCHED, known, meaning
from cvmdbg.guests.intravisor.imported.log import ConsoleLog, open_log
from cvmdbg.guests.intravisor.imported.printed import made
from cvmdbg.launch import emulated, replayed
from cvmdbg.session import Session
from cvmdbg.target import ThreadState, UserError
from emulator_core._core import Capability

LOGS = Path(__file__).parent / "imported"
REAL = os.environ.get("CVMDBG_CONSOLE_LOGS", "")


def log(name: str) -> ConsoleLog:
    return open_log(LOGS / name)


def from_lines(lines: list[bytes]) -> ConsoleLog:
    return ConsoleLog(Path("a.log"), reading.read(b"\n".join(lines), "a.log"))


def replay(name: str) -> Session:
    session = replayed(str(LOGS / name))
    session.connect()
    return session


# ---- lines -----------------------------------------------------------------------------------------------------------


def test_every_line_of_the_monitor_is_known() -> None:
    session = emulated("demo:libhello", recording=False)
    session.connect()
    session.execute("run")
    printed = [row for row in session.output_rows() if row.source == "monitor"]
    assert len(printed) > 90
    assert [row.line for row in printed if known(row.line) is None] == []
    session.close()


@pytest.mark.parametrize(
    ("line", "name", "values"),
    [
        ("Using yaml.cfg = /a/cvm.yaml", "begin", {"file": "/a/cvm.yaml"}),
        ("CAPINIT: 44009b831 --> 440146580, tag 1 ", "capinit", {"value": 0x44009B831, "slot": 0x440146580, "tag": 1}),
        ("ldso: Loading ELF:\t allocated 0x4400e4000, +31000", "load", {"base": 0x4400E4000, "size": 0x31000}),
        ("LOAD: 0x3f: /usr/lib/x.so at 0x3d340000", "load-named", {"path": "/usr/lib/x.so", "base": 0x3D340000}),
        ("new thread = 57", "new-thread", {"tid": 57}),
    ],
)
def test_lines_give_their_values(line: str, name: str, values: dict[str, object]) -> None:
    found = known(line)
    assert found is not None and found.form.name == name
    assert values.items() <= dict(found.values).items()
    assert meaning(line) == found.meaning != ""


@pytest.mark.parametrize("line", ["", "hello", "CAPINIT: x --> y, tag 1", "x" * (MAX_MATCHED + 1), "[0]: 1 2 3"])
def test_other_lines_are_unknown(line: str) -> None:
    assert known(line) is None and meaning(line) == ""


# ---- facts -----------------------------------------------------------------------------------------------------------


def test_a_log_of_our_own_gives_the_facts_of_the_run_that_printed_it() -> None:
    """The emulated run is the oracle: bases, sizes, services, and ca0 … ca8 bit by bit."""
    live = emulated("demo:libhello", recording=False)
    live.connect()
    live.execute("run")
    read = {c.badge: c for c in log("libhello.txt").compartments(log("libhello.txt").last)}
    for expected in live.live.places.compartments:
        found = read[expected.badge]
        assert (found.name, found.inside, found.links) == (expected.name, expected.inside, expected.links)
        if expected.badge == "M":
            assert (found.base, found.size, found.parts) == (0, 0, ()), "the log does not tell the monitor's memory"
            continue
        assert (found.base, found.size, found.begin, found.end) == (
            expected.base,
            expected.size,
            expected.begin,
            expected.end,
        )
        assert (found.pure, found.store) == (expected.pure, expected.store)
        assert [(g.name, f"{g.value:x}") for g in found.grants] == [(g.name, f"{g.value:x}") for g in expected.grants]
        segments = [p for p in found.parts if p.kind == "segment"]
        wanted = [p for p in expected.parts if p.kind == "segment"]
        assert [(p.address, p.size) for p in segments] == [(p.address, p.size) for p in wanted]
        for part, real in zip(segments, wanted, strict=True):
            assert all(got in (asked, "?") for got, asked in zip(part.flags, real.flags, strict=True))
    live.close()


def test_the_purecap_log() -> None:
    session = replay("musl.md")
    comps = {c.badge: c for c in session.live.places.compartments}
    assert list(comps) == ["M", "16", "17"]
    assert (comps["16"].inside, comps["17"].inside) == ("M", "16")
    ca = {g.name: Capability(g.value) for g in comps["17"].grants}
    assert list(ca) == [f"ca{n}" for n in range(9)]
    assert (ca["ca0"].value, ca["ca0"].perms, ca["ca0"].otype) == (0x4400B0471, 0x2C147, 4)
    assert (ca["ca3"].base, ca["ca3"].value) == (0x400000000, 0x40001F47D)
    assert not ca["ca5"].tag and ca["ca5"].value == 0x202FE0
    assert (ca["ca7"].base, ca["ca7"].length, ca["ca7"].value) == (0x47FF80000, 0x80000, 0x47FFFC000)
    rows = session.execute("info relocations").lines[1:]
    assert [row.split()[2] for row in rows] == [
        "CAPINIT", "RELATIVE", "CAPINIT", "CAPINIT", "CAPINIT", "CAPINIT", "RELATIVE", "RELATIVE",
    ]  # fmt: skip
    assert "440114c20 ← 4401263ed" in rows[3] and "●" in rows[3]
    threads = session.live.threads()
    assert [(t.name, t.state) for t in threads] == [("16/0", ThreadState.EXITED), ("17/0", ThreadState.UNKNOWN)]
    assert "derived" in threads[0].reason and threads[1].ids == {"tid": 0x550000}
    bases = [(m.name, m.base, m.size) for m in session.module_rows()]
    assert bases[2:] == [("?", 0x4400E4000, 0x31000), ("?", 0x440116000, 0x31000)], "the log names no file"
    lines = [row.line for row in session.output_rows()]
    assert lines.index("app main") < lines.index("hello world from lib") == len(lines) - 1, "the fence is left out"


def test_the_hybrid_log() -> None:
    session = replay("python.md")
    comp = session.live.places.named("16")
    assert comp is not None and comp.pure is False and len(comp.grants) == 7
    assert [(r.name, r.base, r.size) for r in session.module_rows()][1:] == [
        ("python3.9", 0x43C400000, 0),
        ("_heapq.cpython-39-aarch64-linux-gnu.so", 0x43D340000, 0),
    ]
    ids = [t.ids for t in session.live.threads()]
    assert ids == [{"pthread": 0x4CFE08}, {"libos": 57, "pthread": 0x3D3A2B08}, {"libos": 58, "pthread": 0x3D3E2B08}]
    assert "Thread ID 1027222280" in session.live.threads()[1].reason
    assert [e.name for e in session.live.trace.entries] == ["timer_alloc", "tls_alloc"]


def test_what_the_log_does_not_tell_is_unknown() -> None:
    session = replay("musl.md")
    status = session.status()
    assert (status.place, status.tick, status.target) == ("", None, "observed")
    assert {row.badge for row in session.thread_rows()} == {"?"}
    assert all(row.host == "—" for row in session.thread_rows())
    assert all(row.now == "····" for row in session.map_rows())
    for line in ("info registers", "x 0x400000000", "disassemble", "backtrace"):
        with pytest.raises(Exception, match="console log does not tell"):
            session.execute(line)
    session.connect()
    assert session.why_not(session.table.resolve("break")[0]) is not None


# ---- moments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["musl.md", "python.md", "libhello.txt"])
def test_facts_at_a_line_do_not_depend_on_the_way_there(name: str) -> None:
    forwards, backwards = log(name), log(name)
    lines = range(forwards.first, forwards.last + 1)
    there = [(forwards.seen(n), forwards.compartments(n), forwards.modules(n)) for n in lines]
    back = [(backwards.seen(n), backwards.compartments(n), backwards.modules(n)) for n in reversed(lines)]
    assert there == back[::-1]
    sizes = [len(modules) for _, _, modules in there]
    assert sizes == sorted(sizes) and sizes[0] == 0, "nothing is known before its line"


def test_the_log_is_walked_by_line_in_batch() -> None:
    session = replay("musl.md")
    assert session.execute("when").text == "148 of 148, call 2, past"
    session.execute("goto 50%")
    assert session.execute("when").text.startswith("77 of 148, call 0")
    session.execute("previous-event load")
    assert session.execute("when").text.startswith("7 of 148"), "no load before: the start"
    assert session.module_rows() == ()


# ---- files that are none, and hostile ones ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "a.log, line 1: '' begins no console log"),
        (b"\n\nroot:x:0\n", "a.log, line 3: 'root:x:0' begins no console log"),
        (b"\x7fELF\x02\0\0", "a.log, line 1"),
    ],
)
def test_a_file_that_is_no_log_is_one_sentence(content: bytes, says: str) -> None:
    with pytest.raises(UserError) as caught:
        reading.read(content, "a.log")
    assert str(caught.value).startswith(says) and "expected a line" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_interleaved_capabilities_are_not_mixed_up() -> None:
    lines = (LOGS / "musl.md").read_bytes().split(b"\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(b"ca2:"))
    lines.insert(at + 1, b"another thread prints")
    grants = {c.badge: [g.name for g in c.grants] for c in from_lines(lines).compartments(len(lines) - 2)}
    assert "ca2" not in grants["16"] and "ca3" in grants["16"] and "ca2" in grants["17"]


def test_a_second_run_and_long_files_are_said_to_be_left_out() -> None:
    once = (LOGS / "libhello.txt").read_bytes()
    twice = reading.read(once + once, "a.log")
    assert len(twice.lines) == once.count(b"\n") and "another run begins at line" in twice.notice
    many = reading.read(once + b"x\n" * reading.MAX_LINES, "a.log")
    assert len(many.lines) == reading.MAX_LINES and "left out" in many.notice


def test_a_capability_that_cannot_be_is_said_to_be_none() -> None:
    flags = {"tag": 1, "sealed": 0, "perms": 0x37145, "otype": 0}
    assert made(flags, {"base": 0x400076000, "length": 0x3DF8A000, "offset": 0}) is None, "not representable"
    assert made(flags | {"perms": 1 << 20}, {"base": 0, "length": 16, "offset": 0}) is None
    assert made(flags, {"base": (1 << 64) - 1, "length": (1 << 64) - 1, "offset": 0}) is None


def test_mutilated_logs_are_read_or_refused() -> None:
    """Lines lost, doubled, swapped, cut and flipped: a sentence or a log whose every moment can be looked at."""
    chance = random.Random(4)
    for round_ in range(150):
        lines = (LOGS / chance.choice(["musl.md", "python.md", "libhello.txt"])).read_bytes().split(b"\n")
        for _ in range(chance.randrange(1, 30)):
            _hurt(lines, chance)
        try:
            found = from_lines(lines)
        except UserError:
            continue
        for position in {found.first, chance.randrange(found.first, found.last + 1), found.last}:
            found.seen(position), found.compartments(position), found.modules(position)
            assert found.about(position) is not None, round_


def _hurt(lines: list[bytes], chance: random.Random) -> None:
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    line = lines[at]
    match chance.randrange(6):
        case 0:
            del lines[at : at + chance.randrange(1, 9)]
            lines.append(b"")
        case 1:
            lines.insert(at, lines[other])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = line[: chance.randrange(len(line) + 1)]
        case 4 if line:
            place = chance.randrange(len(line))
            lines[at] = line[:place] + bytes([chance.randrange(256)]) + line[place + 1 :]
        case _:
            lines[at] = line.replace(b"0", b"f", 3)


@pytest.mark.skipif(not REAL, reason="CVMDBG_CONSOLE_LOGS names no folder with logs of real runs (000*.txt, 002*.txt)")
def test_the_whole_logs_of_real_runs() -> None:
    """Every line of the two published runs, in order."""
    python, musl = (open_log(next(Path(REAL).glob(pattern))) for pattern in ("000*.txt", "002*.txt"))
    assert [c.badge for c in python.compartments(python.last)] == ["M", "16"]
    assert len(musl.relocations) == 8 and [len(c.grants) for c in musl.compartments(musl.last)] == [0, 9, 9]
    assert len(musl.observations(musl.first, musl.last)) > musl.last - musl.first
