"""Recordings of the tests go to a folder of their own; CVMDBG_ENGINE says which engine runs all of them, at once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from emulator_core._core import set_default_engine

if os.environ.get("CVMDBG_ENGINE"):
    set_default_engine(os.environ["CVMDBG_ENGINE"], 1)


@pytest.fixture(autouse=True, scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into the user's own folder of recordings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVMDBG_RECORDINGS", str(tmp_path_factory.mktemp("recordings")))
        yield
