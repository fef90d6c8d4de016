"""A gdb's program: commands go in with a token, answers come back with it, events between. Nothing waits for ever."""

from __future__ import annotations

import shlex
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from cvmdbg.target import TargetError, TargetLost
from cvmdbg.targets.gdbmi import records
from cvmdbg.targets.gdbmi.records import Malformed, Record
from gdbstub.call import LinkLost
from gdbstub.transport import Pipe

OPTIONS = ("-nx", "-q", "--interpreter=mi2", "-iex", "set mi-async on")
"""It can be made to answer while the machine runs only as long as there is no machine."""
SLICE = 0.05
LONGEST = 1 << 22
"""Bytes of one line; the registers of a machine with wide vectors are some 100,000."""
LOST = "{why}. {again} tries again; marks and breakpoints are kept."
_DEAD = ("Remote connection closed", "Remote communication error")


class Refused(TargetError):
    """gdb answered with an error."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``^done``, ``^running`` …: its results, and what gdb printed on its console meanwhile."""

    message: str
    payload: dict[str, Any]
    console: str


def command_line(command: str, arguments: Sequence[str]) -> str:
    """``ssh board gdb`` and its words as a shell reads them; what ssh hands on is read by a second shell."""
    words = shlex.split(command)
    own = [*OPTIONS, *arguments]
    if is_far(command):
        own = [shlex.quote(word) for word in own]
    return shlex.join([*words, *own])


def is_far(command: str) -> bool:
    """Does the gdb run on another machine, whose files are not ours?"""
    words = shlex.split(command)
    return bool(words) and PurePath(words[0]).name == "ssh"


class Gdb:
    """``output`` takes what the program prints; ``cancelled`` tells whether a wait for an answer is given up."""

    def __init__(
        self,
        command: str,
        arguments: Sequence[str],
        output: Callable[[bytes], None],
        cancelled: Callable[[], bool],
        timeout: float = 5.0,
        again: str = "run",
    ) -> None:
        self.name = shlex.split(command)[-1] if command.strip() else "gdb"
        self.lost, self.running = "", False
        self.stops: deque[dict[str, Any]] = deque()
        self._output, self._cancelled, self.timeout = output, cancelled, timeout
        self._again, self._far = again, is_far(command)
        self._token, self._rest = 0, b""
        self._answers: dict[int, Record] = {}
        self._console: list[str] = []
        self._prompts, self._left_at = 0, 0.0
        try:
            self._pipe = Pipe(command_line(command, arguments), patience=timeout)
        except LinkLost as error:
            raise TargetLost(str(error)) from None
        self._begin()

    def _begin(self) -> None:
        """Wait for the first prompt: a program that is no gdb has none."""
        end = time.monotonic() + max(self.timeout, 10.0)
        try:
            while not self._prompts:
                if time.monotonic() > end:
                    raise self.leave(f"{self.name} shows no prompt of GDB/MI")
                self._read(SLICE)
        except TargetError:
            self._pipe.close()
            raise

    @property
    def said(self) -> str:
        """What it has printed since the last command."""
        return "".join(self._console)

    # ---- commands ----

    def ask(self, command: str, timeout: float | None = None) -> Answer:
        """Its answer. Refused holds gdb's own words; TargetLost says that none came."""
        token = self.tell(command)
        patience = self.timeout if timeout is None else timeout
        end = time.monotonic() + patience
        while token not in self._answers:
            if time.monotonic() > end:
                raise self.leave(f"{self.name} does not answer {command.split()[0]} within {patience:g} s")
            if self._cancelled():
                raise TargetError(f"{self.name}: the wait for an answer to {command.split()[0]} was given up")
            self._read(SLICE)
        found, said = self._answers.pop(token), self.said
        if found.message == "error":
            self._refuse(records.text_of(found.payload, "msg"))
        return Answer(found.message, found.payload, said)

    def tell(self, command: str) -> int:
        """Send it; its token."""
        if self.lost:
            raise TargetLost(self.lost)
        self._token += 1
        self._answers.clear()
        self._console.clear()
        try:
            self._pipe.send(f"{self._token}{command}\n".encode())
        except LinkLost as error:
            raise self.leave(str(error)) from None
        return self._token

    def console(self, command: str) -> str:
        """What a command of gdb's prompt prints."""
        return self.ask(f'-interpreter-exec console "{command}"').console

    def _refuse(self, words: str) -> None:
        if words.startswith(_DEAD):
            raise self.leave(f"{self.name} has lost its target: {words.rstrip('.')}")
        raise Refused(f"{self.name}: {words.rstrip('.') or 'the command failed'}")

    def wait(self, timeout: float) -> dict[str, Any] | None:
        """The next ``*stopped``; None when the machine still runs after ``timeout`` seconds."""
        end = time.monotonic() + timeout
        while not self.stops:
            if self.lost:
                raise TargetLost(self.lost)
            if self.running and self._left_at and time.monotonic() > self._left_at + 1.0:
                raise self.leave(f"{self.name} has lost its target: {self.said.strip() or 'no word why'}")
            left = end - time.monotonic()
            if left <= 0:
                return None
            self._read(min(left, SLICE))
        return self.stops.popleft()

    def interrupt(self, hard: bool) -> None:
        """Ask the running machine to stop: a command, or else the signal that Ctrl-C at gdb's terminal is."""
        if not hard:
            self.tell("-exec-interrupt --all")
        elif not self._far:
            self._pipe.signal(signal.SIGINT)

    # ---- lines ----

    def _read(self, timeout: float) -> None:
        try:
            self._rest += self._pipe.receive(timeout)
        except LinkLost as error:
            raise self.leave(str(error)) from None
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            self._take(line.rstrip(b"\r").decode("utf-8", "replace"))
        if len(self._rest) > LONGEST:
            raise self.leave(f"{self.name} sends a line of more than {LONGEST} bytes")

    def _take(self, line: str) -> None:
        try:
            found = records.read(line)
        except (Malformed, ValueError, LookupError, TypeError, AssertionError):
            raise self.leave(f"{self.name} sends what is no GDB/MI: {line[:60]!r}") from None
        for record in found:
            self._sort(record)

    def _sort(self, record: Record) -> None:
        match record.kind:
            case "result" if record.token == self._token:
                self._answers[self._token] = record
                self.running = self.running or record.message == "running"
            case "notify":
                self._notice(record)
            case "console" | "log":
                self._console.append(record.text)
            case "target" | "output":
                self._output(record.text.encode("utf-8", "replace"))
            case "done":
                self._prompts += 1

    def _notice(self, record: Record) -> None:
        match record.message:
            case "stopped":
                self.running, self._left_at = False, 0.0
                self.stops.append(record.payload)
            case "running":
                self.running, self._left_at = True, 0.0
            case "thread-group-exited":
                self._left_at = time.monotonic()

    # ---- the end ----

    def leave(self, why: str) -> TargetLost:
        """The gdb is of no use any more; the sentence for who asked."""
        self.lost = self.lost or LOST.format(why=why, again=self._again)
        return TargetLost(self.lost)

    def close(self, detach: bool) -> None:
        """Let the machine go on, or end the program that this gdb has started; end gdb."""
        if not self.lost:
            try:
                if detach:
                    self.ask("-target-detach", timeout=2.0)
                self.ask("-gdb-exit", timeout=1.0)
            except TargetError as error:
                self.leave(str(error))
        self._pipe.close()
        self.leave(f"{self.name} was let go")
