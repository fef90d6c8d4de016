"""The capability inspector: all of one capability, its bounds drawn inside compartment and object."""

from __future__ import annotations

from cvmdbg.analysis.compartments import reach_text
from cvmdbg.analysis.pointing import points_at
from cvmdbg.debugger import Debugger
from cvmdbg.forms import capability_text, size_text
from cvmdbg.rows import Bar, Inspection
from cvmdbg.target import TargetError, UserError
from emulator_core.capability import Capability, perm_letters, perm_names, place, raw_text, seal_words

ALL_PERMS = 0x3FFFF


def inspect(debugger: Debugger, expression: str) -> Inspection:
    """The inspection of an expression that gives a capability (``$c1``, ``c1``, ``*(capability*)addr``)."""
    text = expression.strip()
    names = {r.name for r in debugger.target.registers if r.kind == "capability"}
    value = debugger.evaluate("$" + text if text in names else text)
    if value.bits is None:
        raise UserError(f"{text} is no capability; print shows plain values")
    return inspection(debugger, text, value.bits)


def inspection(debugger: Debugger, title: str, bits: int) -> Inspection:
    """The same for a capability that is at hand."""
    cap = Capability(bits)
    return Inspection(f"{title}: {capability_text(bits)}", bits, _bars(debugger, cap), tuple(_facts(debugger, cap)))


def _bars(debugger: Debugger, cap: Capability) -> tuple[Bar, ...]:
    """From the compartment inward; a level with the range of the one below is left out."""
    if cap.length == 1 << 64 or not (cap.tag or cap.high):
        return ()
    levels: list[Bar] = []
    compartment = debugger.places.at(cap.base)
    if compartment is not None:
        end = compartment.base + compartment.size
        levels.append(
            Bar(f"{compartment.badge} {compartment.name}", compartment.base, end, size_text(compartment.size))
        )
    for part in debugger.places.path(cap.base):
        if part.kind != "slots" and part.address + part.size >= cap.limit:
            levels.append(Bar(part.name, part.address, part.address + part.size, size_text(part.size)))
    levels.append(Bar("bounds", cap.base, cap.limit, size_text(cap.length)))
    kept = [bar for i, bar in enumerate(levels[:-1]) if _differs(bar, levels[i + 1])]
    return (*kept, levels[-1])


def _differs(outer: Bar, inner: Bar) -> bool:
    return (outer.address, outer.limit) != (inner.address, inner.limit)


def _facts(debugger: Debugger, cap: Capability) -> list[tuple[str, str]]:
    badge, text = points_at(debugger, cap.bits)
    facts = [
        ("tag", "1" if cap.tag else "0: its bits are no capability"),
        ("seal", seal_words(cap.otype)),
        ("raw", raw_text(cap)),
        ("value", f"{cap.value:x}: {place(cap)}"),
        ("bounds", f"[{cap.base:x},{cap.limit:x}) {size_text(cap.length)}, {reach_text(debugger.places, cap)}"),
        ("perms", f"{cap.perms:05x}  {perm_letters(cap.perms)}"),
        ("has", " ".join(perm_names(cap.perms)) or "none"),
        ("lacks", " ".join(perm_names(~cap.perms & ALL_PERMS)) or "none"),
        ("points at", f"{badge} {text}".strip() or "nothing known"),
    ]
    reaches = _reaches(debugger, cap)
    return [*facts, ("reaches", reaches)] if reaches else facts


def _reaches(debugger: Debugger, cap: Capability) -> str:
    """How many tagged capabilities lie in its bounds, when these are small enough to look."""
    power = debugger.target.capabilities
    if power is None or not cap.tag or not 16 <= cap.length <= 1 << 16 or not cap.perms >> 14 & 1:
        return ""
    start = -(-cap.base // 16) * 16
    size = (cap.limit - start) // 16 * 16
    try:
        tags = power.tags(start, size)
    except TargetError:
        return ""
    return f"{size_text(cap.length)} of {debugger.places.badge(cap.base)}; {sum(tags)} tagged capabilities in them"
