"""One argument by its kind: what is known when the call begins, and what the kernel has filled when it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cvmdbg.guests.linux import facts
from cvmdbg.guests.linux.decoder import names
from cvmdbg.guests.linux.decoder.memory import Caller
from cvmdbg.guests.linux.decoder.structs import sockaddr_text, struct_text, time_text
from cvmdbg.guests.linux.decoder.style import VALUE, Style
from cvmdbg.guests.linux.facts import Argument, Call

MAX_ELEMENTS = 32
MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Shown:
    """An argument in text; ``pointer`` is the address when the text is what lies there; ``content`` its bytes.

    ``final`` is False while the kernel has yet to fill it. ``text`` None hides the argument.
    """

    text: str | None
    pointer: str = ""
    content: bytes | None = None
    final: bool = True


@dataclass(frozen=True, slots=True)
class Frame:
    """A call with its arguments. ``result`` is None while it is inside, ``failed`` when the result is an error."""

    call: Call
    bits: tuple[int, ...]
    caller: Caller
    style: Style
    result: int | None = None
    before: tuple[int | None, ...] = ()  # what length arguments pointed at when the call began

    @property
    def failed(self) -> bool:
        return self.result is not None and -4096 < names.signed(self.result) < 0

    def value(self, index: int) -> int:
        """An argument's low 64 bits, 0 for one that is not there."""
        return self.bits[index] & VALUE if index < len(self.bits) else 0

    def named(self, name: str) -> int:
        """The value of another argument, of ``result``, or of a number."""
        if name.isdigit():
            return int(name)
        if name == "result":
            return max(0, names.signed(self.result or 0))
        place = self.call.index(name)
        return self.value(place) if place is not None else 0

    def address(self, index: int) -> str:
        """An argument as an address."""
        return self.style.address(self.bits[index] if index < len(self.bits) else 0, self.caller.base)

    def inner(self, bits: int) -> str:
        """An address that stands in memory."""
        return self.style.address(bits, self.caller.base)


Show = Callable[[Frame, int, Argument], Shown]


def _text(text: str) -> Shown:
    return Shown(text)


def _plain(write: Callable[[int], str]) -> Show:
    return lambda frame, index, argument: Shown(write(frame.value(index)))


def _named(write: Callable[[str, int, str], str]) -> Show:
    def show(frame: Frame, index: int, argument: Argument) -> Shown:
        return Shown(write(argument.parameters[0], frame.value(index) & 0xFFFFFFFFFFFFFFFF, frame.caller.abi))

    return show


def fd_text(value: int) -> str:
    """A descriptor: a C int."""
    return str(names.signed(value, 32))


def _at(value: int) -> str:
    return "AT_FDCWD" if names.signed(value, 32) == -100 else fd_text(value)


def _uid(value: int) -> str:
    return "-1" if value & 0xFFFFFFFF == 0xFFFFFFFF else str(value & 0xFFFFFFFF)


def pointer(frame: Frame, index: int, argument: Argument) -> Shown:
    """An address and no more."""
    return Shown(frame.address(index))


def _waits(frame: Frame, argument: Argument) -> bool:
    return argument.direction == "out" and frame.result is None


def behind(frame: Frame, index: int, text: str, content: bytes) -> Shown:
    """What lies behind a pointer, with the pointer in front where the style asks for it."""
    address = frame.address(index)
    style = frame.style
    capability = bool(frame.bits[index] >> 64)
    if (style.panes and (capability or frame.caller.base)) or (style.pointers and capability):
        text = f"{address} {text}"
    return Shown(text, address, content)


def path(frame: Frame, index: int, argument: Argument) -> Shown:
    """A path, never cut by the limit of strings."""
    found = frame.caller.string_at(frame.bits[index])
    if argument.direction == "out" and (frame.result is None or frame.failed):
        return Shown(frame.address(index), final=frame.result is not None)
    if found is None:
        return pointer(frame, index, argument)
    content, whole = found
    style = Style(MAX_BYTES, panes=frame.style.panes)
    text = style.quote(content, whole)
    if frame.style.pointers and frame.bits[index] >> 64:
        text = f"{frame.address(index)} {text}"
    return Shown(text, frame.address(index), content)


def text(frame: Frame, index: int, argument: Argument) -> Shown:
    """A string that is no path."""
    if argument.direction == "out":
        return path(frame, index, argument)
    found = frame.caller.string_at(frame.bits[index], frame.style.limit + 1)
    if found is None:
        return pointer(frame, index, argument)
    return Shown(frame.style.quote(*found), frame.address(index), found[0])


def buffer(frame: Frame, index: int, argument: Argument) -> Shown:
    """Bytes: as many as another argument says, or as came back."""
    size = frame.named(argument.parameters[0])
    if argument.direction == "out":
        if frame.result is None or frame.failed:
            return Shown(frame.address(index), final=frame.result is not None)
        if not size and "listxattr" in frame.call.name:
            return pointer(frame, index, argument)
        size = frame.named("result")
    if not frame.value(index):
        return pointer(frame, index, argument)
    content = frame.caller.bytes_at(frame.bits[index], min(size, frame.style.limit + 1))
    if content is None:
        return pointer(frame, index, argument)
    hexadecimal = frame.call.name == "getrandom"
    return behind(frame, index, frame.style.quote(content, len(content) >= size, hexadecimal), content)


def struct(frame: Frame, index: int, argument: Argument) -> Shown:
    """A struct; one that the kernel fills is an address until then, and when the call fails."""
    if argument.direction == "out" and (frame.result is None or frame.failed):
        return Shown(frame.address(index), final=frame.result is not None)
    if argument.direction == "out" and _untouched(frame):
        return pointer(frame, index, argument)
    layout = facts.struct(argument.parameters[0], frame.caller.abi)
    content = frame.caller.bytes_at(frame.bits[index], layout.size)
    if content is None or len(content) < layout.size:
        return pointer(frame, index, argument)
    shown = struct_text(layout, content, frame.style, frame.caller.abi, frame.inner)
    return Shown(shown, frame.address(index), content)


def _untouched(frame: Frame) -> bool:
    """Does a success leave what ``out`` points at as it was? Sleeps that were not interrupted, no child yet."""
    return "nanosleep" in frame.call.name or (frame.call.name == "wait4" and not frame.named("result"))


def array(frame: Frame, index: int, argument: Argument) -> Shown:
    """Structs in a row."""
    if argument.direction == "out" and (frame.result is None or frame.failed):
        return Shown(frame.address(index), final=frame.result is not None)
    layout = facts.struct(argument.parameters[0], frame.caller.abi)
    count = frame.named(argument.parameters[1])
    shown = min(count, MAX_ELEMENTS)
    content = frame.caller.bytes_at(frame.bits[index], layout.size * shown)
    if content is None or not frame.value(index):
        return pointer(frame, index, argument)
    parts = [
        struct_text(
            layout, content[i * layout.size : (i + 1) * layout.size], frame.style, frame.caller.abi, frame.inner
        )
        for i in range(shown)
    ]
    return Shown(_list(parts, count > shown, frame.style), frame.address(index), content)


def _list(parts: list[str], cut: bool, style: Style) -> str:
    return "[" + ", ".join([*parts, *([style.more] if cut else [])]) + "]"


def numbers(frame: Frame, index: int, argument: Argument) -> Shown:
    """C ints in a row: ``[3, 4]``."""
    if argument.direction == "out" and (frame.result is None or frame.failed):
        return Shown(frame.address(index), final=frame.result is not None)
    count = frame.named(argument.parameters[0])
    content = frame.caller.bytes_at(frame.bits[index], 4 * min(count, MAX_ELEMENTS))
    if content is None or not frame.value(index):
        return pointer(frame, index, argument)
    parts = [str(names.signed(int.from_bytes(content[i : i + 4], "little"), 32)) for i in range(0, len(content), 4)]
    return Shown(_list(parts, count > MAX_ELEMENTS, frame.style), frame.address(index), content)


def long(frame: Frame, index: int, argument: Argument) -> Shown:
    """A pointer to one 64-bit number: ``[0]``, ``[0] => [512]``."""
    if argument.direction == "out" and (frame.result is None or frame.failed):
        return Shown(frame.address(index), final=frame.result is not None)
    now = frame.caller.number_at(frame.bits[index], 8)
    if now is None:
        return pointer(frame, index, argument)
    was = frame.before[index] if index < len(frame.before) else None
    shown = f"[{names.signed(now)}]"
    if was is not None and frame.call.name == "sendfile" and frame.named("result"):
        shown = f"[{names.signed(was)}] => {shown}"
    return Shown(shown, final=frame.result is not None)


def length(frame: Frame, index: int, argument: Argument) -> Shown:
    """The length of an address, before and after: ``[128 => 16]``."""
    now = frame.caller.number_at(frame.bits[index], 4)
    if now is None or (argument.name == "addrlen" and not frame.value(index - 1)):
        return pointer(frame, index, argument)
    was = frame.before[index] if index < len(frame.before) else None
    shown = f"[{was} => {now}]" if was is not None and was != now else f"[{now}]"
    return Shown(shown, final=frame.result is not None)


def iov(frame: Frame, index: int, argument: Argument) -> Shown:
    """Buffers in a row: ``[{iov_base="a", iov_len=1}]``; those that are filled hold as much as came back."""
    if _waits(frame, argument):
        return Shown(frame.address(index), final=False)
    if not frame.value(index):
        return pointer(frame, index, argument)
    count = frame.named(argument.parameters[0]) & 0xFFFFFFFF
    left = frame.named("result") if argument.direction == "out" else None
    shown = iov_text(frame, frame.bits[index], count, left)
    return behind_vector(frame, index, shown) if shown is not None else pointer(frame, index, argument)


def behind_vector(frame: Frame, index: int, shown: str) -> Shown:
    """A vector: its own address is left to the detail."""
    return Shown(shown, frame.address(index))


def iov_text(frame: Frame, where: int, count: int, left: int | None) -> str | None:
    """The vector at a pointer; ``left`` bytes were filled, None when all of it is read."""
    caller, style, stride = frame.caller, frame.style, 2 * frame.caller.word
    unread = left is not None and frame.failed
    parts = []
    for number in range(min(count, MAX_ELEMENTS)):
        item = caller.bytes_at(where + stride * number, stride)
        if item is None:
            return None
        base = int.from_bytes(item[:8], "little")
        size = int.from_bytes(item[stride // 2 : stride // 2 + 8], "little")
        filled = size if left is None else min(left, size)
        left = None if left is None else left - filled
        content = caller.bytes_at(base, min(filled, style.limit + 1)) if base and not unread else None
        held = style.quote(content, len(content) >= filled) if content is not None else frame.inner(base)
        parts.append(f"{{{held}, {size}}}" if style.panes else f"{{iov_base={held}, iov_len={size}}}")
    return _list(parts, count > MAX_ELEMENTS, style)


def strings(frame: Frame, index: int, argument: Argument) -> Shown:
    """argv: ``["ls", "-l"]``."""
    caller, style = frame.caller, frame.style
    parts: list[str] = []
    for number in range(MAX_ELEMENTS + 1):
        word = caller.number_at(frame.bits[index] + caller.word * number, 8)
        if word is None:
            return pointer(frame, index, argument)
        if not word:
            return Shown(_list(parts, False, style), frame.address(index))
        found = caller.string_at(word)
        parts.append(style.quote(*found) if found is not None else frame.inner(word))
    return Shown(_list(parts[:-1], True, style), frame.address(index))


def environ(frame: Frame, index: int, argument: Argument) -> Shown:
    """envp: its address and how many there are."""
    count = 0
    while count < MAX_BYTES:
        word = frame.caller.number_at(frame.bits[index] + frame.caller.word * count, 8)
        if word is None:
            return pointer(frame, index, argument)
        if not word:
            noun = "var" if count == 1 else "vars"
            return Shown(f"{frame.address(index)} /* {count} {noun} */")
        count += 1
    return pointer(frame, index, argument)


def dirents(frame: Frame, index: int, argument: Argument) -> Shown:
    """How many entries a directory gave."""
    if frame.result is None or frame.failed:
        return Shown(frame.address(index), final=frame.result is not None)
    size = frame.named("result")
    content = frame.caller.bytes_at(frame.bits[index], min(size, 1 << 20)) or b""
    place = count = 0
    while place + 19 <= len(content):
        step = int.from_bytes(content[place + 16 : place + 18], "little")
        if step < 19:
            break
        place, count = place + step, count + 1
    noun = "entry" if count == 1 else "entries"
    return Shown(f"{frame.address(index)} /* {count} {noun} */", content=content[:MAX_BYTES])


def sigset(frame: Frame, index: int, argument: Argument) -> Shown:
    """``[INT TERM]``."""
    if argument.direction == "out" and (frame.result is None or frame.failed):
        return Shown(frame.address(index), final=frame.result is not None)
    size = frame.call.index("sigsetsize") or frame.call.index("sizemask")
    known = size is None or frame.value(size) == 8
    mask = frame.caller.number_at(frame.bits[index], 8) if known else None
    return pointer(frame, index, argument) if mask is None else Shown(names.sigset_text(mask), frame.address(index))


def cpuset(frame: Frame, index: int, argument: Argument) -> Shown:
    """``[0 1]``."""
    if argument.direction == "out" and (frame.result is None or frame.failed):
        return Shown(frame.address(index), final=frame.result is not None)
    size = min(frame.named(argument.parameters[0]), 1024)
    mask = frame.caller.number_at(frame.bits[index], size)
    if mask is None or not frame.value(index):
        return pointer(frame, index, argument)
    return Shown(f"[{' '.join(str(n) for n in range(8 * size) if mask >> n & 1)}]", frame.address(index))


def wait_status(frame: Frame, index: int, argument: Argument) -> Shown:
    """``[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]``."""
    if frame.result is None or frame.failed or not frame.named("result"):
        return Shown(frame.address(index), final=frame.result is not None)
    status = frame.caller.number_at(frame.bits[index], 4)
    if status is None:
        return pointer(frame, index, argument)
    signal = status & 0x7F
    if not signal:
        return Shown(f"[{{WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}}}]")
    if signal == 0x7F:
        return Shown(f"[{{WIFSTOPPED(s) && WSTOPSIG(s) == {names.signal_text(status >> 8 & 0xFF)}}}]")
    core = " && WCOREDUMP(s)" if status & 0x80 else ""
    return Shown(f"[{{WIFSIGNALED(s) && WTERMSIG(s) == {names.signal_text(signal)}{core}}}]")


def sockaddr(frame: Frame, index: int, argument: Argument) -> Shown:
    """An address of a socket, as long as its length argument says."""
    place = frame.call.index(argument.parameters[0])
    if argument.direction == "out":
        if frame.result is None or frame.failed:
            return Shown(frame.address(index), final=frame.result is not None)
        size = frame.caller.number_at(frame.bits[place], 4) if place is not None else 0
    else:
        size = frame.named(argument.parameters[0]) & 0xFFFFFFFF
    content = frame.caller.bytes_at(frame.bits[index], min(size or 0, 128))
    if not content or len(content) < 2:
        return pointer(frame, index, argument)
    linux = content if argument.kind == "sockaddr" else _of_freebsd(content)
    return Shown(sockaddr_text(linux, frame.style, frame.caller.abi), frame.address(index), content)


def _of_freebsd(content: bytes) -> bytes:
    """A sockaddr that begins with its size and its family, a byte each, as Linux would write it."""
    name = facts.name_of("freebsd_family", content[1])
    family = facts.constants("socket_family").get(name or "", content[1])
    return family.to_bytes(2, "little") + content[2:]


def mode(frame: Frame, index: int, argument: Argument) -> Shown:
    """A mode; behind the flags of an open only when a file may be created."""
    if argument.parameters:
        flags, abi = frame.named(argument.parameters[0]), frame.caller.abi
        temporary = facts.constant("O_TMPFILE", abi)
        if not flags & facts.constant("O_CREAT", abi) and flags & temporary != temporary:
            return Shown(None)
    return Shown(names.mode_text(frame.value(index) & 0xFFFF))


def device(frame: Frame, index: int, argument: Argument) -> Shown:
    """A device number, which only device nodes have."""
    if argument.parameters and frame.named(argument.parameters[0]) & 0o170000 not in (0o020000, 0o060000):
        return Shown(None)
    return Shown(names.device_text(frame.value(index)))


def times(frame: Frame, index: int, argument: Argument) -> Shown:
    """Two times with their dates; an odd nanosecond says ``UTIME_NOW`` or ``UTIME_OMIT``."""
    layout = facts.struct(argument.parameters[0], frame.caller.abi)
    content = frame.caller.bytes_at(frame.bits[index], 2 * layout.size)
    if not content:
        return pointer(frame, index, argument)
    parts = [time_text(layout, content[place : place + layout.size]) for place in (0, layout.size)]
    return Shown(_list(parts, False, frame.style), frame.address(index), content)


KINDS: dict[str, Show] = {
    "fd": _plain(fd_text),
    "atfd": _plain(_at),
    "int": _plain(lambda value: str(names.signed(value, 32))),
    "uint": _plain(lambda value: str(value & 0xFFFFFFFF)),
    "size": _plain(str),
    "offset": _plain(lambda value: str(names.signed(value))),
    "hex": _plain(names.alternate),
    "dev": device,
    "file_mode": _plain(lambda value: names.file_mode_text(value & 0xFFFF)),
    "times": times,
    "uid": _plain(_uid),
    "signal": _plain(lambda value: names.signal_text(value & 0xFFFFFFFF)),
    "none": lambda frame, index, argument: Shown(None),
    "ptr": pointer,
    "flags": _named(names.flags_text),
    "enum": _named(names.enum_text),
    "open": lambda frame, index, argument: _text(names.open_text(frame.value(index), frame.caller.abi)),
    "mmap_flags": lambda frame, index, argument: _text(names.mmap_text(frame.value(index), frame.caller.abi)),
    "path": path,
    "text": text,
    "buffer": buffer,
    "struct": struct,
    "array": array,
    "ints": numbers,
    "long": long,
    "length": length,
    "iov": iov,
    "strings": strings,
    "environ": environ,
    "dirents": dirents,
    "sigset": sigset,
    "cpuset": cpuset,
    "wait_status": wait_status,
    "sockaddr": sockaddr,
    "freebsd_sockaddr": sockaddr,
    "mode": mode,
}
"""How each kind is shown; the kinds that depend on another argument are in ``special``."""
