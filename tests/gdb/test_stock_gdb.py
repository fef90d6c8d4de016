"""gdb-multiarch drives our server over MI: the demo's compartments, libraries, breakpoints, watchpoints, time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdb.clients import Gdb, needed, server
from tests.targets.paged import DATA, HIGH, SYMBOLS, TEXT, program

START = 0x24A3B4
"""Where the demo's monitor enters its first compartment: pc at tick 0."""


@pytest.fixture
def gdb(tmp_path: Path) -> Iterator[Gdb]:
    client = Gdb(needed("gdb-multiarch"), tmp_path)
    yield client
    client.close()


@pytest.fixture
def demo(gdb: Gdb) -> Iterator[Gdb]:
    with server("demo:libhello", "--record", "run.cvmrec") as address:
        gdb.command(f"target remote {address}")
        gdb.command("sharedlibrary")
        yield gdb


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


def test_registers_threads_libraries(demo: Gdb) -> None:
    assert demo.number("$pc") == START
    registers = demo.command("info registers")
    for name in ("x0", "sp", "cpsr", "c0", "csp", "pcc", "ddc", "cctlr", "tag_map"):
        assert re.search(rf"^{name}\s", registers, re.M), name
    assert demo.number("$c30") & (1 << 64) - 1 == demo.number("$x30")
    assert demo.number("$tag_map") >> 32 & 1  # PCC has its tag
    assert '"16/0" (running)' in demo.command("info threads")
    libraries = demo.command("info sharedlibrary")
    assert re.search(r"0x0*4\w+\s+0x0*4\w+\s+Yes\s+target:/16/libos.so", libraries)
    assert "target:/17/libldso.so" in libraries
    assert "entry_libos" in demo.command("info functions") or "syscall_handler" in demo.command("info functions")


def test_steps_forwards_and_backwards(demo: Gdb) -> None:
    places = [demo.number("$pc")]
    for _ in range(5):
        demo.run("stepi")
        places.append(demo.number("$pc"))
    assert len(set(places)) > 3
    for expected in reversed(places[:-1]):
        demo.run("reverse-stepi")
        assert demo.number("$pc") == expected


def test_a_breakpoint_forwards_and_backwards(demo: Gdb) -> None:
    demo.command("set breakpoint pending on")
    demo.command("break *0x400000790")  # the LibOS's syscall_handler
    assert "breakpoint-hit" in demo.run("continue")
    assert demo.number("$pc") == 0x400000790
    first = demo.number("$x8"), demo.number("$sp")
    assert "breakpoint-hit" in demo.run("continue")
    assert "breakpoint-hit" in demo.run("reverse-continue")
    assert (demo.number("$x8"), demo.number("$sp")) == first
    demo.run("reverse-continue")
    assert "No more reverse-execution history" in demo.said
    assert demo.number("$pc") == START


def test_a_condition_is_judged_by_the_server(demo: Gdb) -> None:
    demo.command("break *0x400000790 if $x0 == 1 && $x2 > 3")
    assert "breakpoint-hit" in demo.run("continue")
    assert demo.number("$x0") == 1
    demo.command("info breakpoints")
    assert "already hit 1 time" in demo.said


def test_a_watchpoint_stops_behind_the_store(demo: Gdb) -> None:
    demo.command("break *0x400000790")
    demo.run("continue")
    demo.command("delete")
    stack = demo.number("$sp")
    before = demo.number(f"*(long*){stack - 16:#x}")
    demo.command(f"watch *(long*){stack - 16:#x}")
    stopped = demo.run("continue")
    assert "watchpoint-trigger" in stopped, stopped
    assert demo.number(f"*(long*){stack - 16:#x}") != before


def test_system_calls_are_caught(demo: Gdb) -> None:
    demo.command("catch syscall write")
    stopped = demo.run("continue")
    assert "syscall-entry" in stopped or "syscall-return" in stopped, stopped


def test_libraries_that_the_guests_loader_maps(demo: Gdb) -> None:
    demo.command("set stop-on-solib-events 1")
    demo.run("continue")
    assert "/17/app1" in demo.command("info sharedlibrary")


def test_memory_and_registers_are_written(demo: Gdb) -> None:
    stack = demo.number("$sp")
    demo.command(f"set var *(long*){stack - 64:#x} = 0x1122334455667788")
    assert demo.number(f"*(long*){stack - 64:#x}") == 0x1122334455667788
    demo.command("set var $x3 = 0x77")
    assert demo.number("$x3") == 0x77
    assert "Cannot access memory" in demo.command("x/1xg 0x10")


def test_the_end_is_told_with_its_status(demo: Gdb) -> None:
    assert "exited-normally" in demo.run("continue")


def test_monitor_commands_and_their_limits(demo: Gdb) -> None:
    assert "libos" in demo.command("monitor info compartments")
    assert "16" in demo.command("monitor info threads")
    assert demo.command("monitor explain")
    for line in ("monitor shell id", "monitor source /etc/passwd", "monitor export json /tmp/x", "monitor quit"):
        assert "error" in demo.command(line), line
    assert "error" in demo.command("monitor set directories /etc")
    assert "error" in demo.command("monitor symbol-file /etc/passwd")
    assert demo.number("$pc") == START


def test_no_file_of_the_host_can_be_had(demo: Gdb) -> None:
    for path in ("/etc/passwd", "/16/../../etc/passwd", "../etc/passwd", "/17//etc/passwd"):
        assert "error" in demo.command(f"remote get {path} stolen"), path
    assert not Path("stolen").exists()
    demo.command("remote get /16/libos.so own")
    assert Path("own").read_bytes().startswith(b"\x7fELF")


def test_an_endless_guest_is_interrupted(gdb: Gdb, tmp_path: Path) -> None:
    from cvmdbg.bench.tui import spinning

    program = tmp_path / "spin.elf"
    program.write_bytes(spinning())
    with server(str(program), "--no-record") as address:
        gdb.command(f"target remote {address}")
        assert gdb.number("$pc") == 0x1000
        gdb.start("continue")
        assert "SIGINT" in gdb.interrupt()
        assert gdb.number("$pc") in (0x1000, 0x1004)
        assert gdb.number("$x0") > 1000
        assert "0x0000000013000000" in gdb.command("info mem")
        assert "spin.elf" in gdb.command("info inferiors")


def test_a_machine_that_turns_its_page_tables_on(gdb: Gdb, tmp_path: Path) -> None:
    """gdb asks for the memory map while they are off, and must not refuse virtual addresses later."""
    (tmp_path / "paged.elf").write_bytes(program())
    with server(str(tmp_path / "paged.elf"), "--no-record") as address:
        gdb.command(f"file {tmp_path / 'paged.elf'}")
        gdb.command(f"target remote {address}")
        assert gdb.number("$pc") == TEXT
        gdb.command(f"break *{SYMBOLS['leaf']:#x}")
        gdb.run("continue")
        assert gdb.number("$pc") == SYMBOLS["leaf"]
        assert gdb.number("*(long *)&counter") == 3
        assert "c29b4126" in gdb.command("x/i $pc")
        gdb.command(f"watch *(long *){DATA + HIGH + 16:#x}")
        assert "watchpoint-trigger" in gdb.run("continue")
        assert gdb.number(f"*(long *){DATA + HIGH + 16:#x}") == DATA + HIGH
        assert "Cannot access" in gdb.command(f"x/gx {DATA:#x}")
