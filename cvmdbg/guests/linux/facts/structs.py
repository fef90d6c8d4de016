"""Layouts of the structs that calls pass, as the kernel has them (not the C library)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from cvmdbg.guests.linux.facts.calls import Argument, argument
from cvmdbg.guests.linux.facts.tables import rows


@dataclass(frozen=True, slots=True)
class Field:
    """A field. ``shown``: ``+`` always, ``-`` only unabbreviated, ``.`` never, else a rule of the decoder's."""

    name: str
    kind: Argument
    shown: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct of ``size`` bytes. ``fields`` are in the order in which they are shown."""

    name: str
    size: int
    fields: tuple[Field, ...]

    def unpack(self, content: bytes) -> dict[str, int]:
        """Every field as an unsigned number; ValueError when ``content`` is shorter than the struct."""
        if len(content) < self.size:
            raise ValueError(f"struct {self.name} has {self.size} bytes, these are {len(content)}")
        return {f.name: int.from_bytes(content[f.offset : f.offset + f.size], "little") for f in self.fields}

    def pack(self, values: Mapping[str, int]) -> bytes:
        """The struct with some fields set (modulo their size), all others 0; KeyError for a field it has not."""
        content = bytearray(self.size)
        places = {f.name: f for f in self.fields}
        for name, value in values.items():
            place = places[name]
            bits = value & (1 << 8 * place.size) - 1
            content[place.offset : place.offset + place.size] = bits.to_bytes(place.size, "little")
        return bytes(content)


@cache
def _structs(abi: str) -> dict[str, Struct]:
    sizes: dict[str, int] = {}
    fields: dict[str, list[Field]] = {}
    for row in rows("structs"):
        if row["field"] == "*":
            sizes[row["struct"]] = int(row[abi])
            fields[row["struct"]] = []
        else:
            fields[row["struct"]].append(_field(row, abi))
    return {name: Struct(name, size, tuple(fields[name])) for name, size in sizes.items()}


def _field(row: dict[str, str], abi: str) -> Field:
    sizes = row["size"].split("/")  # one size, or AArch64's and x86-64's
    size = int(sizes[-1] if abi == "x86_64" else sizes[0])
    return Field(row["field"], argument(f"{row['field']}:{row['kind']}"), row["shown"], int(row[abi]), size)


def struct(name: str, abi: str = "aarch64") -> Struct:
    """A struct by name; KeyError for what is none."""
    return _structs(abi)[name]
