"""Debian's lldb as a client of our server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.gdb.clients import lldb, needed, server


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = needed("lldb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with server("demo:libhello", "--no-record") as address:
        return lldb(
            path,
            [
                f"gdb-remote {address}",
                "register read pc sp x0 c0",
                "thread list",
                "memory read --size 8 --count 1 --format x $sp",
                "memory region 0x400000000",
                "memory region 0x10",
                "stepi",
                "register read pc",
                "register write x5 0x55",
                "register read x5",
                "breakpoint set --address 0x400000790",
                "continue",
                "register read pc",
                "breakpoint delete 1",
                "watchpoint set expression -w write -s 8 -- $sp-16",
                "continue",
                "register read pc",
                "watchpoint delete 1",
                "continue",
            ],
            tmp_path,
        )


def test_lldb_debugs_the_demo(said: str) -> None:
    pcs = [int(value, 16) for value in re.findall(r"^\s+pc = (0x\w+)", said, re.M)]
    assert pcs[0] == 0x24A3B4, said
    assert pcs[1] == 0x24A3B8
    assert pcs[2] == 0x400000790
    assert 0x400000000 <= pcs[3] < 0x480000000
    assert "x5 = 0x0000000000000055" in said
    assert re.search(r"c0 = ", said)
    assert "stop reason = breakpoint 1.1" in said
    assert "stop reason = watchpoint 1" in said
    assert re.search(r"\[0x0*400000000-0x0*43e000000\) rwx", said)
    assert re.search(r"\[0x0+-0x0*24a000\) ---", said)
    assert "exited with status = 0" in said
