"""A connection to a stub: its client, how its registers travel, and what it must never be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cvmdbg.target import TargetError, TargetLost
from gdbstub import description, inspection
from gdbstub.call import Call, LinkLost, ProtocolError
from gdbstub.client import Client
from gdbstub.commands import resuming, threads
from gdbstub.commands.resuming import Action
from gdbstub.description import Description
from gdbstub.layout import Layout
from gdbstub.stops import StopReply
from gdbstub.thread import ThreadId
from gdbstub.transport import connect

LOST = "{why}. target remote {name} tries again; marks and breakpoints are kept."


@dataclass(frozen=True, slots=True)
class Stub:
    """What is known of a stub beyond what it says. Source: reference of each stub's own code."""

    kind: str
    interrupts: bool = True  # does it listen to 0x03 while the machine runs?
    anywhere: bool = True  # may memory be read where nothing is known to be?
    exit_status: bool = True  # does W tell the program's status?


ORDINARY = Stub("")
KM = Stub("km", exit_status=False)
UHYVE = Stub("uhyve", interrupts=False, anywhere=False)
"""uhyve ends when an address is read that is not mapped, and does not look at its link while the guest runs."""


def stub_of(found: Description, described: bool) -> Stub:
    """By the built-in description that fits its ``g``; a stub that describes itself is an ordinary one."""
    if not described and found is description.UHYVE:
        return UHYVE
    return KM if not described and found is description.KM else ORDINARY


class Link:
    """One connection. ``name`` is what people call it: ``board:1234``."""

    def __init__(
        self,
        name: str,
        output: Callable[[bytes], None],
        cancelled: Callable[[], bool],
        timeout: float = 5.0,
    ) -> None:
        self.name = name
        self.lost = ""
        try:
            transport = connect(name, timeout)
        except LinkLost as error:
            raise TargetLost(str(error)) from None
        self.client = Client(transport, timeout=timeout, output=output, cancelled=cancelled)
        self.actions: frozenset[str] = frozenset()
        self.threads = True  # does it know threads?
        try:
            with self.telling():
                peer = self.client.start()
                self.actions = peer.actions
                self.first = self.client.call(resuming.why())  # before the rest: gdbserver chooses its thread by it
                self.layout: Layout = inspection.find_layout(self.client)
        except TargetError:
            transport.close()
            raise
        self.stub = stub_of(self.layout.description, peer.has("qXfer:features:read"))

    def has(self, feature: str) -> bool:
        """Did the stub offer it?"""
        return self.client.peer.has(feature)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """What goes wrong becomes TargetError, or TargetLost with how to come back."""
        try:
            yield
        except LinkLost as error:
            self.lost = LOST.format(why=_why(self.name, str(error)), name=self.name)
            raise TargetLost(self.lost) from None
        except ProtocolError as error:
            raise TargetError(f"{self.name}: {error}") from None

    def resume(self, action: str, thread: ThreadId | None, signal: int = 0) -> Call[StopReply]:
        """A call that runs: a step of one thread, or all; by vCont where the stub has it."""
        kind = action.upper() if signal else action
        if action not in self.actions:
            return resuming.go(kind, signal)
        if action == "s" or signal:
            own = Action(kind, thread if self.threads else None, signal)
            return resuming.resume(own) if action == "s" else resuming.resume(own, Action("c"))
        return resuming.resume(Action("c"))

    def select_running(self, action: str, thread: ThreadId) -> None:
        """Name the thread that ``s`` and ``c`` are about, to a stub without vCont that knows threads."""
        if action not in self.actions and self.threads:
            self.client.call(threads.select(thread, "c"))

    def close(self, detach: bool) -> None:
        """Let the machine go on without us, or just drop the link."""
        if detach and not self.lost and not self.client.running:
            pid = None
            if self.client.peer.multiprocess:
                pid = 1
            with _ignoring():
                self.client.call(resuming.detach(pid), timeout=1.0)
        self.client.close()
        self.lost = self.lost or f"{self.name} was let go; target remote {self.name} comes back"


@contextmanager
def _ignoring() -> Iterator[None]:
    """A peer that is being left may refuse: it is left all the same."""
    try:
        yield
    except ProtocolError:
        return


def _why(name: str, sentence: str) -> str:
    """``board:1234 closed the connection`` when it said nothing else."""
    if sentence.endswith(("the stub has closed the link", "Broken pipe", "Connection reset by peer")):
        return f"{name} closed the connection"
    return sentence if sentence.startswith(name) else f"{name}: {sentence}"
