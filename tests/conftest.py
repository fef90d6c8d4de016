"""Recordings of the tests go to a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into the user's own folder of recordings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVMDBG_RECORDINGS", str(tmp_path_factory.mktemp("recordings")))
        yield
