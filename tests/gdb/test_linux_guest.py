"""gdb-multiarch debugs a plain Linux program in our emulator: its registers hold addresses relative to its DDC."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.gdb.clients import Gdb, needed, server

SOURCE = """
#include <unistd.h>
int counter;
int add(int n) { counter += n; return counter; }
int main(void) { for (int i = 0; i < 5; i++) add(i); write(1, "done\\n", 5); return 3; }
"""


def test_a_static_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler, path = needed("aarch64-linux-gnu-gcc"), needed("gdb-multiarch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    Path("program.c").write_text(SOURCE, "utf-8")
    subprocess.run([compiler, "-g", "-O0", "-static", "-o", "program", "program.c"], check=True)
    gdb = Gdb(path, tmp_path)
    try:
        with server(str(tmp_path / "program"), "--no-record") as address:
            gdb.command(f"target remote {address}")
            gdb.command("sharedlibrary")
            gdb.command("break add")
            gdb.run("continue")
            gdb.run("continue")
            assert gdb.value("n") == "1"
            gdb.command("delete")
            gdb.command("watch counter")
            assert "watchpoint-trigger" in gdb.run("continue")
            assert gdb.value("counter") == "1"
            gdb.command("delete")
            assert 'exit-code="03"' in gdb.run("continue")
    finally:
        gdb.close()
