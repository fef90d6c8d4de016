"""Frozen rows as the panes get them: a stop in a LibOS just after a crossing, as the log of a real run has it."""

from __future__ import annotations

from cvmdbg.rows import (
    ArgumentRow,
    Bar,
    BreakpointRow,
    Check,
    Code,
    CodeRow,
    DisplayRow,
    Explanation,
    FrameRow,
    Inspection,
    LoadRow,
    LocalRow,
    MapRow,
    MarkRow,
    MemoryRow,
    ModuleRow,
    OutputRow,
    RegisterRow,
    RelocationRow,
    Status,
    SummaryRow,
    ThreadRow,
    TimeCell,
    TimeRow,
    TraceRow,
)
from emulator_core.capability import Capability

G = 1 << 30
STATUS = Status(
    "musl-uni-libhello", "emulator", "stop", "breakpoint 2 syscall_handler", "16 libos", "17 musl", "17/0", 2418914
)


WHOLE = Capability((1 << 128) | (0xDC51400080000000 << 64) | 0x47FFFB840)
STACK = Capability((1 << 128) | (0xDC5140007880B840 << 64) | 0x47FFFB840)


def _map(
    key: str, depth: int, badge: str, name: str, kind: str, flags: str, at: int, size: int, **more: object
) -> MapRow:
    values: dict[str, object] = {"now": "····", "note": "", "foldable": False, "folded": False, "parent": None} | more
    values |= {"key": key, "depth": depth, "badge": badge, "name": name, "kind": kind, "flags": flags}
    return MapRow(address=at, size=size, **values)  # type: ignore[arg-type]


MAP = (
    _map("M", 0, "M", "monitor", "monitor", "", 0, 0, note="outer", foldable=True),
    _map("16", 0, "16", "libos", "cvm", "", 0x400000000, G, now="P···", note="in M", foldable=True),
    _map("16/a", 1, "16", "rodata", "segment", "r--", 0x400000000, 57 << 10, note="rwx!", parent="16"),
    _map("16/b", 1, "16", "text", "segment", "r-x", 0x40001E260, 130 << 10, now="P···", note="rwx!", parent="16"),
    _map("16/c", 1, "16", "heap", "heap", "rwx", 0x400076000, 992 << 20, note="wide!", parent="16"),
    _map("16/d", 1, "16", "slots 0…62", "slots", "rw-", 0x43E080000, 63 << 19, note="0 run", parent="16", foldable=True,
         folded=True),
    _map("17", 0, "17", "musl", "cvm", "", 0x440000000, G, now="·DST", note="in 16", foldable=True),
    _map("17/a", 1, "17", "heap", "heap", "rwx", 0x4400E3000, 991 << 20, note="wide!", parent="17", foldable=True),
    _map("17/b", 2, "17", "app1", "module", "", 0x4400E4000, 196 << 10, note=".so", parent="17/a"),
    _map("17/c", 1, "17", "slot 0", "slot", "rw-", 0x47FF80000, 512 << 10, now="··S·", note="tid 1", parent="17"),
)  # fmt: skip


def _register(name: str, value: int, badge: str, points: str, changed: int | None = None) -> RegisterRow:
    return RegisterRow(name, "capability", value, bool(value >> 128), badge, points, changed)


REGISTERS = (
    _register("pcc", WHOLE.bits, "16", "syscall_handler", 0),
    _register("ddc", WHOLE.bits, "17", "all of musl ≠pcc"),
    _register("csp", STACK.bits, "17", "slot 0, 485K left", 1),
    _register("c0", 1, "", "integer 1"),
    _register("c1", STACK.bits, "17", "slot 0 stack"),
    _register("c2", (1 << 64) - 2, "", "integer -2"),
    *(_register(f"c{n}", 0, "", "integer 0") for n in range(3, 31)),
)
INTEGERS = tuple(RegisterRow(f"x{n}", "integer", n * n, None, "", "", None) for n in range(31))


def _code(index: int, mnemonic: str, operands: str, comment: str = "", **more: object) -> CodeRow:
    word = 0xC29B412B + index
    return CodeRow("code", 0x40001F47C + 4 * index, word, mnemonic, operands, comment, **more)  # type: ignore[arg-type]


CODE = Code(
    "16 libos syscall_handler",
    "C64",
    (
        CodeRow("source", 0x40001F47C, line=81, source="// the caller's DDC stays in c11 until the return"),
        _code(0, "mrs", "c11, ddc", "c11 = 17 440000000 +1G", margin="●", current=True),
        _code(1, "msr", "ddc, c29", "ddc → 16 400000000 +1G"),
        CodeRow("source", 0x40001F484, line=83, source="sub csp, csp, #112"),
        _code(2, "sub", "csp, csp, #0x70"),
        _code(3, "str", "c30, [csp, #16]", "RB 17 ret_from_monitor"),
        *(_code(4 + n, "nop", "") for n in range(60)),
    ),
)
THREADS = (
    ThreadRow(1, "17/0", "100002", "550000", "4400dbc60", "break 2", "16", "slot 0, 485K left", "", True),
    ThreadRow(0, "16/0", "100001", "-", "-", "exited 0", "", "", "", False),
)
FRAMES = (
    FrameRow(0, "16", "syscall_handler", 0x40001F47C, "libos", "handler.S:81", None, True, True),
    FrameRow(1, "17", "c_out+108", 0x440096B6C, "libldso", "", "BLRS c29,c22,c23  s4 pair  16 ← 17", False, True),
    FrameRow(2, "17", "__stdio_write+60", 0x440067A44, "libldso", "", None, False, False),
)
LOCALS = (
    LocalRow("argc", "int", "1", "argument"),
    LocalRow("text", "char *", '0x44008f2b0 "hello [/] world"', "local"),
)
BREAKPOINTS = (
    BreakpointRow(2, "breakpoint", True, "syscall_handler", "16", (0x40001F47C,), "$c0 == 1", 3, 0, (), False, ""),
    BreakpointRow(3, "watchpoint", False, "*(long *)0x47e0010d0", "17", (0x47E0010D0,), "", 0, 2, ("bt",), False, ""),
    BreakpointRow(4, "breakpoint", True, "hello", "", (), "", 0, 0, (), True, "libso_test.so"),
)
MEMORY = tuple(
    MemoryRow(
        0x47FFFB840 + 16 * n,
        bytes(range(n, n + 16)),
        n % 5 == 0,
        STACK.bits if n % 5 == 0 else None,
        "................",
    )
    if n % 7 != 6
    else MemoryRow(0x47FFFB840 + 16 * n, None, None, None, "not mapped")
    for n in range(120)
)
MODULES = (ModuleRow("libos.so", 0x400000000, 197 << 10, "16", "libos.so", "dwarf", ""),)
RELOCATIONS = (
    RelocationRow(
        3, "app1", "17", "CAPINIT", 0x440114C10, 0x44009B831, STACK.bits, "puts", "17 libldso.so", "done", "wide: 1G"
    ),
    RelocationRow(
        4, "app1", "17", "JUMP_SLOT", 0x440114C40, 0x44006678D, None, "__cxa_finalize", "17 libldso.so", "expected", ""
    ),
    RelocationRow(5, "app1", "17", "GLOB_DAT", 0x440104A70, None, None, "absent", "", "failed", "no module defines it"),
)
LOADS = (
    LoadRow("tried", "libso_test.so", "17", "/lib/libso_test.so: ENOENT", "failed", 2_171_000, 103),
    LoadRow("open", "libso_test.so", "17", "/usr/lib/libso_test.so", "done", 2_171_846, 104),
    LoadRow("relocate", "app1", "17", "3 of 6", "now", None, 0, 0x440114C10),
)
OUTPUT = (
    OutputRow(10, 0, "16", "guest", "app main"),
    OutputRow(None, -1, "", "debugger", "■ breakpoint 2, thread 17/0"),
    OutputRow(12, 0, "16", "monitor", "HW: sp = 0x43fffc000"),
    OutputRow(14, 0, "17", "guest", "not finished", False),
)


def call(number: int, layer: int = 0, **more: object) -> TraceRow:
    """A call of the trace."""
    values: dict[str, object] = {
        "tick": 2401655 + 100 * number,
        "thread": 1,
        "thread_name": "17/0",
        "path": "17→16",
        "name": "writev",
        "call": 'writev(1, [{"app main", 8}, {"\\n", 1}], 2)',
        "result": "= 9",
        "ticks": 4466,
        "failed": False,
        "inside": False,
        "origin": 0x440096B68,
        "target": 0x40001F47C,
        "arguments": (
            ArgumentRow("x0", "fd", "fd", "1", "/dev/stdout"),
            ArgumentRow("c1", "iov", "iov", '[{"app main", 8}]', "47fffb840[rwRW,+40]"),
        ),
        "checks": "✓ pair: otype 4, both BranchSealedPair, Execute only in c22",
    }
    parent = None if layer == 0 else 0
    return TraceRow(number=number, layer=layer, parent=parent, **(values | more))  # type: ignore[arg-type]


TRACE = (
    call(
        116, name="ioctl", call="ioctl(1, TIOCGWINSZ, 47fffb7e0[rwRW,+8])", result="= -1 ENOTTY", ticks=640, failed=True
    ),
    call(117),
    call(1, 1, path="16→M", name="write_out", call='write_out(400081f40[rw,+9] "app main\\n", 9)', ticks=2250),
    call(1, 2, path="M→H", name="write", call='write(1, "app main\\n", 9)', ticks=None, origin=None, target=None),
    call(118, result="", ticks=None, inside=True),
)
SUMMARY = (
    SummaryRow("17→16", "read", 24, 0, 412903, 17204, 41002),
    SummaryRow("17→16", "ioctl", 1, 1, 640, 640, 640),
    SummaryRow("16→M", "write_out", 3, 0, 6750, 2250, 2250),
)
DISPLAYS = (DisplayRow(1, "$c1", "0x47fffb840 [rwRW,0x47fffb840-0x47fffb880]"),)
INSPECTION = Inspection(
    "$c1: 0x47fffb840 [rwRW,0x47fffb840-0x47fffb880]",
    STACK.bits,
    (
        Bar("17 musl", 0x440000000, 0x480000000, "1G"),
        Bar("slot 0", 0x47FF80000, 0x480000000, "512K"),
        Bar("bounds", 0x47FFFB840, 0x47FFFB880, "64"),
    ),
    (("tag", "1"), ("has", "Load Store LoadCap StoreCap"), ("points at", "17 slot 0 stack")),
)
EXPLANATION = Explanation(
    title="CAPABILITY TAG FAULT   instruction fetch at 202fe0",
    kind="tag",
    access="fetch",
    address=0x202FE0,
    size=4,
    pc=0x202FE0,
    function="cinv2_ret",
    compartment="17",
    register="pcc",
    capability=None,
    cause=0x440096C38,
    cause_function="cinv2_ret",
    sentences=("The cause is one instruction earlier: BLRS was given an untagged c9.",),
    checks=(
        Check("tag", "c9", False, "0"),
        Check("BranchSealedPair", "c10", True, ""),
        Check("Executive in Cn", "c9", None, "not asked"),
    ),
    next=("watch -tag *0x47e0010d0", "info crossing 17 16"),
    basis="recorded",
)
GRANTS = (
    "ca0 ● sealed COMP PCC     s4   r-xR-----b-m---0Eg  440000000 +1G    4400b0471  entry of ldso, C64",
    "! otype 4 is shared by 16, 17 and M: any sealed PCC here pairs with any sealed DDC",
)

LAST = 3_646_112
NOW = 2_418_914
MARKS = (
    MarkRow("ramfs", 1_200_000, 1_200_000 / LAST, "", False),
    MarkRow("first", NOW, NOW / LAST, "the first call of app1", True),
)


def time_of(cells: int, begin: int | None = None, end: int | None = None) -> TimeRow:
    """The time line: the LibOS boots alone, then the app's calls come in bursts."""
    first, last = begin or 0, LAST if end is None else end
    return TimeRow(
        "tick",
        "past",
        0,
        NOW,
        LAST,
        first,
        last,
        tuple(_time_cell(first + (last - first) * n // cells, (last - first) // cells) for n in range(cells)),
        tuple((mark.tick, mark.name) for mark in MARKS),
        118,
        131,
    )


def _time_cell(tick: int, size: int) -> TimeCell:
    mark = next((m.name for m in MARKS if tick <= m.tick < tick + size), "")
    if tick < LAST // 40:
        return TimeCell("M", 1, threads=("+16/0",) if tick == 0 else (), mark=mark)
    if tick < LAST // 2:
        return TimeCell("16", 2, calls=tick // max(size, 1) % 5 // 4, mark=mark)
    number = tick // max(size, 1)
    return TimeCell("17", 3, calls=number % 7, failed=number % 29 == 0, loads=number % 11 == 0, stops=0, mark=mark)
