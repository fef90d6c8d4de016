"""Kinds whose meaning another argument decides: fcntl, ioctl, futex, prctl, sockets, poll and select, clone."""

from __future__ import annotations

from cvmdbg.guests.linux import facts
from cvmdbg.guests.linux.decoder import names
from cvmdbg.guests.linux.decoder.structs import sockaddr_text, struct_text, ticks_text
from cvmdbg.guests.linux.decoder.values import Frame, Show, Shown, fd_text, iov_text, pointer, struct
from cvmdbg.guests.linux.facts import Argument

_NO_ARGUMENT = ("F_GETFD", "F_GETFL", "F_GETOWN", "F_GETSIG", "F_GETLEASE", "F_GETPIPE_SZ", "F_GET_SEALS")
_LOCKS = ("F_GETLK", "F_SETLK", "F_SETLKW", "F_OFD_GETLK", "F_OFD_SETLK", "F_OFD_SETLKW")
_IOCTL_STRUCTS = {"TIOCGWINSZ": "winsize", "TIOCSWINSZ": "winsize", "TCGETS": "termios", "TCSETS": "termios"}
_IOCTL_INTS = (
    "FIONREAD",
    "FIONBIO",
    "TIOCGPGRP",
    "TIOCSPGRP",
    "TIOCOUTQ",
    "TIOCGSID",
    "TIOCGPTN",
    "TIOCSPTLCK",
    "TIOCPKT",
)
_IOCTL_NONE = ("FIOCLEX", "FIONCLEX", "TIOCNOTTY", "TIOCEXCL", "TIOCNXCL", "TIOCSBRK", "TIOCCBRK")
_IOCTL_SETS = ("TIOCSWINSZ", "TCSETS", "FIONBIO", "TIOCSPGRP", "TIOCSPTLCK", "TIOCPKT")
_FUTEX_ARGUMENTS = {
    "FUTEX_WAIT": ("timeout",),
    "FUTEX_WAKE": (),
    "FUTEX_REQUEUE": ("count", "uaddr2"),
    "FUTEX_CMP_REQUEUE": ("count", "uaddr2", "val3"),
    "FUTEX_WAKE_OP": ("count", "uaddr2", "val3"),
    "FUTEX_WAIT_BITSET": ("timeout", None, "bitset"),
    "FUTEX_WAKE_BITSET": (None, None, "bitset"),
    "FUTEX_LOCK_PI": ("timeout",),
    "FUTEX_LOCK_PI2": ("timeout",),
    "FUTEX_UNLOCK_PI": (),
    "FUTEX_TRYLOCK_PI": (),
}
_OPTION_STRUCTS = {
    "SO_LINGER": "linger",
    "SO_PEERCRED": "ucred",
    "SO_RCVTIMEO_OLD": "timeval",
    "SO_SNDTIMEO_OLD": "timeval",
}
_ANY = (1 << 32) - 1
_PRCTL_COUNT = {"PR_GET_NO_NEW_PRIVS": 4, "PR_SET_NO_NEW_PRIVS": 4, "PR_CAPBSET_READ": 1, "PR_CAPBSET_DROP": 1}


def _enum(frame: Frame, index: int, group: str) -> str:
    return names.enum_text(group, frame.value(index), frame.caller.abi)


def fcntl_argument(frame: Frame, index: int, argument: Argument) -> Shown:
    """The third argument of fcntl by its command."""
    command, abi = _enum(frame, 1, "fcntl"), frame.caller.abi
    value = frame.value(index)
    if command in _NO_ARGUMENT:
        return Shown(None)
    if command == "F_SETFD":
        return Shown(names.flags_text("fd_flags", value, abi))
    if command == "F_SETFL":
        return Shown(names.open_text(value, abi))
    if command == "F_SETLEASE":
        return Shown(_enum(frame, index, "lock_type"))
    if command == "F_ADD_SEALS":
        return Shown(names.flags_text("seals", value, abi))
    if command in _LOCKS:
        layout = facts.struct("flock", abi)
        content = frame.caller.bytes_at(frame.bits[index], layout.size)
        if content is None:
            return pointer(frame, index, argument)
        return Shown(struct_text(layout, content, frame.style, abi, frame.inner), frame.address(index), content)
    return Shown(fd_text(value))


def ioctl_request(frame: Frame, index: int, argument: Argument) -> Shown:
    """``TIOCGWINSZ``, or the parts that an ioctl's number is made of."""
    value = frame.value(index) & 0xFFFFFFFF
    named = facts.name_of("ioctl", value, frame.caller.abi)
    if named is not None:
        return Shown(named)
    directions = ("_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE")
    fields = (value >> 8 & 0xFF, value & 0xFF, value >> 16 & 0x3FFF)
    return Shown(f"_IOC({directions[value >> 30]}, {', '.join(names.alternate(field) for field in fields)})")


def ioctl_argument(frame: Frame, index: int, argument: Argument) -> Shown:
    """What an ioctl points at; until it succeeded, an address for what the kernel fills."""
    request = facts.name_of("ioctl", frame.value(1) & 0xFFFFFFFF, frame.caller.abi) or ""
    if request in _IOCTL_NONE:
        return Shown(None)
    if request in ("TCFLSH", "TCXONC", "TCSBRK", "TIOCSCTTY"):
        return Shown(fd_text(frame.value(index)))
    fills = request not in _IOCTL_SETS
    if fills and (frame.result is None or frame.failed):
        shown = frame.address(index) if frame.value(index) or request else "0"
        return Shown(shown, final=frame.result is not None)
    if request in _IOCTL_STRUCTS:
        layout = facts.struct(_IOCTL_STRUCTS[request], frame.caller.abi)
        content = frame.caller.bytes_at(frame.bits[index], layout.size)
        if content is not None:
            shown = struct_text(layout, content, frame.style, frame.caller.abi, frame.inner)
            return Shown(shown, frame.address(index), content)
    if request in _IOCTL_INTS:
        number = frame.caller.number_at(frame.bits[index], 4)
        if number is not None:
            return Shown(f"[{names.signed(number, 32)}]", frame.address(index))
    return pointer(frame, index, argument)


def futex_op(frame: Frame, index: int, argument: Argument) -> Shown:
    """``FUTEX_WAIT_PRIVATE``, ``FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME``."""
    value = frame.value(index) & 0xFFFFFFFF
    private, realtime = (facts.constant(name) for name in ("FUTEX_PRIVATE_FLAG", "FUTEX_CLOCK_REALTIME"))
    command = value & ~(private | realtime)
    named = facts.name_of("futex", command)
    shown = named or f"{names.alternate(command)} /* FUTEX_??? */"
    if value & private:
        shown = f"{named}_PRIVATE" if named else f"FUTEX_PRIVATE_FLAG|{shown}"
    return Shown(shown + ("|FUTEX_CLOCK_REALTIME" if value & realtime else ""))


def futex_value(frame: Frame, index: int, argument: Argument) -> Shown:
    """The number that a futex waits for or wakes; unlocking takes none."""
    command = facts.name_of("futex", frame.value(1) & 0x7F) or ""
    if command in ("FUTEX_UNLOCK_PI", "FUTEX_TRYLOCK_PI"):
        return Shown(None)
    return Shown(str(names.signed(frame.value(index), 32)))


def futex_argument(frame: Frame, index: int, argument: Argument) -> Shown:
    """What a futex's last three arguments are by its operation."""
    command = facts.name_of("futex", frame.value(1) & 0x7F) or ""
    meanings = _FUTEX_ARGUMENTS.get(command, ("uaddr2", "uaddr2", "hex"))
    if index - 3 >= len(meanings):
        return Shown(None)
    match meanings[index - 3]:
        case "timeout":
            layout = facts.struct("timespec")
            content = frame.caller.bytes_at(frame.bits[index], layout.size)
            if content is None:
                return pointer(frame, index, argument)
            return Shown(struct_text(layout, content, frame.style, frame.caller.abi, str), frame.address(index))
        case "count":
            return Shown(str(names.signed(frame.value(index), 32)))
        case "bitset":
            value = frame.value(index) & 0xFFFFFFFF
            return Shown("FUTEX_BITSET_MATCH_ANY" if value == _ANY else names.alternate(value))
        case "val3" if command == "FUTEX_CMP_REQUEUE":
            return Shown(str(names.signed(frame.value(index), 32)))
        case "val3" | "hex":
            return Shown(names.alternate(frame.value(index)))
        case None:
            return Shown(None)
    return pointer(frame, index, argument)


def prctl_argument(frame: Frame, index: int, argument: Argument) -> Shown:
    """A name for PR_SET_NAME, else a number; how many there are depends on the option."""
    option = facts.name_of("prctl", frame.value(0) & 0xFFFFFFFF) or ""
    if option in ("PR_SET_NAME", "PR_GET_NAME"):
        if index > 1:
            return Shown(None)
        if option == "PR_GET_NAME" and frame.result is None:
            return Shown(frame.address(index), final=False)
        if frame.failed and option == "PR_GET_NAME":
            return pointer(frame, index, argument)
        found = frame.caller.string_at(frame.bits[index], 16)
        return pointer(frame, index, argument) if found is None else Shown(frame.style.quote(*found))
    if option == "PR_SET_PDEATHSIG":
        return Shown(names.signal_text(frame.value(1)) if index == 1 else None)
    if index > _PRCTL_COUNT.get(option, 0 if option.startswith("PR_GET_") else 4):
        return Shown(None)
    return Shown(names.alternate(frame.value(index)))


def mremap_argument(frame: Frame, index: int, argument: Argument) -> Shown:
    """The new address counts only with MREMAP_FIXED, which needs MREMAP_MAYMOVE."""
    return pointer(frame, index, argument) if frame.value(3) & 3 == 3 else Shown(None)


def statx_flags(frame: Frame, index: int, argument: Argument) -> Shown:
    """``AT_STATX_SYNC_AS_STAT`` stands for neither of the two others."""
    value, abi = frame.value(index) & 0xFFFFFFFF, frame.caller.abi
    synced = value & (facts.constant("AT_STATX_FORCE_SYNC") | facts.constant("AT_STATX_DONT_SYNC"))
    shown = names.flags_text("statx_at", value, abi)
    return Shown(shown if synced or not value else f"AT_STATX_SYNC_AS_STAT|{shown}")


def epoll_event(frame: Frame, index: int, argument: Argument) -> Shown:
    """The event of epoll_ctl, which EPOLL_CTL_DEL does not look at."""
    if frame.value(1) & 0xFFFFFFFF == facts.constant("EPOLL_CTL_DEL"):
        return pointer(frame, index, argument)
    return struct(frame, index, Argument(argument.name, "struct", "in", ("epoll_event",)))


def socket_type(frame: Frame, index: int, argument: Argument) -> Shown:
    """``SOCK_STREAM|SOCK_CLOEXEC``."""
    value, abi = frame.value(index) & 0xFFFFFFFF, frame.caller.abi
    kinds, flags = argument.parameters or ("socket_type", "socket")
    kind = facts.name_of(kinds, value & 0xF, abi) or names.alternate(value & 0xF)
    rest = value & ~0xF
    return Shown(kind + (f"|{names.flags_text(flags, rest, abi)}" if rest else ""))


def socket_protocol(frame: Frame, index: int, argument: Argument) -> Shown:
    """The protocol by the family."""
    family = facts.name_of("socket_family", frame.named(argument.parameters[0]) & 0xFFFFFFFF)
    if family in ("AF_INET", "AF_INET6"):
        return Shown(_enum(frame, index, "ip_protocol"))
    if family == "AF_NETLINK":
        return Shown(_enum(frame, index, "netlink"))
    return Shown(str(names.signed(frame.value(index), 32)))


def socket_option(frame: Frame, index: int, argument: Argument) -> Shown:
    """The option by its level."""
    level = facts.name_of("sockopt_level", frame.named(argument.parameters[0]) & 0xFFFFFFFF) or ""
    group = f"sockopt_{level}"
    if facts.constants(group):
        return Shown(_enum(frame, index, group))
    return Shown(names.alternate(frame.value(index) & 0xFFFFFFFF))


def option_value(frame: Frame, index: int, argument: Argument) -> Shown:
    """An int, a struct by the option, or bytes."""
    filled = argument.direction == "out"
    if filled and (frame.result is None or frame.failed):
        return Shown(frame.address(index), final=frame.result is not None)
    size = frame.caller.number_at(frame.bits[index + 1], 4) if filled else frame.value(index + 1) & 0xFFFFFFFF
    level = facts.name_of("sockopt_level", frame.value(1) & 0xFFFFFFFF) or ""
    option = facts.name_of(f"sockopt_{level}", frame.value(2) & 0xFFFFFFFF) or ""
    content = frame.caller.bytes_at(frame.bits[index], min(size or 0, 256))
    if not content:
        return pointer(frame, index, argument)
    if option in _OPTION_STRUCTS and len(content) >= facts.struct(_OPTION_STRUCTS[option]).size:
        layout = facts.struct(_OPTION_STRUCTS[option])
        return Shown(struct_text(layout, content, frame.style, frame.caller.abi, str), frame.address(index), content)
    if option == "SO_ERROR":
        error = facts.errno(int.from_bytes(content[:4], "little"))
        return Shown(f"[{error.name if error is not None else 0}]", frame.address(index), content)
    if len(content) == 4 or (level == "SOL_SOCKET" and option and len(content) > 4 and not filled):
        number = names.signed(int.from_bytes(content[:4], "little"), 32)
        return Shown(f"[{number}]", frame.address(index), content)
    return Shown(frame.style.quote(content, True), frame.address(index), content)


def message(frame: Frame, index: int, argument: Argument) -> Shown:
    """A msghdr with its address, vector and length."""
    if argument.direction == "out" and (frame.result is None or frame.failed):
        return _empty_message(frame, index)
    layout, caller = facts.struct("msghdr", frame.caller.abi), frame.caller
    content = caller.bytes_at(frame.bits[index], layout.size)
    if content is None or caller.pure:
        return pointer(frame, index, argument)
    values = layout.unpack(content)
    name = caller.bytes_at(values["msg_name"], min(values["msg_namelen"], 128))
    shown_name = sockaddr_text(name, frame.style, caller.abi) if name else frame.inner(values["msg_name"])
    left = frame.named("result") if argument.direction == "out" else None
    vector = iov_text(frame, values["msg_iov"], values["msg_iovlen"], left) or frame.inner(values["msg_iov"])
    flags = names.flags_text("msg", values["msg_flags"], caller.abi)
    parts = [
        f"msg_name={shown_name}",
        f"msg_namelen={values['msg_namelen']}",
        f"msg_iov={vector}",
        f"msg_iovlen={values['msg_iovlen']}",
        *([f"msg_control={frame.inner(values['msg_control'])}"] if values["msg_controllen"] else []),
        f"msg_controllen={values['msg_controllen']}",
        f"msg_flags={flags}",
    ]
    return Shown("{" + ", ".join(parts) + "}", frame.address(index), content)


def _empty_message(frame: Frame, index: int) -> Shown:
    """A message that nothing was received into."""
    layout = facts.struct("msghdr", frame.caller.abi)
    content = frame.caller.bytes_at(frame.bits[index], layout.size)
    if frame.result is None or not content:
        return Shown(frame.address(index), final=frame.result is not None)
    return Shown(f"{{msg_namelen={layout.unpack(content)['msg_namelen']}}}", frame.address(index))


def poll_entries(frame: Frame, index: int, argument: Argument) -> Shown:
    """``[{fd=3, events=POLLIN}]``."""
    layout = facts.struct("pollfd")
    count = frame.named(argument.parameters[0])
    content = frame.caller.bytes_at(frame.bits[index], layout.size * min(count, 32))
    if content is None or not frame.value(index):
        return pointer(frame, index, argument)
    parts = [
        struct_text(layout, content[i * 8 : i * 8 + 8], frame.style, frame.caller.abi, str)
        for i in range(min(count, 32))
    ]
    parts += [frame.style.more] if count > 32 else []
    return Shown(f"[{', '.join(parts)}]", frame.address(index), content)


def descriptor_set(frame: Frame, index: int, argument: Argument) -> Shown:
    """``[0 3]``: the members of an fd_set below nfds."""
    count = min(frame.named(argument.parameters[0]), 1 << 16)
    mask = frame.caller.number_at(frame.bits[index], (count + 63) // 64 * 8)
    if mask is None or not count or not frame.value(index):
        return pointer(frame, index, argument)
    return Shown(members(mask, count), frame.address(index))


def members(mask: int, count: int) -> str:
    """An fd_set in text."""
    return f"[{' '.join(str(n) for n in range(count) if mask >> n & 1)}]"


def signal_information(frame: Frame, index: int, argument: Argument) -> Shown:
    """``{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=2, si_uid=0, si_status=0}``."""
    if argument.direction == "out" and (frame.result is None or frame.failed):
        return Shown(frame.address(index), final=frame.result is not None)
    layout = facts.struct("siginfo")
    content = frame.caller.bytes_at(frame.bits[index], layout.size)
    if content is None:
        return pointer(frame, index, argument)
    values = layout.unpack(content)
    if not values["si_signo"]:
        return Shown("{}", frame.address(index), content)
    return Shown(siginfo_text(values), frame.address(index), content)


def siginfo_text(values: dict[str, int]) -> str:
    """A siginfo by its signal: who sent it, or where the fault is."""
    signal = names.signal_text(values["si_signo"])
    code = values["si_code"]
    named = facts.name_of(f"si_code_{signal}", code) or facts.name_of("si_code", code)
    parts = [f"si_signo={signal}", f"si_code={named or names.alternate(code)}"]
    if signal in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP") and not code >> 31 and code:
        parts.append(f"si_addr={values['si_addr']:#x}" if values["si_addr"] else "si_addr=NULL")
    elif signal == "SIGCHLD" or not code or code >> 31 or values["si_pid"] or values["si_uid"]:
        parts += [f"si_pid={values['si_pid']}", f"si_uid={values['si_uid']}"]
        if signal == "SIGCHLD":
            parts.append(f"si_status={values['si_status']}")
            parts += [f"{name}={ticks_text(values[name])}" for name in ("si_utime", "si_stime")]
    return "{" + ", ".join(parts) + "}"


def ipc_key(frame: Frame, index: int, argument: Argument) -> Shown:
    """``IPC_PRIVATE``, or the key."""
    value = frame.value(index) & 0xFFFFFFFF
    return Shown(f"{value:#x}" if value else "IPC_PRIVATE")


def ipc_flags(frame: Frame, index: int, argument: Argument) -> Shown:
    """``IPC_CREAT|0600``."""
    value = frame.value(index) & 0xFFFFFFFF
    found, rest = facts.names_of("ipc", value & ~0o777)
    shown = [*found, *([names.alternate(rest)] if rest else []), names.mode_text(value & 0o777)]
    return Shown("|".join(shown))


def clone_flags(frame: Frame, index: int, argument: Argument) -> Shown:
    """The flags of clone with the signal in their low byte."""
    value = frame.value(index)
    signal = value & 0xFF
    shown = names.flags_text("clone", value & ~0xFF, frame.caller.abi) if value & ~0xFF else ""
    named = names.signal_text(signal) if signal else ""
    return Shown("|".join(part for part in (shown, named) if part) or "0")


SPECIAL: dict[str, Show] = {
    "fcntl": fcntl_argument,
    "ioctl": ioctl_request,
    "ioctl_arg": ioctl_argument,
    "futex_op": futex_op,
    "futex_val": futex_value,
    "futex_arg": futex_argument,
    "statx_flags": statx_flags,
    "epoll_event": epoll_event,
    "prctl_arg": prctl_argument,
    "mremap_arg": mremap_argument,
    "socket_type": socket_type,
    "socket_protocol": socket_protocol,
    "sockopt": socket_option,
    "optval": option_value,
    "msghdr": message,
    "pollfds": poll_entries,
    "fdset": descriptor_set,
    "siginfo": signal_information,
    "ipc_key": ipc_key,
    "ipc_flags": ipc_flags,
    "clone_flags": clone_flags,
}
