"""Functions, their variables, and the variables of a file."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from elftools.dwarf.locationlists import LocationExpr, LocationParser

from cvmdbg.dwarf.types import Types, name_of, number_of
from cvmdbg.types_c import CType, Enum, Struct

MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Located:
    """Where a variable is while the pc is in [start, end); ``whole`` when the location holds everywhere."""

    start: int
    end: int
    expression: bytes
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable or argument. ``scope`` is the code in which it is visible, None for all of the file or function."""

    name: str
    type: CType
    kind: str
    places: tuple[Located, ...]
    constant: int | None
    scope: tuple[tuple[int, int], ...] | None
    external: bool = False

    def expression_at(self, address: int) -> bytes | None:
        """The location expression for a pc, None where the variable has no place (optimised out)."""
        for place in self.places:
            if place.whole or place.start <= address < place.end:
                return place.expression
        return None


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """A function with code: [start, end), result type, frame base expression, arguments and locals."""

    name: str
    start: int
    end: int
    result: CType
    frame_base: bytes
    variables: tuple[Variable, ...]
    c_like: bool

    def visible(self, address: int) -> list[Variable]:
        """Arguments and locals whose scope holds an address; inner ones come last."""
        return [v for v in self.variables if v.scope is None or any(start <= address < end for start, end in v.scope)]


_C_LANGUAGES = {0x01, 0x02, 0x0C, 0x1D, 0x2C, 0x04, 0x1A, 0x21}
"""DW_LANG_C89, C, C99, C11, C17, C++ …: compilers that make prologues."""


class Functions:
    """Functions and file variables of one file."""

    def __init__(self, dwarf: Any) -> None:
        self._dwarf = dwarf
        self.types = Types()
        self._locations = LocationParser(dwarf.location_lists())

    @cached_property
    def _read(self) -> tuple[list[FunctionInfo], dict[str, list[Variable]], dict[str, list[CType]]]:
        functions: list[FunctionInfo] = []
        variables: defaultdict[str, list[Variable]] = defaultdict(list)
        types: defaultdict[str, list[CType]] = defaultdict(list)
        for unit in self._dwarf.iter_CUs():
            top = unit.get_top_DIE()
            c_like = number_of(top, "DW_AT_language") in _C_LANGUAGES
            for die in top.iter_children():
                if die.tag == "DW_TAG_subprogram":
                    functions.extend(self._function(die, unit, c_like))
                elif die.tag == "DW_TAG_variable":
                    self._global(die, unit, variables)
                else:
                    self._type(die, types)
        return sorted(functions, key=lambda f: f.start), dict(variables), dict(types)

    @property
    def all(self) -> list[FunctionInfo]:
        """Functions with code, by address."""
        return self._read[0]

    def at(self, address: int) -> FunctionInfo | None:
        """The function that holds an address."""
        functions = self.all
        index = bisect.bisect_right(functions, address, key=lambda f: f.start) - 1
        return functions[index] if index >= 0 and address < functions[index].end else None

    def named(self, name: str) -> list[FunctionInfo]:
        """Functions of a name."""
        return [f for f in self.all if f.name == name]

    def variables(self, name: str) -> list[Variable]:
        """File variables of a name that have a place."""
        return self._read[1].get(name, [])

    @property
    def variable_names(self) -> list[str]:
        """Names of file variables."""
        return list(self._read[1])

    def type_named(self, name: str, kind: str = "") -> CType | None:
        """``struct point`` (with kind) or a typedef or base type; complete definitions first."""
        found = [t for t in self._read[2].get(name, []) if _kind(t) == kind]
        found.sort(key=lambda t: isinstance(t, Struct) and not t.complete)
        return found[0] if found else None

    def enumerator(self, name: str) -> tuple[CType, int] | None:
        """The enumeration and value of a constant."""
        for types in self._read[2].values():
            for ctype in types:
                if isinstance(ctype, Enum):
                    for constant, value in ctype.values:
                        if constant == name:
                            return ctype, value
        return None

    # ---- reading ----

    def _type(self, die: Any, types: defaultdict[str, list[CType]]) -> None:
        name = name_of(die)
        if (
            (name or die.tag == "DW_TAG_enumeration_type") and die.tag.endswith("_type")
        ) or die.tag == "DW_TAG_typedef":
            types[name].append(self.types.make(die))

    def _global(self, die: Any, unit: Any, variables: defaultdict[str, list[Variable]]) -> None:
        variable = self._variable(die, unit, None)
        if variable is not None and (variable.places or variable.constant is not None):
            variables[variable.name].append(variable)

    def _function(self, die: Any, unit: Any, c_like: bool) -> Iterator[FunctionInfo]:
        ranges = self._ranges(die, unit)
        if not ranges:
            return
        source = _origin(die)
        variables = tuple(self._locals(die, unit, None, 0))
        base = die.attributes.get("DW_AT_frame_base")
        expression = bytes(base.value) if base is not None and isinstance(base.value, list) else b""
        for start, end in ranges:
            result = self.types.of(source)
            yield FunctionInfo(name_of(source), start, end, result, expression, variables, c_like)

    def _locals(self, die: Any, unit: Any, scope: tuple[tuple[int, int], ...] | None, depth: int) -> Iterator[Variable]:
        if depth > MAX_DEPTH:
            raise ValueError(f"blocks nested deeper than {MAX_DEPTH}")
        for child in die.iter_children():
            if child.tag in ("DW_TAG_formal_parameter", "DW_TAG_variable"):
                variable = self._variable(child, unit, scope)
                if variable is not None:
                    yield variable
            elif child.tag in ("DW_TAG_lexical_block", "DW_TAG_inlined_subroutine"):
                yield from self._locals(child, unit, tuple(self._ranges(child, unit)) or scope, depth + 1)

    def _variable(self, die: Any, unit: Any, scope: tuple[tuple[int, int], ...] | None) -> Variable | None:
        source = _origin(die)
        if not name_of(source):
            return None
        kind = "argument" if die.tag == "DW_TAG_formal_parameter" else "local"
        constant = die.attributes.get("DW_AT_const_value")
        value = constant.value if constant is not None and isinstance(constant.value, int) else None
        external = "DW_AT_external" in source.attributes
        return Variable(
            name_of(source), self.types.of(source), kind, tuple(self._places(die, unit)), value, scope, external
        )

    def _places(self, die: Any, unit: Any) -> Iterator[Located]:
        attribute = die.attributes.get("DW_AT_location")
        if attribute is None:
            return
        found = self._locations.parse_from_attribute(attribute, unit["version"], die)
        if isinstance(found, LocationExpr):
            yield Located(0, 0, bytes(found.loc_expr), True)
            return
        base = _low(unit.get_top_DIE())
        entry: Any
        for entry in found:
            kind = type(entry).__name__
            if kind == "BaseAddressEntry":
                base = entry.base_address
            elif kind == "LocationEntry":
                shift = 0 if entry.is_absolute else base
                yield Located(entry.begin_offset + shift, entry.end_offset + shift, bytes(entry.loc_expr))

    def _ranges(self, die: Any, unit: Any) -> list[tuple[int, int]]:
        if "DW_AT_low_pc" in die.attributes and "DW_AT_high_pc" in die.attributes:
            low, high = die.attributes["DW_AT_low_pc"].value, die.attributes["DW_AT_high_pc"]
            end = high.value if high.form == "DW_FORM_addr" else low + high.value
            if self._dwarf.config.machine_arch != "AArch64":
                return [(low, end)] if end > low else []
            return [(low & ~1, end + (1 if low & 1 and end & 1 == 0 else 0))] if end > low else []
        if "DW_AT_ranges" not in die.attributes:
            return []
        lists, base = self._dwarf.range_lists(), _low(unit.get_top_DIE())
        found: list[tuple[int, int]] = []
        for entry in lists.get_range_list_at_offset(die.attributes["DW_AT_ranges"].value, unit):
            if type(entry).__name__ == "BaseAddressEntry":
                base = entry.base_address
            else:
                shift = 0 if entry.is_absolute else base
                found.append((entry.begin_offset + shift, entry.end_offset + shift))
        return found


def _low(die: Any) -> int:
    return number_of(die, "DW_AT_low_pc")


def _origin(die: Any) -> Any:
    """The entry that carries name and type: through abstract origins and specifications."""
    for _ in range(8):
        for link in ("DW_AT_abstract_origin", "DW_AT_specification"):
            if link in die.attributes:
                die = die.get_DIE_from_attribute(link)
                break
        else:
            return die
    return die


def _kind(ctype: CType) -> str:
    if isinstance(ctype, Struct):
        return ctype.kind
    return "enum" if isinstance(ctype, Enum) else ""
