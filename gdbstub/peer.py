"""What the two sides of a connection tell each other of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OFFERS: Mapping[str, bool | str] = {
    "multiprocess": True,
    "swbreak": True,
    "hwbreak": True,
    "vContSupported": True,
    "qXfer:capa:read": True,
    "error-message": True,
    "xmlRegisters": "i386",
}
"""What the client tells of itself; a gdbserver for x86-64 describes only to those who say that they read it."""


@dataclass
class Peer:
    """What a stub told of itself. ``packet_size``: the longest packet it takes, in bytes."""

    features: dict[str, bool | str] = field(default_factory=dict)
    packet_size: int = 400
    no_ack: bool = False
    echo: bool = False
    actions: frozenset[str] = frozenset()

    def has(self, feature: str) -> bool:
        """Did it offer the feature?"""
        return self.features.get(feature) is True

    @property
    def multiprocess(self) -> bool:
        """Are threads named ``p1.1``?"""
        return self.has("multiprocess")
