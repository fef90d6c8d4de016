"""clone, execve, exit, wait4, and what programs and threads are told about themselves."""

from __future__ import annotations

import struct

from cvmdbg.guests.linux import abi, life, paths, signals
from cvmdbg.guests.linux.abi import E, Err, Wait, s32
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.state import CONTINUED, Program, Thread

MAX_WORDS = 1 << 16
WNOHANG, WUNTRACED, WCONTINUED, WEXITED, WNOWAIT = 1, 2, 8, 4, 0x01000000
P_ALL, P_PID, P_PGID = 0, 1, 2


@call("clone")
def clone(kernel: Kernel, thread: Thread, flags: int, stack: int, parent_tid: int, tls: int, child_tid: int) -> int:
    if flags & abi.CLONE_NEWMASK:
        raise Err(E.EPERM)
    return life.clone(kernel, thread, flags, stack, parent_tid, tls, child_tid)


@call("execve")
def execve(kernel: Kernel, thread: Thread, path: int, argv: int, envp: int) -> None:
    arguments, environment = (_strings(kernel, thread, pointer) for pointer in (argv, envp))
    life.execute(kernel, thread, kernel.text(thread, path), arguments or [""], environment)


@call("execveat")
def execveat(kernel: Kernel, thread: Thread, dirfd: int, path: int, argv: int, envp: int, flags: int) -> None:
    arguments, environment = (_strings(kernel, thread, pointer) for pointer in (argv, envp))
    text = kernel.text(thread, path)
    if not text and flags & abi.AT_EMPTY_PATH:
        text = kernel.opened(thread, dirfd).path
    else:
        text = paths.absolute(kernel, thread, dirfd, text)
    life.execute(kernel, thread, text, arguments or [""], environment)


def _strings(kernel: Kernel, thread: Thread, pointer: int) -> list[str]:
    found: list[str] = []
    while pointer and len(found) < MAX_WORDS:
        (word,) = kernel.words(thread, pointer + 8 * len(found), "<Q")
        if not word:
            return found
        found.append(kernel.text(thread, word, 131072))
    if pointer:
        raise Err(E.E2BIG)
    return found


@call("exit")
def exit_thread(kernel: Kernel, thread: Thread, status: int) -> None:
    life.end_thread(kernel, thread, status & 0xFF)


@call("exit_group")
def exit_group(kernel: Kernel, thread: Thread, status: int) -> None:
    life.end_program(kernel, kernel.program(thread), (status & 0xFF) << 8)


# ---- waiting for children ---------------------------------------------------------------------------------


def _children(kernel: Kernel, thread: Thread, wanted: int, kind: int) -> list[Program]:
    group = kernel.program(thread).group
    found = [p for p in kernel.state.programs.values() if p.parent == thread.pid]
    if kind == P_PID:
        found = [p for p in found if p.pid == wanted]
    elif kind == P_PGID:
        found = [p for p in found if p.group == (wanted or group)]
    if not found:
        raise Err(E.ECHILD)
    return found


@call("wait4")
def wait4(kernel: Kernel, thread: Thread, pid: int, status: int, options: int, usage: int) -> int:
    if options & 0xFFFFFFFF & ~(WNOHANG | WUNTRACED | WCONTINUED | 0xE0000000):
        raise Err(E.EINVAL)
    pid = s32(pid)
    kind = P_PID if pid > 0 else P_ALL if pid == -1 else P_PGID
    children = _children(kernel, thread, abs(pid) if pid != -1 else 0, kind)
    ended = next((p for p in children if p.status is not None), None)
    found = ended or _reported(children, options)
    if found is None:
        if options & WNOHANG:
            return 0
        raise Wait("the end of " + (f"program {pid}" if pid > 0 else "a child"))
    if status:
        kernel.write(thread, status, struct.pack("<i", found.report if found.status is None else found.status))
    if usage:
        kernel.write(thread, usage, bytes(144))
    found.report = 0
    if ended is not None:
        del kernel.state.programs[ended.pid]
    return found.pid


def _reported(children: list[Program], options: int) -> Program | None:
    """A child that was stopped or goes on, if that is asked for and nobody was told."""
    for child in children:
        if child.report and child.status is None and options & (WCONTINUED if child.report == CONTINUED else WUNTRACED):
            return child
    return None


@call("waitid")
def waitid(kernel: Kernel, thread: Thread, kind: int, which: int, info: int, options: int, usage: int) -> int:
    if not options & (WEXITED | WUNTRACED | WCONTINUED) or kind > P_PGID:
        raise Err(E.EINVAL)
    children = _children(kernel, thread, s32(which), kind)
    ended = next((p for p in children if p.status is not None), None) if options & WEXITED else None
    found = ended or _reported(children, options)
    if found is None:
        if options & WNOHANG:
            if info:
                kernel.write(thread, info, bytes(128))
            return 0
        raise Wait("the end of a child")
    if info:
        words = (abi.SIGCHLD, 0, *_why(found))
        kernel.write(thread, info, struct.pack("<iiiiiii", *words).ljust(128, b"\0"))
    if usage:
        kernel.write(thread, usage, bytes(144))
    if not options & WNOWAIT:
        found.report = 0
        if ended is not None:
            del kernel.state.programs[ended.pid]
    return 0


def _why(child: Program) -> tuple[int, int, int, int, int]:
    """si_code, padding, si_pid, si_uid and si_status of a child's end, stop or going on."""
    if child.status is None:
        going = child.report == CONTINUED
        code = signals.CLD_CONTINUED if going else signals.CLD_STOPPED
        return code, 0, child.pid, 0, abi.SIGCONT if going else child.report >> 8
    killed = child.status & 0x7F
    code = life.CLD_EXITED if not killed else life.CLD_DUMPED if child.status & signals.CORE else life.CLD_KILLED
    return code, 0, child.pid, 0, killed or child.status >> 8
