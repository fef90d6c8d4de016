"""Rows to C: run by the build as `python generate.py OUTDIR`; writes isa.h and isa.c there.

The decoder is a tree over bits: an inner node looks at a few adjacent bits and picks a child, a leaf holds the
encodings that are left, most specific first.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from emulator_core.isa.table import UNDEFINED, Encoding, Row, Table, check, load

_LEAF = 3
_WIDEST = 7


@dataclass(frozen=True)
class Node:
    """Inner: bits [lsb, lsb+width) index children. Leaf: width 0 and the encodings left."""

    lsb: int
    width: int
    children: tuple["Node", ...]
    encodings: tuple[int, ...]


def _split(encodings: list[tuple[int, int, int]], lsb: int, width: int) -> list[list[tuple[int, int, int]]]:
    window = ((1 << width) - 1) << lsb
    parts: list[list[tuple[int, int, int]]] = [[] for _ in range(1 << width)]
    for entry in encodings:
        _, mask, value = entry
        for i, part in enumerate(parts):
            if not (value ^ i << lsb) & mask & window:
                part.append(entry)
    return parts


def _shared(encodings: list[tuple[int, int, int]]) -> int:
    counts = [sum(mask >> bit & 1 for _, mask, _ in encodings) for bit in range(32)]
    most = max(counts)
    return sum(1 << bit for bit, count in enumerate(counts) if count == most) if most else 0


def _windows(useful: int) -> list[tuple[int, int]]:
    """Runs of adjacent useful bits, cut to the widest index allowed."""
    runs: list[tuple[int, int]] = []
    bit = 0
    while bit < 32:
        width = 0
        while width < _WIDEST and useful >> (bit + width) & 1:
            width += 1
        if width:
            runs.append((bit, width))
        bit += width or 1
    return runs


def _tree(encodings: list[tuple[int, int, int]], decided: int) -> Node:
    """The tree for encodings (index, mask, value) of which the bits in decided are known to agree."""
    left = [(index, mask & ~decided, value) for index, mask, value in encodings]
    if len(left) <= _LEAF or not any(mask for _, mask, _ in left):
        return Node(0, 0, (), tuple(index for index, _, _ in encodings))
    options = [
        (sum(len(part) ** 2 for part in _split(left, lsb, width)) / (1 << width), lsb, width)
        for lsb, width in _windows(_shared(left))
    ]
    _, lsb, width = min(options)
    seen = decided | ((1 << width) - 1) << lsb
    parts = _split(encodings, lsb, width)
    return Node(lsb, width, tuple(_tree(part, seen) for part in parts), ())


def _flatten(root: Node) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Nodes (lsb, width, first child or candidate) and the leaves' candidate lists, each ended by -1."""
    nodes: list[tuple[int, int, int]] = [(0, 0, 0)]
    candidates: list[int] = []
    leaves: dict[tuple[int, ...], int] = {}
    queue = [(0, root)]
    for place, node in queue:
        if node.width:
            nodes[place] = (node.lsb, node.width, len(nodes))
            queue += [(len(nodes) + i, child) for i, child in enumerate(node.children)]
            nodes += [(0, 0, 0)] * len(node.children)
            continue
        if node.encodings not in leaves:
            leaves[node.encodings] = len(candidates)
            candidates += [*node.encodings, -1]
        nodes[place] = (0, 0, leaves[node.encodings])
    return nodes, candidates


def clause_symbol(clause: str) -> str:
    return "CLAUSE_UNDEFINED" if clause == UNDEFINED else f"CLAUSE_{clause}"


def header(table: Table) -> str:
    clauses = "".join(f"    {clause_symbol(clause)},\n" for clause in table.clauses)
    return f"""/* Generated from the instruction rows. */
#ifndef CVMDBG_ISA_H
#define CVMDBG_ISA_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* The specification's decode clauses. */
enum clause {{
{clauses}    CLAUSE_COUNT
}};

enum {{ ISA_ROW_COUNT = {len(table.rows)} }};
#define ISA_DIGEST {table.digest:#010x}u /* of the files that this was generated from */

uint16_t isa_clause(uint32_t word);   /* the clause that executes word; CLAUSE_UNDEFINED if unallocated */
int isa_row(uint32_t word, bool c64); /* the row that prints word, in file order; -1 if none does */
extern const char *const isa_clause_name[CLAUSE_COUNT];

#ifdef CVMDBG_EXEC_H
extern exec_fn *const isa_exec[CLAUSE_COUNT]; /* NULL: this engine does not execute the clause here */
#endif

#ifdef __cplusplus
}}
#endif
#endif
"""


def _constant(row: Row) -> tuple[int, int]:
    """Mask and value of the encoding with the fields that the row fixes to numbers."""
    bits = row.encoding.bits
    mask, value = bits.mask, bits.value
    for name, fixed in row.fixed.items():
        if not fixed.names:
            part = bits.fields[name]
            mask |= ((1 << part.width) - 1) << part.lsb
            value |= fixed.value({}) << part.lsb
    return mask, value


def _c_condition(row: Row) -> str:
    """What else must hold, in C over `word`; empty when nothing."""

    def field(name: str) -> str:
        if name == "c64":
            return name
        part = row.encoding.bits.fields[name]
        return f"F({part.lsb}, {part.width})"

    ties = [f"{field(name)} == {value.c_text(field)}" for name, value in row.fixed.items() if value.names]
    extra = [row.condition.c_text(field)] if row.condition else []
    return " && ".join(ties + extra)


def _lines(items: list[str], per_line: int) -> str:
    cut = range(0, len(items), per_line)
    return "".join("    " + " ".join(f"{item}," for item in items[i : i + per_line]) + "\n" for i in cut)


def _encoding_line(encoding: Encoding, first: int) -> str:
    bits = encoding.bits
    numbers = f"{bits.mask:#010x}, {bits.value:#010x}, {bits.nonzero:#x}"
    return f"{{{numbers}, {clause_symbol(encoding.clause)}, {first}, {len(encoding.rows)}}}"


def source(table: Table, executed: list[str]) -> str:
    order = sorted(range(len(table.encodings)), key=lambda i: -table.encodings[i].bits.mask.bit_count())
    entries = [(i, table.encodings[i].bits.mask, table.encodings[i].bits.value) for i in order]
    nodes, candidates = _flatten(_tree(entries, 0))
    encodings = [_encoding_line(e, e.rows[0].index if e.rows else 0) for e in table.encodings]
    conditions = [(row, _c_condition(row)) for row in table.rows]
    cases = "".join(f"    case {row.index}: return {text};\n" for row, text in conditions if text)
    rows = ["{{{:#010x}, {:#010x}}}".format(*_constant(row)) for row in table.rows] or ["{0, 0}"]
    names = [f'"{"UNDEFINED" if clause == UNDEFINED else clause}"' for clause in table.clauses]
    externs = "".join(f"exec_fn exec_{clause};\n" for clause in executed)
    present = "".join(f"    [{clause_symbol(clause)}] = exec_{clause},\n" for clause in executed)
    return f"""/* Generated from the instruction rows. */
#include "exec.h"
#include "isa.h"

struct isa_node {{ uint8_t lsb, width; uint16_t first; }};
struct isa_encoding {{ uint32_t mask, value, nonzero; uint16_t clause, row, rows; }};
struct isa_bits {{ uint32_t mask, value; }};

static const struct isa_node nodes[] = {{
{_lines([f"{{{lsb}, {width}, {first}}}" for lsb, width, first in nodes], 8)}}};
static const int16_t candidates[] = {{
{_lines([str(index) for index in candidates], 20)}}};
static const struct isa_encoding encodings[] = {{
{_lines(encodings, 1)}}};
static const struct isa_bits rows[] = {{
{_lines(rows, 4)}}};
const char *const isa_clause_name[CLAUSE_COUNT] = {{
{_lines(names, 1)}}};

static const struct isa_encoding *find(uint32_t word) {{
    const struct isa_node *node = nodes;
    while (node->width)
        node = &nodes[node->first + (word >> node->lsb & ((1u << node->width) - 1))];
    for (const int16_t *at = &candidates[node->first]; *at >= 0; at++) {{
        const struct isa_encoding *e = &encodings[*at];
        if ((word & e->mask) == e->value && (!e->nonzero || word & e->nonzero))
            return e;
    }}
    return 0;
}}

uint16_t isa_clause(uint32_t word) {{
    const struct isa_encoding *encoding = find(word);
    return encoding ? encoding->clause : CLAUSE_UNDEFINED;
}}

#define F(lsb, width) ((int32_t)(word >> (lsb) & ((1u << (width)) - 1)))
static bool holds(int row, uint32_t word, bool c64) {{
    switch (row) {{
{cases}    default: (void)word, (void)c64; return true;
    }}
}}

int isa_row(uint32_t word, bool c64) {{
    const struct isa_encoding *encoding = find(word);
    if (!encoding)
        return -1;
    for (int row = encoding->row; row < encoding->row + encoding->rows; row++)
        if ((word & rows[row].mask) == rows[row].value && holds(row, word, c64))
            return row;
    return -1;
}}

{externs}
exec_fn *const isa_exec[CLAUSE_COUNT] = {{
    [CLAUSE_UNDEFINED] = 0,
{present}}};
"""


def executed_clauses(folder: Path) -> list[str]:
    """Clauses that have a function in exec*.c."""
    found = re.compile(r"^EXEC\((\w+)\)", re.MULTILINE)
    return sorted({name for file in folder.glob("exec*.c") for name in found.findall(file.read_text("utf-8"))})


def main(outdir: Path, sources: Path) -> None:
    table = load()
    check(table)
    executed = executed_clauses(sources)
    unknown = set(executed) - set(table.clauses)
    if unknown:
        raise SystemExit(f"EXEC({min(unknown)}) in {sources} names no clause of the rows")
    outdir.mkdir(parents=True, exist_ok=True)
    (outdir / "isa.h").write_text(header(table), encoding="utf-8")
    (outdir / "isa.c").write_text(source(table, executed), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).resolve().parents[1] / "src")
