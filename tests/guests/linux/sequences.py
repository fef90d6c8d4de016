"""Calls of a program as ``qemu-aarch64 -strace`` lists them, and as ``cvmdbg strace --json`` does, in one form.

    main thread    openat ENOENT · openat 3 · read 832 · mmap 3 · clone PID · --- SIGUSR1 · exit_group ?
    next thread    …

What differs by design of the two is made equal here, each with its reason; nothing else is.
"""

from __future__ import annotations

import errno
import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from difflib import unified_diff
from itertools import zip_longest
from pathlib import Path

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPYCACHEPREFIX": "/nowhere",
}
HOST_FILES = (
    *("/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/passwd", "/etc/localtime", "/etc/inputrc", "/etc/locale.alias"),
    *("/etc/ssl/openssl.cnf", "/usr/lib/ssl", "/usr/lib/locale", "/usr/share/locale", "/usr/local/lib/python3.11"),
    "/sys/kernel/mm/transparent_hugepage/enabled",
)
"""What qemu finds on the machine because the root has none: the guest gets the same ones."""
CALL = re.compile(r"(\w+)\((.*?)\)(?: = (.*))?")
BEGUN = re.compile(r"(\d{3,}) ([a-z]\w*)\(")
SIGNAL = re.compile(r"--- (SIG\w+) ")
MAPPING = frozenset({"munmap", "brk", "mremap"})
"""How many of these, and of anonymous mmaps, malloc and a loader make depends on the addresses that they get."""
DESCRIPTORS = frozenset(
    {"openat", "dup", "dup3", "socket", "accept", "accept4", "epoll_create1", "eventfd2", "fcntl", "timerfd_create"}
)
PIDS = frozenset({"clone", "set_tid_address", "getpid", "gettid", "getppid", "wait4", "getpgid", "getpgrp", "setpgid"})
UNLIKE = frozenset({"set_robust_list", "rseq", "clone3", "rt_sigreturn", "sched_getaffinity"})
"""qemu-user has no robust futexes, knows rseq not even by name, and prints a number of its own for rt_sigreturn; how
many bytes a mask of processors has is the machine's affair."""
TIMED = frozenset({"rt_sigreturn", "wait4", "futex", "clock_gettime", "mprotect"})
"""Left out where there are children or threads: how often they wait for each other, and which arena
of malloc grows, depends on the machine's time."""

Sequences = list[list[str]]
"""The calls of each thread, in the order in which the threads began."""


def of_qemu(
    qemu: str, root: Path, path: Path, name: str, args: Sequence[str], forks: bool
) -> tuple[int, bytes, Sequences]:
    """Status, output and calls of a program under qemu-aarch64; each thread has a log, which takes a descriptor.

    With ``forks`` names only: a child writes into the middle of its parent's log, so results cannot be told apart.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = ["-d", "strace,tid", "-D", f"{folder}/log.%d"]
        command = [qemu, *log, "-L", str(root), "-0", name, str(path), *args]
        with subprocess.Popen(
            command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/"
        ) as running:
            printed, _ = running.communicate(timeout=120)
        logs = {int(log.suffix[1:]): log.read_text(errors="replace") for log in Path(folder).iterdir()}
    status = running.returncode if running.returncode >= 0 else 128 - running.returncode
    if forks:
        return status, printed, _names(logs, running.pid)
    alone = len(logs) == 1
    return status, printed, [list(_lines(logs[tid].splitlines(), alone)) for tid in _in_order(logs, running.pid)]


def _in_order(tids: Iterable[int], first: int) -> list[int]:
    """As they began: the numbers of a machine start over when they have reached their end."""
    return sorted(tids, key=lambda tid: (tid < first, tid))


def _names(logs: dict[int, str], first: int) -> Sequences:
    """What each thread and child has begun; of a child up to its execve, which qemu cannot do."""
    found: dict[int, list[str]] = {}
    for tid, text in logs.items():
        for number, name in BEGUN.findall(text):
            found.setdefault(tid if int(number) == first else int(number), []).append(name)
    return [_shared(found[tid]) for tid in _in_order(found, first)]


def _shared(names: list[str]) -> list[str]:
    end = names.index("execve") + 1 if "execve" in names else len(names)
    return [name for name in names[:end] if name not in TIMED | MAPPING and name != "mmap"]


def _lines(lines: Iterable[str], alone: bool) -> Iterable[str]:
    for line in lines:
        signal, call = SIGNAL.match(line), CALL.fullmatch(line.partition(" ")[2])
        if signal is not None:
            yield f"--- {signal[1]}"
        elif line.endswith("Unknown syscall 293"):
            yield "rseq"
        elif call is not None:
            failed = re.match(r"-1 errno=(\d+)", call[3] or "")
            result = errno.errorcode.get(int(failed[1]), "?") if failed else (call[3] or "?").split()[0]
            file = call[2].split(",")[4] if call[1] == "mmap" else ""
            yield from _normal(call[1], result, file, alone, 1)


def of_cvmdbg(lines: Iterable[str], forks: bool) -> Sequences:
    """The same of the objects that ``cvmdbg strace --json`` has written."""
    threads: dict[int, list[dict[str, object]]] = {}
    for line in lines:
        said = json.loads(line)
        if said.get("call") != "execve" or said["tick"]:  # qemu begins behind the execve of the program itself
            threads.setdefault(said["thread"], []).append(said)
    if forks:
        begun = [[str(s["call"]) for s in threads[tid] if s.get("call", "rseq") != "rseq"] for tid in sorted(threads)]
        return [_shared(names) for names in begun]
    alone = len(threads) == 1
    return [[line for said in threads[tid] for line in _object(said, alone)] for tid in sorted(threads)]


def _object(said: dict[str, object], alone: bool) -> Iterable[str]:
    if said.get("signal"):
        yield f"--- {said['signal']}"
    elif "call" in said:
        failed = re.match(r"-1 (E\w+)", str(said["result"]))
        result = failed[1] if failed else "?" if said["value"] is None else str(said["value"])
        arguments = said["arguments"]
        assert isinstance(arguments, dict)
        yield from _normal(str(said["call"]), result, str(arguments.get("fd", "")), alone, 0)


def _normal(name: str, result: str, file: str, alone: bool, shift: int) -> Iterable[str]:
    """One call. ``shift``: how much higher descriptors are from 3 on, since the log has taken one."""
    number = int(result, 0) if result[0].isdecimal() else None
    if name in UNLIKE:
        yield name
    elif name in TIMED and not alone:
        return
    elif number is None:
        yield f"{name} {result}"
    elif name == "mmap" and file not in ("-1", "4294967295"):
        yield f"mmap {int(file) - shift if alone else 'NUMBER'}"
    elif name in PIDS and number:
        yield f"{name} PID"
    elif name in DESCRIPTORS and number > 2:
        yield f"{name} {number - shift if alone else 'NUMBER'}"
    elif name not in MAPPING and name != "mmap":
        yield f"{name} {number}"


def differences(theirs: Sequences, mine: Sequences) -> list[str]:
    """What one has and the other has not, thread by thread; empty when they are the same."""
    pairs = enumerate(zip_longest(theirs, mine, fillvalue=[]))
    return [f"thread {n}: {line}" for n, pair in pairs for line in unified_diff(*pair, "qemu", "cvmdbg", lineterm="")]
