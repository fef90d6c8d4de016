"""Running a Linux program to its end, in the emulator and in qemu-aarch64."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cvmdbg.guests.linux.opening import Root
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, Reason, StopKind
from cvmdbg.targets.emulator import EmulatorTarget
from sessions.event import Call, Output
from sessions.served import spelled

PROGRAMS = Path(__file__).parent / "programs"
SLICE = 50_000_000


@dataclass
class Ran:
    """How a program ended: its status, what it printed, its calls, and what stopped it on the way."""

    status: int | None = None
    printed: bytes = b""
    calls: list[Call] = field(default_factory=list)
    stops: list[Reason] = field(default_factory=list)
    ticks: int = 0

    @property
    def text(self) -> str:
        """What it printed."""
        return self.printed.decode()


def target(path: Path | str, *args: str, root: Path | None = None, **options: object) -> EmulatorTarget:
    """A program at its first instruction. Options are those of ``Root``; ``stdin`` are bytes."""
    stdin = options.pop("stdin", b"")
    assert isinstance(stdin, bytes)
    given = Root(str(root) if root is not None else "", **options)  # type: ignore[arg-type]
    made = EmulatorTarget(open_guest(str(path), args, given))
    made.input.feed(stdin)
    made.input.end()
    return made


def finish(made: EmulatorTarget, limit: int = 10**11) -> Ran:
    """Runs to the end. What stops it is kept, and gone on from, but a deadlock ends it."""
    ran = Ran()
    while made.tick < limit:
        stop = made.resume(Move.CONTINUE, budget=SLICE)
        for seen in spelled(made.drain()):
            if isinstance(seen, Output):
                ran.printed += seen.text
            elif isinstance(seen, Call):
                ran.calls.append(seen)
        ended = stop.reason(StopKind.EXIT)
        ran.stops += [r for r in stop.reasons if r.kind is not StopKind.BUDGET]
        if ended is not None:
            ran.status = ended.status
        if stop.reasons and any(r.kind in (StopKind.EXIT, StopKind.DEADLOCK) for r in stop.reasons):
            break
    ran.ticks = made.tick
    return ran


def run(path: Path | str, *args: str, root: Path | None = None, **options: object) -> Ran:
    """A program from its beginning to its end."""
    return finish(target(path, *args, root=root, **options))


def in_qemu(qemu: str, root: Path, path: Path, *args: str, stdin: bytes = b"", name: str = "") -> tuple[int, bytes]:
    """Status and output of the same program under qemu-aarch64, its argv[0] that of the guest's root."""
    command = [qemu, "-L", str(root), "-0", name or "/" + path.name, str(path), *args]
    environment = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"}
    done = subprocess.run(  # both streams in one, in the order in which they were written
        command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, timeout=120
    )
    return done.returncode if done.returncode >= 0 else 128 - done.returncode, done.stdout
