"""Threads and registers of the stopped machine, read once for each stop, in one batch where the stub allows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cvmdbg.target import TargetError, Thread, ThreadState, Unknown
from cvmdbg.targets.live.names import Names
from cvmdbg.targets.live.parts import Sink
from cvmdbg.targets.remote.link import Link
from gdbstub import inspection
from gdbstub.call import Call, ProtocolError, Unsupported
from gdbstub.commands import registers, threads
from gdbstub.layout import TAG_MAP
from gdbstub.thread import ThreadId

_KM_POINTER = re.compile(r"0x([0-9a-fA-F]{6,16})")


@dataclass
class _Kept:
    """A thread at this stop. ``values`` by the peer's names; None: the stub does not know it."""

    values: dict[str, int | None] = field(default_factory=dict)


class State:
    """``refused`` says why nothing can be read now, or "". Threads are called by their tid."""

    def __init__(self, link: Link, names: Names, refused: Callable[[], str]) -> None:
        self._link, self.names, self._refused = link, names, refused
        self.ids: dict[int, ThreadId] = {}
        self._kept: dict[int, _Kept] = {}
        self._titles: dict[int, str] = {}
        self._single: tuple[str, ...] | None = None  # what ``g`` does not reach and ``p`` gives
        self._selected: ThreadId | None = None
        self.sink: Sink | None = None

    # ---- threads ----

    def stopped(self, thread: ThreadId | None) -> int:
        """Another stop; who runs. Its registers and the list of threads are read at once."""
        self._kept, self._selected = {}, None
        if thread is None or thread.tid <= 0:
            thread = self._current()
        if thread.tid not in self.ids:
            self.ids[thread.tid] = thread
        self._read([thread.tid])
        return thread.tid

    def forget(self) -> None:
        """Registers are read again."""
        self._kept.clear()

    def _current(self) -> ThreadId:
        value = self._link.client.batch([threads.current()])[0]
        if isinstance(value, ThreadId) and value.tid > 0:
            return value
        return next(iter(inspection.list_threads(self._link.client)))

    def refresh(self) -> None:
        """List the threads anew."""
        with self._link.telling():
            found = inspection.list_threads(self._link.client)
        self.ids = {one.tid: one for one in found}
        self._link.threads = any(number > 0 for number in self.ids)

    def threads(self, running: int) -> tuple[Thread, ...]:
        """All, with what the stub says of each."""
        for number in [n for n in self.ids if n not in self._titles]:
            self._titles[number] = self._title(number)
        return tuple(self._thread(number, running) for number in sorted(self.ids))

    def _title(self, number: int) -> str:
        if self._refused() or not self._link.threads:
            return ""
        value = self._link.client.batch([threads.describe(self.ids[number])])[0]
        return value if isinstance(value, str) else ""

    def _thread(self, number: int, running: int) -> Thread:
        title = self._titles.get(number, "")
        ids = {"host": number} if number > 0 else {}
        if self._link.stub.kind == "km":
            pointer = _KM_POINTER.search(title)
            if pointer is not None:
                ids["pthread"] = int(pointer[1], 16)
        state = ThreadState.RUNNING if number == running else ThreadState.RUNNABLE
        name = title.split()[0] if title and self._link.stub.kind != "km" else str(number) if number > 0 else "cpu"
        return Thread(number, name, state, ids=ids)

    # ---- registers ----

    def register(self, thread: int, name: str) -> int:
        """A register by the debugger's name; TargetError when there is none, Unknown when its value is not known."""
        if self.names.is_absent(name):
            return 0
        own = self.names.asked(name, self._link.name)
        if own == "cctlr" and self.names.is_told("CCTLR_EL3"):  # QEMU's cctlr is that of EL0, whatever the level
            own = f"CCTLR_EL{self.register(thread, 'cpsr') >> 2 & 3}"
        kept = self._kept.get(thread)
        if kept is None or own not in kept.values:
            self._read_more(thread, own)
            kept = self._kept[thread]
        value = kept.values.get(own)
        if value is None:
            raise Unknown(f"{self._link.name} does not tell {name}")
        return self.names.value(name, own, value)

    def _read_more(self, thread: int, own: str) -> None:
        why = self._refused()
        if why:
            raise Unknown(why)
        if thread not in self.ids:
            raise TargetError(f"there is no thread {thread}")
        if thread not in self._kept:
            self._read([n for n in self.ids if n not in self._kept])  # who asks for one wants them all: a pane
        if own not in self._kept[thread].values:
            known = self._kept[thread].values
            self._read_single(
                thread,
                [n for n in self._link.layout.slots if n not in known and _is_system(n)] if _is_system(own) else [own],
            )

    def _read(self, numbers: Iterable[int]) -> None:
        """``g`` of threads, and by ``p`` what it does not reach, in one batch once that is known."""
        layout, client = self._link.layout, self._link.client
        known = list(numbers)
        single = self._single or ()
        calls: list[Call[Any]] = []
        for number in known:
            calls += self._selecting(self.ids[number])
            calls.append(registers.read_all(layout))
            calls += [registers.read_one(layout, name) for name in single]
        with self._link.telling():
            values = iter(client.batch(calls))
        for number in known:
            if self._selects:
                next(values)
            block = next(values)
            if isinstance(block, ProtocolError):
                raise TargetError(f"{self._link.name}: {block}")
            kept = self._kept.setdefault(number, _Kept(dict(block)))
            kept.values.update({name: _known(next(values)) for name in single})
            kept.values.update(layout.with_tags(kept.values))
            self._tell(number, kept.values)
        if self._single is None and known:
            self._learn(known[-1])

    @property
    def _selects(self) -> bool:
        return self._link.threads

    def _selecting(self, thread: ThreadId) -> list[Call[Any]]:
        if not self._selects:
            return []
        self._selected = thread
        return [threads.select(thread)]

    def _learn(self, thread: int) -> None:
        """What does ``g`` not reach of what every stop shows? Vectors and QEMU's 250 system registers can wait."""
        missing = [
            name
            for name, slot in self._link.layout.slots.items()
            if name not in self._kept[thread].values
            and not (slot.register.bits == 128 and name[0] == "v")
            and (not _is_system(name) or name.startswith("CCTLR_EL"))
        ]
        if not missing:
            self._single = ()
            return
        values = self._read_single(thread, missing)
        self._single = tuple(name for name in missing if not isinstance(values[name], Unsupported))

    def _read_single(self, thread: int, names: list[str]) -> dict[str, object]:
        layout = self._link.layout
        if layout.dialect.value == TAG_MAP.replace("_", "-") and TAG_MAP in layout.slots and TAG_MAP not in names:
            names = [*names, TAG_MAP]
        selecting = self._selecting(self.ids[thread])
        with self._link.telling():
            found = self._link.client.batch([*selecting, *(registers.read_one(layout, name) for name in names)])
        values = dict(zip(names, found[len(selecting) :], strict=True))
        kept = self._kept[thread].values
        kept.update({name: _known(value) for name, value in values.items()})
        tagged = layout.with_tags(kept)
        kept.update(tagged)
        self._tell(thread, {name: kept[name] for name in (*values, *tagged)})
        return values

    def tell(self) -> None:
        """Give the sink what was read at this stop already."""
        for number, kept in self._kept.items():
            self._tell(number, kept.values)

    def _tell(self, thread: int, values: Mapping[str, int | None]) -> None:
        if self.sink is not None:
            self.sink.registers(thread, values)

    def write(self, thread: int, name: str, value: int) -> None:
        """Write a register and read it back: a stub may answer OK and do nothing."""
        why = self._refused()
        if why:
            raise TargetError(why)
        own = self.names.asked(name, self._link.name)
        client, layout = self._link.client, self._link.layout
        with self._link.telling():
            client.batch(self._selecting(self.ids[thread]))
            try:
                client.call(registers.write_one(layout, own, value))
            except Unsupported:
                self._write_block(own, value)
        self._kept.pop(thread, None)
        self._read([thread])
        if own not in self._kept[thread].values:
            self._read_single(thread, [own])
        found = self._kept[thread].values.get(own)
        size = (1 << (129 if layout.register(own).is_capability else layout.register(own).bits)) - 1
        if found != value & size:
            raise TargetError(f"{self._link.name} did not take the value of {name}: it still is {found or 0:#x}")

    def _write_block(self, own: str, value: int) -> None:
        """By ``G``, for stubs without ``P``."""
        client, slot = self._link.client, self._link.layout.slots[own]
        block = bytearray(client.call(registers.read_block()))
        block[slot.offset : slot.offset + slot.size] = self._link.layout.encode(own, value)
        client.call(registers.write_block(bytes(block)))


def _is_system(name: str) -> bool:
    """Is it a system register? These are spelled in capitals."""
    return name[:1].isupper()


def _known(value: object) -> int | None:
    return value if isinstance(value, int) else None
