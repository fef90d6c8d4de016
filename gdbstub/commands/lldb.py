"""What lldb adds: key:value; packets about host, program, registers, memory, threads.

Source: LLDB's docs/lldb-gdb-remote.txt. Text that may hold ``;`` or ``:`` travels as hex digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbstub import hexadecimal
from gdbstub.call import Call, ok
from gdbstub.commands.features import Plain, plain
from gdbstub.description import CAPABILITIES, Description, Feature, Register
from gdbstub.layout import size
from gdbstub.thread import ThreadId
from gdbstub.verb import EINVAL, Refused, Verb

if TYPE_CHECKING:
    from gdbstub.serving import Serving

MAX_PAIRS, MAX_REGISTERS = 256, 4096


def spell(pairs: Mapping[str, str]) -> bytes:
    """``key:value;key:value;``."""
    return "".join(f"{key}:{value};" for key, value in pairs.items()).encode()


def unspell(reply: bytes) -> dict[str, str]:
    """The pairs of a reply."""
    found: dict[str, str] = {}
    for word in reply.decode("utf-8", "replace").split(";", MAX_PAIRS)[:MAX_PAIRS]:
        key, colon, value = word.partition(":")
        if word and not colon:
            raise ValueError(f"expected key:value, found {word[:40]!r}")
        if word:
            found[key] = value
    return found


@dataclass(frozen=True, slots=True)
class RegionInfo:
    """A piece of the address space. ``prot`` is ``""`` where nothing is mapped."""

    address: int
    size: int
    prot: str
    name: str = ""

    def __bytes__(self) -> bytes:
        pairs = {"start": f"{self.address:x}", "size": f"{self.size:x}"}
        pairs |= {"permissions": self.prot} if self.prot else {}
        return spell(pairs | ({"name": self.name.encode().hex()} if self.name else {}))


@dataclass(frozen=True, slots=True)
class AskRegion:
    """``qMemoryRegionInfo:addr``; without an address it asks whether the stub has it."""

    address: int | None

    def __bytes__(self) -> bytes:
        return b"qMemoryRegionInfo" + (b"" if self.address is None else b":%x" % self.address)


@dataclass(frozen=True, slots=True)
class AskRegister:
    """``qRegisterInfoN``: registers by their place, from 0 until an error."""

    index: int

    def __bytes__(self) -> bytes:
        return b"qRegisterInfo%x" % self.index


@dataclass(frozen=True, slots=True)
class AskStop:
    """``qThreadStopInfo id``: the stop reply as that thread would give it."""

    thread: ThreadId

    def __bytes__(self) -> bytes:
        return b"qThreadStopInfo" + bytes(self.thread)


def parse_region(packet: bytes) -> AskRegion:
    """``qMemoryRegionInfo:1000``."""
    _, colon, address = packet.partition(b":")
    return AskRegion(hexadecimal.number(address) if colon else None)


def parse_register(packet: bytes) -> AskRegister:
    """``qRegisterInfo1f``."""
    return AskRegister(hexadecimal.number(packet[len("qRegisterInfo") :], MAX_REGISTERS))


def parse_stop(packet: bytes) -> AskStop:
    """``qThreadStopInfo1``."""
    return AskStop(ThreadId.parse(packet[len("qThreadStopInfo") :]))


# ---- client ----------------------------------------------------------------------------------------------


def region(address: int) -> Call[RegionInfo]:
    """What is mapped at an address, or how far nothing is."""

    def value(reply: bytes) -> RegionInfo:
        pairs = unspell(reply)
        if "start" not in pairs or "size" not in pairs:
            raise ValueError(f"expected start and size, found {hexadecimal.shown(reply)}")
        begin, length = (hexadecimal.number(pairs[key].encode()) for key in ("start", "size"))
        prot = "".join(letter for letter in "rwx" if letter in pairs.get("permissions", ""))
        return RegionInfo(begin, length, prot, hexadecimal.words(pairs.get("name", "").encode()))

    return Call(bytes(AskRegion(address)), value)


def register(index: int) -> Call[Register]:
    """The register at a place of the ``g`` block; StubError behind the last one."""

    def value(reply: bytes) -> Register:
        pairs = unspell(reply)
        bits = pairs.get("bitsize", "")
        if not pairs.get("name") or not bits.isdigit() or not 0 < int(bits) <= 1 << 16:
            raise ValueError(f"expected a register's name and bitsize, found {hexadecimal.shown(reply)}")
        kind = "data_capability" if pairs["name"] in CAPABILITIES and int(bits) == 129 else "int"
        return Register(pairs["name"], int(bits), kind, number=index, spelled=pairs["name"])

    return Call(bytes(AskRegister(index)), value)


def description(registers: tuple[Register, ...], architecture: str) -> Description:
    """What qRegisterInfo told, as a description."""
    return Description(architecture, "", (Feature("", registers),)).numbered()


def switch(name: bytes) -> Call[None]:
    """``QThreadSuffixSupported``, ``QListThreadsInStopReply``: on from now."""
    return Call(name, ok)


def facts(name: bytes) -> Call[dict[str, str]]:
    """``qHostInfo`` or ``qProcessInfo``."""
    return Call(name, unspell)


# ---- server ----------------------------------------------------------------------------------------------

_GENERIC = {"pc": "pc", "sp": "sp", "x29": "fp", "x30": "ra", "cpsr": "flags"} | {
    f"x{n}": f"arg{n + 1}" for n in range(8)
}
_SETS = {"int": "General Purpose Registers", "v": "Floating Point Registers", "c": "Capability Registers"}


def _serve_register(serving: Serving, request: AskRegister) -> bytes:
    slots = list(serving.layout.slots.values())
    if request.index >= len(slots):
        raise Refused(0x45)
    slot = slots[request.index]
    found, length = slot.register, size(slot.register, serving.layout.dialect)
    bits = found.bits if found.bits % 8 or length * 8 == found.bits else length * 8
    vector = found.type == "aarch64v"
    wide = "v" if vector else "c" if found.is_capability else "int"
    pairs = {"name": found.spelled, "bitsize": str(bits), "offset": str(slot.offset)}
    pairs |= {"encoding": "vector" if vector else "uint", "format": "vector-uint8" if vector else "hex"}
    pairs |= {"set": _SETS[wide], "gcc": str(found.number), "dwarf": str(_dwarf(found.name))}
    return spell(pairs | ({"generic": _GENERIC[found.name]} if found.name in _GENERIC else {}))


def _dwarf(name: str) -> int:
    """DWARF for the Arm 64-bit architecture: X0 is 0, SP 31, PC 32, V0 64, C0 198, CSP 229, PCC 230."""
    if name in ("sp", "pc"):
        return 31 if name == "sp" else 32
    if name in ("csp", "pcc"):
        return 229 if name == "csp" else 230
    first = {"x": 0, "v": 64, "c": 198}.get(name[:1])
    return first + int(name[1:]) if first is not None and name[1:].isdigit() else 0xFFFFFFFF


def _serve_region(serving: Serving, request: AskRegion) -> bytes:
    if request.address is None:
        return b"OK"
    return bytes(region_at(serving, request.address))


def region_at(serving: Serving, address: int) -> RegionInfo:
    """The mapped region at an address, or the gap."""
    begin = 0
    for start, length, prot in sorted(serving.target.regions()):
        if start <= address < start + length:
            return RegionInfo(start, length, prot.replace("-", ""))
        if start > address:
            return RegionInfo(begin, start - begin, "")
        begin = start + length
    return RegionInfo(begin, (1 << 64) - 1 - begin, "")


def _serve_stop(serving: Serving, request: AskStop) -> bytes:
    return serving.stop_reply(serving.chosen(request.thread))


def _serve_host(serving: Serving, request: Plain) -> bytes:
    triple = serving.target.triple
    return spell({"triple": triple.encode().hex(), "ptrsize": "8", "endian": "little"})


def _serve_program(serving: Serving, request: Plain) -> bytes:
    pairs = {"pid": f"{serving.pid:x}", "triple": serving.target.triple.encode().hex()}
    return spell(pairs | {"ostype": "linux", "endian": "little", "ptrsize": "8"})


def _serve_thread_suffix(serving: Serving, request: Plain) -> bytes:
    return b"OK"  # every register packet takes one


def _serve_list_threads(serving: Serving, request: Plain) -> bytes:
    serving.lists_threads = True
    return b"OK"


def _serve_watch_support(serving: Serving, request: Plain) -> bytes:
    if serving.target.points is None:
        raise Refused(EINVAL, "this target has no watchpoints")
    return b"num:%d;" % serving.target.points.watchpoints


def _plain(name: bytes, serve: Callable[[Serving, Plain], bytes]) -> Verb:
    return Verb(name, plain(name), serve)


VERBS = (
    Verb(b"qRegisterInfo", parse_register, _serve_register, open_ended=True),
    Verb(b"qMemoryRegionInfo", parse_region, _serve_region),
    Verb(b"qThreadStopInfo", parse_stop, _serve_stop, open_ended=True),
    _plain(b"qHostInfo", _serve_host),
    _plain(b"qProcessInfo", _serve_program),
    _plain(b"QThreadSuffixSupported", _serve_thread_suffix),
    _plain(b"QListThreadsInStopReply", _serve_list_threads),
    _plain(b"qWatchpointSupportInfo", _serve_watch_support),
)
