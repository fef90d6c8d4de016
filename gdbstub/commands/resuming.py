"""Running: ? s S c C vCont vCtrlC bs bc; D and k let go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbstub import hexadecimal, stops
from gdbstub.call import Call, ok
from gdbstub.stops import StopReply
from gdbstub.thread import ThreadId
from gdbstub.verb import EINVAL, Refused, Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_ACTIONS = 4096
KINDS = ("s", "S", "c", "C", "t", "r")


@dataclass(frozen=True, slots=True)
class Why:
    """``?``: why does the target stand?"""

    def __bytes__(self) -> bytes:
        return b"?"


@dataclass(frozen=True, slots=True)
class Action:
    """What a thread does: ``s`` step, ``c`` go on, ``t`` stop, ``r`` step while in ``range``.

    ``S`` and ``C`` also deliver ``signal``.
    """

    kind: str
    thread: ThreadId | None = None
    signal: int = 0
    range: tuple[int, int] | None = None

    def __bytes__(self) -> bytes:
        word = self.kind.encode()
        if self.kind in ("S", "C"):
            word += b"%02x" % self.signal
        if self.range is not None:
            word += b"%x,%x" % self.range
        return word + (b"" if self.thread is None else b":" + bytes(self.thread))


@dataclass(frozen=True, slots=True)
class Resume:
    """``vCont;action;action``: the first action that names a thread is its own; one without a thread is the rest's."""

    actions: tuple[Action, ...]

    def __bytes__(self) -> bytes:
        return b"vCont" + b"".join(b";" + bytes(action) for action in self.actions)


@dataclass(frozen=True, slots=True)
class Go:
    """``s c S C`` of stubs without vCont: the thread that ``Hc`` selected; ``address`` is where it goes on."""

    kind: str
    signal: int = 0
    address: int | None = None

    def __bytes__(self) -> bytes:
        signal = b"%02x" % self.signal if self.kind in ("S", "C") else b""
        comma = b";" if signal and self.address is not None else b""
        return self.kind.encode() + signal + comma + (b"" if self.address is None else b"%x" % self.address)


@dataclass(frozen=True, slots=True)
class GoBack:
    """``bs`` and ``bc``. Never sent to a stub that did not offer it: QEMU without a replay aborts."""

    step: bool

    def __bytes__(self) -> bytes:
        return b"bs" if self.step else b"bc"


@dataclass(frozen=True, slots=True)
class AskActions:
    """``vCont?``."""

    def __bytes__(self) -> bytes:
        return b"vCont?"


@dataclass(frozen=True, slots=True)
class Interrupt:
    """``vCtrlC``: the byte 0x03 as a packet."""

    def __bytes__(self) -> bytes:
        return b"vCtrlC"


@dataclass(frozen=True, slots=True)
class LetGo:
    """``D`` detaches, ``k`` ends the program; with a pid ``D;1`` and ``vKill;1``."""

    kill: bool
    pid: int | None = None

    def __bytes__(self) -> bytes:
        if self.pid is None:
            return b"k" if self.kill else b"D"
        return (b"vKill;%x" if self.kill else b"D;%x") % self.pid


def parse_why(packet: bytes) -> Why:
    """``?``."""
    return Why()


def parse_resume(packet: bytes) -> Resume | AskActions:
    """``vCont;s:p1.2;c``, or ``vCont?``."""
    if packet == b"vCont?":
        return AskActions()
    words = packet.split(b";", MAX_ACTIONS)[1:]
    if not words or len(words) >= MAX_ACTIONS:
        raise ValueError(f"vCont needs 1 to {MAX_ACTIONS} actions")
    return Resume(tuple(_action(word) for word in words))


def _action(word: bytes) -> Action:
    body, found, thread = word.partition(b":")
    kind, rest = body[:1].decode("latin-1"), body[1:]
    if kind not in KINDS:
        raise ValueError(f"expected an action of {' '.join(KINDS)}, found {hexadecimal.shown(word)}")
    signal = hexadecimal.number(rest, 0xFF) if kind in ("S", "C") else 0
    if rest and kind not in ("S", "C", "r"):
        raise ValueError(f"{kind} takes no argument, found {hexadecimal.shown(word)}")
    span = hexadecimal.pair(rest) if kind == "r" else None
    return Action(kind, ThreadId.parse(thread) if found else None, signal, span)


def parse_go(packet: bytes) -> Go:
    """``c``, ``c1000``, ``C05``, ``C05;1000``."""
    kind, rest = packet[:1].decode("latin-1"), packet[1:]
    if kind in ("s", "c"):
        return Go(kind, 0, hexadecimal.number(rest) if rest else None)
    signal, found, address = rest.partition(b";")
    return Go(kind, hexadecimal.number(signal, 0xFF), hexadecimal.number(address) if found else None)


def parse_go_back(packet: bytes) -> GoBack:
    """``bs`` or ``bc``."""
    if packet not in (b"bs", b"bc"):
        raise ValueError(f"expected bs or bc, found {hexadecimal.shown(packet)}")
    return GoBack(packet == b"bs")


def parse_interrupt(packet: bytes) -> Interrupt:
    """``vCtrlC``."""
    return Interrupt()


def parse_let_go(packet: bytes) -> LetGo:
    """``D``, ``D;1``, ``k``, ``vKill;1``."""
    _, found, pid = packet.partition(b";")
    return LetGo(packet[:1] in b"kv", hexadecimal.number(pid) if found else None)


# ---- client ----------------------------------------------------------------------------------------------


def why() -> Call[StopReply]:
    """Why does the target stand?"""
    return Call(bytes(Why()), _stop)


def _stop(reply: bytes) -> StopReply:
    found = stops.parse(reply)
    if isinstance(found, stops.Output | stops.FileRequest):
        raise ValueError(f"expected a stop reply, found {hexadecimal.shown(reply)}")
    return found


def ask_actions() -> Call[frozenset[str]]:
    """The letters that ``vCont`` takes; Unsupported where there is no vCont."""

    def value(reply: bytes) -> frozenset[str]:
        words = reply.decode("ascii", "replace").split(";")
        if words[0] != "vCont":
            raise ValueError(f"expected vCont and actions, found {hexadecimal.shown(reply)}")
        return frozenset(words[1:])

    return Call(bytes(AskActions()), value)


def resume(*actions: Action) -> Call[StopReply]:
    """Run until the next stop reply; Client.resume sends it and Client.wait reads what comes."""
    return Call(bytes(Resume(actions)), _stop, repeatable=False)


def go(kind: str, signal: int = 0, address: int | None = None) -> Call[StopReply]:
    """The same for stubs without vCont."""
    return Call(bytes(Go(kind, signal, address)), _stop, repeatable=False)


def go_back(step: bool) -> Call[StopReply]:
    """Run backwards; only to a stub that offered ReverseStep or ReverseContinue."""
    return Call(bytes(GoBack(step)), _stop, repeatable=False)


def detach(pid: int | None = None) -> Call[None]:
    """Let the target run on without us."""
    return Call(bytes(LetGo(False, pid)), ok, repeatable=False)


def kill(pid: int) -> Call[None]:
    """End the program. ``k`` itself has no reply: Client.send it."""
    return Call(bytes(LetGo(True, pid)), ok, repeatable=False)


# ---- server ----------------------------------------------------------------------------------------------


def _serve_why(serving: Serving, request: Why) -> bytes:
    return serving.stop_reply()


def _serve_resume(serving: Serving, request: Resume | AskActions) -> bytes | None:
    if isinstance(request, AskActions):
        return b"vCont;c;C;s;S;t;r"
    return serving.resume(request.actions)


def _serve_go(serving: Serving, request: Go) -> bytes | None:
    thread = serving.running
    if request.address is not None:
        serving.write_register(serving.general if thread is None else thread, serving.pc_name, request.address)
    kind = request.kind.lower()
    actions = [Action(kind, None if thread is None else serving.thread_id(thread))]
    if kind == "s" and thread is None:
        actions = [Action("s", serving.thread_id(serving.general))]
    return serving.resume(tuple(actions))


def _serve_go_back(serving: Serving, request: GoBack) -> bytes | None:
    if serving.target.reverse is None:
        return b""
    return serving.go_back(request.step)


def _serve_interrupt(serving: Serving, request: Interrupt) -> bytes:
    serving.interrupted = True
    return b"OK"


def _serve_let_go(serving: Serving, request: LetGo) -> bytes | None:
    if request.pid not in (None, serving.pid):
        raise Refused(EINVAL, f"there is no program {request.pid}")
    serving.let_go(kill=request.kill)
    return None if request.kill and request.pid is None else b"OK"


VERBS = (
    Verb(b"?", parse_why, _serve_why),
    Verb(b"s", parse_go, _serve_go),
    Verb(b"S", parse_go, _serve_go),
    Verb(b"c", parse_go, _serve_go),
    Verb(b"C", parse_go, _serve_go),
    Verb(b"vCont", parse_resume, _serve_resume),
    Verb(b"vCtrlC", parse_interrupt, _serve_interrupt),
    Verb(b"bs", parse_go_back, _serve_go_back),
    Verb(b"bc", parse_go_back, _serve_go_back),
    Verb(b"D", parse_let_go, _serve_let_go),
    Verb(b"k", parse_let_go, _serve_let_go),
    Verb(b"vKill", parse_let_go, _serve_let_go),
)
