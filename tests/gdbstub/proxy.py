"""A bad line between sockets: what passes is delayed, dropped, doubled, split, changed, or the link closes, by a seed.

client ──▶ Proxy ──▶ server        faults from the moment that ``rate`` is set
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
import time

FAULTS = ("delay", "drop", "double", "split", "change")


class Proxy:
    """Listens on ``address`` and passes to ``target`` (HOST:PORT both). ``rate``: faults for each piece that passes.

    ``kinds`` is a part of FAULTS, or ``close``; ``happened`` counts the faults.
    """

    def __init__(self, target: str, seed: int, kinds: tuple[str, ...] = FAULTS) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._random, self._kinds = random.Random(seed), kinds
        self.rate, self.happened = 0.0, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Drop everything."""
        self._over.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            ready, _, _ = select.select([self._listener], [], [], 0.05)
            if ready:
                near, _ = self._listener.accept()
                with contextlib.suppress(OSError), near, socket.create_connection(self._target) as far:
                    self._pass(near, far)

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        for link in other:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not self._over.is_set():
            ready, _, _ = select.select(list(other), [], [], 0.05)
            for link in ready:
                content = link.recv(1 << 16)
                if not content or not self._spoil(content, other[link]):
                    return

    def _spoil(self, content: bytes, to: socket.socket) -> bool:
        """Pass a piece on; False when the link is to close."""
        if self._random.random() >= self.rate:
            to.sendall(content)
            return True
        self.happened += 1
        at = self._random.randrange(len(content))
        match self._random.choice(self._kinds):
            case "close":
                return False
            case "delay":
                time.sleep(self._random.random() * 0.05)
                to.sendall(content)
            case "double":
                to.sendall(content + content)
            case "split":
                to.sendall(content[:at])
                time.sleep(0.005)
                to.sendall(content[at:])
            case "change":
                to.sendall(content[:at] + bytes((content[at] ^ 1 << self._random.randrange(8),)) + content[at + 1 :])
        return True
