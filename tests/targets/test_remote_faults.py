"""A bad line between the target and its stub: what it shows is right, or the link is said to be lost, in time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from cvmdbg.target import Move, StopKind, TargetError, TargetLost
from cvmdbg.targets.remote.target import RemoteTarget
from gdbstub.listener import Listener
from gdbstub.server import Server
from tests.gdbstub.board import BASE, CODE, TAG, Board
from tests.gdbstub.proxy import FAULTS, Proxy
from tests.targets.stubs import turning

pytestmark = pytest.mark.clean_line

PATIENCE = 20.0


@pytest.fixture
def address() -> Iterator[str]:
    """A board behind our own server."""
    board = Board()
    board.write(BASE + 0x4000, bytes(range(256)) * 4)
    board.capabilities.write(BASE + 0x8000, TAG | 77)
    with turning(Listener("127.0.0.1:0", lambda: Server(board))) as place:
        yield place


def use(target: RemoteTarget) -> None:
    """Look, step and run; every answer that comes is the right one."""
    assert target.stops is not None and target.capabilities is not None
    assert target.read(BASE + 0x4000, 300) == (bytes(range(256)) * 2)[:300]
    assert target.capabilities.read(BASE + 0x8000) == TAG | 77
    for _ in range(5):
        pc = target.stop.pc
        assert target.resume(Move.STEP).pc == pc + 4
        assert target.read_register(1, "c1") == TAG | 0x1234 << 64 | 0x5678
    target.stops.add_breakpoint(CODE + 0x80)
    stop = target.resume(Move.CONTINUE)
    while stop.reason(StopKind.RUNNING):
        stop = target.resume(Move.CONTINUE)
    assert stop.pc == CODE + 0x80


@pytest.mark.parametrize("kind", ["delay", "split"])
def test_a_slow_line_only_takes_longer(address: str, kind: str) -> None:
    proxy = Proxy(address, 1, (kind,))
    target = RemoteTarget(proxy.address)
    proxy.rate = 0.5
    use(target)
    assert proxy.happened >= 3
    target.close()
    proxy.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_bad_line_gives_right_answers_or_is_lost(address: str, seed: int) -> None:
    proxy, began = Proxy(address, seed, FAULTS), time.monotonic()
    target = RemoteTarget(proxy.address, timeout=0.3)
    proxy.rate = 0.05
    try:
        use(target)
    except TargetLost as error:
        assert f"target remote {proxy.address} tries again" in str(error)
        assert target.stop.reason(StopKind.LOST) is not None
    except TargetError as error:
        assert str(error).startswith(proxy.address)
    proxy.rate = 0.0
    target.close()
    proxy.close()
    assert time.monotonic() - began < PATIENCE


def _connected(address: str) -> RemoteTarget:
    """As soon as the server has seen that the line before was closed."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return RemoteTarget(address)
        except TargetError as error:
            if "another client" not in str(error) or time.monotonic() > end:
                raise


def test_a_line_that_closes_is_lost_and_comes_back(address: str) -> None:
    proxy = Proxy(address, 3, ("close",))
    target = RemoteTarget(proxy.address, timeout=0.5)
    proxy.rate = 1.0
    with pytest.raises(TargetLost, match="closed the connection"):
        use(target)
    target.close()
    proxy.rate = 0.0
    again = _connected(proxy.address)
    assert again.read(BASE + 0x4000, 2) == b"\0\1"
    again.close()
    proxy.close()
