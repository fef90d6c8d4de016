"""Unmodified programs, static and dynamic, of both C libraries, and what qemu-aarch64 makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvmdbg.target import UserError
from tests.guests.linux.running import PROGRAMS, in_qemu, run


@pytest.mark.parametrize("name", ["hello", "hello_musl"])
def test_a_dynamic_program_prints_its_arguments(debian: Path, name: str) -> None:
    ran = run(PROGRAMS / name, "one", "", "üñ", root=debian)
    assert ran.text == f"0 /{name}\n1 one\n2 \n3 üñ\n"
    assert ran.status == 4


@pytest.mark.parametrize("name", ["hello", "hello_musl", "exceptions"])
def test_it_prints_what_it_prints_in_qemu(debian: Path, qemu: str, name: str) -> None:
    ran = run(PROGRAMS / name, "a", "b c", root=debian)
    assert (ran.status, ran.printed) == in_qemu(qemu, debian, PROGRAMS / name, "a", "b c")


SCRIPTS = [
    "echo one; echo two | tr a-z A-Z; echo $((6*7))",
    "for i in 3 1 2; do echo $i; done | sort -r | head -2",
    "cd /tmp; echo text > a; cat a a | wc -l; rm a; ls a; echo $?",
    "(exit 5); echo $?; true && false || echo no",
    "x=$(echo inner | sed s/n/m/g); echo $x; trap 'echo bye' EXIT; kill -USR1 $$ 2>/dev/null || true",
    "yes | head -2000 | tail -1; seq 1 20000 | awk '{s+=$1} END {print s}'",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_shell_of_busybox_and_its_pipelines(debian: Path, qemu: str, script: str) -> None:
    busybox = debian / "bin/busybox"
    ran = run(busybox, "sh", "-c", script, root=debian)
    assert not [r for r in ran.stops if r.status is None]
    status, printed = in_qemu(qemu, debian, busybox, "sh", "-c", script, name="/bin/busybox")
    assert (ran.status, ran.text.replace("/bin/busybox", "busybox")) == (status, printed.decode())


def test_python_runs_and_loads_its_extension_modules(debian: Path, qemu: str) -> None:
    source = "import json, zlib, hashlib, _heapq; print(json.dumps({'a': 2**70}), zlib.crc32(b'x'), hashlib.sha256(b'')"
    source += ".hexdigest(), _heapq.__file__ if hasattr(_heapq, '__file__') else '')"
    python = debian / "usr/bin/python3.11"
    ran = run(python, "-c", source, root=debian)
    status, printed = in_qemu(qemu, debian, python, "-c", source, name="/usr/bin/python3.11")
    assert (ran.status, ran.printed) == (status, printed.replace(str(debian).encode(), b""))


def test_a_program_without_its_interpreter_says_what_it_lacks() -> None:
    with pytest.raises(UserError, match=r"/hello: its interpreter /lib/ld-linux-aarch64\.so\.1 is not in the guest"):
        run(PROGRAMS / "hello")


def test_a_path_that_is_nowhere_is_said(debian: Path) -> None:
    with pytest.raises(UserError, match="there is no such file in the guest's root"):
        run("/usr/bin/nothing", root=debian)
