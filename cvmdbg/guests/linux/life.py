"""Programs and threads: how they begin, become another program, end, and are waited for."""

from __future__ import annotations

import struct
from dataclasses import replace

from cvmdbg.guests.intravisor import capabilities
from cvmdbg.guests.linux import abi, loading, paths, signals, streams
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.calls import futexes
from cvmdbg.guests.linux.decoder import names
from cvmdbg.guests.linux.kernel import Kernel
from cvmdbg.guests.linux.space import PAGE, Space
from cvmdbg.guests.linux.state import Action, Pending, Program, Thread
from sessions.event import (
    Effect,
    Map,
    MemoryWrite,
    Note,
    ProgramExit,
    RegisterWrite,
    ThreadExit,
    ThreadStart,
)

CCTLR = 1 << 7 | 1 << 6 | 1 << 3 | 1 << 2
"""SBL, PERMVCT, PCCBO, DDCBO, as Intravisor's host sets them: addresses are offsets from PCC's and DDC's base."""
CHUNK = 1 << 20
CLD_EXITED, CLD_KILLED, CLD_DUMPED = 1, 2, 3


def new_space(kernel: Kernel) -> tuple[int, Space]:
    """The lowest cVM that nobody lives in: its number and its empty memory."""
    taken = kernel.state.spaces
    number = next(n for n in range(len(taken) + 1) if n not in taken)
    base, size = kernel.place(number)
    space = Space(base, size)
    kernel.state.spaces[number] = space
    return number, space


def compartment_registers(thread: int, space: Space) -> list[Effect]:
    """DDC over the cVM, and the control register that makes it the base of all addresses."""
    data = capabilities.data(space.base, space.size, space.base)
    return [RegisterWrite(thread, "cctlr", CCTLR), RegisterWrite(thread, "ddc", data.bits)]


def code_at(space: Space, address: int) -> int:
    """A PCC over the cVM at an address of the program."""
    return capabilities.code(space.base, space.base + space.size, space.base + address).bits


def start_first(kernel: Kernel, program: loading.Executable, environment: list[str], cwd: int) -> list[Effect]:
    """The first program of a session, in its own cVM."""
    number, space = new_space(kernel)
    state = kernel.state
    pid = state.next_pid
    state.next_pid += 1
    made = Program(pid, 1, number, environment=environment, group=pid, session=pid, cwd=cwd)
    state.programs[pid] = made
    thread = _new_thread(kernel, made, pid)
    effects = [ThreadStart(thread.number), *compartment_registers(thread.number, space)]
    return effects + _begin(kernel, thread, space, program, environment)


def _new_thread(kernel: Kernel, program: Program, tid: int) -> Thread:
    number = kernel.state.next_thread
    kernel.state.next_thread += 1
    thread = Thread(number, tid, program.pid)
    kernel.state.threads[number] = thread
    program.threads.append(number)
    return thread


def _begin(
    kernel: Kernel, thread: Thread, space: Space, executable: loading.Executable, environment: list[str]
) -> list[Effect]:
    """Maps a program into an empty space and sets a thread to its first instruction."""
    program = kernel.program(thread)
    loaded, effects = loading.load(kernel, space, executable, environment)
    program.path = paths.real(kernel, kernel.program(thread), executable.path)
    program.arguments, program.environment = list(executable.arguments), environment
    thread.name = executable.path.rsplit("/", 1)[-1][:15]
    kernel.begun = (loaded.name, loaded.sp + 8, loaded.sp + 8 * (len(executable.arguments) + 2))
    number = thread.number
    effects.append(RegisterWrite(number, "pcc", code_at(space, loaded.entry)))
    effects += [RegisterWrite(number, f"c{n}", 0) for n in range(31)]
    effects += [RegisterWrite(number, "csp", loaded.sp), RegisterWrite(number, "ctpidr", 0)]
    effects += [RegisterWrite(number, name, 0) for name in ("nzcv", "fpcr", "fpsr")]
    for node, path, base, size in loaded.modules:
        kernel.module(program.cvm, node, path, space.base + base, size)
    return effects


# ---- execve -----------------------------------------------------------------------------------------------


def execute(kernel: Kernel, thread: Thread, path: str, arguments: list[str], environment: list[str]) -> None:
    """The thread's program becomes another; a vfork child's gets a cVM of its own."""
    program = kernel.program(thread)
    node = paths.walk(kernel, thread, path)
    executable = loading.find(kernel, node, path, tuple(arguments))
    left = (kernel.space(thread).base, program.cvm)
    for other in [n for n in program.threads if n != thread.number]:
        _end_thread(kernel, kernel.state.threads[other], 0)
    if program.vfork_parent is not None:
        kernel.state.spaces[program.cvm].users -= 1
        _release_parent(kernel, program)
        program.cvm, space = new_space(kernel)
    else:
        space = kernel.state.spaces[program.cvm]
        kernel.effects += space.clear()
    kernel.effects += compartment_registers(thread.number, space)
    thread.tid = program.pid
    thread.clear_tid = thread.robust = 0
    thread.stack, thread.stack_size, thread.stack_flags = 0, 0, abi.SS_DISABLE
    for number, action in list(program.actions.items()):
        program.actions[number] = Action(1 if action.where == 1 else 0)
    for fd in sorted(program.cloexec):
        streams.drop(kernel, program, fd)
    program.cloexec.clear()
    kernel.effects += _begin(kernel, thread, space, executable, environment)
    kernel.left, kernel.answer = left, 0


def _release_parent(kernel: Kernel, program: Program) -> None:
    """A vfork child has left its parent's memory: the parent's call comes back."""
    assert program.vfork_parent is not None
    parent = kernel.state.threads[program.vfork_parent]
    program.vfork_parent = None
    if parent.waiting is not None:
        kernel.wake(parent, program.pid)


# ---- clone ------------------------------------------------------------------------------------------------


def clone(kernel: Kernel, thread: Thread, flags: int, stack: int, parent_tid: int, tls: int, child_tid: int) -> int:
    """A thread, a vfork child in the same memory, or a copy of the whole program in a cVM of its own."""
    program = kernel.program(thread)
    state = kernel.state
    tid = state.next_pid
    if flags & abi.CLONE_THREAD and flags & (need := abi.CLONE_VM | abi.CLONE_SIGHAND) != need:
        raise Err(E.EINVAL)
    if flags & abi.CLONE_PARENT_SETTID:
        kernel.write(thread, parent_tid, struct.pack("<i", tid))
    space = kernel.space(thread)
    if flags & abi.CLONE_CHILD_SETTID and not space.allows(child_tid, 4, "w"):
        raise Err(E.EFAULT)
    state.next_pid += 1
    if flags & abi.CLONE_THREAD:
        child = _new_thread(kernel, program, tid)
    else:
        child = _new_thread(kernel, _child_program(kernel, program, tid, flags), tid)
    child.mask, child.name = thread.mask, thread.name
    _start_copy(kernel, thread, child, stack, tls if flags & abi.CLONE_SETTLS else None)
    if flags & abi.CLONE_CHILD_SETTID:
        kernel.effects.append(MemoryWrite(kernel.space(child).base + child_tid, struct.pack("<i", tid)))
    if flags & abi.CLONE_CHILD_CLEARTID:
        child.clear_tid = child_tid
    if not flags & abi.CLONE_VM:
        child.stack, child.stack_size, child.stack_flags = thread.stack, thread.stack_size, thread.stack_flags
    if flags & abi.CLONE_VFORK and not flags & abi.CLONE_THREAD:
        kernel.program(child).vfork_parent = thread.number
        raise abi.Wait(f"vfork child {tid}", restart=False, polls=False)
    return tid


def _child_program(kernel: Kernel, program: Program, pid: int, flags: int) -> Program:
    """The new program of a clone without CLONE_THREAD."""
    state = kernel.state
    if flags & abi.CLONE_VM and not flags & abi.CLONE_VFORK:
        raise kernel.unmodelled("CLONE_VM without CLONE_THREAD or CLONE_VFORK: a program that shares memory")
    child = replace(
        program, pid=pid, parent=program.pid, files=dict(program.files), cloexec=set(program.cloexec),
        actions={n: replace(a) for n, a in program.actions.items()}, pending=[], threads=[], vfork_parent=None,
        limits=dict(program.limits), itimer=(0, 0), exit_signal=flags & 0xFF,
    )  # fmt: skip
    for number in child.files.values():
        state.opens[number].refs += 1
    state.programs[pid] = child
    if flags & abi.CLONE_VM:
        state.spaces[program.cvm].users += 1
    else:
        child.cvm, space = new_space(kernel)
        _copy_memory(kernel, state.spaces[program.cvm], space)
    return child


def _copy_memory(kernel: Kernel, old: Space, new: Space) -> None:
    """A fork: the same bytes at the same addresses of another cVM. Pages of zeros need no copy."""
    new.starts, new.areas = list(old.starts), list(old.areas)
    new.brk_start, new.brk, new.top, new.entry = old.brk_start, old.brk, old.top, old.entry
    zeros = bytes(PAGE)
    for area in old.areas:
        kernel.effects.append(Map(new.base + area.start, area.end - area.start, area.prot))
        for start in range(area.start, area.end, CHUNK):
            content = kernel.view.read(old.base + start, min(CHUNK, area.end - start))
            if content.count(0) == len(content):
                continue
            for run, at in _runs(content, zeros):
                kernel.effects.append(MemoryWrite(new.base + start + at, run))


def _runs(content: bytes, zeros: bytes) -> list[tuple[bytes, int]]:
    """The pieces of some pages that are not zero, with their offsets."""
    found: list[tuple[bytes, int]] = []
    begin: int | None = None
    for at in range(0, len(content) + 1, PAGE):
        empty = at >= len(content) or content[at : at + PAGE] == zeros
        if empty and begin is not None:
            found.append((content[begin:at], begin))
            begin = None
        elif not empty and begin is None:
            begin = at
    return found


def _start_copy(kernel: Kernel, parent: Thread, child: Thread, stack: int, tls: int | None) -> None:
    """A register context as its parent's, but for x0, sp and the thread pointer."""
    now = signals.registers(kernel, parent)
    space, number = kernel.space(child), child.number
    relative = now["pc"] - kernel.space(parent).base
    effects = kernel.effects
    effects.append(ThreadStart(number))
    effects += compartment_registers(number, space)
    effects.append(RegisterWrite(number, "pcc", code_at(space, relative)))
    now |= {"x0": 0, "sp": stack or now["sp"], "tp": now["tp"] if tls is None else tls}
    del now["pc"]
    effects += [RegisterWrite(number, name, value) for name, value in now.items() if value]


def exit_code(status: int) -> int:
    """What a shell shows for a wait status."""
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8


# ---- the end ----------------------------------------------------------------------------------------------


def end_thread(kernel: Kernel, thread: Thread, status: int) -> None:
    """``exit``: the last thread takes the program with it."""
    program = kernel.program(thread)
    if len(program.threads) == 1:
        end_program(kernel, program, (status & 0xFF) << 8)
        return
    _end_thread(kernel, thread, (status & 0xFF) << 8)


def _end_note(kernel: Kernel, thread: Thread, status: int) -> Note:
    """How a thread ended, in strace's words; ``first``: it is the first thread of the session."""
    signal = status & 0x7F
    dumped = " (core dumped)" if status & signals.CORE else ""
    said = f"killed by {names.signal_text(signal)}{dumped}" if signal else f"exited with {status >> 8}"
    facts = {"thread": str(thread.number), "end": said}
    if thread.tid == kernel.first_pid:
        facts["first"] = "yes"
    return Note(kernel.tick, "", facts)


def _end_thread(kernel: Kernel, thread: Thread, status: int) -> None:
    """``status`` is as wait4 gives it."""
    thread.exited = True
    thread.waiting = None
    kernel.alarm_known = False
    signals.forget_waits(kernel, thread)
    program = kernel.program(thread)
    program.threads.remove(thread.number)
    futexes.release_robust(kernel, thread)
    if thread.clear_tid:
        futexes.clear_tid(kernel, thread)
    kernel.effects.append(ThreadExit(thread.number, exit_code(status)))
    (kernel.told if status & 0x7F else kernel.said).append(_end_note(kernel, thread, status))
    kernel.state.gone[thread.number] = (program.cvm, thread.tid, thread.pid)
    del kernel.state.threads[thread.number]


def end_program(kernel: Kernel, program: Program, status: int) -> None:
    """All its threads end; its parent is told. When the first program of the session ends, the session does."""
    if program.status is not None:
        return
    for number in list(program.threads):
        thread = kernel.state.threads[number]
        thread.clear_tid = thread.robust = 0
        _end_thread(kernel, thread, status)
    for fd in list(program.files):
        streams.drop(kernel, program, fd)
    program.status = status
    _leave_memory(kernel, program)
    for child in list(kernel.state.programs.values()):
        if child.parent == program.pid:
            child.parent = 1
            if child.status is not None:
                del kernel.state.programs[child.pid]
    _tell_parent(kernel, program)
    kernel.poked = True


def _leave_memory(kernel: Kernel, program: Program) -> None:
    space = kernel.state.spaces[program.cvm]
    if program.vfork_parent is not None:
        space.users -= 1
        _release_parent(kernel, program)
        return
    if program.pid == kernel.first_pid:
        kernel.effects.append(ProgramExit(exit_code(program.status or 0)))
        return
    kernel.effects += space.clear()
    del kernel.state.spaces[program.cvm]


def _tell_parent(kernel: Kernel, program: Program) -> None:
    parent = kernel.state.programs.get(program.parent)
    if parent is None:
        if program.pid != kernel.first_pid:
            del kernel.state.programs[program.pid]
        return
    action = parent.actions.get(abi.SIGCHLD)
    status = program.status or 0
    kind = CLD_EXITED if not status & 0x7F else CLD_DUMPED if status & signals.CORE else CLD_KILLED
    if program.exit_signal:
        signals.send(kernel, parent, Pending(program.exit_signal, kind, program.pid, status >> 8 or status & 0x7F))
    if action is not None and (action.where == 1 or action.flags & abi.SA_NOCLDWAIT):
        del kernel.state.programs[program.pid]
