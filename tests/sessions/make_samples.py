"""Makes sessions/samples anew: ``python -m tests.sessions.make_samples``.

Each file is NAME-FORMAT.cvmrec; those of older formats stay as they are, and none of a released format is replaced.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import sessions
from cvmdbg.bench.linux import loop
from cvmdbg.launch import emulated
from sessions.schema import VERSION

GUESTS = {
    "libhello": ("demo:libhello", ()),
    "faults": ("demo:faults", ("cap_bounds",)),
    "threads": ("demo:threads", ()),
    "calls": ("calls", ()),
}
CALLS = loop(172, 5000)
"""An ELF file that makes so many calls of getpid."""
FOLDER = Path(sessions.__file__).parent / "samples"


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


if __name__ == "__main__":
    main()
