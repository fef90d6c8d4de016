"""What execve puts into a cVM: segments, interpreter, brk, the page that signals return through, the stack.

    0x10000 …        program of fixed addresses          2/3 of the cVM   position-independent program, then brk
    below the stack  interpreter and mappings, downwards
    top - 8 MiB      stack: argc argv envp auxv, strings  top - 4 KiB      rt_sigreturn

Addresses are relative to the cVM. Source: Linux fs/binfmt_elf.c, fs/binfmt_script.c.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cvmdbg.guests.linux import image, paths
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.image import Header, Image, ImageError
from cvmdbg.guests.linux.kernel import Kernel
from cvmdbg.guests.linux.nodes import Node
from cvmdbg.guests.linux.space import GAP, PAGE, Area, Space, round_up
from sessions.event import Effect, MemoryWrite

RETURN_CODE = struct.pack("<II", 0xD2801168, 0xD4000001)
"""mov x8, #139 (rt_sigreturn); svc #0: what a program without SA_RESTORER returns to."""
STACK = 8 << 20
MAX_ARGUMENTS = STACK // 4
HWCAP = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 20))
"""FP ASIMD AES PMULL SHA1 SHA2 CRC32 ATOMICS … of the engine's ID registers; no EVTSTRM, no CPUID."""
MINIMAL_SIGNAL_STACK = 4720


@dataclass(frozen=True, slots=True)
class Loaded:
    """Where a program begins, relative to its cVM, and which ELF files were mapped where.

    ``name`` is where its path stands on the stack.
    """

    entry: int
    sp: int
    name: int
    modules: tuple[tuple[Node, str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Executable:
    """A file that execve can run, with its interpreter's; nothing is mapped yet."""

    node: Node
    path: str
    content: bytes
    image: Image
    interpreter: Executable | None
    arguments: tuple[str, ...]


def find(kernel: Kernel, node: Node, path: str, arguments: tuple[str, ...], depth: int = 0) -> Executable:
    """Reads the file, follows ``#!`` (at most 4 times), finds the interpreter. ENOEXEC, ENOENT, EACCES …"""
    if node.kind != "file" or not node.mode & 0o111:
        raise Err(E.EACCES)
    head = kernel.files.read(node, 0, 256)
    if head.startswith(b"#!"):
        return _script(kernel, head, path, arguments, depth)
    content = kernel.files.stored(node, 0, node.size)
    try:
        parsed = image.read(content)
    except ImageError:
        raise Err(E.ENOEXEC) from None
    interpreter = None
    if parsed.interpreter is not None:
        if depth:
            raise Err(E.ENOEXEC)
        found = paths.walk(kernel, None, parsed.interpreter)
        interpreter = _interpreter(kernel, found, parsed.interpreter)
    return Executable(node, path, content, parsed, interpreter, arguments)


def _interpreter(kernel: Kernel, node: Node, path: str) -> Executable:
    content = kernel.files.stored(node, 0, node.size)
    try:
        return Executable(node, path, content, image.read(content), None, ())
    except ImageError:
        raise Err(E.ENOEXEC) from None


def _script(kernel: Kernel, head: bytes, path: str, arguments: tuple[str, ...], depth: int) -> Executable:
    if depth >= 4:
        raise Err(E.ELOOP)
    line = head[2:].partition(b"\n")[0].strip()
    program, _, rest = line.partition(b" ")
    if not program:
        raise Err(E.ENOEXEC)
    words = [program.decode("utf-8", "surrogateescape")]
    if rest.strip():
        words.append(rest.strip().decode("utf-8", "surrogateescape"))
    node = paths.walk(kernel, None, words[0])
    return find(kernel, node, words[0], (*words, path, *arguments[1:]), depth + 1)


def load(kernel: Kernel, space: Space, program: Executable, environment: list[str]) -> tuple[Loaded, list[Effect]]:
    """Fills an empty space. The stack's strings must fit: E2BIG."""
    strings = [*program.arguments, *environment, program.path]
    if sum(len(s.encode("utf-8", "surrogateescape")) + 9 for s in strings) > MAX_ARGUMENTS:
        raise Err(E.E2BIG)
    effects: list[Effect] = []
    space.entry = space.size - PAGE
    effects += _return_page(space)
    stack = space.entry - PAGE - STACK
    space.top = stack - GAP
    base = 0 if program.image.fixed else space.size // 3 * 2 // PAGE * PAGE - program.image.begin
    effects += _map(space, program, base)
    space.brk_start = space.brk = round_up(base + program.image.end)
    modules = [(program.node, program.path, base, program.image.end)]
    entry, interpreter_base = base + program.image.entry, 0
    if program.interpreter is not None:
        linker = program.interpreter
        interpreter_base = _place(space, linker.image)
        effects += _map(space, linker, interpreter_base)
        modules.append((linker.node, linker.path, interpreter_base, linker.image.end))
        entry = interpreter_base + linker.image.entry
    prot = "rwx" if program.image.executable_stack else "rw"
    effects += space.map(Area(stack, stack + STACK, prot, "[stack]"))
    auxv = _auxv(program.image, base, interpreter_base)
    sp, name, content = _stack(kernel, stack + STACK, program, environment, auxv)
    effects.append(MemoryWrite(space.base + sp, content))
    return Loaded(entry, sp, name, tuple(modules)), effects


def _return_page(space: Space) -> list[Effect]:
    page = space.entry
    return [*space.map(Area(page, page + PAGE, "rx", "[sigreturn]")), MemoryWrite(space.base + page, RETURN_CODE)]


def _place(space: Space, linker: Image) -> int:
    """The load base of an interpreter."""
    if linker.fixed:
        return 0
    size = round_up(linker.end - linker.begin)
    where = space.gap(size + 0x10000)
    if where is None:
        raise Err(E.ENOMEM)
    return (where + 0xFFFF & ~0xFFFF) - linker.begin


def _map(space: Space, program: Executable, base: int) -> list[Effect]:
    """The segments of a file, each with its protection; what lies behind the file's bytes is zero."""
    effects: list[Effect] = []
    for load_ in program.image.loads:
        start, end = (base + load_.vaddr) // PAGE * PAGE, round_up(base + load_.vaddr + load_.memsz)
        if not space.valid(start, end - start):
            raise Err(E.ENOMEM)
        effects += _segment(space, program, load_, start, end)
    return effects


def _segment(space: Space, program: Executable, segment: Header, start: int, end: int) -> Iterator[Effect]:
    lead = segment.vaddr % PAGE
    file_end = start + round_up(lead + segment.filesz)
    offset = segment.offset - lead
    if file_end > start:
        area = Area(start, min(file_end, end), segment.letters, program.path, program.node.ino, offset)
        yield from space.map(area)
    if end > file_end:
        yield from space.map(Area(file_end, end, segment.letters))
    content = program.content[offset : segment.offset + segment.filesz]
    if content:
        yield MemoryWrite(space.base + start, content)


def _auxv(main: Image, base: int, interpreter_base: int) -> list[tuple[int, int]]:
    """Without AT_RANDOM, AT_EXECFN, AT_PLATFORM: those point into the stack."""
    return [
        (16, HWCAP),
        (6, PAGE),
        (17, 100),  # AT_CLKTCK
        (3, base + main.program_headers),
        (4, 56),  # AT_PHENT
        (5, len(main.headers)),
        (7, interpreter_base),
        (8, 0),  # AT_FLAGS
        (9, base + main.entry),
        (11, 0),
        (12, 0),
        (13, 0),
        (14, 0),
        (23, 0),  # AT_SECURE
        (26, 0),  # AT_HWCAP2
        (51, MINIMAL_SIGNAL_STACK),
    ]


def _stack(
    kernel: Kernel, top: int, program: Executable, environment: list[str], auxv: list[tuple[int, int]]
) -> tuple[int, int, bytes]:
    """Where sp begins, where the program's path stands, and the bytes from sp to ``top``."""
    strings = bytearray()

    def place(text: bytes) -> int:
        strings.extend(text)
        return len(strings) - len(text)

    offsets = [place(s.encode("utf-8", "surrogateescape") + b"\0") for s in (*program.arguments, *environment)]
    name = place(program.path.encode("utf-8", "surrogateescape") + b"\0")
    platform, random = place(b"aarch64\0"), place(kernel.random(16))
    strings.extend(bytes(-len(strings) % 16 + 8))
    strings.extend(bytes(-len(strings) % 16))
    start = top - len(strings)
    where = [start + o for o in offsets]
    argc = len(program.arguments)
    words = [argc, *where[:argc], 0, *where[argc:], 0]
    for kind, value in (*auxv, (25, start + random), (31, start + name), (15, start + platform), (0, 0)):
        words += (kind, value)
    sp = (start - 8 * len(words)) & ~15
    packed = struct.pack(f"<{len(words)}Q", *words).ljust(start - sp, b"\0")
    return sp, start + name, packed + bytes(strings)
