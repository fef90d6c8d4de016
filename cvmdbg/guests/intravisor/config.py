"""cvm.yaml, read as the monitor's own reader reads it: an event machine over raw scalars, no YAML types.

    stream   := document*                          each section is a document of its own
    document := { cVMs: [cvm*] } | { capfiles: [capfile*] }
    cvm      := { key: scalar | isolation: [{ key: scalar }*] }

Numbers are C's strtol: hexadecimal in isolation and capfiles, decimal elsewhere; what is no number is 0.
Source: Intravisor src/libyaml/intra_parser.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from cvmdbg.target import UserError

MAX_BYTES = 1 << 16
MAX_CAPFILES = 10
LONG_MAX = (1 << 63) - 1

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml itself where PyYAML has it


class ConfigError(UserError):
    """The file cannot be used: one sentence, ``file:line: what, and what was expected``."""


@dataclass(slots=True)
class CvmConfig:
    """One entry of ``cVMs``. None is a key that was not given; the monitor prints it as ``(null)``."""

    line: int
    name: str | None = None
    disk: str | None = None
    runtime: str | None = None
    net: str | None = None
    args: str | None = None
    callback_in: str | None = None
    callback_out: str | None = None
    wait: int = 0  # seconds before the next cVM; -1: until this one has ended
    clean_room: int = 0
    libvirt: int = 0
    base: int = 0
    size: int = 0
    begin: int = 0
    end: int = 0
    fork: str | None = None  # these four are keys of the fork's templates
    template: str | None = None
    resume: int = 0
    snapshot_path: str | None = None


@dataclass(slots=True)
class CapFile:
    """One entry of ``capfiles``: a buffer that cVMs find by name."""

    line: int
    name: str | None = None
    data: str | None = None
    size: int = 0
    addr: int = 0


@dataclass(slots=True)
class Config:
    """A whole cvm.yaml. ``warnings`` are what the monitor says on its error stream."""

    file: str
    capfiles: list[CapFile] = field(default_factory=list)
    cvms: list[CvmConfig] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def strtol(text: str, base: int) -> int:
    """C's strtol for base 10 or 16: leading spaces, a sign, ``0x`` for 16, then digits; the rest is ignored."""
    text = text.lstrip(" \t\n\v\f\r")
    negative = text.startswith("-")
    text = text[1:] if text[:1] in ("-", "+") else text
    digits = "0123456789abcdef"[:base]
    if base == 16 and text[:2].lower() == "0x" and text[2:3].lower() in digits and text[2:3]:
        text = text[2:]
    value = 0
    for letter in text.lower():
        if letter not in digits:
            break
        value = min(value * base + digits.index(letter), LONG_MAX + negative)
    return -value if negative else value


def _int32(text: str) -> int:
    """strtol of base 10 put into a C int."""
    return (strtol(text, 10) + (1 << 31)) % (1 << 32) - (1 << 31)


def _hexadecimal(text: str) -> int:
    return strtol(text, 16) % (1 << 64)


_Reader = Callable[[str], object]
_CVM: dict[str, tuple[str, _Reader]] = {
    "name": ("name", str),
    "disk": ("disk", str),
    "runtime": ("runtime", str),
    "net": ("net", str),
    "args": ("args", str),
    "wait": ("wait", _int32),
    "clean_room": ("clean_room", _int32),
    "libvirt": ("libvirt", _int32),
    "callback_in": ("callback_in", str),
    "callback_out": ("callback_out", str),
    "fork": ("fork", str),
    "template": ("template", str),
    "resume": ("resume", _int32),
    "snapshot_path": ("snapshot_path", str),
}
_ISOLATION: dict[str, tuple[str, _Reader]] = {key: (key, _hexadecimal) for key in ("base", "size", "begin", "end")}
_CAPFILE: dict[str, tuple[str, _Reader]] = {
    "name": ("name", str),
    "data": ("data", str),
    "size": ("size", _hexadecimal),
    "addr": ("addr", _hexadecimal),
}


def parse(content: bytes, file: str) -> Config:
    """Reads a cvm.yaml. ``file`` is how messages call it. ConfigError for anything that cannot be used."""
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{file}: {len(content)} bytes are too many for a cvm.yaml: at most {MAX_BYTES}")
    return _Parser(content, file).config()


class _Parser:
    """Walks the events; ``line`` is that of the last one taken."""

    def __init__(self, content: bytes, file: str) -> None:
        self._events = _events(content, file)
        self._result = Config(file)
        self.line = 1

    def config(self) -> Config:
        self._expect(yaml.StreamStartEvent, "the start of the file")
        while not isinstance(self._take(), yaml.StreamEndEvent):
            self._document()
        if len(self._result.capfiles) > MAX_CAPFILES:
            self._fail(f"{len(self._result.capfiles)} capfiles are too many: the monitor has room for {MAX_CAPFILES}")
        if not self._result.cvms:
            self._fail("there is no cVM: expected a section cVMs with at least one entry")
        return self._result

    def _document(self) -> None:
        self._expect(yaml.MappingStartEvent, "a section, 'cVMs:' or 'capfiles:'")
        section = self._scalar("the name of a section, cVMs or capfiles")
        if section == "cVMs":
            self._sequence("cVMs", self._cvm)
        elif section == "capfiles":
            self._sequence("capfiles", self._capfile)
        else:
            self._fail(f"unknown section '{shown(section)}': expected cVMs or capfiles")
        self._expect(
            yaml.MappingEndEvent, "the end of the section: each section is a document of its own, so write '---' first"
        )
        self._expect(yaml.DocumentEndEvent, "the end of the document")

    def _sequence(self, name: str, entry: Callable[[], None]) -> None:
        self._expect(yaml.SequenceStartEvent, f"a list under {name}")
        while not isinstance(event := self._take(), yaml.SequenceEndEvent):
            if not isinstance(event, yaml.MappingStartEvent):
                self._fail(f"{_kind(event)} in the list {name}: expected an entry with keys")
            entry()

    def _cvm(self) -> None:
        cvm = CvmConfig(self.line)
        seen: set[str] = set()
        while (key := self._key("a cVM")) is not None:
            if key == "isolation":
                self._sequence("isolation", lambda: self._fields(cvm, _ISOLATION, "isolation", set()))
            else:
                self._field(cvm, key, _CVM, "a cVM", seen)
        self._result.cvms.append(cvm)

    def _capfile(self) -> None:
        capfile = CapFile(self.line)
        self._fields(capfile, _CAPFILE, "a capfile", set())
        self._result.capfiles.append(capfile)

    def _fields(self, entry: object, keys: dict[str, tuple[str, _Reader]], where: str, seen: set[str]) -> None:
        while (key := self._key(where)) is not None:
            self._field(entry, key, keys, where, seen)

    def _field(self, entry: object, key: str, keys: dict[str, tuple[str, _Reader]], where: str, seen: set[str]) -> None:
        if key not in keys:
            names = ", ".join([*keys, *(["isolation"] if keys is _CVM else [])])
            self._fail(f"unknown key '{shown(key)}' in {where}: expected one of {names}")
        attribute, read = keys[key]
        value = self._scalar(f"a plain value for {key}")
        if key in seen and read is str:
            self._result.warnings.append(f"Warning: duplicate '{key}' key.")
        seen.add(key)
        setattr(entry, attribute, read(value))

    def _key(self, where: str) -> str | None:
        """The next key of a mapping, None at its end."""
        event = self._take()
        if isinstance(event, yaml.MappingEndEvent):
            return None
        if not isinstance(event, yaml.ScalarEvent):
            self._fail(f"{_kind(event)} in {where}: expected a key")
        return str(event.value)

    def _scalar(self, expected: str) -> str:
        event = self._take()
        if not isinstance(event, yaml.ScalarEvent):
            self._fail(f"{_kind(event)}: expected {expected}")
        return str(event.value).partition("\0")[0]  # a C string ends at its first NUL

    def _expect(self, kind: type[yaml.Event], expected: str) -> None:
        event = self._take()
        if not isinstance(event, kind):
            self._fail(f"{_kind(event)}: expected {expected}")

    def _take(self) -> Any:
        event = next(self._events)
        if event.start_mark is not None:
            self.line = event.start_mark.line + 1
        return event

    def _fail(self, sentence: str) -> None:
        raise ConfigError(f"{self._result.file}:{self.line}: {sentence}")


def _events(content: bytes, file: str) -> Iterator[yaml.Event]:
    """libyaml's events; its complaints, and those about numbers it cannot hold, become sentences."""
    try:
        yield from yaml.parse(content, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{file}{line}: not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError(f"{file}: not YAML: {' '.join(str(error).split())}") from None


def _kind(event: yaml.Event) -> str:
    """What an event is called in a sentence."""
    if isinstance(event, yaml.ScalarEvent):
        return f"'{shown(str(event.value))}'"
    words = {
        yaml.AliasEvent: "an alias",
        yaml.MappingStartEvent: "a mapping",
        yaml.SequenceStartEvent: "a list",
        yaml.MappingEndEvent: "the end of a mapping",
        yaml.SequenceEndEvent: "the end of a list",
        yaml.DocumentEndEvent: "the end of the document",
    }
    return words.get(type(event), "something else")


def shown(text: str | None) -> str:
    """Foreign text for a message: short and printable."""
    text = "(null)" if text is None else text
    text = text if len(text) <= 40 else text[:40] + "…"
    return "".join(c if c.isprintable() else "?" for c in text)
