"""DWARF type entries to C types."""

from __future__ import annotations

from typing import Any

from cvmdbg.types_c import (
    VOID,
    Array,
    Base,
    CType,
    Enum,
    Function,
    Member,
    Pointer,
    Qualified,
    Struct,
    Typedef,
)

MAX_DEPTH = 100
_ENCODINGS = {
    0x02: "bool",
    0x04: "float",
    0x05: "signed",
    0x06: "char",
    0x07: "unsigned",
    0x08: "uchar",
    0x10: "unsigned",
}
"""DW_ATE_* (DWARF 5, 7.8)."""

_QUALIFIERS = {
    "DW_TAG_const_type": "const",
    "DW_TAG_volatile_type": "volatile",
    "DW_TAG_restrict_type": "restrict",
    "DW_TAG_atomic_type": "_Atomic",
}
_AGGREGATES = {
    "DW_TAG_structure_type": "struct",
    "DW_TAG_union_type": "union",
    "DW_TAG_class_type": "class",
}


def name_of(die: Any) -> str:
    """DW_AT_name, or an empty string."""
    attribute = die.attributes.get("DW_AT_name")
    if attribute is None:
        return ""
    return attribute.value.decode("utf-8", "replace") if isinstance(attribute.value, bytes) else str(attribute.value)


def number_of(die: Any, attribute: str, default: int = 0) -> int:
    """An integer attribute; ``default`` when it is absent or no integer."""
    found = die.attributes.get(attribute)
    return found.value if found is not None and isinstance(found.value, int) else default


class Types:
    """The types of one file, each made once."""

    def __init__(self) -> None:
        self._made: dict[int, CType] = {}
        self._depth = 0

    def of(self, die: Any) -> CType:
        """The type that an entry's DW_AT_type names; void when it names none."""
        if "DW_AT_type" not in die.attributes:
            return VOID
        return self.make(die.get_DIE_from_attribute("DW_AT_type"))

    def make(self, die: Any) -> CType:
        """The type of a type entry."""
        if die.offset in self._made:
            return self._made[die.offset]
        if self._depth >= MAX_DEPTH:
            raise ValueError(f"types nested deeper than {MAX_DEPTH}")
        self._depth += 1
        try:
            made = self._make(die)
        finally:
            self._depth -= 1
        self._made[die.offset] = made
        return made

    def _make(self, die: Any) -> CType:
        tag, size = die.tag, number_of(die, "DW_AT_byte_size")
        if tag == "DW_TAG_base_type":
            return Base(name_of(die), size, _ENCODINGS.get(number_of(die, "DW_AT_encoding"), "unsigned"))
        if tag in ("DW_TAG_pointer_type", "DW_TAG_reference_type"):
            return self._pointer(die, size or 8)
        if tag in _AGGREGATES:
            return self._struct(die, _AGGREGATES[tag], size)
        if tag in _QUALIFIERS:
            return Qualified(_QUALIFIERS[tag], self.of(die))
        if tag == "DW_TAG_typedef":
            return Typedef(name_of(die), self.of(die))
        if tag == "DW_TAG_array_type":
            return self._array(die)
        if tag == "DW_TAG_enumeration_type":
            return self._enum(die, size)
        if tag == "DW_TAG_subroutine_type":
            return Function(self.of(die), tuple(self.of(c) for c in _children(die, "DW_TAG_formal_parameter")))
        return VOID

    def _pointer(self, die: Any, size: int) -> CType:
        """A pointer; one that is being made already (a list's ``next``) comes from the table."""
        return Pointer(self.of(die), size)

    def _struct(self, die: Any, kind: str, size: int) -> CType:
        """Members are read after the struct stands in the table, so that it may point to itself."""
        made = Struct(kind, name_of(die), size, die.offset, (), "DW_AT_declaration" not in die.attributes)
        self._made[die.offset] = made
        members = tuple(self._member(c) for c in _children(die, "DW_TAG_member"))
        object.__setattr__(made, "members", members)
        return made

    def _member(self, die: Any) -> Member:
        width = number_of(die, "DW_AT_bit_size", -1)
        offset = number_of(die, "DW_AT_data_member_location")
        ctype = self.of(die)
        if width < 0:
            return Member(name_of(die), ctype, offset)
        bit = number_of(die, "DW_AT_data_bit_offset", offset * 8)
        unit = max(1, ctype.size)
        start = bit // (8 * unit) * unit
        return Member(name_of(die), ctype, start, width, bit - 8 * start)

    def _array(self, die: Any) -> CType:
        counts = []
        for bound in _children(die, "DW_TAG_subrange_type"):
            upper = number_of(bound, "DW_AT_upper_bound", -2)
            counts.append(number_of(bound, "DW_AT_count", -1) if upper == -2 else upper + 1)
        made = self.of(die)
        for count in reversed(counts or [-1]):
            made = Array(made, None if count < 0 else count)
        return made

    def _enum(self, die: Any, size: int) -> CType:
        values = tuple((name_of(c), number_of(c, "DW_AT_const_value")) for c in _children(die, "DW_TAG_enumerator"))
        return Enum(name_of(die), size or 4, values)


def _children(die: Any, tag: str) -> list[Any]:
    return [child for child in die.iter_children() if child.tag == tag]
