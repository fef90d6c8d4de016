"""What a guest says of itself, as values that a recording keeps; and a guest that is only what was kept."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from cvmdbg.guests.guest import Compartment, Facts, Module, Symbol
from cvmdbg.target import RecordingError
from sessions.machine import Json

MAX_DEPTH = 24


@dataclass(frozen=True, slots=True)
class KeptModule:
    """A module whose content is kept apart, by its hash."""

    name: str
    path: str
    base: int
    size: int
    compartment: str
    sha256: str
    content: str


@dataclass(frozen=True, slots=True)
class KeptThread:
    """What a thread is called."""

    number: int
    name: str
    ids: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Said:
    """Everything that a guest said of itself at one moment."""

    name: str
    compartments: tuple[Compartment, ...]
    modules: tuple[KeptModule, ...]
    symbols: tuple[Symbol, ...]
    threads: tuple[KeptThread, ...]


class Speaker(Facts, Protocol):
    """A guest, as far as it speaks of itself."""

    def thread_ids(self, thread: int) -> Mapping[str, int]: ...
    def thread_name(self, thread: int) -> str: ...


def said_of(told: Facts, keep: Callable[[bytes], str], threads: tuple[KeptThread, ...] = ()) -> Said:
    """What is known now; ``keep`` stores a module's content and returns its hash."""
    modules = tuple(
        KeptModule(m.name, m.path, m.base, m.size, m.compartment, m.sha256, keep(m.content)) for m in told.modules()
    )
    return Said(told.name, told.compartments(), modules, told.symbols(), threads)


def said_by(guest: Speaker, threads: int, keep: Callable[[bytes], str]) -> Said:
    """What a guest says now, its names of threads included."""
    known = tuple(
        KeptThread(n, guest.thread_name(n), tuple(sorted(guest.thread_ids(n).items()))) for n in range(threads)
    )
    return said_of(guest, keep, known)


class RecordedGuest:
    """The facts of one moment, for panes and symbols."""

    def __init__(self, said: Said, content: Callable[[str], bytes], file: Callable[[str], bytes | None]) -> None:
        self.said, self._content, self._file = said, content, file
        self._threads = {thread.number: thread for thread in said.threads}

    @property
    def name(self) -> str:
        """What its people call it."""
        return self.said.name

    def compartments(self) -> tuple[Compartment, ...]:
        """The map."""
        return self.said.compartments

    def modules(self) -> tuple[Module, ...]:
        """ELF files in memory."""
        return tuple(
            Module(m.name, m.path, m.base, m.size, m.compartment, m.sha256, self._content(m.content))
            for m in self.said.modules
        )

    def symbols(self) -> tuple[Symbol, ...]:
        """Code without an ELF file."""
        return self.said.symbols

    def file(self, path: str) -> bytes | None:
        """A file of its root that was read while recording."""
        return self._file(path)

    def thread_ids(self, thread: int) -> Mapping[str, int]:
        """The numbers others give a thread."""
        found = self._threads.get(thread)
        return dict(found.ids) if found is not None else {}

    def thread_name(self, thread: int) -> str:
        """What a thread is called."""
        found = self._threads.get(thread)
        return found.name if found is not None else str(thread)


# ---- values ⇄ JSON -------------------------------------------------------------------------------------------------


def to_plain(value: Any) -> Json:
    """Dataclasses become objects, tuples lists."""
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    found: Json = value
    return found


Kind = TypeVar("Kind")


def said_from(plain: Json) -> Said:
    """The way back; RecordingError says what is not of its kind."""
    return made_from(Said, plain, "guest")


def made_from(kind: type[Kind], plain: Json, where: str) -> Kind:
    """A dataclass from what ``to_plain`` made of it; RecordingError says what is not of its kind."""
    made = _made(kind, plain, where, 0)
    assert isinstance(made, kind)
    return made


def _made(kind: Any, plain: Json, where: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise RecordingError(f"{where} is nested too deeply")
    if is_dataclass(kind):
        return _record(kind, plain, where, depth)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if plain is None else _made(next(p for p in parts if p is not type(None)), plain, where, depth)
    if origin is tuple and isinstance(plain, list):
        kinds = [parts[0]] * len(plain) if parts[-1] is Ellipsis else list(parts)
        if len(kinds) == len(plain):
            return tuple(_made(k, item, where, depth + 1) for k, item in zip(kinds, plain, strict=True))
    if origin is None and type(plain) is kind:
        return plain
    raise RecordingError(f"{where} is {str(plain)[:40]!r}; {getattr(kind, '__name__', kind)} was expected")


def _record(kind: Any, plain: Json, where: str, depth: int) -> Any:
    hints = _hints(kind)
    if not isinstance(plain, dict) or set(plain) != set(hints):
        raise RecordingError(f"{where} has not the fields of a {kind.__name__}")
    return kind(**{name: _made(hint, plain[name], f"{where}.{name}", depth + 1) for name, hint in hints.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
