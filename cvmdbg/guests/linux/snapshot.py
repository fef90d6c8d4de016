"""A guest's state as nested tuples of numbers, texts and bytes, and back: what a checkpoint keeps, or a file."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from cvmdbg.guests.linux import nodes, space, state

_CLASSES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        nodes.Node,
        space.Area,
        space.Space,
        state.Action,
        state.Pending,
        state.Waiting,
        state.Thread,
        state.Program,
        state.Open,
        state.Pipe,
        state.Socket,
        state.Watched,
        state.Counter,
        state.Sleeper,
        state.Timer,
        state.State,
    )
}
_FIELDS = {cls: tuple(f.name for f in fields(cls)) for cls in _CLASSES.values()}
_PLAIN = (int, str, bytes, bool, type(None))

Plain = Any
"""None, a number, a text, bytes, or a tuple whose first element is the kind of what follows."""


def freeze(value: Any) -> Plain:
    """A copy of plain values only."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind in _FIELDS:
        return (kind.__name__, *(freeze(getattr(value, name)) for name in _FIELDS[kind]))
    if kind is dict:
        return ("dict", *((freeze(k), freeze(v)) for k, v in value.items()))
    if kind is bytearray:
        return ("bytearray", bytes(value))
    items = sorted(value) if kind is set else value
    return (kind.__name__, *(freeze(item) for item in items))


def thaw(plain: Plain) -> Any:
    """What ``freeze`` was given, made anew."""
    if type(plain) is not tuple:
        return plain
    kind, rest = plain[0], plain[1:]
    if kind in _CLASSES:
        return _CLASSES[kind](*map(thaw, rest))
    if kind == "dict":
        return {thaw(k): thaw(v) for k, v in rest}
    if kind == "bytearray":
        return bytearray(rest[0])
    maker: type[Any] = {"list": list, "set": set, "tuple": tuple}[kind]
    return maker(map(thaw, rest))
