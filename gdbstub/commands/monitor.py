"""``qRcmd``: a line for the stub's own command interpreter; output comes as O packets and in the reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbstub import hexadecimal
from gdbstub.call import Call
from gdbstub.stops import Output
from gdbstub.verb import Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_LINE = 4096


@dataclass(frozen=True, slots=True)
class Command:
    """``qRcmd,hex``."""

    line: str

    def __bytes__(self) -> bytes:
        return b"qRcmd," + hexadecimal.spelled(self.line)


def parse(packet: bytes) -> Command:
    """``qRcmd,68656c70``."""
    text = packet.partition(b",")[2]
    if len(text) > 2 * MAX_LINE:
        raise ValueError(f"a command of more than {MAX_LINE} bytes")
    return Command(hexadecimal.words(text))


def command(line: str) -> Call[str]:
    """What the stub says in its reply; Client.monitor also collects the O packets before it."""
    return Call(
        bytes(Command(line)), lambda reply: "" if reply == b"OK" else hexadecimal.words(reply), repeatable=False
    )


def _serve(serving: Serving, request: Command) -> bytes:
    """The output in O packets that fit, then OK."""
    room = serving.room(2)
    content = serving.target.monitor(request.line).encode("utf-8", "replace")
    for at in range(0, len(content), room):
        serving.say(bytes(Output(content[at : at + room])))
    return b"OK"


VERBS = (Verb(b"qRcmd", parse, _serve),)
