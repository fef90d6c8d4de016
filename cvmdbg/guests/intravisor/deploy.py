"""Deploying one cVM: image, relocations, stacks with canaries and guards, heap, and the capabilities it begins with.

Nothing is written here: a deployment is a plan, effects and console lines. Source: Intravisor src/main.c, build_cvm.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from cvmdbg.guests.intravisor import capabilities, console, trampolines
from cvmdbg.guests.intravisor.config import Config, CvmConfig
from cvmdbg.guests.intravisor.elf import Elf, ElfError, Relocation
from cvmdbg.guests.intravisor.layout import CANARY, MAX_THREADS, PAGE, STACKS_SIZE, Layout, lay_out
from emulator_core._core import Capability
from sessions.event import CapabilityWrite, Effect, Map, MemoryWrite, Protect

RAW = (1 << 128) - 1
_FRAGMENT = struct.Struct("<QQ")
_SIZE_BITS = 56
CONSTANT, OBJECT, FUNCTION = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Gate:
    """What a cVM is called through: sealed code and data of the monitor or of a cVM's syscall_handler.

    ``inner`` is the capability of ca5; a cVM advertises none, so a stray number takes its place.
    """

    code: Capability
    data: Capability
    inner: Capability


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployed cVM: facts, the capabilities ca0 … ca6, and the effects and lines that made it."""

    config: CvmConfig
    elf: Elf
    layout: Layout
    sha256: str
    caps: tuple[Capability, ...]
    served_by: str  # badge of the compartment behind ca3
    effects: tuple[Effect, ...] = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)

    @property
    def gate(self) -> Gate | None:
        """What this cVM offers to those whose callback_out names it."""
        entry = self.elf.symbols.get("syscall_handler")
        if not entry:
            return None
        made = self.layout, self.config.clean_room
        sealed = capabilities.seal(_code(*made, self.layout.base + entry))
        return Gate(sealed, self.caps[1], capabilities.integer(capabilities.STRAY_PCC2))

    def data(self, begin: int, size: int, address: int) -> Capability:
        """A data capability of this cVM."""
        return capabilities.data(begin, size, address, self.config.clean_room)


def monitor_gate(pure: bool) -> Gate:
    """The monitor's own gate, of the build that the calling cVM needs."""
    tramp = trampolines.for_abi(pure)
    return Gate(
        capabilities.seal(capabilities.monitor_code(tramp.address("hostcall_asm"))),
        capabilities.seal(capabilities.monitor_data()),
        capabilities.seal(capabilities.monitor_code(tramp.address("ret_from_cinv2"))),
    )


def deploy(config: Config, cvm: CvmConfig, elf: Elf, gate: Gate | None, served_by: str) -> Deployment:
    """Plans a cVM. ``gate`` is that of the cVM that callback_out names, None for the monitor."""
    layout = lay_out(config, cvm, elf)
    image = _image(elf, layout)
    sha256 = hashlib.sha256(image).hexdigest()
    slots = list(_relocated(elf, layout, cvm.clean_room, image))
    lines = (
        *console.building(cvm, layout.cid),
        *console.loading(elf, layout),
        *console.heap(elf, layout),
        *console.linking(cvm, elf, layout.pure),
        console.deployed(layout.cid, sha256),
    )
    effects = (
        *_map_image(elf, layout),
        *slots,
        *_map_stacks(layout),
        *_hand_over_heap(elf, layout, cvm.clean_room),
    )
    caps = _entry_caps(elf, layout, cvm.clean_room, gate or monitor_gate(layout.pure))
    return Deployment(cvm, elf, layout, sha256, caps, served_by, effects, lines)


def write_capability(address: int, value: Capability) -> CapabilityWrite:
    """The effect that stores a capability."""
    return CapabilityWrite(address, value.raw, value.tag)


def _image(elf: Elf, layout: Layout) -> bytearray:
    image = bytearray(layout.image_size)
    for load in elf.segments:
        image[load.vaddr : load.vaddr + load.filesz] = elf.content[load.offset : load.offset + load.filesz]
    return image


def _map_image(elf: Elf, layout: Layout) -> Iterator[Effect]:
    yield Map(layout.base, layout.image_pages, "rwx")
    for load in elf.segments:
        content = elf.content[load.offset : load.offset + load.filesz]
        if content:
            yield MemoryWrite(layout.base + load.vaddr, content)


def _relocated(elf: Elf, layout: Layout, clean_room: int, image: bytearray) -> Iterator[Effect]:
    """The monitor's pass over .rela.dyn. An unknown kind of fragment gets the capability of the entry before it."""
    previous = Capability()
    for number, entry in enumerate(elf.relocations or ()):
        where = f"{elf.name}: entry {number} of .rela.dyn, offset {entry.offset:#x},"
        if entry.offset + _FRAGMENT.size > len(image):
            raise ElfError(f"{where} lies outside of the image of {len(image):#x} bytes")
        kind, made = _fragment(layout, clean_room, image, entry)
        if kind == 0:
            continue
        if entry.offset % _FRAGMENT.size:
            raise ElfError(f"{where} is not aligned to {_FRAGMENT.size}, so no capability can be stored there")
        previous = made or previous
        image[entry.offset : entry.offset + _FRAGMENT.size] = previous.to_bytes()
        yield write_capability(layout.base + entry.offset, previous)


def _fragment(layout: Layout, clean_room: int, image: bytearray, entry: Relocation) -> tuple[int, Capability | None]:
    """Kind and capability of one fragment: u64 address, 56 bits of size, 8 bits of kind."""
    address, word = _FRAGMENT.unpack_from(image, entry.offset)
    kind, size = word >> _SIZE_BITS, word % (1 << _SIZE_BITS)
    target = (layout.base + address) % (1 << 64)
    if kind in (CONSTANT, OBJECT):
        return kind, capabilities.data(target, size, target, clean_room)
    if kind == FUNCTION:
        value = (target + entry.addend) % (1 << 64)
        return kind, capabilities.code(layout.base, layout.top, value, clean_room)
    return kind, None


def _map_stacks(layout: Layout) -> Iterator[Effect]:
    """Canaries at the bottom of all 64 slots; read-only pages under all but the lowest."""
    yield Map(layout.stacks, STACKS_SIZE, "rw")
    for number in range(MAX_THREADS, -1, -1):
        bottom = layout.slot(number).bottom
        yield MemoryWrite(bottom, CANARY.to_bytes(8, "little"))
        if number < MAX_THREADS:
            yield Protect(bottom, PAGE, "r")


def _hand_over_heap(elf: Elf, layout: Layout, clean_room: int) -> Iterator[Effect]:
    yield Map(layout.heap, layout.heap_size, "rwx")
    if not console.has_heap_symbols(elf):
        return
    begin, size = (layout.base + elf.symbols[name] for name in ("cvm_heap_begin", "cvm_heap_size"))
    _check_heap_symbols(elf, layout)
    if layout.pure:
        yield write_capability(begin, capabilities.data(layout.heap, layout.heap_size, layout.heap, clean_room))
    else:
        yield MemoryWrite(begin, layout.relative(layout.heap).to_bytes(8, "little"))
    yield MemoryWrite(size, layout.heap_size.to_bytes(8, "little"))


def _check_heap_symbols(elf: Elf, layout: Layout) -> None:
    begin, size = elf.symbols["cvm_heap_begin"], elf.symbols["cvm_heap_size"]
    room = 16 if layout.pure else 8
    if begin + room > layout.image_pages or size + 8 > layout.image_pages:
        raise ElfError(f"{elf.name}: cvm_heap_begin or cvm_heap_size does not fit into the image")
    if layout.pure and begin % 16:
        raise ElfError(f"{elf.name}: cvm_heap_begin, {begin:#x}, is not aligned to 16, so it can hold no capability")


def _code(layout: Layout, clean_room: int, address: int) -> Capability:
    return capabilities.code(layout.begin, layout.end, address, clean_room)


def _entry_caps(elf: Elf, layout: Layout, clean_room: int, gate: Gate) -> tuple[Capability, ...]:
    """ca0 … ca6, as init_thread hands them to cinv. A purecap file is returned to in C64."""
    data = capabilities.data(layout.begin, layout.end - layout.begin, layout.begin, clean_room)
    back = elf.symbols["ret_from_monitor"] | layout.pure
    return (
        capabilities.seal(_code(layout, clean_room, layout.base + elf.entry)),
        capabilities.seal(data),
        data,
        gate.code,
        gate.data,
        gate.inner,
        capabilities.seal(_code(layout, clean_room, layout.base + back)),
    )
