"""Numbers as strace names them."""

from __future__ import annotations

from functools import cache

from cvmdbg.guests.linux import facts

_ZERO = {
    "prot": "PROT_NONE",
    "access": "F_OK",
    "statx_at": "AT_STATX_SYNC_AS_STAT",
    "sync_file_range": "0",
}
"""What no flag at all is called, where it has a name."""

_PREFIX = {"wait": "W", "at_unlink": "AT_", "at_access": "AT_", "clone": "CLONE_", "map": "MAP_", "at": "AT_"}
RTMIN = 32


def signed(value: int, bits: int = 64) -> int:
    """Two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def alternate(value: int) -> str:
    """C's ``%#x``: zero has no ``0x``."""
    return f"{value:#x}" if value else "0"


@cache
def prefix(group: str, abi: str) -> str:
    """What the names of a set begin with: ``SEEK_``."""
    found = list(facts.constants(group, abi))
    if not found or group in _PREFIX:
        return _PREFIX.get(group, "")
    low, high = min(found), max(found)
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[: low.rfind("_", 0, same) + 1]


def flags_text(group: str, value: int, abi: str) -> str:
    """``EFD_CLOEXEC|EFD_NONBLOCK``, ``0``, ``0x40 /* EFD_??? */``."""
    if not value:
        return _ZERO.get(group, "0")
    names, rest = facts.names_of(group, value, abi)
    if not names:
        head = prefix(group, abi)
        return f"{rest:#x} /* {head}??? */" if head else f"{rest:#x}"
    return "|".join([*names, *([f"{rest:#x}"] if rest else [])])


def enum_text(group: str, value: int, abi: str) -> str:
    """``SEEK_SET``, ``0x9 /* SEEK_??? */``."""
    value &= 0xFFFFFFFF
    named = facts.name_of(group, value, abi)
    if named is not None:
        return named
    return f"{alternate(value)} /* {prefix(group, abi)}??? */"


def open_text(value: int, abi: str) -> str:
    """``O_RDONLY|O_CLOEXEC``."""
    access = facts.name_of("open_access", value & 3, abi) or "O_ACCMODE"
    rest = value & ~3
    return access if not rest else f"{access}|{flags_text('open', rest, abi).split(' ')[0]}"


def mmap_text(value: int, abi: str) -> str:
    """``MAP_PRIVATE|MAP_ANONYMOUS``: the type first, ``MAP_FILE`` when there is none."""
    kind = facts.name_of("map_type", value & 3, abi) or "MAP_FILE"
    rest = value & ~3
    return kind if not rest else f"{kind}|{flags_text('map', rest, abi).split(' ')[0]}"


def signal_text(number: int) -> str:
    """``SIGINT``, ``SIGRT_2``, a number for what is no signal."""
    named = facts.name_of("signal", number)
    if named is not None:
        return named
    if RTMIN <= number <= 64:
        return "SIGRTMIN" if number == RTMIN else f"SIGRT_{number - RTMIN}"
    return str(signed(number, 32))


def sigset_text(mask: int) -> str:
    """``[INT TERM]``; ``~[…]`` names those that are missing when most are there."""
    numbers = [n for n in range(1, 65) if mask >> (n - 1) & 1]
    mark = ""
    if len(numbers) >= 64 * 2 // 3:
        numbers, mark = [n for n in range(1, 65) if n not in numbers], "~"
    return f"{mark}[{' '.join(signal_text(n).removeprefix('SIG') for n in numbers)}]"


def mode_text(value: int) -> str:
    """``0644``, ``000``."""
    return f"0{value:o}".zfill(3)


def file_mode_text(value: int) -> str:
    """``S_IFREG|0644``."""
    kind = facts.name_of("file_type", value & 0o170000)
    bits, rest = facts.names_of("file_bits", value & 0o7000)
    del rest  # the three bits all have names
    head = [kind] if kind is not None else []
    return "|".join([*head, *bits, mode_text(value & 0o777)])


def device_text(value: int) -> str:
    """``makedev(0x88, 0)``: major and minor of Linux's 64-bit device numbers."""
    major = value >> 8 & 0xFFF | value >> 32 & ~0xFFF
    minor = value & 0xFF | value >> 12 & ~0xFF
    return f"makedev({alternate(major)}, {alternate(minor)})"


def error_text(number: int) -> str:
    """``ENOENT (No such file or directory)``."""
    known = facts.errno(number)
    return f"{known.name} ({known.text})" if known is not None else f"(errno {number})"
