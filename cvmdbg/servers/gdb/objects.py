"""What the guest consists of, for qXfer: libraries (svr4), the executable, its memory map, a fault's siginfo; files."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from xml.sax.saxutils import quoteattr

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from cvmdbg.debugger import Debugger
from cvmdbg.guests.guest import Module
from cvmdbg.servers.gdb.stops import siginfo, told
from cvmdbg.target import StopKind


class Objects:
    """The objects of one guest. Each is made when it is asked for, from what is in memory then."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._makers: dict[str, Callable[[], bytes]] = {"siginfo": self._siginfo}
        if debugger.places.is_machine:
            self._makers |= {"memory-map": self._memory_map, "exec-file": self._exec_file}
        else:
            self._makers["libraries-svr4"] = self._libraries

    @property
    def names(self) -> frozenset[str]:
        """What this guest has."""
        return frozenset(self._makers)

    def make(self, name: str) -> bytes:
        """One of them."""
        return self._makers[name]()

    def file(self, path: str) -> bytes | None:
        """A file of the guest's own world: a module in memory, by its library name or its path."""
        for module in self._modules():
            if path in (library_name(module), f"/{module.path.lstrip('/')}"):
                return module.content
        return self._debugger.facts.file(path)

    def _modules(self) -> tuple[Module, ...]:
        return tuple(entry.module for entry in self._debugger.symbols.loaded)

    def _exec_file(self) -> bytes:
        """A machine runs one program, at the addresses that it was linked for."""
        modules = self._modules()
        return f"/{modules[0].path.lstrip('/')}".encode("utf-8", "surrogateescape") if modules else b""

    def _libraries(self) -> bytes:
        """Every module as a library: each lies in a compartment of its own, none is *the* program."""
        rows = "".join(
            f'<library name={quoteattr(library_name(m))} lm="{m.base:#x}" l_addr="{m.base:#x}" '
            f'l_ld="{m.base + _dynamic(m):#x}" lmid="0x0"/>'
            for m in self._modules()
        )
        return f'<library-list-svr4 version="1.0">{rows}</library-list-svr4>'.encode("utf-8", "surrogateescape")

    def _memory_map(self) -> bytes:
        """What is mapped and, in rows of their own, the gaps.

        gdb asks once and refuses what is not in it, but the machine may turn its page tables on later.
        """
        regions = self._debugger.target.regions()
        edges = {0, (1 << 64) - 1} | {r.address for r in regions} | {r.address + r.size for r in regions}
        rows = "".join(
            f'<memory type="ram" start="{start:#x}" length="{end - start:#x}"/>'
            for start, end in pairwise(sorted(edge for edge in edges if edge < 1 << 64))
        )
        return f"<memory-map>{rows}</memory-map>".encode()

    def _siginfo(self) -> bytes:
        stop = self._debugger.target.stop
        reason, shown = stop.reason(StopKind.FAULT), told(stop)
        return siginfo(None if reason is None else reason.fault, 5 if shown is None else shown.signal)


def calls_cross(debugger: Debugger) -> bool:
    """Are the guest's system calls crossings into another compartment, at which a run can stop?"""
    return any(compartment.callback_out for compartment in debugger.facts.compartments())


def library_name(module: Module) -> str:
    """``/16/libos.so``: the same file in two compartments is two libraries."""
    return f"/{module.compartment}/{module.path.lstrip('/')}"


def _dynamic(module: Module) -> int:
    """Where a module's dynamic section lies, from its base; 0 when it has none."""
    try:
        segments = ELFFile(io.BytesIO(module.content)).iter_segments()
        return next((int(s["p_vaddr"]) for s in segments if s["p_type"] == "PT_DYNAMIC"), 0)
    except ELFError:
        return 0
