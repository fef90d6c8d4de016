"""mmap and its kin: changes of the address space as effects."""

from __future__ import annotations

from cvmdbg.guests.linux import abi, streams
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.kernel import Kernel, call
from cvmdbg.guests.linux.space import PAGE, Area, Space, round_up
from cvmdbg.guests.linux.state import Open, Thread
from sessions.event import Map, MemoryWrite

MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP = 1, 2, 4
MADV_DONTNEED, MADV_FREE, MADV_REMOVE = 4, 8, 9
CHUNK = 1 << 20
MOST_WRITTEN_BACK = 1 << 28


def letters(prot: int) -> str:
    """PROT_… bits as letters; PROT_WRITE alone reads as well, as the hardware has it."""
    prot |= abi.PROT_READ if prot & abi.PROT_WRITE else 0
    return "".join(x for x, bit in (("r", 1), ("w", 2), ("x", 4)) if prot & bit)


@call("brk")
def brk(kernel: Kernel, thread: Thread, address: int) -> int:
    space = kernel.space(thread)
    if address < space.brk_start:
        return space.brk
    old, new = round_up(space.brk), round_up(address)
    if new > old:
        if not space.valid(old, new - old) or space.between(old, new):
            return space.brk
        kernel.effects += space.map(Area(old, new, "rw", "[heap]"))
    elif new < old:
        kernel.effects += space.unmap(new, old)
    space.brk = address
    return address


@call("mmap")
def mmap(kernel: Kernel, thread: Thread, address: int, length: int, prot: int, flags: int, fd: int, offset: int) -> int:
    if not length or offset % PAGE or not flags & 3:
        raise Err(E.EINVAL)
    space = kernel.space(thread)
    size = round_up(length)
    if size > space.size:
        raise Err(E.ENOMEM)
    opened = None if flags & abi.MAP_ANONYMOUS else _mappable(kernel, thread, fd, prot, flags)
    start = _where(space, address, size, flags)
    area = Area(start, start + size, letters(prot))
    if opened is None:
        kernel.effects += space.map(area)
        return start
    return _map_file(kernel, thread, area, opened, offset, bool(flags & abi.MAP_SHARED and prot & abi.PROT_WRITE))


def _mappable(kernel: Kernel, thread: Thread, fd: int, prot: int, flags: int) -> Open:
    opened = kernel.opened(thread, fd)
    if opened.kind == "chr" and kernel.node(opened.target).rdev == streams.ZERO:
        return opened
    if opened.kind != "file":
        raise Err(E.ENODEV)
    streams.access(opened, abi.O_RDONLY)
    if flags & abi.MAP_SHARED and prot & abi.PROT_WRITE and opened.flags & abi.O_ACCMODE != abi.O_RDWR:
        raise Err(E.EACCES)
    return opened


def _where(space: Space, address: int, size: int, flags: int) -> int:
    if flags & (abi.MAP_FIXED | abi.MAP_FIXED_NOREPLACE):
        if address % PAGE:
            raise Err(E.EINVAL)
        if not space.valid(address, size):
            raise Err(E.ENOMEM if address + size > space.size else E.EPERM)
        if flags & abi.MAP_FIXED_NOREPLACE and space.between(address, address + size):
            raise Err(E.EEXIST)
        return address
    hint = round_up(address)
    if hint and space.valid(hint, size) and hint + size <= space.top and not space.between(hint, hint + size):
        return hint
    start = space.gap(size)
    if start is None:
        raise Err(E.ENOMEM)
    return start


def _map_file(kernel: Kernel, thread: Thread, area: Area, opened: Open, offset: int, shared: bool) -> int:
    space = kernel.space(thread)
    if opened.kind == "chr":
        kernel.effects += space.map(area)
        return area.start
    area = Area(area.start, area.end, area.prot, opened.path, opened.target, offset, shared)
    kernel.effects += space.map(area)
    node = kernel.node(opened.target)
    content = kernel.files.stored(node, offset, area.end - area.start)
    if content:
        kernel.effects.append(MemoryWrite(space.base + area.start, content))
    if not offset and content.startswith(b"\x7fELF"):
        kernel.module(kernel.program(thread).cvm, node, opened.path, space.base + area.start, area.end - area.start)
    return area.start


def write_back(kernel: Kernel, space: Space, start: int, end: int) -> None:
    """Shared mappings of files: what was written goes to the file."""
    for area in space.between(start, end):
        node = kernel.files.nodes.get(area.inode) if area.shared else None
        if node is None or node.size <= area.offset:
            continue
        size = min(area.end - area.start, node.size - area.offset, MOST_WRITTEN_BACK)
        content = kernel.view.read(space.base + area.start, size)
        if content != kernel.files.read(node, area.offset, size):
            kernel.files.write(node, area.offset, content, kernel.realtime)


@call("munmap")
def munmap(kernel: Kernel, thread: Thread, address: int, length: int) -> int:
    space, size = kernel.space(thread), round_up(length)
    if address % PAGE or not size or address + size > space.size:
        raise Err(E.EINVAL)
    write_back(kernel, space, address, address + size)
    kernel.effects += space.unmap(address, address + size)
    return 0


@call("mprotect", "pkey_mprotect")
def mprotect(kernel: Kernel, thread: Thread, address: int, length: int, prot: int) -> int:
    space, size = kernel.space(thread), round_up(length)
    if address % PAGE:
        raise Err(E.EINVAL)
    if address + size > space.size or not space.covered(address, address + size):
        raise Err(E.ENOMEM)
    kernel.effects += space.protect(address, address + size, letters(prot))
    return 0


@call("msync")
def msync(kernel: Kernel, thread: Thread, address: int, length: int, flags: int) -> int:
    space, size = kernel.space(thread), round_up(length)
    if address % PAGE or flags & ~7:
        raise Err(E.EINVAL)
    if address + size > space.size or not space.covered(address, address + size):
        raise Err(E.ENOMEM)
    write_back(kernel, space, address, address + size)
    return 0


@call("madvise")
def madvise(kernel: Kernel, thread: Thread, address: int, length: int, advice: int) -> int:
    space, size = kernel.space(thread), round_up(length)
    advice &= 0xFFFFFFFF
    if address % PAGE or advice > 25:
        raise Err(E.EINVAL)
    if address + size > space.size or not space.covered(address, address + size):
        raise Err(E.ENOMEM)
    if advice == MADV_REMOVE:
        raise Err(E.EOPNOTSUPP)
    if advice == MADV_DONTNEED:
        for area in space.between(address, address + size):
            if not area.shared:
                _refill(kernel, space, area)
    return 0


def _refill(kernel: Kernel, space: Space, area: Area) -> None:
    """Private pages as they were when they were mapped."""
    kernel.effects.append(Map(space.base + area.start, area.end - area.start, area.prot))
    node = kernel.files.nodes.get(area.inode) if area.inode else None
    if node is not None:
        content = kernel.files.stored(node, area.offset, area.end - area.start)
        if content:
            kernel.effects.append(MemoryWrite(space.base + area.start, content))


@call("mremap")
def mremap(kernel: Kernel, thread: Thread, address: int, old: int, new: int, flags: int, target: int) -> int:
    space = kernel.space(thread)
    old_size, size = round_up(old), round_up(new)
    if address % PAGE or not size or flags & ~3 or (flags & MREMAP_FIXED and not flags & MREMAP_MAYMOVE):
        raise Err(E.EINVAL)
    if not old_size or size > space.size:
        raise Err(E.EINVAL if not old_size else E.ENOMEM)
    areas = space.between(address, address + old_size) if address + old_size <= space.size else []
    if len(areas) != 1 or areas[0].end - areas[0].start != old_size:
        raise Err(E.EFAULT)
    if flags & MREMAP_FIXED:
        if target % PAGE or not space.valid(target, size):
            raise Err(E.EINVAL)
        return _move(kernel, space, areas[0], target, size)
    if size <= old_size:
        if size < old_size:
            kernel.effects += space.unmap(address + size, address + old_size)
        return address
    end = address + size
    if space.valid(address, size) and end <= space.top and not space.between(address + old_size, end):
        _extend(kernel, space, areas[0], size)
        return address
    if not flags & MREMAP_MAYMOVE:
        raise Err(E.ENOMEM)
    start = space.gap(size)
    if start is None:
        raise Err(E.ENOMEM)
    return _move(kernel, space, areas[0], start, size)


def _extend(kernel: Kernel, space: Space, area: Area, size: int) -> None:
    """New pages behind an area."""
    more = Area(
        area.end, area.start + size, area.prot, area.name, area.inode,
        area.offset + area.end - area.start if area.inode else 0, area.shared,
    )  # fmt: skip
    kernel.effects += space.map(more)
    _refill_file(kernel, space, more)


def _refill_file(kernel: Kernel, space: Space, area: Area) -> None:
    node = kernel.files.nodes.get(area.inode) if area.inode else None
    if node is not None and (content := kernel.files.stored(node, area.offset, area.end - area.start)):
        kernel.effects.append(MemoryWrite(space.base + area.start, content))


def _move(kernel: Kernel, space: Space, area: Area, start: int, size: int) -> int:
    """An area to another place, with what it holds."""
    kept = min(size, area.end - area.start)
    pieces = [
        (at, kernel.view.read(space.base + area.start + at, min(CHUNK, kept - at))) for at in range(0, kept, CHUNK)
    ]
    kernel.effects += space.unmap(area.start, area.end)
    kernel.effects += space.map(Area(start, start + size, area.prot, area.name, area.inode, area.offset, area.shared))
    for at, content in pieces:
        if content.count(0) != len(content):
            kernel.effects.append(MemoryWrite(space.base + start + at, content))
    return start


@call("mincore")
def mincore(kernel: Kernel, thread: Thread, address: int, length: int, vec: int) -> int:
    space, size = kernel.space(thread), round_up(length)
    if address % PAGE:
        raise Err(E.EINVAL)
    if address + size > space.size or not space.covered(address, address + size):
        raise Err(E.ENOMEM)
    kernel.write(thread, vec, b"\1" * (size // PAGE))
    return 0


@call("mlock", "munlock", "mlock2", "mlockall", "munlockall", "membarrier", "set_mempolicy", "mbind")
def nothing_to_do(kernel: Kernel, thread: Thread) -> int:
    """All pages stay in memory; one thread runs at a time."""
    return 0
