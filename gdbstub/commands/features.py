"""What the peers can do: qSupported, QStartNoAckMode, qEcho, and the small questions of a connection's beginning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gdbstub import hexadecimal
from gdbstub.call import Call, ok
from gdbstub.verb import Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_FEATURES = 1024


@dataclass(frozen=True, slots=True)
class Supported:
    """``qSupported:name+;name-;name=value``: True, False or the value of each; ``?`` (maybe) is kept as ``?``."""

    features: Mapping[str, bool | str] = field(default_factory=dict)

    def __bytes__(self) -> bytes:
        return b"qSupported" + (b":" + spell(self.features) if self.features else b"")


def spell(features: Mapping[str, bool | str]) -> bytes:
    """``name+;name-;name=value``."""
    words = []
    for name, value in features.items():
        if isinstance(value, bool):
            words.append(name + ("+" if value else "-"))
        else:
            words.append(f"{name}?" if value == "?" else f"{name}={value}")
    return ";".join(words).encode()


def unspell(text: bytes) -> dict[str, bool | str]:
    """The features in a text; words without a mark are ignored, as the manual says."""
    found: dict[str, bool | str] = {}
    words = text.decode("utf-8", "replace").split(";", MAX_FEATURES)
    for word in words[:MAX_FEATURES]:
        name, equals, value = word.partition("=")
        if equals:
            found[name] = value
        elif word[-1:] in ("+", "-", "?"):
            found[word[:-1]] = "?" if word[-1] == "?" else word[-1] == "+"
    return found


def parse_supported(packet: bytes) -> Supported:
    """``qSupported:multiprocess+;…``; gdbserver's ancestors send it bare."""
    return Supported(unspell(packet.partition(b":")[2]))


@dataclass(frozen=True, slots=True)
class Plain:
    """A packet that is its own whole meaning: ``QStartNoAckMode``, ``qAttached:1``; ``rest`` is what stands behind."""

    name: bytes
    rest: bytes = b""

    def __bytes__(self) -> bytes:
        return self.name + self.rest


def plain(name: bytes) -> Callable[[bytes], Plain]:
    """The parser of a plain packet."""
    return lambda packet: Plain(name, packet[len(name) :])


# ---- client ----------------------------------------------------------------------------------------------


def supported(features: Mapping[str, bool | str]) -> Call[dict[str, bool | str]]:
    """Tell what we can, learn what the stub can."""
    return Call(bytes(Supported(features)), unspell)


def start_no_ack() -> Call[None]:
    """No more ``+`` after this."""
    return Call(b"QStartNoAckMode", ok, repeatable=False)


def echo(number: int) -> Call[None]:
    """``qEcho:N`` comes back as it is: everything before it has been answered. lldb's and our own stubs have it."""
    packet = b"qEcho:%x" % number

    def value(reply: bytes) -> None:
        if reply != packet:
            raise ValueError(f"expected the echo {hexadecimal.shown(packet)}, found {hexadecimal.shown(reply)}")

    return Call(packet, value)


def attached(pid: int | None = None) -> Call[bool]:
    """Did the stub attach to a program that was there (True), or start it?"""
    suffix = b"" if pid is None else b":%x" % pid
    return Call(b"qAttached" + suffix, lambda reply: bool(hexadecimal.number(reply)))


# ---- server ----------------------------------------------------------------------------------------------


def _serve_supported(serving: Serving, request: Supported) -> bytes:
    serving.meet(request.features)
    return spell(serving.offers())


def _serve_no_ack(serving: Serving, request: Plain) -> bytes:
    serving.no_ack_next = True
    return b"OK"


def _serve_echo(serving: Serving, request: Plain) -> bytes:
    return bytes(request)


def _serve_attached(serving: Serving, request: Plain) -> bytes:
    return b"1"


def _serve_ok(serving: Serving, request: Plain) -> bytes:
    return b"OK"


def _serve_empty(serving: Serving, request: Plain) -> bytes:
    return b""


VERBS = (
    Verb(b"qSupported", parse_supported, _serve_supported),
    Verb(b"QStartNoAckMode", plain(b"QStartNoAckMode"), _serve_no_ack),
    Verb(b"qEcho", plain(b"qEcho"), _serve_echo),
    Verb(b"qAttached", plain(b"qAttached"), _serve_attached),
    Verb(b"qSymbol", plain(b"qSymbol"), _serve_ok),
    Verb(b"vMustReplyEmpty", plain(b"vMustReplyEmpty"), _serve_empty),
    Verb(b"!", plain(b"!"), _serve_ok),
)
