"""The cVMs of a running Intravisor, from the table in its own memory: ``struct s_box cvms[200]``, by symbols.

cvms[16]  base … top    box_caps: what ca0 … ca6 were    cmp_begin … cmp_end    outer ──▶ cvms[n]    cid 16

With DWARF the members are where it says; without, the layouts of hybrid monitors on CheriBSD are known by their size.
Source: lsds/intravisor, src/monitor.h (s_box, c_thread, box_caps_s; commit 18ee997); FreeBSD sys/_cpuset.h, pthread.h.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cvmdbg.dwarf.info import DebugInfo
from cvmdbg.elf import ElfImage
from cvmdbg.guests.guest import Compartment, Grant, Part
from cvmdbg.guests.intravisor.facts import TITLES
from cvmdbg.guests.intravisor.layout import MAX_CVMS, MAX_THREADS, PAGE, STACK_SIZE, STACKS_SIZE, Slot
from cvmdbg.target import Capabilities, Target, TargetError, UserError
from cvmdbg.types_c import Array, CType, Qualified, Struct, Typedef

TABLE = "cvms"
CAPABILITIES = (
    "sealed_codecap",
    "sealed_datacap",
    "dcap",
    "sealed_codecapt",
    "sealed_datacapt",
    "sealed_codecapt2",
    "sealed_ret_from_mon",
)
"""Members of ``box_caps`` that init_thread passes on as ca0 … ca6."""
NUMBERS = ("base", "top", "stack", "cmp_begin", "cmp_end", "entry", "ret_from_mon", "pure", "outer", "cid")
NEEDED = ("base", "top", "cmp_begin", "cmp_end", "cid")
MAX_SIZE = 1 << 16
USER = 1 << 48
WORD = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A member: its offset and size in bytes."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Shape:
    """``struct s_box``: its size, and where its members are; those of ``box_caps`` by their own names."""

    size: int
    members: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Box:
    """What an element says. ``words`` by name; ``grants`` are ca0 … ca6 where the monitor was hybrid or pure."""

    index: int
    words: Mapping[str, int]
    grants: tuple[int, ...]


# ---- where the members are -------------------------------------------------------------------------------------------

_THREAD = 144
"""sizeof (struct c_thread): two capabilities, pointers of 8 bytes."""
_KNOWN = (
    ("base", 8, 8),
    ("top", 8, 8),
    ("box_size", 8, 8),
    ("stack", 8, 8),
    ("stack_size", 8, 8),
    ("threads", _THREAD * MAX_THREADS, 16),
    ("ct_lock", 8, 8),
    ("cpuset", 0, 8),
    ("sealcap_size", 8, 16),
    ("sealcap", 16, 16),
    ("sealed_codecap", 16, 16),
    ("sealed_datacap", 16, 16),
    ("dcap", 16, 16),
    ("sealed_codecapt", 16, 16),
    ("sealed_codecapt2", 16, 16),
    ("sealed_datacapt", 16, 16),
    ("sealed_ret_from_mon", 16, 16),
    ("cmp_begin", 8, 8),
    ("cmp_end", 8, 8),
    ("entry", 8, 8),
    ("ret_from_mon", 8, 8),
    ("lkl_disk", 24, 8),
    ("disk_image", 100, 1),
    ("fd", 4, 4),
    ("pure", 1, 1),
    ("clean_room", 1, 1),
    ("use_scl", 1, 1),
    ("cr … extra_load", 64, 8),
    ("inner", 8, 8),
    ("outer", 8, 8),
    ("cid", 8, 8),
)
"""Members of ``struct s_box`` in order: name, size, alignment in bytes."""
_CPUSETS = (32, 128)
"""sizeof (cpuset_t): CPU_SETSIZE is 256 in CheriBSD 22.05, 1024 in later FreeBSD."""


def known_shapes() -> tuple[Shape, ...]:
    """Those of monitors without DWARF."""
    return tuple(_laid_out(cpuset) for cpuset in _CPUSETS)


def _laid_out(cpuset: int) -> Shape:
    at, members = 0, {}
    for name, size, alignment in _KNOWN:
        at = -(-at // alignment) * alignment
        members[name] = Place(at, size or cpuset)
        at += size or cpuset
    return Shape(-(-at // 16) * 16, members)


def shape_of(image: ElfImage, name: str) -> Shape:
    """Where the members are in the table of a monitor; UserError says why that is not known."""
    variable = DebugInfo(image).variable(TABLE)
    if variable is not None:
        return _described(_bare(variable.type), name)
    size = max((symbol.size for symbol in image.by_name.get(TABLE, ())), default=0)
    for shape in known_shapes():
        if size == shape.size * MAX_CVMS:
            return shape
    sizes = ", ".join(str(shape.size * MAX_CVMS) for shape in known_shapes())
    raise UserError(f"{name}: its {TABLE} has {size} bytes and no DWARF describes it; known are {sizes}")


def _bare(kind: CType) -> CType:
    while isinstance(kind, Typedef | Qualified):
        kind = kind.target
    return kind


def _described(kind: CType, name: str) -> Shape:
    """As DWARF has it."""
    element = _bare(kind.element) if isinstance(kind, Array) else None
    if not isinstance(element, Struct) or not 0 < element.size <= MAX_SIZE:
        raise UserError(f"{name}: its {TABLE} is no array of structs of at most {MAX_SIZE} bytes")
    members = dict(_members(element))
    missing = [needed for needed in NEEDED if needed not in members]
    if missing:
        raise UserError(f"{name}: a struct of its {TABLE} has no member {missing[0]}")
    for found, place in members.items():
        if place.offset < 0 or place.offset + place.size > element.size:
            raise UserError(f"{name}: the member {found} of its {TABLE} lies outside of its struct")
    return Shape(element.size, members)


def _members(element: Struct) -> Iterator[tuple[str, Place]]:
    for member in element.members:
        kind = _bare(member.type)
        if member.name == "box_caps" and isinstance(kind, Struct):
            for inner in kind.members:
                if inner.name in CAPABILITIES:
                    yield inner.name, Place(member.offset + inner.offset, inner.type.size)
        elif member.name in NUMBERS and kind.size in (1, 2, 4, 8, 16):
            yield member.name, Place(member.offset, kind.size)


# ---- reading ---------------------------------------------------------------------------------------------------------


def boxes(machine: Target, address: int, shape: Shape, name: str) -> tuple[Box, ...]:
    """The cVMs that are deployed. UserError says which element is none: another monitor runs there, or it is broken."""
    if address % WORD or not 0 < address <= USER - MAX_CVMS * shape.size:
        raise UserError(f"{name}: its {TABLE} would lie at {address:#x}, where no table can")
    found = []
    for index in range(MAX_CVMS):
        at = address + index * shape.size
        if _number(machine, at, shape.members["base"]) or _number(machine, at, shape.members["top"]):
            found.append(_box(machine, at, index, shape))
    for box in found:
        _check(box, name)
    return tuple(found)


def _number(machine: Target, at: int, place: Place) -> int:
    """Of at most 64 bits: of a capability that is its address."""
    size = min(place.size, WORD)
    return int.from_bytes(machine.read(at + place.offset, size), "little")


def _box(machine: Target, at: int, index: int, shape: Shape) -> Box:
    words = {name: _number(machine, at, shape.members[name]) for name in NUMBERS if name in shape.members}
    wanted = [shape.members[name] for name in CAPABILITIES if name in shape.members]
    whole = len(wanted) == len(CAPABILITIES) and all(place.size == 16 for place in wanted)
    grants = tuple(_granule(machine, at + place.offset) for place in wanted) if whole else ()
    return Box(index, words, grants)


def _granule(machine: Target, address: int) -> int:
    """129 bits; without a tag where the machine tells none."""
    power: Capabilities | None = machine.capabilities
    if power is not None and address % 16 == 0:
        return power.read(address)
    return int.from_bytes(machine.read(address, 16), "little")


def _check(box: Box, name: str) -> None:
    """Nothing of it may be taken for granted: it is memory of a machine that may be broken."""
    words = box.words
    where = f"{TABLE}[{box.index}] of {name}"
    if words["cid"] != box.index:
        raise UserError(f"{where} says that its cid is {words['cid']:#x}: is this the monitor that runs there?")
    for first, last in (("base", "top"), ("cmp_begin", "cmp_end")):
        if not 0 <= words[first] < words[last] <= USER:
            raise UserError(f"{where} goes from {first} {words[first]:#x} to {last} {words[last]:#x}: that is no range")


# ---- the map ---------------------------------------------------------------------------------------------------------


def server_of(box: Box, address: int, shape: Shape, found: Mapping[int, Box]) -> str:
    """Who serves it: the cVM that ``outer`` points at, else the monitor."""
    index, rest = divmod(box.words.get("outer", 0) - address, shape.size)
    return str(index) if rest == 0 and index in found and index != box.index else "M"


def compartment(box: Box, name: str, inside: str, links: tuple[str, ...]) -> Compartment:
    """A cVM of the map."""
    words, top = box.words, box.words["top"]
    stacks = max(top - STACKS_SIZE, words["base"])
    slots = tuple(
        Part(f"slot {slot.number}", "slot", slot.bottom, STACK_SIZE, "rw-", "")
        for slot in (Slot(number, top - STACK_SIZE * (number + 1)) for number in range(1))
        if slot.bottom >= stacks
    )
    parts = (
        Part("cap store", "store", stacks + PAGE, PAGE, "rw-", ""),
        Part("slots", "slots", stacks + STACK_SIZE, max(top - stacks - STACK_SIZE, 0), "rw-", "", "", slots),
    )
    return Compartment(
        badge=str(box.index),
        name=name,
        base=words["base"],
        size=top - words["base"],
        begin=words["cmp_begin"],
        end=words["cmp_end"],
        inside=inside,
        pure=bool(words["pure"]) if "pure" in words else None,
        store=stacks + PAGE,
        parts=parts,
        grants=tuple(
            Grant(f"ca{number}", TITLES[number], value, "") for number, value in enumerate(box.grants) if value
        ),
        links=links,
    )


def readable(machine: Target, address: int) -> bool:
    """Can the table be read now? A program that has not begun may not be mapped where it will be."""
    try:
        machine.read(address, WORD)
    except TargetError:
        return False
    return True
