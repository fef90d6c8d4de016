"""Hostcalls 100 and 101: a cVM's block device, the file of its ``disk``; what is written stays in the model.

    struct lkl_blk_req { u32 type; u32 prio; u64 sector; struct iovec *buf; int count; }

Source: Intravisor src/lkl_wrap/posix-host.c, include/lkl_host.h.
"""

from __future__ import annotations

from cvmdbg.guests.intravisor.folder import FolderError
from cvmdbg.guests.intravisor.hostcalls.request import WORD, Answer, Hostcall, Refusal, Request, words
from cvmdbg.guests.intravisor.state import Disk
from sessions.event import Effect, MemoryWrite

SECTOR = 512
READ, WRITE, FLUSH, FLUSH_OUT = 0, 1, 4, 5
OK, IO_ERROR, UNSUPPORTED = 0, 1, 2
MOST_BUFFERS, MOST_BYTES = 1024, 1 << 40


class DiskError(Exception):
    """The host's pread or pwrite fails, or comes to nothing."""


def disk_of(request: Request) -> Disk | None:
    """The caller's disk as it is now; None when it has none."""
    name, cid = request.owner.config.disk, request.owner.layout.cid
    if not name:
        return None
    if cid not in request.state.disks:
        try:
            request.state.disks[cid] = Disk(request.folder.size(name))
        except FolderError as error:
            raise Refusal(f"hostcall {request.number} {request.name}: {error}") from None
    return request.state.disks[cid]


def read(request: Request, disk: Disk, offset: int, size: int) -> bytes:
    """Bytes of a disk, up to its end."""
    size = max(min(size, disk.size - offset), 0)
    if not size:
        return b""
    first, last = offset // SECTOR, (offset + size - 1) // SECTOR
    below = request.folder.read_at(request.owner.config.disk or "", first * SECTOR, (last - first + 1) * SECTOR)
    content = bytearray(below.ljust((last - first + 1) * SECTOR, b"\0"))
    for number in range(first, last + 1):
        if number in disk.sectors:
            content[(number - first) * SECTOR : (number - first + 1) * SECTOR] = disk.sectors[number]
    return bytes(content[offset - first * SECTOR :][:size])


def write(request: Request, disk: Disk, offset: int, content: bytes) -> None:
    """Changes a disk; one that is written behind its end grows."""
    first, last = offset // SECTOR, (offset + len(content) - 1) // SECTOR
    if offset + len(content) > MOST_BYTES:
        raise DiskError
    start, size = first * SECTOR, (last - first + 1) * SECTOR
    whole = bytearray(read(request, disk, start, size).ljust(size, b"\0"))
    whole[offset - start : offset - start + len(content)] = content
    for number in range(first, last + 1):
        disk.sectors[number] = bytes(whole[(number - first) * SECTOR :][:SECTOR])
    disk.size = max(disk.size, offset + len(content))


def _pointer(request: Request, value: int) -> int:
    """What the monitor makes of a pointer here: it adds where the cVM begins, also for a purecap one."""
    return (value + request.owner.layout.begin) & WORD


def request_blocks(request: Request) -> Answer:
    """blk_request(disk, request): 0, 1 for an error of the disk, 2 for what is no request. The disk is the caller's."""
    where = _pointer(request, request.word(1))
    kind, _, sector = request.words_at(where, "<IIQ")
    if kind in (FLUSH, FLUSH_OUT):
        return Answer(result=OK if disk_of(request) is not None else IO_ERROR)
    if kind not in (READ, WRITE):
        return Answer(result=UNSUPPORTED)
    vector, count = request.words_at(where + 16, "<Qi")
    if count > MOST_BUFFERS:
        raise Refusal(f"hostcall 100 blk_request: {count} buffers at once are more than {MOST_BUFFERS}")
    disk, effects = disk_of(request), list[Effect]()
    offset = sector * SECTOR
    for index in range(count):
        base, size = request.words_at(_pointer(request, vector + 16 * index), "<QQ")
        try:
            effects += _transfer(request, disk, kind, offset, _pointer(request, base), size & 0xFFFFFFFF)
        except DiskError:
            return Answer(result=IO_ERROR, effects=effects)
        offset += size & 0xFFFFFFFF
    return Answer(result=OK, effects=effects)


def _transfer(request: Request, disk: Disk | None, kind: int, offset: int, where: int, size: int) -> list[Effect]:
    """One buffer; nothing at all is an error, and so is what the disk has not."""
    if disk is None or not size or size >> 31 or offset >> 62:
        raise DiskError
    if kind == WRITE:
        write(request, disk, offset, request.read(where, size))
        return []
    content = read(request, disk, offset, size)
    if len(content) < size:
        raise DiskError
    request.check_writable(where, size)
    return [MemoryWrite(where, content)]


def capacity(request: Request) -> Answer:
    """blk_capacity(disk, result): bytes of the caller's disk; -1 without one."""
    disk = disk_of(request)
    if disk is None:
        return Answer(result=WORD)
    where = _pointer(request, request.word(1))
    request.check_writable(where, 8)
    return Answer(effects=[MemoryWrite(where, disk.size.to_bytes(8, "little"))])


TABLE = {
    100: Hostcall("blk_request", request_blocks, words(2)),
    101: Hostcall("blk_capacity", capacity, words(2)),
}
