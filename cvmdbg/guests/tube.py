"""The tube of a bare board: a byte stored there is printed, the byte 4 ends the run.

Source: the harness of rems-project/morello-generated-tests.
"""

from __future__ import annotations

from cvmdbg.guests.guest import Boundary, Outcome, View
from cvmdbg.target import Reason, StopKind
from sessions.event import Output, ProgramExit

TUBE = 0x13000000
END_OF_RUN = 4
LINE = 256  # longest piece of output that is published at once


def store(boundary: Boundary, view: View, line: bytearray) -> Outcome:
    """Serves a store to a device; ``line`` is the output that has no newline yet."""
    if boundary.address != TUBE or boundary.size != 1:
        what = f"a store of {boundary.size} bytes to the device at {boundary.address:#x} is not modelled"
        return Outcome("device", stop=Reason(StopKind.UNMODELLED, what))
    byte = boundary.value & 0xFF
    if byte == END_OF_RUN:
        return Outcome("end of run", (ProgramExit(0),), _flush(view, line))
    line.append(byte)
    full = byte == ord("\n") or len(line) >= LINE
    return Outcome("tube", (), _flush(view, line) if full else ())


def _flush(view: View, line: bytearray) -> tuple[Output, ...]:
    text = bytes(line)
    line.clear()
    return (Output(view.tick, 0, "M", "guest", text),) if text else ()
