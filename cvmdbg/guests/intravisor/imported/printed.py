"""Capabilities as CHERI_CAP_PRINT prints them, made again; and put together from their three lines."""

from __future__ import annotations

from dataclasses import dataclass

from cvmdbg.guests.intravisor.imported.forms import Values
from emulator_core._core import Capability

WHOLE = 1 << 64
CUT = WHOLE - 1
"""What is printed for a length of 2^64, which does not fit."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A capability of the list: its number and title, and its 129 bits; None when no capability has these fields."""

    number: int
    title: str
    value: int | None


class Block:
    """Three lines that belong together only when nothing stands between them: threads may print at once."""

    def __init__(self) -> None:
        self._title: tuple[int, int, str] | None = None
        self._flags: Values | None = None
        self.broken = 0

    def title(self, line: int, values: Values) -> None:
        """``ca0: sealed COMP PCC``."""
        self.broken += self._title is not None
        self._title, self._flags = (line, int(values["number"]), str(values["title"])), None

    def flags(self, line: int, values: Values) -> None:
        """``tag 1 s 1 perms 0002c147 type 0000000000000004``."""
        if self._title is not None and line == self._title[0] + 1:
            self._flags = values
        else:
            self._drop()

    def bounds(self, line: int, values: Values) -> Printed | None:
        """``base … length … ofset …``: the whole, when the three lines follow each other."""
        title, flags = self._title, self._flags
        if title is None or flags is None or line != title[0] + 2:
            self._drop()
            return None
        self._title = self._flags = None
        return Printed(title[1], title[2], made(flags, values))

    def _drop(self) -> None:
        self.broken += 1
        self._title = self._flags = None


def made(flags: Values, bounds: Values) -> int | None:
    """129 bits whose fields are those printed; None when there are none."""
    base, length, offset = (int(bounds[name]) for name in ("base", "length", "offset"))
    perms, otype, tag = int(flags["perms"]), int(flags["otype"]), int(flags["tag"])
    address = (base + offset) % WHOLE
    if not tag and not perms and not otype and not base and length == CUT:
        return address  # a number
    cap = _cut(base, WHOLE if length == CUT and not base else length, address, perms, otype)
    if cap is None:
        return None
    return cap.bits if tag else cap.bits % (1 << 128)


def _cut(base: int, length: int, address: int, perms: int, otype: int) -> Capability | None:
    if perms >> 18 or otype >> 15 or base + length > WHOLE:
        return None
    cap = Capability.almighty().set_value(base).set_bounds(length)
    cap = cap.set_value(address).clear_perms(~perms & 0x3FFFF)
    if otype:
        cap = cap.set_object_type(otype)
    exact = (cap.base, cap.length, cap.value, cap.perms, cap.otype) == (base, length, address, perms, otype)
    return cap if exact and cap.tag else None
