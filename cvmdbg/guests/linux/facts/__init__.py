"""Facts of Linux system calls on AArch64 and x86-64, as data: calls, constants, structs, errors.

Four tables, read when they are first asked for; columns are separated by tabs, ``-`` means none.

    calls.tsv      name, both numbers, result, classes of ``strace -e trace=%…``, arguments
    constants.tsv  set, name, value on both: ``open O_DIRECTORY 0x4000 0x10000``
    structs.tsv    struct, field, kind, when it is shown, size, offset on both; the field ``*`` is the whole struct
    errors.tsv     number, name, text as strerror says it

Sources: the kernel's user headers (asm-generic/unistd.h, asm/unistd_64.h, linux/*.h) of Linux 6.1; the classes are
strace 6.1's. An argument is ``name:kind``, ``name:kind.direction`` or ``name:kind.direction(parameters)``.
Directions, seen from the kernel: ``in`` it reads, ``out`` it fills, ``inout`` both. Parameters name a set, a struct, or
another argument (``result`` is what comes back). Kinds:

    fd atfd path text int uint size offset hex mode dev uid signal ptr none     numbers, strings; none: never shown
    file_mode dev(mode)                                                         a mode with its type; only for devices
    flags(set) enum(set) open mmap_flags clone_flags socket_type futex_op ioctl ipc_flags ipc_key   named numbers
    buffer.in(length) iov.in(count) strings.in environ.in dirents.out           bytes; arrays of them
    struct.in(name) array.in(name,count) ints.out(count) long.inout length.inout wait_status.out
    sigset.in siginfo.in fdset.inout(nfds) pollfds.inout(nfds) cpuset.in(length) sockaddr.in(length) msghdr.in
    fcntl(cmd) ioctl_arg(request) futex_val(op) futex_arg(op) statx_flags epoll_event.in(op)
    prctl_arg(option) mremap_arg(flags) optval.in(length)
    times.in(name) sockopt(level) socket_protocol(domain)                       what another argument decides

``mode(flags)`` counts only when ``flags`` can create a file.
"""

from __future__ import annotations

from cvmdbg.guests.linux.facts.calls import CLASSES, Argument, Call, call, call_at, calls
from cvmdbg.guests.linux.facts.constants import constant, constants, name_of, names_of
from cvmdbg.guests.linux.facts.errors import Errno, errno, errno_named
from cvmdbg.guests.linux.facts.structs import Field, Struct, struct
from cvmdbg.guests.linux.facts.tables import ABIS

__all__ = [
    "ABIS",
    "CLASSES",
    "Argument",
    "Call",
    "Errno",
    "Field",
    "Struct",
    "call",
    "call_at",
    "calls",
    "constant",
    "constants",
    "errno",
    "errno_named",
    "name_of",
    "names_of",
    "struct",
]
