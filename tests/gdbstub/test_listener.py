"""The server's sockets: one client at a time, others are refused in words, nothing listens beyond loopback unasked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gdbstub import inspection
from gdbstub.call import LinkLost
from gdbstub.client import Client
from gdbstub.commands import breakpoints, memory, resuming, threads
from gdbstub.commands.breakpoints import PointKind
from gdbstub.commands.resuming import Action
from gdbstub.listener import Listener
from gdbstub.server import Server
from gdbstub.stops import Stopped
from gdbstub.transport import connect
from tests.gdbstub.board import BASE, CODE, Board


class Service:
    """A listener that turns on a thread of its own."""

    def __init__(self, address: str) -> None:
        self.board = Board()
        self.listener = Listener(address, lambda: Server(self.board))
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._turn)
        self.thread.start()

    def _turn(self) -> None:
        while not self.over.is_set():
            self.listener.turn(0.01)
        self.listener.close()

    def close(self) -> None:
        self.over.set()
        self.thread.join()


@pytest.fixture(params=["tcp", "unix"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    running = Service("127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path}/s")
    yield running
    running.close()


def test_a_client_over_a_socket(service: Service) -> None:
    client = Client(connect(service.listener.address))
    client.start()
    assert client.batch([memory.read(BASE, 8)] * 300) == [bytes(8)] * 300
    client.call(breakpoints.insert(PointKind.SOFTWARE, CODE + 0x20, 4))
    assert isinstance(client.run(resuming.resume(Action("c"))), Stopped)
    client.call(breakpoints.remove(PointKind.SOFTWARE, CODE + 0x20, 4))
    client.resume(resuming.resume(Action("c")))
    assert client.wait(0.05) is None
    client.interrupt()
    stop = client.wait(5)
    assert isinstance(stop, Stopped)
    assert stop.signal == 2
    client.close()


def test_a_second_client_is_told_and_the_first_undisturbed(service: Service) -> None:
    first = Client(connect(service.listener.address))
    first.start()
    second = Client(connect(service.listener.address), retries=0)
    with pytest.raises(Exception, match="another client is connected"):
        second.start()
    assert first.call(threads.current()).tid == 1
    first.close()


def test_a_client_that_vanishes_leaves_no_breakpoint_and_makes_room(service: Service) -> None:
    first = Client(connect(service.listener.address))
    first.start()
    first.call(breakpoints.insert(PointKind.SOFTWARE, CODE + 0x20, 4))
    first.close()
    for _ in range(200):
        if not service.listener.connected:
            break
        threading.Event().wait(0.01)
    assert service.board.breakpoints == set()
    second = Client(connect(service.listener.address))
    second.start()
    assert inspection.read_memory(second, BASE, 16) == bytes(16)
    second.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_other_machines_need_permission(host: str) -> None:
    with pytest.raises(LinkLost, match="was not allowed"):
        Listener(f"{host}:0", lambda: Server(Board()))


def test_permission_is_enough() -> None:
    Listener("0.0.0.0:0", lambda: Server(Board()), beyond_loopback=True).close()


def test_a_taken_port_is_told() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(LinkLost, match="in use"):
        Listener(f"127.0.0.1:{taken.getsockname()[1]}", lambda: Server(Board()))


@pytest.mark.parametrize("address", ["nonsense", "host:port", "localhost:99999", "localhost:", "nosuchhost.invalid:1"])
def test_bad_addresses_are_told(address: str) -> None:
    with pytest.raises(LinkLost):
        connect(address, timeout=0.5)
    with pytest.raises(LinkLost):
        Listener(address, lambda: Server(Board()))


def test_a_pipe_that_says_nothing_useful_is_reported() -> None:
    link = Client(connect("| sh -c 'echo no such board >&2; exit 3'"), timeout=2, retries=0)
    with pytest.raises(LinkLost, match=r"no such board|has ended"):
        link.start()
    link.close()
    with pytest.raises(LinkLost, match="No such file"):
        connect("| /nonexistent/gdbserver")
    with pytest.raises(LinkLost, match="needs a command"):
        connect("| ")
