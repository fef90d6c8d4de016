"""Links to a stub: TCP, a Unix socket, a command's standard input and output. The only sockets of the client.

HOST:PORT            TCP
unix:PATH            a Unix socket
| COMMAND            a pipe, as ``| ssh board gdbserver - ./program``
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import socket
import subprocess
import time
from typing import Protocol

from gdbstub.call import LinkLost

PIECE = 1 << 16


class Transport(Protocol):
    """A stream of bytes both ways. ``send`` may be called from a second thread for a single interrupt byte."""

    def send(self, content: bytes) -> None:
        """All of it. LinkLost when the other side is gone or takes nothing for the link's patience."""

    def receive(self, timeout: float | None) -> bytes:
        """What has come, at least a byte; ``b""`` when nothing came in ``timeout`` seconds. LinkLost at the end."""

    def close(self) -> None:
        """Let it go; twice is once."""


def connect(address: str, timeout: float = 10.0) -> Transport:
    """The link that ``address`` names; LinkLost says in one sentence why there is none."""
    if address.startswith("|"):
        return Pipe(address[1:].strip())
    try:
        return Socket(_open(address, timeout), address)
    except OSError as error:
        raise LinkLost(f"{address}: {error.strerror or error}") from None


def _open(address: str, timeout: float) -> socket.socket:
    if address.startswith("unix:"):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(timeout)
        try:
            link.connect(address.removeprefix("unix:"))
        except OSError:
            link.close()
            raise
        return link
    host, port = split_address(address)
    link = socket.create_connection((host, port), timeout)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, ``:PORT`` or ``[::1]:PORT``; LinkLost says what was expected."""
    host, colon, port = address.removeprefix("tcp:").rpartition(":")
    if not colon or not port.isdigit() or int(port) > 0xFFFF:
        raise LinkLost(f"{address!r} is no HOST:PORT, unix:PATH or | COMMAND")
    return host.strip("[]") or "127.0.0.1", int(port)


class Socket:
    """A connected stream socket. ``patience``: seconds that a full link may block a send."""

    def __init__(self, link: socket.socket, name: str, patience: float = 10.0) -> None:
        self._link, self._name = link, name
        link.settimeout(patience)
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)

    def send(self, content: bytes) -> None:
        try:
            self._link.sendall(content)
        except OSError as error:
            raise LinkLost(f"{self._name}: {error.strerror or error}") from None

    def receive(self, timeout: float | None) -> bytes:
        try:
            if not self._poll.poll(None if timeout is None else max(0.0, timeout * 1000)):
                return b""
            content = self._link.recv(PIECE)
        except (OSError, ValueError) as error:
            raise LinkLost(f"{self._name}: {error}") from None
        if not content:
            raise LinkLost(f"{self._name}: the stub has closed the link")
        return content

    def close(self) -> None:
        self._link.close()


class Pipe:
    """A command that speaks the protocol on its standard input and output; its errors are kept for the report."""

    def __init__(self, command: str, patience: float = 10.0) -> None:
        words = shlex.split(command)
        if not words:
            raise LinkLost("a pipe needs a command: | ssh board gdbserver - ./program")
        self._name, self._patience = words[0], patience
        pipe = subprocess.PIPE
        try:
            self._program = subprocess.Popen(
                words, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
            )
        except OSError as error:
            raise LinkLost(f"{self._name}: {error.strerror or error}") from None
        assert self._program.stdin and self._program.stdout and self._program.stderr
        self._in, self._out, self._errors = self._program.stdin, self._program.stdout, self._program.stderr
        os.set_blocking(self._in.fileno(), False)
        os.set_blocking(self._errors.fileno(), False)
        self._said = b""
        self._watched = [self._out, self._errors]

    def send(self, content: bytes) -> None:
        end = time.monotonic() + self._patience
        rest = content
        while rest:
            _, ready, _ = select.select([], [self._in], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise LinkLost(f"{self._name} takes no more input")
            try:
                rest = rest[os.write(self._in.fileno(), rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise LinkLost(f"{self._name}: {error.strerror or error}{self._words()}") from None

    def receive(self, timeout: float | None) -> bytes:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            ready, _, _ = select.select(self._watched, [], [], left)
            if self._errors in ready:
                self._listen()
            if self._out in ready:
                content = os.read(self._out.fileno(), PIECE)
                if not content:
                    raise LinkLost(f"{self._name} has ended{self._words()}")
                return content
            if not ready:
                return b""

    def _listen(self) -> None:
        """Keep the last of what the command says on its standard error."""
        said = self._errors.read(PIECE)
        if said:
            self._said = (self._said + said)[-2000:]
        elif said == b"":
            self._watched.remove(self._errors)

    def _words(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            self._said = (self._said + (self._errors.read(PIECE) or b""))[-2000:]
        text = self._said.decode("utf-8", "replace").strip()
        return f": {text.splitlines()[-1]}" if text else ""

    def signal(self, number: int) -> None:
        """Send the command itself a signal, as a key at its terminal would."""
        with contextlib.suppress(ProcessLookupError):
            self._program.send_signal(number)

    def close(self) -> None:
        """End the command: politely, then not."""
        for stream in (self._in, self._out, self._errors):
            stream.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._program.poll() is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._program.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._program.wait(1.0)
