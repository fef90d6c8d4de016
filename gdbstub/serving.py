"""A server's side of one connection: what the client has chosen and shown, and how its target looks to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gdbstub import layout as layouts
from gdbstub.agent import BadExpression, evaluate
from gdbstub.commands.resuming import Action
from gdbstub.description import CAPABILITIES, Dialect
from gdbstub.layout import TAG_MAP, Layout
from gdbstub.operations import Operations, Stop
from gdbstub.points import PointTable, what_is_left
from gdbstub.signals import Signal
from gdbstub.stops import Exited, Killed, Output
from gdbstub.thread import ThreadId
from gdbstub.verb import EFAULT, EINVAL, Refused

PACKET_SIZE = 0x8000
HEADROOM = 16
"""Bytes of a packet that are not its content: name, numbers, checksum."""
PID = 1
CLIENTS = ("auto", "stock", "morello", "lldb-morello")
"""What a client may be said to be: plain numbers of 128 bits, CTSRD gdb's capabilities, or lldb's of 129 bits."""

EXPEDITED = ("pc", "sp", "x29")
_EXPEDITED_TYPED = (*EXPEDITED, "pcc", "csp")


class Serving:
    """One connection. ``client`` is one of CLIENTS; auto listens to what the client offers."""

    pid = PID
    pc_name = "pc"

    def __init__(self, target: Operations, client: str = "auto") -> None:
        self.target = target
        self.client = client
        self.features: Mapping[str, bool | str] = {}
        self.general = target.stop.thread
        self.running: int | None = None
        self.no_ack_next = self.interrupted = self.lists_threads = self.error_words = False
        self.gone = self._libraries = False
        self.unlisted: list[int] = []
        self.open_files: dict[int, bytes] = {}
        self.transferred: tuple[tuple[str, str], bytes | None] = (("", ""), None)
        self.said: deque[bytes] = deque()
        self.points = PointTable(target.points)
        self.stop = target.stop
        self.slice: Callable[[], Stop | None] | None = None
        self._alive: frozenset[int] | None = None
        self._describe("stock" if client == "auto" else client)

    # ---- who the client is ----

    def meet(self, features: Mapping[str, bool | str]) -> None:
        """The client says what it can: a Morello gdb, or our own client, shows itself by qXfer:capa."""
        self.features = features
        self.error_words = features.get("error-message") is True
        if self.client == "auto":
            self._describe("morello" if features.get("qXfer:capa:read") is True else "stock")

    def _describe(self, client: str) -> None:
        dialect = {"morello": Dialect.TAG_FIRST, "lldb-morello": Dialect.BITS129}.get(client, Dialect.TAG_MAP)
        typed = client == "morello"
        self.layout = Layout(self.target.description(dialect, typed), dialect)
        self._names = tuple(self.layout.slots)
        self._has_tag_map = TAG_MAP in self.layout.slots
        wanted = _EXPEDITED_TYPED if typed else EXPEDITED
        self._expedited = tuple(
            (b"%02x:" % slot.register.number, name, self.layout.speller(name))
            for name, slot in self.layout.slots.items()
            if name in wanted
        )
        self._expedited_names = tuple(name for _, name, _ in self._expedited)

    def offers(self) -> dict[str, bool | str]:
        """What this target can, for qSupported."""
        target = self.target
        offers: dict[str, bool | str] = {"PacketSize": f"{PACKET_SIZE:x}"}
        offers |= {"QStartNoAckMode": True, "vContSupported": True}
        if self.layout.dialect is not Dialect.BITS129:
            offers["qXfer:features:read"] = True
        offers["qXfer:threads:read"] = True
        offers |= {f"qXfer:{name}:read": True for name in sorted(target.objects)}
        if target.capabilities is not None:
            offers |= {"qXfer:capa:read": True, "qXfer:capa:write": True}
        if target.points is not None:
            offers |= {"swbreak": True, "hwbreak": True, "ConditionalBreakpoints": True}
        if target.reverse is not None:
            offers |= {"ReverseStep": True, "ReverseContinue": True}
        if target.syscalls is not None:
            offers["QCatchSyscalls"] = True
        offers |= {"multiprocess": True} if self.multiprocess else {}
        return offers | {"error-message": True, "qEcho": True}

    @property
    def multiprocess(self) -> bool:
        """Are threads named ``p1.1`` between these peers?"""
        return self.features.get("multiprocess") is True

    def room(self, wide: int) -> int:
        """How many things of ``wide`` bytes fit a packet."""
        return (PACKET_SIZE - HEADROOM) // wide

    def say(self, packet: bytes) -> None:
        """A packet before the reply."""
        self.said.append(packet)

    # ---- threads ----

    def thread_id(self, number: int) -> ThreadId:
        """A thread as this client names it."""
        return ThreadId(number, PID if self.multiprocess else None)

    def chosen(self, thread: ThreadId | None) -> int:
        """The number of a thread that a packet names; without one, or for any and all, the selected one."""
        if thread is None or thread.tid <= 0:
            if thread is not None and thread.pid not in (None, -1, 0, PID):
                raise Refused(EINVAL, f"there is no program {thread.pid}")
            return self.general
        if thread.tid == self.stop.thread and thread.pid in (None, PID):
            return thread.tid  # the one that stopped lives
        if self._alive is None:
            self._alive = frozenset(t.number for t in self.target.threads())
        if thread.tid not in self._alive or thread.pid not in (None, -1, 0, PID):
            raise Refused(EINVAL, f"there is no thread {thread.tid}")
        return thread.tid

    # ---- memory ----

    def read(self, address: int, size: int) -> bytes:
        """Memory. A client that knows no capabilities takes the addresses of hybrid code as they are in registers:

        what is not mapped is then looked for where the selected thread's loads find it.
        """
        try:
            return self.target.read(address, size)
        except Refused:
            return self.target.read(self._plain(address), size)

    def write(self, address: int, content: bytes) -> None:
        """The same for writing."""
        try:
            self.target.write(address, content)
        except Refused:
            self.target.write(self._plain(address), content)

    def _plain(self, address: int) -> int:
        found = self.target.plain(self.general, address) if self.layout.dialect is Dialect.TAG_MAP else None
        if found is None:
            raise Refused(EFAULT, f"{address:#x} is not mapped")
        return found

    # ---- registers ----

    def values(self, thread: int, names: Sequence[str]) -> dict[str, int | None]:
        """Registers by name."""
        wanted = [name for name in names if name != TAG_MAP]
        return dict(zip(wanted, self.target.registers(thread, wanted), strict=True))

    def block(self, thread: int) -> bytes:
        """The ``g`` packet of a thread."""
        if self._has_tag_map:
            return self.layout.write_block(self.values(thread, self._names))
        return self.layout.spell(self.target.registers(thread, self._names))

    def register(self, thread: int, name: str) -> bytes:
        """One register's bytes."""
        if name == TAG_MAP:
            return self.layout.encode(name, self.layout.tag_map(self.values(thread, CAPABILITIES)))
        value = self.target.registers(thread, (name,))[0]
        if value is None:
            raise Refused(EINVAL, f"{name} is not known")
        return self.layout.encode(name, value)

    def write_register(self, thread: int, name: str, value: int) -> None:
        """Set one. In the TAG_MAP dialect a capability keeps its tag; tags change through ``tag_map``."""
        if name == TAG_MAP:
            self._write_tags(thread, value)
            return
        if self._has_tag_map and self.layout.register(name).is_capability:
            old = self.target.registers(thread, (name,))[0] or 0
            value |= old & 1 << 128
        self.target.write_register(thread, name, value)

    def _write_tags(self, thread: int, tags: int) -> None:
        for name, value in self.values(thread, CAPABILITIES).items():
            bit = CAPABILITIES.index(name)
            wanted = (value or 0) & layouts.RAW | (tags >> bit & 1) << 128
            if wanted != value:
                self.target.write_register(thread, name, wanted)

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
