"""A session's guest as a client of the GDB protocol sees it: threads from 1, registers, memory, facts."""

from __future__ import annotations

from collections.abc import Sequence

from cvmdbg.debugger import Debugger
from cvmdbg.frames import C64, DDCBO
from cvmdbg.servers.gdb.objects import Objects
from cvmdbg.servers.gdb.powers import refusing
from cvmdbg.servers.gdb.stops import number, told
from cvmdbg.session import Session
from cvmdbg.target import ManyRegisters, StopKind, Target, TargetError, ThreadState
from emulator_core.capability import Capability
from gdbstub import description as descriptions
from gdbstub.description import Description, Dialect
from gdbstub.operations import Stop as Told
from gdbstub.operations import ThreadFacts
from gdbstub.verb import EFAULT, Refused

PAGE = 4096


class Shown:
    """The looking half of what a server wants of a connected session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        target = self.target
        history = target.history
        if history is not None and history.where == "past" and target.stop.reason(StopKind.EXIT) is not None:
            history.seek(history.first)  # at its end a recording has no thread that a client could look at
        self._many = target.read_registers if isinstance(target, ManyRegisters) else None
        self.objects_of = Objects(self.debugger)
        self.stop = told(self.target.stop) or Told(number(self.target.stop.thread), 5)

    @property
    def debugger(self) -> Debugger:
        """The session's debugger."""
        return self.session.live

    @property
    def target(self) -> Target:
        """The session's target."""
        return self.debugger.target

    # ---- facts ----

    @property
    def triple(self) -> str:
        return "aarch64-unknown-linux-gnu" if self.target.arch == "morello" else "x86_64-unknown-linux-gnu"

    @property
    def objects(self) -> frozenset[str]:
        return self.objects_of.names

    def description(self, dialect: Dialect, typed: bool) -> Description:
        if self.target.arch != "morello":
            return descriptions.X86_64
        return descriptions.morello(dialect, typed, "" if self.debugger.places.is_machine else "GNU/Linux")

    def threads(self) -> Sequence[ThreadFacts]:
        found = [t for t in self.target.threads() if t.state is not ThreadState.EXITED]
        facts = [ThreadFacts(number(t.number), t.name, f"{t.state.value} {t.reason}".strip()) for t in found]
        return facts or [ThreadFacts(self.stop.thread)]

    def regions(self) -> Sequence[tuple[int, int, str]]:
        return [(region.address, region.size, region.prot) for region in self.target.regions()]

    # ---- state ----

    def registers(self, thread: int, names: Sequence[str]) -> Sequence[int | None]:
        inner = thread - 1
        try:
            if self._many is not None:
                return self._many(inner, names)
            return [self.target.read_register(inner, name) for name in names]
        except (TargetError, IndexError):
            return [self._register(inner, name) for name in names]

    def _register(self, thread: int, name: str) -> int | None:
        try:
            return self.target.read_register(thread, name)
        except (TargetError, IndexError):
            return None

    def write_register(self, thread: int, name: str, value: int) -> None:
        with refusing():
            self.target.write_register(thread - 1, name, value)
        self.debugger.changed()

    def plain(self, thread: int, address: int) -> int | None:
        ddc, flags, control = (self._register(thread - 1, name) for name in ("ddc", "cpsr", "cctlr"))
        if ddc is None or flags is None or control is None or flags & C64 or not control & DDCBO:
            return None
        return (Capability(ddc).base + address) & (1 << 64) - 1

    def read(self, address: int, size: int) -> bytes:
        try:
            return self.target.read(address, size)
        except TargetError as error:
            return self._beginning(address, size, str(error))

    def _beginning(self, address: int, size: int, why: str) -> bytes:
        """What can be read before the first page that cannot."""
        content = b""
        while len(content) < size:
            at = address + len(content)
            piece = min(PAGE - at % PAGE, size - len(content))
            try:
                content += self.target.read(at, piece)
            except TargetError:
                break
        if not content:
            raise Refused(EFAULT, why)
        return content

    def write(self, address: int, content: bytes) -> None:
        with refusing(EFAULT):
            self.target.write(address, content)
        self.debugger.changed()
