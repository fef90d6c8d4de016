"""A bare program that is linked 512 GiB above where it is loaded, and turns its MMU on.

physical                  virtual
0x1_0000    text    r-x   itself, for the instruction behind the switch, and + HIGH
0x2_0000    data    rw-   + HIGH, tags are loaded and stored
0x2_1000    fixed   r--   + HIGH, loads see no tags, and none may be stored
0x1300_0000 tube    rw-   + HIGH, in a block of 2 MiB of which a page is there
"""

from __future__ import annotations

import struct

from tests.conformance.bare_assembly import Linked, code, elf, labels

TEXT, DATA, FIXED, TABLES, TUBE, HIGH = 0x1_0000, 0x2_0000, 0x2_1000, 0x10_0000, 0x1300_0000, 0x80_0000_0000
VECTORS = TEXT + 0x800
TABLE, PAGE, BLOCK = 3, 3 | 1 << 10, 1 | 1 << 10
"""Descriptors; pages and blocks with their access flag."""
READ_ONLY, XN, TAGS = 1 << 7, 1 << 54, 3 << 60
TCR = 16 | 5 << 16 | 1 << 24 | 1 << 26 | 1 << 27
"""TCR_EL3: level 0 first, 48 bits; descriptors say what tags may do."""
SCTLR = 0x30C5_0831

SOURCE = f"""
_start:
mov x0, #0x200
msr cptr_el3, x0
mov x0, #{TABLES:#x}
msr ttbr0_el3, x0
ldr x0, {{tcr}}
msr tcr_el3, x0
ldr x0, {{vbar}}
cvtp c0, x0
msr cvbar_el3, c0
ldr x0, {{sctlr}}
ldr x1, {{upwards}}
msr sctlr_el3, x0
isb
br x1
main:
adr x2, {{counter}}
mov x3, #0x3
count:
ldr x4, [x2]
add x4, x4, #0x1
str x4, [x2]
subs x3, x3, #0x1
b.ne {{count}}
bl {{leaf}}
refused:
str x4, [x2, #0x1000]
unmapped:
ldr x5, [x2, #0x2000]
untagged:
str c6, [x2, #0x1010]
end:
mov w7, #0x4
ldr x8, {{tube}}
strb w7, [x8]
leaf:
mrs c6, ddc
scvalue c6, c6, x2
str c6, [x2, #0x10]
ret
tcr:
.quad {TCR:#x}
sctlr:
.quad {SCTLR:#x}
vbar:
.quad {VECTORS + HIGH:#x}
tube:
.quad {TUBE + HIGH:#x}
upwards:
.quad {{main}}
"""
SKIP = """
mrs c9, celr_el3
add c9, c9, #0x4
msr celr_el3, c9
eret
"""
"""What a data abort comes to: the instruction is left out."""

ORIGIN = TEXT + HIGH
SYMBOLS = labels(ORIGIN, SOURCE) | {"counter": DATA + HIGH}


def tables() -> dict[int, bytes]:
    """Tables by physical address: level 0; then levels 1 to 3 of the low part, and of the high part."""
    low, high = (TABLES + 0x1000 * n for n in (1, 4))
    pages = {TEXT: TEXT | READ_ONLY | PAGE | TAGS}
    above = pages | {DATA: DATA | XN | PAGE | TAGS, FIXED: FIXED | READ_ONLY | XN | PAGE}
    made = {TABLES: _table({0: low | TABLE, 1: high | TABLE})}
    for table, leaves, blocks in [(low, pages, {}), (high, above, {TUBE: TUBE | XN | BLOCK})]:
        made[table] = _table({0: table + 0x1000 | TABLE})
        made[table + 0x1000] = _table({0: table + 0x2000 | TABLE} | {a >> 21: d for a, d in blocks.items()})
        made[table + 0x2000] = _table({a >> 12: d for a, d in leaves.items()})
    return made


def _table(descriptors: dict[int, int]) -> bytes:
    table = [0] * (max(descriptors) + 1)
    for index, descriptor in descriptors.items():
        table[index] = descriptor
    return struct.pack(f"<{len(table)}Q", *table)


def program() -> bytes:
    """The ELF file."""
    text = code(ORIGIN, SOURCE, {"counter": DATA + HIGH}).ljust(VECTORS + 0x200 - TEXT, b"\0") + code(0, SKIP)
    return elf(SYMBOLS["_start"], {TEXT: text, DATA: bytes(0x2000), **tables()}, Linked(HIGH, symbols=SYMBOLS))
