"""Where panes stand: workspaces as trees of boxes, by width class; pure functions from a size to regions.

Split(across, [Box, Box, …])     a Box holds panes as tabs; sizes are weights of what is left
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from textual.geometry import Region

NARROW, WIDE, HUGE = "narrow", "wide", "huge"


@dataclass(frozen=True)
class Box:
    """A place for panes, one tab each. ``weight`` shares the height (or width) with its neighbours."""

    name: str
    tabs: tuple[str, ...]
    weight: float = 1


@dataclass(frozen=True)
class Split:
    """Boxes beside (``across``) or above each other; a rule of one cell stands between columns."""

    across: bool
    parts: tuple[Node, ...]
    weight: float = 1


Node: TypeAlias = "Box | Split"

LOWER = (
    "registers", "map", "threads", "backtrace", "console", "trace", "breakpoints", "memory", "locals", "watch",
    "modules", "time", "integer", "system", "vector",
)  # fmt: skip
REGISTERS = ("registers", "integer", "system", "vector")

DEBUG: Mapping[str, Node] = {
    NARROW: Split(False, (Box("code", ("code",), 10), Box("lower", LOWER, 12))),
    WIDE: Split(
        True,
        (
            Split(
                False,
                (
                    Box("map", ("map",), 20),
                    Box("threads", ("threads",), 4),
                    Box("backtrace", ("backtrace", "breakpoints", "locals"), 14),
                ),
                50,
            ),
            Split(
                False,
                (
                    Box("code", ("code",), 15),
                    Box("registers", REGISTERS, 15),
                    Box("console", ("console", "trace", "memory", "time", "watch", "modules"), 8),
                ),
                70,
            ),
        ),
    ),
    HUGE: Split(
        True,
        (
            Split(
                False,
                (
                    Box("map", ("map",), 30),
                    Box("threads", ("threads",), 8),
                    Box("backtrace", ("backtrace", "locals"), 20),
                ),
                62,
            ),
            Split(
                False,
                (
                    Box("code", ("code",), 20),
                    Box("registers", REGISTERS, 26),
                    Box("console", ("console", "time", "watch", "modules"), 12),
                ),
                78,
            ),
            Split(
                False,
                (
                    Box("memory", ("memory",), 22),
                    Box("trace", ("trace",), 26),
                    Box("breakpoints", ("breakpoints",), 10),
                ),
                60,
            ),
        ),
    ),
}
TRACE: Mapping[str, Node] = {
    NARROW: Box("trace", ("trace", "call", "summary", "console", "time")),
    WIDE: Split(
        False,
        (
            Box("trace", ("trace",), 22),
            Box("call", ("call",), 8),
            Box("summary", ("summary", "time", "console", "threads"), 8),
        ),
    ),
    HUGE: Split(
        True,
        (
            Box("trace", ("trace",), 130),
            Split(
                False,
                (
                    Box("call", ("call",), 16),
                    Box("summary", ("summary",), 26),
                    Box("console", ("time", "console", "threads"), 16),
                ),
                70,
            ),
        ),
    ),
}
LOAD: Mapping[str, Node] = {
    NARROW: Box("relocations", ("relocations", "load", "modules", "time", "memory")),
    WIDE: Split(
        False,
        (
            Box("load", ("load",), 9),
            Box("modules", ("modules",), 7),
            Box("relocations", ("relocations", "memory"), 15),
            Box("time", ("time",), 7),
        ),
    ),
    HUGE: Split(
        True,
        (
            Split(False, (Box("modules", ("modules",), 14), Box("load", ("load",), 35), Box("time", ("time",), 8)), 92),
            Split(False, (Box("relocations", ("relocations",), 42), Box("memory", ("memory",), 15)), 107),
        ),
    ),
}
WORKSPACES: Mapping[str, Mapping[str, Node]] = {"debug": DEBUG, "trace": TRACE, "load": LOAD}
ORDER: Mapping[str, tuple[str, ...]] = {
    "debug": ("code", "registers", "lower", "console", "map", "threads", "backtrace", "memory", "trace", "breakpoints"),
    "trace": ("trace", "call", "summary", "console"),
    "load": ("load", "modules", "relocations", "time", "memory"),
}
"""The order in which Tab goes through boxes."""


def width_class(width: int) -> str:
    """Narrow below 100 cells, wide below 160, else huge."""
    return NARROW if width < 100 else WIDE if width < 160 else HUGE


@dataclass
class Placed:
    """Boxes with their regions (title row included), and the columns of rules as (x, y, height)."""

    boxes: dict[str, tuple[Box, Region]] = field(default_factory=dict)
    rules: list[tuple[int, int, int]] = field(default_factory=list)


def place(node: Node, region: Region, hidden: frozenset[str], scale: Mapping[str, float]) -> Placed:
    """Regions of the boxes of a tree that are not hidden; ``scale`` multiplies weights by box name."""
    placed = Placed()
    kept = without(node, hidden)
    if kept is not None:
        _place(kept, region, scale, placed)
    return placed


def without(node: Node, hidden: frozenset[str]) -> Node | None:
    """The tree without hidden boxes."""
    if isinstance(node, Box):
        return None if node.name in hidden else node
    parts = tuple(p for part in node.parts if (p := without(part, hidden)) is not None)
    return replace(node, parts=parts) if parts else None


def boxes_of(node: Node) -> Iterator[Box]:
    """All boxes of a tree."""
    if isinstance(node, Box):
        yield node
    else:
        for part in node.parts:
            yield from boxes_of(part)


def _place(node: Node, region: Region, scale: Mapping[str, float], placed: Placed) -> None:
    if isinstance(node, Box):
        placed.boxes[node.name] = (node, region)
        return
    weights = [_weight(part, scale) for part in node.parts]
    gaps = len(weights) - 1 if node.across else 0
    sizes = shares((region.width if node.across else region.height) - gaps, weights, 8 if node.across else 2)
    x, y = region.x, region.y
    for index, (part, size) in enumerate(zip(node.parts, sizes, strict=True)):
        if node.across:
            _place(part, Region(x, y, size, region.height), scale, placed)
            x += size
            if index < gaps:
                placed.rules.append((x, region.y, region.height))
                x += 1
        else:
            _place(part, Region(x, y, region.width, size), scale, placed)
            y += size


def _weight(part: Node, scale: Mapping[str, float]) -> float:
    if isinstance(part, Box):
        return part.weight * scale.get(part.name, 1.0)
    return part.weight * max((scale.get(f"|{box.name}", 1.0) for box in boxes_of(part)), default=1.0)


def shares(total: int, weights: Sequence[float], least: int) -> list[int]:
    """``total`` cells by weight, at least ``least`` each where that is possible; they add up."""
    exact = [total * weight / sum(weights) for weight in weights]
    sizes = [max(least, int(cells)) for cells in exact]
    nearest = sorted(range(len(sizes)), key=lambda i: int(exact[i]) - exact[i])
    for index in nearest[: max(0, total - sum(sizes))]:
        sizes[index] += 1
    while sum(sizes) > max(0, total):
        sizes[sizes.index(max(sizes))] -= 1
    return sizes
