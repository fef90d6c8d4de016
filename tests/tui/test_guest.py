"""The demo guest end to end: from the app's ``syscall`` into the LibOS cVM's ``syscall_handler`` and back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cvmdbg.bench.tui import spinning
from cvmdbg.launch import emulated
from cvmdbg.rows import TraceRow
from cvmdbg.tui.app import CvmApp

from .screens import SIZES, screen, settled, shown, until
from .test_panes import fits, size_name


async def run_line(app: CvmApp, pilot: Pilot[int], line: str) -> None:
    """A line at the prompt, to its end."""
    app.submit(line, "prompt")
    await settled(app, pilot)


def trace_of(app: CvmApp) -> list[TraceRow]:
    """The calls that the trace pane holds."""
    return [row for row in app.desk.panes["trace"].items if isinstance(row, TraceRow)]


@pytest.mark.parametrize("size", SIZES, ids=size_name)
async def test_a_crossing_is_stepped_into_and_back(size: tuple[int, int]) -> None:
    async with screen(emulated("demo:libhello"), size) as (app, pilot):
        await run_line(app, pilot, "break 17:puts")
        await run_line(app, pilot, "break 16:syscall_handler")
        await run_line(app, pilot, "continue")
        status = app.status_row.status
        assert status is not None and status.place == "16 libos" and (status.entered or "").startswith("17")
        app.focus_pane("code")
        await settled(app, pilot)
        assert "syscall_handler" in "\n".join(shown(app))
        first = app.desk.panes["code"].current
        await pilot.press("s")
        await settled(app, pilot)
        assert app.desk.panes["code"].current != first  # one line further, still inside
        app.focus_pane("trace")
        await settled(app, pilot)
        inside = trace_of(app)[-1]
        assert inside.inside and inside.path == "17→16" and inside.name == "write"
        assert inside.arguments[1].value.startswith(("440", "47f"))
        await pilot.press("f")
        await settled(app, pilot)
        status = app.status_row.status
        assert status is not None and status.place.startswith("17"), "\n".join(shown(app))
        app.focus_pane("trace")
        await settled(app, pilot)
        done = next(row for row in trace_of(app) if (row.tick, row.layer) == (inside.tick, inside.layer))
        assert not done.inside and re.fullmatch(r"= \d+", done.result)
        for pane in app.desk.panes.values():
            if pane.display:
                fits(pane)


async def test_a_fault_explains_itself() -> None:
    async with screen(emulated("demo:faults")) as (app, pilot):
        await pilot.press("r")
        await settled(app, pilot)
        text = "\n".join(shown(app))
        assert "✗ FAULT" in text and "Why did it stop?" in text and "FAULT" in text
        await pilot.press("escape")
        assert not app.sheets


async def test_a_spinning_guest_stops_at_ctrl_c(tmp_path: Path) -> None:
    program = tmp_path / "spin.elf"
    program.write_bytes(spinning())
    async with screen(emulated(str(program))) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: app.running)
        first = app.status_row.status
        await until(pilot, lambda: app.status_row.status != first)
        await pilot.press("ctrl+c")
        await settled(app, pilot)
        assert "interrupted" in app.status_row.screen_text()[0]


async def test_a_guest_that_cannot_be_deployed_says_why(tmp_path: Path) -> None:
    bad = tmp_path / "cvm.yaml"
    bad.write_text("nonsense: [\n")
    app = CvmApp(emulated(str(bad)))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app._exit)
    assert app.return_code == 1


# ---- in a real terminal ----

TMUX = shutil.which("tmux")


class Tmux:
    """cvmdbg in a tmux window of its own server."""

    def __init__(self, folder: Path, *arguments: str, size: tuple[int, int] = (120, 40), term: str = "") -> None:
        self.socket = str(folder / "tmux")
        surroundings = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR")}
        surroundings |= {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", "HOME": str(folder), "TERM": "xterm-256color"}
        command = [sys.executable, "-m", "cvmdbg.cli", *arguments]
        inside = " ".join([*(["env", f"TERM={term}"] if term else []), *command])
        width, height = (str(n) for n in size)
        start = [str(TMUX), "-S", self.socket, "-f", os.devnull, "new-session", "-d", "-x", width, "-y", height, inside]
        subprocess.run(start, check=True, env=surroundings, cwd=Path(__file__).parents[2])

    def call(self, *words: str) -> str:
        """One tmux command."""
        done = subprocess.run([str(TMUX), "-S", self.socket, *words], capture_output=True, text=True, check=True)
        return done.stdout

    def press(self, *keys: str) -> None:
        """Keys by tmux's names."""
        self.call("send-keys", *keys)

    def line(self, text: str) -> None:
        """A line at the prompt."""
        self.press(":")
        self.call("send-keys", "-l", text)
        self.press("Enter")

    def text(self) -> str:
        """What the window shows."""
        return self.call("capture-pane", "-p")

    def until(self, condition: Callable[[str], bool], limit: float = 40.0) -> str:
        """Wait until the window shows something."""
        end = time.monotonic() + limit
        while not condition(text := self.text()):
            assert time.monotonic() < end, text
            time.sleep(0.05)
        return text

    def close(self) -> None:
        """End the server that this one started."""
        subprocess.run([str(TMUX), "-S", self.socket, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Callable[..., Tmux]]:
    """Starts cvmdbg in tmux; all are closed in the end."""
    if TMUX is None:
        pytest.skip("tmux is not installed")
    started: list[Tmux] = []

    def start(*arguments: str, **options: object) -> Tmux:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Tmux(folder, *arguments, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for window in started:
        window.close()


def test_a_crossing_in_a_terminal(tmux: Callable[..., Tmux]) -> None:
    window = tmux("demo", "libhello")
    window.until(lambda text: "■ STOP" in text and "Compartments" in text)
    window.line("break 16:syscall_handler")
    window.until(lambda text: "Breakpoint 1" in text or "breakpoint 1" in text)
    window.press("c")
    text = window.until(lambda text: "16 libos ← 17" in text)
    assert re.search(r"●▶ +[0-9a-f]+ .*mrs", text)
    window.press("s")
    window.until(lambda text: not re.search(r"●▶", text))
    window.press("2")
    text = window.until(lambda text: "▶ inside" in text)
    call = next(row for row in text.splitlines() if "▶ inside" in row)
    assert "17→16" in call and "write(1, " in call
    window.press("f")
    window.until(lambda text: "▶ inside" not in text)
    text = window.until(lambda text: re.search(r"17→16 +write\(1, .*= \d+", text) is not None)
    assert re.search(r"■ STOP .*17 ldso", text)


@pytest.mark.parametrize("term", ["xterm-256color", "screen", "linux"])
def test_terminals_and_a_resize_in_the_middle_of_a_run(tmux: Callable[..., Tmux], tmp_path: Path, term: str) -> None:
    program = tmp_path / "spin.elf"
    program.write_bytes(spinning())
    window = tmux("run", str(program), term=term)
    window.until(lambda text: "■ STOP" in text)
    window.press("C-c")
    window.until(lambda text: "nothing runs; q quits" in text)
    window.press("c")
    window.until(lambda text: "▶ RUN" in text)
    window.call("resize-window", "-x", "80", "-y", "24")
    window.until(lambda text: "▶ RUN" in text and "map ╱ threads" in text)
    window.press("Tab", "Down", "Down")
    window.press("C-c")
    window.until(lambda text: "■ STOP" in text and "interrupted" in text)
    window.press("q")
    window.until(lambda text: "q again leaves" in text)
    window.press("q")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        left = subprocess.run([str(TMUX), "-S", window.socket, "list-sessions"], capture_output=True, check=False)
        if left.returncode:
            return
        time.sleep(0.05)
    raise AssertionError("q did not leave")


def test_travel_in_a_terminal(tmux: Callable[..., Tmux]) -> None:
    window = tmux("demo", "libhello")
    window.until(lambda text: "■ STOP" in text and "●REC" in text)
    window.line("break 17:puts")
    window.until(lambda text: "breakpoint 1 at" in text)
    window.press("c")
    window.until(lambda text: "17 ldso" in text.splitlines()[0])
    window.press("I")
    window.until(lambda text: "REPLAY" in text and "●REC" not in text)
    window.line("mark here")
    window.line("goto 25%")
    window.until(lambda text: "25.0%" in text)
    window.press("'")
    window.until(lambda text: "━Marks" in text and "here" in text)
    window.press("Enter")
    window.until(lambda text: "━Marks" not in text and "25.0%" not in text)
    window.press("BSpace")
    window.until(lambda text: "25.0%" in text)
    window.press("C")
    window.until(lambda text: "at the start of the recording" in text and "0.0%" in text)
    window.call("resize-window", "-x", "80", "-y", "24")
    window.until(lambda text: "map ╱ threads" in text and "┃" in text)


async def test_a_search_of_the_trace_looks_at_all_text_and_keeps_the_first_hit() -> None:
    async with screen(emulated("demo:files"), (120, 40)) as (app, pilot):
        await run_line(app, pilot, "continue")
        await pilot.press("2")
        await settled(app, pilot)
        trace = app.desk.panes["trace"]
        total = trace.count()
        texts = [row.text for row in app.worker._session.trace_rows()]
        for needle in ("openat", "ENOENT", "AT"):
            await pilot.press("home", "slash", *needle, "enter")
            await settled(app, pilot)
            wanted = {index for index, text in enumerate(texts) if needle.casefold() in text.casefold()}
            assert trace.hits == wanted and wanted
            assert trace.cursor == min(wanted)
        assert app.worker._session.trace_texts(0, total) == tuple(texts)
        await pilot.press("slash", *"nothinglikeit", "enter")
        await settled(app, pilot)
        assert not trace.hits
