"""Who a program is, what it may use, what machine it is told to run on."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi
from cvmdbg.guests.linux.abi import E, Err, s32
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.proc import MEMORY
from cvmdbg.guests.linux.state import Program, Thread

INFINITE = (1 << 64) - 1
LIMITS = {3: (8 << 20, INFINITE), 4: (0, INFINITE), 6: (32768, 32768), 7: (1024, 4096), 8: (8 << 20, 8 << 20)}
PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE = 15, 16, 1, 2, 3, 4
ROOT_CALLS = ("getuid", "geteuid", "getgid", "getegid")


@call(*ROOT_CALLS)
def root(kernel: Kernel, thread: Thread) -> int:
    return 0


@call("getpid")
def getpid(kernel: Kernel, thread: Thread) -> int:
    return thread.pid


@call("gettid")
def gettid(kernel: Kernel, thread: Thread) -> int:
    return thread.tid


@call("getppid")
def getppid(kernel: Kernel, thread: Thread) -> int:
    return kernel.program(thread).parent


@call("set_tid_address")
def set_tid_address(kernel: Kernel, thread: Thread, pointer: int) -> int:
    thread.clear_tid = pointer
    return thread.tid


@call("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups")
def set_identity(kernel: Kernel, thread: Thread, first: int) -> int:
    """All programs are root's; becoming somebody else changes nothing that is modelled."""
    return 0


@call("getgroups")
def getgroups(kernel: Kernel, thread: Thread, size: int, buf: int) -> int:
    if size:
        kernel.write(thread, buf, bytes(4))
    return 1


@call("getresuid", "getresgid")
def getresuid(kernel: Kernel, thread: Thread, real: int, effective: int, saved: int) -> int:
    for pointer in (real, effective, saved):
        kernel.write(thread, pointer, bytes(4))
    return 0


def _other(kernel: Kernel, thread: Thread, pid: int) -> Program:
    program = kernel.state.programs.get(s32(pid)) if s32(pid) else kernel.program(thread)
    if program is None:
        raise Err(E.ESRCH)
    return program


@call("getpgid")
def getpgid(kernel: Kernel, thread: Thread, pid: int) -> int:
    return _other(kernel, thread, pid).group


@call("setpgid")
def setpgid(kernel: Kernel, thread: Thread, pid: int, group: int) -> int:
    program = _other(kernel, thread, pid)
    if s32(group) < 0:
        raise Err(E.EINVAL)
    program.group = s32(group) or program.pid
    return 0


@call("getsid")
def getsid(kernel: Kernel, thread: Thread, pid: int) -> int:
    return _other(kernel, thread, pid).session


@call("setsid")
def setsid(kernel: Kernel, thread: Thread) -> int:
    program = kernel.program(thread)
    if program.group == program.pid and program.session == program.pid:
        raise Err(E.EPERM)
    program.group = program.session = program.pid
    return program.pid


@call("uname")
def uname(kernel: Kernel, thread: Thread, buf: int) -> int:
    fields = ("Linux", kernel.state.hostname, "6.1.0", "#1 SMP cvmdbg", "aarch64", "(none)")
    kernel.write(thread, buf, b"".join(f.encode().ljust(65, b"\0") for f in fields))
    return 0


@call("sethostname")
def sethostname(kernel: Kernel, thread: Thread, buf: int, size: int) -> int:
    if size > 64:
        raise Err(E.EINVAL)
    kernel.state.hostname = kernel.read(thread, buf, size).decode("utf-8", "replace")
    return 0


@call("sysinfo")
def sysinfo(kernel: Kernel, thread: Thread, buf: int) -> int:
    words = (kernel.now // 10**9, 0, 0, 0, MEMORY, MEMORY // 2, 0, 0, 0, 0)
    programs = len(kernel.state.programs)
    kernel.write(thread, buf, struct.pack("<10QHHIQQI4x", *words, programs, 0, 0, 0, 0, 1))
    return 0


@call("prlimit64")
def prlimit64(kernel: Kernel, thread: Thread, pid: int, resource: int, new: int, old: int) -> int:
    program, resource = _other(kernel, thread, pid), resource & 0xFFFFFFFF
    if resource > 15:
        raise Err(E.EINVAL)
    before = program.limits.get(resource) or LIMITS.get(resource, (INFINITE, INFINITE))
    made = kernel.words(thread, new, "<QQ") if new else None
    if made is not None and made[0] > made[1]:
        raise Err(E.EINVAL)
    if old:
        kernel.write(thread, old, struct.pack("<QQ", *before))
    if made is not None:
        program.limits[resource] = (made[0], made[1])
    return 0


@call("getrlimit")
def getrlimit(kernel: Kernel, thread: Thread, resource: int, buf: int) -> int:
    return prlimit64(kernel, thread, 0, resource, 0, buf)


@call("setrlimit")
def setrlimit(kernel: Kernel, thread: Thread, resource: int, buf: int) -> int:
    return prlimit64(kernel, thread, 0, resource, buf, 0)


@call("getrusage")
def getrusage(kernel: Kernel, thread: Thread, who: int, buf: int) -> int:
    if s32(who) not in (-1, 0, 1):
        raise Err(E.EINVAL)
    used = kernel.tick if s32(who) >= 0 else 0
    kernel.write(thread, buf, struct.pack("<qqqq", used // 10**9, used % 10**9 // 1000, 0, 0).ljust(144, b"\0"))
    return 0


@call("getpriority")
def getpriority(kernel: Kernel, thread: Thread, which: int, who: int) -> int:
    return 20


@call("setpriority")
def setpriority(kernel: Kernel, thread: Thread, which: int, who: int, priority: int) -> int:
    return 0


@call("getrandom")
def getrandom(kernel: Kernel, thread: Thread, buf: int, size: int, flags: int) -> int:
    if flags & 0xFFFFFFFF & ~7:
        raise Err(E.EINVAL)
    size = kernel.room(thread, buf, min(size, 1 << 25))
    kernel.write(thread, buf, kernel.random(size))
    return size


@call("getcpu")
def getcpu(kernel: Kernel, thread: Thread, cpu: int, node: int) -> int:
    for pointer in (cpu, node):
        if pointer:
            kernel.write(thread, pointer, bytes(4))
    return 0


# ---- scheduling -------------------------------------------------------------------------------------------


@call("sched_yield")
def sched_yield(kernel: Kernel, thread: Thread) -> int:
    kernel.yielded = True
    return 0


@call("sched_getaffinity")
def sched_getaffinity(kernel: Kernel, thread: Thread, pid: int, size: int, buf: int) -> int:
    if size < 8 or size % 8:
        raise Err(E.EINVAL)
    kernel.write(thread, buf, struct.pack("<Q", 1))
    return 8


@call("sched_setaffinity")
def sched_setaffinity(kernel: Kernel, thread: Thread, pid: int, size: int, buf: int) -> int:
    mask = kernel.read(thread, buf, min(size, 8))
    if not mask or not mask[0] & 1:
        raise Err(E.EINVAL)
    return 0


@call("sched_getscheduler")
def sched_getscheduler(kernel: Kernel, thread: Thread, pid: int) -> int:
    return 0


@call("sched_setscheduler", "sched_setparam")
def sched_setscheduler(kernel: Kernel, thread: Thread, pid: int) -> int:
    return 0


@call("sched_getparam")
def sched_getparam(kernel: Kernel, thread: Thread, pid: int, buf: int) -> int:
    kernel.write(thread, buf, bytes(4))
    return 0


@call("sched_get_priority_max", "sched_get_priority_min")
def sched_priorities(kernel: Kernel, thread: Thread, policy: int) -> int:
    return 0


@call("prctl")
def prctl(kernel: Kernel, thread: Thread, option: int, second: int, third: int, fourth: int, fifth: int) -> int:
    match option & 0xFFFFFFFF:
        case 15:
            thread.name = kernel.read(thread, second, 16).partition(b"\0")[0].decode("utf-8", "replace")[:15]
        case 16:
            kernel.write(thread, second, thread.name.encode("utf-8", "replace")[:15].ljust(16, b"\0"))
        case 3:
            return 1
        case 1 | 4 | 36 | 38 | 41:  # PDEATHSIG, DUMPABLE, CHILD_SUBREAPER, NO_NEW_PRIVS, THP_DISABLE
            return 0
        case 2 | 37:
            kernel.write(thread, second, bytes(4))
        case 39:
            return 0
        case 23:  # CAPBSET_READ
            return 1 if second < 41 else -E.EINVAL
        case _:
            raise Err(E.EINVAL)
    return 0


@call("personality")
def personality(kernel: Kernel, thread: Thread, persona: int) -> int:
    return 0


@call("capget")
def capget(kernel: Kernel, thread: Thread, header: int, sets: int) -> int:
    version, _ = kernel.words(thread, header, "<Ii")
    if version != 0x20080522:
        kernel.write(thread, header, struct.pack("<I", 0x20080522))
        if sets:
            raise Err(E.EINVAL)
        return 0
    if sets:
        kernel.write(thread, sets, struct.pack("<6I", *(abi.WORD & 0xFFFFFFFF,) * 2, 0, 0x1FF, 0x1FF, 0))
    return 0


@call("capset")
def capset(kernel: Kernel, thread: Thread, header: int, sets: int) -> int:
    return 0
