"""How numbers, sizes, capabilities and guest text are printed: pure functions, one form everywhere."""

from __future__ import annotations

from emulator_core.capability import Capability, perm_columns, perm_set, seal_name, short

VALUE = (1 << 64) - 1
"""The low 64 bits of a capability: its value."""


def hexa(number: int) -> str:
    """Hex without ``0x`` and leading zeros, as the panes have it."""
    return f"{number:x}"


def address_text(address: int) -> str:
    """Hex with ``0x``, as the prompt has it."""
    return f"{address:#x}"


def tick_text(tick: int) -> str:
    """Decimal, grouped by thin spaces."""
    return f"{tick:,}".replace(",", "\u2009")


def size_text(size: int) -> str:
    """``64``, ``4K``, ``31.5M``, ``1G``: three digits at most, exact where it can be."""
    for shift, unit in ((60, "E"), (50, "P"), (40, "T"), (30, "G"), (20, "M"), (10, "K")):
        if size >= 1 << shift:
            number = size / (1 << shift)
            if size % (1 << shift) == 0 or number >= 100:
                return f"{number:.0f}{unit}"
            return f"{number:.1f}".removesuffix(".0") + unit
    return str(size)


def capability_text(bits: int) -> str:
    """gdb's form: ``0x47fffb840 [rwRW,0x47fffb840-0x47fffb880] (sentry)``; a plain number is its value."""
    return short(Capability(bits))


def capability_columns(bits: int) -> str:
    """Tag, value, permissions, base, +size, seal: the columns of the Registers pane."""
    cap = Capability(bits)
    mark = "●" if cap.tag else "○"
    if not cap.tag and not cap.high:
        return f"{mark} {hexa(cap.value):>16}  {'······'} {'':>12} {'':>6} {'':>3}"
    size = "+" + size_text(cap.length)
    where = f"{hexa(cap.base):>12} {size:<6} {seal_name(cap.otype):>3}"
    return f"{mark} {hexa(cap.value):>16}  {perm_columns(cap.perms)} {where}"


def pointer_text(bits: int) -> str:
    """A capability as an argument: ``47fffb840[rw,+40]``, ``○`` before one whose tag is 0; a plain number as hex."""
    cap = Capability(bits)
    if not cap.tag and not cap.high:
        return hexa(cap.value)
    perms = perm_columns(cap.perms).replace("-", "")
    return f"{'' if cap.tag else '○'}{hexa(cap.value)}[{perms},+{cap.length:x}]"


def minted_text(bits: int) -> str:
    """What a capability grants, without its value: ``● RB [rxRE,440000000 +1G]``."""
    cap = Capability(bits)
    seal = seal_name(cap.otype)
    bounds = f"[{perm_set(cap.perms)},{hexa(cap.base)} +{size_text(cap.length)}]"
    return " ".join(part for part in ("●" if cap.tag else "○", seal, bounds) if part)


def visible(content: bytes) -> str:
    """Guest bytes as printable text: control bytes and broken UTF-8 become ``\\x1b`` forms."""
    decoded = content.decode("utf-8", errors="backslashreplace")
    return "".join(c if c.isprintable() else _escape(c) for c in decoded)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_NAMED = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", ord('"'): '\\"', ord("\\"): "\\\\", 0: "\\0"}


def quoted(content: bytes, limit: int = 32) -> str:
    """A C string literal of guest bytes, cut with ``…`` behind the quote."""
    shown = "".join(
        _NAMED.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in content[:limit]
    )
    return f'"{shown}"' + ("…" if len(content) > limit else "")


def count_text(count: int, noun: str) -> str:
    """``1 hit``, ``2 hits``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
