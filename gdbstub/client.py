"""A client of a stub: typed calls in pipelined batches, runs, interrupts; retries what may be repeated.

    client = Client(connect("localhost:1234"))
    client.start()                                        what the stub can do, without acks where it may be
    client.batch([memory.read(0x1000, 64), threads.current()])      one write, one wait
    client.resume(resuming.resume(Action("c")));  stop = client.wait(0.02)      None while it runs

Nothing waits for ever: every call has a timeout and a number of retries; ``cancelled`` is asked while waiting. One
thread uses the client; ``interrupt`` may come from any.
"""

from __future__ import annotations

import time

from gdbstub.asking import WINDOW as WINDOW
from gdbstub.asking import Asking
from gdbstub.asking import Cancelled as Cancelled
from gdbstub.call import Call, LinkLost, ProtocolError
from gdbstub.commands import resuming
from gdbstub.conversation import Garbled, Reply
from gdbstub.peer import OFFERS as OFFERS
from gdbstub.peer import Peer as Peer
from gdbstub.stops import StopReply


class Client(Asking):
    """One connection."""

    # ---- running ----

    @property
    def running(self) -> bool:
        """Was the target resumed, and has no stop reply come yet?"""
        return self._running is not None

    def resume(self, call: Call[StopReply]) -> None:
        """Send a call that runs the target; ``wait`` then tells when it stops."""
        if self._running is not None:
            raise ProtocolError("the target runs already")
        self._running = call
        self.conversation.ask(call.packet, streams=True)
        self._flush()

    def wait(self, timeout: float) -> StopReply | None:
        """The stop reply, or None when the target still runs after ``timeout`` seconds."""
        call = self._running
        if call is None:
            raise ProtocolError("the target does not run")
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0 or timeout == 0:
            content = self.transport.receive(max(0.0, left))
            if not content:
                return None
            for heard in self.conversation.feed(content):
                if isinstance(heard, Garbled):
                    self.conversation.ask(bytes(resuming.Why()), streams=True)  # its reply stands for the damaged one
                    self._clean = 0
                elif isinstance(heard, Reply) and not heard.final:
                    self._interim(heard.payload)
                elif isinstance(heard, Reply):
                    return self._stopped(call, heard.payload)
            self._flush()
        return None

    def _stopped(self, call: Call[StopReply], payload: bytes) -> StopReply:
        self._running = None
        self._flush()
        if not self.conversation.idle:
            self.conversation.forget()
            self._resynchronize()
        return call.result(payload)

    def run(self, call: Call[StopReply], timeout: float | None = None) -> StopReply:
        """Resume and wait for the stop: for steps. LinkLost when it does not come in time."""
        self.resume(call)
        stop = self.wait(self.timeout if timeout is None else timeout)
        if stop is None:
            raise LinkLost("the stub does not stop")
        return stop

    def interrupt(self) -> None:
        """Ask a running target to stop; safe from any thread. Its stop reply still has to be waited for."""
        self._send(b"\x03")
