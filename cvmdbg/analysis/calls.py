"""The calls that a LibOS and the monitor serve: names, arguments, flags, errors. Data, and how it is printed.

System calls: Linux numbers of AArch64 in x14, arguments in c0..c5 (musl3 and musl-lkl LibOS of Intravisor). Hostcalls:
numbers in x14 too (Intravisor src/hostcalls.c). An argument is ``name:kind``; kinds are below.
"""

from __future__ import annotations

from dataclasses import dataclass

# Kinds: fd, int, uint, hex, oct, path (string), in (bytes that the callee reads; length in the next argument),
# out (bytes that the callee fills; length is the next argument, content by the result), iov (vector; count next),
# ptr, open, whence, at (directory fd), clock, prot.


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A call by name, and how its result reads: ``int``, ``hex`` or ``none`` (it does not come back)."""

    name: str
    arguments: tuple[Argument, ...]
    result: str = "int"


_SYSCALLS = """
17 getcwd buf:ptr size:uint
23 dup fd:fd
24 dup3 old:fd new:fd flags:open
25 fcntl fd:fd cmd:int arg:hex
29 ioctl fd:fd request:ioctl arg:ptr
34 mkdirat dirfd:at path:path mode:oct
35 unlinkat dirfd:at path:path flags:hex
45 truncate path:path length:int
46 ftruncate fd:fd length:int
48 faccessat dirfd:at path:path mode:oct
56 openat dirfd:at path:path flags:open mode:oct
57 close fd:fd
59 pipe2 fds:ptr flags:open
61 getdents64 fd:fd buf:ptr size:uint
62 lseek fd:fd offset:int whence:whence
63 read fd:fd buf:out count:uint
64 write fd:fd buf:in count:uint
65 readv fd:fd iov:ptr count:int
66 writev fd:fd iov:iov count:int
67 pread64 fd:fd buf:out count:uint offset:int
72 pselect6 nfds:int read:ptr write:ptr except:ptr timeout:ptr
73 ppoll fds:ptr nfds:uint timeout:ptr
78 readlinkat dirfd:at path:path buf:ptr size:uint
79 newfstatat dirfd:at path:path stat:ptr flags:hex
80 fstat fd:fd stat:ptr
82 fsync fd:fd
93 exit status:int = none
94 exit_group status:int = none
96 set_tid_address tid:ptr
98 futex addr:ptr op:int value:int timeout:ptr
113 clock_gettime clock:clock time:ptr
122 sched_setaffinity pid:int size:uint mask:ptr
123 sched_getaffinity pid:int size:uint mask:ptr
124 sched_yield
130 tkill tid:int signal:int
134 rt_sigaction signal:int new:ptr old:ptr
135 rt_sigprocmask how:int new:ptr old:ptr
160 uname buf:ptr
172 getpid
173 getppid
174 getuid
175 geteuid
176 getgid
177 getegid
178 gettid
179 sysinfo info:ptr
198 socket domain:int type:int protocol:int
200 bind fd:fd addr:ptr length:uint
201 listen fd:fd backlog:int
202 accept fd:fd addr:ptr length:ptr
203 connect fd:fd addr:ptr length:uint
205 getpeername fd:fd addr:ptr length:ptr
206 sendto fd:fd buf:in count:uint flags:hex addr:ptr
207 recvfrom fd:fd buf:out count:uint flags:hex addr:ptr
208 setsockopt fd:fd level:int name:int value:ptr length:uint
209 getsockopt fd:fd level:int name:int value:ptr length:ptr
210 shutdown fd:fd how:int
215 munmap addr:ptr length:uint
220 clone flags:hex stack:ptr parent:ptr tls:ptr child:ptr
222 mmap addr:ptr length:uint prot:hex flags:hex fd:fd offset:int = hex
226 mprotect addr:ptr length:uint prot:hex
261 prlimit64 pid:int resource:int new:ptr old:ptr
278 getrandom buf:ptr count:uint flags:hex
283 membarrier cmd:int flags:hex
"""

_HOSTCALLS = """
1 write_out buf:in count:uint
3 sem_alloc count:int
4 sem_free sem:int
5 sem_up sem:int
6 sem_down sem:int
7 mutex_alloc recursive:int
8 mutex_free mutex:int
9 mutex_lock mutex:int
10 mutex_unlock mutex:int
11 thread_create entry:ptr argument:ptr
12 thread_detach
13 thread_exit = none
14 thread_join tid:int
15 thread_self
16 thread_equal first:int second:int
17 tls_alloc destructor:ptr
18 tls_free key:int
19 tls_set key:int value:ptr
20 tls_get key:int = hex
25 time_ns
26 timer_alloc entry:ptr argument:ptr
27 timer_set_oneshot timer:int ns:uint
28 timer_free timer:int
40 thread_create entry:ptr argument:ptr
41 thread_join tid:int result:ptr
42 thread_exit = none
507 write fd:fd buf:in count:uint
508 read fd:fd buf:out count:uint
809 read fd:fd buf:out count:uint
810 write fd:fd buf:in count:uint
900 get_file_size name:path
901 copy_file name:path where:ptr size:uint
1000 futex addr:ptr op:int value:int timeout:ptr
1001 clone entry:ptr argument:ptr stack:ptr tls:ptr
1002 gettid
"""

_ERRORS = {
    1: "EPERM",
    2: "ENOENT",
    3: "ESRCH",
    4: "EINTR",
    5: "EIO",
    9: "EBADF",
    10: "ECHILD",
    11: "EAGAIN",
    12: "ENOMEM",
    13: "EACCES",
    14: "EFAULT",
    16: "EBUSY",
    17: "EEXIST",
    19: "ENODEV",
    20: "ENOTDIR",
    21: "EISDIR",
    22: "EINVAL",
    23: "ENFILE",
    24: "EMFILE",
    25: "ENOTTY",
    27: "EFBIG",
    28: "ENOSPC",
    29: "ESPIPE",
    30: "EROFS",
    32: "EPIPE",
    34: "ERANGE",
    36: "ENAMETOOLONG",
    38: "ENOSYS",
    39: "ENOTEMPTY",
    75: "EOVERFLOW",
    95: "EOPNOTSUPP",
    110: "ETIMEDOUT",
    111: "ECONNREFUSED",
}
"""Linux error numbers (asm-generic)."""

_OPEN = {
    0o100: "O_CREAT",
    0o200: "O_EXCL",
    0o1000: "O_TRUNC",
    0o2000: "O_APPEND",
    0o4000: "O_NONBLOCK",
    0o40000: "O_DIRECTORY",
    0o2000000: "O_CLOEXEC",
}
_WHENCE = ("SEEK_SET", "SEEK_CUR", "SEEK_END")
_CLOCKS = ("CLOCK_REALTIME", "CLOCK_MONOTONIC")
_IOCTLS = {0x5413: "TIOCGWINSZ", 0x5401: "TCGETS", 0x541B: "FIONREAD"}
AT_FDCWD = -100


def _signature(line: str) -> tuple[int, Signature]:
    head, _, result = line.partition(" = ")
    number, name, *arguments = head.split()
    pairs = tuple(Argument(*argument.split(":")) for argument in arguments)
    return int(number), Signature(name, pairs, result or "int")


SYSCALLS = dict(_signature(line) for line in _SYSCALLS.split("\n") if line)
HOSTCALLS = dict(_signature(line) for line in _HOSTCALLS.split("\n") if line)
_ANY = tuple(Argument(f"x{n}", "hex") for n in range(6))


def signature(number: int, monitor: bool) -> Signature:
    """The call of a number; one that is not known shows all six argument registers."""
    known = (HOSTCALLS if monitor else SYSCALLS).get(number)
    return known or Signature(f"t5={number}?", _ANY, "hex")


def number_of(name: str, monitor: bool) -> int | None:
    """The number of a call by name or in digits."""
    if name.isdigit():
        return int(name)
    table = HOSTCALLS if monitor else SYSCALLS
    return next((number for number, entry in table.items() if entry.name == name), None)


def signed(value: int, bits: int = 64) -> int:
    """Two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def error_name(value: int) -> str | None:
    """``ENOENT`` for -2 and so on; None when the number is no error."""
    number = -signed(value)
    return _ERRORS.get(number, f"errno {number}") if 0 < number < 4096 else None


def number_text(kind: str, value: int) -> str:
    """A plain argument by its kind."""
    number = signed(value, 32) if kind in ("fd", "at", "int") and value >> 32 in (0, 0xFFFFFFFF) else signed(value)
    match kind:
        case "at":
            return "AT_FDCWD" if number == AT_FDCWD else str(number)
        case "open":
            return _open_text(value)
        case "whence" if 0 <= number < 3:
            return _WHENCE[number]
        case "clock" if 0 <= number < 2:
            return _CLOCKS[number]
        case "ioctl":
            return _IOCTLS.get(value & 0xFFFFFFFF, f"{value:#x}")
        case "uint":
            return str(value)
        case "oct":
            return f"0{value:o}" if value else "0"
        case "hex":
            return f"{value:#x}"
    return str(number)


def _open_text(value: int) -> str:
    names = [("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")[value & 3]]
    names += [name for bit, name in _OPEN.items() if value & bit]
    rest = value & ~(3 | sum(_OPEN))
    return "|".join([*names, *([f"{rest:#x}"] if rest else [])])


def result_text(entry: Signature, value: int, tagged: bool, pointer: str) -> tuple[str, bool]:
    """``= 3``, ``= -1 ENOENT``, ``= ● addr[…]``; and whether the call failed."""
    if tagged:
        return f"= ● {pointer}", False
    error = error_name(value)
    if error is not None:
        return f"= -1 {error}", True
    number = signed(value)
    return (f"= {number:#x}" if entry.result == "hex" and number else f"= {number}"), False
