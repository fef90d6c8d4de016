"""What a debugged guest is made of: its path, its target, its recording. Only this and cli name concrete targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cvmdbg.guests.attached import attached
from cvmdbg.guests.guest import Facts
from cvmdbg.guests.handoff.guest import HandedOff
from cvmdbg.guests.intravisor.imported.log import open_log
from cvmdbg.guests.linux.opening import Root
from cvmdbg.guests.opening import NO_ROOT, open_guest, resolve, source_directories
from cvmdbg.recordings import Onward, Recordings
from cvmdbg.session import Launch, Session, Started
from cvmdbg.settings import Settings
from cvmdbg.target import TargetError, UserError
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.gdbmi.peer import peer as peer_of_gdb
from cvmdbg.targets.gdbmi.target import GdbTarget
from cvmdbg.targets.keeping import FactsNow
from cvmdbg.targets.live.recalled import Recalled
from cvmdbg.targets.live.target import LiveTarget
from cvmdbg.targets.live.witness import FactsKept, Witness, facts_of, public
from cvmdbg.targets.observed import FactsSeen, ObservedTarget
from cvmdbg.targets.remote.peer import peer
from cvmdbg.targets.remote.target import RemoteTarget
from cvmdbg.targets.replay import ReplayTarget, other_engine
from emulator_core.semantics import semantics
from sessions.reader import MAGIC, Recording, RecordingFault
from sessions.recorder import Recorder


@dataclass(frozen=True)
class EmulatorLaunch:
    """Makes the guest of a path anew in the emulator, as often as asked; each start is recorded in its own file."""

    path: str
    arguments: tuple[str, ...] = ()
    recordings: Recordings | None = None
    root: Root = NO_ROOT
    seed: int = 0
    kind: str = field(default="emulator", init=False)

    @property
    def title(self) -> str:
        """The last part of the path, or the demo's name."""
        if self.path.startswith("demo:"):
            return self.path.removeprefix("demo:") or "libhello"
        return Path(self.path).name if self.root.given else resolve(self.path).name

    def start(self, arguments: Sequence[str] | None) -> Started:
        """Deploy it."""
        guest = open_guest(self.path, self.arguments if arguments is None else tuple(arguments), self.root)
        recorder, said = self._recorder(guest.arch)
        target = EmulatorTarget(guest, recorder=recorder, seed=self.seed)

        def feed(content: bytes | None) -> None:
            if content is None:
                target.input.end()
            else:
                target.input.feed(content)

        return Started(target, FactsNow(target), feed, said, _Control(self, target))

    def _recorder(self, arch: str) -> tuple[Recorder | None, str]:
        """The recorder, or the sentence why there is none."""
        if self.recordings is None:
            return None, ""
        try:
            return self.recordings.begin(self.title, self.facts_of(arch)), ""
        except OSError as error:
            return None, f"nothing is recorded: {error}"

    def facts_of(self, arch: str) -> dict[str, str]:
        """What stands at the head of a recording."""
        return {"title": self.title, "arch": arch, "engine": semantics(), "seed": str(self.seed)}


@dataclass(frozen=True)
class _Control:
    """Starts and stops the recording of a live target."""

    launch: EmulatorLaunch | HandoffLaunch
    target: EmulatorTarget

    def start(self, file: Path | None) -> Path:
        """Record from here on."""
        if self.target.history is not None:
            raise UserError(f"this run is recorded already, into {self.target.history.file}")
        settings = Settings() if self.launch.recordings is None else self.launch.recordings.settings
        try:
            recorder = Recordings(settings, file).begin(self.launch.title, self.launch.facts_of(self.target.arch))
        except OSError as error:
            raise UserError(f"nothing is recorded: {error}") from None
        self.target.record(recorder)
        return recorder.path

    def stop(self) -> None:
        """Close the recording."""
        self.target.stop_recording()

    def written(self) -> tuple[Path, str, int] | None:
        """Where its history is, to its last tick."""
        history = self.target.history
        return None if history is None else (history.file, "tick", history.last.tick)

    def save(self, path: Path) -> None:
        """A copy of it."""
        if self.target.history is not None:
            self.target.history.save(path)


@dataclass(frozen=True)
class ReplayLaunch:
    """Opens a recording at its end, as often as asked."""

    path: Path
    kind: str = field(default="recording", init=False)

    @property
    def title(self) -> str:
        """The file's name."""
        return self.path.name

    def start(self, arguments: Sequence[str] | None) -> Started:
        """Open it."""
        recording = opened(self.path)
        if recording.kind == "observed":
            target = recalled(recording)
            return Started(target, FactsSeen(target), said=target.moments.notice and f"{self.title}: {recording.lost}")
        replay = ReplayTarget(recording)
        said = "; ".join(filter(None, (recording.lost, other_engine(recording))))
        said = f"{self.path.name}: {said}" if said else ""
        return Started(replay, replay.facts, said=said)


def recalled(recording: Recording) -> ObservedTarget:
    """A recording of what was seen, at its last stop."""
    moments = Recalled(recording)
    return ObservedTarget(moments, moments)


def opened(path: Path) -> Recording:
    """A recording of either kind; UserError says why it cannot be read."""
    try:
        return Recording(path)
    except RecordingFault as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def emulated(
    path: str,
    arguments: Sequence[str] = (),
    record: Path | None = None,
    recording: bool = True,
    root: Root = NO_ROOT,
    seed: int = 0,
) -> Session:
    """A session on a guest, not connected yet; the sources beside the guest are found.

    It is recorded into ``record``, else into the folder of recordings, unless ``recording`` is off. ``seed`` chooses a
    schedule; 0 is round robin.
    """
    settings = Settings()
    if not root.given or Path(path).exists():
        resolve(path)
        settings.values["directories"] = ":".join(str(folder) for folder in source_directories(path))
    recordings = Recordings(settings, record) if recording else None
    session = Session(EmulatorLaunch(path, tuple(arguments), recordings, root, seed), settings)
    session.reach, session.taking = reach, taking
    return session


@dataclass(frozen=True)
class LogLaunch:
    """Opens the console log of a real run, as often as asked."""

    path: Path
    kind: str = field(default="observed", init=False)

    @property
    def title(self) -> str:
        """The file's name."""
        return self.path.name

    def start(self, arguments: Sequence[str] | None) -> Started:
        """Read it."""
        log = open_log(self.path)
        target = ObservedTarget(log)
        return Started(target, FactsSeen(target), said=log.notice)


def replayed(name: str) -> Session:
    """A session on a file of the past; its content says what it is, never its suffix."""
    path = Path(name)
    if not path.is_file():
        raise UserError(f"{name}: there is no such file")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return Session(LogLaunch(path), Settings())
    opened(path).close()
    return Session(ReplayLaunch(path), Settings())


NO_PEER_HISTORY = "{} offered neither bs nor bc. Record in the emulator: cvmdbg run --record FILE."


@dataclass(frozen=True)
class RemoteLaunch:
    """Connects to a live machine, as often as asked: the same or, after ``target remote``, another one."""

    address: str
    guest: str = "auto"
    symbols: tuple[Path, ...] = ()
    log: Path | None = None
    timeout: float = 5.0
    trace: bool = True
    recordings: Onward | None = None
    kind: str = field(default="remote", init=False)

    @property
    def title(self) -> str:
        """Where it is."""
        return self.address

    def start(self, arguments: Sequence[str] | None) -> Started:
        """Connect; what runs there goes on standing where it stands. It is written down what is seen of it."""
        target = RemoteTarget(self.address, self.timeout)
        try:
            there = replace(peer(target.link), say=target.say)
            facts = attached(there, target, self.guest, self.symbols, self.log)
        except (UserError, TargetError):
            target.close()
            raise
        no_history = NO_PEER_HISTORY.format(self.address)
        return _witnessed(target, facts, self, target.lacks(), no_history)


def _witnessed(target: LiveTarget[Any, Any, Any, Any], facts: Facts, of: RemoteLaunch, *said: str) -> Started:
    """A live machine that is looked at; ``said``: what it lacks, and why there is no history."""
    lacks, no_history = said
    control = _Witnessing(target, of.recordings or Onward(Recordings(Settings())), of.address or target.name)
    if of.recordings is not None:
        try:
            control.begin()
        except OSError as error:
            lacks = "; ".join(filter(None, (lacks, f"nothing is recorded: {error}")))
    kept = FactsKept(facts, target, lambda: target.knows(facts.compartments(), facts.modules(), of.trace))
    kept.modules()
    return Started(target, kept, said=lacks, recording=control, why_no_history=no_history)


@dataclass
class _Witnessing:
    """Starts and stops the recording of what is seen of a live machine."""

    target: LiveTarget[Any, Any, Any, Any]
    recordings: Onward
    title: str

    def begin(self) -> Path:
        """Write down what is seen from here on; OSError says why that cannot be."""
        title = public(self.title)
        facts = facts_of(title, self.target.arch, self.target.state.names.peers)
        recorder, first = self.recordings.begin(self.title, title, facts)
        self.target.record(Witness(recorder, first, self.title))
        return recorder.path

    def start(self, file: Path | None) -> Path:
        """The same at the prompt."""
        if self.target.witness is not None:
            raise UserError(f"this run is recorded already, into {self.target.witness.recorder.path}")
        if file is not None:
            self.recordings = Onward(replace(self.recordings.recordings, file=file))
        try:
            return self.begin()
        except OSError as error:
            raise UserError(f"nothing is recorded: {error}") from None

    def stop(self) -> None:
        """Close the recording."""
        self.target.stop_recording()

    def written(self) -> tuple[Path, str, int] | None:
        """Where what is seen is written, to the stop of now."""
        witness = self.target.witness
        return None if witness is None else (witness.recorder.path, "stop", witness.tick)

    def save(self, path: Path) -> None:
        """A copy of it."""
        if self.target.witness is not None:
            self.target.witness.recorder.copy(path)


@dataclass(frozen=True)
class HandoffLaunch:
    """Takes over a live machine that stands, as often as asked: from where it stands, with nothing fetched yet."""

    remote: RemoteTarget | GdbTarget
    facts: Facts
    title: str
    recordings: Recordings
    kind: str = field(default="hand-off", init=False)

    def start(self, arguments: Sequence[str] | None) -> Started:
        """Read its registers; its memory comes when it is touched."""
        devices = self.remote.devices if isinstance(self.remote, RemoteTarget) else None
        guest = HandedOff(self.title, self.remote, self.facts, devices)
        try:
            recorder, unrecorded = self.recordings.begin(self.title, self.facts_of(guest.arch)), ""
        except OSError as error:
            recorder, unrecorded = None, f"nothing is recorded: {error}"
        target = EmulatorTarget(guest, recorder=recorder)
        said = [f"{self.title} stands; what follows happens in the emulator, until handoff end", *guest.lacking]
        return Started(
            target, FactsNow(target), None, "; ".join(filter(None, [*said, unrecorded])), _Control(self, target)
        )

    def facts_of(self, arch: str) -> dict[str, str]:
        """What stands at the head of a recording."""
        return {"title": self.title, "arch": arch, "engine": semantics(), "seed": "0"}


def taking(session: Session, file: Path | None) -> HandoffLaunch:
    """How the emulator takes over the live machine of a session."""
    target = session.live.target
    assert isinstance(target, RemoteTarget | GdbTarget)
    return HandoffLaunch(target, session.live.facts, session.launch.title, Recordings(session.settings, file))


@dataclass(frozen=True)
class GdbLaunch:
    """Starts a gdb where the machine is, as often as asked; ``address`` is what that gdb connects to, if anything."""

    command: str
    arguments: tuple[str, ...]
    rest: RemoteLaunch
    kind: str = field(default="remote", init=False)

    @property
    def title(self) -> str:
        """Where it is."""
        return self.rest.address or self.command

    def start(self, arguments: Sequence[str] | None) -> Started:
        """Bring the machine before us; a program that this gdb starts has run nothing."""
        rest = self.rest
        target = GdbTarget(self.command, self.arguments, rest.address, rest.timeout)
        try:
            there = replace(peer_of_gdb(target.gdb, self.title, self.command), say=target.say)
            facts = attached(there, target, rest.guest, rest.symbols, rest.log)
        except (UserError, TargetError):
            target.close()
            raise
        return _witnessed(target, facts, rest, target.lacks(), NO_GDB_HISTORY.format(self.title))


NO_GDB_HISTORY = "the gdb of {} cannot run backwards. Record in the emulator: cvmdbg run --record FILE."


def remote(
    address: str,
    guest: str = "auto",
    symbols: tuple[Path, ...] = (),
    log: Path | None = None,
    *,
    timeout: float = 5.0,
    trace: bool = True,
    gdb: str = "",
    gdb_arguments: tuple[str, ...] = (),
    record: Path | None = None,
    recording: bool = True,
) -> Session:
    """A session on a live machine, not connected yet; with ``gdb`` through a gdb that runs there.

    What is seen of it is recorded into ``record``, else into the folder of recordings, unless ``recording`` is off.
    """
    settings = Settings()
    settings.values["directories"] = ":".join(
        dict.fromkeys(str(folder) for path in symbols if path.exists() for folder in source_directories(str(path)))
    )
    recordings = Onward(Recordings(settings, record)) if recording else None
    launch = RemoteLaunch(address, guest, symbols, log, timeout, trace, recordings)
    session = Session(GdbLaunch(gdb, gdb_arguments, launch) if gdb else launch, settings)
    session.reach, session.taking = reach, taking
    return session


def reach(launch: Launch, address: str) -> Launch:
    """The launch of a live machine at an address, with what is known of the guest of ``launch``."""
    if isinstance(launch, RemoteLaunch):
        return replace(launch, address=address)
    if isinstance(launch, GdbLaunch):
        return replace(launch, rest=replace(launch.rest, address=address))
    recordings = Onward(Recordings(Settings()))
    if isinstance(launch, EmulatorLaunch) and not launch.root.given:
        return RemoteLaunch(address, symbols=(resolve(launch.path),), recordings=recordings)
    return RemoteLaunch(address, recordings=recordings)
