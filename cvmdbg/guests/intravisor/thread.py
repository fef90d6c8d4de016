"""How a thread of a cVM begins: its stack, its TP words, its registers in the monitor's trampoline.

The monitor's own C code runs on the cVM's slot, above the stack pointer it hands over: argument strings at
top - 0x3000, its frame with the strings of the environment and the nine capabilities for cinv just below the top.
Source: Intravisor src/main.c, init_thread; src/hostcalls.c, c_thread_body.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cvmdbg.guests.intravisor import capabilities, console, trampolines
from cvmdbg.guests.intravisor.config import ConfigError
from cvmdbg.guests.intravisor.deploy import Deployment, write_capability
from cvmdbg.guests.intravisor.layout import MAX_ARGS, PAGE, Layout, Slot
from emulator_core._core import Capability
from sessions.event import Effect, MemoryWrite, RegisterWrite, ThreadStart

CCTLR = 1 << 7 | 1 << 6 | 1 << 3 | 1 << 2
"""SBL, PERMVCT, PCCBO, DDCBO: what the patched CheriBSD sets for EL0."""

ENVIRONMENT = (
    "LC_ALL=C.UTF-8",
    "PYTHONHOME=/usr",
    "PYTHONPATH=/usr",
    "PYTHONUSERBASE=site-packages",
    "TMPDIR=/tmp",
    "PYTHONDEBUG=3",
)
PROGRAM = "/ld.so"
STRING = 128  # bytes of each string in the monitor's frame
CA_TITLES = (
    "ca0: sealed COMP PCC",
    "ca1: sealed COMP DDC",
    "ca2: COMP DDC",
    "ca3: sealed HC PCC",
    "ca4: sealed HC DDC (mon.DDC)",
    "ca5: sealed OCALL PCC ",
    "ca6: sealed ret from mon",
)


@dataclass(frozen=True, slots=True)
class Beginning:
    """A thread about to run: effects and the monitor's lines."""

    effects: tuple[Effect, ...]
    lines: tuple[str, ...]


def words(args: str | None) -> list[str]:
    """The monitor's strtok over ``args``: at most 15 words; the first is always /ld.so, whatever it says."""
    split = [word for word in (args or "").split(" ") if word][:MAX_ARGS]
    return [PROGRAM, *split[1:]]


def cinv_args(layout: Layout, slot: Slot) -> int:
    """Where the monitor's frame holds the capabilities for cinv."""
    return slot.top - (0x590 if layout.pure else 0x570)


def frame(layout: Layout, slot: Slot) -> int:
    """The monitor's own stack pointer in init_thread."""
    return slot.top - (0x690 if layout.pure else 0x670)


def slot_caps(made: Deployment, slot: Slot) -> tuple[Capability, Capability]:
    """ca7 and ca8: the stack and the TP page. A hybrid cVM gets a number for SP, and nothing for TP."""
    if not made.layout.pure:
        return capabilities.integer(made.layout.relative(slot.sp)), Capability()
    size = slot.top - slot.bottom
    return made.data(slot.bottom, size, slot.sp), made.data(slot.tp, PAGE, slot.tp)


def begin(made: Deployment, number: int) -> Beginning:
    """The first thread of a cVM, ``number`` in the machine, on slot 0, about to run cinv."""
    layout, slot = made.layout, made.layout.slot(0)
    arguments = words(made.config.args)
    block = _arguments(made, arguments)
    stack, first_env = (_pure_stack if layout.pure else _hybrid_stack)(made, slot, block)
    caps = (*made.caps, *slot_caps(made, slot))
    args = cinv_args(layout, slot)
    effects = (
        MemoryWrite(slot.argv, b"".join(block)) if block else None,
        *stack,
        *(write_capability(args + 16 * i, cap) for i, cap in enumerate(caps)),
        _tp_words(layout, slot),
        *_registers(number, made, slot, "cinv"),
        RegisterWrite(number, "c0", layout.store),
        RegisterWrite(number, "c1", args),
    )
    return Beginning(tuple(e for e in effects if e is not None), tuple(_say(made, slot, first_env, caps)))


def begin_extra(made: Deployment, number: int, slot: Slot, entry: int, argument: int) -> Beginning:
    """A thread made by a hostcall, about to run cinv2_sp: ``entry`` is absolute, ``argument`` 129 bits for c0."""
    layout = made.layout
    sp, tp = slot_caps(made, slot)
    target = capabilities.code(layout.begin, layout.end, entry, made.config.clean_room)
    effects = (
        _tp_words(layout, slot),
        *_registers(number, made, slot, "cinv2_sp"),
        RegisterWrite(number, "ctpidr", tp.bits if layout.pure else layout.relative(slot.tp)),
        RegisterWrite(number, "c0", argument),
        RegisterWrite(number, "c1", capabilities.seal(target).bits),
        RegisterWrite(number, "c2", made.caps[1].bits),
        RegisterWrite(number, "c3", made.caps[2].bits),
        RegisterWrite(number, "c4", sp.bits),
    )
    return Beginning(effects, ())


def _registers(number: int, made: Deployment, slot: Slot, routine: str) -> Iterator[Effect]:
    """A machine thread in the monitor's compartment, at one of its routines."""
    start = trampolines.for_abi(made.layout.pure).address(routine)
    yield ThreadStart(number)
    yield RegisterWrite(number, "cctlr", CCTLR)
    yield RegisterWrite(number, "pcc", capabilities.monitor_code(start).bits)
    yield RegisterWrite(number, "ddc", capabilities.monitor_data().bits)
    yield RegisterWrite(number, "csp", frame(made.layout, slot))


def _tp_words(layout: Layout, slot: Slot) -> MemoryWrite:
    """The store's address and the cVM's number. A hybrid build puts them over the first bytes at ``begin``:
    it takes its thread pointer for a null capability, whose address is 0."""
    return MemoryWrite(slot.tp if layout.pure else layout.begin, struct.pack("<QQ", layout.store, layout.cid))


def _arguments(made: Deployment, arguments: list[str]) -> list[bytes]:
    """The words behind the first, as C strings of at most 127 bytes, all in one page."""
    encoded = [word.encode("utf-8", "replace")[: STRING - 1] + b"\0" for word in arguments[1:]]
    if sum(map(len, encoded)) > PAGE:
        raise ConfigError(f"line {made.config.line}: args need more than {PAGE} bytes on the stack")
    return encoded


def _pointers(slot: Slot, block: list[bytes]) -> list[int]:
    """Absolute addresses of the argument strings behind the first."""
    pointers, at = [], slot.argv
    for text in block:
        pointers.append(at)
        at += len(text)
    return pointers


def _strings(slot: Slot, texts: tuple[str, ...]) -> tuple[list[int], bytes]:
    """The strings of init_thread's frame, 128 bytes each, ending just below the top: addresses and bytes."""
    content = b"".join(text.encode().ljust(STRING, b"\0") for text in texts)
    start = slot.top - STRING - len(content)
    return [start + STRING * i for i in range(len(texts))], content


def _hybrid_stack(made: Deployment, slot: Slot, block: list[bytes]) -> tuple[list[Effect], int]:
    """argc, argv, environment, auxv in words of 8 bytes relative to DDC. Also where the environment begins."""
    layout = made.layout
    strings, content = _strings(slot, (PROGRAM, *ENVIRONMENT))
    argv = [strings[0], *_pointers(slot, block)]
    head = [len(argv), *map(layout.relative, argv), 0]
    stack = [*head, *map(layout.relative, strings[1:]), 0, *_auxv(made)]
    packed = struct.pack(f"<{len(stack)}Q", *stack)
    return [MemoryWrite(strings[0], content), MemoryWrite(slot.sp, packed)], slot.sp + 8 * len(head)


def _auxv(made: Deployment) -> list[int]:
    """AT_BASE and AT_ENTRY are absolute, AT_PHDR and AT_UID (the capability store) relative. Numbers of Linux."""
    layout = made.layout
    ignored = (1 << 64) - 1
    vector = (
        (7, layout.base),  # AT_BASE
        (9, layout.base + made.elf.entry),  # AT_ENTRY
        (3, layout.relative(layout.base) + 0x40),  # AT_PHDR
        (6, PAGE),  # AT_PAGESZ
        (1, ignored),  # AT_IGNORE
        (17, 100),  # AT_CLKTCK
        (16, 0),  # AT_HWCAP
        (14, 0),  # AT_EGID
        (12, 0),  # AT_EUID
        (13, 0),  # AT_GID
        (23, 0),  # AT_SECURE
        (11, layout.relative(layout.store)),  # AT_UID
        (25, 0),  # AT_RANDOM
        (0, 0),
    )
    return [word for pair in vector for word in pair]


def _pure_stack(made: Deployment, slot: Slot, block: list[bytes]) -> tuple[list[Effect], int]:
    """16-byte slots with markers, no environment, AT_BASE as a capability. Also where the environment begins.

    The original counts its terminator in words, not slots, so from four arguments on it overwrites the last ones. With
    an odd number of arguments it stores the capability at an odd address and dies; here one word of padding before
    auxv lets such a cVM begin.
    """
    layout, argc = made.layout, 1 + len(block)
    strings, content = _strings(slot, (PROGRAM,))
    stack = [0] * (8 + 2 * argc)
    stack[0:4] = [argc, 0xAA, strings[0], 0xBB]
    for index, address in enumerate(_pointers(slot, block), 1):
        stack[2 + 2 * index : 4 + 2 * index] = [address, (0xCC + index - 4) % (1 << 64)]
    env = 4 + argc + 2
    stack[env - 2 : env] = [0, 0]
    auxv = env + 2 + argc % 2
    packed = struct.pack(f"<{auxv}Q", *stack[:env], *[0] * (auxv - env))
    packed += struct.pack("<8Q", 7, 0, 0, 0, 3, 0, layout.base + 0x40, 0) + bytes(64)  # AT_BASE, AT_PHDR, AT_NULL
    image = capabilities.code(layout.base, layout.top, layout.base, made.config.clean_room)
    effects: list[Effect] = [
        MemoryWrite(strings[0], content),
        MemoryWrite(slot.sp, packed),
        write_capability(slot.sp + 8 * auxv + 16, image),
    ]
    return effects, slot.sp + 8 * env


def _say(made: Deployment, slot: Slot, first_env: int, caps: tuple[Capability, ...]) -> Iterator[str]:
    layout = made.layout
    yield console.thread_begins(layout, slot)
    for index, word in enumerate(words(made.config.args)[1:], 1):
        yield from console.argument(index, word, layout.pure)
    yield console.environment(first_env, layout.pure)
    for title, cap in zip(CA_TITLES, caps, strict=False):
        yield from console.capability(title, cap)
    if layout.pure:
        yield from console.capability("ca7: SP cap for purecap cVMs", caps[7])
        pointer = slot.top - 0x5C0
        yield from console.capability(f"ca8: TP cap for purecap cVMs, me->c_tp = {pointer:x}", caps[8])
    yield from console.entering(layout, slot, cinv_args(layout, slot))
