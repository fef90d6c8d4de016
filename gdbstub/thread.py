"""Names of threads in packets: ``1f`` or, between multiprocess peers, ``p1.1f``; -1 is all, 0 is any."""

from __future__ import annotations

from dataclasses import dataclass

from gdbstub import hexadecimal

ALL, ANY = -1, 0


@dataclass(frozen=True, slots=True)
class ThreadId:
    """A thread. ``pid`` is None where the peers do not name programs; ``tid`` may be ALL or ANY."""

    tid: int
    pid: int | None = None

    def __bytes__(self) -> bytes:
        return _spell(self.tid) if self.pid is None else b"p%s.%s" % (_spell(self.pid), _spell(self.tid))

    @classmethod
    def parse(cls, text: bytes) -> ThreadId:
        """The id that ``text`` spells; ``p1`` means all threads of program 1."""
        if not text.startswith(b"p"):
            return cls(_number(text))
        pid, dot, tid = text[1:].partition(b".")
        return cls(_number(tid) if dot else ALL, _number(pid))


def _spell(value: int) -> bytes:
    return b"-1" if value == ALL else b"%x" % value


def _number(text: bytes) -> int:
    return ALL if text == b"-1" else hexadecimal.number(text)
