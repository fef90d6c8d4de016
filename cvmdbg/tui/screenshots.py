"""The README's pictures: ``python -m cvmdbg.tui.screenshots OUTDIR`` writes debug, trace and time.svg, always the same.

The demo guest stands in the LibOS just after the call with which a loaded library prints its line.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from textual.pilot import Pilot

from cvmdbg.launch import emulated
from cvmdbg.tui.app import CvmApp
from cvmdbg.tui.export import screen_svg
from cvmdbg.tui.panes.compartments import Compartments

SIZE = (120, 40)
WRITEV = 66
"""The call's number on AArch64, in x14 at the crossing."""
LINES = (f"break 16:syscall_handler if $x14 == {WRITEV}", "continue", "continue", "info syscall")


async def settle(app: CvmApp, pilot: Pilot[int]) -> None:
    """Wait until all that was asked for is painted."""
    for _ in range(3):
        await pilot.pause()
        while not app.worker.quiet:
            await asyncio.sleep(0.01)
        await pilot.pause()


async def pictures() -> dict[str, str]:
    """SVG texts by file name."""
    app = CvmApp(emulated("demo:libhello"))
    found: dict[str, str] = {}
    async with app.run_test(size=SIZE) as pilot:
        await settle(app, pilot)
        for line in LINES:
            app.submit(line, "prompt")
            await settle(app, pilot)
        _unfold_modules(app)
        app.focus_pane("code")
        await settle(app, pilot)
        found["debug.svg"] = screen_svg(app)
        app.go_workspace("trace")
        await settle(app, pilot)
        found["trace.svg"] = screen_svg(app)
        await _look_back(app, pilot)
        found["time.svg"] = screen_svg(app)
    return found


async def _look_back(app: CvmApp, pilot: Pilot[int]) -> None:
    """The run to its end, then back to its middle, with the Time pane."""
    for line in ("mark printing", "delete 1", "continue", "goto 50%"):
        app.submit(line)
        await settle(app, pilot)
    app.go_workspace("debug")
    app.focus_pane("time")
    await settle(app, pilot)


def _unfold_modules(app: CvmApp) -> None:
    """Show what the loader put into the app's heap."""
    pane = app.desk.panes["map"]
    assert isinstance(pane, Compartments)
    for index, row in enumerate(pane.items):
        if row.badge == "17" and row.kind == "heap" and row.folded:
            pane.cursor = index
            pane.action_fold()
            break
    pane.cursor = 0


def main(folder: Path) -> int:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in asyncio.run(pictures()).items():
        (folder / name).write_text(svg, encoding="utf-8")
        print(folder / name)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m cvmdbg.tui.screenshots OUTDIR")
    sys.exit(main(Path(sys.argv[1])))
