"""``cvmdbg bench programs``: Linux programs beside qemu-aarch64 in the same run, and what a system call costs.

``CVMDBG_ARM64_ROOT`` names a root with Debian's python3.11 for AArch64, ``CVMDBG_QEMU_AARCH64`` (else the PATH)
qemu-aarch64; rows that need what is not there are left out. Times are the least of some runs, from the program's
first instruction, without deploying it.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cvmdbg.bench import Figure
from cvmdbg.guests.linux.opening import Root
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, StopKind, TargetError
from cvmdbg.targets.emulator import EmulatorTarget
from sessions.recorder import Recorder

CODE = 0x400000
GETPIDS, PREADS = 200_000, 50_000
"""Calls in a second that are wanted."""
SCRIPT = """
def primes(limit):
    sieve = bytearray([1]) * limit
    for n in range(2, int(limit ** 0.5) + 1):
        if sieve[n]:
            for multiple in range(n * n, limit, n):
                sieve[multiple] = 0
    return sum(sieve) - 2
words = {}
for n in range(ROUNDS):
    words[str(n * n % 1009)] = words.get(str(n * n % 1009), 0) + primes(40) + len(sorted(range(20, 0, -1)))
print(primes(ROUNDS * 4), len(words), sum(words.values()))
"""


def measure(quick: bool = False) -> list[Figure]:
    """All rows that this machine can give."""
    return [*_calls(20_000 if quick else 1_000_000), *_python(1 if quick else 3, 1_000 if quick else 40_000)]


# ---- what a call costs ------------------------------------------------------------------------------------


def loop(number: int, count: int, arguments: tuple[int, ...] = (), path: bytes = b"") -> bytes:
    """An ELF that opens ``path`` (if any) into x0 of every call, makes ``count`` calls and exits.

    ``arguments`` are x1 and on.
    """
    words = [*_open_words(len(path)), *_constant(19, count)]
    begin = len(words)
    words.append(0xAA1403E0)  # mov x0, x20
    for register, value in enumerate(arguments, 1):
        words += _constant(register, value)
    words += [*_constant(8, number), 0xD4000001, 0xF1000673]  # svc #0; subs x19, x19, #1
    words.append(0x54000001 | (begin - len(words) & 0x7FFFF) << 5)  # b.ne
    words += [*_constant(0, 0), *_constant(8, 94), 0xD4000001]  # exit_group
    code = path.ljust(64, b"\0") + struct.pack(f"<{len(words)}I", *words)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1\3" + bytes(8), 2, 183, 1, CODE + 64, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0x1000, CODE, CODE, len(code), 0x8000, 0x1000)
    return (header + segment).ljust(0x1000, b"\0") + code


def _constant(register: int, value: int) -> list[int]:
    """movz and movk of 32 bits."""
    return [0xD2800000 | register | (value & 0xFFFF) << 5, 0xF2A00000 | register | (value >> 16 & 0xFFFF) << 5]


def _open_words(length: int) -> list[int]:
    """openat(AT_FDCWD, path, O_RDONLY) into x20."""
    if not length:
        return _constant(20, 0)
    return [0x92800C60, *_constant(1, CODE), *_constant(2, 0), *_constant(8, 56), 0xD4000001, 0xAA0003F4]


def _calls(count: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        getpid, pread, content = place / "getpid", place / "pread", place / "content"
        getpid.write_bytes(loop(172, count))
        pread.write_bytes(loop(67, count // 4, (CODE + 0x2000, 4096, 0), b"/content"))
        content.write_bytes(bytes(range(256)) * 32)
        for path in (getpid, pread):
            path.chmod(0o755)
        plain = count / _run(getpid)
        kept = count / _run(getpid, recorder=Recorder(place / "recording", {}))
        read = count // 4 / _run(pread, root=Root(binds=(f"{content}:/content",)))
    return [
        Figure("getpid, not recorded", plain, "call/s", GETPIDS),
        Figure("getpid, recorded", kept, "call/s", plain),
        Figure("pread of 4 KiB", read, "call/s", PREADS),
    ]


def _run(path: Path, *args: str, root: Root | None = None, recorder: Recorder | None = None) -> float:
    """Seconds from the first instruction to the end."""
    target = EmulatorTarget(open_guest(str(path), args, root or Root(terminal=False)), recorder=recorder)
    target.observing = recorder is not None
    target.input.end()
    begin = time.perf_counter()
    while True:
        stop = target.resume(Move.CONTINUE, budget=20_000_000)
        target.drain()
        ended = stop.reason(StopKind.EXIT)
        if ended is not None:
            break
        if stop.reason(StopKind.BUDGET) is None:
            raise TargetError(f"{path.name} stopped: {stop.reasons}")
    seconds = time.perf_counter() - begin
    target.close()
    if ended.status:
        raise TargetError(f"{path.name} ended with status {ended.status}")
    return seconds


# ---- programs beside qemu-aarch64 --------------------------------------------------------------------------


def _python(rounds: int, size: int) -> list[Figure]:
    root = os.environ.get("CVMDBG_ARM64_ROOT")
    qemu = os.environ.get("CVMDBG_QEMU_AARCH64") or shutil.which("qemu-aarch64")
    if not root or not (Path(root) / "usr/bin/python3.11").exists():
        return []
    python = Path(root) / "usr/bin/python3.11"
    found = []
    for name, source in (("python3.11 -c pass", "pass"), ("python3.11 script", SCRIPT.replace("ROUNDS", str(size)))):
        ours = _least(partial(_run, python, "-c", source, root=Root(root)), rounds)
        theirs = None
        if qemu is not None:
            theirs = 1000 * _least(partial(_timed, [qemu, "-L", root, str(python), "-c", source]), rounds)
        found.append(Figure(name, ours * 1000, "ms", theirs))
    return found


def _timed(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def _least(run: Callable[[], float], rounds: int) -> float:
    return min(run() for _ in range(rounds))
