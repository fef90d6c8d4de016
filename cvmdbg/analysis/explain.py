"""Why did it stop? What the fault says, which check failed on which capability, and what went before."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from cvmdbg.analysis.crossings import Entry
from cvmdbg.analysis.past import Executed, Loss, Past, find_loss, last_instruction
from cvmdbg.debugger import Debugger
from cvmdbg.forms import VALUE, capability_text, count_text, hexa, size_text
from cvmdbg.frames import C64
from cvmdbg.rows import Check, Explanation
from cvmdbg.target import Crossing, Fault, StopKind, TargetError
from emulator_core.capability import Capability, perm_names, seal_words
from emulator_core.disassembler import disassemble

TITLES = {
    "tag": "CAPABILITY TAG FAULT",
    "sealed": "CAPABILITY SEALED FAULT",
    "bounds": "CAPABILITY BOUNDS FAULT",
    "permission": "CAPABILITY PERMISSION FAULT",
    "page": "PAGE PERMISSION FAULT",
    "unmapped": "NOTHING IS MAPPED THERE",
    "alignment": "ALIGNMENT FAULT",
    "undefined": "UNDEFINED INSTRUCTION",
    "brk": "BREAKPOINT INSTRUCTION",
    "system": "FORBIDDEN SYSTEM REGISTER",
}
ACCESSES = {
    "fetch": "instruction fetch",
    "read": "load",
    "write": "store",
    "read-cap": "load of a capability",
    "write-cap": "store of a capability",
}
_SIGNALS = {
    "tag": "SIGPROT, PROT_CHERI_TAG, FSC 0x28",
    "sealed": "SIGPROT, PROT_CHERI_SEALED, FSC 0x29",
    "bounds": "SIGPROT, PROT_CHERI_BOUNDS, FSC 0x2a",
    "permission": "SIGPROT, PROT_CHERI_PERM, FSC 0x2b",
    "alignment": "SIGBUS, FSC 0x21",
    "page": "SIGSEGV",
    "unmapped": "SIGSEGV",
    "undefined": "SIGILL",
    "brk": "SIGTRAP",
    "system": "SIGILL",
}
"""How CheriBSD reports each kind, and DFSC (Arm DDI 0606)."""


@dataclass
class Case:
    """A stop being explained; the parts fill in what they find."""

    debugger: Debugger
    fault: Fault
    thread: int
    pc: int
    tick: int | None
    sentences: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    cause: int | None = None
    basis: str = "recorded"
    failed: tuple[str, ...] = ()

    def say(self, sentence: str) -> None:
        """One more sentence."""
        self.sentences.append(sentence)

    def place(self, address: int) -> str:
        """``17 musl cinv2_ret+20``."""
        badge, named = self.debugger.places.badge(address), self.debugger.symbols.name_at(address)
        label = self.debugger.places.label(badge) if badge else ""
        return " ".join(part for part in (label, named.text if named is not None else hexa(address)) if part)

    def instruction(self, address: int) -> str:
        """The text of the instruction at an address."""
        try:
            word = int.from_bytes(self.debugger.target.read(address, 4), "little")
        except TargetError:
            return ""
        mode = self.debugger.symbols.mode_at(address)
        if mode not in ("a64", "c64"):
            mode = "c64" if self.debugger.target.read_register(self.thread, "cpsr") & C64 else "a64"
        return disassemble(word, address, "c64" if mode == "c64" else "a64").text


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
        title=f"{title} at {hexa(fault.address)}   {_SIGNALS.get(fault.kind, '')}".rstrip(),
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


def _through(case: Case) -> str:
    """``ldr x0, [c0] loads 8 bytes through c0``."""
    fault = case.fault
    how = ACCESSES.get(fault.access, fault.access)
    return f"{case.instruction(case.pc)}   {case.place(case.pc)}: {how} of {count_text(fault.size, 'byte')}"


def _holder(case: Case) -> str:
    name = (case.fault.register or "the capability").upper() if case.fault.register in ("ddc", "pcc") else None
    return name or case.fault.register or "the capability"


def _capability_line(case: Case) -> None:
    if case.fault.capability is not None:
        case.say(f"{_holder(case)} = {capability_text(case.fault.capability)}{_points(case, case.fault.capability)}")


def _points(case: Case, bits: int) -> str:
    from cvmdbg.analysis.pointing import points_at

    badge, text = points_at(case.debugger, bits)
    return f"  {badge} {text}".rstrip() if badge or text else ""


def _bounds(case: Case) -> None:
    fault = case.fault
    if fault.access == "fetch":
        _fetch(case)
        return
    case.say(_through(case))
    _capability_line(case)
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
        _fetch(case)
        return
    case.say(_through(case))
    _capability_line(case)
    cap = Capability(fault.capability or 0)
    for name in perm_names(fault.needed):
        has = bool(cap.perms & _bit(name))
        case.checks.append(Check(name, fault.register or "", has, "present" if has else "absent"))
    missing = perm_names(fault.needed & ~cap.perms)
    if missing:
        case.say(f"The access needs {' and '.join(missing)}, which {_holder(case)} does not have.")
    _borrowed(case, cap)
    case.next.append(f"info capability ${fault.register}")


def _bit(name: str) -> int:
    from emulator_core.capability import PERMISSIONS

    return next(1 << p.bit for p in PERMISSIONS if p.name == name)


def _sealed(case: Case) -> None:
    fault = case.fault
    if fault.access == "fetch":
        _fetch(case)
        return
    case.say(_through(case))
    _capability_line(case)
    case.say(
        f"{_holder(case)} is {seal_words(Capability(fault.capability or 0).otype)}; nothing can be read through it."
    )
    case.next.append(f"info capability ${fault.register}")


def _tag(case: Case) -> None:
    if case.fault.access == "fetch":
        _fetch(case)
        return
    case.say(_through(case))
    _capability_line(case)
    case.say(f"{_holder(case)} has no tag: its bits are no capability.")
    if case.fault.register is not None:
        _lost(case, case.fault.register)
        case.next.append(f"info capability ${case.fault.register}")


def _lost(case: Case, register: str) -> None:
    """Where the tag went, from the guest's own past."""
    loss = _look_back(case, lambda now: find_loss(_past(case), case.thread, case.tick or 0, register, now))
    if not isinstance(loss, Loss):
        case.basis = "derived"
        case.say(f"Where {register} lost its tag is not known here.")
        return
    step = loss.executed
    case.cause = step.pc
    case.say(f"The tag was lost at tick {step.tick}: {step.instruction.text}   {case.place(step.pc)}")
    case.say(f"There {loss.how}.")
    case.next.append(f"list *{step.pc:#x}")


def _past(case: Case) -> Past:
    assert case.debugger.past is not None
    return case.debugger.past


def _look_back(case: Case, ask: Callable[[dict[str, int]], object]) -> object:
    """Ask the past, if this target keeps one."""
    if case.debugger.past is None or case.tick is None:
        return None
    target = case.debugger.target
    now = {r.name: target.read_register(case.thread, r.name) for r in target.registers}
    try:
        return ask(now)
    except TargetError:
        return None


# ---- fetches ----


def _fetch(case: Case) -> None:
    """The branch went wrong one instruction earlier."""
    crossing = _failed_crossing(case)
    if crossing is not None:
        _pair(case, crossing)
        return
    _capability_line(case)
    before = _look_back(case, lambda now: last_instruction(_past(case), case.thread, case.tick or 0))
    if not isinstance(before, Executed):
        case.basis = "derived"
        case.say("The cause is the branch before it, which is not known here; c30 is the last link.")
        case.next.append("print $c30")
        return
    case.cause = before.pc
    case.say(f"The cause is one instruction earlier: {before.instruction.text}   {case.place(before.pc)}")
    _branch(case, before)


def _branch(case: Case, before: Executed) -> None:
    """What the branch was given."""
    match = re.search(r"\b(c\d+|csp)\b", before.instruction.operands)
    if match is None:
        case.say("It left the bounds of PCC.")
        return
    name = match[1]
    given = Capability(before.before.get(name, 0))
    case.say(f"{name} = {capability_text(given.bits)}{_points(case, given.bits)}")
    case.checks.append(Check("tag", name, given.tag, str(int(given.tag))))
    case.checks.append(Check("Execute", name, bool(given.perms >> 15 & 1), _has(given.perms >> 15 & 1)))
    case.checks.append(Check("Executive", name, given.executive, _has(given.executive)))
    if not given.tag:
        case.say("A branch does not check its target: the fetch there does.")
    elif not given.executive:
        case.say(f"{name} lacks Executive, so the branch took the tag away first: a tag fault, not a permission fault.")
    case.next.append(f"list *{before.pc:#x}")


def _has(bit: object) -> str:
    return "present" if bit else "absent"


def _failed_crossing(case: Case) -> Crossing | None:
    """The failed BLRS just before the fault."""
    for entry in reversed(case.debugger.trace.entries[-8:]):
        crossing = entry.crossing
        if crossing is None or crossing.kind != "failed" or crossing.thread != case.thread:
            continue
        if crossing.to & ~1 == case.fault.address & ~1 and (case.tick is None or case.tick - crossing.tick <= 1):
            return crossing
    return None


def _pair(case: Case, crossing: Crossing) -> None:
    """BLRS C29, Cn, Cm: all its checks, asked one by one."""
    case.cause, case.failed = crossing.pc, crossing.failed
    cn, cm = f"c{crossing.cn}", f"c{crossing.cm}"
    first, second = Capability(crossing.target), Capability(crossing.paired)
    case.say(f"The cause is one instruction earlier: {case.instruction(crossing.pc)}   {case.place(crossing.pc)}")
    case.say(f"{cn} = {capability_text(first.bits)}{_points(case, first.bits)}")
    case.say(f"{cm} = {capability_text(second.bits)}{_points(case, second.bits)}")
    failed = set(crossing.failed)

    def check(key: str, name: str, register: str, found: str) -> None:
        case.checks.append(Check(name, register, key not in failed, found))

    check("cn-tag", "tag", cn, str(int(first.tag)))
    check("cm-tag", "tag", cm, str(int(second.tag)))
    check("cn-sealed", "sealed", cn, _seal(first))
    check("cm-sealed", "sealed", cm, _seal(second))
    same = "equal" if first.otype == second.otype else f"{first.otype} and {second.otype} differ"
    check("otype", "the same otype", f"{cn},{cm}", same)
    check("bsp", "BranchSealedPair", f"{cn},{cm}", f"{_has(first.perms >> 8 & 1)}, {_has(second.perms >> 8 & 1)}")
    execute = f"{_has(first.perms >> 15 & 1)} in {cn}, {_has(second.perms >> 15 & 1)} in {cm}"
    check("execute", "Execute: Cn yes, Cm no", f"{cn},{cm}", execute)
    check("executive", "Executive in Cn", cn, _has(first.executive))
    case.say("BLRS itself never traps: when a check fails the target loses its tag, and its fetch faults.")
    case.next += [f"info capability ${cn}", f"info capability ${cm}", f"list *{crossing.pc:#x}"]


def _seal(cap: Capability) -> str:
    return f"otype {cap.otype}" if cap.otype > 3 else seal_words(cap.otype).split(":")[0]


# ---- the rest ----


def _alignment(case: Case) -> None:
    fault = case.fault
    case.say(_through(case))
    need = 16 if fault.access.endswith("-cap") else fault.size
    case.say(f"The address {hexa(fault.address)} is no multiple of {need}: off by {fault.address % max(need, 1)}.")
    named = case.debugger.symbols.name_at(fault.address)
    if named is not None:
        case.say(f"It lies in {named.text}; an object that holds capabilities must be aligned to 16.")
    case.next.append("backtrace")


def _page(case: Case) -> None:
    fault, places = case.fault, case.debugger.places
    case.say(_through(case))
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


def _unmapped(case: Case) -> None:
    case.say(_through(case) if case.fault.access != "fetch" else f"fetch at {case.place(case.pc)}")
    case.say(f"{hexa(case.fault.address)} is not mapped.")
    if case.fault.access == "fetch":
        _fetch(case)


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
    before = _look_back(case, lambda now: last_instruction(_past(case), case.thread, case.tick or 0))
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
    next_ = ["continue"]
    thread = debugger.thread
    if thread >= 0:
        call = debugger.trace.open_call(thread)
        if call is not None:
            sentences.append(f"The thread is inside {call.path} {call.call}.")
            next_.append("info syscall")
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
