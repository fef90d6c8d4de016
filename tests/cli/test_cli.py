"""The program as it is called: batch text, JSON, exit statuses, pipes, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cvmdbg import demo
from cvmdbg.batch import lines_of
from cvmdbg.cli import main
from cvmdbg.commands.schema import text as schema_text
from emulator_core._core import default_engine, jit_missing, set_default_engine
from tests.cli.schema import problems

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "batch.schema.json").read_text())
GUESTS = sorted(p.parent for p in demo.ROOT.glob("*/*/cvm.yaml"))


def start(*words: str, **options: Any) -> subprocess.Popen[str]:
    """The program, running."""
    return subprocess.Popen(
        [sys.executable, "-m", "cvmdbg.cli", *words],
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **options,
    )


def test_the_schema_is_fresh() -> None:
    assert (DOCS / "batch.schema.json").read_text("utf-8") == schema_text(), "run: python -m cvmdbg.commands.schema"


@pytest.mark.parametrize("folder", GUESTS, ids=lambda folder: folder.name)
def test_each_guest_prints_what_is_expected(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--", "none"] if folder.name == "faults" else []
    assert main(["run", str(folder), "--batch", "-ex", "run", *words]) == 0
    printed = capsys.readouterr().out.splitlines()
    wanted = (folder / "expected.txt").read_text("utf-8").splitlines()
    rest = iter(printed)
    for line in wanted:
        assert line in rest, line


@pytest.mark.parametrize("program", sorted(demo.ROOT.glob("bare/*.elf")), ids=lambda path: path.name)
def test_bare_programs(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(program), "--batch", "-ex", "run"]) == 0
    printed = capsys.readouterr().out
    assert program.with_suffix(".expected").read_text("utf-8") in printed


def test_the_demo_without_a_terminal_runs_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert "hello world from lib" in out
    assert "○ exited with status 0" in out


def test_a_session_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-ex", "break fibonacci", "-ex", "run", "-ex", "bt", "-ex", "print n"]
    assert main(["run", "demo:hello", "--batch", *words]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "breakpoint 1 at 4000001fc: 16 fibonacci at hybrid/hello/main.c:20" in out
    assert out[-1] == "$1 = 10"
    assert out.index("hello from a hybrid cVM") < out.index("    20     calls++;")


def objects(out: str) -> list[dict[str, Any]]:
    """One JSON object a line, each as the schema says."""
    found = [json.loads(line) for line in out.splitlines()]
    for item in found:
        assert problems(item, SCHEMA, SCHEMA) == []
    return found


COMMANDS = [
    "break fibonacci",
    "run",
    "info registers",
    "info registers integer",
    "info compartments",
    "info compartments 16",
    "info threads",
    "info breakpoints",
    "info crossings",
    "info sharedlibrary",
    "info locals",
    "info args",
    "info frame",
    "info capability $ddc",
    "info symbol $pc",
    "info target",
    "info display",
    "info functions fib",
    "backtrace",
    "print origin",
    "print $ddc",
    "print &origin",
    "print 1.5",
    "x/4xg &origin",
    "x/2xc 0x43e001020",
    "x/3i $pc",
    "x/s 16:698",
    "list",
    "disassemble",
    "display n",
    "step",
    "next",
    "finish",
    "explain",
    "summary",
    "when",
    "show",
    "help break",
    "ptype origin",
    "thread",
    "up",
    "down",
    "goto fibonacci",
    "find -cap 16",
    "delete",
    "continue",
]


def test_every_kind_of_result_fits_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for command in COMMANDS for word in ("-ex", command)]
    assert main(["run", "demo:hello", "--json", *words]) == 0
    found = objects(capsys.readouterr().out)
    assert [item["command"] for item in found] == COMMANDS
    assert all(item["ok"] for item in found)
    results = {item["command"]: item["result"] for item in found}
    assert results["print $ddc"]["capability"]["base"] == "0x400000000"
    assert results["print &origin"]["value"] == "0x400001af8"
    assert results["run"]["pc"] == "0x4000001fc"
    assert results["continue"]["status"] == 0
    numbers = re.findall(r'"(?:pc|address|base|limit|perms|bits)": (\d+)', json.dumps(found))
    assert numbers == []  # addresses and capabilities are hex strings
    assert any(row["line"] == "bye" for row in found[-1]["console"])


def test_mistakes_are_objects_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "demo:hello", "--json", "-ex", "print )", "-ex", "run"]) == 1
    (item,) = objects(capsys.readouterr().out)
    assert item["error"]["kind"] == "user"
    assert "^" in item["error"]["message"]
    assert main(["run", "demo:hello", "--json", "-ex", "stepi", "-ex", "print *(long*)0x4c0000000"]) == 2
    assert objects(capsys.readouterr().out)[-1]["error"]["kind"] == "target"


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["run", "/nonexistent"], 1, "there is no such file"),
        (["run"], 1, "the following arguments are required: PATH"),
        (["run", "demo:nothing", "--batch"], 1, "there is no demo 'nothing'"),
        (["nonsense"], 1, "invalid choice"),
        (["run", "demo:hello", "--batch", "-ex", "nonsense"], 1, "no command nonsense"),
        (["run", "demo:hello", "--batch", "-x", "/nonexistent"], 1, "No such file"),
        (["run", "demo:hello", "--batch", "-ex", "stepi", "-ex", "x 0x4c0000000"], 2, "not mapped"),
        (["cap", "nonsense", "00"], 1, "nonsense"),
        (["disasm", "xyz"], 1, "xyz"),
    ],
)
def test_exit_statuses(words: list[str], status: int, sentence: str) -> None:
    process = start(*words)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert sentence in err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 4


def test_words_behind_the_dashes_are_the_guests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "demo:faults", "--batch", "-ex", "run", "--", "brk"]) == 0
    assert "BREAKPOINT INSTRUCTION" in capsys.readouterr().out


def test_scripts_and_lists_over_several_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "setup"
    script.write_text("break fibonacci if n == 4\ncommands\nprint n\nend\n")
    assert lines_of(["commands 1", "print n", "end", "run"], []) == ["commands 1\nprint n", "run"]
    assert main(["run", "demo:hello", "--batch", "-x", str(script), "-ex", "run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "$1 = 4"


def test_a_closed_pipe_is_no_mistake() -> None:
    process = start("run", "demo:libhello", "--batch", "-ex", "run", "-ex", "info crossings", "-ex", "info target")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.wait(timeout=60)
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("form", ["--batch", "--json"])
def test_a_full_disk_is_a_sentence(form: str) -> None:
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "cvmdbg.cli", "run", "demo:hello", form, "-ex", "run"]
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == "cvmdbg: standard output cannot be written: No space left on device\n"


def test_ctrl_c_stops_the_guest_and_the_rest_goes_on() -> None:
    spin = ["-ex", "break fibonacci", "-ex", "run", "-ex", "delete", "-ex", "set *(int*)$pc = 0x14000000"]
    process = start("run", "demo:hello", "--batch", *spin, "-ex", "echo spinning", "-ex", "continue", "-ex", "when")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("spinning"):
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert "■ interrupted" in out
    assert out.splitlines()[-1].startswith("tick ")
    assert process.returncode == 0
    assert err == ""


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for name in ("cvmdbg", "python", "core", "engine", "disassembler", "symbols", "screen", "demo", "terminal"):
        assert re.search(rf"^[✓·] {name} ", out, re.M), name
    assert main(["doctor", "--json"]) == 0
    assert all(row["good"] is not False for row in json.loads(capsys.readouterr().out)["result"])


@pytest.fixture
def engine_as_before() -> Iterator[None]:
    before = default_engine()
    yield
    set_default_engine(before)


@pytest.mark.usefixtures("engine_as_before")
@pytest.mark.parametrize("engine", ["interp", "jit"])
@pytest.mark.parametrize("words", [["demo", "hello"], ["run", "demo:hello"]])
def test_the_engine_is_chosen(engine: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The guest does the same in both, to the tick; doctor says which one runs guests."""
    if engine == "jit" and jit_missing():
        pytest.skip(f"no translator: {jit_missing()}")
    assert main([*words, "--batch", "-ex", "run", "-ex", "info threads"]) == 0
    usual = capsys.readouterr().out
    set_default_engine("jit" if engine == "interp" and not jit_missing() else "interp")
    assert main([*words, "--engine", engine, "--batch", "-ex", "run", "-ex", "info threads"]) == 0
    assert capsys.readouterr().out == usual
    assert default_engine() == engine
    main(["doctor"])
    assert re.search(rf"^· translator +{engine} runs guests; --engine ", capsys.readouterr().out, re.M)


@pytest.mark.usefixtures("engine_as_before")
def test_an_engine_that_is_missing_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> None:
        raise ValueError("this processor is no x86-64")

    monkeypatch.setattr("emulator_core._core.set_default_engine", missing)
    assert main(["run", "demo:hello", "--engine", "jit", "--batch"]) == 1
    assert "--engine jit: this processor is no x86-64" in capsys.readouterr().err


def test_there_are_two_engines(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", "demo:hello", "--engine", "qemu", "--batch"])
    assert left.value.code == 1
    assert "invalid choice: 'qemu'" in capsys.readouterr().err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("--version", "--help"):
        with pytest.raises(SystemExit) as left:
            main([word])
        assert left.value.code == 0
    assert "cvmdbg" in capsys.readouterr().out
    assert main([]) == 1


def test_tools_are_wired(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["disasm", "--mode", "c64", "c29b412b"]) == 0
    assert capsys.readouterr().out.split() == ["mrs", "c11,", "ddc"]
    assert main(["asm", "--mode", "c64", "mrs c11, ddc"]) == 0
    assert capsys.readouterr().out.strip().removeprefix("0x") == "c29b412b"
    assert main(["cap", "decode", "1:dc5140007880b840:000000047fffb840"]) == 0
    assert "0x47fffb840 [rwRW,0x47fffb840-0x47fffb880]" in capsys.readouterr().out


def test_a_run_from_another_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = start("run", "demo:hello", "--batch", "-ex", "run", "-ex", "print 1", cwd=tmp_path, env=environment)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "$1 = 1"


def replay(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cvmdbg.cli", "replay", *words], capture_output=True, text=True)


LOG = Path(__file__).parent.parent / "guests" / "imported" / "musl.md"


def test_replay_opens_the_console_log_of_a_real_run() -> None:
    done = replay(str(LOG), "--batch", "-ex", "info compartments 17", "-ex", "info relocations")
    assert done.returncode == 0, done.stderr
    assert "ca0 sealed COMP PCC  ●        4400b0471  r-xR-E    440000000 +1G     s4  entry of libldso.so" in done.stdout
    assert "440114c20 ← 4401263ed" in done.stdout


def test_replay_says_in_one_sentence_why_a_file_is_no_past(tmp_path: Path) -> None:
    (tmp_path / "some.log").write_text("hello\n")
    for name in ("some.log", "none.log"):
        done = replay(str(tmp_path / name), "--batch")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "some.log, line 1: 'hello'" in replay(str(tmp_path / "some.log"), "--batch").stderr
