"""The system calls, by family. Importing this package fills ``kernel.CALLS``."""

from __future__ import annotations

from cvmdbg.guests.linux.calls import clocks as clocks
from cvmdbg.guests.linux.calls import (
    descriptors,
    folders,
    futexes,
    identity,
    memory,
    network,
    polling,
    programs,
    signalling,
    transfer,
)

__all__ = [
    "clocks",
    "descriptors",
    "folders",
    "futexes",
    "identity",
    "memory",
    "network",
    "polling",
    "programs",
    "signalling",
    "transfer",
]
