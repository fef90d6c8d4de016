"""/proc and the little of /sys that programs read: made when opened, from what the LibOS knows.

Source: Linux Documentation/filesystems/proc.rst.
"""

from __future__ import annotations

from collections.abc import Callable

from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.kernel import Kernel
from cvmdbg.guests.linux.nodes import Node
from cvmdbg.guests.linux.state import Program, Thread

TREE = -1
MEMORY = 1 << 32  # bytes that meminfo and sysinfo speak of

_FILES = ("cmdline", "comm", "environ", "maps", "mounts", "smaps", "stat", "statm", "status", "limits")
_SYSTEM: dict[str, str] = {
    "filesystems": "nodev\tproc\nnodev\ttmpfs\n",
    "version": "Linux version 6.1.0 (cvmdbg) #1 SMP\n",
    "loadavg": "0.00 0.00 0.00 1/1 1\n",
    "meminfo": f"MemTotal: {MEMORY >> 10} kB\nMemFree: {MEMORY >> 11} kB\nMemAvailable: {MEMORY >> 11} kB\n"
    "SwapTotal: 0 kB\nSwapFree: 0 kB\n",
    "cpuinfo": "processor\t: 0\nBogoMIPS\t: 100.00\nCPU implementer\t: 0x3f\nCPU architecture: 8\n",
    "sys/vm/overcommit_memory": "1\n",
    "sys/vm/max_map_count": "65530\n",
    "sys/net/core/somaxconn": "4096\n",
    "sys/kernel/pid_max": "4194304\n",
    "sys/kernel/ngroups_max": "65536\n",
    "sys/kernel/osrelease": "6.1.0\n",
    "sys/kernel/random/boot_id": "00000000-0000-4000-8000-000000000000\n",
    "sys/fs/pipe-max-size": "1048576\n",
}


def child(kernel: Kernel, thread: Thread | None, folder: Node, name: str) -> Node | None:
    """What a folder of /proc holds under a name."""
    assert folder.lower is not None
    path = f"{folder.lower[1]}/{name}".lstrip("/")
    kind = _kind(kernel, thread, path)
    if kind is None:
        return None
    ino = folder.entries.get(name)
    known = kernel.files.nodes.get(ino) if ino is not None else None
    if known is not None and known.kind == kind:
        return known
    node = kernel.files.make(
        kind, 0o555 if kind == "dir" else 0o777 if kind == "link" else 0o444, folder.ino, kernel.now
    )
    node.lower = (TREE, path)
    folder.entries[name] = node.ino
    return node


def _kind(kernel: Kernel, thread: Thread | None, path: str) -> str | None:
    first, _, rest = path.partition("/")
    if first in ("self", "thread-self") and not rest:
        return "link"
    if first == "mounts" and not rest:
        return "link"
    if path in _SYSTEM or path in ("uptime", "stat"):
        return "file"
    if any(name.startswith(path + "/") for name in _SYSTEM):
        return "dir"
    program = _program(kernel, first)
    return _program_kind(kernel, program, rest) if program is not None else None


def _program_kind(kernel: Kernel, program: Program, rest: str) -> str | None:
    if rest in ("", "fd", "task", "fdinfo"):
        return "dir"
    if rest in ("exe", "cwd", "root"):
        return "link"
    if rest in _FILES:
        return "file"
    head, _, tail = rest.partition("/")
    if head == "fd" and tail.isdigit():
        return "link" if int(tail) in program.files else None
    if head == "task":
        tid, _, more = tail.partition("/")
        if any(kernel.state.threads[n].tid == int(tid) for n in program.threads if tid.isdigit()):
            return _program_kind(kernel, program, more) if more.partition("/")[0] != "task" else None
    return None


def _program(kernel: Kernel, first: str) -> Program | None:
    return kernel.state.programs.get(int(first)) if first.isdigit() and len(first) < 10 else None


def names(kernel: Kernel, thread: Thread, folder: Node) -> list[str]:
    """What a folder of /proc lists."""
    assert folder.lower is not None
    path = folder.lower[1]
    if not path:
        top = {name.partition("/")[0] for name in _SYSTEM} | {"self", "thread-self", "mounts", "uptime", "stat"}
        return sorted(top | {str(pid) for pid in kernel.state.programs})
    first, _, rest = path.partition("/")
    program = _program(kernel, first)
    if program is None:
        return sorted({n[len(path) + 1 :].partition("/")[0] for n in _SYSTEM if n.startswith(path + "/")})
    if rest == "fd":
        return [str(fd) for fd in sorted(program.files)]
    if rest == "task":
        return sorted(str(kernel.state.threads[n].tid) for n in program.threads)
    return sorted([*_FILES, "exe", "cwd", "root", "fd", "task"]) if not rest else []


def link(kernel: Kernel, thread: Thread | None, node: Node) -> str:
    """Where a link of /proc leads now."""
    assert node.lower is not None
    first, _, rest = node.lower[1].partition("/")
    if first in ("self", "mounts") and not rest:
        pid = str(thread.pid if thread is not None else kernel.first_pid)
        return pid if first == "self" else "self/mounts"
    if first == "thread-self":
        return f"{thread.pid}/task/{thread.tid}" if thread is not None else ""
    program = _program(kernel, first)
    if program is None:
        raise Err(E.ENOENT)
    rest = rest.partition("/")[2].partition("/")[2] if rest.startswith("task/") else rest
    if rest == "exe":
        return program.path
    if rest == "cwd":
        return kernel.files.path(kernel.node(program.cwd))
    if rest == "root":
        return "/"
    opened = kernel.state.opens[program.files[int(rest.partition("/")[2])]]
    return opened.path or f"{opened.kind}:[{opened.target}]"


def content(kernel: Kernel, node: Node) -> bytes:
    """The bytes of a file of /proc."""
    assert node.lower is not None
    path = node.lower[1]
    if path in _SYSTEM:
        return _SYSTEM[path].encode()
    if path == "uptime":
        return f"{kernel.now / 1e9:.2f} {kernel.state.idle / 1e9:.2f}\n".encode()
    if path == "stat":
        return f"cpu  {kernel.tick // 10**7} 0 0 {kernel.state.idle // 10**7} 0 0 0 0 0 0\n".encode()
    first, _, rest = path.partition("/")
    program = _program(kernel, first)
    if program is None:
        raise Err(E.ENOENT)
    return _MAKERS[rest.rpartition("/")[2]](kernel, program).encode("utf-8", "surrogateescape")


def _maps(kernel: Kernel, program: Program) -> str:
    lines = []
    for area in kernel.state.spaces[program.cvm].areas:
        letters = "".join(x if x in area.prot else "-" for x in "rwx") + ("s" if area.shared else "p")
        head = f"{area.start:08x}-{area.end:08x} {letters} {area.offset:08x} 00:01 {area.inode}"
        lines.append(f"{head:<72} {area.name}".rstrip() + "\n")
    return "".join(lines)


def _smaps(kernel: Kernel, program: Program) -> str:
    """Every page counts as resident, written ones as dirty: which of them really are is not followed."""
    lines = []
    for area, head in zip(kernel.state.spaces[program.cvm].areas, _maps(kernel, program).splitlines(), strict=True):
        size = area.end - area.start >> 10
        dirty = size if "w" in area.prot and not area.shared else 0
        facts = {"Size": size, "Rss": size, "Pss": size, "Shared_Clean": size - dirty, "Shared_Dirty": dirty}
        facts |= {"Private_Clean": 0, "Private_Dirty": 0, "Anonymous": 0 if area.inode else size, "Swap": 0}
        lines += [head, *(f"{name + ':':<16}{kilobytes:>8} kB" for name, kilobytes in facts.items())]
    return "".join(line + "\n" for line in lines)


def _status(kernel: Kernel, program: Program) -> str:
    pages = sum(a.end - a.start for a in kernel.state.spaces[program.cvm].areas) >> 10
    name = _comm(kernel, program)
    return (
        f"Name:\t{name}Umask:\t{program.umask:04o}\nState:\tR (running)\nTgid:\t{program.pid}\nPid:\t{program.pid}\n"
        f"PPid:\t{program.parent}\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\n"
        f"VmPeak:\t{pages} kB\nVmSize:\t{pages} kB\nVmRSS:\t{pages} kB\nThreads:\t{len(program.threads)}\n"
    )


def _comm(kernel: Kernel, program: Program) -> str:
    first = kernel.state.threads.get(program.threads[0]) if program.threads else None
    return (first.name if first is not None else program.path.rpartition("/")[2][:15]) + "\n"


def _stat(kernel: Kernel, program: Program) -> str:
    pages = sum(a.end - a.start for a in kernel.state.spaces[program.cvm].areas)
    ticks = kernel.tick // 10**7
    head = f"{program.pid} ({_comm(kernel, program).strip()}) R {program.parent} {program.group} {program.session}"
    tail = [0, -1, 0, 0, 0, 0, 0, ticks, 0, 0, 0, 20, 0, len(program.threads), 0, 0, pages, pages >> 12, (1 << 64) - 1]
    return head + " " + " ".join(map(str, tail)) + " 0" * 27 + "\n"


def _limits(kernel: Kernel, program: Program) -> str:
    return "Limit                     Soft Limit           Hard Limit           Units     \n"


_MAKERS: dict[str, Callable[[Kernel, Program], str]] = {
    "cmdline": lambda kernel, program: "".join(a + "\0" for a in program.arguments),
    "environ": lambda kernel, program: "".join(a + "\0" for a in program.environment),
    "comm": _comm,
    "maps": _maps,
    "smaps": _smaps,
    "mounts": lambda kernel, program: "root / overlay rw 0 0\nproc /proc proc rw 0 0\n",
    "stat": _stat,
    "statm": lambda kernel, program: "1000 500 100 100 0 100 0\n",
    "status": _status,
    "limits": _limits,
}
