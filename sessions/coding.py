"""Events, observations, sights as chunks: which kinds there are, their codes and fields. FORMAT.md lists the same.

A code is given once and kept for ever; a kind that changes gets a new code.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter

from sessions.columns import Column, Fetch, Malformed, Reader, Shapes, Store, Writer, inflated, shuffled, unshuffled
from sessions.event import (
    Call,
    CapabilityWrite,
    Captured,
    Crossing,
    Event,
    Halted,
    Map,
    MemoryWrite,
    ModuleLoad,
    Note,
    Observation,
    Output,
    Pointed,
    ProgramExit,
    Protect,
    RegisterWrite,
    ThreadBlock,
    ThreadExit,
    ThreadStart,
    ThreadSwitch,
    ThreadWake,
    Unmap,
    Wait,
)
from sessions.sight import SawGranules, SawMemory, SawRegion, SawRegisters, SawThread, Sight, Stood

U, S, B, W, T, M, L, P, X = (
    Column.UNSIGNED,
    Column.SIGNED,
    Column.BOOL,
    Column.WIDE,
    Column.TEXT,
    Column.MAYBE,
    Column.TEXTS,
    Column.PAIRS,
    Column.BLOB,
)

EFFECTS: Shapes = {
    RegisterWrite: (1, (("thread", S), ("register", T), ("value", W))),
    MemoryWrite: (2, (("address", U), ("content", X))),
    CapabilityWrite: (3, (("address", U), ("raw", W), ("tag", B))),
    Map: (4, (("address", U), ("size", U), ("prot", T), ("device", B))),
    Protect: (5, (("address", U), ("size", U), ("prot", T))),
    Unmap: (6, (("address", U), ("size", U))),
    ThreadStart: (7, (("thread", S), ("mode", T))),
    ThreadExit: (8, (("thread", S), ("status", S))),
    ThreadSwitch: (9, (("thread", S),)),
    ThreadBlock: (10, (("thread", S), ("reason", T))),
    ThreadWake: (11, (("thread", S),)),
    ProgramExit: (12, (("status", S),)),
}

OBSERVATIONS: Shapes = {
    Output: (1, (("tick", U), ("thread", S), ("compartment", T), ("source", T), ("text", X))),
    Call: (
        2,
        (
            ("tick", U),
            ("thread", S),
            ("layer", T),
            ("number", U),
            ("name", T),
            ("arguments", L),
            ("result", M),
            ("failed", B),
        ),
    ),
    ModuleLoad: (
        3,
        (("tick", U), ("name", T), ("path", T), ("base", U), ("size", U), ("compartment", T), ("sha256", M)),
    ),
    Wait: (4, (("tick", U), ("thread", S), ("reason", M))),
    Note: (5, (("tick", U), ("text", T), ("facts", P))),
    Halted: (6, (("tick", U), ("thread", S), ("pc", U), ("kind", T), ("detail", T))),
    Captured: (7, (("tick", U), ("address", U), ("size", U), ("content", X))),
    Pointed: (8, (("tick", U), ("address", U), ("size", U), ("content", X))),
}

SIGHTS: Shapes = {
    Stood: (1, (("tick", U), ("thread", S), ("pc", U), ("said", T))),
    SawRegisters: (2, (("tick", U), ("thread", S), ("names", L), ("values", X))),
    SawMemory: (3, (("tick", U), ("address", U), ("content", X))),
    SawGranules: (4, (("tick", U), ("address", U), ("values", X))),
    SawThread: (5, (("tick", U), ("thread", S), ("name", T), ("state", T), ("reason", T), ("ids", P))),
    SawRegion: (6, (("tick", U), ("address", U), ("size", U), ("prot", T))),
}

KIND_BITS = {kind: 1 << code for shapes in (EFFECTS, OBSERVATIONS, SIGHTS) for kind, (code, _) in shapes.items()}
"""Bits of a chunk's ``kinds``: which effects, observations or sights it holds."""

SERVED = 1 | KIND_BITS[RegisterWrite]
"""Those of a chunk of served calls: bit 0 says that it is one."""

MAX_EFFECTS = 1 << 20


def kinds_of(items: Iterable[object]) -> int:
    """The bits of some effects, observations or sights."""
    bits = 0
    for kind in set(map(type, items)):
        bits |= KIND_BITS[kind]
    return bits


# ---- events --------------------------------------------------------------------------------------------------------


def pack_events(events: Sequence[Event], store: Store) -> bytes:
    """Ticks, labels, numbers of effects; then the effects of all."""
    writer = Writer(store)
    writer.unsigned([len(events)])
    effects = list(map(attrgetter("effects"), events))
    writer.unsigned(list(map(attrgetter("tick"), events)))
    writer.column(Column.TEXT, list(map(attrgetter("label"), events)))
    writer.numbers("I", list(map(len, effects)))
    writer.items(list(chain.from_iterable(effects)), EFFECTS)
    return writer.packed()


def unpack_events(packed: bytes, fetch: Fetch) -> list[Event]:
    """The events of a chunk."""
    reader = Reader(packed, fetch)
    count = reader.unsigned(1)[0]
    ticks = reader.unsigned(count)
    labels = reader.column(Column.TEXT, count)
    sizes = reader.numbers("I", count)
    effects = reader.items(EFFECTS, MAX_EFFECTS)
    if sum(sizes) != len(effects):
        raise Malformed(f"{sum(sizes)} effects were announced, {len(effects)} are there")
    found, at = [], 0
    for tick, label, size in zip(ticks, labels, sizes, strict=True):
        found.append(Event(tick, label, tuple(effects[at : at + size])))
        at += size
    return found


# ---- observations --------------------------------------------------------------------------------------------------


def pack_observations(items: Sequence[Observation], store: Store) -> bytes:
    """Observations in their order."""
    writer = Writer(store)
    writer.items(items, OBSERVATIONS)
    return writer.packed()


def unpack_observations(packed: bytes, fetch: Fetch) -> list[Observation]:
    """The observations of a chunk."""
    return Reader(packed, fetch).items(OBSERVATIONS)


# ---- sights --------------------------------------------------------------------------------------------------------


def pack_sights(items: Sequence[Sight], store: Store) -> bytes:
    """Sights in their order."""
    writer = Writer(store)
    writer.items(items, SIGHTS)
    return writer.packed()


def unpack_sights(packed: bytes, fetch: Fetch) -> list[Sight]:
    """The sights of a chunk."""
    return Reader(packed, fetch).items(SIGHTS)


# ---- crossings -----------------------------------------------------------------------------------------------------

CAPABILITIES = 11
"""Cn, Cm, PCC, C14, C0, then C0 … C5."""
_CROSSING = struct.Struct("<QiBBBBQQ" + "QQQ" * CAPABILITIES)
CROSSING_SIZE = _CROSSING.size
CROSSING_KINDS = ("pair", "sentry", "failed")
CHECKS = ("cn-tag", "cm-tag", "cn-sealed", "cm-sealed", "otype", "bsp", "execute", "executive")
NO_REGISTER = 255


def pack_crossings(records: bytes) -> bytes:
    """Records as the engine packs them, deflated."""
    return zlib.compress(shuffled(records, CROSSING_SIZE), 1)


def unpack_crossings(packed: bytes) -> list[Crossing]:
    """The crossings of a chunk."""
    raw = inflated(packed)
    if len(raw) % CROSSING_SIZE:
        raise Malformed(f"crossings are {CROSSING_SIZE} bytes each; {len(raw)} bytes are there")
    return crossings_of(unshuffled(raw, CROSSING_SIZE))


def crossings_of(records: bytes) -> list[Crossing]:
    """Packed records as values."""
    return [_crossing(*fields) for fields in _CROSSING.iter_unpack(records)]


def record_of(crossing: Crossing) -> bytes:
    """A crossing as the engine packs it."""
    c = crossing
    wide = (c.target, c.paired, c.pcc, c.number, c.result, *c.arguments)
    words = [w for v in wide for w in (v & (1 << 64) - 1, v >> 64 & (1 << 64) - 1, v >> 128)]
    failed = sum(1 << CHECKS.index(name) for name in c.failed)
    cm = NO_REGISTER if c.cm < 0 else c.cm
    return _CROSSING.pack(c.tick, c.thread, CROSSING_KINDS.index(c.kind), c.cn, cm, failed, c.pc, c.to, *words)


def _crossing(tick: int, thread: int, kind: int, cn: int, cm: int, failed: int, pc: int, to: int, *w: int) -> Crossing:
    if kind >= len(CROSSING_KINDS):
        raise Malformed(f"a crossing of kind {kind}; 0 … {len(CROSSING_KINDS) - 1} were expected")
    wide = [(w[at + 2] & 1) << 128 | w[at + 1] << 64 | w[at] for at in range(0, 3 * CAPABILITIES, 3)]
    return Crossing(
        tick,
        thread,
        CROSSING_KINDS[kind],
        tuple(name for bit, name in enumerate(CHECKS) if failed >> bit & 1),
        cn,
        -1 if cm == NO_REGISTER else cm,
        pc,
        to,
        wide[0],
        wide[1],
        wide[2],
        wide[3],
        wide[4],
        tuple(wide[5:]),
    )
