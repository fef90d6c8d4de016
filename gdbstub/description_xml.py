"""Descriptions as target.xml: printed for a client, read from a stub. Foreign XML is hostile: bounded, no entities."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from gdbstub.description import CANONICAL, Description, Feature, Field, Register, TypeDefinition

MAX_DOCUMENT, MAX_INCLUDES, MAX_REGISTERS, MAX_BITS = 1 << 20, 64, 4096, 1 << 16
_KINDS = ("vector", "union", "struct", "flags", "enum")

# ---- printing --------------------------------------------------------------------------------------------


def print_xml(description: Description) -> str:
    """The description as one document, no includes. Numbers are written where they do not follow by themselves."""
    lines = ['<?xml version="1.0"?>', '<!DOCTYPE target SYSTEM "gdb-target.dtd">', '<target version="1.0">']
    lines.append(f"  <architecture>{description.architecture}</architecture>")
    if description.osabi:
        lines.append(f"  <osabi>{description.osabi}</osabi>")
    following = 0
    for feature in description.features:
        lines.append(f"  <feature name={quoteattr(feature.name)}>")
        lines += [f"    {line}" for each in feature.types for line in _print_type(each)]
        for register in feature.registers:
            numbered = register.number not in (-1, following)
            lines.append("    " + _print_register(register, numbered))
            following = (register.number if numbered else following) + 1
        lines.append("  </feature>")
    return "\n".join([*lines, "</target>", ""])


def _print_register(register: Register, numbered: bool) -> str:
    words = [f"name={quoteattr(register.spelled or register.name)}", f'bitsize="{register.bits}"']
    words.append(f"type={quoteattr(register.type)}")
    words += [f"group={quoteattr(register.group)}"] if register.group else []
    words += [f'regnum="{register.number}"'] if numbered else []
    return f"<reg {' '.join(words)}/>"


def _print_type(each: TypeDefinition) -> Iterator[str]:
    if each.kind == "vector":
        yield f'<vector id={quoteattr(each.name)} type={quoteattr(each.element)} count="{each.count}"/>'
        return
    size = "" if each.size is None else f' size="{each.size}"'
    yield f"<{each.kind} id={quoteattr(each.name)}{size}>"
    for field in each.fields:
        bits = "" if field.start is None else f' start="{field.start}" end="{field.end}"'
        kind = f" type={quoteattr(field.type)}" if field.type else ""
        yield f"  <field name={quoteattr(field.name)}{bits}{kind}/>"
    yield f"</{each.kind}>"


# ---- reading ---------------------------------------------------------------------------------------------


def parse_xml(document: bytes, include: Callable[[str], bytes] | None = None) -> Description:
    """A description from ``target.xml``; ``include`` fetches the documents that it names.

    ValueError says what is wrong. Names become canonical, the peer's spelling is kept beside; registers are numbered.
    """
    reader = _Reader(include)
    reader.read(document)
    if reader.count == 0:
        raise ValueError("the target description names no registers")
    return Description(reader.architecture, reader.osabi, tuple(reader.features)).numbered()


class _Reader:
    """What has been read so far, over all included documents."""

    def __init__(self, include: Callable[[str], bytes] | None) -> None:
        self._include = include
        self._includes = 0
        self._depth = 0
        self._text: list[str] | None = None
        self._types: list[TypeDefinition] = []
        self._registers: list[Register] = []
        self._feature: str | None = None
        self._type: TypeDefinition | None = None
        self.architecture = self.osabi = ""
        self.features: list[Feature] = []
        self.count = 0

    def read(self, document: bytes) -> None:
        """One document and what it includes."""
        if len(document) > MAX_DOCUMENT:
            raise ValueError(f"a target description of {len(document)} bytes; at most {MAX_DOCUMENT} are read")
        parser = expat.ParserCreate()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = _no_entities
        try:
            parser.Parse(document, True)
        except expat.ExpatError as error:
            raise ValueError(f"the target description is no XML: {error}") from None

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        if element in ("architecture", "osabi"):
            self._text = []
        elif element == "xi:include":
            self._included(attributes.get("href", ""))
        elif element == "feature":
            self._feature = attributes.get("name", "")
        elif element == "reg":
            self._register(attributes)
        elif element in _KINDS:
            self._define(element, attributes)
        elif element == "field" and self._type is not None:
            self._type = _with_field(self._type, attributes)

    def _end(self, element: str) -> None:
        if element in ("architecture", "osabi") and self._text is not None:
            setattr(self, element, "".join(self._text).strip())
            self._text = None
        elif element == "feature":
            self.features.append(Feature(self._feature or "", tuple(self._registers), tuple(self._types)))
            self._feature, self._registers, self._types = None, [], []
        elif element in _KINDS and self._type is not None:
            self._types.append(self._type)
            self._type = None

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _included(self, name: str) -> None:
        self._includes += 1
        if self._include is None or self._includes > MAX_INCLUDES:
            raise ValueError(f"the target description includes {name!r}, which cannot be had")
        self.read(self._include(name))

    def _register(self, attributes: dict[str, str]) -> None:
        self.count += 1
        spelled = attributes.get("name", "")
        if not spelled or self.count > MAX_REGISTERS:
            raise ValueError(f"the target description's register {self.count} has no name, or there are too many")
        bits = _integer(attributes, "bitsize", MAX_BITS)
        if bits is None or bits <= 0:
            raise ValueError(f"register {spelled} needs a bitsize of 1 to {MAX_BITS}")
        number = _integer(attributes, "regnum", 1 << 20)
        kind, group = attributes.get("type", "int"), attributes.get("group", "")
        name = CANONICAL.get(spelled, spelled)
        self._registers.append(Register(name, bits, kind, group, -1 if number is None else number, spelled))

    def _define(self, kind: str, attributes: dict[str, str]) -> None:
        name, size = attributes.get("id", ""), _integer(attributes, "size", MAX_BITS)
        length = _integer(attributes, "count", MAX_BITS) or 0
        self._type = TypeDefinition(kind, name, attributes.get("type", ""), length, size)


def _with_field(each: TypeDefinition, attributes: dict[str, str]) -> TypeDefinition:
    start, end = (_integer(attributes, name, MAX_BITS) for name in ("start", "end"))
    field = Field(attributes.get("name", ""), attributes.get("type", ""), start, end)
    return TypeDefinition(each.kind, each.name, each.element, each.count, each.size, (*each.fields, field))


def _integer(attributes: dict[str, str], name: str, limit: int) -> int | None:
    text = attributes.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > limit:
        raise ValueError(f"{name}={text!r} in the target description is no number up to {limit}")
    return int(text)


def _no_entities(name: str, *rest: object) -> None:
    raise ValueError(f"the target description declares an entity ({name}); none is expected")
