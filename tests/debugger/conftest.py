"""Sessions on the guests that ship."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cvmdbg.launch import emulated
from cvmdbg.session import Session

Open = Callable[..., Session]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens guests by name, runs commands on them, and lets them go at the end."""
    sessions: list[Session] = []

    def make(name: str, *lines: str, args: tuple[str, ...] | None = None, recording: bool = True) -> Session:
        session = emulated(f"demo:{name}", recording=recording)
        sessions.append(session)
        session.connect(args)
        for line in lines:
            session.execute(line)
        return session

    yield make
    for session in sessions:
        session.close()
