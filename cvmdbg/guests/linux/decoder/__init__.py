"""Calls in text, as strace spells them: ``openat(AT_FDCWD, "/app1", O_RDONLY|O_CLOEXEC) = 3``.

    decoded = entering(call, arguments, caller, style)     the arguments that are known when the call begins
    decoded = leaving(decoded, result)                     and those that the kernel has filled

Everything that may be shown of memory is read in these two moments, so a decoded call stays true when memory changes.
"""

from __future__ import annotations

from cvmdbg.guests.linux.decoder.calls import Decoded, entering, leaving
from cvmdbg.guests.linux.decoder.memory import Caller
from cvmdbg.guests.linux.decoder.style import PANES, STRACE, Style
from cvmdbg.guests.linux.decoder.values import Shown

__all__ = ["PANES", "STRACE", "Caller", "Decoded", "Shown", "Style", "entering", "leaving"]
