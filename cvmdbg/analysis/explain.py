"""Why did it stop? What the fault says, which check failed on which capability, and what went before."""

from __future__ import annotations

from collections.abc import Callable

from cvmdbg.analysis.branches import fetch
from cvmdbg.analysis.case import (
    ACCESSES,
    SIGNALS,
    TITLES,
    Case,
    capability_line,
    holder,
    look_back,
    past_of,
    through,
)
from cvmdbg.analysis.crossings import Entry
from cvmdbg.analysis.past import Executed, Loss, find_loss, last_instruction
from cvmdbg.debugger import Debugger
from cvmdbg.forms import VALUE, count_text, hexa, size_text
from cvmdbg.rows import Check, Explanation
from cvmdbg.target import Fault, StopKind, TargetError
from emulator_core.capability import Capability, perm_names, seal_words


def explain(debugger: Debugger) -> Explanation:
    """Why the guest stands where it stands."""
    stop = debugger.target.stop
    reason = stop.reason(StopKind.FAULT)
    if reason is None or reason.fault is None:
        return _no_fault(debugger)
    case = Case(debugger, reason.fault, stop.thread, stop.pc, stop.tick)
    _EXPLAINERS[case.fault.kind](case)
    return _result(case)


def _result(case: Case) -> Explanation:
    fault, debugger = case.fault, case.debugger
    named, causing = _covering(debugger, case.pc), _covering(debugger, case.cause) if case.cause is not None else ""
    title = f"{TITLES.get(fault.kind, fault.kind.upper())}   {ACCESSES.get(fault.access, fault.access)}"
    return Explanation(
        title=f"{title} at {hexa(fault.address)}   {SIGNALS.get(fault.kind, '')}".rstrip(),
        kind=fault.kind,
        access=fault.access,
        address=fault.address,
        size=fault.size,
        pc=case.pc,
        function=named,
        compartment=debugger.places.badge(case.pc),
        register=fault.register,
        capability=fault.capability,
        cause=case.cause,
        cause_function=causing,
        sentences=tuple(case.sentences),
        checks=tuple(case.checks),
        next=tuple(case.next),
        basis=case.basis,
        failed_checks=case.failed,
        immediate=fault.immediate if fault.kind == "brk" else None,
        offset=_offset(debugger, case.pc),
        cause_offset=_offset(debugger, case.cause) if case.cause is not None else None,
    )


def _covering(debugger: Debugger, address: int) -> str:
    named = debugger.symbols.name_at(address)
    return named.name if named is not None else ""


def _offset(debugger: Debugger, address: int) -> int:
    named = debugger.symbols.name_at(address)
    return named.offset if named is not None else 0


# ---- checks on a capability ----


def _bounds(case: Case) -> None:
    fault = case.fault
    if fault.access == "fetch":
        fetch(case)
        return
    case.say(through(case))
    capability_line(case)
    cap = Capability(fault.capability or 0)
    case.say(_beyond(fault, cap))
    if fault.register == "ddc":
        case.say("Hybrid code: every load and store with an X base goes through DDC, so no register is named.")
    _borrowed(case, cap)
    case.next += [f"info capability ${fault.register}" if fault.register else "info registers", "backtrace"]


def _beyond(fault: Fault, cap: Capability) -> str:
    """By how much an access is out of bounds."""
    start, end = fault.address, fault.address + fault.size
    if start == cap.limit:
        return f"The access begins at the limit {hexa(cap.limit)}: the first byte that is not allowed."
    if start > cap.limit:
        return f"The access begins {count_text(start - cap.limit, 'byte')} behind the limit {hexa(cap.limit)}."
    if end > cap.limit:
        return f"The last {count_text(end - cap.limit, 'byte')} lie behind the limit {hexa(cap.limit)}."
    if start < cap.base:
        return f"The access begins {count_text(cap.base - start, 'byte')} before the base {hexa(cap.base)}."
    return "The access is within the bounds that the capability has now."


def _borrowed(case: Case, cap: Capability) -> None:
    """A capability of another compartment: it came with a call."""
    debugger = case.debugger
    here, there = debugger.places.badge(case.pc), debugger.places.badge(cap.base)
    call = debugger.trace.open_call(case.thread)
    if not here or not there or here == there:
        return
    case.say(f"The code is in {here}, the capability reaches into {there}: {there} handed it over.")
    if call is not None and call.crossing is not None:
        case.say(f"{here} serves {call.path.split('→')[0]}'s call {call.call}.")
        _argument(case, call, cap)


def _argument(case: Case, call: Entry, cap: Capability) -> None:
    assert call.crossing is not None
    for index, bits in enumerate(call.crossing.arguments):
        given = Capability(bits)
        if given.tag and (given.base, given.limit) == (cap.base, cap.limit):
            named = case.debugger.symbols.name_at(given.base)
            what = f" ({named.text})" if named is not None else ""
            case.say(f"Its bounds are those of argument c{index}{what}: {size_text(given.length)} bytes were allowed.")
            case.next.append(f"list *{call.crossing.pc:#x}")
            return


def _permission(case: Case) -> None:
    fault = case.fault
    if fault.access == "fetch":
        fetch(case)
        return
    case.say(through(case))
    capability_line(case)
    cap = Capability(fault.capability or 0)
    for name in perm_names(fault.needed):
        has = bool(cap.perms & _bit(name))
        case.checks.append(Check(name, fault.register or "", has, "present" if has else "absent"))
    missing = perm_names(fault.needed & ~cap.perms)
    if missing:
        case.say(f"The access needs {' and '.join(missing)}, which {holder(case)} does not have.")
    _borrowed(case, cap)
    case.next.append(f"info capability ${fault.register}")


def _bit(name: str) -> int:
    from emulator_core.capability import PERMISSIONS

    return next(1 << p.bit for p in PERMISSIONS if p.name == name)


def _sealed(case: Case) -> None:
    fault = case.fault
    if fault.access == "fetch":
        fetch(case)
        return
    case.say(through(case))
    capability_line(case)
    case.say(
        f"{holder(case)} is {seal_words(Capability(fault.capability or 0).otype)}; nothing can be read through it."
    )
    case.next.append(f"info capability ${fault.register}")


def _tag(case: Case) -> None:
    if case.fault.access == "fetch":
        fetch(case)
        return
    case.say(through(case))
    capability_line(case)
    case.say(f"{holder(case)} has no tag: its bits are no capability.")
    if case.fault.register is not None:
        _lost(case, case.fault.register)
        case.next.append(f"info capability ${case.fault.register}")


def _lost(case: Case, register: str) -> None:
    """Where the tag went, from the guest's own past."""
    loss = look_back(case, lambda now: find_loss(past_of(case), case.thread, case.tick or 0, register, now))
    if not isinstance(loss, Loss):
        case.basis = "derived"
        case.say(f"Where {register} lost its tag is not known here.")
        return
    step = loss.executed
    case.cause = step.pc
    case.say(f"The tag was lost at tick {step.tick}: {step.instruction.text}   {case.place(step.pc)}")
    case.say(f"There {loss.how}.")
    case.next.append(f"list *{step.pc:#x}")


# ---- fetches ----


# ---- the rest ----


def _alignment(case: Case) -> None:
    fault = case.fault
    case.say(through(case))
    need = 16 if fault.access.endswith("-cap") else fault.size
    case.say(f"The address {hexa(fault.address)} is no multiple of {need}: off by {fault.address % max(need, 1)}.")
    named = case.debugger.symbols.name_at(fault.address)
    if named is not None:
        case.say(f"It lies in {named.text}; an object that holds capabilities must be aligned to 16.")
    case.next.append("backtrace")


def _page(case: Case) -> None:
    fault, places = case.fault, case.debugger.places
    case.say(through(case))
    path = places.path(fault.address)
    if any(part.kind == "guard" for part in path):
        slot = next((p.name for p in path if p.kind == "slot"), "the slot")
        badge = places.badge(fault.address)
        case.say(f"{hexa(fault.address)} is in the guard page of {slot} of {badge}: the stack has overflowed.")
        case.say("The TP page above the guard was overwritten before the guard stopped it.")
        case.say(f"The backtrace is {count_text(len(case.debugger.frames(4096)), 'frame')} deep.")
    else:
        region = next(
            (r for r in case.debugger.target.regions() if r.address <= fault.address < r.address + r.size), None
        )
        prot = region.prot if region is not None else "---"
        case.say(f"The page at {hexa(fault.address & ~4095)} is {prot}: the {ACCESSES[fault.access]} is not allowed.")
    case.next.append("backtrace 5")


_WALKS = {
    0: "An address is larger than the physical ones",
    1: "There is no translation",
    2: "The access flag is not set",
}
"""ESR.xFSC, bits 5..2: why a walk failed (Arm DDI 0487, ESR_ELx, ISS of an abort)."""


def _unmapped(case: Case) -> None:
    case.say(through(case) if case.fault.access != "fetch" else f"fetch at {case.place(case.pc)}")
    case.say(f"{hexa(case.fault.address)} is not mapped.")
    if case.debugger.places.is_machine:
        walked = _WALKS.get(case.fault.esr >> 2 & 0xF)
        if walked is not None:
            case.say(f"{walked}, says the walk of the page tables at level {case.fault.esr & 3}.")
    if case.fault.access == "fetch":
        fetch(case)


def _undefined(case: Case) -> None:
    word = ""
    try:
        word = f" {int.from_bytes(case.debugger.target.read(case.pc, 4), 'little'):08x}"
    except TargetError:
        word = ""
    case.say(f"The word{word} at {case.place(case.pc)} is no instruction.")
    compartment = case.debugger.places.at(case.pc)
    if compartment is not None and case.pc == compartment.base:
        case.say(f"It is the ELF header at {compartment.badge}:0: a null function pointer was called.")
    before = look_back(case, lambda now: last_instruction(past_of(case), case.thread, case.tick or 0))
    if isinstance(before, Executed):
        if before.pc != case.pc - 4:
            case.cause = before.pc
            case.say(f"It was reached from {before.instruction.text}   {case.place(before.pc)}")
            case.next.append(f"list *{before.pc:#x}")
    else:
        case.basis = "derived"
        case.say(f"The last link is c30: {case.place(case.debugger.target.read_register(case.thread, 'c30') & VALUE)}")
    case.next.append("backtrace")


def _brk(case: Case) -> None:
    case.say(f"brk #{case.fault.immediate:#x} at {case.place(case.pc)}: the program asked to stop here.")
    case.next.append("backtrace")


def _system(case: Case) -> None:
    case.say(f"{case.instruction(case.pc)}   {case.place(case.pc)}")
    case.say("The exception level or PCC (System permission) does not allow this register or instruction.")


_EXPLAINERS: dict[str, Callable[[Case], None]] = {
    "tag": _tag,
    "sealed": _sealed,
    "bounds": _bounds,
    "permission": _permission,
    "page": _page,
    "unmapped": _unmapped,
    "alignment": _alignment,
    "undefined": _undefined,
    "brk": _brk,
    "system": _system,
}


# ---- stops that are no fault ----


def _no_fault(debugger: Debugger) -> Explanation:
    stop, halt = debugger.target.stop, debugger.halt
    text = halt.text if halt is not None else "the guest is deployed and has not run"
    kind = halt.kind if halt is not None else "none"
    sentences = list(halt.lines) if halt is not None else []
    next_ = ["run" if kind == "exit" else "continue"]
    thread = debugger.thread
    if thread >= 0:
        call = debugger.trace.open_call(thread)
        if call is not None:
            sentences.append(f"The thread is inside {call.path} {call.call}.")
            next_.append("info syscall")
    if kind == "waiting":
        sentences.append("It goes on with what standard input brings: on the screen > opens a line to it.")
    if kind == "deadlock":
        sentences += [f"{t.name}: {t.reason or t.state.value}" for t in debugger.threads()]
        next_ = ["info threads"]
    return Explanation(
        title=text,
        kind=kind,
        access="",
        address=None,
        size=None,
        pc=stop.pc,
        function=_covering(debugger, stop.pc),
        compartment=debugger.places.badge(stop.pc),
        register=None,
        capability=None,
        cause=None,
        cause_function="",
        sentences=tuple(sentences),
        checks=(),
        next=tuple(next_),
        basis="recorded",
        offset=_offset(debugger, stop.pc),
    )
