"""branchy.py MODE FILE: writes a bare-metal program that is large and branchy, always the same.

MODE 0 is A64 by DDC, MODE 2 is C64 with loads and stores of capabilities. One iteration calls every function of a tree
whose leaves differ: thousands of instructions are live, and no branch predictor knows them all. Tiny loops flatter an
interpreter; this does not.

ITERS is defined by whoever assembles it.

    x0 iterations   x1 table   x2 results   x4 x5 x8 scratch   x6 x7 x9 x10 sums   sp stack of links
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

LEVELS, ARMS, STATEMENTS = 4, 4, 8
SEED = 7
SUMS = (6, 7, 9, 10)
CONDITIONS = ("eq", "ne", "cs", "cc", "mi", "pl", "hi", "ls", "ge", "lt", "gt", "le")

HEAD = """// Generated.
        .text
        .globl  _start
_start: mrs     x0, cptr_el3
        orr     x0, x0, #0x200
        and     x0, x0, #~0x400
        msr     cptr_el3, x0
        isb
        ldr     x1, =table
        mov     x4, #0
        mov     x6, #1
        ldr     x5, =0x5851f42d4c957f2d
0:      madd    x6, x6, x5, x5
        str     x6, [x1, x4, lsl #3]
        add     x4, x4, #1
        cmp     x4, #512
        b.ne    0b
        ldr     x2, =results
        ldr     x3, =stack
        mov     sp, x3
        mov     x7, #0
        mov     x9, #0
        mov     x10, #0
"""
CAPABILITIES = """        mov     x0, x1
        .inst   0xc2c5b001              // cvtp c1, x0
        .inst   0xc2c04021              // scvalue c1, c1, x0
        mov     x0, x2
        .inst   0xc2c5b002              // cvtp c2, x0
        .inst   0xc2c04042              // scvalue c2, c2, x0
        mov     x0, x3
        .inst   0xc2c5b003              // cvtp c3, x0
        .inst   0xc2c04063              // scvalue c3, c3, x0
        .inst   0xc2c1d07f              // mov csp, c3
        .inst   0xc2c273e0              // bx #4 -> C64
"""
LOOP = """        ldr     x0, =ITERS
        b       1f
        .ltorg
1:      bl      f
        subs    x0, x0, #1
        b.ne    1b
"""
END = """        ldr     x0, =message
        ldr     x1, =0x13000000
3:      ldrb    w2, [x0], #1
        strb    w2, [x1]
        b       3b
        .ltorg
message: .ascii "OK\\n\\004"
        .balign 4
"""
BSS = """
        .section .bss
        .balign 4096
table:  .space  4096
results: .space 4096
        .space  4096
stack:
"""
TO_A64 = "        .inst   0xc2c273e0              // bx #4 -> A64\n"


def numbers(source: random.Random) -> dict[str, object]:
    """What a statement's text may ask for."""
    a, b = source.sample(SUMS, 2)
    return {
        "a": a,
        "b": b,
        "shift": source.randrange(3, 40),
        "turn": source.randrange(1, 63),
        "bit": source.randrange(20),
        "small": source.randrange(1, 4000),
        "byte": source.randrange(64, 192),
        "cell": 8 * source.randrange(512),
        "granule": 16 * source.randrange(256),
        "condition": source.choice(CONDITIONS),
    }


INTEGER = (
    "madd x{a}, x{a}, x{b}, x{b}; add x{a}, x{a}, #{small}",
    "eor x{b}, x{b}, x{a}, lsr #{shift}",
    "tbz x{a}, #{bit}, 5f; add x{b}, x{b}, #{small}; b 6f; 5: sub x{a}, x{a}, #{small}; 6:",
    "and w4, w{b}, #255; cmp w4, #{byte}; b.hi 5f; eor x{a}, x{a}, x{b}, lsl #3; 5:",
    "ror x{a}, x{a}, #{turn}; add x{a}, x{a}, x{b}",
    "tbnz w{b}, #{bit}, 5f; add x{b}, x{b}, x{b}, lsl #2; add x{b}, x{b}, #1; 5:",
    "cmp w{a}, w{b}; b.{condition} 5f; sub x{b}, x{b}, x{a}; 5: add x{b}, x{b}, #{small}",
    "cmp x{a}, x{b}; csel x4, x{a}, x{b}, {condition}; eor x{a}, x{a}, x4, lsr #1",
    "cbz w{a}, 5f; ubfx x5, x{a}, #5, #9; add x{b}, x{b}, x5; 5:",
)
MEMORY = (
    "ldr x5, [x1, #{cell}]; add x{a}, x{a}, x5",
    "and x4, x{a}, #0xff8; ldr x5, [x1, x4]; eor x{b}, x{b}, x5",
    "str x{a}, [x2, #{cell}]",
    "and x4, x{b}, #0xff8; str x{a}, [x2, x4]",
    "and x4, x{a}, #0x7ff; ldrb w5, [x1, x4]; add x{b}, x{b}, x5",
)


LINK = ("str x30, [sp, #-16]!", "ldr x30, [sp], #16", "ret")
LINK_CAPABILITY = (".inst 0xa21ffffe", ".inst 0xa24017fe", ".inst 0xc2c253c0")
"""str c30, [csp, #-16]!; ldr c30, [csp], #16; ret c30."""


def move(source: random.Random) -> str:
    """A capability from the table to the results: ldr c11, [c1, #i]; str c11, [c2, #j]."""
    load, store = source.randrange(256), source.randrange(256)
    return f".inst {0xC240002B | load << 10:#x}; .inst {0xC200004B | store << 10:#x}"


def statement(source: random.Random, mode: int) -> str:
    """Some instructions, from one line each of the tables."""
    if mode == 2 and source.random() < 0.25:
        return move(source)
    return source.choice(INTEGER if source.random() < 0.65 else MEMORY).format(**numbers(source))


def function(name: str, children: list[str], source: random.Random, mode: int) -> list[str]:
    """A function that computes and calls its children."""
    push, pop, back = LINK_CAPABILITY if mode == 2 else LINK
    lines = [f"{name}:"]
    if children:
        lines.append(push)
    lines += [statement(source, mode) for _ in range(STATEMENTS)]
    for child in children:
        lines += [f"bl {child}", statement(source, mode)]
    if children:
        lines.append(pop)
    return [*lines, back]


def tree(name: str, level: int, source: random.Random, mode: int) -> list[str]:
    """The functions of a subtree, leaves first."""
    children = [f"{name}{arm}" for arm in range(ARMS)] if level else []
    below = [line for child in children for line in tree(child, level - 1, source, mode)]
    return [*below, *function(name, children, source, mode)]


def program(mode: int) -> str:
    """All of it."""
    enter, leave = (CAPABILITIES, TO_A64) if mode == 2 else ("", "")
    functions = "\n".join(tree("f", LEVELS, random.Random(SEED), mode))
    return "".join((HEAD, enter, LOOP, leave, END, functions, BSS))


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(program(int(sys.argv[1])))
