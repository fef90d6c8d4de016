"""What is known of an Intravisor that runs elsewhere, from its own table; see tables.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cvmdbg.elf import ElfImage
from cvmdbg.guests.guest import Compartment, Module, Symbol
from cvmdbg.guests.intravisor import tables
from cvmdbg.guests.intravisor.tables import TABLE, Box, Shape
from cvmdbg.target import Stop, StopKind, Target, UserError

MONITOR = "M"
ALL = 1 << 64
PASSING = (StopKind.STEP, StopKind.CROSSING, StopKind.RUNNING, StopKind.BUDGET)
"""At these stops the table is not looked for again."""


@dataclass
class RunningIntravisor:
    """Satisfies Facts. While the table holds no cVM it is looked for again whenever the machine comes to stand.

    ``monitor`` has the symbol ``cvms``; ``images`` are files of runtimes, which their entry tells apart.
    """

    name: str
    machine: Target
    monitor: Module
    others: Sequence[Module]
    images: Sequence[tuple[str, bytes]]
    say: Callable[[str], None] = field(default=lambda text: None)
    trouble: str = ""  # what is wrong with the table
    _boxes: tuple[Box, ...] = ()
    _looked: Stop | None = None
    _shape: Shape = field(init=False)
    _address: int = field(init=False)

    def __post_init__(self) -> None:
        image = ElfImage(self.monitor.content, self.monitor.name)
        self._shape = tables.shape_of(image, self.monitor.name)
        self._address = self.monitor.base + image.by_name[TABLE][0].address
        self._runtimes = [(name, content, ElfImage(content, name)) for name, content in self.images]
        self._look()

    @staticmethod
    def is_monitor(content: bytes, name: str) -> bool:
        """Does a file have the table?"""
        return bool(content) and TABLE in ElfImage(content, name).by_name

    def _look(self) -> None:
        """Read the table, if it can be read and was empty."""
        stop = self.machine.stop
        if self._boxes or stop is self._looked:
            return
        passing = self._looked is not None and any(stop.reason(kind) for kind in PASSING)
        if not passing and tables.readable(self.machine, self._address):
            self._looked = stop
            try:
                self._boxes = tables.boxes(self.machine, self._address, self._shape, self.monitor.name)
            except UserError as error:
                if str(error) != self.trouble:
                    self.say(str(error))
                self.trouble = str(error)

    # ---- Facts -----------------------------------------------------------------------------------------------------

    def compartments(self) -> tuple[Compartment, ...]:
        """The monitor, then the cVMs."""
        self._look()
        by_index = {box.index: box for box in self._boxes}
        servers = {box.index: tables.server_of(box, self._address, self._shape, by_index) for box in self._boxes}
        inside = {
            badge: tuple(str(i) for i, server in servers.items() if server == badge) for badge in servers.values()
        }
        monitor = Compartment(MONITOR, "monitor", 0, ALL, 0, ALL, None, False, links=inside.get(MONITOR, ()))
        found = [
            tables.compartment(box, self._title(box), servers[box.index], inside.get(str(box.index), ()))
            for box in self._boxes
        ]
        return (monitor, *found)

    def modules(self) -> tuple[Module, ...]:
        """The monitor's, then the runtimes that are known."""
        self._look()
        runtimes = [module for box in self._boxes if (module := self._runtime(box)) is not None]
        return (self.monitor, *self.others, *runtimes)

    def symbols(self) -> tuple[Symbol, ...]:
        """All code of the monitor has its file."""
        return ()

    def file(self, path: str) -> bytes | None:
        """Its files are not known here."""
        return None

    def _title(self, box: Box) -> str:
        runtime = self._runtime(box)
        return runtime.name.removeprefix("lib").removesuffix(".so") if runtime is not None else f"cVM {box.index}"

    def _runtime(self, box: Box) -> Module | None:
        """The file whose entry the element has."""
        for name, content, image in self._runtimes:
            returns = {symbol.address & ~1 for symbol in image.by_name.get("ret_from_monitor", ())}
            entry = box.words.get("entry", 0) & ~1
            told = box.words.get("ret_from_mon", 0) & ~1
            if entry == image.entry & ~1 and (not returns or told in returns):
                size = image.image_base + image.image_size
                badge = str(box.index)
                return replace(
                    self.monitor,
                    name=name,
                    path=name,
                    base=box.words["base"],
                    size=size,
                    compartment=badge,
                    sha256="",
                    content=content,
                )
        return None
