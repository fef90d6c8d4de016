"""tree.py FILE: writes a C program that is large and branchy, always the same: a tree of calls whose leaves differ.

Every function is run in every round, so thousands of instructions are live and no branch predictor knows them all.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

LEVELS, ARMS, STATEMENTS = 4, 4, 9
SEED = 11

HEAD = """/* Generated. */
#include "work.h"

static uint64_t memory[512];
#define NOINLINE __attribute__((noinline))
"""
FORMS = (
    "a = a * {odd}u + b;",
    "b ^= a >> {shift};",
    "if (a & {bit}u) b += {number}; else a -= {number};",
    "memory[{cell}] += a;",
    "b += memory[(a >> {shift}) & 511];",
    "if ((b & 255) < {byte}) a ^= memory[{cell}];",
    "a = (a << {turn} | a >> (64 - {turn})) + {number};",
    "while ((b & 3) == {two}) b = b * 5 + 1;",
    "memory[b & 511] = (uint32_t)a;",
    "b = (uint32_t)a < (uint32_t)b ? b - a : b + {number};",
)


def statement(source: random.Random) -> str:
    """One line of C."""
    return source.choice(FORMS).format(
        odd=source.getrandbits(31) | 1,
        shift=source.randrange(3, 40),
        turn=source.randrange(1, 63),
        bit=1 << source.randrange(20),
        number=source.randrange(1, 4000),
        cell=source.randrange(512),
        byte=source.randrange(64, 192),
        two=source.randrange(3),
    )


def function(name: str, children: list[str], source: random.Random) -> str:
    """A function that computes and calls its children, each in one of two ways."""
    lines = [f"static NOINLINE uint64_t {name}(uint64_t a, uint64_t b) {{"]
    lines += [f"    {statement(source)}" for _ in range(STATEMENTS)]
    for child in children:
        lines += [f"    a ^= {child}(b, a + {source.randrange(100)});", f"    {statement(source)}"]
    return "\n".join([*lines, "    return a + b;", "}", ""])


def tree(name: str, level: int, source: random.Random) -> list[str]:
    """The functions of a subtree, leaves first."""
    children = [f"{name}{arm}" for arm in range(ARMS)] if level else []
    below = [text for child in children for text in tree(child, level - 1, source)]
    return [*below, function(name, children, source)]


def program() -> str:
    """All of it."""
    root = """uint64_t work(uint64_t rounds) {
    uint64_t total = 9;
    for (unsigned i = 0; i < 512; i++) memory[i] = 0;
    for (; rounds; rounds--) total = mix(total, f(total, rounds));
    return total;
}
"""
    return "\n".join([HEAD, *tree("f", LEVELS, random.Random(SEED)), root])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(program())
