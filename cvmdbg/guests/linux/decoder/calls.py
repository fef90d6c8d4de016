"""A call as a whole: its arguments in the order in which strace writes them, its result, and what the result adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cvmdbg.guests.linux import facts
from cvmdbg.guests.linux.decoder import names
from cvmdbg.guests.linux.decoder.memory import Caller
from cvmdbg.guests.linux.decoder.special import SPECIAL, members
from cvmdbg.guests.linux.decoder.structs import MAX_TIME, struct_text
from cvmdbg.guests.linux.decoder.style import STRACE, VALUE, Style
from cvmdbg.guests.linux.decoder.values import KINDS, Frame, Show, Shown
from cvmdbg.guests.linux.facts import Argument, Call

_SHOW: dict[str, Show] = {**KINDS, **SPECIAL}
_RESTARTS = range(512, 517)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A call in text. ``shown`` has one entry an argument, in the call's own order; ``result`` is None while inside."""

    frame: Frame
    shown: tuple[Shown, ...]
    result: str | None = None
    failed: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The arguments that are shown, in strace's order."""
        arrange = _ARRANGED.get(self.frame.call.name)
        if arrange is not None and not self.frame.style.panes:
            return arrange(self.frame, self.shown)
        return tuple(shown.text for shown in self.shown if shown.text is not None)

    @property
    def text(self) -> str:
        """``read(3, "\\177ELF"..., 832)``."""
        return f"{self.frame.call.name}({', '.join(self.texts)})"

    @property
    def begun(self) -> str:
        """What is known before the kernel has answered: ``read(3, ``."""
        parts = [s.text for s in self.shown if s.text is not None]
        pending = next((i for i, s in enumerate(self.shown) if not s.final), None)
        if pending is None or self.frame.call.name in _ARRANGED:
            return f"{self.frame.call.name}({', '.join(self.texts)}"
        known = [s.text for s in self.shown[:pending] if s.text is not None]
        return f"{self.frame.call.name}(" + "".join(f"{part}, " for part in known[: len(parts)])


def entering(call: Call, arguments: tuple[int, ...], caller: Caller, style: Style = STRACE) -> Decoded:
    """A call that begins. ``arguments`` are 64-bit numbers, or 129 bits where they are capabilities."""
    arguments = (*arguments, *[0] * (len(call.arguments) - len(arguments)))
    frame = Frame(call, arguments, caller, style)
    before = tuple(_before(frame, index, argument) for index, argument in enumerate(call.arguments))
    frame = replace(frame, before=before)
    return Decoded(frame, tuple(_show(frame, index, argument) for index, argument in enumerate(call.arguments)))


def _before(frame: Frame, index: int, argument: Argument) -> int | None:
    size = {"length": 4, "long": 8}.get(argument.kind)
    return frame.caller.number_at(frame.bits[index], size) if size else None


def _show(frame: Frame, index: int, argument: Argument) -> Shown:
    return _SHOW[argument.kind](frame, index, argument)


def leaving(begun: Decoded, result: int, caller: Caller | None = None) -> Decoded:
    """The same call when it returns ``result`` (64 bits, errors as negative numbers); ``caller`` reads memory then."""
    frame = replace(begun.frame, result=result & VALUE, caller=caller or begun.frame.caller)
    shown = tuple(
        was if was.final and argument.direction not in ("out",) else _show(frame, index, argument)
        for index, (argument, was) in enumerate(zip(frame.call.arguments, begun.shown, strict=True))
    )
    return Decoded(frame, shown, _result(frame), frame.failed)


def _result(frame: Frame) -> str:
    """``3``, ``-1 ENOENT (No such file or directory)``, ``? ERESTARTSYS (To be …)``, ``0x7f…``, with what it adds."""
    assert frame.result is not None
    number = names.signed(frame.result)
    if frame.failed:
        mark = "?" if -number in _RESTARTS else "-1"
        return f"{mark} {names.error_text(-number)}"
    match frame.call.result:
        case "hex":
            return names.alternate(frame.result)
        case "mode":
            return names.mode_text(frame.result)
        case "sched_policy":
            return f"{number} ({names.enum_text('sched_policy', number, frame.caller.abi)})"
    added = _ADDED.get(frame.call.name)
    extra = added(frame) if added is not None else ""
    return extra if extra[:1].isdigit() else f"{number} {extra}".rstrip()


# ---- what a result adds ----


def _fcntl(frame: Frame) -> str:
    if "fcntl" not in frame.call.arguments[1].parameters:
        return ""  # another system's flags
    command = facts.name_of("fcntl", frame.value(1)) or ""
    result, abi = frame.named("result"), frame.caller.abi
    if command == "F_GETFL":
        return f"{result:#x} (flags {names.open_text(result, abi)})" if result else "0 (flags O_RDONLY)"
    if command == "F_GETFD" and result:
        return f"{result:#x} (flags {names.flags_text('fd_flags', result, abi)})"
    if command == "F_GET_SEALS" and result:
        return f"{result:#x} (seals {names.flags_text('seals', result, abi)})"
    return ""


def _poll(frame: Frame) -> str:
    """Which descriptors are ready, and the time that is left."""
    if not frame.named("result"):
        return "(Timeout)"
    layout = facts.struct("pollfd")
    count = min(frame.named("nfds"), 32)
    content = frame.caller.bytes_at(frame.bits[0], layout.size * count)
    if content is None:
        return ""
    parts = []
    for place in range(0, len(content), layout.size):
        values = layout.unpack(content[place:])
        if values["revents"]:
            ready = names.flags_text("poll", values["revents"], frame.caller.abi)
            parts.append(f"{{fd={names.signed(values['fd'], 32)}, revents={ready}}}")
    left = _left(frame, 2) if count else ""
    said = [*([f"[{', '.join(parts)}]"] if parts else []), *([left] if left else [])]
    return f"({', '.join(said)})" if said else ""


def _left(frame: Frame, index: int) -> str:
    """``left {tv_sec=0, tv_nsec=5}`` for the calls that count their timeout down."""
    if frame.call.name == "poll" or not frame.value(index) or frame.call.arguments[index].direction == "in":
        return ""
    kind = frame.call.arguments[index].parameters[0]
    layout = facts.struct(kind)
    content = frame.caller.bytes_at(frame.bits[index], layout.size)
    if content is None:
        return ""
    return f"left {struct_text(layout, content, frame.style, frame.caller.abi, str)}"


def _select(frame: Frame) -> str:
    """``(in [3], left {tv_sec=0, tv_usec=9})``."""
    if not frame.named("result"):
        return "(Timeout)"
    count = min(frame.value(0), 1024)
    parts = []
    for index, name in ((1, "in"), (2, "out"), (3, "except")):
        mask = frame.caller.number_at(frame.bits[index], (count + 63) // 64 * 8) if frame.value(index) else 0
        shown = members(mask or 0, count)
        parts += [f"{name} {shown}"] if shown != "[]" else []
    parts += [_left(frame, 4)] if _left(frame, 4) else []
    return f"({', '.join(parts)})"


def _signal(frame: Frame) -> str:
    """The signal that came."""
    number = frame.named("result")
    return f"({names.signal_text(number)})" if number else ""


def _time(frame: Frame) -> str:
    """The date of time(2)."""
    result = frame.named("result")
    return f"({datetime.fromtimestamp(result, UTC):%Y-%m-%dT%H:%M:%S%z})" if 0 < result <= MAX_TIME else ""


_ADDED: dict[str, Callable[[Frame], str]] = {
    "fcntl": _fcntl,
    "poll": _poll,
    "ppoll": _poll,
    "select": _select,
    "pselect6": _select,
    "rt_sigtimedwait": _signal,
    "time": _time,
}


# ---- calls that strace writes in an order of its own ----


def _clone(frame: Frame, shown: tuple[Shown, ...]) -> tuple[str, ...]:
    """``child_stack=…, flags=…, parent_tid=…, tls=…, child_tidptr=…``, each only when a flag asks for it."""
    flags = frame.value(0)
    swapped = frame.caller.abi == "x86_64"  # child_tid comes before tls there
    tls, child = (4, 3) if swapped else (3, 4)
    parts = [f"child_stack={frame.address(1)}", f"flags={shown[0].text}"]
    if flags & facts.constant("CLONE_PARENT_SETTID"):
        tid = frame.caller.number_at(frame.bits[2], 4) if frame.result is not None and not frame.failed else None
        parts.append(f"parent_tid={frame.address(2) if tid is None else f'[{tid}]'}")
    if flags & facts.constant("CLONE_SETTLS"):
        parts.append(f"tls={frame.address(tls)}")
    if flags & (facts.constant("CLONE_CHILD_SETTID") | facts.constant("CLONE_CHILD_CLEARTID")):
        parts.append(f"child_tidptr={frame.address(child)}")
    return tuple(parts)


_ARRANGED: dict[str, Callable[[Frame, tuple[Shown, ...]], tuple[str, ...]]] = {"clone": _clone}
