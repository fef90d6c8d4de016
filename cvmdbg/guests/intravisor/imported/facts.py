"""The facts of the map from a story: the same values as those of an emulated guest, unknown where the log is silent."""

from __future__ import annotations

from cvmdbg.guests.guest import Compartment, Grant, Module, Part
from cvmdbg.guests.intravisor.facts import TITLES
from cvmdbg.guests.intravisor.imported.known import MONITOR, CvmTold, ThreadTold
from cvmdbg.guests.intravisor.imported.printed import Printed
from cvmdbg.guests.intravisor.imported.story import Story
from cvmdbg.target import Thread, ThreadState
from emulator_core._core import Capability

UNTOLD = "—"
"""Permissions of a part that the log does not tell."""


def compartments(story: Story) -> tuple[Compartment, ...]:
    """The monitor, whose memory the log does not tell, then the cVMs in the order of deployment."""
    cvms = [cvm for cvm in story.cvms.values() if cvm.base is not None]
    links = tuple(cvm.badge for cvm in cvms if _server(cvm, story) == "M")
    monitor = Compartment("M", MONITOR, 0, 0, 0, 0, None, None, links=links)
    return (monitor, *(_compartment(cvm, story) for cvm in cvms)) if cvms else ()


def _server(cvm: CvmTold, story: Story) -> str | None:
    """Who serves a cVM: the monitor, or the cVM whose runtime it names; None when no line tells of that one."""
    if cvm.callback_out == MONITOR:
        return "M"
    return next((c.badge for c in story.cvms.values() if c is not cvm and c.runtime == cvm.callback_out), None)


def _compartment(cvm: CvmTold, story: Story) -> Compartment:
    assert cvm.base is not None
    return Compartment(
        badge=cvm.badge,
        name=cvm.name,
        base=cvm.base,
        size=cvm.size,
        begin=cvm.begin,
        end=cvm.end,
        inside=_server(cvm, story),
        pure=cvm.pure,
        callback_out=cvm.callback_out,
        callback_in=cvm.callback_in,
        store=cvm.store,
        parts=tuple(_parts(cvm, story)),
        grants=tuple(_grant(printed, cvm, story) for printed in cvm.capabilities),
        links=tuple(c.badge for c in story.cvms.values() if _server(c, story) == cvm.badge),
    )


# ---- parts -----------------------------------------------------------------------------------------------------------


def _parts(cvm: CvmTold, story: Story) -> list[Part]:
    parts = [_segment(cvm, s.index, s.address, s.size, s.writable) for s in cvm.segments]
    if cvm.heap is not None:
        begin, end = cvm.heap
        inside = [p for p in _modules(cvm, story) if begin <= p.address < end]
        parts.append(Part("heap", "heap", begin, max(0, end - begin), UNTOLD, "", parts=tuple(inside)))
    if cvm.store is not None:
        parts.append(Part("cap store", "store", cvm.store, 0, UNTOLD, ""))
    if cvm.stacks is not None:
        begin, end = cvm.stacks
        slots = tuple(_slot(t, cvm) for t in story.threads if t.cvm is cvm and t.slot is not None)
        running = sum(1 for t in story.threads if t.cvm is cvm and t.slot is not None and not t.ended)
        note = f"{running} begun" if running else ""
        parts.append(Part("slots", "slots", begin, max(0, end - begin), UNTOLD, "", note, slots))
    return parts


def _segment(cvm: CvmTold, index: int, address: int, size: int, writable: bool) -> Part:
    """Writable or not is told; executable follows where an entry lies in it."""
    assert cvm.base is not None
    entries = [cvm.base + e for e in (cvm.entry, cvm.returns, cvm.gate) if e is not None]
    code = any(address <= entry & ~1 < address + size for entry in entries)
    flags = f"r{'w' if writable else '-'}{'x' if code else '?'}"
    return Part(f"[{index}] text" if code else f"[{index}]", "segment", address, size, flags, "")


def _modules(cvm: CvmTold, story: Story) -> list[Part]:
    return [
        Part(m.path.rpartition("/")[2] or "?", "module", m.base, m.size, UNTOLD, "", ".so")
        for m in story.modules
        if m.cvm is cvm and m.base is not None
    ]


def _slot(thread: ThreadTold, cvm: CvmTold) -> Part:
    assert thread.stack is not None
    bottom, top = thread.stack
    page = next((p for p in cvm.capabilities if p.number == 8 and p.value is not None), None)
    parts: tuple[Part, ...] = ()
    if page is not None:
        cap = Capability(page.value or 0)
        if bottom <= cap.base < top:
            parts = (Part("TP page", "tp", cap.base, cap.length, UNTOLD, ""),)
    return Part(f"slot {thread.slot}", "slot", bottom, max(0, top - bottom), UNTOLD, "", thread.said, parts)


# ---- capabilities ----------------------------------------------------------------------------------------------------


def _grant(printed: Printed, cvm: CvmTold, story: Story) -> Grant:
    """One of ca0 … ca8. Its title is the log's; a capability that cannot exist is said to be one."""
    title = TITLES[printed.number] if 0 <= printed.number < len(TITLES) else printed.title
    if printed.value is None:
        return Grant(f"ca{printed.number}", title, 0, "the printed fields are those of no capability")
    return Grant(f"ca{printed.number}", title, printed.value, _meaning(printed.number, printed.value, cvm, story))


def _meaning(number: int, value: int, cvm: CvmTold, story: Story) -> str:
    cap = Capability(value)
    if number == 0 and cap.value & ~1 == ((cvm.base or 0) + (cvm.entry or 0)) & ~1:
        return f"entry of {cvm.runtime}" + (", C64" if cap.value & 1 else "")
    if number == 5 and not cap.tag:
        return "untagged"
    owner = next((c for c in story.cvms.values() if c.holds(cap.base) and c.holds(cap.limit - 1)), None)
    if owner is None or owner.base is None:
        return "the monitor's" if cap.length >= 1 << 48 and number in (3, 4, 5) else ""
    if number == 3 and owner.gate is not None and cap.value & ~1 == (owner.base + owner.gate) & ~1:
        return f"{owner.badge} syscall_handler"
    if number == 6:
        return f"{owner.badge} ret_from_monitor"
    whole = (cap.base, cap.limit) == (owner.base, owner.base + owner.size)
    return f"all of {owner.badge}" if whole else f"in {owner.badge}"


# ---- modules and threads ---------------------------------------------------------------------------------------------


def modules(story: Story) -> tuple[Module, ...]:
    """Runtimes, then what loaders mapped. No content: a log carries no file."""
    found = [
        Module(c.runtime, c.runtime, c.base, c.image_size, c.badge, c.sha256, b"")
        for c in story.cvms.values()
        if c.base is not None and c.image_size is not None
    ]
    for told in story.modules:
        if told.base is not None:
            badge = told.cvm.badge if told.cvm is not None else ""
            found.append(Module(told.path.rpartition("/")[2] or "?", told.path, told.base, told.size, badge, "", b""))
    return tuple(found)


def threads(story: Story) -> tuple[Thread, ...]:
    """What is told of threads; whether one runs or waits never is."""
    return tuple(
        Thread(t.number, t.name, ThreadState.EXITED if t.ended else ThreadState.UNKNOWN, t.said, dict(t.ids))
        for t in story.threads
    )
