"""The capabilities that the monitor makes. The arithmetic is the capability engine's.

Permissions as its logs show them: a cVM's code 2c147, its data 37145, the monitor's own 2c177 and 3717d; clean_room
takes User0 (bit 2) away. One object type, 4, seals everything: the first that security.cheri.sealcap hands out.
Source: Intravisor src/utils.c and CHERI_CAP_PRINT logs.
"""

from __future__ import annotations

from emulator_core._core import Capability

CODE, DATA = 0x2C147, 0x37145
MONITOR_CODE, MONITOR_DATA = 0x2C177, 0x3717D
CLEAN_ROOM = 1 << 2
SEAL_TYPE = 4
USER_SPACE = 1 << 48
STRAY_PCC2 = 0x202FE0
"""What ca5 holds when a cVM serves another: the monitor hands on an argument that it was never given."""


def _all(perms: int) -> Capability:
    """User space with these permissions."""
    return Capability.almighty().set_value(0).set_bounds(USER_SPACE).clear_perms(~perms & 0x3FFFF)


def monitor_code(address: int) -> Capability:
    """The monitor's PCC at an address."""
    return _all(MONITOR_CODE).set_value(address)


def monitor_data(address: int = 0) -> Capability:
    """The monitor's DDC."""
    return _all(MONITOR_DATA).set_value(address)


def code(begin: int, end: int, address: int, clean_room: int = 0) -> Capability:
    """A cVM's code: all of [begin, end), value ``address`` (odd for C64)."""
    return _cut(CODE, begin, end - begin, clean_room).set_value(address)


def data(begin: int, size: int, address: int, clean_room: int = 0) -> Capability:
    """Data of a cVM: [begin, begin + size) or, where the format rounds, more."""
    return _cut(DATA, begin, size, clean_room).set_value(address)


def _cut(perms: int, begin: int, size: int, clean_room: int) -> Capability:
    return _all(perms & ~(CLEAN_ROOM if clean_room else 0)).set_value(begin).set_bounds(size)


def seal(capability: Capability) -> Capability:
    """Sealed with the one type."""
    return capability.set_object_type(SEAL_TYPE)


def integer(value: int) -> Capability:
    """A number in a capability register: no tag, no bounds."""
    return Capability(value % (1 << 64))
