"""A line that drops, doubles, changes, cuts, holds back: right answers or LinkLost, never wrong ones or none."""

from __future__ import annotations

import pytest

from gdbstub import inspection
from gdbstub.call import LinkLost, ProtocolError, StubError
from gdbstub.client import Client
from gdbstub.commands import breakpoints, capabilities, memory, registers, resuming, threads
from gdbstub.commands.breakpoints import PointKind
from gdbstub.commands.resuming import Action
from gdbstub.server import Server
from gdbstub.stops import Stopped
from tests.gdbstub.board import BASE, CODE, TAG, Board, Loop, Spoiler

pytestmark = pytest.mark.clean_line

SEEDS = range(12)


def _spoiled(seed: int, rate: float, no_ack: bool) -> tuple[Client, Board, Spoiler]:
    """A client whose handshake was undisturbed; the line is spoiled from then on."""
    board, spoiler = Board(), Spoiler(seed, 0.0)
    client = Client(Loop(Server(board), spoiler), timeout=0.02, settle=0.002, retries=12)
    client.start(no_ack=no_ack)
    spoiler.rate = rate
    return client, board, spoiler


@pytest.mark.parametrize("no_ack", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_answers_are_right_or_the_link_is_lost(seed: int, no_ack: bool) -> None:
    client, board, spoiler = _spoiled(seed, 0.15, no_ack)
    board.write(BASE + 0x4000, bytes(range(256)) * 4)
    board.capabilities.write(BASE + 0x8000, TAG | 77)
    spoiler.rate = 0.0
    layout = inspection.find_layout(client)
    spoiler.rate = 0.15
    calls = [
        memory.read(BASE + 0x4000, 256),
        threads.current(),
        capabilities.read(BASE + 0x8000),
        memory.read(BASE + 0x4100, 3),
        registers.read_all(layout),
    ]
    for _ in range(20):
        try:
            values = client.batch(calls)
        except LinkLost:
            client.conversation.forget()
            continue
        right = (bytes(range(256)), threads.ThreadId(1, 1), TAG | 77, bytes(range(3)))
        assert tuple(values[:4]) == right
        assert values[4]["x1"] == 0x5678


def test_without_faults_nothing_is_repeated() -> None:
    client, _, _ = _spoiled(0, 0.0, True)
    for _ in range(50):
        client.batch([memory.read(BASE, 16)] * 10)
    assert client.repeated == 0


def test_faults_are_repaired_most_of_the_time() -> None:
    """The retries are worth it: with one write in seven spoiled nearly every batch comes through."""
    lost = 0
    for seed in SEEDS:
        client, _, _ = _spoiled(seed, 0.15, True)
        try:
            assert client.batch([memory.read(BASE, 16), threads.current()]) == [bytes(16), threads.ThreadId(1, 1)]
        except LinkLost:
            lost += 1
    assert lost <= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_ends_or_is_reported(seed: int) -> None:
    client, board, _ = _spoiled(seed, 0.1, True)
    try:
        client.call(breakpoints.insert(PointKind.SOFTWARE, CODE + 0x20, 4))
        client.resume(resuming.resume(Action("c")))
        for _ in range(20):
            stop = client.wait(0)
            if stop is not None:
                assert isinstance(stop, Stopped)
                assert board.stop.thread == 1
                return
            client.interrupt()
    except (LinkLost, StubError, ProtocolError) as error:
        assert str(error)
