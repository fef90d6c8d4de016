"""A server's side of one connection, looking: what the client has shown and chosen, its threads, memory, registers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from gdbstub import layout as layouts
from gdbstub.description import CAPABILITIES, Dialect
from gdbstub.layout import TAG_MAP, Layout
from gdbstub.operations import Operations
from gdbstub.points import PointTable
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


class Looking:
    """``client`` is one of CLIENTS; auto listens to what the client offers."""

    pid = PID
    pc_name = "pc"

    def __init__(self, target: Operations, client: str = "auto") -> None:
        self.target = target
        self.client = client
        self.features: Mapping[str, bool | str] = {}
        self.general = target.stop.thread
        self.no_ack_next = self.lists_threads = self.error_words = False
        self.unlisted: list[int] = []
        self.open_files: dict[int, bytes] = {}
        self.transferred: tuple[tuple[str, str], bytes | None] = (("", ""), None)
        self.said: deque[bytes] = deque()
        self.points = PointTable(target.points)
        self.stop = target.stop
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
