"""``cvmdbg strace``: strace's lines, options, counts, JSON; the sequence of calls against qemu-aarch64's."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cvmdbg.analysis.calls import plain
from cvmdbg.analysis.crossings import Entry
from cvmdbg.analysis.lines import Form, Lines, seconds
from cvmdbg.analysis.selecting import Selection, status_set, trace_set
from cvmdbg.cli import main
from cvmdbg.target import UserError

LOADER = ("brk", "mprotect", "rseq", "set_robust_list")
"""What differs by the sizes of pages, or by what a kernel offers: qemu refuses the last two."""
LINE = re.compile(r"^(\[pid +\d+\] )?(\w+\(.*\) += .*|<\.\.\. \w+ resumed>.*|.* <unfinished \.\.\.>|(\+\+\+|---) .*)$")
SOURCE = r"""
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
int main(void) {
    struct stat about;
    char text[64];
    struct iovec parts[2] = {{"ab", 2}, {"cd\n", 3}};
    int pair[2], file = open("/tmp/cvmdbg-strace-test", O_CREAT | O_RDWR | O_TRUNC, 0644);
    write(file, "some text\n", 10);
    lseek(file, 0, SEEK_SET);
    read(file, text, sizeof text);
    fstat(file, &about);
    writev(1, parts, 2);
    close(file);
    unlink("/tmp/cvmdbg-strace-test");
    stat("/there/is/no/such/file", &about);
    pipe(pair);
    write(pair[1], "x", 1);
    read(pair[0], text, 1);
    read(77, text, 1);
    return 3;
}
"""


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], str]:
    """Status, the lines of the trace, what the guest printed."""
    status = main(["strace", *words])
    out, err = capfd.readouterr()
    return status, err.splitlines(), out


def test_lines_are_straces(capfd: pytest.CaptureFixture[str]) -> None:
    status, lines, out = run(capfd, "demo:libhello")
    assert status == 0
    assert [line for line in lines if not LINE.match(line)] == []
    assert 'openat(AT_FDCWD, "/app1", O_RDONLY)     = 3' in lines
    assert any(line.startswith(r'read(3, "\177ELF\2\1\1') for line in lines)
    assert lines[-1] == "+++ exited with 0 +++"
    assert "hello world from lib" in out
    assert "exited" not in out


def test_options_select_and_form(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, lines, _ = run(capfd, "-e", "trace=%file", "-q", "demo:files")
    assert lines and all(line.startswith("openat(") for line in lines)
    _, lines, _ = run(capfd, "-Z", "-q", "demo:files")
    assert lines and all(re.search(r"= -1 E\w+ \(.*\)$", line) for line in lines)
    _, lines, _ = run(capfd, "-P", "/app1", "-q", "demo:libhello")
    assert lines[0].startswith('openat(AT_FDCWD, "/app1"') and {line.partition("(")[0] for line in lines} >= {
        "openat",
        "read",
        "lseek",
    }
    _, lines, _ = run(capfd, "-T", "-r", "-n", "-e", "openat", "-q", "demo:libhello")
    assert all(re.match(r" +\d\.\d{6} \[  56\] openat\(.* <\d\.\d{6}>$", line) for line in lines)
    target = tmp_path / "trace"
    _, lines, _ = run(capfd, "-f", "-o", str(target), "demo:libhello")
    assert lines == [] and all(re.match(r"\d{5,} +\S", line) for line in target.read_text().splitlines())


def test_inner_layers_and_capabilities(capfd: pytest.CaptureFixture[str]) -> None:
    _, lines, _ = run(capfd, "--layers", "--caps", "-e", "write,write_out,writev", "-q", "demo:libhello")
    assert any(re.match(r"\[16→M\] write_out\(0x\w+ \[\w+,0x\w+-0x\w+\] ", line) for line in lines)
    assert any(line.startswith("[17→16] write") and line.endswith("<unfinished ...>") for line in lines)
    assert any(line.startswith("[M→H] write(1, ") for line in lines)


def test_counts(capfd: pytest.CaptureFixture[str]) -> None:
    _, lines, _ = run(capfd, "-c", "demo:files")
    assert lines[0] == "% time     seconds  usecs/call     calls    errors syscall"
    rows = [line.split() for line in lines[2:-2]]
    total = lines[-1].split()
    assert total[-1] == "total" and sum(int(row[3]) for row in rows) == int(total[3])
    assert abs(sum(float(row[0]) for row in rows) - 100) < 0.5


def test_json_has_one_object_a_call(capfd: pytest.CaptureFixture[str]) -> None:
    _, lines, _ = run(capfd, "--json", "-e", "openat", "demo:libhello")
    calls = [json.loads(line) for line in lines]
    assert calls[0]["call"] == "openat" and calls[0]["arguments"]["path"] == '"/app1"'
    assert calls[0]["value"] == 3 and calls[0]["path"] == "17→16" and calls[0]["words"][1].startswith("0x1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-e", "trace=opena"), "there is no such call"),
        (("-e", "%files"), "there is no such class"),
        (("-e", "status=odd"), "there is no such status"),
        (("-e", "trace=/["), "-e trace=/["),
        (("-e", "colour=red"), "expected trace=SET"),
        (("-s", "100000"), "-s 100000"),
    ],
)
def test_mistakes_are_one_sentence(capfd: pytest.CaptureFixture[str], words: tuple[str, ...], said: str) -> None:
    status, lines, _ = run(capfd, *words, "demo:libhello")
    assert status == 1 and len(lines) == 1 and said in lines[0]


def _call(name: str, thread: int, index: int, tick: int) -> Entry:
    entry = Entry(1, 0, None, tick, thread, "17→16", name, plain(name), 63, None)
    entry.texts, entry.index = ("0", "1"), index
    return entry


def test_a_call_that_another_thread_interrupts_is_printed_twice() -> None:
    lines: list[str] = []
    form = Form(threads=True, to_file=True, clock=3)
    writer = Lines(lines.append, form, Selection(), str, lambda thread: 100 + thread)
    first, second = _call("read", 0, 0, 1000), _call("write", 1, 1, 2000)
    writer.event("begin", first)
    writer.event("begin", second)
    second.ended, second.outcome = 3000, "= 1"
    writer.event("end", second)
    first.ended, first.outcome = 4000, "= 1"
    writer.event("end", first)
    assert lines == [
        "100   0.000001 read(0, 1 <unfinished ...>",
        "101   0.000002 write(0, 1)              = 1",
        "100   0.000004 <... read resumed>)      = 1",
    ]


def test_sets_of_calls() -> None:
    entry = _call("openat", 0, 0, 1)
    for text, taken in (
        ("openat", True),
        ("!openat", False),
        ("/^open", True),
        ("none", False),
        ("?read,openat", True),
    ):
        assert trace_set(text)(entry) is taken, text
    assert status_set("!failed") == {"successful", "unfinished"}
    assert seconds(1_234_567_891) == "1.234567"
    with pytest.raises(UserError):
        trace_set("!")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static AArch64 program."""
    for tool in ("aarch64-linux-gnu-gcc", "qemu-aarch64"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: it makes the program or runs it as the oracle")
    folder = tmp_path_factory.mktemp("strace")
    (folder / "calls.c").write_text(SOURCE)
    command = ["aarch64-linux-gnu-gcc", "-static", "-o", folder / "calls", folder / "calls.c"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "calls"


def test_the_sequence_is_qemus(capfd: pytest.CaptureFixture[str], program: Path) -> None:
    said = subprocess.run(["qemu-aarch64", "-strace", program], capture_output=True, text=True, timeout=60).stderr
    calls = re.findall(r"^\d+ (\w+)\(.*?\)(?: = (-?\d+))?", said, re.MULTILINE)
    theirs = [(name, int(result)) for name, result in calls if result and name not in LOADER]
    _, lines, _ = run(capfd, "-q", str(program))
    found = (re.match(r"(\w+)\(.*\) += (-?\d+)(?: (E\w+))?", line) for line in lines)
    mine = [(m[1], int(m[2])) for m in found if m and m[1] not in (*LOADER, "execve")]
    same = {"set_tid_address", "readlinkat", "getpid"}  # results that name this program or its number
    strip = [(n, 0 if n in same else -1 if r < 0 else r) for n, r in theirs]
    assert [(n, 0 if n in same else r) for n, r in mine] == strip
    assert len(mine) > 15


def test_a_program_is_spelled_as_straces(capfd: pytest.CaptureFixture[str], program: Path, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: it spells the same program of this machine")
    native, output = tmp_path / "calls", tmp_path / "output"
    subprocess.run(["gcc", "-static", "-o", native, program.with_suffix(".c")], check=True, capture_output=True)
    subprocess.run(["strace", "-o", output, native], capture_output=True, timeout=60)
    wanted = ("openat", "write", "lseek", "read", "writev", "close", "pipe2", "exit_group")
    theirs = [line for line in output.read_text().splitlines() if line.partition("(")[0] in wanted]
    _, lines, _ = run(capfd, str(program))
    mine = [line for line in lines if line.partition("(")[0] in wanted]
    assert [re.sub("0x[0-9a-f]+", "ADDRESS", line).split() for line in mine] == [
        re.sub("0x[0-9a-f]+", "ADDRESS", line).split() for line in theirs
    ]
    assert lines[-1] == output.read_text().splitlines()[-1]
