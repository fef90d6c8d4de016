"""What a debugged guest is composed of: its path, its target, its past. Only this and cli name concrete targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cvmdbg.guests.opening import open_guest, resolve, source_directories
from cvmdbg.session import Session, Started
from cvmdbg.settings import Settings
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.past import EventLog


@dataclass(frozen=True)
class EmulatorLaunch:
    """Makes the guest of a path anew in the emulator, as often as asked."""

    path: str
    arguments: tuple[str, ...] = ()
    kind: str = field(default="emulator", init=False)

    @property
    def title(self) -> str:
        """The last part of the path, or the demo's name."""
        return (
            self.path.removeprefix("demo:") or "libhello" if self.path.startswith("demo:") else resolve(self.path).name
        )

    def start(self, arguments: Sequence[str] | None) -> Started:
        """Deploy it."""
        log = EventLog()
        guest = open_guest(self.path, self.arguments if arguments is None else tuple(arguments))
        target = EmulatorTarget(guest, log.record)

        def feed(content: bytes | None) -> None:
            if content is None:
                target.input.end()
            else:
                target.input.feed(content)

        return Started(target, guest, log, feed)


def emulated(path: str, arguments: Sequence[str] = ()) -> Session:
    """A session on a guest, not connected yet; the sources beside the guest are found."""
    resolve(path)
    settings = Settings()
    settings.values["directories"] = ":".join(str(folder) for folder in source_directories(path))
    return Session(EmulatorLaunch(path, tuple(arguments)), settings)
