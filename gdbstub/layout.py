"""Where each register stands in the ``g`` packet, and how its value travels in a dialect.

A capability is a number of 129 bits here (tag, high word, low word), whatever the dialect; other registers are
unsigned numbers, little-endian on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from gdbstub import hexadecimal
from gdbstub.description import CAPABILITIES, Description, Dialect, Register

RAW = (1 << 128) - 1
TAG_MAP = "tag_map"


def encode(register: Register, dialect: Dialect, value: int) -> bytes:
    """A value as it stands in a packet, before hex."""
    if not register.is_capability:
        return (value & (1 << register.bits) - 1).to_bytes(size(register, dialect), "little")
    if dialect is Dialect.TAG_FIRST:
        return bytes((value >> 128 & 1,)) + (value & RAW).to_bytes(16, "little")
    if dialect is Dialect.TAG_MAP:
        return (value & RAW).to_bytes(16, "little")
    return (value & (1 << 129) - 1).to_bytes(17, "little")


def decode(register: Register, dialect: Dialect, content: bytes) -> int:
    """The value in ``content``; a capability of the TAG_MAP dialect comes without its tag."""
    if len(content) != size(register, dialect):
        raise ValueError(f"{register.name} has {size(register, dialect)} bytes, not {len(content)}")
    value = int.from_bytes(content, "little")
    if not register.is_capability:
        return value & (1 << register.bits) - 1
    if dialect is Dialect.TAG_FIRST:
        return value >> 8 | (value & 1) << 128
    return value & (1 << 129) - 1


def size(register: Register, dialect: Dialect) -> int:
    """Bytes of a register on the wire."""
    if register.is_capability:
        return 16 if dialect is Dialect.TAG_MAP else 17
    return (register.bits + 7) // 8


def _speller(register: Register, dialect: Dialect) -> Callable[[int], bytes]:
    """``encode`` for one register."""
    length, mask = size(register, dialect), (1 << register.bits) - 1
    if not register.is_capability:
        return lambda value: (value & mask).to_bytes(length, "little")
    if dialect is Dialect.TAG_FIRST:
        return lambda value: ((value & RAW) << 8 | value >> 128 & 1).to_bytes(17, "little")
    return lambda value: encode(register, dialect, value)


@dataclass(frozen=True, slots=True)
class Slot:
    """A register's place in the ``g`` block, in bytes."""

    register: Register
    offset: int
    size: int


class Layout:
    """A description in a dialect: names to registers, the ``g`` block to values."""

    def __init__(self, description: Description, dialect: Dialect = Dialect.TAG_FIRST) -> None:
        self.description, self.dialect = description, dialect
        self.slots: dict[str, Slot] = {}
        self.by_number: dict[int, Register] = {}
        offset = 0
        for register in sorted(description, key=lambda r: r.number):
            length = size(register, dialect)
            self.slots[register.name] = Slot(register, offset, length)
            self.by_number[register.number] = register
            offset += length
        self.block_size = offset
        self._spellers = [(name, _speller(s.register, dialect), 2 * s.size) for name, s in self.slots.items()]
        self._tagged = {name: bit for bit, name in enumerate(CAPABILITIES) if name in self.slots}

    def register(self, name: str) -> Register:
        """The register of a canonical name; KeyError when there is none."""
        return self.slots[name].register

    def encode(self, name: str, value: int) -> bytes:
        """A register's value as it travels."""
        return encode(self.slots[name].register, self.dialect, value)

    def decode(self, name: str, content: bytes) -> int:
        """A register's value from ``p`` or a stop reply; in the TAG_MAP dialect a capability lacks its tag."""
        return decode(self.slots[name].register, self.dialect, content)

    def read_block(self, text: bytes) -> dict[str, int | None]:
        """The values in a ``g`` reply (hex digits), as far as it reaches; None for one that the stub marks unknown.

        Tags of the TAG_MAP dialect are put where they belong.
        """
        return self.with_tags(self._values(text, self.slots))

    def read_some(self, text: bytes, names: Collection[str]) -> dict[str, int | None]:
        """The same for some names only."""
        wanted = {name: self.slots[name] for name in names}
        if self.dialect is Dialect.TAG_MAP and TAG_MAP in self.slots:
            wanted[TAG_MAP] = self.slots[TAG_MAP]
        return self.with_tags(self._values(text, wanted))

    def _values(self, text: bytes, slots: Mapping[str, Slot]) -> dict[str, int | None]:
        if not text:
            raise ValueError("expected hex digits of registers, found nothing")
        known = text if b"x" not in text else text.replace(b"x", b"0")
        content = hexadecimal.content(known)
        values: dict[str, int | None] = {}
        for name, slot in slots.items():
            part = content[slot.offset : slot.offset + slot.size]
            if len(part) == slot.size:
                unknown = known is not text and text[2 * slot.offset] == ord("x")
                values[name] = None if unknown else decode(slot.register, self.dialect, part)
        return values

    def with_tags(self, values: Mapping[str, int | None]) -> dict[str, int | None]:
        """Capabilities with the tags that ``tag_map`` among them says; as they are where it is not."""
        found, tags = dict(values), values.get(TAG_MAP)
        if self.dialect is Dialect.TAG_MAP and tags is not None:
            for name, bit in self._tagged.items():
                value = found.get(name)
                found[name] = None if value is None else value & RAW | (tags >> bit & 1) << 128
        return found

    def write_block(self, values: Mapping[str, int | None]) -> bytes:
        """A ``g`` reply (hex digits) of values; ``x`` for those that are None or missing."""
        parts = []
        for name, spell, width in self._spellers:
            value = self.tag_map(values) if name == TAG_MAP else values.get(name)
            parts.append("x" * width if value is None else spell(value).hex())
        return "".join(parts).encode()

    def spell(self, values: Sequence[int | None]) -> bytes:
        """The same for the values of all slots in their order."""
        known = [value for value in values if value is not None]
        if len(known) != len(values):
            return self.write_block(dict(zip(self.slots, values, strict=True)))
        return b"".join([spell(v) for (_, spell, _), v in zip(self._spellers, known, strict=True)]).hex().encode()

    def speller(self, name: str) -> Callable[[int], bytes]:
        """What ``encode`` does with this register, looked up once."""
        return _speller(self.slots[name].register, self.dialect)

    def tag_map(self, values: Mapping[str, int | None]) -> int:
        """The tags of capabilities as one number."""
        return sum(((values.get(name) or 0) >> 128 & 1) << bit for name, bit in self._tagged.items())


def detect(register: Register, length: int) -> Dialect | None:
    """The dialect of a stub that answers ``length`` bytes for a capability register; None when there is none such."""
    if length == 17:
        return Dialect.BITS129 if register.bits == 129 else Dialect.TAG_FIRST
    return Dialect.TAG_MAP if length == 16 else None
