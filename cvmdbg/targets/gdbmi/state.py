"""Threads and registers of the stopped machine as a gdb prints them, read once for each stop.

A scalar comes as ``0x…``; a vector as a structure of views, of which the one of 128 bits is taken. A capability comes
as its 128 bits; whether it is valid stands in the other format: ``0x400000000 [rwRW,0x400000000-0x440000000] (sealed)``
and ``(invalid)``, or in a register ``tag_map``. Source: CTSRD-CHERI/gdb, gdb/aarch64-tdep.c, and what it prints.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from cvmdbg.target import TargetError, Thread, ThreadState, Unknown
from cvmdbg.targets.gdbmi.records import text_of, tuples_of
from cvmdbg.targets.gdbmi.talk import Gdb
from cvmdbg.targets.live.names import Names, of_layout
from cvmdbg.targets.live.parts import Sink
from gdbstub.description import CANONICAL, X86_64, Description, Dialect, Feature, Register, morello
from gdbstub.layout import TAG_MAP, Layout

_X86_MORE = (
    *(Register(name, 64) for name in ("fs_base", "gs_base", "orig_rax")),
    Register("mxcsr", 32),
    *(Register(f"xmm{n}", 128) for n in range(32)),
)
KNOWN = {one.name: one for one in (*morello(Dialect.TAG_MAP, False), *X86_64, *_X86_MORE)}
_WIDE = re.compile(r"(?:uint128 = |\bq = \{u = \{)(0x[0-9a-f]+)")
_HOST = re.compile(r"\b(?:LWP|process|Thread \d+\.)\s?(\d+)")
_RAW = (1 << 128) - 1
_LOW = (1 << 64) - 1


def layout_of(names: list[str]) -> Layout:
    """Those of a gdb's registers that the debugger knows, under the gdb's numbers."""
    found: dict[str, Register] = {}
    for number, spelled in enumerate(names):
        known = KNOWN.get(CANONICAL.get(spelled, spelled))
        if known is not None and known.name not in found:
            found[known.name] = Register(known.name, known.bits, known.type, known.group, number, spelled)
    dialect = Dialect.TAG_MAP if TAG_MAP in found else Dialect.TAG_FIRST
    return Layout(Description("", "", (Feature("", tuple(found.values())),)), dialect)


def value_of(text: str) -> int | None:
    """The number in a register as gdb prints it; None when there is none, as in ``<unavailable>``."""
    if (wide := _WIDE.search(text)) is not None:
        return int(wide[1], 16)
    try:
        return int(text, 16)
    except ValueError:
        return None


class State:
    """``refused`` says why nothing can be read now, or ``""``. Threads are called by gdb's numbers."""

    def __init__(self, gdb: Gdb, refused: Callable[[], str]) -> None:
        self._gdb, self._refused = gdb, refused
        names = gdb.ask("-data-list-register-names").payload.get("register-names")
        self.layout = layout_of([str(name) for name in names] if isinstance(names, list) else [])
        self.names = Names(of_layout(self.layout))
        self._kept: dict[int, dict[str, int | None]] = {}
        self._threads: tuple[Thread, ...] = ()
        self._vectors = [
            n for n, s in self.layout.slots.items() if s.register.bits == 128 and not s.register.is_capability
        ]
        self._scalars = [n for n in self.layout.slots if n not in self._vectors and not n.startswith("st")]
        self.sink: Sink | None = None
        self._typed = self.names.capabilities and self.layout.dialect is not Dialect.TAG_MAP

    def stopped(self) -> None:
        """Another stop: nothing that was read holds any longer."""
        self._kept, self._threads = {}, ()

    # ---- threads ----

    def threads(self, running: int) -> tuple[Thread, ...]:
        """All, as at the last stop."""
        if not self._threads and not self._refused():
            rows = tuples_of(self._gdb.ask("-thread-info").payload, "threads")
            self._threads = tuple(_thread(row, running) for row in rows if text_of(row, "id").isdigit())
        return self._threads

    def current(self) -> int:
        """The thread that gdb has chosen; 0 when there is none."""
        found = text_of(self._gdb.ask("-thread-info").payload, "current-thread-id")
        return int(found) if found.isdigit() else 0

    # ---- registers ----

    def register(self, thread: int, name: str) -> int:
        """A register by the debugger's name; TargetError when there is none, Unknown when its value is not known."""
        if self.names.is_absent(name):
            return 0
        own = self.names.asked(name, self._gdb.name)
        kept = self._kept.get(thread, {})
        if own not in kept:
            self._read(thread, self._vectors if own in self._vectors else self._scalars)
            kept = self._kept[thread]
        value = kept.get(own)
        if value is None:
            raise Unknown(f"{self._gdb.name} does not tell {name}")
        return self.names.value(name, own, value)

    def _read(self, thread: int, names: Iterable[str]) -> None:
        if why := self._refused():
            raise Unknown(why)
        kept = self._kept.setdefault(thread, {})
        wanted = list(names)
        texts = self._listed(thread, "r", wanted)
        for name in wanted:
            kept[name] = value_of(texts[name]) if name in texts else None
        capabilities = [name for name in wanted if self.layout.register(name).is_capability]
        if self._typed and capabilities:
            shown = self._listed(thread, "N", capabilities)
            for name in capabilities:
                kept[name] = _tagged(kept[name], shown.get(name, ""))
        tagged = self.layout.with_tags(kept)
        kept.update(tagged)
        if self.sink is not None:
            self.sink.registers(thread, {name: kept[name] for name in (*wanted, *tagged)})

    def tell(self) -> None:
        """Give the sink what was read at this stop already."""
        if self.sink is not None:
            for thread, values in self._kept.items():
                self.sink.registers(thread, values)

    def _listed(self, thread: int, form: str, names: list[str]) -> dict[str, str]:
        """What gdb prints of registers in one of its formats."""
        by_number = {str(self.layout.register(name).number): name for name in names}
        command = f"-data-list-register-values --thread {thread} --skip-unavailable {form} {' '.join(by_number)}"
        rows: list[dict[str, Any]] = tuples_of(self._gdb.ask(command).payload, "register-values")
        return {by_number[n]: text_of(row, "value") for row in rows if (n := text_of(row, "number")) in by_number}

    def write(self, thread: int, name: str, value: int) -> None:
        """Write a register and read it back: a gdb may take a value and do nothing."""
        if why := self._refused():
            raise TargetError(why)
        own = self.names.asked(name, self._gdb.name)
        register = self.layout.register(own)
        value &= (1 << (129 if register.is_capability else register.bits)) - 1
        for place, part in self._places(own, value):
            self._gdb.ask(f"-gdb-set --thread {thread} var {place}={part:#x}")
        self._kept.pop(thread, None)
        if self.register(thread, own) != value:
            raise TargetError(f"{self._gdb.name} did not take the value of {name}")

    def _places(self, own: str, value: int) -> list[tuple[str, int]]:
        """What gdb's own expressions assign: numbers of 64 bits at most."""
        spelled = self.layout.register(own).spelled
        if own in self._vectors:
            words = f"${spelled}.v2_int64" if own.startswith("xmm") else f"${spelled}.d.u"
            return [(f"{words}[0]", value & _LOW), (f"{words}[1]", value >> 64)]
        if value > _LOW:
            raise TargetError(f"{self._gdb.name} makes no capabilities: {own} takes a number of 64 bits, without a tag")
        return [(f"${spelled}", value)]


def _thread(row: dict[str, Any], running: int) -> Thread:
    number, target = int(text_of(row, "id")), text_of(row, "target-id")
    host = _HOST.search(target)
    state = ThreadState.RUNNING if number == running else ThreadState.RUNNABLE
    return Thread(number, text_of(row, "name") or target, state, ids={"host": int(host[1])} if host else {})


def _tagged(value: int | None, shown: str) -> int | None:
    """Only a capability with bounds is shown with them; one that is not valid says so."""
    if value is None:
        return None
    return value & _RAW | (1 << 128 if "[" in shown and "(invalid" not in shown and ",invalid" not in shown else 0)
