"""What a debugged guest is made of: its path, its target, its recording. Only this and cli name concrete targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cvmdbg.guests.intravisor.imported.log import open_log
from cvmdbg.guests.linux.opening import Root
from cvmdbg.guests.opening import NO_ROOT, open_guest, resolve, source_directories
from cvmdbg.recordings import Recordings
from cvmdbg.session import Session, Started
from cvmdbg.settings import Settings
from cvmdbg.target import UserError
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.keeping import FactsNow
from cvmdbg.targets.observed import FactsSeen, ObservedTarget
from emulator_core._core import ISA_DIGEST
from sessions.recorder import Recorder


@dataclass(frozen=True)
class EmulatorLaunch:
    """Makes the guest of a path anew in the emulator, as often as asked; each start is recorded in its own file."""

    path: str
    arguments: tuple[str, ...] = ()
    recordings: Recordings | None = None
    root: Root = NO_ROOT
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
        target = EmulatorTarget(guest, recorder=recorder)

        def feed(content: bytes | None) -> None:
            if content is None:
                target.input.end()
            else:
                target.input.feed(content)

        return Started(target, FactsNow(target), feed, said)

    def _recorder(self, arch: str) -> tuple[Recorder | None, str]:
        """The recorder, or the sentence why there is none."""
        if self.recordings is None:
            return None, ""
        try:
            return self.recordings.begin(self.title, {"title": self.title, "arch": arch, "engine": str(ISA_DIGEST)}), ""
        except OSError as error:
            return None, f"nothing is recorded: {error}"


def emulated(
    path: str,
    arguments: Sequence[str] = (),
    record: Path | None = None,
    recording: bool = True,
    root: Root = NO_ROOT,
) -> Session:
    """A session on a guest, not connected yet; the sources beside the guest are found.

    It is recorded into ``record``, else into the folder of recordings, unless ``recording`` is off.
    """
    settings = Settings()
    if not root.given or Path(path).exists():
        resolve(path)
        settings.values["directories"] = ":".join(str(folder) for folder in source_directories(path))
    recordings = Recordings(settings, record) if recording else None
    return Session(EmulatorLaunch(path, tuple(arguments), recordings, root), settings)


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
    return Session(LogLaunch(path), Settings())
