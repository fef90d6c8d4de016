"""Where a machine has devices, if its stub can say: QEMU's monitor prints the physical map.

    0000000013000000-00000000131fffff (prio 0, i/o): trickbox

QEMU-Morello ends itself when a debugger reads its tube beyond the first word: nothing may read there by accident.
Source: QEMU's docs/devel/memory.rst ("info mtree"); hw/arm/armtrickbox.c of CTSRD-CHERI/qemu.
"""

from __future__ import annotations

import re

from cvmdbg.guests.attached import Device
from cvmdbg.target import TargetError, TargetLost
from cvmdbg.targets.remote.link import Link
from gdbstub import inspection

SPACE = re.compile(r'^ AS "(cpu-memory|memory)', re.MULTILINE)
ROW = re.compile(r"^ +([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([\w/]+)\): (.*?)(?: @[0-9a-f]+)?\s*$", re.MULTILINE)
MEMORY = ("ram", "rom", "romd", "nv-ram", "nv-rom")
MAX_ROWS = 4096


def devices(link: Link, system: bool) -> tuple[Device, ...] | None:
    """What is no memory in the machine's physical space; None where the stub does not know. ``system``: has it one?"""
    if not system:
        return None
    try:
        with link.telling():
            text = inspection.monitor(link.client, "info mtree -f")
    except TargetLost:
        raise
    except TargetError:
        return None
    return parse(text)


def parse(text: str) -> tuple[Device, ...] | None:
    """The devices of the flat view that a processor sees; None when there is no such view."""
    view = next((part for part in text.split("FlatView") if SPACE.search(part)), "")
    rows = ROW.findall(view)[:MAX_ROWS]
    if not rows:
        return None
    found = [(name, int(first, 16), int(last, 16)) for first, last, kind, name in rows if kind not in MEMORY]
    return tuple(Device(name, first, last - first + 1) for name, first, last in found if last >= first)
