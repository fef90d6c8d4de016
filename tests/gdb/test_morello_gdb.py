"""CTSRD's Morello gdb as a client of our server: capabilities in its own dialect, tags in memory, time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdb.clients import Gdb, needed_from, server


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gdb]:
    path = needed_from("MORELLO_GDB")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    client = Gdb(path, tmp_path)
    with server("demo:libhello", "--client", "morello", "--record", "run.cvmrec") as address:
        client.command(f"target remote {address}")
        client.command("sharedlibrary")
        yield client
    client.close()


def test_capability_registers(demo: Gdb) -> None:
    assert "[" in demo.value("$pcc")
    demo.command("tbreak *0x400000790")
    demo.run("continue")
    assert "[rxRE,0x400000000-0x440000000]" in demo.value("$pcc")
    assert "[rwRW,0x440000000-0x480000000]" in demo.value("$ddc")
    assert "(sentry)" in demo.value("$c30")


def test_capabilities_in_memory(demo: Gdb) -> None:
    demo.command("tbreak *0x400000790")
    demo.run("continue")
    demo.command("stepi 4")
    granule = demo.number("$sp") & ~15
    said = demo.command(f"x/1gxm {granule:#x}")
    assert "error" not in said, said


def test_code_is_disassembled_as_c64(demo: Gdb) -> None:
    demo.command("tbreak *0x400000790")
    demo.run("continue")
    assert "mrs\tc11, ddc" in demo.command("x/1i $pc")


def test_time_goes_both_ways(demo: Gdb) -> None:
    demo.command("tbreak syscall_handler")
    demo.run("continue")
    place, bounds = demo.number("$pc"), demo.value("$ddc")
    demo.run("stepi")
    demo.run("stepi")
    assert demo.value("$ddc") != bounds
    demo.run("reverse-stepi")
    demo.run("reverse-stepi")
    assert (demo.number("$pc"), demo.value("$ddc")) == (place, bounds)
    demo.run("reverse-continue")
    assert "No more reverse-execution history" in demo.said


def test_a_capability_is_written(demo: Gdb) -> None:
    demo.command("set var $c5 = $c30")
    assert demo.value("$c5") == demo.value("$c30")
