"""The server's sockets: listens, serves one client at a time, refuses others politely.

listener = Listener("127.0.0.1:1234", lambda: Server(target))
while wanted: listener.turn(0.02)             one thread, no hops: poll, receive, answer; slices while it runs
"""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

from gdbstub.call import LinkLost
from gdbstub.packet import encode
from gdbstub.server import MAX_UNSENT, Server
from gdbstub.transport import PIECE, split_address

BUSY = encode(b"E.another client is connected; it must leave first")
POLITE = 1.0
"""Seconds that a refused client has to ask, to be answered and to leave."""


class Listener:
    """``address``: HOST:PORT or unix:PATH. ``beyond_loopback``: may other machines connect?

    ``make`` makes the server of a new client. LinkLost says in one sentence why there is no socket.
    """

    def __init__(self, address: str, make: Callable[[], Server], beyond_loopback: bool = False) -> None:
        self._make = make
        self._path = address.removeprefix("unix:") if address.startswith("unix:") else ""
        self._socket = self._unix() if self._path else self._tcp(address, beyond_loopback)
        self._socket.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._client: socket.socket | None = None
        self._server: Server | None = None
        self._unsent = bytearray()
        self._refused: dict[socket.socket, float] = {}
        self._told: set[socket.socket] = set()
        self.served = 0

    def _tcp(self, address: str, beyond_loopback: bool) -> socket.socket:
        host, port = split_address(address)
        try:
            family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        except OSError as error:
            raise LinkLost(f"{address}: {error.strerror or error}") from None
        if not beyond_loopback and not ipaddress.ip_address(str(place[0]).split("%")[0]).is_loopback:
            raise LinkLost(f"{address} can be reached from other machines, which was not allowed")
        return _listening(socket.socket(family), place, address)

    def _unix(self) -> socket.socket:
        path = Path(self._path)
        if path.is_socket():
            with contextlib.suppress(OSError):
                path.unlink()
        return _listening(socket.socket(socket.AF_UNIX), self._path, f"unix:{self._path}")

    @property
    def address(self) -> str:
        """Where it listens: the port that the system chose when 0 was asked for."""
        if self._path:
            return f"unix:{self._path}"
        host, port, *_ = self._socket.getsockname()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def connected(self) -> bool:
        """Is a client there?"""
        return self._client is not None

    def turn(self, seconds: float) -> None:
        """Serve for about so long: until nothing has come for the rest of that time."""
        end = time.monotonic() + seconds
        while True:
            server = self._server
            if server is not None and server.running:
                self._send(server.go_on())
                wait = 0.0
            else:
                wait = max(0.0, end - time.monotonic())
            events = self._poll.poll(wait * 1000)
            for number, event in events:
                self._event(number, event)
            if time.monotonic() >= end or (not events and not (server is not None and server.running)):
                self._expire()
                return

    def close(self) -> None:
        """Drop the client and stop listening."""
        self._drop()
        for refused in list(self._refused):
            self._forget(refused)
        self._socket.close()
        if self._path:
            with contextlib.suppress(OSError):
                Path(self._path).unlink()

    # ---- events ----

    def _event(self, number: int, event: int) -> None:
        if self._client is not None and number == self._client.fileno():
            self._talk(event)
        elif number == self._socket.fileno():
            self._accept()
        else:
            for refused in [link for link in self._refused if link.fileno() == number]:
                self._refuse(refused)

    def _talk(self, event: int) -> None:
        """The client has sent, or takes more."""
        client, server = self._client, self._server
        assert client is not None and server is not None
        if event & select.POLLOUT:
            self._send(b"")
        if not event & ~select.POLLOUT:
            return
        try:
            content = client.recv(PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            content = b""
        if not content:
            self._drop()
            return
        self._send(server.receive(content))
        if server.gone:
            self._drop()

    def _send(self, content: bytes) -> None:
        """Write as much as the client takes; keep the rest, up to a limit."""
        client = self._client
        if client is None or not (content or self._unsent):
            return
        waiting = bool(self._unsent)
        self._unsent += content
        try:
            sent = client.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._drop()
            return
        del self._unsent[:sent]
        if len(self._unsent) > MAX_UNSENT:
            self._drop()
        elif waiting != bool(self._unsent):
            self._poll.modify(client, select.POLLIN | (select.POLLOUT if self._unsent else 0))

    def _accept(self) -> None:
        try:
            link, _ = self._socket.accept()
        except OSError:
            return
        link.setblocking(False)
        if link.family != socket.AF_UNIX:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(link, select.POLLIN)
        if self._client is not None and _has_left(self._client):
            self._drop()
        if self._client is not None:
            self._refused[link] = time.monotonic() + POLITE
            return
        self._client, self._server = link, self._make()
        self.served += 1

    def _drop(self) -> None:
        """The client is gone; what it had set is taken back."""
        client, server = self._client, self._server
        self._client = self._server = None
        self._unsent.clear()
        if client is not None:
            self._poll.unregister(client)
            client.close()
        if server is not None:
            server.close()

    # ---- refusing ----

    def _refuse(self, link: socket.socket) -> None:
        """Answer the first packet of a client that came second; it has a moment to read that and to leave."""
        try:
            content = link.recv(PIECE)
            if b"$" in content and link not in self._told:
                self._told.add(link)
                link.send(b"+" + BUSY)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        if not content:
            self._forget(link)

    def _expire(self) -> None:
        now = time.monotonic()
        for link in [link for link, end in self._refused.items() if now >= end]:
            self._forget(link)

    def _forget(self, link: socket.socket) -> None:
        del self._refused[link]
        self._told.discard(link)
        self._poll.unregister(link)
        link.close()


def _has_left(client: socket.socket) -> bool:
    """Has a client closed its side, although that was not read yet? Whoever comes back at once is then let in."""
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _listening(link: socket.socket, place: object, name: str) -> socket.socket:
    try:
        if link.family != socket.AF_UNIX:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        link.bind(place)  # type: ignore[arg-type]
        link.listen(8)
    except OSError as error:
        link.close()
        raise LinkLost(f"{name}: {error.strerror or error}") from None
    return link
