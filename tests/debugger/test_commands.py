"""The command table: one source of names, keys, needs, help and the reference."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from cvmdbg.commands import build_table
from cvmdbg.commands.reference import reference
from cvmdbg.commands.table import NEEDS, Command
from cvmdbg.target import UserError
from emulator_core._core import default_engine, jit_missing
from tests.debugger.conftest import Open

TABLE = build_table()
DOCS = Path(__file__).parents[2] / "docs"

SPECIFIED = (
    "run start continue next step nexti stepi finish advance until next-event interrupt kill",
    "reverse-continue reverse-next reverse-step reverse-nexti reverse-stepi reverse-finish previous-event",
    "diverge origin",
    "break tbreak watch rwatch awatch catch delete enable disable condition ignore commands dprintf",
    "print x display set find list disassemble goto when explain backtrace up down frame thread search summary",
    "export copy symbol-file source shell layout focus help palette jump quit filter back forward",
)


def test_the_reference_is_fresh() -> None:
    assert (DOCS / "commands.md").read_text("utf-8") == reference(), "run: python -m cvmdbg.commands.reference"


@pytest.mark.parametrize("name", " ".join(SPECIFIED).split())
def test_the_specified_commands_are_there(name: str) -> None:
    assert TABLE.find(name) is not None


@pytest.mark.parametrize("row", list(TABLE), ids=lambda row: row.name)
def test_every_row_is_whole(row: Command) -> None:
    assert row.one_line
    assert row.one_line[0].islower() or row.one_line.startswith("-")
    assert not row.one_line.endswith(".")
    assert set(row.needs.replace(" ", "")) <= set(NEEDS)
    assert row.run is not None or row.screen or "h" in row.needs
    for example in row.examples:
        assert TABLE.resolve(example)[0] is row, example


def test_a_key_means_one_thing() -> None:
    keys = Counter(key for row in TABLE for key in row.keys)
    assert {key for key, times in keys.items() if times > 1} == set()


@pytest.mark.parametrize(
    ("typed", "name", "rest"),
    [
        ("c 5", "continue", "5"),
        ("b main", "break", "main"),
        ("n", "next", ""),
        ("s", "step", ""),
        ("i r c0", "info registers", "c0"),
        ("i b", "info breakpoints", ""),
        ("info thr", "info threads", ""),
        ("i sh", "info sharedlibrary", ""),
        ("p/x $c1", "print", "/x $c1"),
        ("x/8xg $sp", "x", "/8xg $sp"),
        ("disas/s main", "disassemble", "/s main"),
        ("cont", "continue", ""),
        ("wh", "when", ""),
        ("bt 3", "backtrace", "3"),
        ("ne load", "next-event", "load"),
        ("t 1", "thread", "1"),
        ("u", "until", ""),
        ("up", "up", ""),
        ("d 1", "delete", "1"),
        ("h break", "help", "break"),
        ("q", "quit", ""),
        ("r", "run", ""),
        ("e", "explain", ""),
    ],
)
def test_abbreviations(typed: str, name: str, rest: str) -> None:
    command, arguments = TABLE.resolve(typed)
    assert (command.name, arguments) == (name, rest)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "type a command"),
        ("breka", "no command breka; did you mean break"),
        ("rev", "could be: reverse-continue"),
        ("info", "info what"),
        ("info nothing", "no command info nothing"),
        ("info s", None),
        ("zzzz", "help lists the commands"),
    ],
)
def test_words_that_are_none(typed: str, sentence: str | None) -> None:
    if sentence is None:
        assert TABLE.resolve(typed)[0].name == "info symbol"
        return
    with pytest.raises(UserError, match=re.escape(sentence)):
        TABLE.resolve(typed)


def test_what_a_target_lacks_is_one_sentence(opened: Open) -> None:
    session = opened("hello", recording=False)
    for row in TABLE:
        reason = session.why_not(row)
        if "h" in row.needs:
            assert reason is not None
            assert reason.startswith("no history: ")
            with pytest.raises(UserError, match="no history: "):
                session.execute(row.name)
        assert reason is None or "\n" not in reason


def test_without_a_guest_commands_say_so(opened: Open) -> None:
    session = opened("hello")
    session.close()
    for line in ("next", "print 1", "info threads", "break main"):
        with pytest.raises(UserError, match="no guest is loaded"):
            session.execute(line)
    assert session.status().state == "none"
    assert session.execute("help").lines


def test_help_of_every_command(opened: Open) -> None:
    session = opened("hello")
    for row in TABLE:
        lines = session.execute(f"help {row.name}").lines
        assert lines[0] == row.usage
        assert row.one_line in lines[1]


def test_an_empty_line_repeats_what_repeats(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run", "next")
    first = session.live.frame().pc
    session.execute("")
    assert session.live.frame().pc != first
    session.execute("print 1")
    with pytest.raises(UserError, match="type a command"):
        session.execute("")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("br", "break"),
        ("cont", "continue"),
        ("info reg", "registers"),
        ("i thr", "threads"),
        ("break fibo", "fibonacci"),
        ("b print_p", "print_point"),
        ("print orig", "origin"),
        ("p $cs", "$csp"),
        ("info registers dd", "ddc"),
        ("catch sys", "syscall"),
        ("catch syscall ope", "openat"),
        ("set lists", "listsize"),
        ("help wat", "watch"),
        ("thread 16", "16/0"),
        ("start 1", "16"),
        ("ne sys", "syscall"),
        ("print n", "n"),
    ],
)
def test_completion(opened: Open, text: str, first: str) -> None:
    session = opened("hello", "break fibonacci", "run")
    found = session.complete(text)
    assert found[0].text == first
    assert len(found) <= 50


def test_settings(opened: Open) -> None:
    session = opened("hello")
    session.execute("set listsize 3")
    session.execute("break fibonacci")
    session.execute("run")
    assert len(session.execute("list").lines) == 4
    for line, sentence in (
        ("set listsize many", "is a number"),
        ("set explain sometimes", "one of: auto, manual"),
        ("set trace exact perhaps", "on or off"),
        ("set colour red", "no setting is called colour"),
        ("show colour", "no setting is called colour"),
    ):
        with pytest.raises(UserError, match=sentence):
            session.execute(line)
    assert "listsize = 3" in session.execute("show listsize").text


def test_the_engine_is_set_while_the_guest_stands(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no translator the sentence says why, and the setting stays as it was."""
    session = opened("hello", "break fibonacci", "run")
    assert session.execute("show engine").lines[-1] == f"{default_engine()} runs the guest"
    for engine in ("interp", *(() if jit_missing() else ("jit",))):
        session.execute(f"set engine {engine}")
        assert session.execute("show engine").lines[-1] == f"{engine} runs the guest"
        session.execute("run")
        assert session.execute("show engine").lines[-1] == f"{engine} runs the guest"
    session.execute("set engine auto")

    def missing(target: object, name: str) -> None:
        raise UserError(f"engine {name}: this processor is no x86-64")

    monkeypatch.setattr(type(session.live.target), "use_engine", missing)
    with pytest.raises(UserError, match="engine jit: this processor is no x86-64"):
        session.execute("set engine jit")
    assert session.settings.text("engine") == "auto"


def test_scripts(opened: Open, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("# a comment\nbreak fibonacci\ncommands\n  silent\n  print n\nend\n\nrun\n")
    result = opened("hello").execute(f"source {script}")
    assert result.lines[-1] == "$1 = 10"
    script.write_text("break fibonacci\nnonsense here\n")
    with pytest.raises(UserError, match=rf"{script}:2: no command nonsense"):
        opened("hello").execute(f"source {script}")
    script.write_text(f"source {script}\n")
    with pytest.raises(UserError, match="10 deep is the limit"):
        opened("hello").execute(f"source {script}")
    with pytest.raises(UserError, match="No such file"):
        opened("hello").execute("source /nonexistent/script")


def test_export(opened: Open, tmp_path: Path) -> None:
    session = opened("libhello", "run")
    out = tmp_path / "trace"
    session.execute(f"export strace {out}")
    lines = out.read_text().splitlines()
    assert len(lines) == session.trace_count()
    assert any('17→16 openat(AT_FDCWD, "/app1"' in line for line in lines)
    session.execute(f"export json {out}")
    assert out.read_text().startswith("[")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("x/2xg origin", "16 0x400001af8 <origin>:\t0x0000000400000003\t0x00000000000006b0"),
        ("x/s p->label", None),
        ("x/2xw &origin", "16 0x400001af8 <origin>:\t0x00000003\t0x00000004"),
        ("x/3c 16:6b0", "16 0x4000006b0:\t111 'o'\t114 'r'\t105 'i'"),
        ("x/2i fibonacci", None),
        ("x/1gc 0x43e001020", None),
        ("info symbol fibonacci", "fibonacci in 16 libhello.so at hybrid/hello/main.c:19"),
        ("info address origin", "origin is a object at 0x400001af8 in 16 libhello.so"),
        ("info line main.c:20", None),
        ("whatis origin", "type = struct point"),
        ("echo one", "one"),
    ],
)
def test_looking(opened: Open, line: str, text: str | None) -> None:
    result = opened("hello", "break print_point", "run").execute(line)
    assert result.lines
    if text is not None:
        assert text in result.lines


def test_examining_goes_on_where_it_ended(opened: Open) -> None:
    session = opened("hello", "break print_point", "run", "x/2xw &origin")
    assert session.execute("x").lines[0].startswith("16 0x400001b00 <origin+8>:")


def test_capabilities_in_memory(opened: Open) -> None:
    session = opened("libhello", "start", "x/6gc 0x47e001020")
    lines = session.execute("x/2gc 0x47e001030").lines
    assert "● 0x400000791" in lines[0]
    assert "16 syscall_handler" in lines[0]
    with pytest.raises(UserError, match="no multiple of 16"):
        session.execute("x/gc 0x47e001031")


def test_find(opened: Open) -> None:
    session = opened("hello", "break print_point", "run")
    found = session.execute('find 0x400000000, +0x2000, "hello from"')
    assert found.value == ["0x400000698"] or len(found.lines) == 2
    capabilities = session.execute("find -cap 16")
    assert "43e001020" in capabilities.text
    assert session.execute("find 0x400000000, +0x1000, (char) 0x5a").lines[-1] in ("not found", "1 found")


def test_source_listing_goes_back(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run")
    first = session.execute("list 18,20").lines
    before = session.execute("list -").lines
    assert int(before[-1].split()[0]) == int(first[1].split()[0]) - 1
    assert session.execute("list -").lines[1].split()[0] == "1"
    with pytest.raises(UserError, match=r"line 1 of .* has been shown"):
        session.execute("list -")


def test_source_listing_goes_on(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run")
    first = session.execute("list fibonacci").lines
    second = session.execute("list").lines
    assert int(second[1].split()[0]) == int(first[-1].split()[0]) + 1
    assert session.execute("list 18,20").lines[1:] == (
        "    18 __attribute__((noinline)) u64 fibonacci(u64 n)",
        "    19 {",
        "    20     calls++;",
    )
