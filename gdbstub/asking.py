"""Asking a stub: typed calls in pipelined batches; what may be repeated is, and answers are told from late ones.

Nothing waits for ever: every call has a timeout and a number of retries; ``cancelled`` is asked while waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from gdbstub import stops
from gdbstub.call import Call, LinkLost, Malformed, ProtocolError, StubError, Unsupported
from gdbstub.commands import features, resuming
from gdbstub.conversation import Conversation, Garbled, Repaired, Reply, Stray
from gdbstub.packet import encode
from gdbstub.peer import OFFERS, Peer
from gdbstub.stops import FileRequest, Output, StopReply
from gdbstub.transport import Transport

T = TypeVar("T")

WINDOW = 256
"""Packets under way at once without acknowledgements: far below what sockets buffer."""
CLEAN = 100
"""Exchanges without trouble after which a link is trusted again."""
ECHO = b"qEcho:"
BREATH = 0.05
"""Seconds of silence after which ``cancelled`` is asked."""


class Cancelled(ProtocolError):
    """The wait was given up because ``cancelled`` said so."""

    def __init__(self) -> None:
        super().__init__("the wait for the stub was given up")


class _Trouble(Exception):
    """Silence, a damaged or impossible reply: repeat, or report."""


class Asking:
    """One connection, as long as the target stands.

    ``timeout`` seconds for a reply, ``retries`` after the first try; ``settle`` seconds of silence end the answers to a
    question that was given up. ``output`` gets what the target prints (O packets).
    """

    def __init__(
        self,
        transport: Transport,
        *,
        timeout: float = 5.0,
        retries: int = 3,
        settle: float = 0.05,
        output: Callable[[bytes], None] = lambda content: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.transport, self.timeout, self.retries, self.settle = transport, timeout, retries, settle
        self.output, self.cancelled = output, cancelled
        self.peer = Peer()
        self.conversation = Conversation()
        self.repeated = 0  # how often something had to be asked again
        self.batches = 0  # how often somebody has waited for answers
        self._running: Call[StopReply] | None = None
        self._sending = threading.Lock()
        self._clean = CLEAN
        self._answered = b""
        self._repeatable = True
        self._echoes = 0
        self._odd: dict[bytes, bytes] = {}  # the last packet with an impossible reply

    # ---- life ----

    def start(self, offers: Mapping[str, bool | str] = OFFERS, no_ack: bool = True) -> Peer:
        """Learn what the stub can do; leave acknowledgements out where it allows it and ``no_ack`` says so."""
        self._send(b"+")
        try:
            self.peer.features = self.call(features.supported(offers))
        except Unsupported:
            self.peer.features = {}
        size = str(self.peer.features.get("PacketSize", ""))
        if size and not size.strip("0123456789abcdefABCDEF"):
            self.peer.packet_size = max(64, min(int(size, 16), 1 << 20))
        if no_ack and self.peer.has("QStartNoAckMode"):
            self._leave_acks()
        if self.has_answer(resuming.ask_actions()):
            self.peer.actions = self.call(resuming.ask_actions())
        self.peer.echo = self.peer.has("qEcho")
        return self.peer

    def _leave_acks(self) -> None:
        self.call(features.start_no_ack())
        self.conversation.acks = False
        self.conversation.window = WINDOW
        self.peer.no_ack = True

    def close(self) -> None:
        """Drop the link."""
        self.transport.close()

    # ---- asking ----

    def call(self, call: Call[T], timeout: float | None = None) -> T:
        """The value of one call; StubError, Unsupported, Malformed, LinkLost or Cancelled when there is none."""
        value = self.batch([call], timeout)[0]
        if isinstance(value, ProtocolError):
            raise value
        return value  # type: ignore[no-any-return]

    def has_answer(self, call: Call[Any]) -> bool:
        """Does the stub answer it with a value?"""
        try:
            self.call(call)
        except (StubError, Unsupported, Malformed):
            return False
        return True

    def batch(self, calls: Sequence[Call[Any]], timeout: float | None = None) -> list[Any]:
        """The values of calls, sent together, in order; where a call has none, its StubError, Unsupported or Malformed.

        LinkLost when the link is gone, or stays silent or damaged through every retry.
        """
        if self._running is not None:
            raise ProtocolError("the target runs: it must stop before it can be asked")
        self.batches += bool(calls)
        values: list[Any] = []
        attempt = 0
        while len(values) < len(calls):
            before = len(values)
            try:
                self._exchange(calls[before:], values, self.timeout if timeout is None else timeout)
            except _Trouble as trouble:
                attempt = attempt + 1 if len(values) == before else 1
                self._again(calls[len(values) :], trouble, attempt)
        return values

    def _again(self, rest: Sequence[Call[Any]], trouble: _Trouble, attempt: int) -> None:
        """Make the link fit for another try, or say that there will be none."""
        unsafe = next((call for call in rest if not call.repeatable and self._was_sent(call)), None)
        self.conversation.forget()
        self._clean = 0
        if attempt > self.retries or unsafe is not None:
            raise LinkLost(f"{trouble} (tried {attempt} times)") from None
        self.repeated += 1
        self._resynchronize()

    def _was_sent(self, call: Call[Any]) -> bool:
        return any(asked.packet == call.packet for asked in self.conversation.flying) or call.packet == self._answered

    def _exchange(self, calls: Sequence[Call[Any]], values: list[Any], timeout: float) -> None:
        """Ask; values are appended when an echo behind them has shown that they belong to what was asked."""
        asked = self._with_echoes(calls)
        self._repeatable = all(call.repeatable for call in calls)
        for call in asked:
            self.conversation.ask(call.packet, streams=call.packet.startswith(b"qRcmd"))
        fresh: list[Any] = []
        answered = 0
        while answered < len(asked):
            for reply in self._replies(timeout):
                call = asked[answered]
                answered += 1
                self._answered = call.packet
                value = self._value(call, reply)
                if not call.packet.startswith(ECHO):
                    fresh.append(value)
                elif isinstance(value, ProtocolError):
                    raise _Trouble(str(value))
                else:
                    values += fresh
                    fresh.clear()
        values += fresh
        self._clean += 1

    def _with_echoes(self, calls: Sequence[Call[Any]]) -> list[Call[Any]]:
        """The calls with an echo behind the last; on a link that was seen to lose or double, behind each."""
        asked: list[Call[Any]] = []
        for call in calls:
            asked.append(call)
            if self.peer.echo and (self._clean < CLEAN or call is calls[-1]):
                self._echoes += 1
                asked.append(features.echo(self._echoes))
        return asked

    def _value(self, call: Call[Any], reply: bytes) -> Any:
        """The value of a reply, or the error that it is. One that cannot be is taken for a damage the first time."""
        try:
            return call.result(reply)
        except Malformed as error:
            if self._odd.get(call.packet) == reply:
                return error
            self._odd = {call.packet: reply}
            raise _Trouble(str(error)) from None
        except ProtocolError as error:
            return error

    def _replies(self, timeout: float) -> list[bytes]:
        """At least one reply."""
        found: list[bytes] = []
        end = time.monotonic() + timeout
        while not found:
            for heard in self._hear(end):
                if isinstance(heard, Reply) and heard.final:
                    found.append(heard.payload)
                elif isinstance(heard, Reply):
                    self._interim(heard.payload)
                    end = time.monotonic() + timeout
                elif isinstance(heard, Garbled):
                    raise _Trouble(f"the link is damaged: {heard.sentence}")
                elif isinstance(heard, Stray | Repaired):
                    self._doubt()
        return found

    def _doubt(self) -> None:
        """Packets were repeated: begin anew with an echo behind each call, where that can be done."""
        trusted, self._clean = self._clean >= CLEAN, 0
        if trusted and self.peer.echo and self._repeatable:
            raise _Trouble("the link repeats packets")

    def _hear(self, end: float) -> list[Any]:
        """Send what is due, then whatever comes; _Trouble at the end of patience."""
        self._flush()
        while True:
            left = end - time.monotonic()
            content = self.transport.receive(max(0.0, min(left, BREATH)))
            if content:
                heard = self.conversation.feed(content)
                self._flush()
                return list(heard)
            if self.cancelled():
                self.conversation.forget()
                self._clean = 0
                raise Cancelled
            if left <= 0:
                raise _Trouble("the stub does not answer")

    def _flush(self) -> None:
        content = self.conversation.outgoing()
        if content:
            self._send(content)

    def _send(self, content: bytes) -> None:
        with self._sending:
            self.transport.send(content)

    def send(self, packet: bytes) -> None:
        """A packet without a reply (``k``)."""
        self._send(encode(packet))

    def _interim(self, payload: bytes) -> None:
        """O and F packets before a reply."""
        event = stops.parse(payload)
        if isinstance(event, Output):
            self.output(event.content)
        elif isinstance(event, FileRequest):
            self.send(b"F-1,1")

    # ---- repairing ----

    def _resynchronize(self) -> None:
        """Swallow what still comes for questions that were given up: up to an echo, or up to silence."""
        if self.peer.echo:
            self._echoes += 1
            echo = features.echo(self._echoes)
            self.conversation.ask(echo.packet)
            self._flush()
            self._swallow(echo.packet)
        else:
            self._swallow(None)
        self.conversation.forget()

    def _swallow(self, echo: bytes | None) -> None:
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            content = self.transport.receive(self.timeout if echo is not None else self.settle)
            if not content:
                return
            heard = self.conversation.feed(content)
            self._flush()
            if echo is not None and any(getattr(h, "payload", None) == echo for h in heard):
                return
