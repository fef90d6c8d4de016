"""How items lie in a chunk: by kind, each field a column. FORMAT.md, "Chunks", is the specification.

Columns are written by whole-array operations, so an item costs about a microsecond, and compress well. Whatever is read
is bounded and checked: a chunk from elsewhere can be refused, it can do nothing else.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Callable, Sequence
from enum import Enum
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, TypeAlias

MAX_RAW = 64 << 20
MAX_ITEMS = 1 << 17
MAX_LENGTH = 256 << 20
BY_HASH = 0xFFFFFFFF
"""As the length of a blob: its SHA-256 stands there instead."""
INLINE = 1024
"""Longer blobs are stored once, by their hash."""
NONE = 0xFFFFFFFF
WORD = (1 << 64) - 1

Fields: TypeAlias = tuple[tuple[str, "Column"], ...]
Shapes: TypeAlias = dict[type, tuple[int, Fields]]
Store: TypeAlias = Callable[[bytes], bytes]
Fetch: TypeAlias = Callable[[bytes], bytes]


class Malformed(Exception):
    """A chunk is not what it should be: says what was expected."""


class Column(Enum):
    """Kinds of columns."""

    UNSIGNED = "Q"
    SIGNED = "q"
    SMALL = "I"
    BOOL = "B"
    WIDE = "129 bits"
    TEXT = "text"
    MAYBE = "text or none"
    TEXTS = "texts"
    PAIRS = "texts by text"
    BLOB = "bytes"


class Writer:
    """Collects columns; ``store`` keeps a long blob elsewhere and returns its hash."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._out: list[bytes] = []
        self._texts: dict[str, int] = {}

    def numbers(self, code: str, values: Sequence[int]) -> None:
        """An array, its bytes sorted by place."""
        column = array(code, values)
        if sys.byteorder == "big":
            column.byteswap()
        self._out.append(shuffled(column.tobytes(), column.itemsize))

    def unsigned(self, values: Sequence[int]) -> None:
        """64-bit numbers."""
        self.numbers("Q", values)

    def raw(self, columns: bytes) -> None:
        """Columns that are packed already."""
        self._out.append(columns)

    def items(self, items: Sequence[Any], shapes: Shapes) -> None:
        """Items of several kinds: the sequence of their codes, then the columns of each kind by code."""
        self.unsigned([len(items)])
        kinds = list(map(type, items))
        present = set(kinds)
        codes = {kind: shapes[kind][0] for kind in present}
        if len(present) == 1:
            self._out.append(bytes(codes.values()) * len(items))
        else:
            self._out.append(bytes(map(codes.__getitem__, kinds)))
        for kind, (_, fields) in shapes.items():
            if kind not in present:
                continue
            some = items if len(present) == 1 else [item for item, its in zip(items, kinds, strict=True) if its is kind]
            for name, column in fields:
                self.column(column, list(map(attrgetter(name), some)))

    def column(self, column: Column, values: Sequence[Any]) -> None:
        """One field of all items of a kind."""
        if column in (Column.UNSIGNED, Column.SIGNED, Column.SMALL):
            self.numbers(column.value, values)
        elif column is Column.BOOL:
            self._out.append(bytes(map(bool, values)))
        elif column is Column.WIDE:
            self._wide(values)
        elif column in (Column.TEXT, Column.MAYBE):
            self.numbers("I", self._indexes(values))
        elif column is Column.BLOB:
            self._blobs(values)
        else:
            flat = values if column is Column.TEXTS else [tuple(chain.from_iterable(v.items())) for v in values]
            self.numbers("I", list(map(len, flat)))
            self.numbers("I", self._indexes(list(chain.from_iterable(flat))))

    def _wide(self, values: Sequence[int]) -> None:
        """129 bits in three columns; most are numbers of 64 bits."""
        if max(values) <= WORD:
            self.unsigned(values)
            self._out.append(bytes(9 * len(values)))
            return
        self.unsigned([v & WORD for v in values])
        self.unsigned([v >> 64 & WORD for v in values])
        self._out.append(bytes([v >> 128 & 1 for v in values]))

    def _indexes(self, values: Sequence[str | None]) -> list[int]:
        """Where texts stand among those of the chunk."""
        numbers: dict[str | None, int] = {None: NONE}
        for text in dict.fromkeys(values):
            if text is not None:
                numbers[text] = self._texts.setdefault(text, len(self._texts))
        if len(numbers) == 2 and None not in values:
            return [numbers[values[0]]] * len(values)
        return list(map(numbers.__getitem__, values))

    def _blobs(self, values: Sequence[bytes]) -> None:
        self.numbers("I", [len(v) if len(v) <= INLINE else BY_HASH for v in values])
        self._out.extend(v if len(v) <= INLINE else self._store(v) for v in values)

    def packed(self) -> bytes:
        """The chunk: its texts, then its columns, deflated."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in self._texts]
        head = Writer(self._store)
        head.unsigned([len(encoded)])
        head.numbers("I", [len(text) for text in encoded])
        return zlib.compress(b"".join((*head._out, *encoded, *self._out)), 1)


class Reader:
    """Reads a chunk back; ``fetch`` gives a long blob by its hash. Malformed says what is wrong."""

    def __init__(self, packed: bytes, fetch: Fetch, limit: int = MAX_RAW) -> None:
        self._raw = inflated(packed, limit)
        self._fetch = fetch
        self._at = 0
        count = self.unsigned(1)[0]
        if count > MAX_ITEMS:
            raise Malformed(f"{count} texts in a chunk; at most {MAX_ITEMS} were expected")
        self._texts = [self._decoded(size) for size in self.numbers("I", count)]

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size > len(self._raw) - self._at:
            raise Malformed(f"a chunk ends at byte {len(self._raw)}; {size} bytes were expected at {self._at}")
        self._at += size
        return self._raw[self._at - size : self._at]

    def numbers(self, code: str, count: int) -> array[int]:
        """An array."""
        column: array[int] = array(code)
        column.frombytes(unshuffled(self.take(count * column.itemsize), column.itemsize))
        if sys.byteorder == "big":
            column.byteswap()
        return column

    def unsigned(self, count: int) -> array[int]:
        """64-bit numbers."""
        return self.numbers("Q", count)

    def items(self, shapes: Shapes, limit: int = MAX_ITEMS) -> list[Any]:
        """Items of several kinds, in their order."""
        count = self.unsigned(1)[0]
        if count > limit:
            raise Malformed(f"{count} items in a chunk; at most {limit} were expected")
        codes = self.take(count)
        known = {code: (kind, fields) for kind, (code, fields) in shapes.items()}
        made: dict[int, Any] = {}
        for code in sorted(set(codes), key=list(known).index if set(codes) <= set(known) else _unknown(known)):
            kind, fields = known[code]
            columns = [self.column(column, codes.count(code)) for _, column in fields]
            made[code] = iter([kind(*values) for values in zip(*columns, strict=True)])
        return [next(made[code]) for code in codes]

    def column(self, column: Column, count: int) -> Sequence[Any]:
        """One field of all items of a kind."""
        if column in (Column.UNSIGNED, Column.SIGNED, Column.SMALL):
            return self.numbers(column.value, count)
        if column is Column.BOOL:
            return [byte != 0 for byte in self.take(count)]
        if column is Column.WIDE:
            low, high, tag = self.unsigned(count), self.unsigned(count), self.take(count)
            return [(t & 1) << 128 | h << 64 | lo for lo, h, t in zip(low, high, tag, strict=True)]
        if column in (Column.TEXT, Column.MAYBE):
            return [self._text(index, column is Column.MAYBE) for index in self.numbers("I", count)]
        if column is Column.BLOB:
            return [self._blob(size) for size in self.numbers("I", count)]
        return self._lists(column, count)

    def _lists(self, column: Column, count: int) -> Sequence[Any]:
        sizes = self.numbers("I", count)
        if sum(sizes) > len(self._raw):
            raise Malformed(f"{sum(sizes)} texts were announced in a chunk of {len(self._raw)} bytes")
        flat = [self._text(index, False) for index in self.numbers("I", sum(sizes))]
        ends = list(accumulate(sizes))
        parts = [flat[end - size : end] for size, end in zip(sizes, ends, strict=True)]
        if column is Column.TEXTS:
            return [tuple(part) for part in parts]
        return [dict(zip(part[::2], part[1::2], strict=False)) for part in parts]

    def _text(self, index: int, maybe: bool) -> str | None:
        if maybe and index == NONE:
            return None
        if index >= len(self._texts):
            raise Malformed(f"text {index} of a chunk that has {len(self._texts)}")
        return self._texts[index]

    def _decoded(self, size: int) -> str:
        try:
            return self.take(size).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise Malformed("a text of a chunk is not UTF-8") from None

    def _blob(self, size: int) -> bytes:
        return self._fetch(self.take(32)) if size == BY_HASH else self.take(size)


def _unknown(known: dict[int, Any]) -> Any:
    raise Malformed(f"a chunk has an item of an unknown kind; {', '.join(map(str, known))} were expected")


def shuffled(raw: bytes, size: int) -> bytes:
    """First bytes of all elements, then second bytes …: equal high bytes come to stand together."""
    return b"".join(raw[place::size] for place in range(size))


def unshuffled(raw: bytes, size: int) -> bytes:
    """The way back."""
    count = len(raw) // size
    out = bytearray(len(raw))
    for place in range(size):
        out[place::size] = raw[place * count : (place + 1) * count]
    return bytes(out)


def inflated(packed: bytes, limit: int = MAX_RAW) -> bytes:
    """Deflated bytes, at most ``limit`` of them."""
    engine = zlib.decompressobj()
    try:
        raw = engine.decompress(packed, limit)
    except zlib.error as error:
        raise Malformed(f"deflated bytes were expected: {error}") from None
    if not engine.eof:
        raise Malformed(f"deflated bytes are cut or longer than {limit}")
    return raw
