"""Structs as strace writes them: ``{st_mode=S_IFREG|0644, st_size=6240, ...}``."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime

from cvmdbg.guests.linux import facts
from cvmdbg.guests.linux.decoder import names
from cvmdbg.guests.linux.decoder.style import Style
from cvmdbg.guests.linux.facts import Field, Struct

_TYPES = {
    0xEF53: "EXT2_SUPER_MAGIC",
    0x01021994: "TMPFS_MAGIC",
    0x9FA0: "PROC_SUPER_MAGIC",
    0x62656572: "SYSFS_MAGIC",
    0x794C7630: "OVERLAYFS_SUPER_MAGIC",
    0x858458F6: "RAMFS_MAGIC",
    0x1CD1: "DEVPTS_SUPER_MAGIC",
    0x9123683E: "BTRFS_SUPER_MAGIC",
    0x58465342: "XFS_SUPER_MAGIC",
}
_INFINITY = (1 << 64) - 1
_ABBREVIATED = ("stat", "utsname", "rusage", "statx", "termios")
TICKS_A_SECOND = 100
MAX_TIME = 253402300799  # the last second of the year 9999


def _date(value: int) -> str:
    number = names.signed(value)
    if not 0 < number <= MAX_TIME:
        return str(number)
    return f"{number} /* {datetime.fromtimestamp(number, UTC):%Y-%m-%dT%H:%M:%S%z} */"


def time_text(layout: Struct, content: bytes) -> str:
    """``{tv_sec=1, tv_nsec=5} /* 1970-01-01T00:00:01.000000005+0000 */`` of a timespec or timeval."""
    (first, second), digits = layout.fields, 9 if layout.name == "timespec" else 6
    values = layout.unpack(content)
    seconds, part = names.signed(values[first.name]), names.signed(values[second.name])
    special = {(1 << 30) - 1: "UTIME_NOW", (1 << 30) - 2: "UTIME_OMIT"}.get(part)
    if special is not None and digits == 9:
        return special
    text = f"{{{first.name}={seconds}, {second.name}={part}}}"
    if not (0 <= seconds <= MAX_TIME and 0 <= part < 10**digits and (seconds or part)):
        return text
    fraction = f".{part:0{digits}}" if part else ""
    return f"{text} /* {datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}+0000 */"


def _rlim(value: int) -> str:
    if value == _INFINITY:
        return "RLIM64_INFINITY"
    return f"{value // 1024}*1024" if value > 1024 and value % 1024 == 0 else str(value)


def ticks_text(value: int) -> str:
    """A time of times(2), in seconds too."""
    return f"{value} /* {value / TICKS_A_SECOND:.2f} s */" if value else "0"


def _handler(value: int) -> str:
    return {0: "SIG_DFL", 1: "SIG_IGN", _INFINITY: "SIG_ERR"}.get(value, f"{value:#x}")


def _uint(value: int) -> str:
    return str(value)


Plain = Callable[[int], str]
_PLAIN: dict[str, Plain] = {
    "uint": _uint,
    "size": _uint,
    "hex": names.alternate,
    "hex8": lambda value: f"{value:08x}",
    "mode": names.mode_text,
    "file_mode": names.file_mode_text,
    "dev": names.device_text,
    "date": _date,
    "ticks": ticks_text,
    "rlim": _rlim,
    "handler": _handler,
    "sigset": names.sigset_text,
    "signal": names.signal_text,
    "fs_type": lambda value: _TYPES.get(value, names.alternate(value)),
    "fsid": lambda value: f"{{val=[{names.alternate(value & 0xFFFFFFFF)}, {names.alternate(value >> 32)}]}}",
    "port": lambda value: f"htons({int.from_bytes(value.to_bytes(2, 'little'), 'big')})",
    "flowinfo": lambda value: f"htonl({int.from_bytes(value.to_bytes(4, 'little'), 'big')})",
    "ipv4": lambda value: f'inet_addr("{socket.inet_ntoa(value.to_bytes(4, "little"))}")',
    "sigval": lambda value: f"{{sival_int={names.signed(value, 32)}, sival_ptr={names.alternate(value)}}}",
    "epoll_data": lambda value: f"{{u32={value & 0xFFFFFFFF}, u64={value}}}",
}
"""Kinds of fields that need no more than their number."""


def struct_text(layout: Struct, content: bytes, style: Style, abi: str, pointer: Callable[[int], str]) -> str:
    """A struct of at least ``layout.size`` bytes; ``pointer`` writes the addresses in it."""
    values = layout.unpack(content)
    parts: list[str] = []
    for field in layout.fields:
        if _is_shown(field, values, style):
            raw = content[field.offset : field.offset + field.size]
            text = field_text(field, values[field.name], raw, style, abi, pointer)
            parts.append(f"{_label(layout, field)}={text}")
    if layout.name in _ABBREVIATED and not style.verbose:
        parts.append(style.more)
    return "{" + ", ".join(parts) + "}"


def _label(layout: Struct, field: Field) -> str:
    return "sa_family" if layout.name.startswith("sockaddr") and field.name.endswith("_family") else field.name


def _is_shown(field: Field, values: dict[str, int], style: Style) -> bool:
    match field.shown:
        case "+":
            return True
        case "-":
            return style.verbose
        case "rdev" | "size":
            device = values["st_mode"] & 0o170000 in (0o020000, 0o060000)
            return device is (field.shown == "rdev")
        case "restorer":
            return bool(values["sa_flags"] & facts.constant("SA_RESTORER"))
        case "st_valid":
            return bool(values[field.name] & facts.constant("ST_VALID"))
        case "thread_id":
            return values["sigev_notify"] == facts.constant("SIGEV_THREAD_ID")
        case "stx_mode":
            return bool(values["stx_mask"] & 3)
        case "stx_size":
            return bool(values["stx_mask"] & facts.constant("STATX_SIZE"))
        case "mode":
            return bool(values["flags"] & facts.constant("O_CREAT"))
    return False


def field_text(field: Field, value: int, raw: bytes, style: Style, abi: str, pointer: Callable[[int], str]) -> str:
    """One field by its kind."""
    kind = field.kind
    plain = _PLAIN.get(kind.kind)
    if plain is not None:
        return plain(value)
    match kind.kind:
        case "flags":
            return names.flags_text(kind.parameters[0], value, abi)
        case "enum":
            return names.enum_text(kind.parameters[0], value, abi)
        case "open":
            return names.open_text(value, abi)
        case "ptr":
            return pointer(value)
        case "struct":
            return struct_text(facts.struct(kind.parameters[0], abi), raw, style, abi, pointer)
        case "chars":
            return style.quote(raw.partition(b"\0")[0], True)
        case "bytes":
            return style.quote(raw, True, hexadecimal=True)
        case "ulongs":
            return "[" + ", ".join(str(int.from_bytes(raw[i : i + 8], "little")) for i in range(0, len(raw), 8)) + "]"
    return str(names.signed(value, 8 * field.size))


def sockaddr_text(content: bytes, style: Style, abi: str) -> str:
    """``{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}`` of the bytes of an address."""
    if len(content) < 2:
        return style.quote(content, True, hexadecimal=True)
    family = facts.name_of("socket_family", int.from_bytes(content[:2], "little"))
    match family:
        case "AF_UNIX":
            return _unix(content[2:], style)
        case "AF_INET" if len(content) >= 16:
            return struct_text(facts.struct("sockaddr_in", abi), content, style, abi, str)
        case "AF_INET6" if len(content) >= 28:
            return _inet6(content)
        case "AF_NETLINK" if len(content) >= 12:
            return struct_text(facts.struct("sockaddr_nl", abi), content, style, abi, str)
    shown = family or f"{int.from_bytes(content[:2], 'little'):#x} /* AF_??? */"
    data = f", sa_data={style.quote(content[2:], True)}" if len(content) > 2 else ""
    return f"{{sa_family={shown}{data}}}"


def _unix(path: bytes, style: Style) -> str:
    if not path:
        return "{sa_family=AF_UNIX}"
    abstract = path[:1] == b"\0"
    shown = path[1:] if abstract else path.partition(b"\0")[0]
    text = Style(108, panes=style.panes).quote(shown, True)
    return f"{{sa_family=AF_UNIX, sun_path={'@' if abstract else ''}{text}}}"


def _inet6(content: bytes) -> str:
    port = int.from_bytes(content[2:4], "big")
    flow = int.from_bytes(content[4:8], "big")
    scope = int.from_bytes(content[24:28], "little")
    address = socket.inet_ntop(socket.AF_INET6, content[8:24])
    return (
        f"{{sa_family=AF_INET6, sin6_port=htons({port}), sin6_flowinfo=htonl({flow}), "
        f'inet_pton(AF_INET6, "{address}", &sin6_addr), sin6_scope_id={scope}}}'
    )
