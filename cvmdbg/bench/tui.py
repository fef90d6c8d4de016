"""Keys and paints, measured from outside: cvmdbg runs on a pseudo-terminal, the clock stops when the bytes arrive.

key ──write──▶ pty ──▶ cvmdbg ──▶ pty ──read──▶ the cursor moves to a row below the status row
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cvmdbg.bench import Figure
from cvmdbg.bench.linux import loop
from cvmdbg.target import TargetError
from emulator_core.assembler import assemble

COLUMNS, ROWS = 120, 40
LIMIT = 20.0
"""Seconds after which a paint that does not come is an error."""
GETPID, CALLS, QUICK_CALLS = 172, 1_000_000, 50_000
CALLS_LIMIT = 300.0
"""Seconds in which the calls of the trace must have been made."""
HOME, END, PAGE_UP, PAGE_DOWN, ESCAPE = b"\x1b[H", b"\x1b[F", b"\x1b[5~", b"\x1b[6~", b"\x1b"
SEARCH_BUDGET, FILTER_BUDGET = 100.0, 1500.0
"""Milliseconds: the first hit of a search, and a filter that looks at every call."""
MOVE = re.compile(rb"\x1b\[(\d+);(\d+)H")
KEY_BUDGET, STEP_BUDGET, START_BUDGET, STOP_BUDGET = 50.0, 50.0, 1000.0, 83.0
"""Milliseconds: key to paint at 95 %, step to paint at 95 %, start to first paint, Ctrl-C to stopped."""
TRAVEL_BUDGET = 100.0
"""The same for a reverse step, a mark, a click in time."""


def measure(quick: bool = False) -> list[Figure]:
    """All figures of the screen."""
    rounds = 60 if quick else 300
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "compiled"
        program = Path(folder) / "spin.elf"
        program.write_bytes(spinning())
        figures = [_first_paint(compiled, 3 if quick else 10)]
        figures += _while_spinning(compiled, str(program), rounds)
        figures += _steps(compiled, rounds // 2)
        figures += _travel(compiled, rounds // 3)
        calls = Path(folder) / "calls"
        calls.write_bytes(loop(GETPID, QUICK_CALLS if quick else CALLS))
        calls.chmod(0o755)
        figures += _trace(compiled, str(calls), QUICK_CALLS if quick else CALLS, rounds // 3)
    return figures


def _first_paint(compiled: Path, rounds: int) -> Figure:
    """Start of the program to the first paint of ``cvmdbg demo``; a start before them compiles the modules."""
    times = []
    with Terminal(compiled, "demo") as terminal:
        terminal.until(lambda seen: b"STOP" in seen)
    for _ in range(rounds):
        with Terminal(compiled, "demo") as terminal:
            times.append(terminal.until(lambda seen: b"cvmdbg" in seen and b"Compartments" in seen))
    return Figure("first paint of cvmdbg demo, median", statistics.median(times), "ms", START_BUDGET)


def _while_spinning(compiled: Path, program: str, rounds: int) -> list[Figure]:
    """Keys while the guest runs for ever, then Ctrl-C."""
    with Terminal(compiled, "run", program) as terminal:
        terminal.until(lambda seen: b"STOP" in seen)
        terminal.rest(0.5)
        terminal.press(b"c")
        terminal.until(lambda seen: b"RUN" in seen)
        terminal.press(b"\t")
        terminal.rest(0.5)
        times = []
        for index in range(rounds):
            terminal.press(b"j" if index // 10 % 2 == 0 else b"k")
            times.append(terminal.until(_below_status))
            terminal.rest(0.013 + 0.0007 * (index % 37))
        terminal.press(b"\x03")
        stopped = terminal.until(lambda seen: b"STOP" in seen)
    return [
        *_three("key to paint while a guest spins", times, KEY_BUDGET),
        Figure("Ctrl-C to stopped", stopped, "ms", STOP_BUDGET),
    ]


def _steps(compiled: Path, rounds: int) -> list[Figure]:
    """One instruction of the demo, to the paint of Code's current line."""
    with Terminal(compiled, "demo") as terminal:
        terminal.until(lambda seen: b"STOP" in seen)
        terminal.rest(0.5)
        times = []
        for _ in range(rounds):
            terminal.press(b"i")
            times.append(terminal.until(lambda seen: "▶".encode() in seen))
            terminal.rest(0.05)
    return _three("step to paint", times, STEP_BUDGET)


def _travel(compiled: Path, rounds: int) -> list[Figure]:
    """The demo has ended: back one instruction, to a mark, to a click in the strip; each to Code's current line."""
    ways = {
        "reverse step": (b"I",),
        "mark": (b":goto 'there\r", b":goto 'here\r"),
        "click in time": (_click(40), _click(60)),
    }
    figures = []
    with Terminal(compiled, "demo") as terminal:
        terminal.until(lambda seen: b"STOP" in seen)
        for line in (b"c", b":goto 30%\r", b":mark there\r", b":goto 70%\r", b":mark here\r"):
            terminal.press(line)
            terminal.rest(0.5)
        for name, keys in ways.items():
            times = []
            for index in range(rounds):
                terminal.press(keys[index % len(keys)])
                times.append(terminal.until(lambda seen: "▶".encode() in seen))
                terminal.rest(0.05)
            figures += _three(f"{name} to paint", times, TRAVEL_BUDGET)
    return figures


def _trace(compiled: Path, program: str, calls: int, rounds: int) -> list[Figure]:
    """The trace of a program that has made that many calls: pages, its two ends, a search, a filter; to the paint."""
    name = f"in a trace of {calls:,} calls".replace(",", " ")
    found = {}
    with Terminal(compiled, "run", program) as terminal:
        terminal.until(lambda seen: b"STOP" in seen)
        terminal.press(b"c")
        terminal.until(lambda seen: b"EXIT" in seen, CALLS_LIMIT)
        terminal.press(b"2")
        terminal.rest(2.0)
        for what, keys in {"page": (PAGE_UP, PAGE_UP, PAGE_DOWN), "jump to an end": (HOME, END)}.items():
            times = []
            for index in range(rounds):
                terminal.press(keys[index % len(keys)])
                times.append(terminal.until(_below_status))
                terminal.rest(0.05)
            found[what] = times
        for what, keys in {"search from end to end": (b"/exit_group",), "filter": (b"&call=exit_group\r",)}.items():
            terminal.press(HOME)
            terminal.rest(1.0)
            terminal.press(keys[0])
            found[what] = [terminal.until(lambda seen: b"exit_group(0" in seen)]
            terminal.press(ESCAPE)
            terminal.rest(1.0)
    (search,), (filtered,) = found.pop("search from end to end"), found.pop("filter")
    return [
        *(figure for what, times in found.items() for figure in _three(f"{what} {name}", times, KEY_BUDGET)),
        Figure(f"search {name}, from end to end", search, "ms", SEARCH_BUDGET),
        Figure(f"filter {name}, whole", filtered, "ms", FILTER_BUDGET),
    ]


def _click(column: int) -> bytes:
    """A press and a release of the mouse in the time strip (SGR, 1-based)."""
    return b"\x1b[<0;%d;%dM\x1b[<0;%d;%dm" % (column, ROWS - 1, column, ROWS - 1)


def _three(name: str, times: list[float], budget: float) -> list[Figure]:
    """Median, 95 % and 99 %."""
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return [
        Figure(f"{name}, median", statistics.median(times), "ms"),
        Figure(f"{name}, 95 %", cuts[94], "ms", budget),
        Figure(f"{name}, 99 %", cuts[98], "ms"),
    ]


def _below_status(seen: bytes) -> bool:
    """Was something painted in the panes (not only in the status row, which counts ticks)?"""
    return any(1 < int(row) < ROWS for row, _ in MOVE.findall(seen))


class Terminal:
    """A cvmdbg on a pseudo-terminal of 120 by 40; used with ``with``."""

    def __init__(self, compiled: Path, *arguments: str) -> None:
        self._compiled, self._arguments = compiled, arguments
        self._since = 0.0
        self._seen = b""

    def __enter__(self) -> Terminal:
        self._since = time.perf_counter()
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            _become(self._compiled, self._arguments)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        return self

    def __exit__(self, *error: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._fd)

    def press(self, key: bytes) -> None:
        """Send a key; the clock starts."""
        self._seen = b""
        self._since = time.perf_counter()
        os.write(self._fd, key)

    def until(self, painted: Callable[[bytes], bool], limit: float = LIMIT) -> float:
        """Milliseconds from the clock's start until what was written since then fulfils a condition."""
        for _ in self._pieces(limit):
            if painted(self._seen):
                return 1000 * (time.perf_counter() - self._since)
        raise TargetError(f"no paint within {limit:.1f} s; the last bytes were {self._seen[-200:]!r}")

    def rest(self, seconds: float) -> None:
        """Read what comes for a while."""
        for _ in self._pieces(seconds):
            pass

    def _pieces(self, seconds: float) -> Iterator[None]:
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            ready, _, _ = select.select([self._fd], [], [], left)
            if ready:
                with contextlib.suppress(OSError):  # EIO: the other side is gone, the caller's limit tells
                    self._seen += os.read(self._fd, 1 << 16)
            yield


def _become(compiled: Path, arguments: tuple[str, ...]) -> None:
    """In the child: be cvmdbg on this terminal, at its size from the first moment, with compiled modules kept."""
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    surroundings = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PYTHONDONTWRITEBYTECODE")}
    surroundings["PYTHONPYCACHEPREFIX"] = str(compiled)
    surroundings |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}
    os.execve(sys.executable, [sys.executable, "-m", "cvmdbg.cli", *arguments], surroundings)


def spinning() -> bytes:
    """An ELF file for the bare machine that counts for ever: one segment, ``add`` and a branch back to it."""
    words = (assemble("add x0, x0, #1", 0x1000), assemble("b 0x1000", 0x1004))
    code = b"".join(word.to_bytes(4, "little") for word in words)
    offset, address = 0x78, 0x1000
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 183, 1, address, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, offset, address, address, len(code), len(code), 8)
    return header + segment + code
