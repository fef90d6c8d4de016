"""The Code pane: source and instructions around a place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from cvmdbg import x86
from cvmdbg.analysis.pointing import points_at
from cvmdbg.analysis.registers import register_value
from cvmdbg.debugger import Debugger
from cvmdbg.forms import hexa
from cvmdbg.frames import Frame
from cvmdbg.rows import Code, CodeRow
from cvmdbg.target import TargetError, UserError, absence
from emulator_core._core import cap_pair_check
from emulator_core.capability import PAIR_CHECKS, Capability
from emulator_core.disassembler import Instruction, Mode, disassemble

MAX_SOURCE = 4 << 20
MAX_BODY = 1 << 14
PIECE = 256
VIEWS = ("asm", "both", "source")


def code(debugger: Debugger, address: int | None = None, before: int = 8, count: int = 32, view: str = "both") -> Code:
    """``count`` rows, about ``before`` of them above the row of ``address`` (default: the selected frame's pc)."""
    frame = debugger.frame()
    if debugger.target.arch == "x86_64" and view != "source":
        return _code_x86(debugger, frame.pc if address is None else address, before, count, view)
    center = (frame.pc if address is None else address) & ~3
    if view == "source":
        return Code(title(debugger, center), mode_at(debugger, center), tuple(_source(debugger, center, before, count)))
    start = max(0, center - 4 * before)
    rows = list(_rows(debugger, start, count, view, frame))
    at = next((i for i, row in enumerate(rows) if row.kind != "source" and row.address == center), 0)
    first = max(0, at - before)
    return Code(title(debugger, center), mode_at(debugger, center), tuple(rows[first : first + count]))


def _code_x86(debugger: Debugger, center: int, before: int, count: int, view: str) -> Code:
    """The same where instructions differ in length: decoded from the function's beginning on."""
    start = debugger.symbols.function_start(center)
    begin = start if start is not None and center - start < MAX_BODY else center
    try:
        content = debugger.target.read(begin, center - begin + x86.LONGEST * (count + 1))
    except TargetError:
        content = _readable(debugger, begin, center - begin + x86.LONGEST * (count + 1))
    rows: list[CodeRow] = []
    pc, selected = debugger.pc(debugger.thread), debugger.frame()
    for found in x86.decode(content, begin):
        line = debugger.symbols.line_at(found.address) if view == "both" else None
        if line is not None and line.start == found.address:
            text = source_line(debugger, line.file, line.number)
            if text is not None:
                rows.append(CodeRow("source", found.address, line=line.number, source=text))
        margin = debugger.breakpoints.mark(found.address)
        above = selected.number > 0 and found.address == selected.pc
        rows.append(
            CodeRow("code", found.address, None, found.mnemonic, found.operands, "", margin, found.address == pc, above)
        )
    at = next((i for i, row in enumerate(rows) if row.kind != "source" and row.address == center), 0)
    first = max(0, at - before)
    return Code(title(debugger, center), "x86-64", tuple(rows[first : first + count]))


def _readable(debugger: Debugger, address: int, size: int) -> bytes:
    """As much as can be read, by pieces."""
    content = b""
    while len(content) < size:
        at = address + len(content)
        try:
            content += debugger.target.read(at, min(PIECE - at % PIECE, size - len(content)))
        except TargetError:
            break
    return content


def title(debugger: Debugger, address: int) -> str:
    """``16 libos syscall_handler  C64``."""
    badge, named = debugger.places.badge(address), debugger.symbols.name_at(address)
    place = debugger.places.label(badge) if badge else "nothing known"
    mode = "X86-64" if debugger.target.arch == "x86_64" else mode_at(debugger, address).upper()
    return f"{place} {named.name if named is not None else hexa(address)}  {mode}"


def mode_at(debugger: Debugger, address: int) -> Mode:
    """``a64`` or ``c64``: by mapping symbols, else by PSTATE of the selected thread."""
    mode = debugger.symbols.mode_at(address)
    if mode in ("a64", "c64"):
        return "c64" if mode == "c64" else "a64"
    named = debugger.symbols.name_at(address)
    if named is not None and named.module == "monitor":
        return "a64"
    return "c64" if debugger.frame().mode == "c64" else "a64"


def _rows(debugger: Debugger, start: int, count: int, view: str, frame: Frame) -> Iterator[CodeRow]:
    last: tuple[str, int] | None = None
    pcs = debugger.pc(debugger.thread)
    for index in range(count + 16):
        address = start + 4 * index
        line = debugger.symbols.line_at(address) if view == "both" else None
        if line is not None and (line.file, line.number) != last and line.start == address:
            last = (line.file, line.number)
            text = source_line(debugger, line.file, line.number)
            if text is not None:
                yield CodeRow("source", address, line=line.number, source=text)
        yield _instruction_row(debugger, address, frame, pcs)


def _instruction_row(debugger: Debugger, address: int, frame: Frame, pc: int) -> CodeRow:
    try:
        word = int.from_bytes(debugger.target.read(address, 4), "little")
    except TargetError as error:
        return CodeRow("data", address, None, "", absence(error))
    margin = debugger.breakpoints.mark(address)
    current, selected = address == pc, frame.number > 0 and address == frame.pc
    if debugger.symbols.mode_at(address) == "data":
        return CodeRow("data", address, word, ".word", f"{word:#x}", "", margin, current, selected)
    found = disassemble(word, address, mode_at(debugger, address))
    comment = comment_for(debugger, found, frame if current or selected else None)
    return CodeRow("code", address, word, found.mnemonic, found.operands, comment, margin, current, selected)


def comment_for(debugger: Debugger, found: Instruction, frame: Frame | None) -> str:
    """What the pane says beside an instruction: its target's name, values of its registers where it stands."""
    notes = []
    if found.target is not None:
        badge, text = points_at(debugger, found.target)
        if text:
            notes.append(f"{badge} {text}".strip())
    if found.mnemonic == "blrs" and frame is not None:
        notes += _pair_check(debugger, found, frame)
    elif "call" in found.kinds and frame is not None:
        notes.append("↵ enters")
    if frame is not None and found.target is None and found.mnemonic != "blrs":
        notes += _operand_values(debugger, found, frame)
    return "  ".join(notes)


def _pair_check(debugger: Debugger, found: Instruction, frame: Frame) -> list[str]:
    """What BLRS C29, Cn, Cm will say of the pair that it is about to be given."""
    names = re.findall(r"c\d+", found.operands)
    values = [register_value(debugger, frame, name) for name in names]
    if len(values) < 3 or values[1] is None or values[2] is None:
        return []
    failed = cap_pair_check(Capability(values[1]), Capability(values[2]), False)
    if failed:
        return [f"✗ {PAIR_CHECKS[failed]}"]
    badge, text = points_at(debugger, values[1])
    return [f"✓ pair: enters {badge} {text}".rstrip()]


def _operand_values(debugger: Debugger, found: Instruction, frame: Frame) -> Iterator[str]:
    """Registers of the instruction that hold something to name."""
    seen: set[str] = set()
    words = found.operands.replace("[", " ").replace("]", " ").replace(",", " ").replace("!", " ").split()
    for word in words:
        if word in seen or not (word in ("csp", "ddc") or (word[0] in "cx" and word[1:].isdigit())):
            continue
        seen.add(word)
        value = register_value(debugger, frame, word)
        if value is None:
            continue
        badge, text = points_at(debugger, value, frame.ddc_base)
        if text and not text.startswith("integer"):
            yield f"{word} = {badge} {text}".replace("  ", " ")


# ---- source text ----


def _source(debugger: Debugger, address: int, before: int, count: int) -> Iterator[CodeRow]:
    line = debugger.symbols.line_at(address)
    if line is None:
        raise UserError(debugger.symbols.source_gap(address))
    lines = source_text(debugger, line.file)
    if lines is None:
        raise UserError(f"{line.file} is not to be found; set directories names folders to look in")
    first = max(1, line.number - before)
    for number in range(first, min(first + count, len(lines) + 1)):
        yield CodeRow("source", address, line=number, source=lines[number - 1], current=number == line.number)


def source_line(debugger: Debugger, file: str, number: int) -> str | None:
    """One line of a source file, None when the file is not there."""
    lines = source_text(debugger, file)
    return lines[number - 1] if lines is not None and 0 < number <= len(lines) else None


def source_text(debugger: Debugger, file: str) -> tuple[str, ...] | None:
    """The lines of a source file, looked for in ``set directories``; None when no folder has it."""
    return _find_source(file, debugger.settings.text("directories"))


@lru_cache(maxsize=256)
def _find_source(file: str, directories: str) -> tuple[str, ...] | None:
    parts = Path(file).parts
    for folder in [Path(d) for d in directories.split(":") if d]:
        for skip in range(len(parts)):
            path = folder.joinpath(*parts[skip:])
            lines = _read_source(path)
            if lines is not None:
                return lines
    return _read_source(Path(file)) if Path(file).is_absolute() else None


def _read_source(path: Path) -> tuple[str, ...] | None:
    try:
        if not path.is_file() or path.stat().st_size > MAX_SOURCE:
            return None
        content = path.read_text("utf-8", "replace")
    except OSError:
        return None
    return tuple("".join(c if c.isprintable() else " " for c in line.expandtabs(8)) for line in content.splitlines())
