"""A server's side of one connection, running: resuming in slices, stops as the client sees them, their replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gdbstub.agent import BadExpression, evaluate
from gdbstub.commands.resuming import Action
from gdbstub.looking import CLIENTS as CLIENTS
from gdbstub.looking import HEADROOM as HEADROOM
from gdbstub.looking import PACKET_SIZE as PACKET_SIZE
from gdbstub.looking import PID, Looking
from gdbstub.operations import Operations, Stop
from gdbstub.points import what_is_left
from gdbstub.signals import Signal
from gdbstub.stops import Exited, Killed, Output
from gdbstub.verb import EINVAL, Refused


class Serving(Looking):
    """One connection."""

    def __init__(self, target: Operations, client: str = "auto") -> None:
        super().__init__(target, client)
        self.running: int | None = None
        self.interrupted = self.gone = self._libraries = False
        self.slice: Callable[[], Stop | None] | None = None

    # ---- running ----

    def resume(self, actions: Sequence[Action]) -> bytes | None:
        """Begin to run as vCont says; the stop reply when the first slice ends it, None while it runs."""
        self._refuse_ended()
        step = next((a for a in actions if a.kind in "sSr" and a.thread is not None and a.thread.tid > 0), None)
        default = next((a for a in actions if a.thread is None or a.thread.tid <= 0), None)
        chosen = step or default or actions[0]
        if chosen.kind == "t":
            raise Refused(EINVAL, "stopping single threads needs non-stop mode, which is not offered")
        if chosen.kind in "cC" and chosen is default:
            return self._begin(self.target.run)
        thread = self.chosen(chosen.thread)
        if chosen.kind in "cC":
            return self._begin(lambda: self._alone(thread))
        if chosen.range is not None:
            low, high = chosen.range
            return self._begin(lambda: self._within(thread, low, high))
        return self._begin(lambda: self.target.step(thread))

    def go_back(self, step: bool) -> bytes | None:
        """Begin to run backwards."""
        power = self.target.reverse
        assert power is not None
        thread = self.general if self.running is None else self.running
        return self._begin((lambda: power.step(thread)) if step else power.run)

    def _refuse_ended(self) -> None:
        if self.target.stop.exit is not None and self.target.reverse is None:
            raise Refused(EINVAL, "the program has ended")

    def _begin(self, one_slice: Callable[[], Stop | None]) -> bytes | None:
        self.slice = one_slice
        self.interrupted = False
        return self.go_on()

    def go_on(self) -> bytes | None:
        """A slice of what runs: the stop reply at its end, None while it goes on."""
        assert self.slice is not None
        self._alive = None
        try:
            stop = self.slice()
        except Refused:
            self.slice = None
            raise
        if stop is not None:
            stop = self._judged(stop)
        if stop is None and self.interrupted:
            stop = Stop(self.target.stop.thread, Signal.INT)
        if stop is not None and stop.libraries and self.lists_threads:
            stop = self._quiet(stop)
        if stop is None:
            return None
        self.slice = None
        self.stop, self.general = stop, stop.thread
        self.transferred = (("", ""), None)
        self._collect_output()
        return self.stop_reply()

    def _quiet(self, stop: Stop) -> Stop | None:
        """lldb takes a change of libraries for a reason to stay: tell it with the next stop instead."""
        self._libraries = True
        return what_is_left(replace(stop, libraries=False))

    def _collect_output(self) -> None:
        content = self.target.output()
        if not content:
            return
        room = self.room(2)
        for at in range(0, len(content), room):
            self.say(bytes(Output(content[at : at + room])))

    def _alone(self, thread: int) -> Stop | None:
        """One thread alone, an instruction at a time: the others must not move."""
        return self._steps(thread, lambda pc: False)

    def _within(self, thread: int, low: int, high: int) -> Stop | None:
        """Steps while pc is in a range."""
        return self._steps(thread, lambda pc: not low <= pc < high)

    def _steps(self, thread: int, done: Callable[[int], bool]) -> Stop | None:
        for _ in range(1000):
            stop = self.target.step(thread)
            if stop is None:
                return None
            if stop != Stop(thread, Signal.TRAP, step=True) or done(self._pc(thread)):
                return stop
        return None

    def _pc(self, thread: int) -> int:
        return self.target.registers(thread, (self.pc_name,))[0] or 0

    def _judged(self, stop: Stop) -> Stop | None:
        """A stop as the client's breakpoints see it; None to go on."""
        if not stop.breakpoint:
            return stop
        return self.points.judged(stop, self._pc(stop.thread), lambda code: self._holds(stop.thread, code))

    def _holds(self, thread: int, code: bytes) -> bool:
        """A condition's truth; one that cannot be judged stops."""

        def register(number: int) -> int:
            found = self.layout.by_number.get(number)
            if found is None:
                raise BadExpression(f"the condition names register {number}")
            return self.target.registers(thread, (found.name,))[0] or 0

        try:
            return evaluate(code, register, self.read) != 0
        except (BadExpression, Refused) as error:
            self.say(bytes(Output(f"a condition cannot be judged: {error}\n".encode())))
            return True

    def let_go(self, kill: bool) -> None:
        """The client leaves."""
        self.points.clear()
        self.target.let_go(kill)
        self.gone = True

    # ---- stop replies ----

    def stop_reply(self, thread: int | None = None) -> bytes:
        """The last stop as a packet; of another thread than the one that stopped, without its reasons."""
        stop = self.stop
        pid = PID if self.multiprocess else None
        if stop.exit is not None:
            return bytes(Exited(stop.exit & 0xFF, pid) if stop.exit >= 0 else Killed(-stop.exit, pid))
        mine = thread is None or thread == stop.thread
        number = stop.thread if thread is None else thread
        parts = [b"T%02xthread:%b;" % (stop.signal if mine else 0, self._thread_name(number))]
        if self.lists_threads:
            parts.append(b"threads:%b;" % b",".join(b"%x" % t.number for t in self.target.threads()))
        values = self.target.registers(number, self._expedited_names)
        for (head, _, spell), value in zip(self._expedited, values, strict=True):
            if value is not None:
                parts.append(b"%b%b;" % (head, spell(value).hex().encode()))
        if mine and (self._libraries or not stop.is_plain):
            parts += [b"%b:%b;" % (name, value) for name, value in self._reasons(stop)]
        return b"".join(parts)

    def _thread_name(self, number: int) -> bytes:
        return b"p%x.%x" % (PID, number) if self.multiprocess else b"%x" % number

    def _reasons(self, stop: Stop) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        if stop.watch is not None:
            found.append((self.points.watch_name(stop.watch[0]).encode() or b"watch", b"%x" % stop.watch[1]))
        if stop.log:
            found.append((b"replaylog", stop.log.encode()))
        if stop.syscall is not None:
            found.append((b"syscall_" + stop.syscall[0].encode(), b"%x" % stop.syscall[1]))
        if stop.libraries or self._libraries:
            self._libraries = False
            found.append((b"library", b""))
        name = self.points.name(stop, self._pc(stop.thread)) if stop.breakpoint else ""
        if name and self.features.get(name) is True:
            found.append((name.encode(), b""))
        return found
