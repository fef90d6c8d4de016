"""Calls that are kept as words are the events and the observations that they would be one by one."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from pathlib import Path

import pytest

from cvmdbg.bench.linux import loop
from cvmdbg.guests.linux.opening import Root
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, StopKind
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.inferior import Inferior
from cvmdbg.targets.replay import verified
from sessions.event import Call, Captured, Event
from sessions.reader import Recording
from sessions.recorder import Recorder
from sessions.served import FEW, Served, spelled
from sessions.source import timeline_of

GETPID, SCHED_YIELD, LSEEK, READ, CLOSE = 172, 124, 62, 63, 57
MANY = 5000
"""More than the engine keeps at once."""
CASES = {
    "getpid": (GETPID, MANY, ()),
    "an error": (CLOSE, 300, ()),
    "six words": (LSEEK, 100, (0x7FFF_FFFF, 1)),
    "few": (GETPID, FEW, ()),
    "yields": (SCHED_YIELD, 100, ()),
    "a buffer": (READ, 100, (0x400000, 16)),
}


def ended(path: Path, record: list[Event] | None = None, kept: Path | None = None, **slices: int) -> EmulatorTarget:
    guest = open_guest(str(path), (), Root(terminal=False))
    recorder = None if kept is None else Recorder(kept, {"title": "calls"})
    target = EmulatorTarget(guest, record=None if record is None else record.append, recorder=recorder)
    target.input.end()
    while target.resume(Move.CONTINUE, budget=slices.get("budget")).reason(StopKind.EXIT) is None:
        assert target.tick < 1_000_000
    return target


@pytest.mark.parametrize("name", CASES)
def test_words_tell_what_events_and_observations_would(name: str, tmp_path: Path) -> None:
    number, count, arguments = CASES[name]
    path, kept = tmp_path / "program", tmp_path / "a.cvmrec"
    path.write_bytes(loop(number, count, arguments))
    path.chmod(0o755)
    events: list[Event] = []
    plain = ended(path, record=events)
    live = ended(path, kept=kept, budget=777)
    assert live.history is not None
    assert [live.history.events.at(n) for n in range(live.history.events.count)] == events
    seen, drained = plain.drain(), live.drain()
    assert list(spelled(drained)) == list(seen)
    assert live.inferior.digest() == plain.inferior.digest()
    live.close()
    recording = Recording(kept)
    assert [recording.event(n) for n in range(recording.events.count)] == events
    assert list(recording.observations((Call, Captured))) == [s for s in seen if isinstance(s, Call | Captured)]
    some = recording.end.tick // 2
    assert list(recording.observations((Call,), some, some + 50)) == [
        s for s in seen if isinstance(s, Call) and some <= s.tick <= some + 50
    ]
    verified(recording)
    inferior = Inferior()
    timeline_of(recording, inferior).seek(inferior, recording.end)
    assert inferior.digest() == plain.inferior.digest()
    recording.close()


def test_many_calls_are_kept_as_words(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(loop(GETPID, MANY))
    path.chmod(0o755)
    served = [item for item in ended(path, kept=tmp_path / "a.cvmrec").drain() if isinstance(item, Served)]
    assert sum(item.count for item in served) == MANY
    assert len(served) < 20


def test_a_recording_knows_no_path_of_the_host_and_nothing_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Program, root, bind and an own variable: all lie in a folder whose name must not be in the file."""
    monkeypatch.setenv("SECRET_OF_THE_HOST", "told to nobody")
    host = tmp_path / "folder-of-the-host"
    (host / "root" / "etc").mkdir(parents=True)
    (host / "root" / "etc" / "name").write_bytes(b"of the guest")
    (host / "bound").mkdir()
    (host / "bound" / "content").write_bytes(bytes(64))
    path, kept = host / "program", tmp_path / "a.cvmrec"
    path.write_bytes(loop(READ, 30, (0x402000, 16), b"/bound/content"))
    path.chmod(0o755)
    root = Root(str(host / "root"), binds=(f"{host / 'bound'}:/bound",), environment=("SHOWN=to the guest",))
    target = EmulatorTarget(open_guest(str(path), ("argument",), root), recorder=Recorder(kept, {"title": "program"}))
    target.input.end()
    while target.resume(Move.CONTINUE).reason(StopKind.EXIT) is None:
        assert target.tick < 1_000_000
    target.close()
    said = everything(kept)
    assert b"/bound/content" in said
    assert b"to the guest" in said
    for secret in ("folder-of-the-host", str(tmp_path), "SECRET_OF_THE_HOST", "told to nobody"):
        assert secret.encode() not in said, secret


def everything(path: Path) -> bytes:
    """All bytes of a recording: as they lie in the file, and inflated."""
    found = [path.read_bytes()]
    with contextlib.closing(sqlite3.connect(path)) as file:
        for table in [row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type='table'")]:
            for row in file.execute(f"SELECT * FROM {table}"):
                for value in row:
                    with contextlib.suppress(zlib.error, TypeError):
                        found.append(zlib.decompress(value))
    return b"".join(found)
