"""Driving the application in tests: start it on a session, wait until it is quiet, read what it shows."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from cvmdbg.session import Session
from cvmdbg.tui.app import CvmApp

SIZES = ((80, 24), (120, 40), (200, 60))
GOLDEN = Path(__file__).parent / "golden"
UPDATE = "CVMDBG_UPDATE_GOLDEN"


@asynccontextmanager
async def screen(session: Session, size: tuple[int, int] = (120, 40)) -> AsyncIterator[tuple[CvmApp, Pilot[int]]]:
    """The application on a session, settled."""
    app = CvmApp(session)
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot)
        yield app, pilot
        await pilot.pause()


async def settled(app: CvmApp, pilot: Pilot[int], limit: float = 30.0) -> None:
    """Wait until the worker is quiet and everything is painted."""
    await until(pilot, lambda: app.worker.quiet, limit)
    for _ in range(3):
        await pilot.pause()
        await until(pilot, lambda: app.worker.quiet, limit)


async def until(pilot: Pilot[int], condition: Callable[[], bool], limit: float = 30.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + limit
    await pilot.pause()
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.01)
        await pilot.pause()


def shown(app: CvmApp) -> list[str]:
    """The whole screen as rows of text."""
    return ["".join(strip.text for strip in strips).rstrip() for strips in app.screen._compositor.render_strips()]


def agrees(name: str, text: str) -> None:
    """Compare with the golden file; with CVMDBG_UPDATE_GOLDEN set, write it."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get(UPDATE):
        path.write_text(text + "\n", encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    assert text + "\n" == expected, f"differs from {path.name}; {UPDATE}=1 writes it anew"
