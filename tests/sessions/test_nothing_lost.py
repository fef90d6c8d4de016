"""Killed, cut, damaged, hostile and full: every file opens or is refused in a sentence, and nothing else happens.

CVMDBG_KILLS, CVMDBG_DAMAGED and CVMDBG_SEEDS say how often; the defaults are small.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from functools import cache
from mmap import mmap
from pathlib import Path

import pytest

from cvmdbg.bench.linux import loop
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, RecordingError, TargetError
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.replay import ReplayTarget, verified
from sessions import reader
from sessions.event import Note
from sessions.reader import Recording, RecordingFault
from sessions.recorder import Limits, Recorder
from sessions.source import timeline_of
from tests.targets.test_emulator import COUNT
from tests.targets.toy import PRINT, TRAP, ToyGuest

KILLS = int(os.environ.get("CVMDBG_KILLS", "3"))
DAMAGED = int(os.environ.get("CVMDBG_DAMAGED", "150"))
SEEDS = int(os.environ.get("CVMDBG_SEEDS", "8"))
NOBODY = 65534
MEMORY = 600 << 20
"""Bytes that reading any file may take."""
BUSY = ["mov x9, #0x4000", "again:", "add x1, x1, #0x1", "str x1, [x28]", "subs x9, x9, #0x1", "b.ne @again"]
BUSY += ["mov x9, #0x4000", "mov x0, x1", f"mov x14, #{PRINT:#x}", TRAP, "b @again"]


def start(path: Path, told: mmap, limit: int | None = None) -> int:
    """A process that records until it is killed, and tells the tick it has come to."""
    child = os.fork()
    if child:
        return child
    try:
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        target = EmulatorTarget(ToyGuest(BUSY, threads=2), recorder=Recorder(path, {"title": "busy"}))
        while True:
            target.resume(Move.CONTINUE, budget=200_000)
            told[:16] = target.tick.to_bytes(8, "little") + time.monotonic_ns().to_bytes(8, "little")
            target.drain()
    finally:
        os._exit(1)


def test_a_killed_recording_opens_and_has_lost_a_second_at_most(tmp_path: Path) -> None:
    dice = random.Random(KILLS)
    opened = early = 0
    for number in range(KILLS):
        path, told = tmp_path / f"{number}.cvmrec", mmap(-1, 16)
        child = start(path, told)
        began, history = time.monotonic(), [(time.monotonic(), 0)]
        until = began + dice.uniform(0.0, 1.6)
        while time.monotonic() < until:
            history.append((time.monotonic(), int.from_bytes(told[:8], "little")))
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        killed = time.monotonic()
        os.waitpid(child, 0)
        if not path.exists():
            continue  # killed before there was a file
        known = max((tick for at, tick in history if at <= killed - 1.0), default=0)
        early += not known
        with tempfile.TemporaryDirectory() as elsewhere:
            for part in tmp_path.glob(f"{path.name}*"):
                shutil.copy(part, elsewhere)
            check_killed(path, known)
            check_read_only(Path(elsewhere), path.name, known)
        opened += 1
    assert opened >= KILLS // 2
    print(f"{KILLS} kills: {opened} files, {early} of the first second, {KILLS - opened} before there was a file")


def check_read_only(place: Path, name: str, known: int) -> None:
    """The same from a copy that nobody may change, read by a user without rights."""
    for part in place.iterdir():
        part.chmod(0o444)
    place.chmod(0o555)
    child = os.fork()
    if not child:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            assert not os.access(place, os.W_OK)
            before = {part.name: part.read_bytes() for part in place.iterdir()}
            check_killed(place / name, known)
            assert {part.name: part.read_bytes() for part in place.iterdir()} == before
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def check_killed(path: Path, known: int) -> None:
    recording = Recording(path)
    assert "was not closed" in recording.lost
    assert recording.end.tick >= known
    verified(recording)
    inferior = Inferior()
    timeline_of(recording, inferior).seek(inferior, recording.end)
    assert inferior.tick == recording.end.tick
    recording.close()


def test_a_missing_log_is_named(tmp_path: Path) -> None:
    path, told = tmp_path / "a.cvmrec", mmap(-1, 16)
    child = start(path, told)
    while not path.with_name("a.cvmrec-wal").exists() or not int.from_bytes(told[:8], "little"):
        time.sleep(0.01)
    time.sleep(0.6)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    path.with_name("a.cvmrec-wal").unlink()
    recording = Recording(path)
    assert "a.cvmrec-wal is missing" in recording.lost
    recording.close()


def test_a_full_disk_stops_the_recording_and_not_the_run(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        os._exit(run_into_the_limit(tmp_path / "full.cvmrec"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    recording = Recording(tmp_path / "full.cvmrec")
    assert "was not closed" in recording.lost
    verified(recording)
    recording.close()


def run_into_the_limit(path: Path) -> int:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    target = EmulatorTarget(ToyGuest(BUSY, threads=2), recorder=Recorder(path, {"title": "busy"}))
    time.sleep(0.5)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    said: list[str] = []
    end = time.monotonic() + 60
    while time.monotonic() < end:
        target.resume(Move.CONTINUE, budget=100_000)
        said += [note.text for note in target.drain() if isinstance(note, Note)]
        if said:
            before = target.tick
            target.resume(Move.CONTINUE, budget=100_000)
            good = target.history is None and target.tick > before and "the recording stopped" in said[0]
            return 0 if good else 2
    return 3


def test_a_recording_ends_at_its_limit(tmp_path: Path) -> None:
    target = EmulatorTarget(ToyGuest(BUSY), recorder=Recorder(tmp_path / "a.cvmrec", {}, Limits(40_000)))
    said: list[str] = []
    for _ in range(3000):
        target.resume(Move.CONTINUE, budget=50_000)
        time.sleep(0.001)
        said += [note.text for note in target.drain() if isinstance(note, Note)]
        if said:
            break
    assert said == ["the recording stopped: it has grown to its limit of 0 MiB"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "a.cvmrec"
    target = EmulatorTarget(open_guest("demo:hello"), recorder=Recorder(path, {"title": "hello"}))
    target.resume(Move.CONTINUE)
    target.close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A recording with a chunk of served calls."""
    place = tmp_path_factory.mktemp("served")
    (place / "loop").write_bytes(loop(172, 1000))
    (place / "loop").chmod(0o755)
    target = EmulatorTarget(open_guest(str(place / "loop")), recorder=Recorder(place / "a.cvmrec", {}))
    target.resume(Move.CONTINUE)
    target.close()
    return (place / "a.cvmrec").read_bytes()


def test_damaged_files_are_refused_or_read_and_nothing_else(whole: bytes, served: bytes, tmp_path: Path) -> None:
    dice, path = random.Random(9), tmp_path / "bad.cvmrec"
    refused = 0
    for number in range(DAMAGED):
        content = bytearray(whole if number % 2 else served)
        for _ in range(dice.choice([1, 1, 3, 30])):
            content[dice.randrange(len(content))] = dice.randrange(256)
        cut = dice.choice([len(content), len(content), dice.randrange(len(content))])
        path.write_bytes(content[:cut])
        began = time.monotonic()
        refused += looked_through(path)
        assert time.monotonic() - began < 20, f"input {number}"
    assert refused


def looked_through(path: Path) -> bool:
    """Open and read everything; was it refused?"""
    try:
        recording = Recording(path)
    except RecordingFault as error:
        assert "\n" not in str(error)
        return True
    try:
        list(recording.observations())
        list(recording.crossings())
        target = ReplayTarget(recording)
        target.facts.compartments()
        target.facts.modules()
        assert target.reverse is not None
        target.reverse.resume(Move.STEP)
        verified(recording)
    except (RecordingFault, RecordingError, TargetError) as error:
        assert "\n" not in str(error)
        return True
    finally:
        recording.close()
    return False


def test_a_hostile_file_takes_bounded_memory(whole: bytes, tmp_path: Path) -> None:
    for number, bomb in enumerate(BOMBS):
        path = tmp_path / f"{number}.cvmrec"
        path.write_bytes(whole)
        with sqlite3.connect(path) as file:
            bomb(file)
        file.close()
        child = os.fork()
        if not child:
            os._exit(within(MEMORY, path))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, bomb


def within(room: int, path: Path) -> int:
    """Look through a file with so many bytes more of address space than now."""
    now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + room, now + room))
    try:
        looked_through(path)
    except BaseException:
        traceback.print_exc()
        return 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{path.name}: at most {peak >> 10} MiB resident", file=sys.stderr)
    return 0


@cache
def deflated_zeros(size: int) -> bytes:
    """So many zeros, deflated."""
    engine, block = zlib.compressobj(9), bytes(1 << 20)
    return b"".join([*(engine.compress(block) for _ in range(size >> 20)), engine.flush()])


def swell(statement: str, size: int = 1 << 30) -> Callable[[sqlite3.Connection], object]:
    """A change of a file that puts a bomb into one of its columns."""
    return lambda file: file.execute(statement, (deflated_zeros(size),))


BOMBS = (
    swell("UPDATE events SET packed=?"),
    swell("UPDATE events SET kinds=3, packed=?"),
    swell("UPDATE events SET kinds=3, count=100000, packed=?"),
    swell("UPDATE observations SET packed=?"),
    swell("UPDATE crossings SET packed=?"),
    swell("UPDATE checkpoint SET state=?"),
    swell("UPDATE checkpoint SET touched=?"),
    swell("UPDATE content SET packed=?"),
    swell("UPDATE page SET packed=?"),
    swell("UPDATE guest SET packed=?"),
)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"x" * 5000, b"SQLite format 3\0" + bytes(5000)])
def test_other_files_are_no_recordings(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(RecordingFault, match="is no recording of cvmdbg"):
        Recording(path)


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_every_schedule_replays_to_its_digests(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "a.cvmrec"
    target = EmulatorTarget(ToyGuest(COUNT, threads=3), recorder=Recorder(path, {}), seed=seed)
    target.resume(Move.CONTINUE, budget=2_000_000)
    digest = target.inferior.digest()
    target.close()
    recording = Recording(path)
    assert verified(recording) >= 2
    inferior = Inferior()
    timeline_of(recording, inferior).seek(inferior, recording.end)
    assert inferior.digest() == digest
    recording.close()


def test_a_replay_that_differs_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.cvmrec"
    target = EmulatorTarget(ToyGuest(COUNT, threads=2), recorder=Recorder(path, {}))
    target.resume(Move.CONTINUE, budget=1_500_000)
    target.close()
    with sqlite3.connect(path) as file:
        state = reader.unpack_state(file.execute("SELECT state FROM checkpoint ORDER BY number DESC").fetchone()[0])
        assert isinstance(state, dict)
        state["threads"]["1"]["c1"] += 1  # type: ignore[index, call-overload, operator]
        from sessions.checkpoint import pack_state

        row = (pack_state(state), b"\0" * 32)
        file.execute("UPDATE checkpoint SET state=?, digest=? WHERE number=(SELECT max(number) FROM checkpoint)", row)
    recording = Recording(path)
    with pytest.raises(TargetError, match=r"replay differs at tick 1500000: expected threads 1 c1 0x\w+, found 0x\w+"):
        verified(recording)
    recording.close()
