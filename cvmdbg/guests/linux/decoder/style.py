"""How a decoded call is written: as strace writes it, or as the panes of the debugger do."""

from __future__ import annotations

from dataclasses import dataclass

from cvmdbg.forms import capability_text, hexa, pointer_text

VALUE = (1 << 64) - 1
_OCTAL = {10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 12: "\\f", 34: '\\"', 92: "\\\\"}
_HEX = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 92: "\\\\", 0: "\\0"}


@dataclass(frozen=True, slots=True)
class Style:
    """``limit`` bytes of a string are shown (strace -s), structs whole when ``verbose`` (-v).

    ``panes`` writes addresses without ``0x``, ``…`` for ``...``, escapes in hex, and the pointer in front of the bytes
    behind it. ``pointers`` adds that pointer in strace's form too, where it is a capability.
    """

    limit: int = 32
    verbose: bool = False
    panes: bool = False
    pointers: bool = False

    @property
    def more(self) -> str:
        """What stands for what was cut."""
        return "…" if self.panes else "..."

    def quote(self, content: bytes, whole: bool, hexadecimal: bool = False) -> str:
        """A string literal, cut at the limit; ``whole`` when ``content`` is all there is."""
        shown = content[: self.limit]
        cut = not whole or len(content) > self.limit
        write = _hex_all if hexadecimal else _hex if self.panes else _octal
        return f'"{write(shown)}"' + (self.more if cut else "")

    def address(self, bits: int, base: int = 0) -> str:
        """A pointer: 129 bits, or a number relative to ``base``."""
        if bits >> 64:
            return pointer_text(bits) if self.panes else capability_text(bits)
        if not bits:
            return "NULL"
        if not self.panes:
            return f"{bits:#x}"
        return f"{hexa(bits)}→{hexa(bits + base & VALUE)}" if base else hexa(bits)


def _octal(content: bytes) -> str:
    """strace's escapes: octal, as short as the next byte allows."""
    out = []
    for index, byte in enumerate(content):
        if byte in _OCTAL:
            out.append(_OCTAL[byte])
        elif 32 <= byte < 127:
            out.append(chr(byte))
        else:
            digit = index + 1 < len(content) and 48 <= content[index + 1] < 56
            out.append(f"\\{byte:03o}" if digit else f"\\{byte:o}")
    return "".join(out)


def _hex(content: bytes) -> str:
    return "".join(_HEX.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in content)


def _hex_all(content: bytes) -> str:
    return "".join(f"\\x{b:02x}" for b in content)


STRACE = Style()
PANES = Style(panes=True, limit=64)
