"""Recordings of the tests go to a folder of their own.

CVMDBG_ENGINE says which engine runs all of them, at once; CVMDBG_PROXY=SEED puts a bad line under every connection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest

from cvmdbg.session import Session
from emulator_core._core import set_default_engine
from tests.gdbstub import line

if os.environ.get("CVMDBG_ENGINE"):
    set_default_engine(os.environ["CVMDBG_ENGINE"], 1)

if os.environ.get("CVMDBG_PROXY"):
    line.install(int(os.environ["CVMDBG_PROXY"]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How bad the lines were."""
    if os.environ.get("CVMDBG_PROXY"):
        terminalreporter.write_line(line.summary())


@pytest.fixture(autouse=True)
def good_line(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests with the mark ``clean_line`` have their own faults, or count what passes."""
    with line.good() if request.node.get_closest_marker(line.CLEAN) else nullcontext():
        yield


@pytest.fixture
def begun() -> Iterator[Callable[..., Session]]:
    """Takes sessions that are not connected yet, runs commands on them, and lets them go at the end."""
    sessions: list[Session] = []

    def make(session: Session, *lines: str, args: tuple[str, ...] | None = None) -> Session:
        sessions.append(session)
        session.connect(args)
        for one in lines:
            session.execute(one)
        return session

    yield make
    for session in sessions:
        session.close()


@pytest.fixture(autouse=True, scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into the user's own folder of recordings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVMDBG_RECORDINGS", str(tmp_path_factory.mktemp("recordings")))
        yield
