"""Sessions on the guests that ship."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cvmdbg.launch import emulated
from cvmdbg.session import Session

Open = Callable[..., Session]


@pytest.fixture
def opened(begun: Open) -> Open:
    """Opens guests by name, runs commands on them, and lets them go at the end."""

    def make(name: str, *lines: str, args: tuple[str, ...] | None = None, recording: bool = True) -> Session:
        return begun(emulated(f"demo:{name}", recording=recording), *lines, args=args)

    return make
