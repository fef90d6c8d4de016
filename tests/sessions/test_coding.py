"""Events and observations come back from their chunks as they were; chunks from elsewhere are refused in a sentence."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.coding import (
    CROSSING_KINDS,
    CROSSING_SIZE,
    EFFECTS,
    OBSERVATIONS,
    SIGHTS,
    crossings_of,
    pack_crossings,
    pack_events,
    pack_observations,
    pack_sights,
    record_of,
    unpack_crossings,
    unpack_events,
    unpack_observations,
    unpack_sights,
)
from sessions.columns import Column, Malformed
from sessions.event import Crossing, Event, RegisterWrite
from sessions.served import NUMBERS, Served, Signature, pack_served, unpack_served
from sessions.sight import sized, sized_values, values_of, wide

SIGNED = st.integers(-(1 << 63), (1 << 63) - 1)
UNSIGNED = st.integers(0, (1 << 64) - 1)
TEXT = st.text(max_size=20)
VALUES: dict[Column, st.SearchStrategy[Any]] = {
    Column.UNSIGNED: UNSIGNED,
    Column.SIGNED: SIGNED,
    Column.BOOL: st.booleans(),
    Column.WIDE: st.integers(0, (1 << 129) - 1),
    Column.TEXT: TEXT,
    Column.MAYBE: st.none() | TEXT,
    Column.TEXTS: st.lists(TEXT, max_size=4).map(tuple),
    Column.PAIRS: st.dictionaries(TEXT, TEXT, max_size=3),
    Column.BLOB: st.binary(max_size=40) | st.binary(min_size=1025, max_size=1100),
}


def items(shapes: Any) -> st.SearchStrategy[Any]:
    kinds = [
        st.builds(kind, **{name: VALUES[column] for name, column in fields}) for kind, (_, fields) in shapes.items()
    ]
    return st.one_of(kinds)


class Store:
    """Long contents by a key of 32 bytes."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}

    def put(self, content: bytes) -> bytes:
        key = len(self.kept).to_bytes(32, "little")
        self.kept[key] = content
        return key


@given(st.lists(st.builds(Event, UNSIGNED, TEXT, st.lists(items(EFFECTS), max_size=5).map(tuple)), max_size=20))
def test_events_come_back(events: list[Event]) -> None:
    store = Store()
    assert unpack_events(pack_events(events, store.put), store.kept.__getitem__) == events


@given(st.lists(items(OBSERVATIONS), max_size=30))
def test_observations_come_back(found: list[Any]) -> None:
    store = Store()
    assert unpack_observations(pack_observations(found, store.put), store.kept.__getitem__) == found


@given(st.lists(items(SIGHTS), max_size=30))
def test_sights_come_back(found: list[Any]) -> None:
    store = Store()
    assert unpack_sights(pack_sights(found, store.put), store.kept.__getitem__) == found


@given(st.lists(st.integers(0, (1 << 2048) - 1)), st.lists(st.integers(0, (1 << 129) - 1)))
def test_values_in_sights_come_back(registers: list[int], granules: list[int]) -> None:
    assert sized_values(sized(registers)) == registers and values_of(wide(granules)) == granules


@given(st.binary(max_size=100))
def test_values_from_elsewhere_are_numbers(packed: bytes) -> None:
    assert len(sized_values(packed)) <= len(packed) and all(v >> 129 == 0 for v in values_of(packed))


def test_a_crossing_is_packed_as_the_engine_does() -> None:
    dice, wide_ = random.Random(3), (1 << 129) - 1
    for kind in CROSSING_KINDS:
        bits = [dice.getrandbits(129) & wide_ for _ in range(11)]
        failed = ("cn-tag", "bsp") if kind == "failed" else ()
        made = Crossing(9, -1, kind, failed, 29, -1, 16, 32, *bits[:5], tuple(bits[5:]))
        assert crossings_of(record_of(made)) == [made]


def test_crossings_come_back_as_the_engine_packs_them() -> None:
    dice = random.Random(1)
    records = b""
    for _ in range(5):
        record = bytearray(dice.randbytes(CROSSING_SIZE))
        record[12] = dice.randrange(3)  # its kind
        records += bytes(record)
    assert unpack_crossings(pack_crossings(records)) == crossings_of(records)


def test_damaged_chunks_are_refused() -> None:
    store, dice = Store(), random.Random(2)
    kinds = [kind for kind in EFFECTS if kind.__name__ in ("RegisterWrite", "MemoryWrite", "Map")]
    effects = (kinds[0](1, "x0", 5), kinds[1](16, b"abc"), kinds[2](4096, 4096, "rw"))
    packed = pack_events([Event(tick, "label", effects) for tick in range(50)], store.put)
    refused = 0
    for _ in range(2000):
        bad = bytearray(packed)
        for _ in range(dice.randrange(1, 4)):
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        try:
            unpack_events(bytes(bad[: dice.choice([len(bad), dice.randrange(len(bad))])]), lambda key: b"")
        except Malformed:
            refused += 1
    assert refused > 1900


def test_a_chunk_that_inflates_without_end_is_refused() -> None:
    import zlib

    with pytest.raises(Malformed, match="longer than"):
        unpack_events(zlib.compress(bytes(200 << 20), 9), lambda key: b"")


def column(values: list[int]) -> bytes:
    """Differences, their bytes sorted by place."""
    steps = [now - before & (1 << 64) - 1 for before, now in zip([0, *values], values, strict=False)]
    return b"".join(bytes(step >> 8 * place & 255 for step in steps) for place in range(8))


@given(st.lists(st.tuples(*[UNSIGNED] * NUMBERS), min_size=1, max_size=20), SIGNED, TEXT, TEXT, st.integers(0, 6))
def test_served_calls_come_back(rows: list[tuple[int, ...]], thread: int, layer: str, name: str, size: int) -> None:
    store = Store()
    columns = [list(values) for values in zip(*rows, strict=True)]
    named = {number: Signature(name, size) for number in columns[1]}
    ticks = columns[0]
    served = Served(thread, layer, named, len(rows), ticks[0], ticks[-1], b"".join(map(column, columns)))
    again = unpack_served(pack_served(served, store.put), store.kept.__getitem__)
    assert again == served
    words = [(call.tick, call.number, call.thread, call.layer, call.name) for call in again.calls()]
    assert words == [(row[0], row[1], thread, layer, name) for row in rows]
    assert [e.effects for e in again.events()] == [(RegisterWrite(thread, "x0", row[-1]),) for row in rows]


def test_served_calls_from_elsewhere_are_refused() -> None:
    def packed(count: int, columns: bytes, numbers: dict[int, Signature]) -> bytes:
        return pack_served(Served(0, "17→16", numbers, count, 0, 0, columns), Store().put)

    one = column([0]) * NUMBERS
    with pytest.raises(Malformed, match="does not name it"):
        unpack_served(packed(1, one, {}), lambda key: b"").calls()
    with pytest.raises(Malformed, match="bytes were expected"):
        unpack_served(packed(2, one, {0: Signature("read", 3)}), lambda key: b"")
    with pytest.raises(Malformed, match="served calls in a chunk"):
        unpack_served(packed(0, b"", {}), lambda key: b"")
    with pytest.raises(Malformed, match="served calls in a chunk"):
        unpack_served(packed(1 << 40, one, {}), lambda key: b"")
