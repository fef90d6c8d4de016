"""A fault of a live machine is explained as in the emulator, as far as its peer says what it was."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvmdbg import demo
from cvmdbg.launch import emulated, remote
from cvmdbg.target import StopKind
from cvmdbg.targets.live.faults import CAPABILITY, Told, told
from tests.targets.stubs import served
from tests.targets.test_remote_peers import attached, free_port, needed

EXPECTED = json.loads((demo.path("demo:faults") / "expected.json").read_text("utf-8"))
EXPLAINED = [name for name, fault in EXPECTED.items() if fault["kind"] in CAPABILITY]


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_capability_fault_behind_a_stub_is_explained_as_in_the_emulator(tmp_path: Path, name: str) -> None:
    guest = "demo:faults"
    there, here = (emulated(guest, (name,), recording=False) for _ in range(2))
    there.connect()
    here.connect()
    here.execute("continue")
    with served(there, tmp_path, "morello") as address:
        far = remote(address, symbols=(demo.path(guest),), recording=False)
        far.connect()
        far.execute("continue")
        fault, expected = (s.live.target.stop.reason(StopKind.FAULT) for s in (far, here))
        assert fault is not None and expected is not None and fault.fault is not None and expected.fault is not None
        for part in ("kind", "access", "address", "size", "register", "capability", "needed"):
            assert getattr(fault.fault, part) == getattr(expected.fault, part), part
        mine, wanted = far.explain(), here.explain()
        assert (mine.title, mine.register, mine.function) == (wanted.title, wanted.register, wanted.function)
        if fault.fault.access != "fetch":  # whose cause lies an instruction back: only a recording tells
            assert mine.sentences[0] == wanted.sentences[0]
        far.close()


def test_a_fault_of_a_program_has_its_address(tmp_path: Path) -> None:
    needed("gdbserver", "gcc")
    (tmp_path / "bad.c").write_text("int main(void) { return *(volatile int *)0x1234; }", "utf-8")
    program, port = tmp_path / "bad", free_port()
    subprocess.run(["gcc", "-g", "-o", str(program), str(tmp_path / "bad.c")], check=True, timeout=60)
    with attached(["gdbserver", "--once", f"localhost:{port}", str(program)], f"localhost:{port}", program) as session:
        assert "stopped by SIGSEGV at 0x1234: nothing is mapped there" in session.execute("continue").lines[0]


@given(st.binary(max_size=160))
def test_any_siginfo_is_a_fault_or_none(content: bytes) -> None:
    found = told(content)
    assert found is None or (found.text and 0 <= found.address < 1 << 64)


def test_siginfo_of_cheribsd_has_its_address_further_back() -> None:
    words = [34, 0, 2, 0, 0, 0]
    content = b"".join(word.to_bytes(4, "little") for word in words) + (0x440001230).to_bytes(8, "little")
    assert told(content) == Told("tag", 0x440001230)
    assert told(content[:-1]) is None and told(b"") is None
