"""Our spelling of calls against Debian's strace, on random arguments and memory of the same x86-64 program."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cvmdbg.guests.linux import facts
from cvmdbg.guests.linux.facts import Call
from tests.guests.linux.strace_oracle import Case, Maker, ours, strace

LAST_OF_STRACE_6_1 = 334
ADMINISTRATION = "it administers a machine: no program of a cVM makes it; shown by its plain arguments"
OLD = "Linux has not had it for years"
NOT_RETURNING = "it does not come back, or not as a call"
DEEPER = "strace looks into an array or a word that we show as a number or an address"
EXEMPT = {
    **dict.fromkeys(("execve", "execveat", "exit", "exit_group", "rt_sigreturn", "restart_syscall"), NOT_RETURNING),
    **dict.fromkeys(("fork", "vfork", "ptrace"), NOT_RETURNING),
    **dict.fromkeys(("mount", "umount2", "quotactl", "capget", "capset", "personality", "syslog"), ADMINISTRATION),
    **dict.fromkeys(
        ("reboot", "swapon", "sethostname", "setdomainname", "kexec_load", "kexec_file_load"), ADMINISTRATION
    ),
    **dict.fromkeys(
        ("init_module", "finit_module", "delete_module", "keyctl", "bpf", "perf_event_open"), ADMINISTRATION
    ),
    **dict.fromkeys(("fanotify_init", "fanotify_mark", "name_to_handle_at", "userfaultfd", "sysfs"), ADMINISTRATION),
    **dict.fromkeys(("ioprio_set", "ioprio_get", "lookup_dcookie", "arch_prctl", "kcmp", "seccomp"), ADMINISTRATION),
    **dict.fromkeys(("nfsservctl", "create_module", "get_kernel_syms", "query_module", "getpmsg", "putpmsg"), OLD),
    **dict.fromkeys(("afs_syscall", "tuxcall", "security", "epoll_ctl_old", "epoll_wait_old", "vserver"), OLD),
    **dict.fromkeys(("io_submit", "io_getevents", "io_pgetevents", "semop", "semtimedop", "mincore"), DEEPER),
    **dict.fromkeys(("mbind", "get_mempolicy", "set_mempolicy", "move_pages", "migrate_pages"), DEEPER),
    **dict.fromkeys(("sendmmsg", "recvmmsg", "process_vm_readv", "process_vm_writev", "get_robust_list"), DEEPER),
    **dict.fromkeys(("mq_open", "mq_unlink", "mq_notify", "timer_create", "prctl", "membarrier"), DEEPER),
    **dict.fromkeys(("pkey_alloc", "getdents64", "getdents"), DEEPER),
}
"""Calls that are not compared, each with its reason."""


def is_compared(case: Case, inject: str) -> bool:
    """Without the arguments that strace reads another way, and results that no kernel gives."""
    name, arguments = case.call.name, case.arguments
    if name == "ioctl":
        request = facts.name_of("ioctl", arguments[1], "x86_64") or ""
        return request in ("TIOCGWINSZ", "TIOCSWINSZ", "FIONREAD", "FIONBIO", "TIOCGPGRP", "FIOCLEX", "TIOCGPTN")
    if name in ("socket", "socketpair"):
        return facts.name_of("socket_family", arguments[0]) in ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK")
    if name in ("setsockopt", "getsockopt"):
        return (arguments[1] in (1, 6) and inject == "error=EPERM") or arguments[4] == 4
    if name in ("poll", "ppoll", "select", "pselect6"):
        more_than_asked = inject == "retval=5" and "select" in name  # strace closes brackets that it has not opened
        return arguments[0 if "select" in name else 1] <= 8 and not more_than_asked
    if name in ("bind", "connect", "sendto"):
        return arguments[2 if name != "sendto" else 5] in (0, 2, 16, 28)
    sized = {"epoll_pwait": 5, "rt_sigpending": 1, "fcntl": 1}.get(name)
    if sized is not None and name != "fcntl":
        return arguments[sized] != 8 if name == "epoll_pwait" else arguments[sized] == 8
    return not (inject == "retval=5" and name in ("getcwd", "recvfrom", "mq_timedreceive"))


def _calls() -> list[Call]:
    known = (c for c in facts.calls().values() if c.numbers.get("x86_64", 1 << 30) <= LAST_OF_STRACE_6_1)
    return [call for call in known if call.name not in EXEMPT]


@pytest.mark.parametrize("inject", ["error=EPERM", "retval=0", "retval=5"])
def test_calls_are_spelled_as_strace_spells_them(inject: str, tmp_path: Path) -> None:
    if shutil.which("strace") is None or shutil.which("gcc") is None:
        pytest.skip("strace or gcc is not installed: Debian's strace is the oracle of spelling")
    maker = Maker(20)
    cases = [case for call in _calls() for case in (maker.case(call) for _ in range(8)) if is_compared(case, inject)]
    memory = bytes(maker.memory)
    said = strace(cases, memory, inject, tmp_path)
    assert len(said) == len(cases) > 1500
    result = -1 if inject.startswith("error") else int(inject.removeprefix("retval="))
    mine = [ours(case, memory, result) for case in cases]
    wrong = [pair for pair in zip(said, mine, strict=True) if pair[0] != pair[1]]
    assert wrong == []


def test_what_is_exempt_exists() -> None:
    assert set(EXEMPT) <= set(facts.calls())
