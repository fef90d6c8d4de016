"""Looking at memory and searching it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvmdbg.analysis.code import code
from cvmdbg.commands.format import FORMATS, UNITS, Format, split_format
from cvmdbg.commands.report import capability_value, jsonable
from cvmdbg.commands.table import Command, Json, Result
from cvmdbg.forms import capability_text
from cvmdbg.locations import address_of
from cvmdbg.target import TargetError, UserError
from cvmdbg.types_c import ULONG
from cvmdbg.values import c_string, integer, number_in

if TYPE_CHECKING:
    from cvmdbg.session import Session

FAMILY = "memory"


def examine(session: Session, text: str) -> Result:
    """Memory in gdb's formats; unit c is capabilities. Without an address it goes on behind the last."""
    form, place = split_format(text, "x")
    before = session.last_examine
    letter = form.letter or before.letter or "x"
    unit = form.unit or before.unit or "g"
    if form.letter == "c" and not form.unit:
        letter = "c"
        unit = "b"
    note = ""
    if place:
        address, note = address_of(session.live, place)
    else:
        address = session.next_examine
    session.last_examine = Format(1, letter, unit)
    if letter == "s":
        lines, body, after = _strings(session, address, form.count)
    elif letter == "i":
        lines, body, after = _instructions(session, address, form.count)
    elif unit == "c":
        lines, body, after = _capabilities(session, address, form.count)
    else:
        lines, body, after = _numbers(session, address, form.count, letter, UNITS[unit])
    session.next_examine = after
    session.live.convenience["_"] = integer(address, ULONG)
    return Result((*((note,) if note else ()), *lines), body, "memory", f"{address:#x}")


Shown = tuple[list[str], Json, int]


def _label(session: Session, address: int) -> str:
    named = session.live.symbols.name_at(address)
    badge = session.live.places.badge(address)
    return f"{badge} {address:#x}" + (f" <{named.text}>" if named is not None and named.offset < 1 << 20 else "")


def _numbers(session: Session, address: int, count: int, letter: str, size: int) -> Shown:
    content = session.live.read(address, count * size)
    scope, per_row = session.live.scope(), max(1, 16 // size) if letter not in ("a",) else 2
    wide = {"x": "z"}.get(letter, letter)
    numbers = [int.from_bytes(content[i : i + size], "little") for i in range(0, len(content), size)]
    shown = [number_in(wide, number, size, scope) for number in numbers]
    lines = [
        f"{_label(session, address + i * size)}:\t" + "\t".join(shown[i : i + per_row])
        for i in range(0, len(shown), per_row)
    ]
    return lines, [hex(number) for number in numbers], address + count * size


def _capabilities(session: Session, address: int, count: int) -> Shown:
    power = session.live.target.capabilities
    if power is None:
        raise UserError("this target gives no tags: capabilities cannot be read")
    if address % 16:
        raise UserError(f"{address:#x} is no multiple of 16: capabilities are")
    from cvmdbg.analysis.pointing import points_at

    lines: list[str] = []
    body: list[Json] = []
    for index in range(count):
        session.live.read(address + 16 * index, 16)
        bits = power.read(address + 16 * index)
        badge, text = points_at(session.live, bits)
        mark = "●" if bits >> 128 else "○"
        where = f"{_label(session, address + 16 * index)}:"
        lines.append(f"{where}\t{mark} {capability_text(bits)} {badge} {text}".rstrip())
        body.append(capability_value(bits))
    return lines, body, address + 16 * count


def _strings(session: Session, address: int, count: int) -> Shown:
    from cvmdbg.forms import quoted

    lines: list[str] = []
    body: list[Json] = []
    limit = session.settings.number("print elements")
    for _ in range(count):
        content = c_string(address, session.live.scope(), limit)
        if content is None:
            session.live.read(address, 1)
            raise TargetError(f"{address:#x} is not mapped")
        lines.append(f"{_label(session, address)}:\t{quoted(content, limit)}")
        body.append(content.decode("utf-8", "replace"))
        address += len(content) + 1
    return lines, body, address


def _instructions(session: Session, address: int, count: int) -> Shown:
    rows = code(session.live, address, 0, count, "asm").rows
    body: list[Json] = [jsonable(row) for row in rows]
    return [row.text for row in rows], body, (address & ~3) + 4 * count


MAX_FOUND = 1000


CHUNK = 1 << 20


def find(session: Session, text: str) -> Result:
    """Search memory for bytes, a number, a text, or (-cap) for capabilities into a range."""
    if text.startswith("-cap"):
        return _find_capabilities(session, text[4:])
    parts = [part.strip() for part in text.split(",")]
    if len(parts) < 3:
        raise UserError('find START, END or +LENGTH, VALUE — as: find 0x400000000, +0x2000, "hello"')
    start, end = _bounds(session, parts[0], parts[1])
    wanted = _pattern(session, ",".join(parts[2:]))
    found = _search(session, start, end, wanted)[:MAX_FOUND]
    lines = [_label(session, address) for address in found] or ["not found"]
    return Result((*lines, f"{len(found)} found") if found else tuple(lines), [hex(a) for a in found], "memory")


def _bounds(session: Session, first: str, last: str) -> tuple[int, int]:
    """A range: its start, and its end or ``+length``."""
    start, _ = address_of(session.live, first)
    if last.startswith("+"):
        return start, start + session.live.evaluate(last[1:]).number
    return start, address_of(session.live, last)[0]


def _pattern(session: Session, text: str) -> bytes:
    value = session.live.evaluate(text)
    content = value.content
    return content[:-1] if text.strip().startswith('"') else content


def _search(session: Session, start: int, end: int, wanted: bytes) -> list[int]:
    """Every place of a pattern in the mapped part of a range."""
    found: list[int] = []
    for region in session.live.target.regions():
        low, high = max(start, region.address), min(end, region.address + region.size)
        for at in range(low, high, CHUNK):
            if session.cancelled:
                raise UserError("the search was cancelled")
            content = session.live.target.read(at, min(CHUNK + len(wanted) - 1, region.address + region.size - at))
            index = content.find(wanted)
            while index >= 0 and at + index < high:
                if index < CHUNK:
                    found.append(at + index)
                index = content.find(wanted, index + 1)
            if len(found) >= MAX_FOUND:
                return found
    return found


def _find_capabilities(session: Session, text: str) -> Result:
    """Tagged granules whose bounds touch a compartment or range."""
    power = session.live.target.capabilities
    if power is None:
        raise UserError("this target gives no tags")
    low, high = _range(session, text.strip())
    lines: list[str] = []
    body: list[Json] = []
    for region in session.live.target.regions():
        for at in range(region.address, region.address + region.size, CHUNK):
            if session.cancelled:
                raise UserError("the search was cancelled")
            size = min(CHUNK, region.address + region.size - at)
            tags = power.tags(at, size)
            index = tags.find(1)
            while index >= 0:
                address = at + 16 * index
                bits = power.read(address)
                value = capability_value(bits)
                if int(str(value["base"]), 16) < high and int(str(value["limit"]), 16) > low:
                    lines.append(f"{_label(session, address)}: {capability_text(bits)}")
                    body.append({"address": hex(address), "capability": value})
                index = tags.find(1, index + 1)
            if len(lines) >= MAX_FOUND:
                return Result((*lines, f"more than {MAX_FOUND}; only these are shown"), body)
    return Result((*lines, f"{len(lines)} found"), body, "memory")


def _range(session: Session, text: str) -> tuple[int, int]:
    if not text:
        return 0, 1 << 65
    compartment = session.live.places.named(text)
    if compartment is not None:
        return compartment.base, compartment.base + compartment.size
    first, _, last = text.partition(",")
    if not last.strip():
        low, _ = address_of(session.live, first)
        return low, low + 1
    return _bounds(session, first, last.strip())


COMMANDS = (
    Command(
        "x",
        "memory; unit c = capabilities",
        (),
        ("x",),
        "[/NFU] ADDRESS",
        "s",
        f"N a count, F one of {FORMATS}, U one of b h w g c (1 2 4 8 bytes, capabilities). A lone token of hex digits "
        "needs no 0x. Without an address it goes on.",
        ("x/8xg $sp", "x/4gc $c1", "x/s 0x400000650", "x/5i $pc"),
        examine,
        repeats=True,
        completes="expression",
    ),
    Command(
        "find",
        "search memory; -cap for capabilities into a range",
        (),
        (),
        "START, END or +LENGTH, VALUE · -cap [CVM or START, END]",
        "s",
        "",
        ('find 0x400000000, +0x2000, "hello"', "find -cap 17"),
        find,
    ),
)
