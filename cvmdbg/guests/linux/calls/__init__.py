"""The system calls, by family. Importing this package fills ``kernel.CALLS``."""

from __future__ import annotations

from cvmdbg.guests.linux.calls import (
    attributes,
    control,
    descriptors,
    folders,
    futexes,
    identity,
    memory,
    network,
    polling,
    programs,
    renames,
    signalling,
    transfer,
)
from cvmdbg.guests.linux.calls import clocks as clocks

__all__ = [
    "attributes",
    "clocks",
    "control",
    "descriptors",
    "folders",
    "futexes",
    "identity",
    "memory",
    "network",
    "polling",
    "programs",
    "renames",
    "signalling",
    "transfer",
]
