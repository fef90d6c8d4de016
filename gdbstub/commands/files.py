"""Files of the target: vFile:setfs open pread fstat readlink close. Replies are ``F result[,errno][;bytes]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbstub import hexadecimal
from gdbstub.call import Call
from gdbstub.verb import EBADF, ENOENT, EPERM, Refused, Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_OPEN, MAX_PATH = 32, 4096
_WRITING = 0x3 | 0x200 | 0x400 | 0x8  # O_ACCMODE, O_CREAT, O_TRUNC, O_APPEND as the protocol numbers them
_REGULAR, _READABLE = 0o100000, 0o444


@dataclass(frozen=True, slots=True)
class Operation:
    """``vFile:name:argument,argument``; ``arguments`` are as they stand: hex numbers, paths in hex."""

    name: str
    arguments: tuple[bytes, ...]

    def __bytes__(self) -> bytes:
        return b"vFile:%b:%b" % (self.name.encode(), b",".join(self.arguments))


@dataclass(frozen=True, slots=True)
class Answer:
    """``F result[,errno][;content]``; ``result`` is -1 with an ``errno``."""

    result: int
    errno: int | None = None
    content: bytes | None = None

    def __bytes__(self) -> bytes:
        sign = b"-" if self.result < 0 else b""
        errno = b"" if self.errno is None else b",%x" % self.errno
        return b"F%b%x%b" % (sign, abs(self.result), errno) + (b"" if self.content is None else b";" + self.content)


def parse(packet: bytes) -> Operation:
    """``vFile:open:2f62696e,0,0``."""
    words = packet.split(b":", 2)
    if len(words) < 3:
        raise ValueError(f"expected vFile:OPERATION:…, found {hexadecimal.shown(packet)}")
    return Operation(words[1].decode("latin-1"), tuple(words[2].split(b",")))


def parse_answer(reply: bytes) -> Answer:
    """``F1000;bytes`` or ``F-1,2``."""
    head, found, content = reply[1:].partition(b";")
    result, comma, errno = head.partition(b",")
    if reply[:1] != b"F":
        raise ValueError(f"expected F and a result, found {hexadecimal.shown(reply)}")
    value = hexadecimal.number(result.removeprefix(b"-"))
    number = hexadecimal.number(errno) if comma else None
    return Answer(-value if result[:1] == b"-" else value, number, content if found else None)


# ---- client ----------------------------------------------------------------------------------------------


def setfs(pid: int = 0) -> Call[Answer]:
    """Whose file system: 0 is the stub's own."""
    return Call(bytes(Operation("setfs", (b"%x" % pid,))), parse_answer)


def open_file(path: str) -> Call[Answer]:
    """Open for reading; the result is a number for the others, or -1."""
    return Call(bytes(Operation("open", (hexadecimal.spelled(path), b"0", b"0"))), parse_answer, repeatable=False)


def read_file(file: int, size: int, offset: int) -> Call[Answer]:
    """Some bytes of it; none at its end."""
    return Call(bytes(Operation("pread", tuple(b"%x" % n for n in (file, size, offset)))), parse_answer)


def close_file(file: int) -> Call[Answer]:
    """Give it back."""
    return Call(bytes(Operation("close", (b"%x" % file,))), parse_answer, repeatable=False)


def readlink(path: str) -> Call[Answer]:
    """What a symbolic link says."""
    return Call(bytes(Operation("readlink", (hexadecimal.spelled(path),))), parse_answer)


# ---- server ----------------------------------------------------------------------------------------------


def _serve(serving: Serving, request: Operation) -> bytes:
    operation = _OPERATIONS.get(request.name)
    if operation is None:
        return b""
    try:
        return bytes(operation(serving, request.arguments))
    except Refused as error:
        return bytes(Answer(-1, error.code))


def _setfs(serving: Serving, arguments: tuple[bytes, ...]) -> Answer:
    return Answer(0)


def _open(serving: Serving, arguments: tuple[bytes, ...]) -> Answer:
    """Only files that the guest itself has, only for reading."""
    path, flags, _ = arguments
    if hexadecimal.number(flags) & _WRITING or len(path) > 2 * MAX_PATH:
        raise Refused(EPERM)
    content = serving.target.file(hexadecimal.words(path))
    if content is None:
        raise Refused(ENOENT)
    number = next((n for n in range(MAX_OPEN) if n not in serving.open_files), None)
    if number is None:
        raise Refused(EBADF)
    serving.open_files[number] = content
    return Answer(number)


def _content(serving: Serving, number: bytes) -> bytes:
    content = serving.open_files.get(hexadecimal.number(number))
    if content is None:
        raise Refused(EBADF)
    return content


def _pread(serving: Serving, arguments: tuple[bytes, ...]) -> Answer:
    file, size, offset = arguments
    begin = hexadecimal.number(offset)
    part = _content(serving, file)[begin : begin + min(hexadecimal.number(size), serving.room(2))]
    return Answer(len(part), content=part)


def _fstat(serving: Serving, arguments: tuple[bytes, ...]) -> Answer:
    """struct stat of the protocol: big-endian, of which mode, size and block count are told."""
    size = len(_content(serving, arguments[0]))
    device_and_inode, owners_and_times = bytes(8), bytes(12)
    mode_and_links = (_REGULAR | _READABLE).to_bytes(4, "big") + (1).to_bytes(4, "big")
    sizes = b"".join(value.to_bytes(8, "big") for value in (size, 512, size // 512 + 1))
    content = device_and_inode + mode_and_links + owners_and_times + sizes + owners_and_times
    return Answer(len(content), content=content)


def _close(serving: Serving, arguments: tuple[bytes, ...]) -> Answer:
    _content(serving, arguments[0])
    del serving.open_files[hexadecimal.number(arguments[0])]
    return Answer(0)


def _readlink(serving: Serving, arguments: tuple[bytes, ...]) -> Answer:
    raise Refused(ENOENT if serving.target.file(hexadecimal.words(arguments[0])) is None else 22)


_OPERATIONS = {
    "setfs": _setfs,
    "open": _open,
    "pread": _pread,
    "fstat": _fstat,
    "close": _close,
    "readlink": _readlink,
}

VERBS = (Verb(b"vFile", parse, _serve),)
