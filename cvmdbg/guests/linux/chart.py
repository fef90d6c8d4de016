"""Facts of the compartment map: the LibOS, its programs, what is mapped in each."""

from __future__ import annotations

import hashlib

from cvmdbg.guests.guest import Compartment, Module, Part, Symbol
from cvmdbg.guests.linux import image
from cvmdbg.guests.linux.kernel import Kernel
from cvmdbg.guests.linux.nodes import Node
from cvmdbg.guests.linux.space import PAGE
from cvmdbg.guests.linux.state import Program

LIBOS, LIBOS_BASE, LIBOS_SIZE = "16", 16 << 30, 1 << 30
GATE = (0xD4000001, 0xD65F03C0)


def _programs(kernel: Kernel) -> list[Program]:
    seen: dict[int, Program] = {}
    for program in kernel.state.programs.values():
        if program.cvm in kernel.state.spaces:
            seen.setdefault(program.cvm, program)
    return [seen[cvm] for cvm in sorted(seen)]


def compartments(kernel: Kernel) -> tuple[Compartment, ...]:
    """The LibOS and the programs."""
    badges = tuple(kernel.badge(p.cvm) for p in _programs(kernel))
    gate = Part("gate", "code", LIBOS_BASE, PAGE, "r-x", "r-x")
    libos = Compartment(
        LIBOS, "LibOS", LIBOS_BASE, LIBOS_SIZE, LIBOS_BASE, LIBOS_BASE + LIBOS_SIZE, None, False,
        parts=(gate,), links=badges,
    )  # fmt: skip
    return (libos, *(_compartment(kernel, p) for p in _programs(kernel)))


def _compartment(kernel: Kernel, program: Program) -> Compartment:
    space = kernel.state.spaces[program.cvm]
    return Compartment(
        kernel.badge(program.cvm), f"{program.path.rpartition('/')[2]} {program.pid}", space.base, space.size,
        space.base, space.base + space.size, LIBOS, False, callback_out="LibOS",
        parts=tuple(
            Part(a.name.rpartition("/")[2] or "mapping", _part_kind(a.name), space.base + a.start, a.end - a.start,
                 _letters(a.prot), _letters(a.prot))
            for a in space.areas
        ),
    )  # fmt: skip


def modules(kernel: Kernel) -> tuple[Module, ...]:
    """ELF files whose first page is mapped."""
    found: dict[tuple[int, int], Module] = {}
    for program in _programs(kernel):
        space = kernel.state.spaces[program.cvm]
        for area in space.areas:
            node = kernel.files.nodes.get(area.inode) if area.inode and not area.offset else None
            if node is None or (program.cvm, area.inode) in found:
                continue
            module = _module(kernel, node, area.name, space.base + area.start, kernel.badge(program.cvm))
            if module is not None:
                found[(program.cvm, area.inode)] = module
    return tuple(found.values())


def _module(kernel: Kernel, node: Node, path: str, start: int, badge: str) -> Module | None:
    if node.kind != "file" or kernel.files.read(node, 0, 4) != b"\x7fELF":
        return None
    content = kernel.files.read(node, 0, node.size)
    try:
        parsed = image.read(content)
    except image.ImageError:
        return None
    base = start - parsed.begin
    return Module(path.rpartition("/")[2], path, base, parsed.end, badge, hashlib.sha256(content).hexdigest(), content)


def symbols(kernel: Kernel) -> tuple[Symbol, ...]:
    """The LibOS's gate, and each program's way back from a signal."""
    gate = (Symbol("libos_syscall", LIBOS_BASE, 4 * len(GATE), LIBOS),)
    pages = (
        Symbol("__kernel_rt_sigreturn", s.base + s.entry, 8, kernel.badge(number))
        for number, s in kernel.state.spaces.items()
        if s.entry
    )
    return (*gate, *pages)


def _letters(prot: str) -> str:
    return "".join(x if x in prot else "-" for x in "rwx")


def _part_kind(name: str) -> str:
    return {"[heap]": "heap", "[stack]": "stack", "[sigreturn]": "code"}.get(name, "segment" if name else "heap")
