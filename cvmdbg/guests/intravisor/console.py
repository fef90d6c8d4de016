"""The lines that the monitor prints, in its own words, so that its users recognise a run.

Where it prints addresses of its own temporaries, these are the ones of its published logs, relative to the slot where
they lie in one. A deploy takes no guest time, so it says 0.000000 seconds.
Source: Intravisor src/main.c, src/load_elf.c, and the console logs of runtime/musl-lkl and runtime/musl3-uni2.
"""

from __future__ import annotations

from collections.abc import Iterator

from cvmdbg.guests.intravisor.config import CvmConfig
from cvmdbg.guests.intravisor.elf import PF_W, Elf
from cvmdbg.guests.intravisor.layout import Layout, Slot
from emulator_core._core import Capability

FILE_BUFFER = {True: 0x2C4C1CC21000, False: 0x899BE000}  # where the loader read the file to; by purecap
SEALED_RET = {True: (0x8103DFA0, 0x8103DF90), False: (0x80776C40, 0x80776C30)}


def _shown(value: str | None) -> str:
    return "(null)" if value is None else value


def pointer(value: int) -> str:
    """C's %p: 0x and the number."""
    return f"{value:#x}"


def using(file: str) -> str:
    return f"Using yaml.cfg = {file}"


def building(cvm: CvmConfig, cid: int) -> Iterator[str]:
    yield f"***************** [{cid}] Deploy '{_shown(cvm.name)}' ***************"
    yield (
        f"BUILDING cvm: name={_shown(cvm.name)}, disk={_shown(cvm.disk)}, runtime={_shown(cvm.runtime)}, "
        f"net={_shown(cvm.net)}, args='{_shown(cvm.args)}', base={cvm.base:#x}, size={cvm.size:#x}, "
        f"begin={cvm.begin:#x}, end={cvm.end:#x}, cb_in = '{_shown(cvm.callback_in)}', "
        f"cb_out = '{_shown(cvm.callback_out)}' wait = {cvm.wait}s clean_room = {cvm.clean_room}, "
        f"libvirt = {cvm.libvirt}"
    )
    yield f"requested cVM size matches CVM_MAX_SIZE ({cvm.size:x})"


def loading(elf: Elf, layout: Layout) -> Iterator[str]:
    """load_elf and the first lines of build_cvm. The newest build, which runs purecap cVMs, says more."""
    if layout.pure:
        yield f"Extra payload: old {layout.image_pages:x}, new {layout.image_size:x}"
        yield f"mmap: {layout.base:x}, +{layout.image_pages:x}, ret= {layout.base:x}"
    writable = False
    for load in elf.segments:
        if load.flags & PF_W and not writable:
            writable = True
            yield f"end of RO: {layout.base + load.vaddr:x}"
        source = FILE_BUFFER[layout.pure] + load.offset
        yield (
            f"[{load.index}]: {source:x} {layout.base + load.vaddr:x} {load.filesz:x} {load.memsz:x} "
            f"{source:x} {load.filesz:x}"
        )
    yield f"ELF BASE = {layout.base:#x}, MAP SIZE = {layout.image_size:x}, ENTRY = {elf.entry:#x}"
    yield f"encl_map.entry = {elf.entry:#x}"
    yield f"encl_map.ret = {elf.symbols['ret_from_monitor']:#x}"
    if layout.pure:
        yield "we have rela_dyn, it is an ARM (might be purecap) binary"
    yield f"[cVM STACKs] = [{layout.stacks:#x} -- {layout.top:x}]"


def heap(elf: Elf, layout: Layout) -> Iterator[str]:
    yield (
        f"Convrting free memory into cVM Heap: {layout.heap:x} -- {layout.stacks:x} +{layout.heap_size:x} "
        f"( {layout.heap_size / (1 << 20):f} MB)"
    )
    if has_heap_symbols(elf):
        begin, size = elf.symbols["cvm_heap_begin"], elf.symbols["cvm_heap_size"]
        yield f"cVM has cvm_heap_begin ({begin:x}) and cvm_heap_size ({size:x})"
    else:
        yield "cVM doesn't use heap or has a built-in one"


def has_heap_symbols(elf: Elf) -> bool:
    """Does the file want the heap handed over?"""
    return bool(elf.symbols.get("cvm_heap_begin") and elf.symbols.get("cvm_heap_size"))


def linking(cvm: CvmConfig, elf: Elf, pure: bool) -> Iterator[str]:
    if cvm.callback_out is None:
        yield "callback_out is empty, use default 'monitor'"
    sealed, unsealed = SEALED_RET[pure]
    yield f"SEALED RET FROM MON {sealed:#x} {unsealed:#x}"
    if elf.symbols.get("syscall_handler"):
        entry = elf.symbols["syscall_handler"]
        yield f"ACHTUNG: '{cvm.runtime}' has syscall handler 'syscall_handler' at {entry:#x}"


def deployed(cid: int, sha256: str) -> str:
    return f"Deploy {cid} in {0:f}, SHA-256 Hash: {sha256}"


LINK = "***************** Link Inner<-->Outer ***************"
LOADED = "***************** ALL cVMs loaded ***************"


def inner(name: str, inner_cid: int, runtime: str, cid: int) -> str:
    return f"{name}[{inner_cid}] is inner for {runtime}[{cid}]"


def capability(title: str, value: Capability) -> Iterator[str]:
    """CHERI_CAP_PRINT. The length is cut to 64 bits."""
    yield title
    yield f"tag {value.tag:d} s {value.sealed:d} perms {value.perms:08x} type {value.otype:016x}"
    length = min(value.length, (1 << 64) - 1)
    yield f"    base {value.base:016x} length {length:016x} ofset {value.offset:016x}"


def thread_begins(layout: Layout, slot: Slot) -> str:
    """init_thread's first line: its frame lies a little deeper in a hybrid build."""
    frame = slot.top - (0x690 if layout.pure else 0x670)
    return (
        f"target SP = {slot.sp:x}, old TP = {slot.top - 0x420:x} sp_read = {slot.top:#x}, "
        f"me->stacl = {slot.bottom:#x}, getSP()={frame:#x}, me->c_tp = {slot.top - 0x430:#x} {slot.top - 0x440:x}"
    )


def argument(index: int, text: str, pure: bool) -> Iterator[str]:
    yield f"[{index}] '{text}'"
    if not pure:
        yield f"sp[i+1] = '{text}'"


def environment(first: int, pure: bool) -> str:
    if pure:
        return f"&env0 = {first:#x}, &env2={first + 16:#x}"
    return f"&env0 = {first:#x}, &env1={first + 8:#x}"


def entering(layout: Layout, slot: Slot, args: int) -> Iterator[str]:
    """The last words before cinv. A hybrid build prints the cVM's base where its TP words went by mistake."""
    tp = slot.top - (0x610 if layout.pure else 0x5F0)
    words = slot.tp if layout.pure else layout.begin
    yield f"HW: sp = {layout.relative(slot.sp):#x}, tp = {tp:#x}, &cinv_args = {args:#x}"
    yield f"TP_ARGS: {layout.store:x}, {layout.cid:x}, {words:x}"
    yield "-----------------------------------------------"
