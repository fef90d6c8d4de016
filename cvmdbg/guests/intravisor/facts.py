"""Facts of the compartment map: what lies where in the monitor and in each cVM, and what each was given."""

from __future__ import annotations

from dataclasses import replace

from cvmdbg.guests.guest import Compartment, Grant, Module, Part, Tap
from cvmdbg.guests.intravisor import capfiles, trampolines
from cvmdbg.guests.intravisor.capabilities import USER_SPACE
from cvmdbg.guests.intravisor.deploy import Deployment
from cvmdbg.guests.intravisor.elf import PF_W, PF_X, Segment
from cvmdbg.guests.intravisor.hostcalls.names import HEAP
from cvmdbg.guests.intravisor.layout import PAGE, STACK_SIZE, Slot
from cvmdbg.guests.intravisor.state import State
from cvmdbg.guests.intravisor.thread import slot_caps

TAPPED = "lkl_syscall"
"""The kernel's entry in a cVM that has its kernel inside (musl-lkl)."""
TITLES = (
    "sealed COMP PCC",
    "sealed COMP DDC",
    "COMP DDC",
    "sealed HC PCC",
    "sealed HC DDC",
    "sealed OCALL PCC",
    "sealed ret from mon",
    "SP",
    "TP",
)


def module(made: Deployment) -> Module:
    """The ELF of a cVM. ``sha256`` is the one that the monitor prints: of the image, before relocation."""
    layout = made.layout
    return Module(
        made.elf.name, made.elf.name, layout.base, layout.image_pages, layout.badge, made.sha256, made.elf.content
    )


def tap(made: Deployment) -> Tap:
    """A kernel's entry that lies in its own cVM."""
    layout = made.layout
    base = 0 if layout.pure else layout.begin
    return Tap((layout.base + made.elf.symbols[TAPPED]) & ~1, f"{layout.badge}→LKL", base)


def compartments(cvms: tuple[Deployment, ...], fixed: tuple[Compartment, ...], state: State) -> tuple[Compartment, ...]:
    """The monitor, then the cVMs, those that serve before those they serve; ``fixed`` as below, in that order."""
    slots = (_slots(made, state) for made in cvms)
    whole = (replace(cvm, parts=(*cvm.parts, its)) for cvm, its in zip(fixed, slots, strict=True))
    return (_monitor(cvms, state), *whole)


def _monitor(cvms: tuple[Deployment, ...], state: State) -> Compartment:
    pages = [trampolines.for_abi(pure).page for pure in sorted({made.layout.pure for made in cvms}, reverse=True)]
    names = {trampolines.PURE.page: "trampolines", trampolines.HYBRID.page: "trampolines (hybrid)"}
    parts = tuple(Part(names[page], "code", page, PAGE, "r-x", "r-x") for page in pages)
    parts += capfiles.parts(state.capfiles)
    if state.heap:
        size = -(-state.heap // PAGE) * PAGE
        parts += (Part("heap of getaddrinfo", "heap", HEAP, size, "rw-", "rw-"),)
    start, end = min(pages), max(part.address + part.size for part in parts)
    links = tuple(made.layout.badge for made in cvms if made.served_by == "M")
    return Compartment("M", "monitor", start, end - start, 0, USER_SPACE, None, False, parts=parts, links=links)


def fixed(made: Deployment, cvms: tuple[Deployment, ...]) -> Compartment:
    """What of a cVM stays as it was deployed: all but its slots."""
    layout, config = made.layout, made.config
    return Compartment(
        badge=layout.badge,
        name=config.name or "",
        base=layout.base,
        size=layout.size,
        begin=layout.begin,
        end=layout.end,
        inside=made.served_by,
        pure=layout.pure,
        callback_out=config.callback_out or "monitor",
        callback_in=config.callback_in or "",
        store=layout.store,
        parts=(*_image(made), _heap(made), _store(made)),
        grants=_grants(made, cvms),
        links=tuple(other.layout.badge for other in cvms if other.served_by == layout.badge),
    )


def _image(made: Deployment) -> list[Part]:
    """Segments as the ELF asks for them; their pages are all rwx. A hybrid header may lie under TP words."""
    parts = []
    for load in made.elf.segments:
        note = "" if load.letters == "rwx" else "rwx!"
        if not made.layout.pure and load.vaddr == 0 and made.layout.begin == made.layout.base:
            note += " hdr!"
        address = made.layout.base + load.vaddr
        parts.append(Part(_name(load, made), "segment", address, load.memsz, load.letters, "rwx", note.strip()))
    return parts


def _name(load: Segment, made: Deployment) -> str:
    if load.flags & PF_X:
        return "text"
    if not load.flags & PF_W:
        return "rodata"
    later = any(other.flags & PF_W and other.vaddr > load.vaddr for other in made.elf.segments)
    return "relro" if later else "data bss"


def _heap(made: Deployment) -> Part:
    """``wide!``: the format rounds the heap capability of a purecap cVM beyond the heap."""
    layout = made.layout
    note = ""
    if layout.pure:
        cap = made.data(layout.heap, layout.heap_size, layout.heap)
        note = "wide!" if (cap.base, cap.limit) != (layout.heap, layout.stacks) else ""
    return Part("heap", "heap", layout.heap, layout.heap_size, "rwx", "rwx", note)


def _store(made: Deployment) -> Part:
    return Part("cap store", "store", made.layout.store, PAGE, "rw-", "rw-")


def _slots(made: Deployment, state: State) -> Part:
    """Slots 62 to 0, those that a thread has or had in pieces."""
    layout = made.layout
    used = sorted({t.slot for t in state.threads if t.cid == layout.cid} | {0})
    running = sum(1 for t in state.threads if t.cid == layout.cid and not t.exited)
    start = layout.slot(62).bottom
    slots = tuple(_slot(layout.slot(number)) for number in used)
    return Part("slots", "slots", start, layout.top - start, "rw-", "rw-", f"{running} run", slots)


def _slot(slot: Slot) -> Part:
    stack = slot.tp + PAGE
    parts = (
        Part("guard", "guard", slot.bottom, PAGE, "r--", "r--"),
        Part("TP page", "tp", slot.tp, PAGE, "rw-", "rw-"),
        Part("stack", "stack", stack, slot.sp - stack, "rw-", "rw-"),
        Part("argv", "stack", slot.sp, PAGE * 2, "rw-", "rw-"),
        Part("monitor frames", "stack", slot.sp + PAGE * 2, slot.top - slot.sp - PAGE * 2, "rw-", "rw-"),
    )
    return Part(f"slot {slot.number}", "slot", slot.bottom, STACK_SIZE, "rw-", "rw-", "", parts)


def _grants(made: Deployment, cvms: tuple[Deployment, ...]) -> tuple[Grant, ...]:
    values = [cap.bits for cap in (*made.caps, *slot_caps(made, made.layout.slot(0)))]
    return tuple(
        Grant(f"ca{number}", title, value, meaning)
        for number, (title, value, meaning) in enumerate(zip(TITLES, values, _meanings(made), strict=True))
    )


def _meanings(made: Deployment) -> tuple[str, ...]:
    badge, name, mode = made.layout.badge, made.elf.name, ", C64" if made.elf.entry & 1 else ""
    served = made.served_by
    gate = "M hostcall_asm" if served == "M" else f"{served} syscall_handler"
    inner = "M ret_from_cinv2" if served == "M" else f"untagged: {served} serves, and advertises none"
    pure = made.layout.pure
    return (
        f"entry of {name}{mode}",
        f"all of {badge}",
        f"all of {badge}, unsealed, in the store",
        gate,
        f"all of {served}",
        inner,
        f"{badge} ret_from_monitor",
        "slot 0" if pure else "slot 0, a number relative to DDC",
        "TP page of slot 0" if pure else "never set: a hybrid cVM has no thread pointer",
    )
