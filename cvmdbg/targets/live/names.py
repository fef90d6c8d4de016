"""The registers of a peer under the names that the debugger uses.

A Morello peer has c0 … and x0 … side by side. A plain AArch64 peer has no capability registers: their names give the
64-bit registers without a tag. The names of x86-64 are the peer's own, with ``pc`` and ``sp`` for rip and rsp.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cvmdbg.target import Register, TargetError
from gdbstub.description import CAPABILITIES
from gdbstub.layout import TAG_MAP, Layout

_OF_CAPABILITY = {f"c{n}": f"x{n}" for n in range(31)} | {"csp": "sp", "pcc": "pc"}
_VIEWS = {x: c for c, x in _OF_CAPABILITY.items()} | {"tp": "ctpidr", "fp": "c29", "lr": "c30"}
_X86 = {"pc": "rip", "sp": "rsp"}
ABSENT = frozenset({"ddc", "ctpidr", "cctlr"})
"""What unwinding asks of every AArch64 machine; without capabilities addresses count from 0, as with these at 0."""
LOW = (1 << 64) - 1
_NZCV = 0xF0000000


def of_layout(layout: Layout) -> tuple[Register, ...]:
    """Every register that a peer has, under its own name."""
    found = [slot.register for slot in layout.slots.values()]
    return tuple(
        Register(own.name, 129 if own.is_capability else own.bits, _kind(own.name, own.is_capability)) for own in found
    )


def of_bits(bits: Mapping[str, int]) -> tuple[Register, ...]:
    """The same from names and sizes: 129 bits are a capability."""
    return tuple(Register(name, size, _kind(name, size == 129)) for name, size in bits.items())


class Names:
    """What a peer that has these registers calls those of the debugger."""

    def __init__(self, peers: Sequence[Register]) -> None:
        self.peers = tuple(peers)
        self._has = {one.name: one.bits for one in peers}
        self.capabilities = any(name in self._has for name in CAPABILITIES)
        self.x86 = "rip" in self._has
        self.arch = "x86_64" if self.x86 else "morello" if self.capabilities else "aarch64"
        self.registers = self._listed()

    def _listed(self) -> tuple[Register, ...]:
        shown = [o for o in self.peers if o.name != TAG_MAP and not (self.capabilities and o.name in _VIEWS)]
        order = {name: at for at, name in enumerate(CAPABILITIES)}
        return tuple(sorted(shown, key=lambda r: order.get(r.name, len(order))))

    def is_absent(self, name: str) -> bool:
        """Is it a register of Morello that this plain AArch64 machine does without?"""
        return name in ABSENT and self.arch == "aarch64"

    def is_told(self, name: str) -> bool:
        """Has the peer a register of exactly this name?"""
        return name in self._has

    def own(self, name: str) -> str:
        """The peer's register that holds ``name``; KeyError when it has none."""
        if self.x86:
            name = _X86.get(name, name)
        elif name == "nzcv":
            name = "cpsr"
        elif self.capabilities and name not in self._has:
            name = _VIEWS.get(name, name)
        elif not self.capabilities:
            name = _OF_CAPABILITY.get(_VIEWS.get(name, name), name)
        if name not in self._has:
            raise KeyError(name)
        return name

    def asked(self, name: str, peer: str) -> str:
        """The same for who asks; TargetError says what ``peer`` has not."""
        try:
            return self.own(name)
        except KeyError:
            raise TargetError(f"{peer} has no register {name!r}") from None

    def mask(self, own: str) -> int:
        """All bits that one of the peer's registers has."""
        return (1 << self._has[own]) - 1

    def value(self, name: str, own: str, value: int) -> int:
        """What ``name`` is when its register holds ``value``."""
        if name == "nzcv":
            return value & _NZCV
        return value & LOW if own != name and name in _VIEWS else value


def _kind(name: str, capability: bool) -> str:
    if capability:
        return "capability"
    if name in ("cpsr", "eflags"):
        return "flags"
    vector = (name[:1] in ("v", "y") and name[1:].isdigit()) or name.startswith(("xmm", "ymm", "zmm", "st"))
    return "vector" if vector else "integer"
