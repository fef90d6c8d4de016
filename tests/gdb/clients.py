"""Debuggers of others as clients of our server: a gdb driven over MI, an lldb over its command line."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gdbstub.line import happened
from tests.gdbstub.proxy import Proxy

PATIENCE = 60.0
_STRING = re.compile(r'^[~@&]"(.*)"$')
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


@contextmanager
def server(guest: str, *options: str) -> Iterator[str]:
    """A ``cvmdbg serve`` of its own; its address."""
    words = [sys.executable, "-m", "cvmdbg.cli", "serve", guest, "--gdb", "127.0.0.1:0", "--once", *options]
    program = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert program.stdout is not None
    try:
        head = program.stdout.readline()
        assert head.startswith("listening on "), head + program.stdout.read()
        os.set_blocking(program.stdout.fileno(), False)
        with _line(head.split()[-1]) as address:
            yield address
    finally:
        program.send_signal(signal.SIGINT)
        try:
            program.wait(10)
        except subprocess.TimeoutExpired:
            program.kill()
        program.stdout.close()


@contextmanager
def _line(address: str) -> Iterator[str]:
    """The line to it: with CVMDBG_PROXY=SEED one that delays and splits. A gdb that has left acks out mends no more."""
    seed = os.environ.get("CVMDBG_PROXY")
    if not seed:
        yield address
        return
    proxy = Proxy(address, int(seed), ("delay", "split"))
    proxy.rate = 0.05
    try:
        yield proxy.address
    finally:
        happened["delay or split for others"] += proxy.happened
        proxy.close()


def needed(name: str) -> str:
    """A program's path; skips the test with the reason when it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def needed_from(variable: str) -> str:
    """A program that an environment variable names."""
    found = os.environ.get(variable, "")
    if not found or not Path(found).exists():
        pytest.skip(f"{variable} names no program")
    return found


class Gdb:
    """A gdb over MI. ``said`` collects its console, ``stops`` the ``*stopped`` records."""

    def __init__(self, path: str, cwd: Path) -> None:
        words = [path, "-nx", "-q", "--interpreter=mi3"]
        pipe = subprocess.PIPE
        self._program = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, cwd=cwd, bufsize=0)
        assert self._program.stdin is not None and self._program.stdout is not None
        self._in, self._out = self._program.stdin, self._program.stdout
        self._rest = b""
        self.said = ""
        self.stops: list[str] = []
        for line in ("set debuginfod enabled off", "set width 0", "set pagination off", "set confirm off"):
            self.command(line)

    def command(self, text: str, limit: float = PATIENCE) -> str:
        """Carry out a console command; what it said. A failure is part of that, as ``error: …``."""
        self.said = ""
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        self._in.write(f'-interpreter-exec console "{escaped}"\n'.encode())
        result = self._until("^", limit)
        if result.startswith("^error"):
            found = re.search(r'msg="((?:[^"\\]|\\.)*)"', result)
            self.said += "error: " + _plain(found[1] if found else result) + "\n"
        elif result.startswith("^running"):
            self._until("*stopped", limit)
        return self.said

    def run(self, text: str, limit: float = PATIENCE) -> str:
        """A command that resumes; the ``*stopped`` record."""
        before = len(self.stops)
        said = self.command(text, limit)
        if len(self.stops) == before:
            assert "error:" not in said, said
            self._until("*stopped", limit)
        return self.stops[-1]

    def start(self, text: str) -> None:
        """A command that resumes, in the background."""
        self._in.write(f'-interpreter-exec console "{text}"\n'.encode())
        self._until("^", PATIENCE)

    def interrupt(self, limit: float = PATIENCE) -> str:
        """Ctrl-C; the ``*stopped`` record. A gdb that does not wait yet loses it."""
        time.sleep(1.0)
        self._program.send_signal(signal.SIGINT)
        return self._until("*stopped", limit)

    def value(self, expression: str) -> str:
        """What ``print`` says, behind its ``=``."""
        return self.command(f"print {expression}").partition(" = ")[2].strip()

    def number(self, expression: str) -> int:
        """The same as a number."""
        said = self.command(f"print/x {expression}").partition(" = ")[2].strip()
        return int(said, 16)

    def close(self) -> None:
        self._program.kill()
        self._program.wait()
        self._in.close()
        self._out.close()

    def _until(self, mark: str, limit: float) -> str:
        """Read records up to one that begins so."""
        end = time.monotonic() + limit
        while (left := end - time.monotonic()) > 0:
            line, found, rest = self._rest.partition(b"\n")
            if not found:
                ready, _, _ = select.select([self._out], [], [], left)
                if ready:
                    piece = os.read(self._out.fileno(), 1 << 16)
                    assert piece, f"gdb has ended: {self.said}"
                    self._rest += piece
                continue
            self._rest = rest
            if self._record(line.decode("utf-8", "replace").rstrip("\r"), mark):
                return line.decode("utf-8", "replace")
        raise TimeoutError(f"gdb did not say {mark} within {limit} s; it said {self.said[-2000:]!r}")

    def _record(self, line: str, mark: str) -> bool:
        text = _STRING.match(line)
        if text is not None:
            self.said += _plain(text[1])
        if line.startswith("*stopped"):
            self.stops.append(line)
        return line.startswith(mark)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)


def lldb(path: str, commands: list[str], cwd: Path) -> str:
    """What an lldb says to a list of commands."""
    script = cwd / "commands.lldb"
    script.write_text("".join(f"{line}\n" for line in commands), "utf-8")
    words = [path, "--no-lldbinit", "--no-use-colors", "--batch", "--source", str(script)]
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", timeout=PATIENCE, cwd=cwd, check=False
    )
    return done.stdout
