"""Operand kinds of plain A64: shifted and extended registers, bit masks, system registers, barriers, prefetches."""

from collections.abc import Callable

from emulator_core.isa.operands import Kind

KINDS: dict[str, Kind] = {}

FAMILIES: dict[str, Callable[[int], Kind]] = {}
