"""The monitor's lines against those of two published runs, line by line: the same words, the guest's own numbers.

logs/libhello.txt and logs/python.txt are what the monitor printed before its cVMs said anything.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path

import pytest
from elves import HEAD, Shape, build, entry
from plan import Plan

from cvmdbg.guests.guest import Boundary, BoundaryKind, Guest
from cvmdbg.guests.intravisor.monitor import Intravisor
from cvmdbg.guests.opening import open_guest

LOGS = Path(__file__).parent / "logs"
_NUMBER = re.compile(r"(?<![A-Za-z_])(0x)?(?=[0-9a-f]*[0-9])[0-9a-f]+(\.[0-9]+)?(?![A-Za-z_])")


def shape(line: str, names: dict[str, str]) -> str:
    """A line without its numbers, and with the names of one run for those of another."""
    for name, other in names.items():
        line = line.replace(name, other)
    return _NUMBER.sub("#", line)


def lines(guest: Guest) -> list[str]:
    """All that the monitor says until its first cVM runs."""
    return Plan().start(guest).console("monitor").splitlines()


def test_a_purecap_run() -> None:
    names = {"'musl'": "'ldso'", "name=musl": "name=ldso", "musl-uni-libhello.yaml": "cvm.yaml", " /app/sc_main'": "'"}
    theirs = [shape(line, names) for line in (LOGS / "libhello.txt").read_text().splitlines()]
    ours = [shape(line, {}) for line in lines(open_guest("demo:libhello"))]
    dropped = [line for line in theirs if line in ("[#] '/app/sc_main'", "[#] '")]
    assert len(dropped) == 1  # our guest has no such argument
    compare(ours, [line for line in theirs if line not in dropped], extra={"ACHTUNG: 'libldso.so' has syscall"})


def test_a_hybrid_run(tmp_path: Path) -> None:
    symbols = {"ret_from_monitor": 0x110, "cvm_heap_begin": 0x1000, "cvm_heap_size": 0x1010, "syscall_handler": 0x120}
    (tmp_path / "libmusl-lkl.so").write_bytes(build(Shape(symbols=symbols)))
    (tmp_path / "disk_python.img").touch()
    text = entry("python", disk="disk_python.img", args="/ld.so /usr/bin/python3.9 /app/helloworld.py")
    text = text.replace("lib.so", "libmusl-lkl.so").replace("  callback_out: monitor\n", "")
    (tmp_path / "cvm.yaml").write_text(HEAD + text)
    theirs = (LOGS / "python.txt").read_text().splitlines()
    ours = lines(Intravisor(tmp_path / "cvm.yaml"))
    compare([shape(x, {}) for x in ours], [shape(x, {"/intravisor/cvm.yaml": "cvm.yaml"}) for x in theirs])


def test_a_second_cvm() -> None:
    """The app's cVM, behind the LibOS: no OCALL PCC, its gate in the other cVM."""
    guest = open_guest("demo:libhello")
    plan = Plan().start(guest)
    before = len(plan.console("monitor"))
    plan.registers |= {(0, "c14"): 42, (0, "ctpidr"): 0x43FF81000, (0, "csp"): 0x43FFFB000}
    plan.take(guest.boundary(Boundary(BoundaryKind.HOSTCALL, 0), plan))
    ours = plan.console("monitor")[before:].splitlines()
    theirs = [line for line in (LOGS / "libhello-second.txt").read_text().splitlines() if "/app/sc_main" not in line]
    assert [shape(x, {}) for x in ours] == [shape(x, {}) for x in theirs]
    stray = theirs.index("ca5: sealed OCALL PCC ")
    assert ours[stray : stray + 3] == theirs[stray : stray + 3]
    assert (ours[-2], ours[0]) == (theirs[-2], theirs[0])


def compare(ours: list[str], theirs: list[str], extra: set[str] | None = None) -> None:
    """Equal line by line, but for the number of program headers and what only our guest has."""
    header = re.compile(r"\[#\]: # # # # # #$")
    kept = [
        [x for x in side if not header.match(x) and not any(x.startswith(e) for e in extra or ())]
        for side in (ours, theirs)
    ]
    for number, (mine, other) in enumerate(zip_longest(*kept)):
        assert mine == other, f"line {number}"
    assert any(header.match(line) for line in ours) and any(header.match(line) for line in theirs)


@pytest.mark.parametrize("name", ["libhello.txt", "python.txt"])
def test_capabilities_of_the_log(name: str) -> None:
    """The demo's ca0 … ca8 have the very permissions, types, bases, lengths that the logs show at the same places."""
    guest = open_guest("demo:libhello" if name == "libhello.txt" else "demo:hello")
    ours, theirs = (re.findall(r"^tag . s . perms .*\n +base \w+ length \w+", text, re.M) for text in (
        Plan().start(guest).console("monitor"), (LOGS / name).read_text()
    ))  # fmt: skip
    assert len(ours) in (7, 9) and ours == theirs[: len(ours)]
