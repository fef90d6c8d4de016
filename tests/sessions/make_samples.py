"""Makes sessions/samples anew: ``python -m tests.sessions.make_samples``.

Each file is NAME-FORMAT.cvmrec; those of older formats stay as they are, and none of a released format is replaced.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import sessions
from cvmdbg.bench.linux import loop
from cvmdbg.launch import emulated, remote
from sessions.schema import OBSERVED, VERSION
from tests.gdbstub.board import BASE, CODE, Board
from tests.targets.stubs import boarded

GUESTS = {
    "libhello": ("demo:libhello", ()),
    "faults": ("demo:faults", ("cap_bounds",)),
    "threads": ("demo:threads", ()),
    "calls": ("calls", ()),
}
CALLS = loop(172, 5000)
"""An ELF file that makes so many calls of getpid."""
FOLDER = Path(sessions.__file__).parent / "samples"


def observed(path: Path) -> None:
    """A few stops of the tests' board behind our own server."""
    with boarded(Board(), path.parent) as address:
        session = remote(address, record=path)
        session.connect()
        for line in (f"break *{CODE + 0x20:#x}", "continue", "info registers", f"x/4xw {BASE:#x}", "stepi", "stepi"):
            session.execute(line)
        session.close()


def main() -> None:
    """Record each guest until it ends or faults."""
    FOLDER.mkdir(exist_ok=True)
    for name, (guest, arguments) in GUESTS.items():
        path = FOLDER / f"{name}-{VERSION}.cvmrec"
        with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
            Path("calls").write_bytes(CALLS)
            Path("calls").chmod(0o755)
            session = emulated(guest, arguments, record=path)
            session.connect()
            print(name, session.execute("run").lines[0])
            session.close()
    with tempfile.TemporaryDirectory() as place:
        observed(Path(place) / "observed.cvmrec")
        shutil.copy(Path(place) / "observed.cvmrec", FOLDER / f"observed-{OBSERVED}.cvmrec")


if __name__ == "__main__":
    main()
