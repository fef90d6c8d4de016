"""Numbers of the Linux ABI on AArch64 that the LibOS decides by. Source: Linux include/uapi."""

from __future__ import annotations


class E:
    """Error numbers."""

    EPERM, ENOENT, ESRCH, EINTR, EIO, ENXIO, E2BIG, ENOEXEC, EBADF, ECHILD = range(1, 11)
    EAGAIN, ENOMEM, EACCES, EFAULT, ENOTBLK, EBUSY, EEXIST, EXDEV, ENODEV, ENOTDIR = range(11, 21)
    EISDIR, EINVAL, ENFILE, EMFILE, ENOTTY, ETXTBSY, EFBIG, ENOSPC, ESPIPE, EROFS = range(21, 31)
    EMLINK, EPIPE, EDOM, ERANGE, EDEADLK, ENAMETOOLONG, ENOLCK, ENOSYS, ENOTEMPTY, ELOOP = range(31, 41)
    ENODATA, EOVERFLOW = 61, 75
    ENOTSOCK, EDESTADDRREQ, EMSGSIZE, EPROTOTYPE, ENOPROTOOPT, EPROTONOSUPPORT = range(88, 94)
    EOPNOTSUPP, EAFNOSUPPORT, EADDRINUSE, EADDRNOTAVAIL, ENETUNREACH = 95, 97, 98, 99, 101
    ECONNRESET, ENOTCONN, ETIMEDOUT, ECONNREFUSED, EINPROGRESS, EISCONN = 104, 107, 110, 111, 115, 106


class Err(Exception):
    """A call fails with ``args[0]``, an error number."""


class Wait(Exception):
    """The calling thread must wait: ``reason`` is what a person reads, ``deadline`` nanoseconds of the clock.

    The call is made again when something that it may wait for has happened. ``timeout`` is its result when the
    deadline comes first; with ``restart`` a signal with SA_RESTART begins it anew, else it ends with EINTR. Without
    ``polls`` only the one who wakes it by name ends it.
    """

    def __init__(
        self,
        reason: str,
        deadline: int | None = None,
        timeout: int = 0,
        restart: bool = True,
        polls: bool = True,
        limit: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.limit = limit
        self.polls = polls
        self.reason = reason
        self.deadline = deadline
        self.timeout = timeout
        self.restart = restart


O_ACCMODE, O_RDONLY, O_WRONLY, O_RDWR = 3, 0, 1, 2
O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK = 0o100, 0o200, 0o1000, 0o2000, 0o4000
O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_PATH, O_TMPFILE = 0o40000, 0o100000, 0o2000000, 0o10000000, 0o20000000
AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = -100, 0x100, 0x200, 0x400, 0x1000
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_FIXED_NOREPLACE = 1, 2, 0x10, 0x20, 0x100000
CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_VFORK = 0x100, 0x200, 0x400, 0x800, 0x4000
CLONE_PARENT, CLONE_THREAD, CLONE_SETTLS, CLONE_PARENT_SETTID = 0x8000, 0x10000, 0x80000, 0x100000
CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_NEWMASK = 0x200000, 0x1000000, 0x7E020080
POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL, POLLRDNORM, POLLWRNORM, POLLRDHUP = (
    1,
    2,
    4,
    8,
    16,
    32,
    64,
    256,
    0x2000,
)
SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL = range(1, 10)
SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGCHLD, SIGCONT = range(10, 19)
SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH = range(19, 29)
SIGIO, SIGPWR, SIGSYS = 29, 30, 31
NSIG = 64
SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO, SA_RESTORER = 1, 2, 4, 0x04000000
SA_ONSTACK, SA_RESTART, SA_NODEFER, SA_RESETHAND = 0x08000000, 0x10000000, 0x40000000, 0x80000000
SS_ONSTACK, SS_DISABLE = 1, 2

WORD = (1 << 64) - 1


def s32(value: int) -> int:
    """A register's low 32 bits as a C int."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def s64(value: int) -> int:
    """A register as a C long."""
    return value - (1 << 64) if value >> 63 else value
