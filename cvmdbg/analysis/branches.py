"""Faults of a fetch: the branch before it, and the checks that BLRS made."""

from __future__ import annotations

import re

from cvmdbg.analysis.case import Case, capability_line, has, look_back, past_of, points
from cvmdbg.analysis.past import Executed, last_instruction
from cvmdbg.forms import capability_text
from cvmdbg.rows import Check
from cvmdbg.target import Crossing
from emulator_core.capability import Capability, seal_words


def fetch(case: Case) -> None:
    """The branch went wrong one instruction earlier."""
    crossing = _failed_crossing(case)
    if crossing is not None:
        _pair(case, crossing)
        return
    capability_line(case)
    before = look_back(case, lambda now: last_instruction(past_of(case), case.thread, case.tick or 0))
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
    case.say(f"{name} = {capability_text(given.bits)}{points(case, given.bits)}")
    case.checks.append(Check("tag", name, given.tag, str(int(given.tag))))
    case.checks.append(Check("Execute", name, bool(given.perms >> 15 & 1), has(given.perms >> 15 & 1)))
    case.checks.append(Check("Executive", name, given.executive, has(given.executive)))
    if not given.tag:
        case.say("A branch does not check its target: the fetch there does.")
    elif not given.executive:
        case.say(f"{name} lacks Executive, so the branch took the tag away first: a tag fault, not a permission fault.")
    case.next.append(f"list *{before.pc:#x}")


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
    case.say(f"{cn} = {capability_text(first.bits)}{points(case, first.bits)}")
    case.say(f"{cm} = {capability_text(second.bits)}{points(case, second.bits)}")
    failed = set(crossing.failed)

    def check(key: str, name: str, register: str, found: str) -> None:
        case.checks.append(Check(name, register, key not in failed, found))

    check("cn-tag", "tag", cn, str(int(first.tag)))
    check("cm-tag", "tag", cm, str(int(second.tag)))
    check("cn-sealed", "sealed", cn, _seal(first))
    check("cm-sealed", "sealed", cm, _seal(second))
    same = "equal" if first.otype == second.otype else f"{first.otype} and {second.otype} differ"
    check("otype", "the same otype", f"{cn},{cm}", same)
    check("bsp", "BranchSealedPair", f"{cn},{cm}", f"{has(first.perms >> 8 & 1)}, {has(second.perms >> 8 & 1)}")
    execute = f"{has(first.perms >> 15 & 1)} in {cn}, {has(second.perms >> 15 & 1)} in {cm}"
    check("execute", "Execute: Cn yes, Cm no", f"{cn},{cm}", execute)
    check("executive", "Executive in Cn", cn, has(first.executive))
    case.say("BLRS itself never traps: when a check fails the target loses its tag, and its fetch faults.")
    case.next += [f"info capability ${cn}", f"info capability ${cm}", f"list *{crossing.pc:#x}"]


def _seal(cap: Capability) -> str:
    return f"otype {cap.otype}" if cap.otype > 3 else seal_words(cap.otype).split(":")[0]
