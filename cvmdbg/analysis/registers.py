"""The Registers pane."""

from __future__ import annotations

from cvmdbg.analysis.pointing import points_at, stack_room
from cvmdbg.debugger import Debugger
from cvmdbg.forms import VALUE
from cvmdbg.frames import Frame
from cvmdbg.rows import RegisterRow
from cvmdbg.target import UserError
from emulator_core.capability import Capability

FIRST = ("pcc", "ddc", "csp", "ctpidr")
CCTLR_BITS = ((2, "DDCBO"), (3, "PCCBO"), (4, "ADRDPB"), (5, "C64E"), (6, "PERMVCT"), (7, "SBL"))
"""CCTLR_ELx (Arm DDI 0606)."""
_STATE_BITS = ((31, "N"), (30, "Z"), (29, "C"), (28, "V"))
KINDS = ("capabilities", "integer", "vector", "system")


def register_rows(debugger: Debugger, kind: str = "capabilities") -> tuple[RegisterRow, ...]:
    """Rows of one tab, for the selected frame."""
    if kind not in KINDS:
        raise UserError(f"registers are of kind {', '.join(KINDS)}")
    if kind == "capabilities" and all(r.kind != "capability" for r in debugger.target.registers):
        kind = "integer"  # a machine without capability registers
    frame = debugger.frame()
    names = _names(debugger, kind)
    rows = [_row(debugger, frame, name, register_kind) for name, register_kind in names]
    return tuple(row for row in rows if row is not None)


def _names(debugger: Debugger, kind: str) -> list[tuple[str, str]]:
    registers = {r.name: r.kind for r in debugger.target.registers}
    if kind == "vector":
        return [(n, k) for n, k in registers.items() if k == "vector"]
    if kind == "integer" and debugger.target.arch == "x86_64":
        return [(n, k) for n, k in registers.items() if k in ("integer", "flags")]
    if kind == "integer":
        return [*((f"x{n}", "integer") for n in range(31)), ("sp", "integer"), ("pc", "integer"), ("nzcv", "flags")]
    if kind == "system":
        return [(n, k) for n, k in registers.items() if k in ("integer", "flags")]
    rest = [n for n, k in registers.items() if k == "capability" and n not in FIRST]
    plain = [n for n in ("cctlr",) if n in registers]
    return [*((n, "capability") for n in (*FIRST, *rest) if n in registers), *((n, "integer") for n in plain)]


def _row(debugger: Debugger, frame: Frame, name: str, kind: str) -> RegisterRow | None:
    value = register_value(debugger, frame, name)
    if value is None:
        return None
    badge, text = _meaning(debugger, frame, name, kind, value)
    tag = bool(value >> 128) if kind == "capability" else None
    return RegisterRow(name, kind, value, tag, badge, text, _age(debugger, frame, name, value))


def register_value(debugger: Debugger, frame: Frame, name: str) -> int | None:
    """A register by any of its names, None when the frame does not know it."""
    if name == "pc":
        return frame.pc
    if name == "sp":
        whole = debugger.frame_register(frame, "csp")
        return None if whole is None else whole & VALUE
    if name[0] == "x" and name[1:].isdigit():
        whole = debugger.frame_register(frame, f"c{name[1:]}")
        return None if whole is None else whole & VALUE
    return debugger.frame_register(frame, name)


def _meaning(debugger: Debugger, frame: Frame, name: str, kind: str, value: int) -> tuple[str, str]:
    if name == "cctlr":
        return "", " ".join(word for bit, word in reversed(CCTLR_BITS) if value >> bit & 1) or "none set"
    if name in ("nzcv", "cpsr"):
        flags = "".join(letter if value >> bit & 1 else letter.lower() for bit, letter in _STATE_BITS)
        return "", flags + (" C64" if name == "cpsr" and value >> 26 & 1 else "")
    if kind == "vector":
        return "", ""
    if name in ("pc", "pcc"):
        return points_at(debugger, value if kind == "capability" else frame.pc)
    if name in ("csp", "sp") and frame.sp is not None:
        room = stack_room(debugger, frame.sp)
        return debugger.places.badge(frame.sp), room or points_at(debugger, value, frame.ddc_base)[1]
    badge, text = points_at(debugger, value, frame.ddc_base)
    if name == "ddc" and badge and debugger.places.badge(frame.pc) not in ("", badge):
        text += " ≠pcc"
    return badge, text


def _age(debugger: Debugger, frame: Frame, name: str, value: int) -> int | None:
    """0 when it changed since the last stop, 1 since the one before, None when it did not."""
    kept = debugger.registers_before.get(frame.thread, [])
    if not frame.live or len(kept) < 2:
        return None
    whole = f"c{name[1:]}" if name[0] == "x" else {"sp": "csp", "pc": "pcc"}.get(name, name)
    if whole not in kept[-2]:
        return None
    before = kept[-2][whole] & VALUE if name != whole else kept[-2][whole]
    if before != value:
        return 0
    return 1 if len(kept) > 2 and kept[-3].get(whole) != kept[-2].get(whole) else None


def grant_lines(debugger: Debugger, badge: str) -> tuple[str, ...]:
    """What a compartment was given at entry: ca0 to ca8."""
    from cvmdbg.forms import capability_columns

    compartment = debugger.places.named(badge)
    if compartment is None:
        raise UserError(f"there is no compartment {badge}")
    lines = [f"{g.name} {g.title:<16} {capability_columns(g.value)}  {g.meaning}".rstrip() for g in compartment.grants]
    types = {Capability(g.value).otype for g in compartment.grants} - {0, 1, 2, 3}
    others = [c.badge for c in debugger.places.compartments if types & {Capability(g.value).otype for g in c.grants}]
    if types and len(others) > 1:
        shared = ", ".join(str(t) for t in sorted(types))
        lines.append(
            f"! otype {shared} is shared by {', '.join(others)}: any sealed PCC here pairs with any sealed DDC"
        )
    return tuple(lines) or (f"nothing is known of what {badge} was given",)
