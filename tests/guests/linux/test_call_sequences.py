"""The sequence and the results of the calls of real programs, against ``qemu-aarch64 -strace`` of the same binary."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvmdbg.cli import main
from tests.guests.linux import sequences
from tests.guests.linux.running import PROGRAMS

EXTENSIONS = "import json, zlib, _heapq; print(json.dumps({'a': [1, None]}), zlib.crc32(b'x'), _heapq.heappop([3]))"
THREADS = """
import threading
for count in range(3):
    thread = threading.Thread(target=print, args=(count,))
    thread.start()
    thread.join()
"""
SQL = "create table t(a, b); insert into t values(1, 'x'), (2, 'y'); select sum(a), max(b) from t;"
PIPELINE = "echo one; echo two | tr a-z A-Z; echo $((6*7)); cd /tmp; ls nothing 2>&1 | wc -l"
CASES = {
    "hello": (PROGRAMS / "hello", ["one"], False),
    "musl": (PROGRAMS / "hello_musl", ["one", "two"], False),
    "C++ exceptions": (PROGRAMS / "exceptions", [], False),
    "signals": (PROGRAMS / "signals", [], True),
    "lua": ("usr/bin/lua5.4", ["-e", "for n = 1, 9 do io.write(n * n, ' ') end print(os.getenv('HOME'))"], False),
    "sqlite": ("usr/bin/sqlite3", [":memory:", SQL], False),
    "python extensions": ("usr/bin/python3.11", ["-P", "-c", EXTENSIONS], False),
    "python threads": ("usr/bin/python3.11", ["-P", "-c", THREADS], False),
    "busybox pipeline": ("bin/busybox", ["sh", "-c", PIPELINE], True),
    "redis": ("usr/bin/redis-server", ["--version"], False),
}
"""Program, arguments, has it children?"""


@pytest.mark.parametrize("name", CASES)
def test_calls_and_results_are_qemus(
    name: str, debian: Path, qemu: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program, args, forks = CASES[name]
    path = debian / program
    called = f"/{program}" if isinstance(program, str) else f"/{path.name}"
    status, printed, theirs = sequences.of_qemu(qemu, debian, path, called, args, forks)
    given = ["--rootfs", str(debian), "--env", "PYTHONDONTWRITEBYTECODE=1", "--env", "PYTHONPYCACHEPREFIX=/nowhere"]
    for host in sequences.HOST_FILES:
        given += ["--bind", f"{host}:{host}"] if Path(host).exists() else []
    trace = tmp_path / "trace"
    opened = called if isinstance(program, str) else str(path)
    ended = main(["strace", "--json", "-f", "-o", str(trace), *given, opened, "--", *args])
    out, _ = capfd.readouterr()
    assert (ended, out) == (status, printed.decode())
    mine = sequences.of_cvmdbg(trace.read_text().splitlines(), forks)
    assert sequences.differences(theirs, mine) == []
    assert sum(map(len, mine)) > 5


def test_a_signal_ends_a_traced_program_as_straces_lines_say(
    debian: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace"
    assert main(["strace", "-f", "-o", str(trace), "--rootfs", str(debian), str(PROGRAMS / "signals")]) == 143
    lines = [line.partition(" ")[2].strip() for line in trace.read_text().splitlines()]
    told = [line for line in lines if line.startswith(("---", "+++"))]
    assert told == [
        "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_TKILL, si_pid=1000, si_uid=0} ---",
        "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=1000, si_uid=0} ---",
        "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_TKILL, si_pid=1000, si_uid=0} ---",
        "+++ exited with 0 +++",
        "--- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---",
        "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10} ---",
        "--- SIGPIPE {si_signo=SIGPIPE, si_code=SI_USER, si_pid=1000, si_uid=0} ---",
        "+++ exited with 7 +++",
        "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=1002, si_uid=0, si_status=7, si_utime=0, "
        "si_stime=0} ---",
        "--- SIGTERM {si_signo=SIGTERM, si_code=SI_TKILL, si_pid=1000, si_uid=0} ---",
        "+++ killed by SIGTERM +++",
    ]
    assert lines[0].startswith('execve("/signals", ["/signals"], 0x') and lines[0].endswith(" vars */) = 0")
    assert {line.partition(" ")[0] for line in trace.read_text().splitlines()} == {"1000", "1001", "1002"}


def test_signals_are_selected_and_the_programs_of_a_pipeline_told_apart(
    debian: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = ["-e", "trace=execve,write", "-e", "signal=!chld", "--rootfs", str(debian)]
    assert main(["strace", "-f", *given, "/bin/busybox", "--", "sh", "-c", "echo a | cat; kill -USR1 $$"]) == 138
    _, err = capfd.readouterr()
    lines = err.splitlines()
    assert any(line.startswith('[pid  1002] execve("/proc/self/exe", ["cat"], 0x') for line in lines)
    assert any(line == '[pid  1001] write(1, "a\\n", 2)          = 2' for line in lines)
    assert "SIGCHLD" not in err and lines[-1] == "[pid  1000] +++ killed by SIGUSR1 +++"
