"""The client over a bad line of real sockets: right answers or LinkLost, in bounded time, and it can connect again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from gdbstub import inspection
from gdbstub.call import Call, LinkLost, ProtocolError
from gdbstub.client import Client
from gdbstub.commands import capabilities, memory, registers, resuming, threads
from gdbstub.commands.resuming import Action
from gdbstub.stops import Stopped
from gdbstub.thread import ThreadId
from gdbstub.transport import connect
from tests.gdbstub.board import BASE, TAG
from tests.gdbstub.proxy import FAULTS, Proxy
from tests.gdbstub.test_listener import Service

pytestmark = pytest.mark.clean_line


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service("127.0.0.1:0")
    running.board.write(BASE + 0x4000, bytes(range(256)))
    running.board.capabilities.write(BASE + 0x8000, TAG | 77)
    yield running
    running.close()


def _client(proxy: Proxy) -> tuple[Client, list[Call[Any]]]:
    client = Client(connect(proxy.address), timeout=0.2, settle=0.02, retries=10)
    client.start()
    layout = inspection.find_layout(client)
    calls = [
        memory.read(BASE + 0x4000, 256),
        threads.current(),
        capabilities.read(BASE + 0x8000),
        registers.read_some(layout, ("x1",)),
    ]
    return client, calls


def _right(values: list[Any]) -> bool:
    return values == [bytes(range(256)), ThreadId(1, 1), TAG | 77, {"x1": 0x5678}]


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_repaired_or_told(service: Service, kind: str) -> None:
    proxy = Proxy(service.listener.address, 7, (kind,))
    try:
        client, calls = _client(proxy)
        proxy.rate = 0.2
        lost = 0
        begin = time.monotonic()
        for _ in range(20):
            try:
                assert _right(client.batch(calls))
            except LinkLost:
                lost += 1
        assert proxy.happened >= 3
        assert lost <= 4
        assert time.monotonic() - begin < 60
        client.close()
    finally:
        proxy.close()


def test_a_link_that_closes_is_told_and_another_one_works(service: Service) -> None:
    proxy = Proxy(service.listener.address, 1, ("close",))
    try:
        client, calls = _client(proxy)
        proxy.rate = 1.0
        with pytest.raises(LinkLost):
            client.batch(calls)
        client.close()
        proxy.rate = 0.0
        for _ in range(100):
            if not service.listener.connected:
                break
            time.sleep(0.02)
        again, calls = _client(proxy)
        assert _right(again.batch(calls))
        again.close()
    finally:
        proxy.close()


@pytest.mark.parametrize("seed", range(3))
def test_steps_over_a_bad_line_are_made_once_or_reported(service: Service, seed: int) -> None:
    """A step is never repeated silently: the board has retired as many as there were stops, or it was told."""
    proxy = Proxy(service.listener.address, seed, ("delay", "split", "drop", "change"))
    try:
        client, _ = _client(proxy)
        before, stops, reported = service.board.steps, 0, 0
        proxy.rate = 0.1
        for _ in range(30):
            try:
                stop = client.run(resuming.resume(Action("s", ThreadId(1, 1))), 0.3)
                stops += isinstance(stop, Stopped)
            except ProtocolError:
                reported += 1
                break
        assert stops <= service.board.steps - before <= stops + reported
        client.close()
    finally:
        proxy.close()
